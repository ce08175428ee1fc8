"""Quality against α and against the number of candidates, for stored results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qrr_lib.learn.choice import choose_alpha
from qrr_lib.rank.candidates import ALPHAS, Pool, sweep


@dataclass(frozen=True)
class AlphaSweep:
    """nDCG@10 against α on the test pool, and three ways to pick a point: the dev
    queries', cosine alone, and the oracle's.

    `oracle` has looked at the test queries. It bounds what any α could have reached and
    is never a result.
    """

    curve: dict[float, float]
    dev_alpha: float
    dev_chosen: float
    cosine_alone: float
    oracle_alpha: float
    oracle: float


def alpha_sweep(
    pool: Pool,
    similarity: np.ndarray,
    dev_pool: Pool,
    dev_similarity: np.ndarray,
    alphas=ALPHAS,
) -> AlphaSweep:
    """Sweep α on test, choose it on dev (`choose_alpha`); the similarities are (Q, K)
    in [0, 1], as `pool_similarity` gives them.
    """
    curve = {
        alpha: float(values.mean())
        for alpha, values in sweep(pool, similarity, alphas).items()
    }
    chosen, _ = choose_alpha(dev_pool, dev_similarity, alphas)
    best = max(curve, key=lambda alpha: (curve[alpha], alpha))
    alone = float(pool.ndcg(pool.cosine).mean())
    dev_chosen = float(pool.ndcg(pool.mix(similarity, chosen)).mean())
    return AlphaSweep(curve, chosen, dev_chosen, alone, best, curve[best])


def candidate_curve(
    pool: Pool, similarity: np.ndarray, alpha: float, depths=(10, 20, 50, 100, 200, 500)
) -> dict[int, dict[str, float]]:
    """Quality against the number K of candidates that are reranked: {K: {"nDCG@10",
    "ceiling"}}, for the K that the pool holds.

    The ceiling is nDCG@10 of a perfect reranker of those K: what the first stage has
    not found, no reranker can return.
    """
    mixed, curve = pool.mix(similarity, alpha), {}
    for k in (k for k in depths if k <= pool.rows.shape[1]):
        scores = np.where(np.arange(pool.rows.shape[1]) < k, mixed, -np.inf)
        perfect = np.where(np.arange(pool.rows.shape[1]) < k, pool.grades, -np.inf)
        curve[k] = {
            "nDCG@10": float(pool.ndcg(scores).mean()),
            "ceiling": float(pool.ndcg(perfect).mean()),
        }
    return curve
