"""Beyond one machine: hybrid vectors in Milvus, embedding and encoding with Ray Data
(lesson 14; needs the extra `[scale]`).

Thin adapters: the engines do the work. Milvus (Wang et al., SIGMOD 2021) keeps and
searches the rows of `HybridFeatures`: in this process for a file name, on a cluster for
an address. Ray (Moritz et al., OSDI 2018) gives blocks of the input to worker actors,
each with a model of its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import numpy as np

from qrr_lib.embed.collection import check_ids
from qrr_lib.engine.extra import EngineError, package
from qrr_lib.rank.hybrid_index import HybridIndex

WRITE_BATCH = 500  # rows sent to Milvus at a time


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
        about = self.features.about(embedder.dim)
        pymilvus = package("pymilvus")
        self._error = pymilvus.MilvusException
        for logger in ("pymilvus", "milvus_lite"):
            # errors are raised, once, as EngineError
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        self.client = self._do(
            "be reached",
            lambda: pymilvus.MilvusClient(uri=uri, token=token, timeout=10),
        )
        if not self._do("list collections", lambda: self.client.has_collection(name)):
            schema = self.client.create_schema(auto_id=False, enable_dynamic_field=True)
            index = self.client.prepare_index_params()
            schema.add_field(
                "id", pymilvus.DataType.VARCHAR, is_primary=True, max_length=512
            )
            schema.add_field(
                "vector", pymilvus.DataType.FLOAT_VECTOR, dim=about["width"]
            )
            index.add_index("vector", index_type="FLAT", metric_type="IP")
            options = {
                "properties": {"qrr": json.dumps(about)},
                "consistency_level": "Strong",
            }
            self._do(
                "make the collection",
                lambda: self.client.create_collection(
                    name, schema=schema, index_params=index, **options
                ),
            )
        there = json.loads(
            self._do("be read", lambda: self.client.describe_collection(name))[
                "properties"
            ].get("qrr", "{}")
        )
        if wrong := [
            f"{key} is {there.get(key)!r} there, {value!r} here"
            for key, value in about.items()
            if value != there.get(key)
        ]:
            raise ValueError(
                f"the collection {name!r} in {uri} holds other vectors: "
                f"{'; '.join(wrong)}. Use its settings, or another name"
            )
        self._do("load the collection", lambda: self.client.load_collection(name))

    def _do(self, what: str, call: Callable):
        try:
            return call()
        except (self._error, OSError) as error:
            hint = (
                ""
                if str(self.uri).endswith(".db")
                else (
                    ". Is a Milvus server running there? 'Run Milvus with Docker "
                    "Compose' in its documentation starts one; ./qrr.db needs none"
                )
            )
            raise EngineError(
                f"Milvus at {self.uri} could not {what}: "
                f"{getattr(error, 'message', error)}{hint}"
            ) from None

    def __len__(self) -> int:
        return int(
            self._do(
                "count",
                lambda: self.client.query(
                    self.name, filter="", output_fields=["count(*)"]
                ),
            )[0]["count(*)"]
        )

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
            self._do(
                f"write (done: {start} of {len(ids)} documents; run it again, what is "
                "there is replaced, not doubled)",
                lambda data=data: self.client.upsert(self.name, data),
            )

    def delete(self, ids: list[str]) -> None:
        """Delete documents by id; ids that are not there are ignored."""
        self._do("delete", lambda: self.client.delete(self.name, ids=list(ids)))

    def _nearest(self, asked: np.ndarray, k: int, where: str = ""):
        found = self._do(
            "search",
            lambda: self.client.search(
                self.name, list(asked), filter=where, limit=k, output_fields=["vector"]
            ),
        )
        for hits in found:
            rows = np.array(
                [hit["entity"]["vector"] for hit in hits], dtype=np.float32
            ).reshape(len(hits), asked.shape[1])
            yield (
                [hit["id"] for hit in hits],
                np.array([hit["distance"] for hit in hits]),
                rows,
            )
