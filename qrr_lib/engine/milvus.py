"""Hybrid vectors in Milvus, in this process or on a cluster (lesson 14; needs the extra
`[scale]`).

A thin adapter: Milvus (Wang et al., SIGMOD 2021) keeps and searches the rows of
`HybridFeatures`, in this process for a file name, on a cluster for an address.
"""

import json
import logging
from collections.abc import Callable

import numpy as np

from qrr_lib.embed.collection import check_ids
from qrr_lib.engine.extra import EngineError, package
from qrr_lib.rank.hybrid_index import HybridIndex

WRITE_BATCH = 500  # rows sent to Milvus at a time
NO_SERVER = (
    ". Is a Milvus server running there? 'Run Milvus with Docker Compose' in its "
    "documentation starts one; ./qrr.db needs none"
)


class MilvusIndex(HybridIndex):
    """`HybridIndex` with its rows in a Milvus collection.

    Searches also take where="year > 2000", a filter expression of Milvus.

    Parameters
    ----------
    embedder, scorer, alpha, fixed : as in `HybridIndex`
    uri : str
        A file name ending in .db runs Milvus Lite in this process; "http://host:19530"
        is a server or cluster.
    name : str
        The collection; made if it is not there. ValueError if it was made for another
        embedding size, other states or another fixed α.
    token : str
        "user:password" of a server that wants it.
    """

    def __init__(
        self,
        embedder,
        scorer,
        uri="./qrr.db",
        name="qrr",
        alpha: float = 0.5,
        fixed: bool = False,
        token: str = "",
    ):
        super().__init__(embedder, scorer, alpha=alpha, fixed=fixed)
        self.uri = uri
        self.name = name
        pymilvus = package("pymilvus")
        for logger in ("pymilvus", "milvus_lite"):
            # errors are raised, once, as EngineError
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        options = {"uri": uri, "token": token, "timeout": 10}
        self.client = self._do("be reached", pymilvus.MilvusClient, **options)
        here = self.features.about(embedder.dim)
        if not self._do("list collections", self.client.has_collection, name):
            self._make_collection(here)
        found = self._do("be read", self.client.describe_collection, name)
        there = json.loads(found["properties"].get("qrr", "{}"))
        differ = [key for key in here if here[key] != there.get(key)]
        if differ:
            wrong = [f"{k} is {there.get(k)!r} there, {here[k]!r} here" for k in differ]
            raise ValueError(
                f"the collection {name!r} in {uri} holds other vectors: "
                f"{'; '.join(wrong)}. Use its settings, or another name"
            )
        self._do("load the collection", self.client.load_collection, name)

    def _make_collection(self, about: dict) -> None:
        types = package("pymilvus").DataType
        schema = self.client.create_schema(auto_id=False, enable_dynamic_field=True)
        schema.add_field("id", types.VARCHAR, is_primary=True, max_length=512)
        schema.add_field("vector", types.FLOAT_VECTOR, dim=about["width"])
        index = self.client.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="IP")
        options = {"schema": schema, "index_params": index}
        options["properties"] = {"qrr": json.dumps(about)}
        options["consistency_level"] = "Strong"
        create = self.client.create_collection
        self._do("make the collection", create, self.name, **options)

    def _do(self, what: str, call: Callable, *arguments, **options):
        """Call Milvus; what goes wrong there is an EngineError that says where."""
        try:
            return call(*arguments, **options)
        except (package("pymilvus").MilvusException, OSError) as error:
            said = getattr(error, "message", error)
            hint = "" if str(self.uri).endswith(".db") else NO_SERVER
            wrong = f"Milvus at {self.uri} could not {what}: {said}{hint}"
            raise EngineError(wrong) from None

    def __len__(self) -> int:
        options = {"filter": "", "output_fields": ["count(*)"]}
        counted = self._do("count", self.client.query, self.name, **options)
        return int(counted[0]["count(*)"])

    def add(
        self, ids: list[str], vectors: np.ndarray, fields: list[dict] | None = None
    ) -> None:
        """Write documents by embeddings (N, D), with fields to filter by.

        An id that is in the collection already is replaced.

        ValueError, before anything is written, for duplicate, empty or non-string ids;
        EngineError in mid-write says how far it came.
        """
        ids, fields = list(ids), fields or [{}] * len(ids)
        if not len(ids) == len(vectors) == len(fields):
            raise ValueError(
                f"{len(ids)} ids, {len(vectors)} vectors, {len(fields)} rows of "
                "fields: give as many of each"
            )
        check_ids(ids, done="written")
        for start in range(0, len(ids), WRITE_BATCH):
            part = slice(start, start + WRITE_BATCH)
            rows = zip(fields[part], ids[part], self.features.documents(vectors[part]))
            data = [{**more, "id": key, "vector": row} for more, key, row in rows]
            done = f"done: {start} of {len(ids)} documents"
            again = "run it again, what is there is replaced, not doubled"
            self._do(f"write ({done}; {again})", self.client.upsert, self.name, data)

    def delete(self, ids: list[str]) -> None:
        """Delete documents by id; ids that are not there are ignored."""
        self._do("delete", self.client.delete, self.name, ids=list(ids))

    def _nearest(self, asked: np.ndarray, k: int, where: str = ""):
        options = {"filter": where, "limit": k, "output_fields": ["vector"]}
        options["data"] = list(asked)
        for hits in self._do("search", self.client.search, self.name, **options):
            scores = np.array([hit["distance"] for hit in hits])
            rows = np.array([hit["entity"]["vector"] for hit in hits], dtype=np.float32)
            yield [hit["id"] for hit in hits], scores, rows.reshape(-1, asked.shape[1])
