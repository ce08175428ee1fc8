"""The whole flow: candidates, a quantum-inspired score, a mix of signals, a new order
(lesson 06).
"""

from collections.abc import Mapping
from typing import Self

import numpy as np

from qrr_lib.checks import check_ids, checked_queries, checked_texts, whole_number
from qrr_lib.embed.collection import Collection, checked_documents
from qrr_lib.rank.explain import TokenMatch, matches
from qrr_lib.rank.first_stage import FaissRetriever
from qrr_lib.rank.indexed import IndexedDocuments
from qrr_lib.rank.mix import Candidates, RankedDocument, checked_alpha, checked_weights
from qrr_lib.rank.ranking import Ranking
from qrr_lib.rank.scorer import Scorer
from qrr_lib.rank.states import States
from qrr_lib.rank.words import BM25


class Reranker(IndexedDocuments):
    """A weighted sum of cosine, similarity of states and words, over the candidates of
    a first stage.

    Parameters
    ----------
    embedder : TextEmbedder
    scorer : Scorer
        May be shared: what belongs to the documents (how rare tokens are, a map fitted
        to them) is kept here.
    first_stage : FaissRetriever, BM25, Union or None
        None makes a flat `FaissRetriever`.
    alpha : float or None
        Weight of cosine in α·cosine + (1−α)·similarity, in [0, 1]: 1 leaves the order
        of cosine, 0 takes the states' alone.
    weights : {signal: weight} or None
        The same for any of "cosine", "states" and, if the first stage knows words,
        "words"; they add up to 1. With neither, the scorer's `default_weights`.
    """

    def __init__(
        self,
        embedder,
        scorer: Scorer,
        first_stage=None,
        alpha: float | None = None,
        weights: Mapping[str, float] | None = None,
    ):
        if alpha is not None and weights is not None:
            raise ValueError("give alpha or weights, not both: alpha is one of them")
        super().__init__(FaissRetriever() if first_stage is None else first_stage)
        self.embedder, self.scorer = embedder, scorer
        self.documents: dict = {}  # titles and texts, to show results with
        usual = scorer.default_weights(words=self.first_stage.words is not None)
        given = [value for value in (alpha, weights) if value is not None]
        self.weights = given[0] if given else usual

    @property
    def weights(self) -> dict[str, float]:
        """Weight of every signal; may be changed between searches, nothing is indexed
        anew. A number α stands for {"cosine": α, "states": 1 − α}.
        """
        return dict(self._weights)

    @weights.setter
    def weights(self, value: float | Mapping[str, float]) -> None:
        self._weights = checked_weights(value)
        if "words" in self._weights and self.first_stage.words is None:
            raise ValueError(
                "words need a first stage that knows them: first_stage=Union()"
            )

    @property
    def alpha(self) -> float:
        """Weight of cosine; setting it gives the rest to the states."""
        return self._weights.get("cosine", 0.0)

    @alpha.setter
    def alpha(self, value: float) -> None:
        self.weights = checked_alpha(value)

    def index(
        self, collection: Collection | Mapping[str, str], skip_empty: bool = False
    ) -> Self:
        """Embed, encode and index documents, in memory; a Collection, or a mapping {id:
        text}. (`qrr_lib.engine.Index` keeps them on disk.) Returns self.

        ValueError names a document without text; `skip_empty` leaves such documents
        out, and lists them on stderr.
        """
        self.check_first_stage()
        ids, texts, shown = checked_documents(collection, skip_empty)
        check_ids(ids, self.doc_ids)  # now: embedding takes long
        scorer, seen = self.scorer.fitted(self.embedder, texts)
        vectors, states = scorer.encode_texts(self.embedder, texts, seen)
        self.add(ids, vectors, states, texts)
        self.documents |= shown
        self.scorer = scorer  # only now: a refused index leaves no fitted map behind
        return self

    def candidates(
        self, queries: Mapping[str, str], k: int = 100, given: Mapping | None = None
    ) -> Candidates:
        """Find and score: {query id: text} → candidates of each, with the signals
        "cosine", "states" and, if the first stage knows words, "words".

        The first stage finds k of each (`Union` up to 2k); or they are `given`, {query
        id: [document id] or {document id: score}} of documents that are indexed here (a
        run from elsewhere; `read_run` reads a file): no document is encoded again.
        """
        texts = checked_queries(queries)
        if not self.doc_ids:
            raise ValueError("nothing is indexed here: call .index(documents) first")
        vectors, asked = self.scorer.encode_texts(self.embedder, texts)
        if given is None:
            found = self.first_stage.find(vectors, texts, k)
        else:
            lists = [self.known(qid, given.get(qid, [])) for qid in queries]
            found = [dict.fromkeys(ids) for ids in lists]
        rows = np.full((len(found), max(1, *map(len, found))), -1)
        signals = {name: np.zeros(rows.shape, "f4") for name in ("cosine", "states")}
        weights = self.token_weights(asked)
        for q, cosines in enumerate(found):
            own, filled = [self._row[key] for key in cosines], slice(len(cosines))
            rows[q, filled] = own
            mine = None if weights is None else weights[q : q + 1]
            score = self.scorer.score(asked[q : q + 1], self.states[own], mine)
            signals["states"][q, filled] = score[0]
            exact = self.vectors[own] @ vectors[q]
            known = [np.nan if c is None else c for c in cosines.values()]
            signals["cosine"][q, filled] = np.where(np.isnan(known), exact, known)
        if self.first_stage.words is not None:
            signals["words"] = self.first_stage.words.scores(texts, rows)
        return Candidates(list(queries), self.doc_ids, rows, signals)

    def run(
        self, queries: Mapping[str, str], candidates: int = 100, given=None
    ) -> dict:
        """Search many queries at once: {query id: text} → {query id: {document id:
        final score}}, best first; `given` as in `candidates`.
        """
        if not queries:
            return {}
        return self.candidates(queries, candidates, given).run(self.weights)

    def search(self, query: str, k: int = 10, candidates: int = 100) -> Ranking:
        """Rerank the first stage's `candidates` by the mixed score; return the best k
        (fewer if it finds fewer): a list of RankedDocument that a notebook shows as a
        table.
        """
        k = whole_number("k", k)
        found = self.candidates({"": query}, max(k, candidates))
        ranked = [
            RankedDocument(*place, own["cosine"], own["states"], own.get("words"))
            for *place, own in found.lines(self.weights, k)
        ]
        return Ranking(ranked, self.documents)

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
        if top_k is not None:
            whole_number("top_k", top_k)
        [ranked] = self.rank_many([(query, documents)])
        for one in ranked if not return_documents else ():
            del one["text"]
        return ranked[:top_k]

    def rank_many(self, asked: list[tuple[str, list[str]]]) -> list[list[dict]]:
        """`rank` for several queries, each with documents of its own, that are encoded
        together; texts are returned.
        """
        asked = [
            (*checked_queries({"": query}), checked_texts(documents, name="document"))
            for query, documents in asked
        ]
        texts = [text for query, documents in asked for text in (query, *documents)]
        vectors, states = self.scorer.encode_texts(self.embedder, texts)
        ranked, start = [], 0
        for query, documents in asked:
            own = slice(start, start := start + 1 + len(documents))
            ranked.append(self._ranked(query, documents, vectors[own], states[own]))
        return ranked

    def _ranked(self, query: str, documents: list[str], vectors, states) -> list[dict]:
        """Rank documents by what a query and they are encoded to, the query first."""
        cosine = vectors[1:] @ vectors[0]
        order = np.argsort(-cosine, kind="stable")  # ties keep cosine's order
        weights = self.token_weights(states[:1])
        similarity = self.scorer.score(states[:1], states[1:], weights)
        signals = {"cosine": cosine[None, order], "states": similarity[:, order]}
        if self.first_stage.words is not None:
            words = BM25(self.first_stage.words.stem)
            words.add([str(i) for i in range(len(documents))], texts=documents)
            signals["words"] = words.scores([query], order[None])
        found = Candidates([""], documents, order[None], signals)
        return [
            {"corpus_id": int(order[before - 1]), "score": score, "text": text}
            for text, _, before, score, _ in found.lines(self.weights, len(documents))
        ]

    def token_weights(self, queries: States) -> list[np.ndarray] | None:
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
        weights = self.token_weights(asked)
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
