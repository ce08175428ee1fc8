"""What users bring: values from elsewhere. Here the next report goes.

Each line is a sample with its right result, or the sentence that refuses it. Files and
settings are in test_foreign_files.py, drawn samples in test_foreign_drawn.py, clients
of other services in test_foreign_clients.py.
"""

import ir_measures
import numpy as np
import pytest
import torch
from conftest import ToyEmbedder

from qrr_lib import (
    Circuit,
    FaissRetriever,
    QubitAnglePredictor,
    QubitMap,
    Reranker,
    Scorer,
    Union,
    evaluate,
    per_query,
)
from qrr_lib.encode.formulas import bloch_vectors, log_fidelity
from qrr_lib.encode.heads import EquatorialHead
from qrr_lib.learn.splits import relevant
from qrr_lib.rank.words import BM25
from qrr_lib.shots import FreshSampler, measure_pairs

RUN = {"q": {"x": 2.0, "y": 1.0}}
HALF = "\ud83d"


# A. values


GRADES = {  # grade of x, beside y with 1: nDCG@10
    "spam": (-2, 1 / np.log2(3)),
    "NumPy's integer": (np.int64(1), 1.0),
    "NumPy's float": (np.float32(1), 1.0),
    "a whole float": (2.0, 1.0),
    "truth": (True, 1.0),
    "half": (0.5, "whole number"),
    "NaN": (float("nan"), "whole number"),
    "text": ("1", "whole number"),
    "none": (None, "whole number"),
    "a number no counter has room for": (2**40, "at most 10,000"),
}


@pytest.mark.parametrize("case", GRADES)
def test_grades(case):
    grade, wanted = GRADES[case]
    qrels = {"p": {"x": 1}, "q": {"x": grade, "y": 1}}  # after another query
    if isinstance(wanted, str):
        with pytest.raises(ValueError, match=wanted):
            evaluate(RUN, qrels)
    else:
        found = per_query(RUN, qrels, ["nDCG@10"])["nDCG@10"]
        assert found["q"] == pytest.approx(wanted) and found["p"] == 0
        assert relevant(qrels["q"]) == {"x", "y"} - ({"x"} if grade < 1 else set())


@pytest.mark.parametrize(
    ("run", "qrels", "says"),
    [
        ({1: {"x": 1.0}}, {1: {"x": 1}}, "non-empty strings, not 1"),
        ({"q": {2: 1.0}}, {"q": {"x": 1}}, "non-empty strings, not 2"),
        ({"q": {"x": "high"}}, {"q": {"x": 1}}, "document id: number"),
        ({"q": {"x": float("nan")}}, {"q": {"x": 1}}, "document id: number"),
        ({"q": ["x"]}, {"q": {"x": 1}}, "document id: number"),
        (RUN, {"q": ["x"]}, "document id: grade"),
        ({}, {}, "none of the judged queries"),
    ],
)
def test_runs_and_judgements(run, qrels, says):
    with pytest.raises(ValueError, match=says):
        evaluate(run, qrels)


def test_ids_that_c_cannot_tell_apart():
    ids = {"a\0b": 2.0, "a\0c": 1.0, "é": 0.5}
    found = evaluate({"q": ids}, {"q": {"a\0c": 1}}, "RR@10")
    assert found == {"RR@10": 0.5}


MEASURES = {
    "MAP": 1.0,
    "MRR@10": 1.0,
    "Recall@100": 1.0,
    "NDCG@10": 1.0,
    ir_measures.nDCG @ 10: 1.0,
    "P@0": "cutoff of P@0",
    "nDCG@1.5": "cutoff",
    "nDCG@-1": "unknown measure",
    "P(rel=0)@5": "rel of",
    "nDCG(rel=1)@5": "unknown measure",
    "P": "cannot be computed",
    "nope": "unknown measure 'nope'",
    "": "unknown measure",
}


@pytest.mark.parametrize("measure", MEASURES, ids=str)
def test_measures(measure):
    wanted = MEASURES[measure]
    for asked in ([measure], measure):
        if isinstance(wanted, str):
            with pytest.raises(ValueError, match=wanted):
                evaluate(RUN, {"q": {"x": 1}}, asked)
        else:
            assert evaluate(RUN, {"q": {"x": 1}}, asked) == {str(measure): wanted}


ROWS = np.random.default_rng(0).normal(size=(60, 8)).astype("f4")
ARRAYS = {
    "float64": ROWS.astype("f8"),
    "float16": ROWS.astype("f2"),
    "the other byte order": ROWS.astype(">f4"),
    "backwards": np.ascontiguousarray(ROWS[::-1])[::-1],
    "columns backwards": np.ascontiguousarray(ROWS[:, ::-1])[:, ::-1],
    "by columns": np.asfortranarray(ROWS),
    "lists": ROWS.tolist(),
    "a double tensor": torch.tensor(ROWS).double(),
    "a half tensor": torch.tensor(ROWS).half(),
    "a tensor with a gradient": torch.tensor(ROWS).requires_grad_(),
}
SOURCES = {
    "predictor": QubitAnglePredictor(8, 4, seed=0),
    "equatorial": EquatorialHead(8, Circuit(3), seed=0),
    "map": QubitMap(2).fit(ROWS),
}


@pytest.mark.parametrize("layout", ARRAYS)
def test_arrays_of_any_layout_mean_the_same(layout):
    given = ARRAYS[layout]
    close = {"atol": 5e-3 if "16" in layout or "half" in layout else 1e-5}
    for source in SOURCES.values():
        angles = source(given)
        assert angles.dtype == torch.float32
        torch.testing.assert_close(angles, source(torch.tensor(ROWS)), rtol=0, **close)
        scorer = Scorer(source)
        assert len(scorer.encode(given)) == 60
    ids = [f"{i}" for i in range(60)]
    index = FaissRetriever()
    index.add(ids, given)
    assert index.search(given, 1)[1] == filled(ids).search(ROWS, 1)[1]


def filled(ids):
    made = FaissRetriever()
    made.add(ids, ROWS)
    return made


@pytest.mark.parametrize(
    "wrong",
    [ROWS.astype(complex), ROWS.astype(str), ROWS.astype(object), None, ROWS > 0],
)
def test_what_is_no_numbers(wrong):
    with pytest.raises(ValueError, match="numbers"):
        filled([f"{i}" for i in range(60)]).search(wrong, 1)
    for source in SOURCES.values():
        with pytest.raises(ValueError, match="numbers"):
            source(wrong)


def test_whole_numbers_of_other_libraries():
    assert Circuit(np.int64(4), np.int8(2), "cz_ring") == Circuit(4, 2, "cz_ring")
    assert QubitMap(np.int64(2), scale=np.float32(0.5), bits=np.int64(4)).scale == 0.5
    for wrong in (np.array([4]), 4.0, True, "4", None, 0):
        with pytest.raises(ValueError, match="n_qubits must be a whole number"):
            Circuit(wrong)


TEXTS = {
    "none": ([None], "document 0 is NoneType"),
    "bytes": ([b"x"], "document 0 is bytes"),
    "half a character": (["x", HALF], "document 1 holds half a character"),
    "a text": ("abc", "must be a list, not str"),
    "a mapping": ({"a": "b"}, "must be a list, not dict"),
    "a number": (7, "must be a list, not int"),
}


@pytest.fixture(scope="module")
def light():
    from qrr_lib import TextEmbedder

    embedder = TextEmbedder("all-MiniLM-L6-v2", cache=False)
    return Reranker(embedder, Scorer(QubitMap.shipped(embedder.name), per="token"))


@pytest.mark.parametrize("case", TEXTS)
def test_texts(light, case):
    texts, says = TEXTS[case]
    with pytest.raises(ValueError, match=says):
        light.rank("q", texts)
    with pytest.raises(ValueError, match=says.replace("document", "text")):
        light.embedder.encode(texts)
    if case != "half a character":
        with pytest.raises(ValueError, match="str|list"):
            BM25().add(["a"], texts=texts)


@pytest.mark.parametrize("query", [None, "", HALF, 7])
def test_queries(light, query):
    for act in (lambda: light.rank(query, ["x"]), lambda: light.run({"q": query})):
        with pytest.raises(ValueError, match="the query"):
            act()
    for wrong in (["q"], "q"):
        with pytest.raises(ValueError, match="query id: text"):
            light.run(wrong)


# C. text pasted into a language, or taken for a list


def test_a_text_is_no_list_and_an_empty_list_is_nothing_to_do(light):
    assert light.rank("q", []) == [] and light.run({}) == {}
    for act in (
        lambda: FaissRetriever().add("ab", ROWS[:2]),
        lambda: BM25().add(["a"], texts="x"),
        lambda: light.index("abc"),
        lambda: light.index(["a", "b"]),
    ):
        with pytest.raises(ValueError, match="list|Collection"):
            act()


# F. state


def test_a_filled_first_stage_belongs_to_somebody_else():
    vectors, words = FaissRetriever(), BM25()
    vectors.add(["z"], np.ones((1, 26), "f4"))
    words.add(["z"], texts=["bread"])
    for stage in (vectors, words, Union(vectors), Union(words=words)):
        with pytest.raises(ValueError, match="holds 1 documents, here are 0"):
            Reranker(ToyEmbedder(), Scorer(QubitAnglePredictor(26)), stage)
    shared = FaissRetriever()
    one, two = (
        Reranker(ToyEmbedder(), Scorer(QubitAnglePredictor(26)), shared)
        for _ in range(2)
    )
    one.index({"a": "bread"})
    with pytest.raises(ValueError, match="holds 1 documents, here are 0"):
        two.index({"b": "rye"})


# I. estimators and noise


def test_a_simulator_with_a_seed_of_its_own_is_refused(random_angles, rng):
    from qiskit.primitives import BackendSamplerV2
    from qiskit_aer import AerSimulator
    from qiskit_aer.primitives import SamplerV2

    circuit, seeded = Circuit(2), AerSimulator(seed_simulator=3)
    angles = random_angles(2, circuit)
    for sampler in (SamplerV2.from_backend(seeded), BackendSamplerV2(backend=seeded)):
        with pytest.raises(ValueError, match="integer seed"):
            measure_pairs(angles[:1], angles, circuit, 10, rng, sampler=sampler)
    fresh = FreshSampler(seeded, rng)  # a new seed in every call
    asked = angles[:1], angles, circuit, 1000, rng
    one, two = (measure_pairs(*asked, sampler=fresh)["fidelity"] for _ in range(2))
    assert one[0] == two[0] == 1 and one[1] != two[1]


def test_rows_and_columns_are_not_paired(random_angles, rng):
    angles = random_angles(2, Circuit(2))
    with pytest.raises(ValueError, match=r"expected \(1, …\)"):
        measure_pairs(angles, angles, Circuit(2), 10, rng)
    with pytest.raises(ValueError, match="NaN"):
        measure_pairs(angles[:1], angles * torch.nan, Circuit(2), 10, rng)


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
def test_opposite_points_have_one_log_fidelity(random_angles, kind):
    """Rounding leaves 1 + n·m of opposite points anywhere within its own size."""
    points = bloch_vectors(random_angles(500, Circuit(3))).to(kind)
    found = log_fidelity(points, -points).diagonal()
    smallest = max(1e-12, 2 * torch.finfo(kind).eps)
    assert found.tolist() == pytest.approx([3 * np.log(smallest)] * 500)
