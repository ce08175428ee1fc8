"""Points in a folder: Qdrant Edge, in this process (lesson 14)."""

import contextlib
import ctypes
import shutil
import tempfile
from pathlib import Path
from typing import Self

from qrr_lib.engine.passage import Point, field_key
from qrr_lib.engine.stores import PAGE, EngineError, Store
from qrr_lib.lazy import package

SHARD = "edge_config.json"  # a folder that holds it is one of the engine's
ROOM = 200 * 2**20  # bytes that must be free before anything is written
PIECE = 4096  # points that are written before they are merged


class EdgeStore(Store):
    """Points in a folder. One process at a time: the engine holds a lock on it; what a
    call wrote is on disk when it returns.

    Parameters
    ----------
    folder : path
    layout : dict or None
        To make a new one: {"dense": width, "tokens": width or None}. None opens what is
        there.
    """

    def __init__(self, folder: Path, layout: dict | None = None):
        self.q = package("qdrant_edge")
        self.range, self.folder, self.written = self.q.RangeFloat, folder, 0
        config = self._config(layout) if layout else None
        shard = self.q.EdgeShard
        opened = shard.create if layout else shard.load
        self.shard = self._do(opened, str(folder), config)

    @classmethod
    def make(cls, folder: Path, layout: dict, first: Point) -> Self:
        """Make a new one, with a first point; a kill leaves all of it or nothing."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = {"dir": folder.parent, "prefix": f".{folder.name}-"}
        with tempfile.TemporaryDirectory(**beside) as begun:
            made = cls(Path(begun, "index"), layout)
            made.upsert([first])
            made.close()
            if folder.is_dir():
                folder.rmdir()  # an empty one
            made.folder.rename(folder)
        return cls(folder)

    def _config(self, layout: dict):
        q = self.q
        dense = q.EdgeVectorParams(
            layout["dense"], q.Distance.Dot, memory=q.Memory.Cold
        )
        vectors = {"dense": dense}
        if layout["tokens"]:
            vectors["tokens"] = q.EdgeVectorParams(
                layout["tokens"],
                q.Distance.Dot,
                multivector_config=q.MultiVectorConfig(q.MultiVectorComparator.MaxSim),
                datatype=q.VectorStorageDatatype.Turbo8,
                memory=q.Memory.Cold,
                hnsw_config=q.HnswIndexConfig(0, 100, 10),  # no graph
            )
        words = q.EdgeSparseVectorParams(modifier=q.Modifier.Idf)
        pieces = q.EdgeSparseVectorParams(memory=q.Memory.Cold)
        sparse = {"words": words, "pieces": pieces}
        return q.EdgeConfig(vectors=vectors, sparse_vectors=sparse)

    def _do(self, call, *arguments):
        try:
            return call(*arguments)
        except Exception as error:  # the package raises plain ones
            if "WouldBlock" in str(error):  # its lock
                raise in_use(self.folder) from None
            raise EngineError(
                f"the index in {self.folder} could not be read or written: {error}"
            ) from None

    def _update(self, operation) -> None:
        self._do(self.shard.update, operation)
        self._do(self.shard.flush)

    def _free(self) -> int:
        return shutil.disk_usage(self.folder).free

    def upsert(self, points: list[Point]) -> None:
        """Write points, in place of those with the same ids."""
        if self._free() < ROOM:
            raise EngineError(
                f"the disk of {self.folder} has {self._free() / 2**20:.0f} MB left, "
                f"writing wants {ROOM / 2**20:.0f}: make room, then run it again; what "
                "was acknowledged is kept"
            )
        made = [self.q.Point(p.id, self.native(p.vectors), p.payload) for p in points]
        self._update(self.q.UpdateOperation.upsert_points(made))
        self.written += len(made)
        if self.written >= PIECE:
            self.optimise()

    def delete(self, ids: list[str]) -> None:
        """Take points out."""
        self._update(self.q.UpdateOperation.delete_points(ids))

    def index_field(self, field: str, number: bool) -> None:
        """Keep a field so that conditions on it need not read every payload."""
        kinds = self.q.PayloadSchemaType
        kind = kinds.Float if number else kinds.Keyword
        self._update(self.q.UpdateOperation.create_field_index(field_key(field), kind))

    def query(self, asked: dict, k: int, wanted, by: tuple, payload: list[str]) -> list:
        """Hits of a query in two steps, as `find` says, in the package's words."""
        nearest = self.q.Query.Nearest
        first = [
            self.q.Prefetch(k, query=nearest(vector, using=name), filter=wanted)
            for name, vector in asked.items()
        ]
        request = self.q.QueryRequest(
            k * len(asked),
            query=nearest(by[1], using=by[0]),
            prefetches=first,
            with_payload=payload or False,
        )
        return self._do(self.shard.query, request)

    def records(self, ids: list[str], payload: list[str], vectors: list[str]) -> list:
        """Points as the package reads them."""
        return self._do(self.shard.retrieve, ids, payload, vectors)

    def page(self, offset, payload: list[str], vectors: list[str]) -> tuple:
        """(points from one id on, the id after them or None)."""
        options = {"with_payload": payload, "with_vector": vectors}
        request = self.q.ScrollRequest(offset, PAGE, **options)
        return self._do(self.shard.scroll, request)

    def count(self) -> int:
        """How many points there are."""
        return self._do(self.shard.count, self.q.CountRequest(exact=True))

    def optimise(self) -> None:
        """Merge what was written piece by piece, and forget what was deleted; where
        there is room to write it anew.
        """
        self.written = 0
        if self._free() > ROOM + self.size():
            self._do(self.shard.optimize)
            self._do(self.shard.flush)
            with contextlib.suppress(Exception):  # glibc keeps what a merge has freed
                ctypes.CDLL(None).malloc_trim(0)

    def size(self) -> int:
        """Bytes on disk."""
        files = [p.stat() for p in self.folder.rglob("*") if p.is_file()]
        # files are made longer than they are full, where the disk allows it
        blocks = [getattr(f, "st_blocks", f.st_size / 512) * 512 for f in files]
        return int(sum(min(f.st_size, b) for f, b in zip(files, blocks)))

    def close(self) -> None:
        """Let another process in."""
        self.shard.close()


def in_use(folder: Path) -> EngineError:
    """What a second process is told."""
    return EngineError(
        f"the index in {folder} is open in another process: wait until it is done, or "
        "stop it (one process at a time; a server takes many)"
    )
