"""Angle codes of many texts, in memory or in a folder of write-once files (lesson 09).

The folder holds `manifest.json` and the files it names, each with its size and SHA-256.
Files are never changed: a new index gets files of its own beside the old ones, and
becomes the index only when the new manifest takes the old one's place, in one step. A
kill before that leaves the old index whole. Codes are memory-mapped: only the
candidates of a search are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path

import numpy as np

from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.files import atomic_path
from qrr_lib.rank.states import States, offsets_of

FORMAT = 2
MANIFEST = "manifest.json"


class StoreWriter:
    """Write an index folder block by block: `add` … `add`, then `commit`; `abort` (or a
    full disk) leaves what was there before.

    Parameters
    ----------
    folder : path
        Made if need be; an index that is there stays in force until `commit`.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder, self.mark = Path(folder), secrets.token_hex(4)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.names = {
            kind: f"{kind}-{self.mark}.bin"
            for kind in ("codes", "token_ids", "vectors", "ids")
        }
        self.files = {
            kind: open(self.folder / name, "xb") for kind, name in self.names.items()
        }
        self.digests = {kind: hashlib.sha256() for kind in self.names}
        self.written = dict.fromkeys(self.names, 0)
        self.lengths: list[int] = []

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is not None:
            self.abort()

    def add(self, ids: list[str], vectors: np.ndarray, states: States) -> None:
        """Append N texts: ids, embeddings (N, D) float32 and codes.

        OSError, after cleaning up, when the disk is full.
        """
        self.dim, self.shape = vectors.shape[1], states.rows.shape[1:]
        self._put("codes", np.ascontiguousarray(states.rows))
        self._put("token_ids", states.token_ids.astype("<u4"))
        self._put("vectors", np.ascontiguousarray(vectors, dtype="<f4"))
        self._put("ids", "".join(json.dumps(key) + "\n" for key in ids).encode())
        self.lengths += np.diff(states.offsets).tolist()

    def _put(self, kind: str, data) -> None:
        try:
            self.files[kind].write(data)
            self.files[kind].flush()
        except OSError as error:
            self.abort()
            size = sum(self.written.values()) / 1e6
            raise OSError(
                error.errno,
                f"the index in {self.folder} could not be written "
                f"({error.strerror or error}) after {size:.1f} MB: "
                "make room or choose another folder, then index again; what was there "
                "before is untouched",
            ) from None
        self.digests[kind].update(data)
        self.written[kind] += memoryview(data).nbytes

    def extra(self, kind: str) -> Path:
        """Path for one more file of this index, to be written before `commit`."""
        self.names[kind] = f"{kind}-{self.mark}.bin"
        return self.folder / self.names[kind]

    def commit(self, about: dict) -> dict:
        """Make this the folder's index; `about` says what it belongs to (model,
        hashes). Returns the manifest.
        """
        try:
            for file in self.files.values():
                os.fsync(file.fileno())
                file.close()
            for kind in self.names.keys() - self.files.keys():
                data = (self.folder / self.names[kind]).read_bytes()
                self.written[kind], self.digests[kind] = len(data), hashlib.sha256(data)
            files = {
                kind: {
                    "name": name,
                    "bytes": self.written[kind],
                    "sha256": self.digests[kind].hexdigest(),
                }
                for kind, name in self.names.items()
            }
            manifest = {
                "format": FORMAT,
                **about,
                "documents": len(self.lengths),
                "tokens": sum(self.lengths),
                "code_shape": self.shape,
                "dim": self.dim,
                "files": files,
                "lengths": self.lengths,
            }
            with atomic_path(self.folder / MANIFEST) as partial:
                partial.write_text(json.dumps(manifest), encoding="utf-8", newline="\n")
        except OSError:
            self.abort()
            raise
        # files of an older index, or of one that was killed
        for path in self.folder.glob("*-????????.bin"):
            if path.name not in self.names.values():
                # Windows keeps files that are still mapped
                with contextlib.suppress(OSError):
                    path.unlink()
        return manifest

    def abort(self) -> None:
        """Remove what was written; an older index in the folder stays."""
        for file in self.files.values():
            with contextlib.suppress(OSError):
                file.close()
        for name in self.names.values():
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()


def write_store(folder: str | os.PathLike, ids, blocks, codec, embedder) -> None:
    """Write blocks of (embeddings, States) under their ids, the map if the angle source
    is one, and what model and angle source they belong to.
    """
    with StoreWriter(folder) as writer:
        start = 0
        for vectors, states in blocks:
            writer.add(ids[start : start + len(states)], vectors, states)
            start += len(states)
        if isinstance(codec.angles, QubitMap):
            codec.angles.save(writer.extra("map"))
        writer.commit(codec.belongs_to(embedder))


def read_store(
    folder: str | os.PathLike,
) -> tuple[list[str], np.ndarray, States, dict]:
    """Open an index folder: (ids, embeddings (N, D) float32, memory-mapped codes,
    manifest).

    Raises FileNotFoundError where no index is, ValueError for another format or a file
    that is cut short or changed. Whether model and map are the ones at hand is for
    `open_index` to say.
    """
    folder = Path(folder)
    manifest = _manifest(folder)
    path = {kind: folder / about["name"] for kind, about in manifest["files"].items()}
    for kind, about in manifest["files"].items():
        _verify(path[kind], about)
    shape = manifest["tokens"], *manifest["code_shape"]
    codes = np.zeros(shape, dtype=np.uint8)
    if manifest["tokens"]:
        codes = np.memmap(path["codes"], dtype=np.uint8, mode="r", shape=shape)
    token_ids = np.fromfile(path["token_ids"], dtype="<u4")
    states = States(codes, offsets_of(manifest["lengths"]), token_ids)
    vectors = np.fromfile(path["vectors"], dtype="<f4").reshape(-1, manifest["dim"])
    lines = path["ids"].read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines], vectors, states, manifest


def _manifest(folder: Path) -> dict:
    """Read the manifest: FileNotFoundError without one, ValueError for a wrong one."""
    path = folder / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(
            f"no index in {folder}: there is no {MANIFEST}; index a collection with "
            "Reranker.index(..., folder=...)"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        written, _ = manifest["format"], manifest["files"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error!r}): index again") from None
    if written != FORMAT:
        raise ValueError(
            f"the index in {folder} has format {written}, this library reads {FORMAT}: "
            "index again"
        )
    return manifest


def _verify(path: Path, about: dict) -> None:
    if not path.is_file():
        raise ValueError(f"the index lacks {path.name}: index again")
    if path.stat().st_size != about["bytes"]:
        raise ValueError(
            f"{path.name} is cut short or grew: {path.stat().st_size} bytes instead of "
            f"{about['bytes']}; index again"
        )
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != about["sha256"]:
            raise ValueError(
                f"{path.name} was changed (its SHA-256 does not match): index again"
            )
