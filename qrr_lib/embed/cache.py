"""Embeddings on disk, so that no text is embedded twice (lesson 01)."""

from __future__ import annotations

import hashlib
import sqlite3
import warnings
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np

from qrr_lib.files import cache_dir, data_dir, say


def text_key(text: str) -> bytes:
    """Key of a text in the cache: the SHA-256 of its UTF-8 bytes (lone surrogates are
    kept apart, not refused).
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class EmbeddingCache:
    """One SQLite file per model, keyed by the model's hash and the text's; every row
    carries a checksum.

    SQLite's transactions make a kill in mid-write harmless. A damaged file or row is
    rebuilt, said once; a folder that cannot be written is only warned about. Vectors
    that come with the course (float16, data/course/embeddings) are read, never written.
    """

    def __init__(self, spec):
        self.spec = spec
        self.path = (
            cache_dir() / "embeddings" / f"{spec.name}-{spec.sha256[:12]}.sqlite"
        )
        self.usable = True
        self._shipped: dict[bytes, np.ndarray] | None = None

    def get(self, keys: list[bytes]) -> dict[bytes, np.ndarray]:
        """Return the vectors that are there: {key: (D,) float32}."""
        found = {key: self.shipped[key] for key in keys if key in self.shipped}
        rows = (
            self._run(
                lambda db: [
                    row
                    for key in set(keys) - set(found)
                    for row in db.execute(
                        "SELECT key, vector, crc FROM vectors WHERE key = ?", (key,)
                    )
                ]
            )
            or []
        )
        for key, blob, crc in rows:
            if zlib.crc32(blob) == crc and len(blob) == 4 * self.spec.dim:
                found[key] = np.frombuffer(blob, dtype="<f4")
            else:
                say(
                    f"one cached embedding in {self.path.name} is damaged; computing "
                    "it again"
                )
        return found

    def put(self, vectors: dict[bytes, np.ndarray]) -> None:
        """Store vectors in one transaction."""
        rows = [
            (
                key,
                blob := np.ascontiguousarray(v, dtype="<f4").tobytes(),
                zlib.crc32(blob),
            )
            for key, v in vectors.items()
        ]
        self._run(
            lambda db: db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows
            )
        )

    def _run(self, work, again: bool = True):
        if not self.usable:
            return None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=30)) as db, db:
                db.execute(
                    "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector "
                    "BLOB, crc INTEGER) WITHOUT ROWID"
                )
                return work(db)
        except (
            sqlite3.OperationalError
        ) as error:  # locked, read-only, disk full: go on without
            self._give_up(error)
        except sqlite3.DatabaseError as error:  # not a database, or malformed
            if again and self._set_aside(error):
                return self._run(work, again=False)
        except OSError as error:
            self._give_up(error)
        return None

    def _set_aside(self, error) -> bool:
        try:
            self.path.replace(self.path.with_suffix(".damaged"))
        except OSError as second:
            self._give_up(second)
            return False
        say(
            f"the embedding cache {self.path.name} was damaged ({error}); starting a "
            "new one"
        )
        return True

    def _give_up(self, error) -> None:
        self.usable = False
        warnings.warn(
            f"the embedding cache {self.path} cannot be used ({error}); going on "
            "without it. "
            "Set QRR_CACHE_DIR to a folder you can write to.",
            stacklevel=5,
        )

    @property
    def shipped(self) -> dict[bytes, np.ndarray]:
        """Vectors of the course corpus that come with the repository, if they belong to
        this very model.
        """
        if self._shipped is None:
            self._shipped = {}
            try:
                path = (
                    Path(data_dir()) / "course" / "embeddings" / f"{self.spec.name}.npz"
                )
            except FileNotFoundError:
                return self._shipped
            if path.is_file():
                with np.load(path) as file:
                    if str(file["weights"]) == self.spec.sha256:
                        vectors = file["vectors"].astype(np.float32)
                        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
                        self._shipped = dict(
                            zip((key.tobytes() for key in file["keys"]), vectors)
                        )
        return self._shipped
