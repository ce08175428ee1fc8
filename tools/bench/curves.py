"""Quality against α and against the number of candidates, for stored results."""

from dataclasses import dataclass

import numpy as np

from qrr_lib.learn import choose_alpha
from qrr_lib.rank import JudgedCandidates, sweep
from qrr_lib.rank.judged import ALPHAS


@dataclass(frozen=True)
class AlphaSweep:
    """nDCG@10 against α on test queries, and three ways to pick a point: the dev
    queries', cosine alone, and the oracle's.

    `oracle` knows the test queries' judgements. It bounds what any α could have reached
    and is never a result.
    """

    curve: dict[float, float]
    dev_alpha: float
    dev_chosen: float
    cosine_alone: float
    oracle_alpha: float
    oracle: float


def alpha_sweep(
    test: JudgedCandidates,
    similarity: np.ndarray,
    dev: JudgedCandidates,
    dev_similarity: np.ndarray,
    alphas=ALPHAS,
) -> AlphaSweep:
    """Sweep α on test, choose it on dev (`choose_alpha`); the similarities are (Q, K)
    in [0, 1], as `candidate_similarity` gives them.
    """
    swept = sweep(test, similarity, alphas)
    curve = {alpha: float(values.mean()) for alpha, values in swept.items()}
    chosen, _ = choose_alpha(dev, dev_similarity, alphas)
    best = max(curve, key=lambda alpha: (curve[alpha], alpha))
    alone = float(test.ndcg(test.cosine).mean())
    mixed = test.with_signal("states", similarity).mix(chosen)
    dev_chosen = float(test.ndcg(mixed).mean())
    return AlphaSweep(curve, chosen, dev_chosen, alone, best, curve[best])


def candidate_curve(
    candidates: JudgedCandidates,
    similarity: np.ndarray,
    alpha: float,
    depths=(10, 20, 50, 100, 200, 500),
) -> dict[int, dict[str, float]]:
    """Quality against the number K of candidates that are reranked: {K: {"nDCG@10",
    "ceiling"}}, for the K that there are.

    The ceiling is nDCG@10 of a perfect reranker of those K: what the first stage has
    not found, no reranker can return.
    """
    mixed = candidates.with_signal("states", similarity).mix(alpha)
    places, curve = np.arange(candidates.rows.shape[1]), {}
    for k in (k for k in depths if k <= len(places)):
        scores, perfect = (
            np.where(places < k, values, -np.inf)
            for values in (mixed, candidates.grades)
        )
        curve[k] = {
            "nDCG@10": float(candidates.ndcg(scores).mean()),
            "ceiling": float(candidates.ndcg(perfect).mean()),
        }
    return curve
