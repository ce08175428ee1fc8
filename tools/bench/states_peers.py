"""The ways to states that tools.bench.states compares: each maker takes a Circuit and
returns a function, angles (B, L, n, 2) → (B, 2**n).
"""

from __future__ import annotations

import numpy as np
import torch

from qrr_lib.encode.backends import encode
from qrr_lib.encode.backends import pennylane as pennylane_encoder
from qrr_lib.encode.backends import qiskit as qiskit_encoder
from qrr_lib.encode.circuit import Circuit

OURS = "ours: plain torch"


def ours(circuit: Circuit):
    return lambda angles: encode(angles, circuit)


def pennylane_broadcast(circuit: Circuit):
    return lambda angles: pennylane_encoder.encode(angles, circuit)


def pennylane_loop(circuit: Circuit):
    node = pennylane_encoder.build_qnode(circuit)
    return lambda angles: torch.stack([node(one) for one in angles.double()])


def lightning(circuit: Circuit):
    return lambda angles: pennylane_encoder.encode(angles, circuit, "lightning.qubit")


def aer_runtime_binds(circuit: Circuit):
    return lambda angles: qiskit_encoder.encode(angles, circuit)


def aer_binds(circuit: Circuit):
    """As above without runtime binding: Aer makes one bound circuit for each
    document.
    """
    simulator, compiled, parameters = qiskit_encoder._prepared(circuit)

    def run(angles):
        values = angles.double().numpy()
        binds = {
            parameter: values[(slice(None), *where)].tolist()
            for where, parameter in parameters.items()
        }
        result = simulator.run(compiled, parameter_binds=[binds]).result()
        return _states(result, len(values), circuit)

    return run


def aer_one_by_one(circuit: Circuit):
    """The original recipe: build, transpile and run a circuit for each document."""
    from qiskit import transpile
    from qiskit_aer import AerSimulator

    simulator = AerSimulator(method="statevector")

    def run(angles):
        states = []
        for one in angles.double().numpy():
            built, parameters = qiskit_encoder.build_circuit(
                circuit, save_statevector=True
            )
            bound = built.assign_parameters(
                {parameter: one[where] for where, parameter in parameters.items()}
            )
            states.append(
                _states(simulator.run(transpile(bound, simulator)).result(), 1, circuit)
            )
        return torch.cat(states)

    return run


def tensorcircuit(circuit: Circuit):
    """tensorcircuit-ng's circuit, vectorised over the batch by its vmap, on its PyTorch
    backend.
    """
    import tensorcircuit

    tensorcircuit.set_backend("pytorch")
    tensorcircuit.set_dtype("complex64")

    def one(angles):
        built = tensorcircuit.Circuit(circuit.n_qubits)
        for gate in circuit.gates():
            method = getattr(built, gate.name)
            method(*gate.qubits) if gate.angle is None else method(
                *gate.qubits, theta=angles[gate.angle]
            )
        return built.state()

    return tensorcircuit.backend.vmap(one)


def _states(result, batch: int, circuit: Circuit) -> torch.Tensor:
    states = np.stack([np.asarray(result.data(i)["statevector"]) for i in range(batch)])
    return torch.from_numpy(qiskit_encoder._big_endian(states, circuit.n_qubits))


# name: (maker, batch)
FORWARD = {
    OURS: (ours, 1000),
    "PennyLane, default.qubit broadcast": (pennylane_broadcast, 1000),
    "tensorcircuit-ng, vmap": (tensorcircuit, 1000),
    "Aer, runtime binds": (aer_runtime_binds, 200),
    "Aer, binds": (aer_binds, 200),
    "PennyLane, lightning.qubit": (lightning, 50),
    "PennyLane, loop": (pennylane_loop, 20),
    "Aer, transpile and run each": (aer_one_by_one, 3),
}
BACKWARD = {
    name: FORWARD[name]
    for name in (
        OURS,
        "PennyLane, default.qubit broadcast",
        "tensorcircuit-ng, vmap",
        "PennyLane, loop",
    )
}
