"""Choose α on dev queries, cautiously (lessons 07 and 08)."""

from __future__ import annotations

import numpy as np

from qrr_lib.rank.candidates import ALPHAS, Pool, sweep

LEAST_DEV_QUERIES = 10


def cautious_gain(values: np.ndarray, baseline: np.ndarray) -> float:
    """Mean gain over the baseline less two standard errors: what a few dev queries
    vouch for although they were asked many times.

    Every epoch and every α is a look at the same dev queries, and the best of many
    looks flatters. A gain that rests on one query counts as none.
    """
    gain = values - baseline
    return (
        float(gain.mean() - 2 * gain.std(ddof=1) / np.sqrt(len(gain)))
        if len(gain) > 1
        else 0.0
    )


def choose_alpha(
    pool: Pool, similarity: np.ndarray, alphas=ALPHAS
) -> tuple[float, float]:
    """Return (α, gain): the α of the largest cautious gain over cosine, the largest α
    of several equal ones.

    α = 1 (cosine alone) has gain 0 and is always allowed, so dev queries that a head
    does not help choose "leave cosine alone". So do fewer than ten dev queries: they
    vouch for nothing.
    """
    if len(pool.query_ids) < LEAST_DEV_QUERIES:
        return 1.0, 0.0
    baseline = pool.ndcg(pool.cosine)
    gains = {
        alpha: cautious_gain(values, baseline)
        for alpha, values in sweep(pool, similarity, alphas).items()
        if alpha < 1
    }
    best = max(gains, key=lambda alpha: (gains[alpha], alpha))
    return (best, gains[best]) if gains[best] > 1e-6 else (1.0, 0.0)
