"""The mixed score: candidates of a first stage with one column of scores a signal, and
weights (lesson 06).

Mixing is arithmetic on those columns, so a sweep over α encodes nothing twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from qrr_lib.checks import one_of

SIGNALS = ("cosine", "words", "states")


class RankedDocument(NamedTuple):
    """One line of a result: `rank` after and `first_rank` before reranking, both from
    1; scores in their own units, `words` None where no words were looked at.
    """

    doc_id: str
    rank: int
    first_rank: int
    score: float
    cosine: float
    quantum: float
    words: float | None = None

    @property
    def signals(self) -> dict[str, float]:
        """The scores that were mixed, by name."""
        scores = {"cosine": self.cosine, "states": self.quantum, "words": self.words}
        return {name: score for name, score in scores.items() if score is not None}


@dataclass(frozen=True)
class Candidates:
    """The best K documents for each of Q queries.

    Attributes
    ----------
    query_ids, doc_ids : list of str
        The Q queries; all N documents.
    rows : (Q, K) int array
        Candidates as positions in `doc_ids`, the first stage's best first; −1 where it
        found fewer than K.
    signals : {name: (Q, K) float array}
        "cosine" in [−1, 1], "states" and, if words were looked at, "words" in [0, 1].
    """

    query_ids: list[str]
    doc_ids: list[str]
    rows: np.ndarray
    signals: dict[str, np.ndarray]

    @property
    def cosine(self) -> np.ndarray:
        """The signal "cosine": (Q, K)."""
        return self.signals["cosine"]

    def with_signal(self, name: str, scores: np.ndarray) -> Self:
        """The same candidates with one more signal, (Q, K)."""
        return replace(self, signals=self.signals | {name: scores})

    def mix(self, weights: float | Mapping[str, float]) -> np.ndarray:
        """Weighted sum of signals: (Q, K), −inf where there is no candidate.

        `weights` are {signal: weight}, adding up to 1; a number α stands for
        {"cosine": α, "states": 1 − α}. ValueError for others.
        """
        weights = {name: w for name, w in checked_weights(weights).items() if w}
        for name in weights:
            one_of("signal", name, self.signals)
        parts = [w * self.signals[name] for name, w in weights.items()]
        return np.where(self.rows < 0, -np.inf, sum(parts[1:], parts[0]))

    def order(self, scores: np.ndarray) -> np.ndarray:
        """Columns from best to worst: (Q, K); ties keep the first stage's order."""
        return np.argsort(-scores, axis=1, kind="stable")

    def run(self, weights: float | Mapping[str, float] | np.ndarray) -> dict:
        """{query id: {document id: mixed score}}, best first; also of (Q, K) scores."""
        scores = weights if isinstance(weights, np.ndarray) else self.mix(weights)
        ranked = zip(self.query_ids, self.rows, scores, self.order(scores))
        return {
            qid: {self.doc_ids[rows[i]]: float(s[i]) for i in order if rows[i] >= 0}
            for qid, rows, s, order in ranked
        }

    def lines(
        self, weights: float | Mapping[str, float], k: int, q: int = 0
    ) -> Iterator[tuple]:
        """The best k candidates of query q (fewer where there are fewer): (document id,
        rank, rank before, mixed score, {signal: score}).
        """
        scores = self.mix(weights)
        best = [int(i) for i in self.order(scores)[q] if self.rows[q, i] >= 0]
        for rank, i in enumerate(best[:k], 1):
            own = {name: float(signal[q, i]) for name, signal in self.signals.items()}
            document = self.doc_ids[self.rows[q, i]]
            yield document, rank, i + 1, float(scores[q, i]), own


def checked_weights(weights: float | Mapping[str, float]) -> dict[str, float]:
    """{signal: weight} of a number α or a mapping; ValueError unless all lie in [0, 1]
    and add up to 1.
    """
    if not isinstance(weights, Mapping):
        alpha = checked_alpha(weights)
        return {"cosine": alpha, "states": 1 - alpha}
    for name in weights:
        one_of("signal", name, SIGNALS)
    weights = {name: checked_alpha(w, name) for name, w in weights.items()}
    together = sum(weights.values())
    if abs(together - 1) > 1e-6:
        raise ValueError(f"weights must be 0 or more and add up to 1, not {weights}")
    return weights


def checked_alpha(alpha: float, signal: str = "cosine") -> float:
    """α, or the weight of another signal, as a float; ValueError outside [0, 1]."""
    number = isinstance(alpha, (int, float, np.number))
    if not number or isinstance(alpha, bool) or not 0 <= alpha <= 1:
        name = "alpha" if signal == "cosine" else "a weight"
        raise ValueError(
            f"{name} must lie in [0, 1], not {alpha!r}: it is the weight of {signal} "
            "in the mix (weights add up to 1)"
        )
    return float(alpha)
