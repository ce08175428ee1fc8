"""Embeddings on disk, so that no text is embedded twice (lesson 01)."""

import hashlib
import sqlite3
import warnings
import zlib
from contextlib import closing, suppress
from functools import cached_property

import numpy as np

from qrr_lib.arrays import read_arrays
from qrr_lib.embed.models import ModelSpec
from qrr_lib.files import cache_dir, data_dir, say

TABLE = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector, crc)"
# a row's own key is read, not what the index of keys says: that may be damaged, too
SELECT = """SELECT key, vector, crc FROM vectors WHERE rowid IN
    (SELECT rowid FROM vectors WHERE key = ?)"""
# what SQLite calls damage: a bad page, no database, a table that is not as it was
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
INSERT = "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)"


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

    def __init__(self, spec: ModelSpec):
        self.spec = spec
        name = f"{spec.name}-{spec.sha256[:12]}.sqlite"
        self.path = cache_dir() / "embeddings" / name
        self.usable = True

    def get(self, keys: list[bytes]) -> dict[bytes, np.ndarray]:
        """Return the vectors that are there: {key: (D,) float32}."""
        found = {key: self.shipped[key] for key in keys if key in self.shipped}
        left = set(keys) - set(found)
        for key, blob, crc in self._execute(SELECT, [(key,) for key in left]) or []:
            whole = isinstance(blob, bytes) and len(blob) == 4 * self.spec.dim
            if key in left and whole and zlib.crc32(blob) == crc:
                found[key] = np.frombuffer(blob, dtype="<f4")
            else:
                damaged = f"one cached embedding in {self.path.name} is damaged"
                say(f"{damaged}; computing it again")
        return found

    def put(self, vectors: dict[bytes, np.ndarray]) -> None:
        """Store vectors in one transaction, and look whether they are found again."""
        rows = []
        for key, vector in vectors.items():
            blob = np.asarray(vector, dtype="<f4").tobytes()
            rows.append((key, blob, zlib.crc32(blob)))
        if self._execute(INSERT, rows) is None:
            return
        found = self._execute(SELECT, [(key,) for key in vectors])
        if found is not None and len(found) < len(rows):
            self._set_aside("what was stored is not found again")

    def _set_aside(self, why) -> None:
        """Begin a new file in place of a damaged one."""
        with suppress(FileNotFoundError):  # another process was first
            self.path.replace(self.path.with_suffix(".damaged"))
        damaged = f"the embedding cache {self.path.name} was damaged ({why})"
        say(f"{damaged}; starting a new one")

    def _execute(self, statement: str, rows: list[tuple]) -> list[tuple] | None:
        """What the statement returns for each of `rows`, in one transaction; None if
        the file cannot be used.
        """
        if not self.usable:
            return None
        try:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with (
                    closing(sqlite3.connect(self.path, timeout=30)) as db,
                    db,
                ):
                    db.execute(TABLE)
                    return [
                        found for row in rows for found in db.execute(statement, row)
                    ]
            except sqlite3.DatabaseError as error:
                # else: locked, read-only, disk full
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in DAMAGE:
                    raise
                self._set_aside(error)
        except (OSError, sqlite3.DatabaseError) as error:
            self.usable = False
            advice = "Set QRR_CACHE_DIR to a folder you can write to."
            problem = f"the embedding cache {self.path} cannot be used ({error})"
            warnings.warn(f"{problem}; going on without it. {advice}", stacklevel=4)
        return None

    @cached_property
    def shipped(self) -> dict[bytes, np.ndarray]:
        """Vectors of the course corpus that come with the repository, if they belong to
        this very model.
        """
        try:
            folder = data_dir() / "course" / "embeddings"
            file = read_arrays(folder / f"{self.spec.name}.npz")
        except FileNotFoundError:
            return {}
        if str(file["weights"]) != self.spec.sha256:
            return {}
        vectors = file["vectors"].astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return dict(zip(file["keys"].tolist(), vectors))
