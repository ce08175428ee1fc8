"""What the stored comparison says is what the library does, and how it was chosen."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from qrr_lib import QubitAnglePredictor, QubitMap, Reranker, Scorer, Union
from qrr_lib.course import pareto
from qrr_lib.rank import Candidates
from tools.bench import compare_choice as choice
from tools.bench.compare_arms import FITTED, SHIPPED, FewerTokens
from tools.bench.compare_choice import DEFAULT, FEEDBACK, OURS, RIVAL
from tools.bench.compare_feedback import with_feedback
from tools.bench.tokens_arms import Full, Projected

ROOT = Path(__file__).resolve().parent.parent
STORED = json.loads((ROOT / "data/results/compare.json").read_text(encoding="utf-8"))


def test_the_library_weighs_as_was_chosen():
    chosen = STORED["choice"]["default"]
    assert next(iter(chosen)) == DEFAULT or (
        chosen[DEFAULT]["worst regret"] - next(iter(chosen.values()))["worst regret"]
        < 0.005
    )
    tokens = Reranker(None, Scorer(QubitMap(4), per="token"), Union())
    assert tokens.weights == chosen[DEFAULT]["weights"]
    texts = Reranker(None, Scorer(QubitAnglePredictor(8)), Union())
    assert sum(texts.weights.values()) == pytest.approx(1)


def test_every_rival_is_there_with_an_interval():
    assert {"scifact, all-MiniLM-L6-v2", "scifact, all-mpnet-base-v2"} <= set(
        STORED["collections"]
    )
    for entry in STORED["collections"].values():
        rivals, measure = entry["rivals"], entry["measure"]
        assert {"BM25", "cosine", RIVAL, FEEDBACK, SHIPPED, FITTED, OURS} <= set(rivals)
        for row in rivals.values():
            low, high = row["interval"]
            assert low <= row[measure] <= high
        for row in (row for name, row in rivals.items() if name != RIVAL):
            assert row[f"less {RIVAL}"]["family"] == len(rivals) - 1


def test_least_regret_takes_the_mixture_that_loses_least_where_it_loses_most():
    grid = choice.SIMPLEX
    cosine, words = grid.index((1.0, 0.0, 0.0)), grid.index((0.0, 1.0, 0.0))
    middle = grid.index((0.5, 0.5, 0.0))
    one, two = np.zeros(len(grid)), np.zeros(len(grid))
    one[[cosine, words, middle]] = 0.9, 0.2, 0.7
    two[[cosine, words, middle]] = 0.3, 0.8, 0.65
    found = choice.least_regret({"one": {"way": one}, "two": {"way": two}})["way"]
    assert found["weights"] == {"cosine": 0.5, "words": 0.5, "states": 0.0}
    assert found["worst regret"] == pytest.approx(0.2)
    only = choice.least_regret({"one": {"way": one}}, lambda c, w, s: c == 0)["way"]
    assert only["weights"]["words"] == 1  # the best that is allowed
    assert only["worst regret"] == 0


def test_feedback_moves_the_query_towards_what_was_found_first():
    """Three texts, the second found by nobody: the first one's neighbour gains."""
    texts = {"a": [1.0, 0, 0], "b": [0, 0, 1.0], "c": [0.6, 0.8, 0]}
    vectors = {key: np.array(row) for key, row in texts.items()}
    asked = np.array([0.8, 0.0, 0.6])
    rows = np.array([[0, 2, -1]])  # the third place is empty
    cosine = np.array([[0.8, 0.48, 0.0]])
    found = Candidates(["q"], list(texts), rows, {"cosine": cosine})
    pool = SimpleNamespace(
        candidates=found,
        present=rows >= 0,
        text_vectors=vectors,
        query_vectors={"q": asked},
    )
    assert with_feedback(pool, 1, 0.0).candidates.cosine == pytest.approx(cosine)
    moved = asked + 0.5 * vectors["a"]
    expected = [vectors[key] @ moved / np.linalg.norm(moved) for key in "ac"]
    got = with_feedback(pool, 1, 0.5).candidates.cosine
    assert got == pytest.approx(np.array([[*expected, 0.0]]))
    assert pool.candidates.cosine == pytest.approx(cosine)  # the pool stays
    both = asked + 0.5 * (vectors["a"] + vectors["c"]) / 2
    more = with_feedback(pool, 5, 0.5).candidates.cosine  # fewer than asked for
    assert more[0, 0] == pytest.approx(both[0] / np.linalg.norm(both))


def test_coarse_codes_and_fewer_tokens():
    rng = np.random.default_rng(0)
    sample = rng.standard_normal((4000, 32)).astype(np.float32)
    errors = []
    for bits in (1, 2, 4, 8, 16):
        arm = Projected(32, bits=bits)
        arm.fit(sample)
        assert arm.bytes == 4 * bits
        exact = 0.5 + 0.5 * arm.queries(sample[:50]) @ arm.queries(sample).T
        got = arm.similar(arm.queries(sample[:50]), arm.docs(sample))
        errors.append(np.abs(got - exact).mean())
    assert errors == sorted(errors, reverse=True)
    fewer = FewerTokens(Full())
    twice = np.repeat(np.eye(6, dtype=np.float32), 2, axis=0)
    merged = fewer.merged(twice)  # equal tokens become one
    assert sorted(merged.argmax(axis=1)) == list(range(6)) and len(merged) == 6
    assert len(fewer.merged(twice[:1])) == 1 and len(fewer.merged(twice[:0])) == 0


def test_pareto_joins_what_nothing_beats():
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots()
    points = {
        "cheap": (1, 0.5, 0.4, 0.6),
        "beaten": (10, 0.45, 0.4, 0.5),
        "best": (20, 0.7, 0.6, 0.8),
        "dear": (30, 0.7, 0.6, 0.8),
    }
    pareto(axis, points, "bytes")
    line = axis.lines[0].get_xydata()
    assert line[0].tolist() == [1, 0.5] and line[1].tolist() == [20, 0.7]
    assert len(axis.texts) == 4 and axis.get_xscale() == "log"
    plt.close(figure)


def test_readme_says_what_is_stored():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for model in ("all-MiniLM-L6-v2", "all-mpnet-base-v2"):
        rivals = STORED["collections"][f"scifact, {model}"]["rivals"]
        for name in (OURS, "cosine", RIVAL):
            assert f"{rivals[name]['nDCG@10']:.3f}" in text, (model, name)
