"""Three frameworks, one state: equal in every amplitude, bit order and phase
included.
"""

from __future__ import annotations

import math

import pytest
import torch

from qrr_lib import (
    Circuit,
    bloch_vectors,
    encode,
    fidelity,
    local_fidelity,
    log_fidelity,
    overlap,
)

BACKENDS = ["torch", "qiskit", "pennylane", "lightning"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_qubit_by_hand(backend):
    """θ = π/3, γ = π/2: RY gives (cos π/6, sin π/6); RZ multiplies by e^{∓iπ/4}."""
    state = encode(
        torch.tensor([[[[math.pi / 3, math.pi / 2]]]], dtype=torch.float64),
        Circuit(),
        backend,
    )[0]
    phase = complex(math.cos(math.pi / 4), math.sin(math.pi / 4))
    assert abs(state[0].item() - math.cos(math.pi / 6) * phase.conjugate()) < 1e-9
    assert abs(state[1].item() - math.sin(math.pi / 6) * phase) < 1e-9


@pytest.mark.parametrize("backend", BACKENDS)
def test_qubit_0_is_leftmost(backend):
    """Only qubit 0 of three is flipped: the state is |100>, amplitude number 4."""
    angles = torch.zeros(1, 1, 3, 2, dtype=torch.float64)
    angles[0, 0, 0, 0] = math.pi
    assert encode(angles, Circuit(3), backend)[0].abs().argmax() == 4


@pytest.mark.parametrize("backend", BACKENDS[1:])
@pytest.mark.parametrize(
    "circuit",
    [
        Circuit(1),
        Circuit(2),
        Circuit(5),
        Circuit(3, 2, "cz_ring"),
        Circuit(4, 3, "cnot_chain", True),
    ],
    ids=str,
)
def test_same_amplitudes(backend, circuit, random_angles):
    angles = random_angles(20, circuit)
    assert (
        encode(angles, circuit, backend) - encode(angles, circuit)
    ).abs().max() < 1e-6
    assert (
        encode(angles.float(), circuit).to(torch.complex128) - encode(angles, circuit)
    ).abs().max() < 1e-6


def test_fidelity_is_the_closed_form(random_angles):
    one = random_angles(30, Circuit())
    states, vectors = encode(one, Circuit()), bloch_vectors(one)
    closed = (1 + vectors[:, 0] @ vectors[:, 0].T) / 2
    assert (fidelity(states, states) - closed).abs().max() < 1e-12
    assert (overlap(states, states) ** 2 - closed).abs().max() < 1e-12
    many = random_angles(10, Circuit(6), seed=1)
    states, vectors = encode(many, Circuit(6)), bloch_vectors(many)
    assert (
        fidelity(states, states) - log_fidelity(vectors, vectors).exp()
    ).abs().max() < 1e-12
    assert torch.allclose(
        local_fidelity(vectors, vectors).diagonal(), torch.ones(10, dtype=torch.float64)
    )


def test_clear_errors(random_angles):
    with pytest.raises(ValueError, match="unknown backend 'cirq'; choose one of torch"):
        encode(torch.zeros(1, 1, 1, 2), Circuit(), "cirq")
    with pytest.raises(ValueError, match="do not fit"):
        encode(torch.zeros(1, 1, 2, 2), Circuit())
    with pytest.raises(ValueError, match="bloch_vectors"):
        encode(torch.zeros(1, 1, 40, 2), Circuit(40))
    with pytest.raises(ValueError, match="one layer"):
        bloch_vectors(torch.zeros(1, 2, 3, 2))
    too_many = {"n_qubits": 13, "n_layers": 2, "entangler": "cz_ring"}
    for wrong in (
        {"n_qubits": 0},
        {"n_qubits": 2.5},
        {"n_layers": 5},
        {"entangler": "ring"},
        too_many,
    ):
        with pytest.raises(ValueError):
            Circuit(**wrong)
