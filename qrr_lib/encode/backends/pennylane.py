"""The same circuit through PennyLane: broadcast over the batch on default.qubit, or
compiled on lightning.qubit (lesson 03).
"""

from functools import lru_cache

import torch

from qrr_lib.encode.circuit import Circuit


@lru_cache(maxsize=32)
def build_qnode(circuit: Circuit, device: str = "default.qubit"):
    """Return a QNode: angles (L, n, 2) or, broadcast, (B, L, n, 2) → state.

    On default.qubit the state is differentiable by backpropagation; lightning has no
    gradient of a statevector.
    """
    import pennylane as qml

    @qml.qnode(
        qml.device(device, wires=circuit.n_qubits),
        interface="torch",
        diff_method="backprop" if device == "default.qubit" else None,
    )
    def state(angles):
        gates = {"ry": qml.RY, "rz": qml.RZ, "cz": qml.CZ, "cnot": qml.CNOT}
        for gate in circuit.gates():
            if gate.angle is None:
                gates[gate.name](wires=gate.qubits)
            else:
                gates[gate.name](angles[(..., *gate.angle)], wires=gate.qubits)
        return qml.state()

    return state


def encode(
    angles: torch.Tensor, circuit: Circuit, device: str = "default.qubit"
) -> torch.Tensor:
    """(B, L, n, 2) angles → (B, 2**n) complex128 states, whole batch in one call
    (PennyLane calls it broadcasting).
    """
    angles = angles.double()
    if device != "default.qubit":
        angles = angles.detach().cpu()
    states = build_qnode(circuit, device)(angles)
    return torch.as_tensor(states).reshape(len(angles), 2**circuit.n_qubits)
