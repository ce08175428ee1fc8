"""Judge a reranker: differences with intervals and p-values, and corrections for many
of them (lesson 08).

Queries are the unit of chance: two methods answer the *same* queries, so every test
here pairs them query by query (Smucker, Allan & Carterette 2007). The resampling is
SciPy's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from qrr_lib.rank.metrics import Qrels, Run, per_query


@dataclass(frozen=True)
class Comparison:
    """Method a against method b on n queries.

    `difference` is mean(a) − mean(b), `low` and `high` its 95 % bootstrap interval, `p`
    the two-sided paired randomisation test. `detectable` is the true difference that so
    many queries would reveal four times in five (5 % level): a smaller one may hide.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    detectable: float

    def __str__(self) -> str:
        return (
            f"{self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}], p = "
            f"{self.p:.4f}, {self.n} queries, detectable {self.detectable:.4f}"
        )


def compare(
    run_a: Run, run_b: Run, qrels: Qrels, measure="nDCG@10", resamples=10_000, seed=0
) -> Comparison:
    """Compare two runs on the judged queries by one measure of `ir_measures`, each
    run's missing queries counting 0.
    """
    a, b = (per_query(run, qrels, [measure])[measure] for run in (run_a, run_b))
    return compare_values(a, b, resamples, seed)


def compare_values(
    a: Mapping, b: Mapping, resamples: int = 10_000, seed: int = 0
) -> Comparison:
    """Compare per-query values {query id: value} of two methods, for instance means
    over seeds.

    Raises ValueError when the two do not hold the same queries, or fewer than two.
    """
    from scipy.stats import bootstrap, permutation_test

    if set(a) != set(b) or len(a) < 2:
        raise ValueError(
            "a paired comparison needs the same two or more queries on both sides, "
            f"got {len(a)} and {len(b)}"
        )
    gain = np.array([a[qid] - b[qid] for qid in a])
    gain[np.abs(gain) < 1e-12] = 0  # a mean over seeds may be off by a rounding error
    n, mean = len(gain), float(gain.mean())
    if not gain.any():  # equal on every query: nothing to resample
        return Comparison(0.0, 0.0, 0.0, 1.0, n, 0.0)
    how = {"n_resamples": resamples, "vectorized": True}
    how["rng"] = np.random.default_rng(seed)
    test = permutation_test((gain,), np.mean, permutation_type="samples", **how)
    found = bootstrap((gain,), np.mean, method="percentile", batch=1000, **how)
    low, high = map(float, found.confidence_interval)
    p, detectable = float(test.pvalue), detectable_difference(gain)
    return Comparison(mean, low, high, p, n, detectable)


def detectable_difference(
    gain: np.ndarray, level: float = 0.05, power: float = 0.8
) -> float:
    """True mean difference that a paired test of these queries finds with probability
    `power`: (z_{1−level/2} + z_power)·s/√n.
    """
    from scipy.stats import norm

    z = norm.ppf(1 - level / 2) + norm.ppf(power)
    return float(z * np.std(gain, ddof=1) / np.sqrt(len(gain)))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust the p-values of several comparisons (Holm 1979): {name: p} → {name:
    adjusted p}, at most 1, in the same order.
    """
    ordered = sorted(p_values, key=p_values.get)
    left = range(len(ordered), 0, -1)
    alone = [min(1.0, n * p_values[name]) for n, name in zip(left, ordered)]
    # never smaller than one of a smaller p
    adjusted = dict(zip(ordered, accumulate(alone, max)))
    return {name: adjusted[name] for name in p_values}
