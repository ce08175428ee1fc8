"""What a lesson derives inline is what the library does: the notebooks' own cells, run on random inputs, against qrr_lib."""
from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import notebooks  # noqa: E402


@pytest.fixture
def inline(monkeypatch):
    """Function (lesson number) -> namespace of that lesson's cells tagged `inline`."""
    monkeypatch.setenv("MPLBACKEND", "agg")

    def run(number: str) -> dict:
        path = next(p for p in notebooks.lessons() if p.stem.startswith(number))
        space: dict = {"__name__": "lesson"}
        for cell in nbformat.read(path, as_version=4).cells:
            if "inline" in notebooks.tags(cell):
                exec(compile(cell.source, path.stem, "exec"), space)
        return space
    return run


def test_lesson_02(inline, random_angles):
    from qrr_lib import Circuit, QubitAnglePredictor, encode
    from qrr_lib.similarity import reduced_bloch_vectors

    lesson = inline("02")
    angles = random_angles(50, Circuit())
    states = lesson["qubit_state"](*angles[:, 0, 0].unbind(-1))
    assert (states - encode(angles, Circuit())).abs().max() < 1e-12
    assert (lesson["bloch_point"](states) - reduced_bloch_vectors(states)[:, 0]).abs().max() < 1e-12
    circuit = Circuit(3, 2, "cz_ring")
    ours, library = lesson["AngleHead"](32, 16, circuit.angle_shape), QubitAnglePredictor(32, 16, circuit)
    ours.load_state_dict(library.state_dict())
    vectors = torch.randn(20, 32)
    assert torch.equal(ours(vectors), library(vectors))
