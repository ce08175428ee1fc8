"""The same circuit through Qiskit and the Aer simulator (lesson 03).

The circuit is built and transpiled once with symbolic angles; one `run` then binds a
whole batch. Building and transpiling a circuit for each document, as the brief does, is
about a thousand times slower (measured in lesson 15).
"""

from functools import lru_cache

import numpy as np
import torch

from qrr_lib.checks import refuse_integer_seed
from qrr_lib.encode.circuit import Circuit


def build_circuit(circuit: Circuit, save_statevector: bool = False):
    """Return (QuantumCircuit, {(layer, qubit, 0|1): Parameter}) with one symbolic
    parameter per angle.
    """
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

    built, parameters = QuantumCircuit(circuit.n_qubits), {}
    gates = {"ry": built.ry, "rz": built.rz, "cz": built.cz, "cnot": built.cx}
    for gate in circuit.gates():
        if gate.angle is None:
            gates[gate.name](*gate.qubits)
        else:
            layer, q, which = gate.angle
            parameters[gate.angle] = Parameter(f"{'θγ'[which]}[{layer},{q}]")
            gates[gate.name](parameters[gate.angle], q)
    if save_statevector:
        built.save_statevector()
    return built, parameters


def aer_device() -> str:
    """Return "GPU" where Aer's GPU build finds one, else "CPU"."""
    from qiskit_aer import AerSimulator

    return "GPU" if "GPU" in AerSimulator().available_devices() else "CPU"


@lru_cache(maxsize=32)
def _prepared(circuit: Circuit):
    from qiskit import transpile
    from qiskit_aer import AerSimulator

    simulator = AerSimulator(method="statevector", device=aer_device())
    built, parameters = build_circuit(circuit, save_statevector=True)
    return simulator, transpile(built, simulator, optimization_level=0), parameters


def encode(angles: torch.Tensor, circuit: Circuit) -> torch.Tensor:
    """(B, L, n, 2) angles → (B, 2**n) complex128 states from Aer (on its GPU build if
    that is installed).

    Qiskit counts qubit 0 as the *last* bit of a basis state; the axes are reversed
    here, once, so that qubit 0 is leftmost.
    """
    simulator, compiled, parameters = _prepared(circuit)
    values = angles.detach().cpu().double()
    binds = {p: values[(..., *where)].tolist() for where, p in parameters.items()}
    job = simulator.run(
        compiled, parameter_binds=[binds], runtime_parameter_bind_enable=True
    )
    result = job.result()
    if not result.success:
        raise RuntimeError(f"Aer could not run the batch: {result.status}")
    states = [result.data(i)["statevector"] for i in range(len(values))]
    return torch.from_numpy(_big_endian(np.stack(states), circuit.n_qubits))


def bloch_vectors_by_estimator(
    angles: torch.Tensor,
    circuit: Circuit,
    estimator=None,
    pass_manager=None,
    precision: float | None = None,
) -> torch.Tensor:
    """⟨X⟩, ⟨Y⟩, ⟨Z⟩ of every qubit through Qiskit's V2 primitives: (B, L, n, 2) angles
    → (B, n, 3) float64.

    One *pub* (primitive unified bloc: a circuit, its observables and an array of
    parameter values) asks for the whole batch; a list of B pubs would pay the set-up B
    times. Any `EstimatorV2` will do, a real device's too; None takes Aer's with
    precision 0, which is exact. A device needs its `pass_manager`
    (`generate_preset_pass_manager(backend=…)`), which rewrites the circuit; the
    observables then follow its layout. `precision` is the wanted standard error: about
    1/precision² shots. Compare with `similarity.reduced_bloch_vectors` (lessons 03
    and 12). ValueError for no angles, or an estimator with an integer seed.
    """
    if not len(angles):
        raise ValueError("there are no angles: give those of at least one text")
    from qiskit.quantum_info import SparsePauliOp

    if estimator is None:
        from qiskit_aer.primitives import EstimatorV2

        device = {"device": aer_device()}
        exact = {"default_precision": 0.0, "backend_options": device}
        estimator = EstimatorV2(options=exact)
    n, (built, parameters) = circuit.n_qubits, build_circuit(circuit)
    # (3n, 1), qubit 0 last
    names = [f"{'I' * (n - 1 - q)}{p}{'I' * q}" for q in range(n) for p in "XYZ"]
    paulis = [SparsePauliOp(name) for name in names]
    if pass_manager is not None:
        built = pass_manager.run(built)
        paulis = [pauli.apply_layout(built.layout) for pauli in paulis]
    in_order = tuple(parameters[where] for where in np.ndindex(circuit.angle_shape))
    values = angles.detach().cpu().double().flatten(1).numpy()  # (B, 2·L·n)
    pub = (built, [[pauli] for pauli in paulis], {in_order: values})
    job = refuse_integer_seed(estimator).run([pub], precision=precision)
    expectations = job.result()[0].data.evs  # (3n, B)
    return torch.tensor(expectations).T.reshape(len(values), n, 3)


def _big_endian(states: np.ndarray, n: int) -> np.ndarray:
    """Reverse the order of the qubits: (B, 2**n) little-endian → qubit 0 leftmost."""
    axes = [0, *range(n, 0, -1)]
    turned = states.reshape(-1, *[2] * n).transpose(axes)
    return np.ascontiguousarray(turned.reshape(len(states), -1))
