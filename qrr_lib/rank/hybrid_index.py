"""Search by the hybrid score in one stage, with FAISS (lesson 14)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qrr_lib.checks import checked_queries
from qrr_lib.embed.collection import Collection, documents_of, ids_and_texts
from qrr_lib.rank.first_stage import FaissRetriever
from qrr_lib.rank.mix import RankedDocument, checked_alpha
from qrr_lib.rank.one_inner_product import HybridFeatures
from qrr_lib.rank.ranking import Ranking


class HybridIndex:
    """Search by α·cosine + (1−α)·similarity in one stage: an index over [e, φ], asked
    with [α·e, (1−α)(1−c)·φ].

    Parameters
    ----------
    embedder : TextEmbedder
    scorer : Scorer
        One state per text, with similarity "local_fidelity", or "fidelity" of at most 4
        qubits.
    index : str or FaissRetriever
        Kind of FAISS index; "flat" returns exactly what reranking the whole corpus
        would.
    alpha : float
        Weight of cosine, in [0, 1]; may be changed between searches.
    """

    def __init__(
        self,
        embedder,
        scorer,
        index: str | FaissRetriever = "flat",
        alpha: float = 0.5,
    ):
        self.embedder = embedder
        self.documents: dict = {}  # titles and texts, to show results with
        self.features = HybridFeatures(scorer)
        self.retriever = FaissRetriever(index) if isinstance(index, str) else index
        self.alpha = checked_alpha(alpha)

    def __len__(self) -> int:
        return len(self.retriever)

    def index(
        self, collection: Collection | Mapping[str, str], progress: bool | None = None
    ) -> HybridIndex:
        """Embed, encode and store documents; a Collection, or a mapping {id: text}.

        Returns self.
        """
        ids, texts = ids_and_texts(collection)
        self.add(ids, self.embedder.encode(texts, progress=progress))
        self.documents |= documents_of(collection)
        return self

    def add(self, ids: list[str], vectors: np.ndarray) -> None:
        """Store documents by their embeddings (N, D); errors are those of
        `FaissRetriever.add`.
        """
        self.retriever.add(ids, self.features.documents(vectors))

    def search(self, query: str, k: int = 10) -> Ranking:
        """Find the best k documents; `first_rank` equals `rank`, since there is no
        first stage.
        """
        texts = checked_queries({"": query})
        found = self.search_vectors(self.embedder.encode(texts), k)[0]
        return Ranking(found, self.documents)

    def run(self, queries: Mapping[str, str], k: int = 100) -> dict:
        """Search many queries: {query id: text} → {query id: {document id: score}},
        best first.
        """
        vectors = self.embedder.encode(checked_queries(queries))
        lines = zip(queries, self.search_vectors(vectors, k))
        return {qid: {doc.doc_id: doc.score for doc in line} for qid, line in lines}

    def search_vectors(
        self, vectors: np.ndarray, k: int = 10
    ) -> list[list[RankedDocument]]:
        """The same for queries given as embeddings (Q, D).

        Cosine and similarity come from the stored rows (rounded, if SQ8 or PQ).
        """
        asked = self.features.queries(vectors, self.alpha)
        found = (self.retriever.search_stored(row, k) for row in asked)
        results, offset = [], self.features.offset(self.alpha)
        for query, (ids, scores, rows) in zip(vectors, found):
            parts = zip(ids, scores + offset, *self.features.parts(query, rows))
            lines = enumerate(parts, 1)
            results.append(
                [RankedDocument(d, i, i, *map(float, own)) for i, (d, *own) in lines]
            )
        return results
