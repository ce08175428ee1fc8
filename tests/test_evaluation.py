"""Evaluation: every statistic against numbers worked out by hand or by brute force."""

import re
from itertools import product

import numpy as np
import pytest

from qrr_lib import load_collection
from qrr_lib.embed.collection import Collection, Document
from qrr_lib.learn import (
    audit,
    compare,
    compare_values,
    detectable_difference,
    holm,
    regimes,
)
from qrr_lib.learn.splits import common_words
from qrr_lib.rank import (
    Vectors,
    judged_candidates,
    reciprocal_rank_fusion,
    unjudged_at,
)
from tools.bench.curves import alpha_sweep, candidate_curve


def against_zero(gain: np.ndarray, **options):
    """Compare values with a method that has 0 everywhere."""
    nothing = dict.fromkeys(range(len(gain)), 0.0)
    return compare_values(dict(enumerate(gain.tolist())), nothing, **options)


def test_randomisation_test_against_all_sign_flips():
    gain = np.random.default_rng(0).normal(0.1, 0.2, size=9)
    result = against_zero(gain)
    flips = np.array([np.mean(gain * signs) for signs in product((1, -1), repeat=9)])
    assert result.p == pytest.approx(np.mean(np.abs(flips) >= abs(gain.mean()) - 1e-12))
    assert result.difference == pytest.approx(gain.mean()) and result.n == 9
    assert result.low < result.difference < result.high


def test_compare_two_runs():
    qrels = {f"q{i}": {f"right {i}": 1} for i in range(12)}
    good = {q: {d: 2.0, "wrong": 1.0} for q, judged in qrels.items() for d in judged}
    bad = {q: {d: 1.0, "wrong": 2.0} for q, judged in qrels.items() for d in judged}
    result, back = (
        compare(good, bad, qrels, "RR@10"),
        compare(bad, good, qrels, "RR@10"),
    )
    assert (result.difference, result.p) == pytest.approx((0.5, 2 / 2**12))
    assert back.difference == -result.difference and back.p == result.p
    same = compare(good, good, qrels)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_rounding_errors_are_no_difference():
    a = {f"q{i}": 0.1 + 0.2 for i in range(20)}
    result = compare_values(a, {qid: 0.3 for qid in a})
    assert (result.difference, result.p) == (0.0, 1.0)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(1), 0
    for trial in range(100):
        gain = rng.normal(0.05, 0.3, size=60)
        result = against_zero(gain, resamples=400, seed=trial)
        hits += result.low <= 0.05 <= result.high
    assert 88 <= hits <= 100


def test_no_difference_is_rarely_significant():
    gains = np.random.default_rng(2).normal(0, 0.3, size=(100, 40))
    p = [against_zero(g, resamples=400, seed=t).p for t, g in enumerate(gains)]
    assert np.mean(np.array(p) < 0.05) <= 0.12


def test_detectable_difference_is_found_four_times_in_five():
    rng = np.random.default_rng(3)
    size = detectable_difference(rng.normal(0, 0.3, size=100_000))
    size *= np.sqrt(100_000 / 80)  # for 80 queries
    samples = rng.normal(size, 0.3, size=(2000, 80))
    t = samples.mean(1) / (samples.std(1, ddof=1) / np.sqrt(80))
    assert np.mean(np.abs(t) > 1.96) == pytest.approx(0.8, abs=0.03)


def test_holm_by_hand():
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(holm({"z": 0.6, "y": 0.7}).items()) == [("z", 1.0), ("y", 1.0)]


def test_unjudged_at_by_hand():
    run = {"q1": {"a": 3, "b": 2, "c": 1}, "q2": {"x": 1.0, "y": 2.0}}
    qrels = {"q1": {"a": 1, "c": 0}, "q2": {"y": 1}}
    assert unjudged_at(run, qrels, 2) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert unjudged_at(run, qrels, 1) == 0


def test_reciprocal_rank_fusion_by_hand():
    first, second = {"a": 9.0, "b": 8.0}, {"b": 0.3, "c": 0.2, "a": 0.1}
    fused = reciprocal_rank_fusion([{"q": first}, {"q": second}])["q"]
    assert list(fused) == ["b", "a", "c"]
    expected = {"a": 1 / 61 + 1 / 63, "b": 1 / 62 + 1 / 61, "c": 1 / 62}
    assert fused == pytest.approx(expected)
    nine = {"q": {str(i): -i for i in range(9)}}
    assert len(reciprocal_rank_fusion([nine], depth=4)["q"]) == 4


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


def test_audit_and_regimes():
    c = small_collection()
    (pair,) = audit(c).pairs
    assert (pair.a, pair.b, pair.queries, pair.answerable) == ("train", "test", 2, 2)
    assert (pair.shared_documents, pair.sharing_queries) == (1, 1)
    assert (pair.near_duplicates, pair.sharing_and_near) == (1, 1)
    assert pair.examples == (("why do cats purr", "why do cats not purr"),)
    report = str(audit(c))
    assert "queries that need one of them     1 (50%)" in report
    assert "1 (50%), 1 of them need a shared document" in report
    assert "report these queries apart" in report
    parts = regimes(c.qrels["train"], c.qrels["test"])
    assert [list(parts["known"]), list(parts["new"])] == [["e1"], ["e2"]]
    alone = Collection("alone", c.docs, c.queries, {"test": c.qrels["test"]})
    assert "only one split" in str(audit(alone))


def test_common_words_are_counted_for_every_pair():
    """Against the definition: words of both over all words of the two."""
    texts = ["a gate on a state", "The state, the bread", "no", "bread, not a GATE"]
    bags = [set(re.findall(r"\w+", text.lower())) for text in texts]
    wanted = [[len(a & b) / len(a | b) for b in bags] for a in bags]
    assert np.allclose(common_words(texts, texts), wanted)


def test_a_clean_collection_is_called_clean():
    pairs = {(p.a, p.b): p for p in audit(load_collection("course")).pairs}
    for split in (("train", "dev"), ("train", "test_new"), ("dev", "test_new")):
        assert pairs[split].shared_documents == 0
    known = [pairs[split, "test_known"].sharing_queries for split in ("train", "dev")]
    assert min(known) > 0 and sum(known) >= pairs["train", "test_known"].queries == 72


def random_candidates(seed: int):
    rng, ids = np.random.default_rng(seed), [f"q{i}" for i in range(30)]
    draws = [rng.choice(60, 3, replace=False) for _ in ids]
    qrels = {qid: {f"d{d}": 1 for d in draw} for qid, draw in zip(ids, draws)}
    docs = {f"d{i}": Document("", f"text {i}") for i in range(60)}
    vectors = rng.normal(size=(90, 8)).astype("f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = Vectors(vectors[:60], dict(zip(ids, vectors[60:])))
    collection = Collection("random", docs, dict.fromkeys(ids, "query"), {})
    return judged_candidates(vectors, collection, qrels, k=50)


def test_alpha_sweep_keeps_dev_and_oracle_apart():
    test, dev = random_candidates(0), random_candidates(1)
    noise = np.random.default_rng(0).random(test.grades.shape)
    noisy = np.clip(test.grades * 0.2 + noise, 0, 1)
    result = alpha_sweep(test, noisy, dev, dev.grades)
    assert result.oracle == max(result.curve.values()) >= result.dev_chosen
    assert result.oracle == result.curve[result.oracle_alpha]
    assert result.dev_chosen == result.curve[result.dev_alpha]
    assert result.cosine_alone == result.curve[1.0]
    useless = alpha_sweep(test, noisy, dev, -dev.grades)
    assert useless.dev_alpha == 1 and useless.dev_chosen == useless.cosine_alone


def test_candidate_curve():
    found = random_candidates(2)
    depths = (10, 20, 50, 500)
    curve = candidate_curve(found, found.grades, alpha=0.0, depths=depths)
    assert list(curve) == [10, 20, 50]  # there are no 500 candidates
    ceilings = [point["ceiling"] for point in curve.values()]
    assert ceilings == sorted(ceilings) and ceilings[0] < ceilings[-1]
    # a perfect similarity
    assert [point["nDCG@10"] for point in curve.values()] == pytest.approx(ceilings)
    cosine = candidate_curve(found, found.grades, alpha=1.0)
    # cosine's first ten never change
    assert len({round(point["nDCG@10"], 12) for point in cosine.values()}) == 1


REFUSED = {
    "other queries": (
        lambda: compare_values({"a": 1.0}, {"b": 1.0}),
        "same two or more queries on both sides, got 1 and 1",
    ),
    "one query": (
        lambda: compare_values({"a": 1.0}, {"a": 2.0}),
        "same two or more queries",
    ),
    "a run of nothing": (
        lambda: unjudged_at({}, {"q": {"a": 1}}),
        "none of the judged",
    ),
}


@pytest.mark.parametrize("action, words", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(action, words):
    with pytest.raises(ValueError, match=words):
        action()
