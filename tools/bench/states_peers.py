"""The ways to states that tools.bench.states compares.

A maker takes a circuit, angles (B, L, n, 2) and weights (B, 2**n), and returns a call
without arguments. Without weights it computes the states; with weights, the gradient
of Re Σ weights*·states for the angles. A library gets its inputs in its own arrays and
leaves its result there: conversions are not timed. ModuleNotFoundError where a peer is
missing.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch

from qrr_lib.encode.backends import encode, tensor_program
from qrr_lib.encode.backends import pennylane as pennylane_encoder
from qrr_lib.encode.backends import qiskit as qiskit_encoder
from qrr_lib.encode.backends import torch as plain_encoder
from qrr_lib.encode.circuit import Circuit

OURS = "torch, tensor program"
BOTH = ("complex64", "complex128")


@dataclass(frozen=True)
class Way:
    """How to make its call; in which precisions it computes; whether it has a gradient;
    at most how many texts it is timed with (None: the whole batch). A loop's price per
    text does not depend on the batch.
    """

    make: callable
    precisions: tuple[str, ...] = ("complex128",)
    gradient: bool = False
    texts: int | None = None


def in_torch(function):
    """A function of angles and circuit that PyTorch differentiates."""

    def make(circuit, angles, weights=None):
        if weights is None:
            return lambda: function(angles, circuit)
        leaf = angles.clone().requires_grad_()
        return lambda: torch.autograd.grad(function(leaf, circuit), leaf, weights)[0]

    return make


def pennylane_loop(angles, circuit):
    node = pennylane_encoder.build_qnode(circuit)
    return torch.stack([node(one) for one in angles])


def in_jax(one_text):
    """jit(vmap) of what `one_text(circuit, precision)` computes of one text."""

    def make(circuit, angles, weights=None):
        import jax

        double = angles.dtype == torch.float64
        one = one_text(circuit, BOTH[double])
        jax.config.update("jax_enable_x64", double)
        batch, inputs = jax.vmap(one), jax.numpy.asarray(angles.numpy())
        if weights is None:
            call = jax.jit(batch)
            return lambda: call(inputs).block_until_ready()
        # JAX's convention is the conjugate of PyTorch's
        pulled = jax.numpy.asarray(weights.numpy().conj())
        call = jax.jit(lambda x, w: jax.vjp(batch, x)[1](w)[0])
        return lambda: call(inputs, pulled).block_until_ready()

    return make


def pennylane_jax(circuit: Circuit, precision: str):
    import pennylane as qml

    # default.qubit asks JAX for complex128, and JAX says that it gives complex64
    warnings.filterwarnings("ignore", message="Explicitly requested dtype")
    node = pennylane_encoder.build_qnode(circuit)
    return qml.QNode(node.func, node.device, interface="jax")


def tensorcircuit_jax(circuit: Circuit, precision: str):
    import tensorcircuit

    tensorcircuit.set_backend("jax")
    tensorcircuit.set_dtype(precision)

    def state(angles):
        built = tensorcircuit.Circuit(circuit.n_qubits)
        for gate in circuit.gates():
            turn = {} if gate.angle is None else {"theta": angles[gate.angle]}
            getattr(built, gate.name)(*gate.qubits, **turn)
        return built.state()

    return state


def scaluq_batched(circuit: Circuit, angles, weights=None):
    """One pass over a StateVectorBatched; its qubit 0 is the last bit."""
    import scaluq

    kind = scaluq.default.f64 if angles.dtype == torch.float64 else scaluq.default.f32
    n, built, values = circuit.n_qubits, kind.Circuit(), {}
    turns = {"ry": kind.gate.ParamRY, "rz": kind.gate.ParamRZ}
    fixed = {"cz": kind.gate.CZ, "cnot": kind.gate.CX}
    for gate in circuit.gates():
        qubits = [n - 1 - q for q in gate.qubits]
        if gate.angle is None:
            built.add_gate(fixed[gate.name](*qubits))
            continue
        built.add_param_gate(turns[gate.name](*qubits), str(gate.angle))
        values[str(gate.angle)] = angles[(slice(None), *gate.angle)].tolist()
    states = kind.StateVectorBatched(len(angles), n)

    def call():
        states.set_zero_state()
        built.update_quantum_state(states, params=values)
        scaluq.synchronize()
        return states

    return call


def qulacs_loop(circuit: Circuit, angles, weights=None):
    """One text after the other; its angles turn the other way round, and its qubit 0 is
    the last bit.
    """
    import qulacs

    n = circuit.n_qubits
    built, state = qulacs.ParametricQuantumCircuit(n), qulacs.QuantumState(n)
    places = []
    for gate in circuit.gates():
        qubits = [n - 1 - q for q in gate.qubits]
        if gate.angle is None:
            getattr(built, f"add_{gate.name.upper()}_gate")(*qubits)
            continue
        getattr(built, f"add_parametric_{gate.name.upper()}_gate")(*qubits, 0.0)
        places.append(gate.angle)
    columns = [angles[(slice(None), *place)] for place in places]
    texts = (-torch.stack(columns, dim=1)).tolist()
    states = np.empty((len(texts), 2**n), dtype=complex)

    def call():
        for row, values in enumerate(texts):
            for index, value in enumerate(values):
                built.set_parameter(index, value)
            state.set_zero_state()
            built.update_quantum_state(state)
            states[row] = state.get_vector()
        return states

    return call


def aer_one_by_one(angles, circuit: Circuit):
    """The original recipe: build, transpile and run a circuit for each text."""
    from qiskit import transpile
    from qiskit_aer import AerSimulator

    simulator, states = AerSimulator(method="statevector"), []
    for one in angles.numpy():
        built, symbols = qiskit_encoder.build_circuit(circuit, save_statevector=True)
        values = {symbol: one[place] for place, symbol in symbols.items()}
        ready = transpile(built.assign_parameters(values), simulator)
        state = simulator.run(ready).result().get_statevector()
        states.append(state.reverse_qargs().data)
    return torch.from_numpy(np.stack(states))


def through(backend: str):
    return in_torch(lambda angles, circuit: encode(angles, circuit, backend))


WAYS = {
    OURS: Way(in_torch(tensor_program.encode), BOTH, gradient=True),
    "torch, gate by gate": Way(in_torch(plain_encoder.encode), BOTH, gradient=True),
    "PennyLane + JAX, jit(vmap)": Way(in_jax(pennylane_jax), BOTH, gradient=True),
    "tensorcircuit-ng + JAX, jit(vmap)": Way(
        in_jax(tensorcircuit_jax), BOTH, gradient=True
    ),
    "scaluq, batched": Way(scaluq_batched, BOTH),
    "PennyLane, broadcast": Way(through("pennylane"), gradient=True),
    "qulacs, loop": Way(qulacs_loop, texts=200),
    "Aer, bound": Way(through("qiskit"), texts=200),
    "PennyLane, lightning": Way(through("lightning"), texts=50),
    "PennyLane, loop": Way(in_torch(pennylane_loop), gradient=True, texts=20),
    "Aer, transpile each": Way(in_torch(aer_one_by_one), texts=3),
}


def as_numpy(result) -> np.ndarray:
    """The states or slopes of any of them, (B, …)."""
    if hasattr(result, "get_amplitudes"):
        result = result.get_amplitudes()
    if isinstance(result, torch.Tensor):
        result = result.detach()
    return np.asarray(result)
