"""Heads in other forms: mini-batches, ONNX, 8 bits, and the ranking error that judges
them.
"""

import copy
import itertools
import os
import tempfile
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch

from qrr_lib import Circuit, QubitAnglePredictor, Scorer
from qrr_lib.serve import export
from qrr_lib.serve.export import OnnxAngles, export_onnx, quantize_onnx
from qrr_lib.serve.measure import interleaved_times, predict_in_batches, ranking_error

CIRCUIT = Circuit(3, 2, "cz_ring")


def unit_rows(count: int, dim: int = 32, seed: int = 0) -> torch.Tensor:
    rows = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows)


@pytest.fixture(scope="module")
def head():
    made = QubitAnglePredictor(32, 64, CIRCUIT, seed=0)
    with torch.no_grad():
        # spread angles: rounding must not hide behind a collapsed head
        made.layers[-1].weight.mul_(20)
    return made


@pytest.fixture(scope="module")
def files(head, tmp_path_factory):
    """An exported head, a quantised one, and two files that are none."""
    folder = tmp_path_factory.mktemp("onnx")
    whole = export_onnx(head, folder / "head.onnx")
    small = quantize_onnx(whole, folder / "small.onnx")
    (folder / "text.onnx").write_text("not a graph", encoding="utf-8")
    model = onnx.load(whole)
    del model.metadata_props[:]
    onnx.save(model, folder / "foreign.onnx")
    return SimpleNamespace(folder=folder, whole=whole, small=small)


def test_batches_give_the_same_angles(head):
    vectors = unit_rows(1000)
    whole = head(vectors).detach()
    for size in (1, 7, 512, 5000):
        parts = predict_in_batches(head, vectors, size)
        assert not parts.requires_grad and torch.allclose(parts, whole, atol=1e-5)
    of_array = predict_in_batches(head, vectors.numpy(), 512)
    assert torch.equal(of_array, predict_in_batches(head, vectors, 512))


def test_batches_stay_small():
    seen = []

    def angles(batch):
        seen.append(len(batch))
        return batch

    predict_in_batches(angles, torch.zeros(1200, 4))
    assert seen == [512, 512, 176]


def test_times_are_medians_and_the_warm_up_does_not_count():
    calls = []
    both = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    times = interleaved_times(both, rounds=3)
    assert calls == ["a", "b"] * 4
    assert set(times) == {"a", "b"} and min(times.values()) >= 0


def tau_by_pairs(a, b) -> float:
    """Kendall's τ without ties, straight from its definition."""
    pairs = list(itertools.combinations(range(len(a)), 2))
    agree = sum(np.sign(a[i] - a[j]) * np.sign(b[i] - b[j]) for i, j in pairs)
    return agree / len(pairs)


def test_ranking_error_by_hand(rng):
    def both(old, new, k=10):
        error = ranking_error(old, new, k)
        assert list(error) == ["kendall_tau", f"top{k}_overlap"]
        return list(error.values())

    assert both([4, 3, 2, 1], [3, 4, 2, 1], k=2) == [pytest.approx(4 / 6), 1.0]
    assert both([4, 3, 2, 1], [1, 2, 3, 4], k=1) == [-1.0, 0.0]
    old, new = rng.normal(size=(2, 5, 30))
    tau, overlap = both(old, new)
    assert tau == pytest.approx(np.mean([tau_by_pairs(a, b) for a, b in zip(old, new)]))
    assert 0 <= overlap <= 1
    assert both(old, 5 * old + 1) == [1.0, 1.0]
    assert both(old, np.zeros_like(old))[0] == 0


@pytest.mark.parametrize("batch", [0, 1, 2, 5, 700])
def test_onnx_is_the_head_for_every_batch_size(head, files, batch):
    source, vectors = OnnxAngles(files.whole), unit_rows(batch, seed=1)
    assert source.circuit == CIRCUIT and source.embedding_dim == 32
    angles = source(vectors.numpy())
    assert angles.shape == (batch, *CIRCUIT.angle_shape)
    assert angles.dtype == torch.float32 and torch.equal(source(vectors), angles)
    assert torch.allclose(angles, head(vectors), atol=1e-4)


def test_the_files_tell_nothing_of_this_machine(files):
    torchs, temporary = os.path.dirname(torch.__file__), tempfile.gettempdir()
    for data in (files.whole.read_bytes(), files.small.read_bytes()):
        for trace in (torchs, "site-packages", "stack_trace", temporary):
            assert os.fsencode(trace) not in data, trace


def test_export_leaves_the_head_alone_and_is_silent(head, tmp_path, capfd, recwarn):
    before = copy.deepcopy(head.state_dict())
    head.train()
    export_onnx(head, tmp_path / "head.onnx")
    quantize_onnx(tmp_path / "head.onnx", tmp_path / "small.onnx")
    assert head.training
    assert all(before[name].equal(value) for name, value in head.state_dict().items())
    assert capfd.readouterr() == ("", "") and not recwarn.list
    assert sorted(p.name for p in tmp_path.iterdir()) == ["head.onnx", "small.onnx"]


def test_eight_bits_are_smaller_and_near(head, files):
    assert files.small.stat().st_size < 0.6 * files.whole.stat().st_size
    vectors = unit_rows(200, seed=2)
    source = OnnxAngles(files.small)
    error = (source(vectors) - head(vectors)).abs().mean()
    assert source.circuit == CIRCUIT and 0 < error < 0.1, f"{error:.3f} rad"


def test_onnx_angles_stand_in_for_a_head(head, files):
    vectors = unit_rows(20, seed=3).numpy()
    ours, theirs = Scorer(head), Scorer(OnnxAngles(files.whole))
    wanted, got = (
        s.score(s.encode(vectors), s.encode(vectors)) for s in (ours, theirs)
    )
    assert np.allclose(wanted, got, atol=1e-4)


def test_half_precision_heads_are_exported_as_float32(head, tmp_path):
    half = copy.deepcopy(head).half()
    source, vectors = OnnxAngles(export_onnx(half, tmp_path / "h.onnx")), unit_rows(4)
    assert torch.allclose(source(vectors), half.float()(vectors), atol=1e-4)


def test_a_file_that_disagrees_is_not_kept(head, tmp_path, monkeypatch):
    (tmp_path / "head.onnx").write_bytes(b"old")
    monkeypatch.setattr(export, "AGREEMENT", -1.0)
    with pytest.raises(ValueError, match="not kept"):
        export_onnx(head, tmp_path / "head.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["head.onnx"]
    assert (tmp_path / "head.onnx").read_bytes() == b"old"


class Complex(torch.nn.Module):
    embedding_dim = 8

    def forward(self, x):
        return torch.complex(x, x)


def quantize(source):
    return quantize_onnx(source, source.with_name("out.onnx"))


REFUSALS = {
    "batch of 0": (lambda f: predict_in_batches(abs, [1.0], 0), "from 1 up"),
    "other shape": (lambda f: ranking_error([1, 2], [1, 2, 3], 1), "one shape"),
    "k too large": (lambda f: ranking_error([1, 2], [1, 2], 3), "between 1 and"),
    "NaN": (lambda f: ranking_error([1, 2], [1, float("nan")], 1), "NaN"),
    "constant": (lambda f: ranking_error([1, 1], [1, 2], 1), "no order"),
    "complex": (lambda f: export_onnx(Complex(), f.folder / "bad"), "complex numbers"),
    "no width": (lambda f: export_onnx(torch.nn.ReLU(), f.folder), "embedding_dim"),
    "read no graph": (lambda f: OnnxAngles(f.folder / "text.onnx"), "not a readable"),
    "shrink no graph": (lambda f: quantize(f.folder / "text.onnx"), "not a readable"),
    "foreign": (lambda f: OnnxAngles(f.folder / "foreign.onnx"), "export_onnx wrote"),
    "itself": (lambda f: quantize_onnx(f.whole, f.whole), "another file"),
    "twice": (lambda f: quantize(f.small), "quantised already"),
    "width": (lambda f: OnnxAngles(f.whole)(torch.zeros(1, 768)), "768 numbers"),
}


@pytest.mark.parametrize(("call", "words"), REFUSALS.values(), ids=REFUSALS)
def test_refusals(files, call, words):
    with pytest.raises(ValueError, match=words):
        call(files)


@pytest.mark.parametrize("use", [OnnxAngles, quantize])
def test_a_file_that_is_not_there(tmp_path, use):
    with pytest.raises(FileNotFoundError):
        use(tmp_path / "absent.onnx")
