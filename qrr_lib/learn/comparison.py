"""Judge a reranker: differences with intervals and p-values, and corrections for many
of them (lesson 08).

Queries are the unit of chance: two methods answer the *same* queries, so every test
here pairs them query by query (Smucker, Allan & Carterette 2007). Queries with the same
relevant documents succeed and fail together; then whole groups of them are the unit.
The resampling is SciPy's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from qrr_lib.learn.splits import query_groups
from qrr_lib.rank.metrics import Qrels, Run, per_query

SHARED = 0.2  # share of common relevant documents from which queries are one group


@dataclass(frozen=True)
class Comparison:
    """Method a against method b on n queries.

    `difference` is mean(a) − mean(b), `low` and `high` its 95 % bootstrap interval, `p`
    the two-sided paired randomisation test. `detectable` is the true difference that so
    many queries would reveal four times in five (5 % level): a smaller one may hide.
    `groups` is the number of independent groups of queries (n if each stands alone);
    below about twenty the interval is too narrow. `floor` is the least p that so many
    resamples can give, 0 where every flip of signs was counted.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    detectable: float
    groups: int
    floor: float = 0.0

    def __str__(self) -> str:
        grouped = f" in {self.groups} groups" if self.groups < self.n else ""
        return (
            f"{self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}], "
            f"{shown_p(self.p, self.floor)}, {self.n} queries{grouped}, "
            f"detectable {self.detectable:.4f}"
        )


def shown_p(p: float, floor: float = 0.0) -> str:
    """A p-value as one writes it: "p = 0.0123", and "p < 0.0002" where it is the least
    that the resamples could give (`floor`: 2/(resamples + 1)) or has no digit to show.

    A p that `holm` multiplied by m has m times the floor.
    """
    if p < 1.5 * floor:  # the next larger p is twice the floor
        return f"p < {(math.floor(floor * 1e4) + 1) / 1e4:.4f}"
    return f"p = {p:.4f}" if p >= 1e-4 else "p < 0.0001"


def compare(
    run_a: Run,
    run_b: Run,
    qrels: Qrels,
    measure: str = "nDCG@10",
    resamples: int = 10_000,
    seed: int = 0,
    clusters: Mapping | None = None,
) -> Comparison:
    """Compare two runs on the judged queries by one measure of `ir_measures`, each
    run's missing queries counting 0.

    Queries that share at least a fifth of their relevant documents are one group, found
    in `qrels` by `query_groups`. `clusters` {query id: group} says otherwise; each
    query stands alone with `{qid: qid for qid in qrels}`.
    """
    a, b = (per_query(run, qrels, [measure])[measure] for run in (run_a, run_b))
    if clusters is None:
        clusters = query_groups(qrels, SHARED)
    return compare_values(a, b, resamples, seed, clusters)


def compare_values(
    a: Mapping,
    b: Mapping,
    resamples: int = 10_000,
    seed: int = 0,
    clusters: Mapping | None = None,
) -> Comparison:
    """Compare per-query values {query id: value} of two methods, for instance means
    over seeds.

    With `clusters` {query id: group} the interval draws whole groups, the test flips
    the signs of whole groups, and `detectable` counts groups; without, each query
    stands alone.

    Raises ValueError when the two do not hold the same queries, or fewer than two, when
    a query has no group, or when all of them are in one.
    """
    groups = _groups_of(a, b, clusters)
    gain = np.array([a[qid] - b[qid] for qid in a])
    gain[np.abs(gain) < 1e-12] = 0  # a mean over seeds may be off by a rounding error
    n, n_groups = len(gain), int(groups.max()) + 1
    if not gain.any():  # equal on every query: nothing to resample
        return Comparison(0.0, 0.0, 0.0, 1.0, n, 0.0, n_groups)
    low, high, p = _resample(
        np.bincount(groups, gain), np.bincount(groups), resamples, seed
    )
    detectable = detectable_difference(gain, groups=groups)
    every_flip = 2**n_groups <= resamples  # SciPy then counts them all
    floor = 0.0 if every_flip else 2 / (resamples + 1)
    return Comparison(float(gain.mean()), low, high, p, n, detectable, n_groups, floor)


def _resample(sums: np.ndarray, sizes: np.ndarray, resamples: int, seed: int):
    """(low, high, p) of the mean gain from the sums and sizes of groups, (groups,)
    each.
    """
    from scipy.stats import bootstrap, permutation_test

    n = sizes.sum()

    def mean(sums, axis=-1):
        return sums.sum(axis=axis) / n

    def ratio(sums, sizes, axis=-1):
        return sums.sum(axis=axis) / sizes.sum(axis=axis)

    how = {"n_resamples": resamples, "vectorized": True}
    how["rng"] = np.random.default_rng(seed)
    test = permutation_test((sums,), mean, permutation_type="samples", **how)
    how |= {"method": "percentile", "batch": 1000, "paired": True}
    low, high = bootstrap((sums, sizes), ratio, **how).confidence_interval
    return float(low), float(high), float(test.pvalue)


def _groups_of(a: Mapping, b: Mapping, clusters: Mapping | None) -> np.ndarray:
    """The group of each query of a as a number from 0 up, in order of appearance."""
    if set(a) != set(b) or len(a) < 2:
        raise ValueError(
            "a paired comparison needs the same two or more queries on both sides, "
            f"got {len(a)} and {len(b)}"
        )
    if clusters is None:
        return np.arange(len(a))
    if missing := [qid for qid in a if qid not in clusters]:
        raise ValueError(
            f"clusters has no group for {len(missing)} of the queries, for instance "
            f"{missing[0]!r}: give each query a group"
        )
    number: dict = {}
    groups = np.array([number.setdefault(clusters[qid], len(number)) for qid in a])
    if len(number) < 2:
        raise ValueError(
            f"all {len(a)} queries are one group (they share relevant documents), and "
            "a comparison needs two or more: judge queries about other documents, or "
            "say in clusters which queries belong together"
        )
    return groups


def detectable_difference(gain: np.ndarray, groups: np.ndarray | None = None) -> float:
    """True mean difference that a paired test of these queries (5 % level) finds four
    times in five: (z_0.975 + z_0.8)·standard error.

    The standard error is s/√n, or that of the sums over `groups` (n,), numbered from 0.
    """
    from scipy.stats import norm

    groups = np.arange(len(gain)) if groups is None else groups
    z = norm.ppf(0.975) + norm.ppf(0.8)
    rest = np.bincount(groups, gain - np.mean(gain))  # (groups,), sums to 0
    return float(z * np.std(rest, ddof=1) * np.sqrt(len(rest)) / len(gain))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust the p-values of several comparisons (Holm 1979): {name: p} → {name:
    adjusted p}, at most 1, in the same order.

    Count every comparison of the family, also those that are not reported: each variant
    that was tried and might have been the headline is one.
    """
    ordered = sorted(p_values, key=p_values.get)
    left = range(len(ordered), 0, -1)
    alone = [min(1.0, n * p_values[name]) for n, name in zip(left, ordered)]
    # never smaller than one of a smaller p
    adjusted = dict(zip(ordered, accumulate(alone, max)))
    return {name: adjusted[name] for name in p_values}
