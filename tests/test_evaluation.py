"""Evaluation: every statistic against numbers worked out by hand or by brute force."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from qrr_lib.embed.collection import Collection, Document
from qrr_lib.learn.comparison import (
    compare,
    compare_values,
    detectable_difference,
    holm,
)
from qrr_lib.learn.leaks import audit
from qrr_lib.learn.splits import regimes
from qrr_lib.rank.candidates import Vectors, make_pool
from qrr_lib.rank.metrics import unjudged_at
from qrr_lib.rank.words import bm25_run, reciprocal_rank_fusion
from tools.bench.curves import alpha_sweep, candidate_curve


def test_randomisation_test_against_all_sign_flips():
    rng = np.random.default_rng(0)
    gain = rng.normal(0.1, 0.2, size=9)
    result = compare_values(
        {i: float(g) for i, g in enumerate(gain)}, dict.fromkeys(range(9), 0.0)
    )
    flips = np.array([np.mean(gain * signs) for signs in product((1, -1), repeat=9)])
    assert result.p == pytest.approx(np.mean(np.abs(flips) >= abs(gain.mean()) - 1e-12))
    assert (
        result.difference == pytest.approx(gain.mean())
        and result.low < result.difference < result.high
        and result.n == 9
    )


def test_compare_two_runs():
    qrels = {f"q{i}": {"right": 1} for i in range(12)}
    good = {q: {"right": 2.0, "wrong": 1.0} for q in qrels}
    bad = {q: {"right": 1.0, "wrong": 2.0} for q in qrels}
    result = compare(good, bad, qrels, "RR@10")
    assert result.difference == pytest.approx(0.5) and result.p == pytest.approx(
        2 / 2**12
    )
    back = compare(bad, good, qrels, "RR@10")
    assert back.difference == -result.difference and back.p == result.p
    same = compare(good, good, qrels)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    with pytest.raises(ValueError, match="same two or more queries"):
        compare_values({"a": 1.0}, {"b": 1.0})


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(1), 0
    for trial in range(100):
        gain = rng.normal(0.05, 0.3, size=60)
        result = compare_values(
            dict(enumerate(gain)),
            dict.fromkeys(range(60), 0.0),
            resamples=400,
            seed=trial,
        )
        hits += result.low <= 0.05 <= result.high
    assert 88 <= hits <= 100


def test_no_difference_is_rarely_significant():
    rng = np.random.default_rng(2)
    nothing = dict.fromkeys(range(40), 0.0)
    small = [
        compare_values(
            dict(enumerate(rng.normal(0, 0.3, 40))), nothing, resamples=400, seed=t
        ).p
        < 0.05
        for t in range(100)
    ]
    assert np.mean(small) <= 0.12


def test_detectable_difference_is_found_four_times_in_five():
    rng = np.random.default_rng(3)
    # for 80 queries
    size = detectable_difference(rng.normal(0, 0.3, size=100_000)) * np.sqrt(
        100_000 / 80
    )
    samples = rng.normal(size, 0.3, size=(2000, 80))
    t = samples.mean(1) / (samples.std(1, ddof=1) / np.sqrt(80))
    assert np.mean(np.abs(t) > 1.96) == pytest.approx(0.8, abs=0.03)


def test_holm_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    )
    assert list(holm({"z": 0.6, "y": 0.7})) == ["z", "y"] and holm(
        {"z": 0.6, "y": 0.7}
    ) == {"z": 1.0, "y": 1.0}


def test_unjudged_at_by_hand():
    run = {"q1": {"a": 3, "b": 2, "c": 1}, "q2": {"x": 1.0, "y": 2.0}}
    qrels = {"q1": {"a": 1, "c": 0}, "q2": {"y": 1}}
    assert unjudged_at(run, qrels, 2) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert unjudged_at(run, qrels, 1) == 0
    with pytest.raises(ValueError, match="none of the judged"):
        unjudged_at({}, qrels)


def test_reciprocal_rank_fusion_by_hand():
    fused = reciprocal_rank_fusion(
        [{"q": {"a": 9.0, "b": 8.0}}, {"q": {"b": 0.3, "c": 0.2, "a": 0.1}}]
    )
    assert list(fused["q"]) == ["b", "a", "c"]
    assert fused["q"]["a"] == pytest.approx(1 / 61 + 1 / 63) and fused["q"][
        "b"
    ] == pytest.approx(1 / 62 + 1 / 61)
    assert (
        len(
            reciprocal_rank_fusion([{"q": {str(i): -i for i in range(9)}}], depth=4)[
                "q"
            ]
        )
        == 4
    )


def small_collection() -> Collection:
    docs = {
        "d1": Document("Cats", "cats purr loudly"),
        "d2": Document("Dogs", "dogs bark"),
        "d3": Document("Fish", "fish swim"),
        "d4": Document("Birds", "birds sing songs"),
    }
    queries = {
        "t1": "why do cats purr",
        "t2": "which dogs bark",
        "e1": "why do cats not purr",
        "e2": "songs of birds",
    }
    qrels = {
        "train": {"t1": {"d1": 1}, "t2": {"d2": 1, "d3": 0}},
        "test": {"e1": {"d1": 1}, "e2": {"d4": 1, "d3": 0}},
    }
    return Collection("small", docs, queries, qrels)


def test_bm25_finds_words():
    c = small_collection()
    run = bm25_run(c, {**c.queries, "odd": "the of"}, k=3)
    assert {q: next(iter(found)) for q, found in run.items() if q != "odd"} == {
        "t1": "d1",
        "t2": "d2",
        "e1": "d1",
        "e2": "d4",
    }
    assert all(len(found) == 3 for found in run.values()) and set(
        run["odd"].values()
    ) == {0.0}


def test_audit_and_regimes():
    c = small_collection()
    (pair,) = audit(c).pairs
    assert (
        pair.a,
        pair.b,
        pair.queries,
        pair.shared_documents,
        pair.sharing_queries,
    ) == ("train", "test", 2, 1, 1)
    assert (pair.near_duplicates, pair.sharing_and_near) == (
        1,
        1,
    ) and pair.examples == (("why do cats purr", "why do cats not purr"),)
    assert "queries that need one of them     1 (50%)" in str(
        audit(c)
    ) and "report these queries apart" in str(audit(c))
    parts = regimes(c.qrels["train"], c.qrels["test"])
    assert {name: list(part) for name, part in parts.items()} == {
        "known": ["e1"],
        "new": ["e2"],
    }
    alone = Collection("alone", c.docs, c.queries, {"test": c.qrels["test"]})
    assert "only one split" in str(audit(alone))


def test_a_clean_collection_is_called_clean():
    from qrr_lib import load_collection

    by_name = {(p.a, p.b): p for p in audit(load_collection("course")).pairs}
    assert [
        by_name[pair].shared_documents
        for pair in (("train", "dev"), ("train", "test_new"), ("dev", "test_new"))
    ] == [0, 0, 0]
    known = (
        by_name["train", "test_known"].sharing_queries,
        by_name["dev", "test_known"].sharing_queries,
    )
    assert min(known) > 0 and sum(known) >= by_name["train", "test_known"].queries == 72


def random_pool(seed: int, n_queries: int = 30, k: int = 50):
    rng = np.random.default_rng(seed)

    def unit(x):
        return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("f4")

    docs = {f"d{i}": Document("", f"text {i}") for i in range(60)}
    qrels = {
        "test": {
            f"q{i}": {f"d{d}": 1 for d in rng.choice(60, 3, replace=False)}
            for i in range(n_queries)
        }
    }
    c = Collection("random", docs, dict.fromkeys(qrels["test"], "query"), qrels)
    return make_pool(
        Vectors(
            unit(rng.normal(size=(60, 8))),
            dict(zip(c.queries, unit(rng.normal(size=(n_queries, 8))))),
        ),
        c,
        c.qrels["test"],
        k,
    )


def test_alpha_sweep_keeps_dev_and_oracle_apart():
    pool, dev = random_pool(0), random_pool(1)
    noisy = np.clip(
        pool.grades * 0.2 + np.random.default_rng(0).random(pool.grades.shape), 0, 1
    )
    result = alpha_sweep(pool, noisy, dev, dev.grades)
    assert (
        result.oracle
        == max(result.curve.values())
        == result.curve[result.oracle_alpha]
        >= result.dev_chosen
    )
    assert (
        result.dev_chosen == result.curve[result.dev_alpha]
        and result.cosine_alone == result.curve[1.0]
    )
    useless = alpha_sweep(pool, noisy, dev, -dev.grades)
    assert useless.dev_alpha == 1 and useless.dev_chosen == useless.cosine_alone


def test_candidate_curve():
    pool = random_pool(2)
    curve = candidate_curve(pool, pool.grades, alpha=0.0, depths=(10, 20, 50, 500))
    assert list(curve) == [10, 20, 50]  # the pool holds no 500
    ceilings = [point["ceiling"] for point in curve.values()]
    assert ceilings == sorted(ceilings) and ceilings[0] < ceilings[-1]
    # a perfect similarity
    assert all(
        point["nDCG@10"] == pytest.approx(point["ceiling"]) for point in curve.values()
    )
    cosine = candidate_curve(pool, pool.grades, alpha=1.0)
    # cosine's first ten never change
    assert len({round(point["nDCG@10"], 12) for point in cosine.values()}) == 1


def test_rounding_errors_are_no_difference():
    a = {f"q{i}": 0.1 + 0.2 for i in range(20)}
    result = compare_values(a, {qid: 0.3 for qid in a})
    assert (result.difference, result.p) == (0.0, 1.0)
