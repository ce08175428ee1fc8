"""The circuits behind `estimates`: compute–uncompute and swap test through Qiskit's
primitives and PennyLane, also with noise (lesson 12).

Any SamplerV2 will do: Qiskit's statevector sampler, Aer's, a simulated device, or a
real one. One *pub* (a circuit and an array of angles) asks for all documents of a query
at once.
"""

from __future__ import annotations

import numpy as np
import torch

from qrr_lib.encode.backends.qiskit import build_circuit
from qrr_lib.encode.circuit import Circuit
from qrr_lib.shots.estimates import check_generator, check_method, check_shots


def pair_circuit(circuit: Circuit, method: str = "compute_uncompute"):
    """Build the measured circuit for one pair of states.

    Returns
    -------
    (QuantumCircuit, first, second) : the two lists hold the parameters
    of state a and of state b in the order of `circuit.gates()`.
        Its classical register is named `zeros`: n bits for compute–uncompute, one for
        the swap test, which needs 2n + 1 qubits.
    """
    from qiskit import ClassicalRegister, QuantumCircuit
    from qiskit.circuit import Parameter

    check_method(method)
    n, made = circuit.n_qubits, []
    for name in "ab":
        part, parameters = build_circuit(circuit)
        renamed = {p: Parameter(f"{name}.{p.name}") for p in parameters.values()}
        made.append((part.assign_parameters(renamed), list(renamed.values())))
    (a, first), (b, second) = made
    if method == "compute_uncompute":
        whole = QuantumCircuit(*b.qregs, ClassicalRegister(n, "zeros"))
        whole.compose(b, inplace=True)
        whole.barrier()  # or an optimiser may merge what prepares with what undoes
        whole.compose(a.inverse(), inplace=True)
        whole.measure(range(n), range(n))
    else:
        whole = QuantumCircuit(2 * n + 1, 0)
        whole.add_register(ClassicalRegister(1, "zeros"))
        whole.compose(a, range(1, n + 1), inplace=True)
        whole.compose(b, range(n + 1, 2 * n + 1), inplace=True)
        whole.h(0)
        for q in range(n):
            whole.cswap(0, 1 + q, 1 + n + q)
        whole.h(0)
        whole.measure(0, 0)
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
        A StatevectorSampler made with an integer seed is refused: it would give every
        document the same noise.
    pass_manager : optional
        Rewrites the circuit for the sampler's device, e.g.
        `generate_preset_pass_manager(backend=...)`.

    Returns
    -------
    {"fidelity": (N,)} and, for compute–uncompute, "qubits": (N, n), the
    share of zeros of every qubit, whose mean is the local fidelity.
    """
    check_shots(shots)
    sampler = _sampler(sampler, check_generator(rng))
    whole, first, second = pair_circuit(circuit, method)
    of_query = _flat(query_angles, circuit)
    of_documents = _flat(document_angles, circuit)
    # (N, 2·2·L·n)
    values = np.concatenate(
        [np.broadcast_to(of_query, of_documents.shape), of_documents], axis=1
    )
    compiled = pass_manager.run(whole) if pass_manager is not None else whole
    bits = (
        sampler.run([(compiled, {tuple(first + second): values})], shots=shots)
        .result()[0]
        .data.zeros
    )
    # (N, S, bits), bit 0 first
    read = np.unpackbits(bits.array, axis=-1)[..., -bits.num_bits :][..., ::-1]
    return _estimates(read == 0, method)


def measure_pairs_pennylane(
    query_angles,
    document_angles,
    circuit: Circuit,
    shots: int,
    rng: np.random.Generator,
    method: str = "compute_uncompute",
) -> dict[str, np.ndarray]:
    """The same through PennyLane's default.qubit, broadcast over the N documents;
    arguments and result as in `measure_pairs`.
    """
    import pennylane as qml

    check_method(method)
    check_shots(shots)
    n = circuit.n_qubits
    gates = {"ry": qml.RY, "rz": qml.RZ, "cz": qml.CZ, "cnot": qml.CNOT}
    a, b = (
        np.asarray(torch.as_tensor(x).detach().cpu().double())
        for x in (query_angles, document_angles)
    )
    if a.shape != (1, *circuit.angle_shape) or b.shape[1:] != circuit.angle_shape:
        raise ValueError(
            f"angles of shapes {a.shape} and {b.shape} do not fit {circuit}: expected "
            "(1, …) and (N, …), … being "
            f"{circuit.angle_shape}"
        )
    wires = n if method == "compute_uncompute" else 2 * n + 1
    device = qml.device("default.qubit", wires=wires, seed=check_generator(rng))

    def prepare(angles, offset):
        for gate in circuit.gates():
            where = [offset + q for q in gate.qubits]
            gates[gate.name](wires=where) if gate.angle is None else gates[gate.name](
                angles[gate.angle], wires=where
            )

    @qml.qnode(device)
    def zeros():
        # (L, n, 2) and, broadcast, (L, n, 2, N)
        query = a[0]
        documents = np.moveaxis(b, 0, -1)
        if method == "compute_uncompute":
            prepare(documents, 0)
            qml.adjoint(prepare)(query, 0)
            return qml.sample(wires=range(n))
        prepare(query, 1)
        prepare(documents, n + 1)
        qml.Hadamard(0)
        for q in range(n):
            qml.CSWAP(wires=[0, 1 + q, 1 + n + q])
        qml.Hadamard(0)
        return qml.sample(wires=[0])

    read = np.asarray(qml.set_shots(zeros, shots=shots)())
    return _estimates(read.reshape(len(b), shots, -1) == 0, method)


def noisy_device(n_qubits: int, rng: np.random.Generator, seed: int = 1):
    """A simulated device with noise: (sampler, pass_manager) for `measure_pairs`.

    Qiskit's `GenericBackendV2` draws a calibration (gate errors, relaxation times,
    readout errors) in the range of today's superconducting devices; `seed` fixes that
    calibration, `rng` the shots. Aer simulates it.
    """
    from qiskit.providers.fake_provider import GenericBackendV2
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_aer import AerSimulator
    from qiskit_aer.primitives import SamplerV2

    # it has a two-qubit gate, so two qubits
    backend = GenericBackendV2(max(2, n_qubits), seed=seed)
    sampler = SamplerV2.from_backend(
        AerSimulator.from_backend(backend), seed=_fresh_seed(check_generator(rng))
    )
    return sampler, generate_preset_pass_manager(
        optimization_level=1, backend=backend, seed_transpiler=seed
    )


def _sampler(sampler, rng: np.random.Generator):
    from qiskit.primitives import StatevectorSampler

    if isinstance(sampler, StatevectorSampler) and isinstance(
        sampler.seed, (int, np.integer)
    ):
        raise ValueError(
            "this StatevectorSampler has an integer seed and would draw the same "
            "random numbers for every document, so that "
            "errors cancel in comparisons and rankings look stable; make it with "
            "seed=np.random.default_rng(...)"
        )
    if not isinstance(sampler, str):
        return sampler
    if sampler == "statevector":
        return StatevectorSampler(seed=rng)
    if sampler == "aer":
        from qiskit_aer.primitives import SamplerV2

        return SamplerV2(seed=_fresh_seed(rng))
    raise ValueError(
        f"unknown sampler {sampler!r}; choose 'statevector', 'aer' or pass a SamplerV2"
    )


def _fresh_seed(rng: np.random.Generator) -> int:
    # Aer takes integers only, and gives each circuit of a job numbers of its own
    return int(rng.integers(2**31))


def _flat(angles, circuit: Circuit) -> np.ndarray:
    values = np.asarray(torch.as_tensor(angles).detach().cpu().double())
    if values.ndim != 4 or values.shape[1:] != circuit.angle_shape:
        raise ValueError(
            f"angles of shape {values.shape} do not fit {circuit}: expected (B, "
            f"{', '.join(map(str, circuit.angle_shape))})"
        )
    return np.stack(
        [
            values[(slice(None), *gate.angle)]
            for gate in circuit.gates()
            if gate.angle is not None
        ],
        axis=1,
    )


def _estimates(zero: np.ndarray, method: str) -> dict[str, np.ndarray]:
    """(N, S, bits) of "reads 0" → the estimates."""
    share = zero.all(axis=-1).mean(axis=1)
    return (
        {"fidelity": share, "qubits": zero.mean(axis=1)}
        if method == "compute_uncompute"
        else {"fidelity": 2 * share - 1}
    )
