"""Heads in other forms: mini-batches, ONNX, 8 bits, and the ranking error that judges
them.
"""

from __future__ import annotations

import itertools
import os
import tempfile

import numpy as np
import pytest
import torch

from qrr_lib import Circuit, QubitAnglePredictor, StateScorer
from qrr_lib.serve.export import OnnxAngles, export_onnx, quantize_onnx
from qrr_lib.serve.measure import interleaved_times, predict_in_batches, ranking_error

CIRCUIT = Circuit(3, 2, "cz_ring")


def unit_rows(count: int, dim: int, seed: int = 0) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    )


@pytest.fixture(scope="module")
def head():
    made = QubitAnglePredictor(32, 64, CIRCUIT, seed=0)
    with torch.no_grad():
        # spread angles: rounding must not hide behind a collapsed head
        made.layers[-1].weight.mul_(20)
    return made


@pytest.fixture(scope="module")
def exported(head, tmp_path_factory):
    return export_onnx(head, tmp_path_factory.mktemp("onnx") / "head.onnx")


def test_batches_give_the_same_angles(head):
    vectors = unit_rows(1000, 32)
    whole = head(vectors).detach()
    for size in (1, 7, 512, 5000):
        parts = predict_in_batches(head, vectors, size)
        assert not parts.requires_grad and torch.allclose(parts, whole, atol=1e-5)
    assert torch.equal(
        predict_in_batches(head, vectors.numpy(), 512),
        predict_in_batches(head, vectors, 512),
    )
    with pytest.raises(ValueError, match="1 or more"):
        predict_in_batches(head, vectors, 0)


def test_batches_stay_small():
    seen = []
    predict_in_batches(
        lambda batch: seen.append(len(batch)) or batch, torch.zeros(1200, 4)
    )
    assert seen == [512, 512, 176]


def test_times_are_medians_and_the_warm_up_does_not_count():
    calls = []
    times = interleaved_times(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3
    )
    assert (
        calls == ["a", "b"] * 4
        and set(times) == {"a", "b"}
        and all(t >= 0 for t in times.values())
    )


def tau_by_pairs(a, b) -> float:
    """Kendall's τ without ties, straight from its definition."""
    pairs = list(itertools.combinations(range(len(a)), 2))
    return sum(np.sign(a[i] - a[j]) * np.sign(b[i] - b[j]) for i, j in pairs) / len(
        pairs
    )


def test_ranking_error_by_hand(rng):
    assert ranking_error([4, 3, 2, 1], [3, 4, 2, 1], k=2) == {
        "kendall_tau": pytest.approx(4 / 6),
        "top2_overlap": 1.0,
    }
    assert ranking_error([4, 3, 2, 1], [1, 2, 3, 4], k=1) == {
        "kendall_tau": -1.0,
        "top1_overlap": 0.0,
    }
    old, new = rng.normal(size=(2, 5, 30))
    wanted = np.mean([tau_by_pairs(a, b) for a, b in zip(old, new)])
    got = ranking_error(old, new)
    assert (
        got["kendall_tau"] == pytest.approx(wanted) and 0 <= got["top10_overlap"] <= 1
    )
    assert ranking_error(old, 5 * old + 1) == {"kendall_tau": 1.0, "top10_overlap": 1.0}
    assert ranking_error(old, np.zeros_like(old))["kendall_tau"] == 0


@pytest.mark.parametrize(
    "old, new, k, message",
    [
        ([1, 2], [1, 2, 3], 1, "one shape"),
        ([1, 2], [1, 2], 3, "between 1 and"),
        ([1, 2], [1, float("nan")], 1, "NaN"),
        ([1, 1], [1, 2], 1, "no order"),
    ],
)
def test_ranking_error_refuses(old, new, k, message):
    with pytest.raises(ValueError, match=message):
        ranking_error(old, new, k)


@pytest.mark.parametrize("batch", [0, 1, 2, 5, 700])
def test_onnx_is_the_head_for_every_batch_size(head, exported, batch):
    source, vectors = OnnxAngles(exported), unit_rows(batch, 32, seed=1)
    assert source.circuit == CIRCUIT and source.embedding_dim == 32
    assert (
        source(vectors).shape == (batch, *CIRCUIT.angle_shape)
        and source(vectors).dtype == torch.float32
    )
    assert torch.allclose(source(vectors.numpy()), head(vectors), atol=1e-4)


def test_the_files_tell_nothing_of_this_machine(exported, tmp_path):
    small = quantize_onnx(exported, tmp_path / "small.onnx")
    for data in (exported.read_bytes(), small.read_bytes()):
        for trace in (
            os.path.dirname(torch.__file__),
            "site-packages",
            "stack_trace",
            tempfile.gettempdir(),
        ):
            assert os.fsencode(trace) not in data, trace


def test_export_leaves_the_head_alone_and_is_silent(head, tmp_path, capfd, recwarn):
    before = {name: value.clone() for name, value in head.state_dict().items()}
    head.train()
    export_onnx(head, tmp_path / "head.onnx")
    quantize_onnx(tmp_path / "head.onnx", tmp_path / "small.onnx")
    assert head.training and all(
        torch.equal(before[name], value) for name, value in head.state_dict().items()
    )
    assert capfd.readouterr() == ("", "") and not recwarn.list
    assert sorted(p.name for p in tmp_path.iterdir()) == ["head.onnx", "small.onnx"]


def test_eight_bits_are_smaller_and_near(head, exported, tmp_path):
    small = quantize_onnx(exported, tmp_path / "small.onnx")
    source, vectors = OnnxAngles(small), unit_rows(200, 32, seed=2)
    assert (
        source.circuit == CIRCUIT
        and small.stat().st_size < 0.6 * exported.stat().st_size
    )
    error = (source(vectors) - head(vectors)).abs()
    assert 0 < error.mean() < 0.1, f"mean error {error.mean():.3f} rad"
    seven = OnnxAngles(
        quantize_onnx(exported, tmp_path / "seven.onnx", signed=True, reduce_range=True)
    )
    assert 0 < (seven(vectors) - head(vectors)).abs().mean() < 0.1


def test_onnx_angles_stand_in_for_a_head(head, exported):
    vectors = unit_rows(20, 32, seed=3).numpy()
    ours, theirs = StateScorer(head), StateScorer(OnnxAngles(exported))
    assert theirs.circuit == CIRCUIT
    wanted, got = (
        s.score(s.encode(vectors), s.encode(vectors)) for s in (ours, theirs)
    )
    assert np.allclose(wanted, got, atol=1e-4)
    with pytest.raises(ValueError, match="768 numbers, this head was made for 32"):
        OnnxAngles(exported)(torch.zeros(1, 768))


def test_half_precision_heads_are_exported_as_float32(head, tmp_path):
    import copy

    half = copy.deepcopy(head).half()
    source = OnnxAngles(export_onnx(half, tmp_path / "half.onnx"))
    assert torch.allclose(
        source(unit_rows(4, 32)), half.float()(unit_rows(4, 32)), atol=1e-4
    )


class Complex(torch.nn.Module):
    embedding_dim = 8

    def forward(self, x):
        return torch.complex(x, x)


def test_export_refuses_what_cannot_work(tmp_path, monkeypatch, head):
    with pytest.raises(ValueError, match="complex numbers"):
        export_onnx(Complex(), tmp_path / "bad.onnx")
    with pytest.raises(ValueError, match="embedding_dim"):
        export_onnx(torch.nn.Linear(2, 2), tmp_path / "bad.onnx")
    (tmp_path / "head.onnx").write_bytes(b"old")
    monkeypatch.setattr("qrr_lib.serve.export.AGREEMENT", -1.0)
    with pytest.raises(ValueError, match="not kept"):
        export_onnx(head, tmp_path / "head.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["head.onnx"] and (
        tmp_path / "head.onnx"
    ).read_bytes() == b"old"


def test_bad_files(exported, tmp_path):
    for use in (OnnxAngles, lambda path: quantize_onnx(path, tmp_path / "out.onnx")):
        with pytest.raises(FileNotFoundError):
            use(tmp_path / "absent.onnx")
        (tmp_path / "text.onnx").write_text("not a graph", encoding="utf-8")
        with pytest.raises(ValueError, match="not a readable ONNX file"):
            use(tmp_path / "text.onnx")
    with pytest.raises(ValueError, match="another file"):
        quantize_onnx(exported, exported)
    small = quantize_onnx(exported, tmp_path / "small.onnx")
    with pytest.raises(ValueError, match="quantised already"):
        quantize_onnx(small, tmp_path / "smaller.onnx")
    import onnx

    model = onnx.load(exported)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(ValueError, match="not one that export_onnx wrote"):
        OnnxAngles(tmp_path / "foreign.onnx")
