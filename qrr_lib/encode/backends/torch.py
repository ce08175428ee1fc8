"""States in plain PyTorch: walk over the circuit's gates, on a whole batch at once
(lesson 03).

This is the encoder to read. `tensor_program` computes the same states several times
faster, and is what `encode(..., backend="torch")` runs.
"""

import torch

from qrr_lib.encode.circuit import Circuit


def encode(angles: torch.Tensor, circuit: Circuit) -> torch.Tensor:
    """(B, L, n, 2) angles → (B, 2**n) complex states, qubit 0 leftmost, differentiable.

    complex64 for float32 angles, complex128 for float64.
    """
    shape = len(angles), 2**circuit.n_qubits
    state = angles.new_zeros(shape, dtype=angles.dtype.to_complex())
    state[:, 0] = 1  # every qubit starts in |0⟩
    for gate in circuit.gates():
        if gate.angle is None:
            state = entangle(state, gate.name, *gate.qubits)
        else:
            matrix = rotation(gate.name, angles[(slice(None), *gate.angle)])
            state = turn(state, matrix, *gate.qubits)
    return state


def rotation(name: str, angle: torch.Tensor) -> torch.Tensor:
    """RY(θ) or RZ(γ) as matrices: name "ry" or "rz", angles (B,) → (B, 2, 2)
    complex.
    """
    cos, sin = (angle / 2).cos(), (angle / 2).sin()
    zero = torch.zeros_like(cos)
    if name == "ry":
        entries = (cos, zero), (-sin, zero), (sin, zero), (cos, zero)
    else:
        entries = (cos, -sin), (zero, zero), (zero, zero), (cos, sin)
    matrix = torch.stack([torch.complex(*entry) for entry in entries], dim=-1)
    return matrix.unflatten(-1, (2, 2))


def turn(state: torch.Tensor, matrix: torch.Tensor, qubit: int) -> torch.Tensor:
    """Apply a matrix (B, 2, 2) to one qubit of states (B, 2**n)."""
    split = state.unflatten(1, (2**qubit, 2, -1))  # (B, left, this qubit, right)
    return torch.einsum("bij,bljr->blir", matrix, split).flatten(1)


def entangle(state: torch.Tensor, name: str, control: int, target: int) -> torch.Tensor:
    """Apply "cz" or "cnot" to two qubits of states (B, 2**n)."""
    n = state.shape[1].bit_length() - 1
    index = torch.arange(2**n, device=state.device)  # basis states as whole numbers
    on = (index >> (n - 1 - control)) & 1  # the control qubit's bit of each
    if name == "cz":
        both = on & (index >> (n - 1 - target))
        return state * (1 - 2 * both)
    return state[:, index ^ (on << (n - 1 - target))]  # the target's bit flips
