"""Points on a Qdrant server or cluster, or in qdrant-client's local mode (lesson
14).
"""

from __future__ import annotations

import time
import warnings

from qrr_lib.engine.extra import EngineError, package
from qrr_lib.engine.passage import field_key
from qrr_lib.engine.stores import PAGE, Ask, Point, Store

POINTS_A_REQUEST = 16  # a server takes 32 MB at a time
TRIES = 4
SECONDS = 10  # that an answer may take
PAUSE = 0.5  # seconds before the second try, then twice as long each time


class ClientStore(Store):
    """Points behind a `qdrant_client.QdrantClient`; methods as in `EdgeStore`.

    Parameters
    ----------
    client : QdrantClient
    place : str
        How messages call it.
    name : str
        The collection.
    lock : filelock.FileLock or None
        Freed when the store is closed.
    layout, first : as in `EdgeStore`
    """

    def __init__(self, client, place, name, lock=None, layout=None, first=None):
        self.client, self.place, self.name, self.lock = client, place, name, lock
        self.q = package("qdrant_client.models")
        self.there = self._do(client.collection_exists, collection_name=name)
        if layout is not None:
            if not self.there:
                self._do(client.create_collection, **self._config(layout))
            self.upsert([first])

    def _config(self, layout: dict) -> dict:
        q, dot = self.q, self.q.Distance.DOT
        vectors = {"dense": q.VectorParams(size=layout["dense"], distance=dot)}
        if layout["tokens"]:
            best = q.MultiVectorConfig(comparator=q.MultiVectorComparator.MAX_SIM)
            options = {"multivector_config": best, "on_disk": True}
            options["datatype"] = q.Datatype.TURBO8
            options["hnsw_config"] = q.HnswConfigDiff(m=0)  # no graph
            options |= {"size": layout["tokens"], "distance": dot}
            vectors["tokens"] = q.VectorParams(**options)
        words = q.SparseVectorParams(modifier=q.Modifier.IDF)
        pieces = q.SparseVectorParams(index=q.SparseIndexParams(on_disk=True))
        sparse = {"words": words, "pieces": pieces}
        return {"vectors_config": vectors, "sparse_vectors_config": sparse}

    def _do(self, call, *arguments, **options):
        """Call the server; again, after a pause, if it does not answer."""
        errors = package("qdrant_client.http.exceptions")
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                return call(*arguments, **{"collection_name": self.name} | options)
            except errors.ResponseHandlingException as error:
                problem = str(error) or "no answer"
            except errors.UnexpectedResponse as error:
                problem = f"{error.status_code} {error.reason_phrase}"
                if error.status_code and error.status_code < 500:
                    break
        raise EngineError(
            f"Qdrant at {self.place} does not do it ({problem}): is the server there, "
            "and is QRR_ENGINE_KEY its key? What was acknowledged is kept; run it again"
        )

    def upsert(self, points: list[Point]) -> None:
        point = self.q.PointStruct
        for start in range(0, len(points), POINTS_A_REQUEST):
            made = [
                point(id=p.id, vector=self.native(p.vectors), payload=p.payload)
                for p in points[start : start + POINTS_A_REQUEST]
            ]
            self._do(self.client.upsert, points=made, wait=True)

    def delete(self, ids: list[str]) -> None:
        self._do(self.client.delete, points_selector=ids, wait=True)

    def index_field(self, field: str, number: bool) -> None:
        options = {"field_name": field_key(field)}
        options["field_schema"] = "float" if number else "keyword"
        with warnings.catch_warnings():  # local mode says that it needs none
            warnings.simplefilter("ignore")
            self._do(self.client.create_payload_index, **options)

    def one_of(self, ids: list[str]):
        return self.q.HasIdCondition(has_id=ids)

    def between(self, key: str, **bounds):
        return self.q.FieldCondition(key=key, range=self.q.Range(**bounds))

    def request(self, ask: Ask):
        [vector] = self.native({"": ask.vector}).values()
        options = {"limit": ask.limit, "using": ask.using, "filter": self.filter(ask)}
        return self.q.QueryRequest(query=vector, **options)

    def query(self, requests: list) -> list[list]:
        found = self._do(self.client.query_batch_points, requests=requests)
        return [one.points for one in found]

    def records(self, ids: list[str], payload: list[str], vectors: list[str]) -> list:
        options = {"with_payload": payload, "with_vectors": vectors}
        return self._do(self.client.retrieve, ids=ids, **options)

    def page(self, offset, payload: list[str], vectors: list[str]) -> tuple:
        options = {"with_payload": payload, "with_vectors": vectors}
        return self._do(self.client.scroll, limit=PAGE, offset=offset, **options)

    def count(self) -> int:
        return self._do(self.client.count, exact=True).count

    def optimise(self) -> None:
        """A server does so by itself."""

    def size(self) -> None:
        """Unknown here."""

    def close(self) -> None:
        if self.lock is not None:  # a folder; a reader's own client stays open
            self.client.close()
            self.lock.release()
