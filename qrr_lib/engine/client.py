"""Points on a Qdrant server or cluster, or in qdrant-client's local mode (lesson
14).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

from qrr_lib.engine.extra import EngineError, package
from qrr_lib.engine.passage import field_key
from qrr_lib.engine.stores import Ask, Point, conditions, points_of
from qrr_lib.engine.words import Sparse

PAGE = 256  # points read at a time
POINTS_A_REQUEST = 16  # a server takes 32 MB at a time
TRIES = 4
SECONDS = 10  # that an answer may take
PAUSE = 0.5  # seconds before the second try, then twice as long each time


class ClientStore:
    """Points behind a `qdrant_client.QdrantClient`; methods as in `EdgeStore`.

    Parameters
    ----------
    client : QdrantClient
    place : str
        How messages call it.
    name : str
        The collection. FileNotFoundError if it is not there.
    ours : bool
        Close the client with the store.
    lock : filelock.FileLock or None
        Freed when the store is closed.
    """

    page = PAGE

    def __init__(self, client, place: str, name: str, ours: bool = True, lock=None):
        self.client, self.place, self.name = client, place, name
        self.ours, self.lock = ours, lock
        self.package = package("qdrant_client.models", "engine")
        if not self._do(client.collection_exists, name):
            raise FileNotFoundError(f"no index at {place}: make one first")

    @classmethod
    def make(cls, layout: dict, first: Point, client, place: str, name: str, **options):
        """Make a collection that holds one point; `layout` as in `EdgeStore.make`."""
        self = object.__new__(cls)
        self.client, self.place, self.name = client, place, name
        self.package = package("qdrant_client.models", "engine")
        if not self._do(client.collection_exists, name):
            self._do(client.create_collection, name, **self._config(layout))
        self.upsert([first])
        return cls(client, place, name, **options)

    def _config(self, layout: dict) -> dict:
        m = self.package
        dot = m.Distance.DOT
        vectors = {"dense": m.VectorParams(size=layout["dense"], distance=dot)}
        if layout["tokens"]:
            width, kind = layout["tokens"]
            best = m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM)
            vectors["tokens"] = m.VectorParams(
                size=width,
                distance=dot,
                multivector_config=best,
                datatype=m.Datatype(kind),
                hnsw_config=m.HnswConfigDiff(m=0),
                on_disk=True,
            )
        stored = m.SparseIndexParams(on_disk=True)
        sparse = {
            "words": m.SparseVectorParams(modifier=m.Modifier.IDF),
            "pieces": m.SparseVectorParams(index=stored),
        }
        return {"vectors_config": vectors, "sparse_vectors_config": sparse}

    def _do(self, call, *arguments, **options):
        """Call the server; again, after a pause, if it does not answer."""
        errors = package("qdrant_client.http.exceptions", "engine")
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                return call(*arguments, **options)
            except errors.ResponseHandlingException as error:
                problem = str(error) or "no answer"
            except errors.UnexpectedResponse as error:
                problem = f"{error.status_code} {error.reason_phrase}"
                if error.status_code and error.status_code < 500:
                    break
        raise EngineError(
            f"Qdrant at {self.place} does not do it ({problem}): is the server there, "
            "and is QRR_ENGINE_KEY its key? What was acknowledged is kept; run it again"
        ) from None

    def has_id(self, ids: list[str]):
        return self.package.HasIdCondition(has_id=ids)

    def between(self, key: str, **bounds):
        bounds = self.package.Range(**bounds)
        return self.package.FieldCondition(key=key, range=bounds)

    def upsert(self, points: list[Point]) -> None:
        m = self.package
        made = []
        for point in points:
            vectors = {name: self._vector(v) for name, v in point.vectors.items()}
            made.append(
                m.PointStruct(id=point.id, vector=vectors, payload=point.payload)
            )
        for start in range(0, len(made), POINTS_A_REQUEST):
            part = made[start : start + POINTS_A_REQUEST]
            self._do(self.client.upsert, self.name, part, wait=True)

    def _vector(self, vector):
        if isinstance(vector, Sparse):
            return self.package.SparseVector(
                indices=vector.indices, values=vector.values
            )
        return vector

    def delete(self, ids: list[str]) -> None:
        self._do(self.client.delete, self.name, ids, wait=True)

    def search(self, asks: list[Ask]) -> list[list[tuple[str, float]]]:
        requests = [
            self.package.QueryRequest(
                limit=ask.limit,
                query=self._vector(ask.vector),
                using=ask.using,
                filter=conditions(self, ask.where, ask.within),
            )
            for ask in asks
        ]
        found = self._do(self.client.query_batch_points, self.name, requests)
        return [[(str(hit.id), hit.score) for hit in one.points] for one in found]

    def retrieve(self, ids: list[str], payload: list[str], vectors=()) -> list[Point]:
        options = {"with_payload": payload, "with_vectors": list(vectors)}
        return points_of(self._do(self.client.retrieve, self.name, ids, **options))

    def scroll(self, payload: list[str], vectors=()) -> Iterator[list[Point]]:
        offset, options = None, {"with_payload": payload, "with_vectors": list(vectors)}
        while True:
            options |= {"limit": self.page, "offset": offset}
            page, offset = self._do(self.client.scroll, self.name, **options)
            yield points_of(page)
            if offset is None:
                return

    def count(self) -> int:
        return self._do(self.client.count, self.name, exact=True).count

    def index_field(self, field: str, number: bool) -> None:
        kind = "float" if number else "keyword"
        with warnings.catch_warnings():  # local mode says that it needs none
            warnings.simplefilter("ignore")
            make = self.client.create_payload_index
            self._do(make, self.name, field_key(field), field_schema=kind)

    def optimise(self) -> None:
        """A server does so by itself."""

    def size(self) -> int | None:
        return None

    def close(self) -> None:
        if self.ours:
            self.client.close()
        if self.lock is not None:
            self.lock.release()
