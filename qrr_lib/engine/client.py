"""Points on a Qdrant server or cluster, or in qdrant-client's local mode (lesson
14).
"""

import time
import warnings

from qrr_lib.engine.passage import Point, field_key
from qrr_lib.engine.stores import PAGE, EngineError, Store
from qrr_lib.lazy import package

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
    own : bool
        Close the client with the store; a reader's own stays open.
    """

    def __init__(self, client, place: str, name: str, own: bool = False):
        self.client, self.place, self.name, self.own = client, place, name, own
        self.q = package("qdrant_client.models")
        self.range = self.q.Range
        self.exists = self._do(client.collection_exists)

    def make(self, layout: dict, first: Point) -> None:
        """Make the collection, unless it is there, and write a first point."""
        q, dot = self.q, self.q.Distance.DOT
        vectors = {"dense": q.VectorParams(size=layout["dense"], distance=dot)}
        if layout["tokens"]:
            best = q.MultiVectorConfig(comparator=q.MultiVectorComparator.MAX_SIM)
            vectors["tokens"] = q.VectorParams(
                size=layout["tokens"],
                distance=dot,
                multivector_config=best,
                datatype=q.Datatype.TURBO8,
                on_disk=True,
                hnsw_config=q.HnswConfigDiff(m=0),  # no graph
            )
        words = q.SparseVectorParams(modifier=q.Modifier.IDF)
        pieces = q.SparseVectorParams(index=q.SparseIndexParams(on_disk=True))
        sparse = {"words": words, "pieces": pieces}
        options = {"vectors_config": vectors, "sparse_vectors_config": sparse}
        if not self.exists:
            self._do(self.client.create_collection, **options)
        self.upsert([first])

    def _do(self, call, **options):
        """Call the server; again, after a pause, if it does not answer."""
        errors = package("qdrant_client.http.exceptions")
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                return call(collection_name=self.name, **options)
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
        made = [
            point(id=p.id, vector=self.native(p.vectors), payload=p.payload)
            for p in points
        ]
        for start in range(0, len(made), POINTS_A_REQUEST):
            some = made[start : start + POINTS_A_REQUEST]
            self._do(self.client.upsert, points=some, wait=True)

    def delete(self, ids: list[str]) -> None:
        self._do(self.client.delete, points_selector=ids, wait=True)

    def index_field(self, field: str, number: bool) -> None:
        kind = "float" if number else "keyword"
        options = {"field_name": field_key(field), "field_schema": kind}
        with warnings.catch_warnings():  # local mode says that it needs none
            warnings.simplefilter("ignore")
            self._do(self.client.create_payload_index, **options)

    def query(self, asked: dict, k: int, wanted, by: tuple, payload: list[str]) -> list:
        first = [
            self.q.Prefetch(query=vector, using=name, limit=k, filter=wanted)
            for name, vector in asked.items()
        ]
        options = {"prefetch": first, "limit": k * len(asked)}
        options |= {"with_payload": payload or False}
        query = self.client.query_points
        return self._do(query, query=by[1], using=by[0], **options).points

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
        if self.own:
            self.client.close()
