"""Comparisons of grouped queries: what groups are, what they change, and that the test
then holds its level.
"""

from itertools import product

import numpy as np
import pytest
from scipy.stats import bootstrap, permutation_test

from qrr_lib.learn import (
    carve_dev,
    compare,
    compare_values,
    detectable_difference,
    holm,
    query_groups,
    shown_p,
)


def against_zero(gain, groups=None, **options):
    """Compare values with a method that has 0 everywhere."""
    gain = np.asarray(gain, dtype=float)
    clusters = None if groups is None else dict(enumerate(groups))
    nothing = dict.fromkeys(range(len(gain)), 0.0)
    return compare_values(
        dict(enumerate(gain.tolist())), nothing, clusters=clusters, **options
    )


def grouped_gains(rng, n_groups: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Gains of mean 0 whose groups move together (correlation .8), and their groups."""
    common = rng.normal(0, 1, n_groups).repeat(size)
    gain = np.sqrt(0.8) * common + np.sqrt(0.2) * rng.normal(0, 1, n_groups * size)
    return gain, np.arange(n_groups).repeat(size)


# groups


QRELS = {
    "a": {"1": 1, "2": 0},
    "b": {"2": 1},  # a and b: grade 0 links nothing
    "c": {"1": 2, "3": 1},
    "d": {"3": 1, "4": 1, "5": 1, "6": 1, "7": 1},
    "e": {},
    "f": {},
}


def test_groups_by_hand():
    found = query_groups(QRELS)
    assert found == {"a": "a", "b": "b", "c": "a", "d": "a", "e": "e", "f": "f"}
    assert list(found) == list(QRELS)
    half = query_groups(QRELS, share=0.5)  # a and c: 1 of 2; c and d: 1 of 6
    assert half == found | {"d": "d"}
    assert set(query_groups(QRELS, share=0.51).values()) == set(QRELS)
    assert query_groups({}) == {}


def test_groups_are_what_a_walk_over_shared_documents_reaches(rng):
    qrels = {f"q{i}": {f"d{d}": 1 for d in rng.integers(0, 90, 2)} for i in range(60)}
    found = query_groups(qrels)
    for qid in qrels:
        reached, last = {qid}, set()
        while reached != last:
            last, documents = set(reached), {d for q in reached for d in qrels[q]}
            reached = {q for q, other in qrels.items() if documents & other.keys()}
        assert {q for q in qrels if found[q] == found[qid]} == reached


def test_a_dev_split_takes_whole_groups(rng):
    qrels = {f"q{i}": {f"d{d}": 1 for d in rng.integers(0, 90, 2)} for i in range(60)}
    groups = query_groups(qrels)
    parts = carve_dev(qrels, 0.2)
    new = {groups[qid] for qid in parts["dev_new"]}
    assert new and not new & {groups[q] for q in parts["train"] | parts["dev_known"]}


# what groups change


@pytest.mark.parametrize("n", [7, 40])
def test_queries_that_stand_alone_are_compared_as_ever(rng, n):
    gain = rng.normal(0.05, 0.3, n)
    alone, each = against_zero(gain), against_zero(gain, range(n))
    assert (alone.groups, each) == (n, alone)
    how = {"n_resamples": 10_000, "vectorized": True}
    how["rng"] = np.random.default_rng(0)
    test = permutation_test((gain,), np.mean, permutation_type="samples", **how)
    found = bootstrap((gain,), np.mean, method="percentile", batch=1000, **how)
    assert alone.p == test.pvalue
    assert (alone.low, alone.high) == tuple(found.confidence_interval)


def test_groups_by_all_sign_flips(rng):
    gain, groups = rng.normal(0.2, 0.3, 12), [0, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 0]
    result = against_zero(gain, groups)
    flips = [np.mean(gain * np.array(s)[groups]) for s in product((1, -1), repeat=8)]
    share = np.mean(np.abs(flips) >= abs(gain.mean()) - 1e-12)
    assert result.p == pytest.approx(share) and result.p != against_zero(gain).p
    assert (result.n, result.groups, result.floor) == (12, 8, 0)
    assert "12 queries in 8 groups" in str(result)


def test_every_query_twice_tells_no_more_than_once(rng):
    """Copies in one group change neither interval nor p nor what is detectable."""
    gain = rng.normal(0.05, 0.3, 30)
    once = against_zero(gain)
    twice = against_zero(gain.repeat(2), np.arange(30).repeat(2))
    for name in ("difference", "low", "high", "p", "detectable"):
        assert getattr(twice, name) == pytest.approx(getattr(once, name))
    naive = against_zero(gain.repeat(2))
    assert naive.p < once.p and naive.high - naive.low < 0.8 * (once.high - once.low)
    assert naive.detectable < 0.8 * once.detectable


def test_the_names_and_the_order_of_groups_do_not_matter(rng):
    gain, groups = grouped_gains(rng, 20, 3)
    named = [f"group {g}" for g in groups]
    assert against_zero(gain, named) == against_zero(gain, groups)
    detectable = detectable_difference(gain, groups=groups)
    assert detectable == pytest.approx(detectable_difference(gain, groups=19 - groups))
    sums = np.bincount(groups, gain) / 3  # equal sizes: means of groups are the sample
    assert detectable == pytest.approx(detectable_difference(sums))


def test_compare_finds_the_groups_itself(rng):
    """Three queries a document make a group; a document that queries share among many
    others makes none.
    """
    ids = [f"q{i}" for i in range(36)]
    qrels = {qid: {f"d{i // 3}": 1} for i, qid in enumerate(ids)}
    right = {q: {d: 2.0 for d in judged} | {"x": 1.0} for q, judged in qrels.items()}
    better = rng.random(12).repeat(3) < 0.7
    wrong = {q: {d: 0.0 for d in judged} | {"x": 1.0} for q, judged in qrels.items()}
    mixed = {qid: (wrong if b else right)[qid] for qid, b in zip(ids, better)}
    found = compare(right, mixed, qrels)
    alone = compare(right, mixed, qrels, clusters={qid: qid for qid in qrels})
    assert (found.groups, alone.groups) == (12, 36)
    assert found.difference == alone.difference > 0
    assert found.p > alone.p and found.detectable > alone.detectable
    own = {q: {f"{q} {i}": 1 for i in range(5)} for q in ids}
    hub = {qid: own[qid] | {"hub": 1} for qid in ids}
    run = {q: {f"{q} 0": 1.0} for q in ids}
    other = {q: {f"{q} 0": 1.0, "y": 2.0} for q in ids[:30]} | {
        q: run[q] for q in ids[30:]
    }
    assert len(set(query_groups(hub).values())) == 1
    assert compare(run, other, hub).groups == 36


def test_the_test_of_groups_holds_its_level_and_the_other_does_not():
    """No true difference: 5 in 100 comparisons may be significant. Queries that move
    together, taken one by one, are found significant several times as often.
    """
    rng, trials = np.random.default_rng(5), 100
    grouped, naive, covered = [], [], 0
    for trial in range(trials):
        gain, groups = grouped_gains(rng, 25, 6)
        found = against_zero(gain, groups, resamples=400, seed=trial)
        grouped.append(found.p)
        covered += found.low <= 0 <= found.high
        naive.append(against_zero(gain, resamples=400, seed=trial).p)
    assert np.mean(np.array(grouped) < 0.05) <= 0.12
    assert np.mean(np.array(naive) < 0.05) >= 0.25
    assert covered >= 0.86 * trials


def test_what_is_detectable_in_groups_is_found_four_times_in_five():
    rng = np.random.default_rng(6)
    gain, groups = grouped_gains(rng, 20_000, 6)
    size = detectable_difference(gain, groups=groups) * np.sqrt(20_000 / 80)
    means = np.array([grouped_gains(rng, 80, 6)[0].mean() for _ in range(2000)]) + size
    error = size / (1.959964 + 0.841621)
    assert np.mean(np.abs(means / error) > 1.96) == pytest.approx(0.8, abs=0.04)


# how p is written


def test_p_at_its_floor_is_written_as_less():
    gain = np.linspace(0.1, 0.3, 60)
    result = against_zero(gain)
    assert result.p == result.floor == 2 / 10_001
    assert ", p < 0.0002, 60 queries, detectable" in str(result)
    assert "p < 0.0050" in str(against_zero(gain, resamples=400))
    few = against_zero(gain[:8])  # all 256 flips were counted: this p is exact
    assert (few.p, few.floor) == (2 / 256, 0) and "p = 0.0078" in str(few)


SHOWN = {
    (0.0123, 0.0): "p = 0.0123",
    (0.0002, 2 / 10_001): "p < 0.0002",  # as stored, with four digits
    (4 / 10_001, 2 / 10_001): "p = 0.0004",
    (2e-5, 2e-5): "p < 0.0001",
    (3e-5, 0.0): "p < 0.0001",
    (0.002, 2 / 1000): "p < 0.0021",  # exactly .002 is not less than .002
    (1.0, 2 / 10_001): "p = 1.0000",
}


@pytest.mark.parametrize("given, shown", SHOWN.items(), ids=map(str, SHOWN))
def test_p_as_one_writes_it(given, shown):
    assert shown_p(*given) == shown


def test_a_corrected_p_has_a_corrected_floor():
    floor = 2 / 10_001
    p = {"a": floor, "b": 0.03, "c": 0.2}
    adjusted = holm(p)
    shown = {
        name: shown_p(adjusted[name], floor * adjusted[name] / p[name]) for name in p
    }
    assert shown["a"] == "p < 0.0006"


# what is refused

REFUSED = {
    "a query without a group": (
        lambda: against_zero([1.0, 2.0], [0]),
        "no group for 1 of the queries, for instance 1: give each query a group",
    ),
    "one group": (
        lambda: against_zero([1.0, 2.0, 3.0], "aaa"),
        "all 3 queries are one group .* judge queries about other documents",
    ),
}


@pytest.mark.parametrize("action, words", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(action, words):
    with pytest.raises(ValueError, match=words):
        action()


def test_equal_methods_differ_by_nothing_in_groups_too():
    result = against_zero([0.0, 0.0, 0.0], [0, 0, 1])
    assert (result.difference, result.p, result.groups) == (0, 1, 2)
