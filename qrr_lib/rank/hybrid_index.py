"""Search by the hybrid score in one stage, with FAISS (lesson 14)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from qrr_lib.embed.collection import Collection
from qrr_lib.rank.first_stage import FaissRetriever
from qrr_lib.rank.one_inner_product import HybridFeatures
from qrr_lib.rank.reranker import RankedDocument


class HybridIndex:
    """Search by α·cosine + (1−α)·similarity in one stage: an index over [e, φ], asked
    with [α·e, (1−α)(1−c)·φ].

    Parameters
    ----------
    embedder : TextEmbedder
    scorer : StateScorer
        With similarity "local_fidelity", or "fidelity" of at most 4 qubits.
    index : str or FaissRetriever
        Kind of FAISS index; "flat" returns exactly what reranking the whole corpus
        would.
    alpha : float
        Weight of cosine, in [0, 1]; may be changed between searches unless `fixed`.
    fixed : bool
        Store vectors scaled for this α (see `HybridFeatures`).
    """

    def __init__(
        self,
        embedder,
        scorer,
        index: str | FaissRetriever = "flat",
        alpha: float = 0.5,
        fixed: bool = False,
    ):
        self.embedder = embedder
        self.features = HybridFeatures(scorer, alpha if fixed else None)
        self.retriever = (
            index if isinstance(index, FaissRetriever) else FaissRetriever(index)
        )
        self.alpha = alpha

    def __len__(self) -> int:
        return len(self.retriever)

    @property
    def alpha(self) -> float:
        """Weight of cosine."""
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        self._alpha = self.features.check(value)

    def index(
        self, collection: Collection | Mapping[str, str], progress: bool | None = None
    ) -> HybridIndex:
        """Embed, encode and store documents; a Collection, or a mapping {id: text}.

        Returns self.
        """
        whole = isinstance(collection, Collection)
        texts = collection.texts() if whole else list(collection.values())
        self.add(
            list(collection.docs if whole else collection),
            self.embedder.encode(texts, progress=progress),
        )
        return self

    def add(self, ids: list[str], vectors: np.ndarray) -> None:
        """Store documents by their embeddings (N, D); errors are those of
        `FaissRetriever.add`.
        """
        self.retriever.add(ids, self.features.documents(vectors))

    def search(self, query: str, k: int = 10, **options) -> list[RankedDocument]:
        """Find the best k documents; `first_rank` equals `rank`, since there is no
        first stage.
        """
        check_query(query)
        return self.search_vectors(self.embedder.encode([query]), k, **options)[0]

    def run(
        self, queries: Mapping[str, str], k: int = 100, **options
    ) -> dict[str, dict[str, float]]:
        """Search many queries: {query id: text} → {query id: {document id: score}},
        best first.
        """
        for query in queries.values():
            check_query(query)
        found = self.search_vectors(
            self.embedder.encode(list(queries.values())), k, **options
        )
        return {
            qid: {doc.doc_id: doc.score for doc in line}
            for qid, line in zip(queries, found)
        }

    def search_vectors(
        self, vectors: np.ndarray, k: int = 10, **options
    ) -> list[list[RankedDocument]]:
        """The same for queries given as embeddings (Q, D).

        Cosine and similarity come from the stored rows (rounded, if SQ8 or PQ).
        """
        found = self._nearest(self.features.queries(vectors, self.alpha), k, **options)
        results, offset = [], self.features.offset(self.alpha)
        for query, (ids, scores, rows) in zip(vectors, found):
            lines = zip(ids, scores + offset, *self.features.parts(query, rows))
            results.append(
                [
                    RankedDocument(doc, i, i, float(s), float(c), float(q))
                    for i, (doc, s, c, q) in enumerate(lines, 1)
                ]
            )
        return results

    def _nearest(
        self, asked: np.ndarray, k: int
    ) -> Iterator[tuple[list[str], np.ndarray, np.ndarray]]:
        """For each of (Q, W) query rows: ids, inner products (k,) and stored rows (k,
        W) of the nearest.
        """
        self.retriever.search(asked[:0], k)  # no query: only its checks
        import faiss

        k = min(int(k), len(self))
        raw = self.retriever._index
        hnsw = self.retriever.kind == "hnsw"
        options = (
            faiss.SearchParametersHNSW(efSearch=max(k, self.retriever.ef_search))
            if hnsw
            else None
        )
        for row in asked:
            scores, places, stored = raw.search_and_reconstruct(
                row[None], k, params=options
            )
            kept = places[0] >= 0  # an approximate index may find fewer
            yield (
                [self.retriever.ids[i] for i in places[0][kept]],
                scores[0][kept],
                stored[0][kept],
            )


def check_query(query: str) -> None:
    """Raise ValueError for a query without a word."""
    if not isinstance(query, str) or not query.strip():
        raise ValueError("the query is empty: write at least one word")
