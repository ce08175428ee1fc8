"""The circuits behind `estimates`: compute–uncompute, swap test and Bell basis through
Qiskit's primitives and PennyLane (lesson 12).

Any SamplerV2 will do: Qiskit's statevector sampler, Aer's, a simulated device, or a
real one. One *pub* (a circuit and an array of angles) asks for all documents of a query
at once.
"""

import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import ParameterVector
from qiskit.primitives import StatevectorSampler
from qiskit_aer import AerSimulator

from qrr_lib.checks import numbers, refuse_integer_seed, whole_number
from qrr_lib.encode.circuit import Circuit
from qrr_lib.shots.devices import FreshSampler
from qrr_lib.shots.estimates import check_generator, check_method


def prepare(circuit: Circuit, angles, start: int) -> list[tuple]:
    """The circuit's gates on wires from `start` on, each as (name, angles it takes,
    wires); `angles` (L, n, 2, …) may be numbers, arrays or symbols.
    """
    gates = []
    for name, qubits, angle in circuit.gates():
        taken = [] if angle is None else [angles[angle]]
        gates.append((name, taken, [start + q for q in qubits]))
    return gates


def pair_gates(circuit: Circuit, method: str, a, b) -> tuple[list[tuple], int, int]:
    """What Qiskit and PennyLane run to compare state a with state b: (gates as in
    `prepare`, wires in all, wires to measure from wire 0 on).
    """
    n = circuit.n_qubits
    if check_method(method) == 1:
        undo = prepare(circuit, a, 0)[::-1]
        undo = [(name, [-angle for angle in taken], on) for name, taken, on in undo]
        barrier = ("barrier", [], range(n))  # or an optimiser may merge both halves
        return [*prepare(circuit, b, 0), barrier, *undo], n, n
    if method == "bell_basis":
        both = prepare(circuit, a, 0) + prepare(circuit, b, n)
        pairs = [("cnot", [], [q, n + q]) for q in range(n)]
        return [*both, *pairs, *[("h", [], [q]) for q in range(n)]], 2 * n, 2 * n
    both = prepare(circuit, a, 1) + prepare(circuit, b, n + 1)
    hadamard = ("h", [], [0])
    exchange = [("cswap", [], [0, 1 + q, 1 + n + q]) for q in range(n)]
    return [*both, hadamard, *exchange, hadamard], 2 * n + 1, 1


def pair_circuit(circuit: Circuit, method: str = "compute_uncompute"):
    """Build the measured circuit for one pair of states.

    Returns
    -------
    (QuantumCircuit, first, second) : the two lists hold the parameters
    of state a and of state b in the order of `circuit.gates()`.
        Its classical register is named `zeros`: n bits for compute–uncompute, one for
        the swap test, which needs 2n + 1 qubits, 2n for the Bell basis.
    """
    count = np.prod(circuit.angle_shape)
    first, second = list(ParameterVector("a", count)), list(ParameterVector("b", count))
    a, b = (np.reshape(each, circuit.angle_shape) for each in (first, second))
    gates, wires, measured = pair_gates(circuit, method, a, b)
    zeros = ClassicalRegister(measured, "zeros")
    whole = QuantumCircuit(QuantumRegister(wires, "q"), zeros)
    for name, angles, on in gates:
        apply = whole.cx if name == "cnot" else getattr(whole, name)
        apply(*angles, *on)
    whole.measure(range(measured), zeros)
    return whole, first, second


def measure_pairs(
    query_angles,
    document_angles,
    circuit: Circuit,
    shots: int,
    rng: np.random.Generator,
    method: str = "compute_uncompute",
    sampler="statevector",
    pass_manager=None,
) -> dict[str, np.ndarray]:
    """Estimate the fidelities of one query with N documents from shots of real
    circuits, as one pub.

    Parameters
    ----------
    query_angles, document_angles : (1, L, n, 2) and (N, L, n, 2) float tensors
    shots : int
        For each document.
    rng : numpy Generator
        Feeds the simulators; a device has noise of its own. A whole number is refused
        (see `estimates.check_generator`).
    sampler : {"statevector", "aer"} or a SamplerV2
        One that was made with an integer seed is refused: it would repeat its noise.
    pass_manager : optional
        Rewrites the circuit for the sampler's device, e.g.
        `generate_preset_pass_manager(backend=...)`.

    Returns
    -------
    {"fidelity": (N,)} and, but for the swap test, "qubits": (N, n), every
    qubit's own fidelity if states are products; its mean is the local fidelity.
    """
    whole_number("shots", shots)
    sampler = _sampler(sampler, check_generator(rng))
    whole, first, second = pair_circuit(circuit, method)
    query, documents = _checked(query_angles, document_angles, circuit)
    both = np.stack([np.broadcast_to(query, documents.shape), documents], axis=1)
    if pass_manager is not None:
        whole = pass_manager.run(whole)
    pub = (whole, {tuple(first + second): both.reshape(len(both), -1)})
    bits = sampler.run([pub], shots=shots).result()[0].data.zeros
    return _estimates(bits.to_bool_array("little"), method)


def measure_pairs_pennylane(
    query_angles, document_angles, circuit, shots, rng, method="compute_uncompute"
) -> dict[str, np.ndarray]:
    """The same through PennyLane's default.qubit, broadcast over the N documents;
    arguments and result as in `measure_pairs`.
    """
    import pennylane as qml

    whole_number("shots", shots)
    query, documents = _checked(query_angles, document_angles, circuit)
    a, b = query[0], np.moveaxis(documents, 0, -1)  # (L, n, 2) and (L, n, 2, N)
    gates, wires, measured = pair_gates(circuit, method, a, b)
    device = qml.device("default.qubit", wires=wires, seed=check_generator(rng))
    operations = {"ry": qml.RY, "rz": qml.RZ, "cz": qml.CZ, "cnot": qml.CNOT}
    operations |= {"h": qml.Hadamard, "cswap": qml.CSWAP, "barrier": qml.Barrier}

    @qml.qnode(device)
    def bits():
        for name, angles, on in gates:
            operations[name](*angles, wires=on)
        return qml.sample(wires=range(measured))

    read = np.asarray(qml.set_shots(bits, shots=shots)())
    return _estimates(read.reshape(len(documents), shots, measured), method)


def _sampler(sampler, rng: np.random.Generator):
    if sampler == "statevector":
        return StatevectorSampler(seed=rng)
    if sampler == "aer":
        return FreshSampler(AerSimulator(), rng)
    if isinstance(sampler, str):
        known = "'statevector', 'aer' or pass a SamplerV2"
        raise ValueError(f"unknown sampler {sampler!r}; choose {known}")
    return refuse_integer_seed(sampler)


def _checked(a, b, circuit: Circuit) -> tuple[np.ndarray, np.ndarray]:
    """Angles of a query and of N documents as float64 arrays, (1, L, n, 2) and (N, L,
    n, 2); ValueError for other shapes.
    """
    a, b = (numbers("angles", x).detach().cpu().double().numpy() for x in (a, b))
    if a.shape != (1, *circuit.angle_shape) or b.shape[1:] != circuit.angle_shape:
        raise ValueError(
            f"angles of shapes {a.shape} and {b.shape} do not fit {circuit}: expected "
            f"(1, …) and (N, …), … being {circuit.angle_shape}"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("angles hold NaN or infinity: encode those texts again")
    if not len(b):
        raise ValueError("there are no documents: angles of at least one are needed")
    return a, b


def _estimates(bits: np.ndarray, method: str) -> dict[str, np.ndarray]:
    """(N, S, bits) of what S shots read → the estimates."""
    s, zero = check_method(method), bits == 0
    if method == "bell_basis":  # a pair of qubits that reads 11 counts as −1
        first, second = np.split(zero, 2, axis=-1)
        signs = 2.0 * (first | second) - 1  # (N, S, n)
        fidelity, qubits = signs.prod(axis=-1).mean(axis=1), signs.mean(axis=1)
        return {"fidelity": fidelity, "qubits": qubits}
    found = {"fidelity": s * zero.all(axis=-1).mean(axis=1) - (s - 1)}
    return found if s == 2 else found | {"qubits": zero.mean(axis=1)}
