"""The angle head: the brief's architecture, its ranges, its start, and its files."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from qrr_lib import Circuit, QubitAnglePredictor


def test_default_is_the_recipe():
    head = QubitAnglePredictor()
    assert sum(p.numel() for p in head.parameters()) == 263_170
    assert [type(m).__name__ for m in head.layers] == [
        "Linear",
        "ReLU",
        "Linear",
        "ReLU",
        "Linear",
    ]
    assert [
        (m.in_features, m.out_features) for m in head.layers if isinstance(m, nn.Linear)
    ] == [(768, 256), (256, 256), (256, 2)]


@pytest.mark.parametrize("circuit", [Circuit(), Circuit(4, 3, "cz_ring"), Circuit(64)])
def test_shape_and_ranges(circuit):
    head = QubitAnglePredictor(32, 16, circuit, seed=1)
    angles = head(100 * torch.randn(50, 32, generator=torch.Generator().manual_seed(0)))
    assert angles.shape == (50, *circuit.angle_shape)
    theta, gamma = angles.unbind(-1)
    assert 0 <= theta.min() and theta.max() <= math.pi + 1e-6
    assert 0 <= gamma.min() and gamma.max() <= 2 * math.pi + 1e-6
    assert theta.max() > 3 and gamma.max() > 5 and gamma.min() < 1, (
        "large inputs should reach both ends of the ranges"
    )


def test_xavier_start_and_seeds():
    head = QubitAnglePredictor(seed=0)
    for layer in (m for m in head.layers if isinstance(m, nn.Linear)):
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        assert layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert not layer.bias.any()
    same, other = QubitAnglePredictor(seed=0), QubitAnglePredictor(seed=1)
    x = torch.randn(3, 768, generator=torch.Generator().manual_seed(0))
    assert torch.equal(head(x), same(x)) and not torch.equal(head(x), other(x))


def test_save_and_load(tmp_path):
    head = QubitAnglePredictor(24, 8, Circuit(3, 2, "cnot_chain"), seed=3)
    head.save(tmp_path / "head.safetensors")
    back = QubitAnglePredictor.load(tmp_path / "head.safetensors")
    x = torch.randn(5, 24)
    assert back.circuit == head.circuit and torch.equal(back(x), head(x))
    assert not list(tmp_path.glob(".*partial*"))


def test_bad_files_and_widths(tmp_path):
    QubitAnglePredictor(24, 8).save(tmp_path / "head.safetensors")
    with pytest.raises(ValueError, match="trained for 24-d embeddings, not 768-d"):
        QubitAnglePredictor.load(tmp_path / "head.safetensors", embedding_dim=768)
    (tmp_path / "text.safetensors").write_text("not tensors")
    with pytest.raises(ValueError, match="not a readable safetensors"):
        QubitAnglePredictor.load(tmp_path / "text.safetensors")
    with pytest.raises(FileNotFoundError):
        QubitAnglePredictor.load(tmp_path / "absent.safetensors")
    with pytest.raises(ValueError, match="384 numbers, this head was made for 768"):
        QubitAnglePredictor()(torch.zeros(2, 384))


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "head.safetensors"
    QubitAnglePredictor(24, 8, seed=0).save(path)
    old = path.read_bytes()
    import safetensors.torch

    def broken(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(safetensors.torch, "save_file", broken)
    with pytest.raises(OSError, match="disk full"):
        QubitAnglePredictor(24, 8, seed=1).save(path)
    assert path.read_bytes() == old and len(list(tmp_path.iterdir())) == 1
