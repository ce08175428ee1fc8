"""What a lesson derives inline is what the library does: the notebooks' own cells, run
on random inputs, against qrr_lib.
"""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

import notebooks

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def inline(monkeypatch):
    """Function (lesson number) -> namespace of that lesson's first code cell (imports)
    and its cells tagged `inline`.
    """
    monkeypatch.setenv("MPLBACKEND", "agg")

    def run(number: str) -> dict:
        path = next(p for p in notebooks.lessons() if p.stem.startswith(number))
        space: dict = {"__name__": "lesson"}
        cells = nbformat.read(path, as_version=4).cells
        code = [
            cell
            for cell in cells
            if cell.cell_type == "code" and "badges" not in notebooks.tags(cell)
        ]
        for cell in code:
            if cell is code[0] or "inline" in notebooks.tags(cell):
                exec(compile(cell.source, path.stem, "exec"), space)
        return space

    return run


def test_lesson_01(inline, rng):
    """The home-made embedder against sentence-transformers, and cosine against
    NumPy's.
    """
    from qrr_lib import TextEmbedder

    lesson, embedder = inline("01"), TextEmbedder(cache=False)
    lesson["model"] = embedder.model[0].auto_model
    lesson["tokenizer"] = embedder.model.tokenizer
    words = "state gate kernel of the a river bread not measures turns".split()
    texts = [" ".join(rng.choice(words, size=n)) for n in (1, 3, 12, 40)]
    assert np.abs(lesson["embed"](texts) - embedder.encode(texts)).max() < 1e-5
    a, b = rng.normal(size=(2, 30))
    # mean 0, so correlation is cosine
    assert lesson["cosine"](a, b) == pytest.approx(
        np.corrcoef(np.r_[a, -a], np.r_[b, -b])[0, 1]
    )


def test_lesson_03(inline, random_angles):
    from qrr_lib import Circuit, encode, overlap
    from qrr_lib.encode.backends.qiskit import _big_endian

    lesson = inline("03")
    one = random_angles(40, Circuit())
    states = lesson["one_qubit_states"](*one[:, 0, 0].unbind(-1))
    assert (states - encode(one, Circuit())).abs().max() < 1e-12
    assert (
        lesson["overlaps"](states[:5], states) - overlap(states[:5], states)
    ).abs().max() < 1e-12
    for n in (2, 3, 4):
        several = encode(random_angles(10, Circuit(n, 2)), Circuit(n, 2)).numpy()
        assert np.array_equal(lesson["reverse_bits"](several), _big_endian(several, n))


def test_lesson_11(inline, random_angles, rng):
    from qrr_lib import bloch_vectors, log_fidelity

    lesson = inline("11")
    vectors = bloch_vectors(random_angles(10, lesson["Circuit"](64)))
    ours = lesson["log_fidelities"](vectors, vectors)
    assert (ours - log_fidelity(vectors, vectors)).abs().max() < 1e-9
    # the definition: g² times the classical kernel just holds the quantum one
    wide, deep = (x @ x.T + np.eye(6) for x in rng.normal(size=(2, 6, 6)))
    g = lesson["geometric_difference"](wide, deep)
    least = np.linalg.eigvalsh(g**2 * wide - deep)[0]
    assert abs(least) < 1e-4


def test_lesson_15(inline, random_angles):
    from qrr_lib import Circuit, encode

    lesson = inline("15")
    for circuit in (
        Circuit(4, 3, "cnot_chain", trailing=True),
        Circuit(3, 2, "cz_ring"),
        Circuit(2, 4),
    ):
        angles = random_angles(10, circuit)
        by_gates = lesson["states_by_gates"](angles, circuit)
        assert (by_gates - encode(angles, circuit)).abs().max() < 1e-12


def test_lesson_02(inline, random_angles):
    from qrr_lib import Circuit, QubitAnglePredictor, encode
    from qrr_lib.encode.formulas import reduced_bloch_vectors

    lesson = inline("02")
    angles = random_angles(50, Circuit())
    states = lesson["qubit_state"](*angles[:, 0, 0].unbind(-1))
    assert (states - encode(angles, Circuit())).abs().max() < 1e-12
    assert (
        lesson["bloch_point"](states) - reduced_bloch_vectors(states)[:, 0]
    ).abs().max() < 1e-12
    circuit = Circuit(3, 2, "cz_ring")
    ours = lesson["AngleHead"](32, 16, circuit.angle_shape)
    library = QubitAnglePredictor(32, 16, circuit)
    ours.load_state_dict(library.state_dict())
    vectors = torch.randn(20, 32)
    assert torch.equal(ours(vectors), library(vectors))


def test_lesson_04(inline, rng):
    from qrr_lib import QubitAnglePredictor
    from qrr_lib.serve.measure import predict_in_batches, ranking_error

    lesson, head = inline("04"), QubitAnglePredictor(16, 8, seed=0)
    vectors = torch.from_numpy(rng.normal(size=(21, 16)).astype("f4"))
    with torch.no_grad():
        ours = torch.cat([head(batch) for batch in lesson["batches_of"](vectors, 8)])
    assert torch.allclose(ours, predict_in_batches(head, vectors, 8), atol=1e-6)
    a, b = rng.normal(size=(2, 12))
    assert lesson["kendall_tau"](a, b) == pytest.approx(
        ranking_error(a[None], b[None])["kendall_tau"]
    )


def test_lesson_05(inline, rng):
    from qrr_lib import FaissRetriever, evaluate

    lesson, retriever = inline("05"), FaissRetriever("flat")
    docs = rng.normal(size=(50, 8)).astype("f4")
    queries = rng.normal(size=(3, 8)).astype("f4")
    retriever.add([f"d{i}" for i in range(50)], docs)
    _, ids = retriever.search(queries, 5)
    assert [[f"d{i}" for i in row] for row in lesson["top_k"](queries, docs, 5)] == ids
    grades = {"a": 3, "b": 0, "c": 2, "d": 1}
    run = {"q": {"b": 4.0, "a": 3.0, "x": 2.0, "d": 1.0}}
    assert lesson["ndcg"](list(run["q"]), grades, 10) == pytest.approx(
        evaluate(run, {"q": grades}, ["nDCG@10"])["nDCG@10"]
    )


def test_lesson_07(inline, rng):
    from qrr_lib import Circuit, local_fidelity
    from qrr_lib.encode.heads import EquatorialHead
    from qrr_lib.learn import cautious_gain

    lesson = inline("07")
    logits = torch.from_numpy(rng.normal(size=(4, 9)))
    mask = torch.from_numpy(rng.random((4, 9)) < 0.3).fill_diagonal_(False)
    masked = logits.masked_fill(mask, -torch.inf)
    assert torch.allclose(
        lesson["batch_loss"](logits, mask),
        torch.nn.functional.cross_entropy(masked, torch.arange(4)),
    )
    a, b = (
        torch.nn.functional.normalize(
            torch.from_numpy(rng.normal(size=(k, 5, 3))), dim=-1
        )
        for k in (3, 7)
    )
    assert torch.allclose(lesson["local_fidelities"](a, b), local_fidelity(a, b))
    head = EquatorialHead(12, Circuit(4), seed=1)
    vectors = torch.from_numpy(rng.normal(size=(6, 12)).astype("f4"))
    assert torch.allclose(
        lesson["equatorial_angles"](vectors, head.linear.weight),
        head(vectors),
        atol=1e-5,
    )
    values, baseline = rng.random((2, 30))
    assert lesson["vouched_for"](values, baseline) == pytest.approx(
        cautious_gain(values, baseline)
    )


def test_lesson_08(inline, rng):
    from qrr_lib.learn.comparison import compare_values, detectable_difference, holm
    from qrr_lib.learn.splits import regimes

    lesson = inline("08")
    train, test = (
        {
            f"{name}{i}": {
                f"d{d}": int(rng.integers(0, 3)) for d in rng.integers(0, 40, 3)
            }
            for i in range(15)
        }
        for name in "ts"
    )
    assert lesson["split_by_regime"](train, test) == regimes(train, test)
    gain = rng.normal(0.05, 0.2, 11)
    library = compare_values(dict(enumerate(gain)), dict.fromkeys(range(11), 0.0))
    assert lesson["randomisation_p"](gain) == pytest.approx(library.p)
    assert np.allclose(
        lesson["bootstrap_interval"](gain, 20_000, rng),
        [library.low, library.high],
        atol=0.01,
    )
    assert lesson["detectable"](gain) == pytest.approx(
        detectable_difference(gain), rel=2e-3
    )
    p = {str(i): float(x) for i, x in enumerate(rng.random(7) / 5)}
    assert lesson["holm_by_hand"](p) == pytest.approx(holm(p))


def test_lesson_14(inline, rng):
    from qrr_lib import Circuit, Scorer
    from qrr_lib.encode.heads import EquatorialHead
    from qrr_lib.rank.one_inner_product import HybridIndex, side_by_side

    lesson, head = inline("14"), EquatorialHead(16, Circuit(), seed=0)
    index = HybridIndex(None, Scorer(head, similarity="fidelity"))
    vectors = rng.normal(size=(9, 16)).astype("f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    points = index.states(vectors)  # one qubit: the Bloch vectors
    rows = {
        "document_rows": (
            lesson["document_rows"](vectors, points),
            side_by_side(vectors, points),
        ),
        "query_rows": (
            lesson["query_rows"](vectors, points, 0.3),
            side_by_side(0.3 * vectors, 0.7 * (1 - index.constant) * points),
        ),
    }
    for name, (by_hand, library) in rows.items():
        assert np.allclose(by_hand, library[:, :19], atol=1e-6), name
    estimate = lesson["project"](1e9, 2_500, 1_000, disk=1e12, copies=2)
    assert estimate["terabytes"] == 2.5 and estimate["disks"] == 5
    assert estimate["days"] == pytest.approx(1e6 / 86_400)


def test_lesson_09(inline, rng):
    from qrr_lib import bloch_vectors, local_fidelity
    from qrr_lib.encode.codes import angles_to_codes, codes_to_angles
    from qrr_lib.encode.qubit_map import QubitMap
    from qrr_lib.rank.maxsim import max_sim, mean_sim

    lesson, table = inline("09"), rng.random((4, 7)).astype("f4")
    assert lesson["max_sim_by_hand"](table) == pytest.approx(
        max_sim(table, np.array([0, 7]))[0]
    )
    assert lesson["mean_sim_by_hand"](table) == pytest.approx(
        mean_sim(table, np.array([0, 7]))[0]
    )
    vectors = rng.normal(size=(200, 24)).astype("f4")
    mean, widest = lesson["widest_directions"](vectors, 10)
    directions = widest @ lesson["random_rotation"](10)
    library = QubitMap(5).fit(vectors)
    assert np.allclose(directions, library.directions, atol=1e-4)
    assert np.allclose(mean, library.mean, atol=1e-5)
    angles = library(torch.from_numpy(vectors))  # (200, 1, 5, 2)
    assert np.allclose(
        lesson["map_angles"](vectors, mean, directions, library.scale),
        angles[:, 0],
        atol=1e-3,
    )
    half = angles_to_codes(angles, bits=4)  # (200, 5)
    assert (
        lesson["to_half_bytes"](angles[:, 0].numpy().astype(float)) == half
    ).mean() > 0.99  # float32 may cross the edge of a step
    assert np.allclose(
        lesson["from_half_bytes"](half), codes_to_angles(half)[:, 0], atol=1e-5
    )
    rows = lesson["features"](angles[:, 0].numpy())
    exact = local_fidelity(bloch_vectors(angles[:6]), bloch_vectors(angles[6:11]))
    assert np.allclose(
        lesson["token_fidelities"](rows[:6], rows[6:11]), exact, atol=1e-5
    )


def test_lesson_10(inline, rng):
    from qrr_lib.encode.codes import codes_to_angles
    from qrr_lib.rank import reciprocal_rank_fusion

    lesson = inline("10")
    lists = [list(rng.permutation(9)[:6].astype(str)) for _ in range(2)]
    runs = [{"q": {doc: -float(i) for i, doc in enumerate(own)}} for own in lists]
    assert lesson["fused"](*lists) == pytest.approx(reciprocal_rank_fusion(runs)["q"])
    half = rng.integers(0, 256, size=(200, 5)).astype(np.uint8)
    angles = codes_to_angles(half)[:, 0]  # (200, 5, 2)
    t = (angles / torch.tensor([np.pi / 2, np.pi]) - 1).numpy()  # what tanh returned
    u = np.arctanh(t).transpose(0, 2, 1).reshape(200, 10)
    numbers = u / np.linalg.norm(u, axis=1, keepdims=True)
    assert np.allclose(lesson["codes_to_numbers"](half, 0.8), numbers, atol=1e-4)
    signs = lesson["codes_to_numbers"](half, 0.8, bits=1)
    assert (np.sign(signs) == np.sign(numbers)).all()
    points = {"a": (1, 0.5), "b": (2, 0.4), "c": (2, 0.6), "d": (3, 0.6)}
    assert lesson["unbeaten"](points) == ["a", "c", "d"]


def test_lesson_10_one_token_fills_every_slot(inline, rng):
    """A document of one token answers every query token with it, whatever the cut."""
    lesson, cut = inline("10"), rng.normal(size=(6, 3))
    query, token = rng.normal(size=(4, 6)), rng.normal(size=(1, 6))
    asked = lesson["query_slots"](query, np.array([0, 4]), cut, np.full(4, 0.25))
    found = lesson["document_slots"](token, np.array([0, 1]), cut)
    assert (asked @ found.T).item() == pytest.approx((query @ token.T).mean())
