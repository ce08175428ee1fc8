"""Angles → statevectors, through plain PyTorch, Qiskit or PennyLane: three ways to one
result (lesson 03).
"""

from __future__ import annotations

import importlib

from qrr_lib.encode.circuit import MAX_QUBITS, Circuit

BACKENDS = {
    "torch": "tensor_program",
    "qiskit": "qiskit",
    "pennylane": "pennylane",
    "lightning": "pennylane",
}


def encode(
    angles, circuit: Circuit, backend: str = "torch", chunk_size: int | None = None
):
    """Encode angles as states.

    Parameters
    ----------
    angles : (B, L, n, 2) float tensor
        θ and γ in radians, for each layer and qubit.
    circuit : Circuit
        At most 12 qubits here: a state has 2**n amplitudes.
    backend : {"torch", "qiskit", "pennylane", "lightning"}
    chunk_size : int or None
        How many states to compute at a time, which bounds the memory beyond the result.
        None: "torch" takes what fits in the processor's cache, the others the whole
        batch.

    Returns
    -------
    (B, 2**n) complex tensor, qubit 0 leftmost. complex64 from torch
    (complex128 for float64 angles), complex128 from the others. Gradients flow through
    "torch" and "pennylane".

    Raises
    ------
    ValueError
        Unknown backend, angles of another shape than the circuit's, too many qubits, or
        a chunk_size below 1.
    """
    import torch

    if backend not in BACKENDS:
        raise ValueError(
            f"unknown backend {backend!r}; choose one of {', '.join(BACKENDS)}"
        )
    angles = torch.as_tensor(angles)
    if angles.ndim != 4 or tuple(angles.shape[1:]) != circuit.angle_shape:
        raise ValueError(
            f"angles of shape {tuple(angles.shape)} do not fit {circuit}: expected (B, "
            f"{', '.join(map(str, circuit.angle_shape))})"
        )
    if circuit.n_qubits > MAX_QUBITS:
        raise ValueError(
            f"a state of {circuit.n_qubits} qubits has 2**{circuit.n_qubits} "
            "amplitudes: use bloch_vectors, "
            "which describes a product state with 3 numbers a qubit"
        )
    if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size < 1):
        raise ValueError(
            f"chunk_size must be a whole number from 1 up, or None, not {chunk_size!r}"
        )
    module = importlib.import_module(f"qrr_lib.encode.backends.{BACKENDS[backend]}")
    if backend == "torch":
        return module.encode(angles, circuit, chunk_size)
    if len(angles) == 0:
        return torch.zeros(0, 2**circuit.n_qubits, dtype=torch.complex128)
    options = {"device": "lightning.qubit"} if backend == "lightning" else {}
    return torch.cat(
        [
            module.encode(block, circuit, **options)
            for block in angles.split(chunk_size or len(angles))
        ]
    )
