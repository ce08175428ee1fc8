"""Choose α on dev queries, cautiously, and see what every α would have given (lessons 07 and 08)."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qrr_lib.rank.candidates import ALPHAS, Pool, sweep

LEAST_DEV_QUERIES = 10


def cautious_gain(values: np.ndarray, baseline: np.ndarray) -> float:
    """Mean gain over the baseline less two standard errors: what a few dev queries vouch for although they were asked many times.

    Every epoch and every α is a look at the same dev queries, and the best of many looks flatters. A gain that rests on one query counts as none.
    """
    gain = values - baseline
    return float(gain.mean() - 2 * gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else 0.0


def choose_alpha(pool: Pool, similarity: np.ndarray, alphas=ALPHAS) -> tuple[float, float]:
    """Return (α, gain): the α of the largest cautious gain over cosine, the largest α of several equal ones.

    α = 1 (cosine alone) has gain 0 and is always allowed, so dev queries that a head does not help choose "leave cosine alone".
    So do fewer than ten dev queries: they vouch for nothing.
    """
    if len(pool.query_ids) < LEAST_DEV_QUERIES:
        return 1.0, 0.0
    baseline = pool.ndcg(pool.cosine)
    gains = {alpha: cautious_gain(values, baseline) for alpha, values in sweep(pool, similarity, alphas).items() if alpha < 1}
    best = max(gains, key=lambda alpha: (gains[alpha], alpha))
    return (best, gains[best]) if gains[best] > 1e-6 else (1.0, 0.0)


@dataclass(frozen=True)
class AlphaSweep:
    """nDCG@10 against α on the test pool, and three ways to pick a point: the dev queries', cosine alone, and the oracle's.

    `oracle` has looked at the test queries. It bounds what any α could have reached and is never a result.
    """

    curve: dict[float, float]
    dev_alpha: float
    dev_chosen: float
    cosine_alone: float
    oracle_alpha: float
    oracle: float


def alpha_sweep(pool: Pool, similarity: np.ndarray, dev_pool: Pool, dev_similarity: np.ndarray, alphas=ALPHAS) -> AlphaSweep:
    """Sweep α on test, choose it on dev (`choose_alpha`); the similarities are (Q, K) in [0, 1], as `pool_similarity` gives them."""
    curve = {alpha: float(values.mean()) for alpha, values in sweep(pool, similarity, alphas).items()}
    chosen, _ = choose_alpha(dev_pool, dev_similarity, alphas)
    best = max(curve, key=lambda alpha: (curve[alpha], alpha))
    alone = float(pool.ndcg(pool.cosine).mean())
    dev_chosen = float(pool.ndcg(pool.mix(similarity, chosen)).mean())
    return AlphaSweep(curve, chosen, dev_chosen, alone, best, curve[best])


def candidate_curve(pool: Pool, similarity: np.ndarray, alpha: float, depths=(10, 20, 50, 100, 200, 500)) -> dict[int, dict[str, float]]:
    """Quality against the number K of candidates that are reranked: {K: {"nDCG@10", "ceiling"}}, for the K that the pool holds.

    The ceiling is nDCG@10 of a perfect reranker of those K: what the first stage has not found, no reranker can return.
    """
    mixed, curve = pool.mix(similarity, alpha), {}
    for k in (k for k in depths if k <= pool.rows.shape[1]):
        scores = np.where(np.arange(pool.rows.shape[1]) < k, mixed, -np.inf)
        perfect = np.where(np.arange(pool.rows.shape[1]) < k, pool.grades, -np.inf)
        curve[k] = {"nDCG@10": float(pool.ndcg(scores).mean()), "ceiling": float(pool.ndcg(perfect).mean())}
    return curve
