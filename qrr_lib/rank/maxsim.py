"""What a document's tokens and a query's tokens make of each other: MaxSim, its mean
twin, and weights by rarity (lesson 09).
"""

import numpy as np

from qrr_lib.rank.states import States


def max_sim(
    similarities: np.ndarray, offsets: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """MaxSim: similarities (Tq, T) of query tokens and document tokens, documents cut
    at `offsets` (N + 1,) → (N,).

    Each query token takes its best document token; their (weighted) mean is the
    document's score. 0 for a document, or query, without tokens.
    """
    return _interact(np.maximum, similarities, offsets, weights)


def mean_sim(
    similarities: np.ndarray, offsets: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Mean interaction: like `max_sim`, but a query token takes the mean over all
    tokens of the document.

    With the fidelity of whole states this is Tr(ρ_q ρ_d) of the mixtures ρ = 1/T
    Σ|t⟩⟨t|; with local fidelities, its mean over qubits.
    """
    return _interact(np.add, similarities, offsets, weights)


def _interact(reduce: np.ufunc, similarities, offsets, weights) -> np.ndarray:
    lengths = np.diff(offsets)
    full = np.flatnonzero(lengths)  # documents that have tokens
    scores = np.zeros(len(lengths), dtype=np.float32)
    if len(full) and len(similarities):
        taken = reduce.reduceat(similarities, offsets[full], axis=1)  # (Tq, documents)
        if reduce is np.add:
            taken = taken / lengths[full]
        scores[full] = taken.mean(axis=0) if weights is None else weights @ taken
    return scores


class TokenRarity:
    """In how many of N documents each word piece occurs, and what that makes a query's
    word pieces weigh.

    The weight is an inverse document frequency, log(1 + N/(1 + documents with the
    token)) (Robertson 2004 reviews the family).
    """

    def __init__(self):
        self.documents = 0  # N
        self._frequency = np.zeros(0, dtype=np.int64)  # documents that hold token id i

    def count(self, states: States, times: int = 1) -> None:
        """Add documents (times=−1 takes them out again); those without token ids (one
        state a text) count for none.
        """
        if states.token_ids is None:
            return
        self.documents += times * len(states)
        if len(states.token_ids):
            owner = np.repeat(np.arange(len(states)), np.diff(states.offsets))
            width = int(states.token_ids.max()) + 1
            pairs = owner * width + states.token_ids.astype(np.int64)
            if not (np.diff(pairs) > 0).all():  # each (document, token) once
                pairs = np.unique(pairs)
            least = len(self._frequency)
            frequency = times * np.bincount(pairs % width, minlength=least)
            frequency[: len(self._frequency)] += self._frequency
            self._frequency = frequency

    def weights(self, token_ids: np.ndarray) -> np.ndarray:
        """Weights (T,) of a query's tokens, adding up to 1; equal before anything is
        counted.
        """
        at = np.minimum(token_ids, len(self._frequency)).astype(np.int64)
        known = np.append(self._frequency, 0)[at]
        weights = np.ones(len(known))
        if self.documents:
            weights = np.log(1 + self.documents / (1 + known))
        return (weights / max(weights.sum(), 1e-12)).astype(np.float32)
