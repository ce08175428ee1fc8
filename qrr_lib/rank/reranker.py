"""The whole flow: candidates by cosine, a quantum-inspired score, a mix of both, a new
order (lesson 06).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from qrr_lib.checks import checked_queries, whole_number
from qrr_lib.embed.collection import Collection, check_ids, ids_and_texts
from qrr_lib.rank.codecs import TokenCodec
from qrr_lib.rank.explain import TokenMatch, matches
from qrr_lib.rank.first_stage import FaissRetriever
from qrr_lib.rank.maxsim import TokenRarity
from qrr_lib.rank.mix import Candidates, checked_alpha
from qrr_lib.rank.scorer import Scorer
from qrr_lib.rank.states import States
from qrr_lib.rank.token_store import read_store, write_store


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


class Reranker:
    """α·cosine + (1−α)·similarity over the candidates of a first stage.

    Parameters
    ----------
    embedder : TextEmbedder
    scorer : Scorer
        May be shared: what belongs to the documents (how rare tokens are, a map fitted
        to them) is kept here.
    first_stage : FaissRetriever or None
        None makes a flat one.
    alpha : float or None
        Weight of cosine, in [0, 1]: 1 leaves the order of cosine, 0 takes the states'
        alone. None takes the scorer's `default_alpha`.
    """

    def __init__(
        self,
        embedder,
        scorer: Scorer,
        first_stage: FaissRetriever | None = None,
        alpha: float | None = None,
    ):
        self.embedder, self.scorer = embedder, scorer
        self.first_stage = FaissRetriever() if first_stage is None else first_stage
        self.alpha = scorer.default_alpha if alpha is None else alpha
        self.rarity = TokenRarity()
        self.doc_ids: list[str] = []
        self._row: dict[str, int] = {}

    @property
    def alpha(self) -> float:
        """Weight of cosine in the final score; may be changed between searches, nothing
        is indexed anew.
        """
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        self._alpha = checked_alpha(value)

    def index(
        self,
        collection: Collection | Mapping[str, str],
        progress: bool | None = None,
        folder: str | os.PathLike | None = None,
    ) -> Reranker:
        """Embed, encode and index documents; a Collection, or a mapping {id: text}.

        With `folder`, token states are written there and memory-mapped; `open_index`
        opens them again. Returns self.
        """
        ids, texts = ids_and_texts(collection)
        check_ids(ids, self._row)  # said before the texts are embedded: that takes long
        if folder is not None:
            self._check_folder(folder)
        scorer, seen = self.scorer.fitted(self.embedder, texts)
        blocks = scorer.blocks(self.embedder, texts, progress, seen)
        if folder is not None:
            write_store(folder, ids, blocks, scorer.codec, self.embedder)
            _, vectors, states, _ = read_store(folder)
        else:
            vectors, states = zip(*blocks)
            vectors, states = np.concatenate(vectors), States.join(list(states))
        self.add(ids, vectors, states)
        self.scorer = scorer  # only now: a refused index leaves no fitted map behind
        return self

    def _check_folder(self, folder: str | os.PathLike) -> None:
        if not isinstance(self.scorer.codec, TokenCodec):
            raise ValueError(
                "a folder holds token states: take Scorer(..., per='token'), or keep "
                "one state per text in memory (folder=None)"
            )
        if self._row:
            raise ValueError(
                f"the index in {folder} is written once: index all documents in one "
                "call, or keep them in memory (folder=None)"
            )

    def add(self, ids: list[str], vectors: np.ndarray, states: States) -> Reranker:
        """Index documents that are encoded already, as `scorer.encode_texts` gives
        them. Returns self.
        """
        if len(states) != len(ids):
            raise ValueError(f"{len(ids)} ids for the states of {len(states)} texts")
        start = len(self.doc_ids)
        joined = States.join([self.states, states]) if start else states
        self.first_stage.add(ids, vectors)
        self.states = joined
        self.vectors = np.concatenate([self.vectors, vectors]) if start else vectors
        self._row |= {key: start + i for i, key in enumerate(ids)}
        self.doc_ids += ids
        self.rarity.count(states)
        return self

    def candidates(self, queries: Mapping[str, str], k: int = 100) -> Candidates:
        """Find and score: {query id: text} → the k nearest documents of each, with the
        signals "cosine" and "states".
        """
        texts = checked_queries(queries)
        vectors, asked = self.scorer.encode_texts(self.embedder, texts)
        cosine, found = self.first_stage.search(vectors, k)  # (Q, K), best first
        rows = np.full(cosine.shape, -1)
        states = np.zeros(cosine.shape, dtype=np.float32)
        weights = self.weights(asked)
        for q, ids in enumerate(found):
            rows[q, : len(ids)] = own = [self._row[key] for key in ids]
            mine = None if weights is None else weights[q : q + 1]
            score = self.scorer.score(asked[q : q + 1], self.states[own], mine)
            states[q, : len(ids)] = score[0]
        signals = {"cosine": cosine, "states": states}
        return Candidates(list(queries), self.doc_ids, rows, signals)

    def run(self, queries: Mapping[str, str], candidates: int = 100) -> dict:
        """Search many queries at once: {query id: text} → {query id: {document id:
        final score}}, best first.
        """
        return self.candidates(queries, candidates).run(self.alpha) if queries else {}

    def search(
        self, query: str, k: int = 10, candidates: int = 100
    ) -> list[RankedDocument]:
        """Rerank the `candidates` nearest documents by the mixed score; return the best
        k (fewer if the corpus is smaller).
        """
        k = whole_number("k", k)
        found = self.candidates({"": query}, max(k, candidates))
        final = found.mix(self.alpha)
        columns = [i for i in found.order(final)[0] if found.rows[0, i] >= 0]
        cosine, states = found.signals["cosine"][0], found.signals["states"][0]
        return [
            RankedDocument(
                self.doc_ids[found.rows[0, i]],
                rank,
                int(i) + 1,
                float(final[0, i]),
                float(cosine[i]),
                float(states[i]),
            )
            for rank, i in enumerate(columns[:k], 1)
        ]

    def rank(
        self,
        query: str,
        documents: list[str],
        top_k: int | None = None,
        return_documents: bool = False,
    ) -> list[dict]:
        """Rank texts that need not be indexed, as `CrossEncoder.rank` does.

        Returns a list of {"corpus_id": position in `documents`, "score": mixed score},
        best first, with "text" if `return_documents`; the best `top_k` of them.
        """
        texts = [query, *documents]
        vectors, states = self.scorer.encode_texts(self.embedder, texts)
        cosine = vectors[1:] @ vectors[0]
        order = np.argsort(-cosine, kind="stable")  # ties keep cosine's order
        weights = self.weights(states[:1])
        similarity = self.scorer.score(states[:1], states[1:], weights)
        signals = {"cosine": cosine[None, order], "states": similarity[:, order]}
        mixed = Candidates([""], documents, order[None], signals).mix(self.alpha)[0]
        best = np.argsort(-mixed, kind="stable")[:top_k]
        ranked = [{"corpus_id": int(order[i]), "score": float(mixed[i])} for i in best]
        if return_documents:
            ranked = [one | {"text": documents[one["corpus_id"]]} for one in ranked]
        return ranked

    def weights(self, queries: States) -> list[np.ndarray] | None:
        """Weights of each query's tokens, by rarity in the documents; None: equal."""
        if queries.token_ids is None or not self.scorer.idf:
            return None
        bounds = zip(queries.offsets, queries.offsets[1:])
        return [self.rarity.weights(queries.token_ids[a:b]) for a, b in bounds]

    def explain(self, query: str, doc_id: str) -> list[TokenMatch]:
        """Say which token of the query met which token of an indexed document (lesson
        09); with MaxSim, weight · similarity adds up to the document's score.
        """
        asked, document = self._token_states(query, doc_id)
        weights = self.weights(asked)
        return matches(self.scorer, self.embedder, asked, document, weights)

    def token_matrix(self, query: str, doc_id: str):
        """The word pieces of a query and of one document, and the fidelity of every
        pair, (Tq, Td); for `plots.token_heatmap`.
        """
        asked, document = self._token_states(query, doc_id)
        names = [self.embedder.token_strings(s.token_ids) for s in (asked, document)]
        return *names, self.scorer.compare(asked.rows, document.rows)

    def _token_states(self, query: str, doc_id: str) -> tuple[States, States]:
        document = self.states_of(doc_id)
        if document.token_ids is None:
            raise ValueError(
                "one state per text has no parts to explain: use Scorer(per='token')"
            )
        return self.scorer.encode_texts(self.embedder, [query])[1], document

    def states_of(self, doc_id: str) -> States:
        """What `score` compares of one indexed document; ValueError for an unknown
        id.
        """
        if doc_id not in self._row:
            raise ValueError(f"no document {doc_id!r} is indexed here")
        return self.states[[self._row[doc_id]]]
