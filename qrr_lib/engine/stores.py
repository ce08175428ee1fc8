"""Where points lie: a folder (Qdrant Edge, in this process) or a Qdrant server (lesson
14).

Both keep the same points: a UUID, named vectors and a payload. An index sees only the
methods of `EdgeStore`; `client.ClientStore` has the same.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from qrr_lib.engine.extra import EngineError, package
from qrr_lib.engine.passage import field_key, is_number
from qrr_lib.engine.words import Sparse

PAGE = 512  # points read at a time
LOCK = ".in-use"
POINTS = "points"  # the folder of the engine inside an index' folder
ROOM = 200 * 2**20  # bytes that must be free before anything is written


class Point(NamedTuple):
    """A UUID, {name: list of numbers, list of rows, or Sparse}, and what is kept
    beside.
    """

    id: str
    vectors: dict
    payload: dict


@dataclass
class Ask:
    """The `limit` points nearest to a vector: of all, of those that fulfil conditions
    (`where`), or of given ones (`within`).
    """

    using: str
    vector: list | Sparse
    limit: int
    where: list = ()
    within: list[str] | None = None


def conditions(kit, where: list, within: list[str] | None = None):
    """A filter in the words of one of the two packages, or None."""
    must = [_one_of(kit, *one) for one in where]
    if within is not None:
        must.append(kit.has_id(within))
    return kit.package.Filter(must=must) if must else None


def _one_of(kit, field: str, operator: str, value):
    key, names = field_key(field), {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
    if operator in names:
        return kit.between(key, **{names[operator]: value})
    either = []
    for one in value if operator == "in" else [value]:
        if is_number(one):
            either.append(kit.between(key, gte=one, lte=one))
            one = f"{one}"  # a table's column may hold numbers as text
        match = kit.package.MatchValue(value=one)
        either.append(kit.package.FieldCondition(key=key, match=match))
    return kit.package.Filter(should=either)


def points_of(records) -> list[Point]:
    """What one of the two packages read, in our words."""
    points = []
    for record in records:
        vectors = {
            name: Sparse(v.indices, v.values) if hasattr(v, "indices") else v
            for name, v in (record.vector or {}).items()
        }
        points.append(Point(str(record.id), vectors, record.payload or {}))
    return points


class EdgeStore:
    """Points in a folder, in this process. One process at a time.

    Parameters
    ----------
    folder : path
        FileNotFoundError if no index is there.
    """

    page = PAGE

    def __init__(self, folder: Path):
        self.package = package("qdrant_edge", "engine")
        self.folder, self.place = folder, str(folder)
        if not (folder / POINTS).is_dir():
            raise FileNotFoundError(f"no index in {folder}: make one first")
        self.lock = locked(folder)
        try:
            self._load()
        except Exception:
            self.lock.release()
            raise

    @classmethod
    def make(cls, folder: Path, layout: dict, first: Point) -> EdgeStore:
        """Make a store that holds one point; `layout` is {"dense": width, "tokens":
        (width, kind of number) or None}. A kill leaves either all of it or nothing.
        """
        self = object.__new__(cls)
        self.package = package("qdrant_edge", "engine")
        self.folder, self.place = folder, str(folder)
        self.lock = locked(folder)
        try:
            self._room()
            begun = folder / f"{POINTS}.begun"
            shutil.rmtree(begun, ignore_errors=True)  # of a run that was killed
            begun.mkdir()
            create = self.package.EdgeShard.create
            self.shard = self._do(create, str(begun), self._config(layout))
            self.upsert([first])
            self.shard.close()
            begun.rename(folder / POINTS)
            self._load()
        except Exception:
            self.lock.release()
            raise
        return self

    def _load(self) -> None:
        path = str(self.folder / POINTS)
        self.shard = self._do(self.package.EdgeShard.load, path)

    def _config(self, layout: dict):
        q = self.package
        vectors = {"dense": q.EdgeVectorParams(layout["dense"], q.Distance.Dot)}
        if layout["tokens"]:
            width, kind = layout["tokens"]
            flat = q.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10)
            best = q.MultiVectorConfig(q.MultiVectorComparator.MaxSim)
            vectors["tokens"] = q.EdgeVectorParams(
                width,
                q.Distance.Dot,
                multivector_config=best,
                datatype=getattr(q.VectorStorageDatatype, kind.capitalize()),
                hnsw_config=flat,
                memory=q.Memory.Cold,
            )
        words = q.EdgeSparseVectorParams(modifier=q.Modifier.Idf)
        pieces = q.EdgeSparseVectorParams(memory=q.Memory.Cold)
        sparse = {"words": words, "pieces": pieces}
        return q.EdgeConfig(vectors=vectors, sparse_vectors=sparse)

    def _do(self, call, *arguments):
        try:
            return call(*arguments)
        except Exception as error:  # the package raises plain ones
            raise EngineError(
                f"the index in {self.place} could not be read or written: {error}"
            ) from None

    def _room(self) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < ROOM:
            raise EngineError(
                f"the disk of {self.place} has {free / 2**20:.0f} MB left, writing "
                f"wants {ROOM / 2**20:.0f}: make room, then run it again; what was "
                "acknowledged is kept"
            )

    def has_id(self, ids: list[str]):
        """A condition: one of these points."""
        return self.package.HasIdCondition(set(ids))

    def between(self, key: str, **bounds):
        """A condition: a number of the payload within bounds."""
        bounds = self.package.RangeFloat(**bounds)
        return self.package.FieldCondition(key=key, range=bounds)

    def upsert(self, points: list[Point]) -> None:
        """Write points, in place of those with the same ids; on disk when it
        returns.
        """
        self._room()
        q = self.package
        made = []
        for point in points:
            vectors = {name: self._vector(v) for name, v in point.vectors.items()}
            made.append(q.Point(point.id, vectors, point.payload))
        self._do(self.shard.update, q.UpdateOperation.upsert_points(made))
        self._do(self.shard.flush)

    def _vector(self, vector):
        q = self.package
        return q.SparseVector(*vector) if isinstance(vector, Sparse) else vector

    def delete(self, ids: list[str]) -> None:
        """Take points out; gone from the disk when it returns."""
        delete = self.package.UpdateOperation.delete_points(ids)
        self._do(self.shard.update, delete)
        self._do(self.shard.flush)

    def search(self, asks: list[Ask]) -> list[list[tuple[str, float]]]:
        """(id, score) of the nearest points of every `Ask`, best first."""
        q = self.package
        requests = [
            q.QueryRequest(
                limit=ask.limit,
                query=q.Query.Nearest(self._vector(ask.vector), using=ask.using),
                filter=conditions(self, ask.where, ask.within),
            )
            for ask in asks
        ]
        found = self._do(self.shard.query_batch, q.QueryBatchRequest(requests))
        return [[(str(hit.id), hit.score) for hit in hits] for hits in found]

    def retrieve(self, ids: list[str], payload: list[str], vectors=()) -> list[Point]:
        """These points, those that are there, with parts of payload and vectors."""
        return points_of(self._do(self.shard.retrieve, ids, payload, list(vectors)))

    def scroll(self, payload: list[str], vectors=()) -> Iterator[list[Point]]:
        """All points, page by page, in the order of their ids."""
        offset, options = None, {"with_payload": payload, "with_vector": list(vectors)}
        while True:
            request = self.package.ScrollRequest(offset, self.page, **options)
            page, offset = self._do(self.shard.scroll, request)
            yield points_of(page)
            if offset is None:
                return

    def count(self) -> int:
        """How many points there are."""
        return self._do(self.shard.count, self.package.CountRequest(exact=True))

    def index_field(self, field: str, number: bool) -> None:
        """Keep a field so that conditions on it need not read every payload."""
        kinds = self.package.PayloadSchemaType
        kind = kinds.Float if number else kinds.Keyword
        make = self.package.UpdateOperation.create_field_index
        self._do(self.shard.update, make(field_key(field), kind))

    def optimise(self) -> None:
        """Merge what was written piece by piece, and forget what was deleted; where
        there is room to write it anew.
        """
        if shutil.disk_usage(self.folder).free < ROOM + self.size():
            return
        self._do(self.shard.optimize)
        self._do(self.shard.flush)

    def size(self) -> int | None:
        """Bytes on disk."""
        files = [p.stat() for p in self.folder.rglob("*") if p.is_file()]
        # files are made longer than they are full, where the disk allows it
        blocks = [getattr(f, "st_blocks", f.st_size / 512) * 512 for f in files]
        return int(sum(min(f.st_size, b) for f, b in zip(files, blocks)))

    def close(self) -> None:
        """Write what is left and let another process in."""
        with contextlib.suppress(EngineError):
            self._do(self.shard.flush)
        self.shard.close()
        self.lock.release()


def locked(folder: Path):
    """A lock on a folder, freed when this process ends; EngineError if another has
    it.
    """
    filelock = package("filelock", "engine")
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK)
    try:
        return lock.acquire(timeout=0).lock
    except filelock.Timeout:
        raise EngineError(
            f"the index in {folder} is open in another process: wait until it is done, "
            "or stop it (one process at a time; a server takes many)"
        ) from None
