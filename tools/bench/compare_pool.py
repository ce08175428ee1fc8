"""Candidates by vectors and by words, and every signal of them as a matrix, for
`tools.bench.compare`.
"""

from pathlib import Path

import numpy as np

from qrr_lib.rank import BM25, Candidates, bm25_run, judge
from tools.bench.tokens import Task


class Pool(Task):
    """Queries of one split with cosine's best k and BM25's best k (wikiqa: the official
    candidate sentences).

    Attributes
    ----------
    candidates : JudgedCandidates
        (Q, K) with the signals "cosine" and "words"; rows beyond cosine's best k come
        from words.
    near : (Q, K) bool
        What cosine found.
    text_vectors, query_vectors : {id: (D,)}
    bm25, plain : {query: {document: score}}
        BM25 in the whole collection, with and without stemming.
    """

    def __init__(self, name, model, folder: Path, split="test", queries=None, k=100):
        super().__init__(name, model, folder, split, queries, k)
        asked = {q: self.c.queries[q] for q in self.qrels}
        depth = len(self.c.docs)
        self.bm25 = bm25_run(self.c, asked, depth)
        self.plain = bm25_run(self.c, asked, depth, stem=False)
        own = {q: len(found) for q, found in self.cosine.items()}
        if name == "wikiqa":
            self.bm25, self.plain = map(self.only_candidates, (self.bm25, self.plain))
        else:
            self._add_words(k)
        ids, texts = list(self.c.docs), self.c.texts()
        place = {key: row for row, key in enumerate(ids)}
        width = max(map(len, self.cosine.values()))
        rows = np.full((len(asked), width), -1)
        for line, found in zip(rows, self.cosine.values()):
            line[: len(found)] = [place[key] for key in found]
        words = BM25()
        words.add(ids, texts=texts)
        words.search(["first"], 1)
        self.words_bytes = words.size_in_bytes() / len(ids)
        signals = {
            "cosine": self.matrix({q: [*f.values()] for q, f in self.cosine.items()}),
            "words": words.scores(list(asked.values()), rows),
        }
        found = Candidates(list(self.qrels), ids, rows, signals)
        self.candidates = judge(found, self.qrels)
        self.near = np.arange(width) < np.array(list(own.values()))[:, None]
        self.text_vectors, self.query_vectors = self.docs.vectors, self.asked.vectors

    def _add_words(self, k: int) -> None:
        for q, found in self.cosine.items():
            worded = list(self.bm25[q])[:k]
            new = [d for d in worded if d not in found and d in self.docs.row]
            vector = self.asked.vectors[q]
            found |= {d: float(self.docs.vectors[d] @ vector) for d in new}

    def only_candidates(self, run: dict) -> dict:
        """A run of every candidate and of nothing else, best first."""
        lists = {
            q: {d: run[q].get(d, 0.0) for d in own} for q, own in self.cosine.items()
        }
        return {
            q: dict(sorted(own.items(), key=lambda pair: -pair[1]))
            for q, own in lists.items()
        }

    def matrix(self, lines: dict) -> np.ndarray:
        """{query: K numbers} → (Q, most), 0 where there are fewer."""
        made = np.zeros((len(lines), max(map(len, lines.values()))), dtype=np.float32)
        for line, values in zip(made, lines.values()):
            line[: len(values)] = values
        return made

    def of_run(self, run: dict) -> np.ndarray:
        """Scores of a run for the candidates, 0 where it has none: (Q, K)."""
        found = self.cosine.items()
        return self.matrix({q: [run[q].get(d, 0.0) for d in docs] for q, docs in found})

    def kept(self, scores: np.ndarray) -> dict:
        """A run of the candidates whose score is finite."""
        run = self.candidates.run(scores)
        return {
            q: {d: s for d, s in found.items() if np.isfinite(s)}
            for q, found in run.items()
        }

    def near_run(self) -> dict:
        """Cosine's run."""
        return self.kept(np.where(self.near, self.candidates.cosine, -np.inf))

    def states(self, arm) -> np.ndarray:
        """MaxSim of an arm, query tokens weighed by rarity: (Q, K)."""
        return self.matrix(self.similarity(arm)[1])

    def score(self, scores: np.ndarray) -> np.ndarray:
        """nDCG@10 of every query for (Q, K) scores; wikiqa: average precision."""
        if self.name != "wikiqa":
            return self.candidates.ndcg(np.where(self.present, scores, -np.inf))
        order = self.candidates.order(np.where(self.present, scores, -np.inf))
        relevant = np.take_along_axis(self.candidates.grades, order, axis=1) > 0
        precision = np.cumsum(relevant, axis=1) / np.arange(1, order.shape[1] + 1)
        return (precision * relevant).sum(axis=1) / relevant.sum(axis=1)

    @property
    def present(self) -> np.ndarray:
        """(Q, K) bool: is there a candidate?"""
        return self.candidates.rows >= 0
