"""Expectation values of Pauli strings: features whose inner product is the fidelity
(lesson 14).
"""

import torch

MAX_PAULI_QUBITS = 4  # 4⁴ − 1 = 255 numbers a document
PAULIS = torch.tensor(
    [[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]],
    dtype=torch.complex64,
)


def pauli_features(states: torch.Tensor) -> torch.Tensor:
    """Expectation values of all Pauli strings but the identity, scaled to length 1:
    states (B, 2**n) → (B, 4**n − 1) real.

    The inner product p of two rows gives the fidelity of the states: F = 2⁻ⁿ + (1 −
    2⁻ⁿ)·p. For one qubit a row is the Bloch vector. The order is that of the strings
    II…I, II…X, II…Y, …, ZZ…Z, qubit 0 leftmost.
    """
    batch, dim = states.shape
    # density matrices ρ = |ψ⟩⟨ψ|, and the strings whose letters are read so far: (B,
    # strings, rest, rest)
    matrices = states.unsqueeze(2) * states.conj().unsqueeze(1)
    matrices = matrices.unsqueeze(1)
    while (rest := matrices.shape[2] // 2) >= 1:  # one qubit at a time, left to right
        strings = matrices.shape[1]
        blocks = matrices.view(batch, strings, 2, rest, 2, rest)
        traced = torch.einsum("pij,bkjris->bkprs", PAULIS.to(states), blocks)
        matrices = traced.reshape(batch, 4 * strings, rest, rest)
    return matrices.real.flatten(1)[:, 1:] / (dim - 1) ** 0.5
