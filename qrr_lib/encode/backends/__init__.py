"""Angles → statevectors, through plain PyTorch, Qiskit or PennyLane: three ways to one
result (lesson 03).
"""

import importlib

from qrr_lib.checks import numbers, one_of
from qrr_lib.encode.circuit import MAX_QUBITS, Circuit, checked_circuit

BACKENDS = {  # name: module here, and what its `encode` takes besides
    "torch": ("tensor_program", {}),
    "qiskit": ("qiskit", {}),
    "pennylane": ("pennylane", {}),
    "lightning": ("pennylane", {"device": "lightning.qubit"}),
}


def encode(angles, circuit: Circuit, backend: str = "torch"):
    """Encode angles as states.

    Parameters
    ----------
    angles : (B, L, n, 2) float tensor
        θ and γ in radians, for each layer and qubit.
    circuit : Circuit
        At most 12 qubits here: a state has 2**n amplitudes.
    backend : {"torch", "qiskit", "pennylane", "lightning"}
        "torch" computes what fits in the processor's cache at a time, which bounds the
        memory beyond the result; the others compute the whole batch at once.

    Returns
    -------
    (B, 2**n) complex tensor, qubit 0 leftmost. complex64 from torch
    (complex128 for float64 angles), complex128 from the others. Gradients flow through
    "torch" and "pennylane".

    Raises
    ------
    ValueError
        Unknown backend, angles of another shape than the circuit's, or too many qubits.
    """
    import torch  # here: the name is also that of a module of this package

    name, options = BACKENDS[one_of("backend", backend, BACKENDS)]
    angles, n = numbers("angles", angles), checked_circuit(circuit).n_qubits
    if tuple(angles.shape[1:]) != circuit.angle_shape:
        raise ValueError(
            f"angles of shape {tuple(angles.shape)} do not fit {circuit}: expected (B, "
            f"{', '.join(map(str, circuit.angle_shape))})"
        )
    if n > MAX_QUBITS:
        raise ValueError(
            f"a state of {n} qubits has 2**{n} amplitudes: use bloch_vectors, which "
            "describes a product state with 3 numbers a qubit"
        )
    module = importlib.import_module(f"qrr_lib.encode.backends.{name}")
    if len(angles) == 0 and backend != "torch":
        return torch.zeros(0, 2**n, dtype=torch.complex128)
    return module.encode(angles, circuit, **options)
