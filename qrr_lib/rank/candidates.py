"""A pool: the candidates of many queries as plain matrices, so that a thousand
rerankings cost seconds (lesson 07).

Training looks at the dev queries after every epoch and at every α. `metrics.per_query`
stays the judge of whatever is published; the small nDCG here is the same number (a test
compares them), computed for a whole matrix at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from qrr_lib.embed.collection import Collection
from qrr_lib.rank.metrics import Qrels

ALPHAS = tuple(round(0.1 * i, 1) for i in range(11))  # 0, 0.1, … 1


class Vectors(NamedTuple):
    """Embeddings of a collection: `docs` (N, D) in the order of `collection.docs`,
    `queries` {query id: (D,)}; rows of norm 1.
    """

    docs: np.ndarray
    queries: dict[str, np.ndarray]

    def of(self, query_ids) -> np.ndarray:
        """Stack the vectors of some queries: (Q, D)."""
        return np.stack([self.queries[qid] for qid in query_ids])


def embed_collection(
    embedder, collection: Collection, progress: bool | None = None
) -> Vectors:
    """Embed all documents and all queries of a collection with a `TextEmbedder`."""
    queries = embedder.encode(list(collection.queries.values()), progress=progress)
    return Vectors(
        embedder.encode(collection.texts(), progress=progress),
        dict(zip(collection.queries, queries)),
    )


@dataclass(frozen=True)
class Pool:
    """Cosine's best K documents for each of Q queries.

    Attributes
    ----------
    query_ids, doc_ids : list of str
        The Q queries; all N documents of the collection.
    rows : (Q, K) int array
        Candidates as positions in `doc_ids`, best cosine first.
    cosine : (Q, K) float array
    grades : (Q, K) float array, 0 where nobody judged
    ideal : (Q,) float array
        DCG@10 of the perfect order of *all* judged documents, also of those that the
        first stage missed.
    """

    query_ids: list[str]
    doc_ids: list[str]
    rows: np.ndarray
    cosine: np.ndarray
    grades: np.ndarray
    ideal: np.ndarray

    def ndcg(self, scores: np.ndarray) -> np.ndarray:
        """nDCG@10 of every query for (Q, K) scores: (Q,); ties keep cosine's order, a
        query without a relevant document has 0.
        """
        order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        gained = np.take_along_axis(self.grades, order, axis=1) @ _discounts(
            order.shape[1]
        )
        return np.divide(
            gained, self.ideal, out=np.zeros(len(gained)), where=self.ideal > 0
        )

    def mix(self, similarity: np.ndarray, alpha: float) -> np.ndarray:
        """α·cosine + (1−α)·similarity, both (Q, K)."""
        return alpha * self.cosine + (1 - alpha) * similarity

    def run(self, scores: np.ndarray) -> dict[str, dict[str, float]]:
        """(Q, K) scores as a run {query id: {document id: score}}, cosine's order where
        they are equal.
        """
        return {
            qid: {self.doc_ids[d]: float(s) for d, s in zip(docs, row)}
            for qid, docs, row in zip(self.query_ids, self.rows, scores)
        }


def make_pool(
    vectors: Vectors, collection: Collection, qrels: Qrels, k: int = 100
) -> Pool:
    """First stage by exact cosine for the queries of `qrels`, with their judgements
    beside it.
    """
    doc_ids, query_ids = list(collection.docs), list(qrels)
    if not query_ids:
        raise ValueError("there are no judged queries in this split")
    cosine = vectors.of(query_ids) @ vectors.docs.T  # (Q, N)
    rows = np.argsort(-cosine, axis=1, kind="stable")[:, :k]  # (Q, K)
    grades = np.array(
        [
            [max(0, qrels[qid].get(doc_ids[d], 0)) for d in found]
            for qid, found in zip(query_ids, rows)
        ],
        dtype=float,
    )
    ideal = np.array([_best_dcg(qrels[qid]) for qid in query_ids])
    return Pool(
        query_ids,
        doc_ids,
        rows,
        np.take_along_axis(cosine, rows, axis=1),
        grades,
        ideal,
    )


def sweep(pool: Pool, similarity: np.ndarray, alphas=ALPHAS) -> dict[float, np.ndarray]:
    """nDCG@10 of every query at every α: {α: (Q,)}; `similarity` is (Q, K) in
    [0, 1].
    """
    return {alpha: pool.ndcg(pool.mix(similarity, alpha)) for alpha in alphas}


def _discounts(k: int) -> np.ndarray:
    return 1 / np.log2(np.arange(2, k + 2))


def _best_dcg(judged: Mapping[str, int]) -> float:
    grades = np.sort([max(0, g) for g in judged.values()])[::-1][:10]
    return float(grades @ _discounts(len(grades)))
