"""Judge a reranker: differences with intervals and p-values, first stages to compare with, honest choices of α (lesson 08).

Queries are the unit of chance: two methods answer the *same* queries, so every test here pairs them query by query (Smucker, Allan
& Carterette 2007). The resampling is SciPy's.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qrr_lib.collection import Collection
from qrr_lib.metrics import Qrels, Run, per_query
from qrr_lib.pool import ALPHAS, Pool, choose_alpha, relevant, sweep


@dataclass(frozen=True)
class Comparison:
    """Method a against method b on n queries.

    `difference` is mean(a) − mean(b), `low` and `high` its 95 % bootstrap interval, `p` the two-sided paired randomisation test.
    `detectable` is the true difference that so many queries would reveal four times in five (5 % level): a smaller one may hide.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    detectable: float

    def __str__(self) -> str:
        return (f"{self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}], p = {self.p:.4f}, {self.n} queries, "
                f"detectable {self.detectable:.4f}")


def compare(run_a: Run, run_b: Run, qrels: Qrels, measure: str = "nDCG@10", resamples: int = 10_000, seed: int = 0) -> Comparison:
    """Compare two runs on the judged queries by one measure of `ir_measures`, each run's missing queries counting 0."""
    a, b = (per_query(run, qrels, [measure])[measure] for run in (run_a, run_b))
    return compare_values(a, b, resamples, seed)


def compare_values(a: Mapping[str, float], b: Mapping[str, float], resamples: int = 10_000, seed: int = 0) -> Comparison:
    """Compare per-query values {query id: value} of two methods, for instance means over seeds.

    Raises ValueError when the two do not hold the same queries, or fewer than two.
    """
    from scipy import stats

    if set(a) != set(b) or len(a) < 2:
        raise ValueError(f"a paired comparison needs the same two or more queries on both sides, got {len(a)} and {len(b)}")
    gain = np.array([a[qid] - b[qid] for qid in a])
    gain[np.abs(gain) < 1e-12] = 0                                              # a mean over seeds may be off by a rounding error
    n, mean = len(gain), float(gain.mean())
    if not gain.any():                                                          # equal on every query: nothing to resample
        return Comparison(0.0, 0.0, 0.0, 1.0, n, 0.0)
    rng = np.random.default_rng(seed)
    test = stats.permutation_test((gain,), np.mean, permutation_type="samples", n_resamples=resamples, vectorized=True, rng=rng)
    interval = stats.bootstrap((gain,), np.mean, n_resamples=resamples, method="percentile", vectorized=True, batch=1000, rng=rng)
    low, high = interval.confidence_interval
    return Comparison(mean, float(low), float(high), float(test.pvalue), n, detectable_difference(gain))


def detectable_difference(gain: np.ndarray, level: float = 0.05, power: float = 0.8) -> float:
    """True mean difference that a paired test of these queries finds with probability `power`: (z_{1−level/2} + z_power)·s/√n."""
    from scipy.stats import norm

    return float((norm.ppf(1 - level / 2) + norm.ppf(power)) * np.std(gain, ddof=1) / np.sqrt(len(gain)))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust the p-values of several comparisons (Holm 1979): {name: p} → {name: adjusted p}, at most 1, in the same order."""
    ordered = sorted(p_values, key=p_values.get)
    adjusted, worst = {}, 0.0
    for rank, name in enumerate(ordered):
        worst = max(worst, min(1.0, (len(ordered) - rank) * p_values[name]))    # never smaller than one of a smaller p
        adjusted[name] = worst
    return {name: adjusted[name] for name in p_values}


def unjudged_at(run: Run, qrels: Qrels, k: int = 10) -> float:
    """Share of the first k documents that nobody judged, over the queries of `qrels`: 0 to 1."""
    shares = []
    for qid, judged in qrels.items():
        first = sorted(run.get(qid, {}).items(), key=lambda item: -item[1])[:k]
        shares += [float(np.mean([doc not in judged for doc, _ in first]))] if first else []
    if not shares:
        raise ValueError("the run answers none of the judged queries")
    return float(np.mean(shares))


def reciprocal_rank_fusion(runs: list[Run], k: int = 60, depth: int = 100) -> dict[str, dict[str, float]]:
    """Fuse runs by Σ 1/(k + rank) (Cormack, Clarke & Büttcher 2009), keeping the best `depth` documents of each query."""
    fused: dict[str, dict[str, float]] = {}
    for run in runs:
        for qid, found in run.items():
            total = fused.setdefault(qid, {})
            for rank, (doc, _) in enumerate(sorted(found.items(), key=lambda item: -item[1]), 1):
                total[doc] = total.get(doc, 0.0) + 1 / (k + rank)
    return {qid: dict(sorted(found.items(), key=lambda item: -item[1])[:depth]) for qid, found in fused.items()}


def bm25_run(collection: Collection, queries: Mapping[str, str], k: int = 100) -> dict[str, dict[str, float]]:
    """First stage by words: BM25 of `bm25s` with its defaults and English stop words, {query id: {document id: score}}."""
    import bm25s

    ids, index = list(collection.docs), bm25s.BM25()
    index.index(bm25s.tokenize(collection.texts(), stopwords="en", show_progress=False), show_progress=False)
    run = {}
    for qid, words in zip(queries, bm25s.tokenize(list(queries.values()), stopwords="en", show_progress=False, return_ids=False)):
        scores = index.get_scores(words) if words else np.zeros(len(ids))
        run[qid] = {ids[i]: float(scores[i]) for i in np.argsort(-scores, kind="stable")[:k]}
    return run


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


def regimes(train: Qrels, test: Qrels) -> dict[str, dict]:
    """Part test queries in two: "known" share a relevant document with a training query, "new" share none."""
    seen = set().union(*map(relevant, train.values()))
    parts: dict[str, dict] = {"known": {}, "new": {}}
    for qid, judged in test.items():
        parts["known" if relevant(judged) & seen else "new"][qid] = judged
    return parts
