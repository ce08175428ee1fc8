"""The whole flow: candidates by cosine, a quantum-inspired score, a mix of both, a new
order (lesson 06).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from qrr_lib.embed.collection import Collection, check_ids
from qrr_lib.rank.first_stage import FaissRetriever


class RankedDocument(NamedTuple):
    """One line of a result: `rank` after and `first_rank` before reranking, both from
    1; scores in their own units.
    """

    doc_id: str
    rank: int
    first_rank: int
    score: float
    cosine: float
    quantum: float


class HybridReranker:
    """α·cosine + (1−α)·similarity over the candidates of a first stage.

    Parameters
    ----------
    embedder : TextEmbedder
    scorer : StateScorer or TokenScorer
        Anything with `.encode_texts(embedder, texts, ids=None, progress=None)`, which
        gives (vectors, states), and `.score(queries, documents)`.
    retriever : FaissRetriever or None
        First stage; None makes a flat one.
    alpha : float or None
        Weight of cosine, in [0, 1]: 1 leaves the order of cosine, 0 takes the states'
        alone. None takes the scorer's `default_alpha`, or 0.5 if it has none.
    """

    def __init__(
        self,
        embedder,
        scorer,
        retriever: FaissRetriever | None = None,
        alpha: float | None = None,
    ):
        self.embedder, self.scorer = embedder, scorer
        self.retriever = retriever if retriever is not None else FaissRetriever("flat")
        self.alpha = getattr(scorer, "default_alpha", 0.5) if alpha is None else alpha
        self._row: dict[str, int] = {}

    @property
    def alpha(self) -> float:
        """Weight of cosine in the final score; may be changed between searches, nothing
        is indexed anew.
        """
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        if not isinstance(value, (int, float, np.floating)) or not 0 <= value <= 1:
            raise ValueError(
                f"alpha must lie in [0, 1], not {value!r}: it is the weight of cosine "
                "in the mix"
            )
        self._alpha = float(value)

    def index(
        self, collection: Collection | Mapping[str, str], progress: bool | None = None
    ) -> HybridReranker:
        """Embed, encode and index documents; a Collection, or a mapping {id: text}.

        Returns self.
        """
        if isinstance(collection, Collection):
            ids, texts = list(collection.docs), collection.texts()
        else:
            ids, texts = list(collection), list(collection.values())
        # said before the texts are embedded, which takes long
        check_ids(ids, self._row)
        return self.add(
            ids, *self.scorer.encode_texts(self.embedder, texts, ids, progress)
        )

    def add(self, ids: list[str], vectors: np.ndarray, states) -> HybridReranker:
        """Index documents that are encoded already, as `scorer.encode_texts` gives
        them. Returns self.
        """
        self.retriever.add(ids, vectors)
        start = len(self._row)
        self._row.update((key, start + i) for i, key in enumerate(ids))
        self.vectors = np.concatenate([self.vectors, vectors]) if start else vectors
        join = torch.cat if isinstance(states, torch.Tensor) else states.join
        self.states = join([self.states, states]) if start else states
        return self

    def search(
        self, query: str, k: int = 10, candidates: int = 100
    ) -> list[RankedDocument]:
        """Rerank the `candidates` nearest documents by the mixed score; return the best
        k (fewer if the corpus is smaller).
        """
        if not isinstance(k, (int, np.integer)) or k < 1:
            raise ValueError(f"k must be a whole number from 1 up, not {k!r}")
        return self._search_all([query], max(k, candidates))[0][:k]

    def run(
        self, queries: Mapping[str, str], candidates: int = 100
    ) -> dict[str, dict[str, float]]:
        """Search many queries at once: {query id: text} → {query id: {document id:
        final score}}, best first.
        """
        results = self._search_all(list(queries.values()), candidates)
        return {
            qid: {doc.doc_id: doc.score for doc in ranked}
            for qid, ranked in zip(queries, results)
        }

    def rerank(self, query: str, texts: list[str]) -> list[RankedDocument]:
        """Rank texts that need not be indexed; `doc_id` is a text's position in the
        list, `first_rank` its rank by cosine.
        """
        vectors, states = self.scorer.encode_texts(self.embedder, [query, *texts])
        cosine = vectors[1:] @ vectors[0]
        order = np.argsort(-cosine, kind="stable")
        quantum = self.scorer.score(states[:1], states[1:])[0]
        return self._mix([str(i) for i in order], cosine[order], quantum[order])

    def explain(self, query: str, doc_id: str) -> list:
        """Say which token of the query met which token of an indexed document: a list
        of `TokenMatch`, for a `TokenScorer` (lesson 09).
        """
        if not hasattr(self.scorer, "explain"):
            raise ValueError(
                "one state per text has no parts to explain: use a TokenScorer"
            )
        return self.scorer.explain(self.embedder, query, self.states_of(doc_id))

    def states_of(self, doc_id: str):
        """What `score` compares of one indexed document: the states of a single row;
        ValueError for an unknown id.
        """
        if doc_id not in self._row:
            raise ValueError(f"no document {doc_id!r} is indexed here")
        return self.states[[self._row[doc_id]]]

    def _search_all(
        self, queries: list[str], candidates: int
    ) -> list[list[RankedDocument]]:
        for query in queries:
            if not isinstance(query, str) or not query.strip():
                raise ValueError("the query is empty: write at least one word")
        vectors, states = self.scorer.encode_texts(self.embedder, queries)
        scores, found = self.retriever.search(vectors, candidates)  # (Q, K), best first
        results = []
        for i, ids in enumerate(found):
            rows = [self._row[key] for key in ids]
            quantum = self.scorer.score(states[i : i + 1], self.states[rows])[0]
            results.append(self._mix(ids, scores[i, : len(ids)], quantum))
        return results

    def _mix(self, ids, cosine, quantum) -> list[RankedDocument]:
        final = self.alpha * cosine + (1 - self.alpha) * quantum  # (K,)
        # equal scores keep the first stage's order
        order = np.argsort(-final, kind="stable")
        return [
            RankedDocument(
                ids[i],
                rank,
                int(i) + 1,
                float(final[i]),
                float(cosine[i]),
                float(quantum[i]),
            )
            for rank, i in enumerate(order, 1)
        ]
