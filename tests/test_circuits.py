"""Circuits of many qubits: every framework gives the same states, and the formulas of
lesson 03 hold for random circuits.
"""

from __future__ import annotations

import json
import math
import shutil
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qrr_lib.encode.backends import encode, entangler, gradients
from qrr_lib.encode.backends import pennylane as pennylane_encoder
from qrr_lib.encode.backends import qiskit as qiskit_encoder
from qrr_lib.encode.backends import torch as plain_encoder
from qrr_lib.encode.backends.tensor_program import default_chunk
from qrr_lib.encode.circuit import ENTANGLERS, Circuit
from qrr_lib.encode.similarity import (
    bloch_vectors,
    fidelity,
    local_fidelity,
    log_fidelity,
    overlap,
    reduced_bloch_vectors,
)
from qrr_lib.files import data_dir

PROPERTY = settings(deadline=None, max_examples=25, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def circuits(max_qubits=6, max_layers=4, trailing=None):
    return st.builds(
        Circuit,
        st.integers(1, max_qubits),
        st.integers(1, max_layers),
        st.sampled_from(ENTANGLERS),
        st.booleans() if trailing is None else st.just(trailing),
    )


def random_angles(
    circuit: Circuit, batch: int, seed: int, dtype=torch.float64
) -> torch.Tensor:
    """θ and γ beyond their usual ranges on purpose: an encoder must not rely on
    them.
    """
    angles = np.random.default_rng(seed).uniform(
        -2 * math.pi, 4 * math.pi, (batch, *circuit.angle_shape)
    )
    return torch.from_numpy(angles).to(dtype)


# states


@PROPERTY
@given(circuits(max_qubits=10), seeds)
def test_states_have_norm_one(circuit, seed):
    for dtype, tolerance in ((torch.float32, 2e-6), (torch.float64, 1e-13)):
        states = encode(random_angles(circuit, 3, seed, dtype), circuit)
        assert states.dtype == (
            torch.complex64 if dtype == torch.float32 else torch.complex128
        )
        assert (torch.linalg.vector_norm(states, dim=1) - 1).abs().max() < tolerance


@PROPERTY
@given(circuits(), st.sampled_from(["qiskit", "pennylane", "lightning"]), seeds)
def test_every_backend_gives_the_same_states(circuit, backend, seed):
    """Bit order and global phase included."""
    angles = random_angles(circuit, 3, seed)
    other = encode(angles, circuit, backend)
    assert (encode(angles, circuit) - other).abs().max() < 1e-12
    assert (
        encode(angles.float(), circuit)
        - encode(angles.float().double(), circuit, backend)
    ).abs().max() < 1e-6


@PROPERTY
@given(circuits(), seeds)
def test_the_walk_over_the_gates_gives_the_states_of_the_tensor_program(circuit, seed):
    """Values and gradients."""
    angles = random_angles(circuit, 3, seed).requires_grad_()
    walked, fast = plain_encoder.encode(angles, circuit), encode(angles, circuit)
    assert walked.dtype == fast.dtype and (walked - fast).abs().max() < 1e-12
    weights = torch.linspace(-1, 1, walked.numel()).view_as(walked)
    slopes = [
        torch.autograd.grad(
            (torch.view_as_real(s).square().sum(-1) * weights).sum(), angles
        )[0]
        for s in (walked, fast)
    ]
    assert (slopes[0] - slopes[1]).abs().max() < 1e-12


def test_a_gradient_written_by_hand_gains_what_its_text_says():
    """Those that gain less than half as much again are left to PyTorch
    (data/results/gradients.json).
    """
    path = data_dir() / "results" / "gradients.json"
    cases = [
        case["slower_without"]
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
    ]
    kept = [
        name
        for name, thing in vars(gradients).items()
        if isinstance(thing, type) and issubclass(thing, torch.autograd.Function)
    ]
    assert sorted(cases[0]) == sorted(kept)
    for name in kept:
        gains = [case[name] for case in cases]
        assert max(gains) >= 1.5 and f"{max(gains):.1f} times" in gradients.__doc__, (
            name,
            gains,
        )


@pytest.mark.parametrize("entangler", ENTANGLERS)
@pytest.mark.parametrize("backend", ["qiskit", "pennylane"])
def test_the_largest_circuits_agree(entangler, backend):
    circuit = Circuit(12, 4, entangler)
    angles = random_angles(circuit, 2, 0)
    assert (
        encode(angles, circuit) - encode(angles, circuit, backend)
    ).abs().max() < 1e-12


def test_one_changed_gate_is_noticed():
    """The comparison above can fail: swapping two qubits' angles, or leaving one gate
    out, is far beyond its tolerance.
    """
    circuit = Circuit(3, 2, "cz_ring")
    angles = random_angles(circuit, 2, 1)
    reference = encode(angles, circuit, "pennylane")
    assert (encode(angles[:, :, [1, 0, 2]], circuit) - reference).abs().max() > 0.01
    assert (encode(angles, Circuit(3, 2, "none")) - reference).abs().max() > 0.01


class TurnedAround(Circuit):
    """RZ before RY: a list of gates that the torch encoder's tables do not describe."""

    def gates(self):
        gates = list(super().gates())
        return [
            gate._replace(name={"ry": "rz", "rz": "ry"}.get(gate.name, gate.name))
            for gate in gates
        ]


class Crossed(Circuit):
    """A chain of CZ that skips a qubit."""

    def gates(self):
        return [
            gate
            if gate.angle or gate.qubits != (0, 1)
            else gate._replace(qubits=(0, 2))
            for gate in super().gates()
        ]


class Unlike(Circuit):
    """Entangles after the first layer only."""

    def gates(self):
        gates = list(super().gates())
        last = max(i for i, gate in enumerate(gates) if gate.angle is None)
        return gates[:last] + gates[last + 1 :]


@pytest.mark.parametrize("changed", [TurnedAround, Crossed, Unlike])
def test_the_torch_encoder_refuses_a_list_of_gates_it_does_not_describe(changed):
    """The other encoders walk the list; this one reads it, and a change of the list
    must not go unnoticed.
    """
    circuit = changed(3, 3, "cz_ring")
    with pytest.raises(NotImplementedError):
        encode(random_angles(circuit, 1, 1), circuit)
    assert encode(random_angles(circuit, 1, 1), circuit, "pennylane").shape == (1, 8)


@PROPERTY
@given(circuits(max_qubits=5), seeds)
def test_the_estimator_primitive_measures_the_same_bloch_vectors(circuit, seed):
    angles = random_angles(circuit, 3, seed)
    measured = qiskit_encoder.bloch_vectors_by_estimator(angles, circuit)
    assert (
        measured - reduced_bloch_vectors(encode(angles, circuit))
    ).abs().max() < 1e-10


def test_any_v2_estimator_will_do():
    from qiskit.primitives import StatevectorEstimator

    circuit = Circuit(2, 2, "cnot_chain")
    angles = random_angles(circuit, 3, 2)
    measured = qiskit_encoder.bloch_vectors_by_estimator(
        angles, circuit, StatevectorEstimator()
    )
    assert (
        measured - reduced_bloch_vectors(encode(angles, circuit))
    ).abs().max() < 1e-10


# batches and memory


@PROPERTY
@given(circuits(max_qubits=7), st.integers(1, 9), st.integers(1, 9), seeds)
def test_chunked_equals_unchunked(circuit, batch, chunk_size, seed):
    angles = random_angles(circuit, batch, seed, torch.float32)
    weights = torch.linspace(-1, 1, 2**circuit.n_qubits)
    results, gradients = [], []
    for size in (chunk_size, batch):
        with torch.no_grad():
            results.append(encode(angles, circuit, chunk_size=size))
        leaf = angles.clone().requires_grad_()
        states = encode(leaf, circuit, chunk_size=size)
        (states.abs() ** 2 @ weights).sum().backward()
        results.append(states.detach())
        gradients.append(leaf.grad)
    assert all((states - results[0]).abs().max() < 1e-6 for states in results)
    assert (gradients[0] - gradients[1]).abs().max() < 1e-5


@pytest.mark.parametrize("backend", ["qiskit", "pennylane", "lightning"])
def test_the_other_backends_chunk_too(backend):
    circuit = Circuit(3, 2, "cnot_chain")
    angles = random_angles(circuit, 5, 3)
    assert torch.equal(
        encode(angles, circuit, backend, chunk_size=2), encode(angles, circuit, backend)
    )


@pytest.mark.parametrize("backend", ["torch", "qiskit", "pennylane", "lightning"])
@pytest.mark.parametrize(
    "circuit",
    [Circuit(), Circuit(2, 2, "cz_ring"), Circuit(5, 3, "cnot_chain", True)],
    ids=str,
)
def test_batches_of_none_and_one(backend, circuit):
    angles = random_angles(circuit, 4, 4)
    assert encode(angles[:0], circuit, backend).shape == (0, 2**circuit.n_qubits)
    assert (
        encode(angles[2:3], circuit, backend) - encode(angles, circuit, backend)[2:3]
    ).abs().max() < 1e-12


def test_an_empty_batch_has_a_gradient():
    angles = torch.zeros(0, 2, 4, 2, requires_grad=True)
    encode(angles, Circuit(4, 2, "cz_ring")).abs().sum().backward()
    assert angles.grad.shape == angles.shape


def test_default_chunks_are_bounded():
    for n in range(1, 13):
        for layers in range(1, 5):
            assert 1 <= default_chunk(Circuit(n, layers, "cz_ring")) <= 8192
            assert default_chunk(Circuit(n, layers, "cz_ring")) * 2**n * 8 <= 2**23


@pytest.mark.parametrize("chunk_size", [0, -1, 2.5])
def test_a_senseless_chunk_size_is_refused(chunk_size):
    with pytest.raises(ValueError, match="chunk_size"):
        encode(torch.zeros(1, 1, 1, 2), Circuit(), chunk_size=chunk_size)


# gradients


def _expectation(angles: torch.Tensor, circuit: Circuit) -> torch.Tensor:
    """⟨X⟩ + 2⟨Y⟩ + 3⟨Z⟩, summed over qubits with different weights: one number per
    batch entry, and no symmetry to hide behind.
    """
    vectors = reduced_bloch_vectors(encode(angles, circuit))
    weights = torch.arange(1.0, 3 * circuit.n_qubits + 1, dtype=angles.dtype).view(
        -1, 3
    )
    return (vectors * weights).sum(dim=(1, 2))


@PROPERTY
@given(circuits(max_qubits=5), seeds)
def test_gradients_equal_parameter_shift_and_finite_differences(circuit, seed):
    angles = random_angles(circuit, 1, seed)
    leaf = angles.clone().requires_grad_()
    gradient = torch.autograd.grad(_expectation(leaf, circuit).sum(), leaf)[0].flatten()
    steps = torch.eye(angles.numel(), dtype=torch.float64).view(
        -1, *circuit.angle_shape
    )

    def difference(step):
        return _expectation(angles + step * steps, circuit) - _expectation(
            angles - step * steps, circuit
        )

    assert (
        gradient - difference(math.pi / 2) / 2
    ).abs().max() < 1e-10  # parameter shift: exact for RY and RZ
    assert (gradient - difference(1e-5) / 2e-5).abs().max() < 1e-6


@PROPERTY
@given(circuits(max_qubits=4, max_layers=3), seeds)
def test_gradients_equal_those_of_pennylane(circuit, seed):
    gradients = []
    for backend in ("torch", "pennylane"):
        leaf = random_angles(circuit, 2, seed).requires_grad_()
        vectors = reduced_bloch_vectors(encode(leaf, circuit, backend))
        gradients.append(
            torch.autograd.grad((vectors * torch.tensor([1.0, 2.0, 3.0])).sum(), leaf)[
                0
            ]
        )
    assert (gradients[0] - gradients[1]).abs().max() < 1e-10


def test_second_derivatives():
    circuit = Circuit(4, 2, "cz_ring")
    angles = random_angles(circuit, 1, 5).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda a: _expectation(a, circuit), (angles,))


# similarities


@PROPERTY
@given(circuits(max_qubits=6, trailing=False), seeds)
def test_a_trailing_entangler_changes_no_overlap(circuit, seed):
    trailing = Circuit(
        circuit.n_qubits, circuit.n_layers, circuit.entangler, trailing=True
    )
    a, b = random_angles(circuit, 3, seed), random_angles(circuit, 4, seed + 1)
    before, after = (overlap(encode(a, c), encode(b, c)) for c in (circuit, trailing))
    assert (before - after).abs().max() < 1e-12


@pytest.mark.parametrize("entangler", ["cz_ring", "cnot_chain"])
def test_a_trailing_entangler_does_change_local_fidelity(entangler):
    a, b = (
        random_angles(Circuit(3), 1, seed)[:, :, :1]
        * torch.ones(3, 1)
        * torch.tensor([[1.0], [0.7], [0.4]])
        for seed in (6, 7)
    )
    local = [
        local_fidelity(
            *(
                reduced_bloch_vectors(encode(x, Circuit(3, 1, entangler, trailing)))
                for x in (a, b)
            )
        )
        for trailing in (False, True)
    ]
    assert (local[0] - local[1]).abs().min() > 1e-3


@PROPERTY
@given(circuits(), seeds)
def test_fidelity_is_bounded_symmetric_and_one_for_equal_states(circuit, seed):
    states = encode(random_angles(circuit, 5, seed), circuit)
    f = fidelity(states, states)
    assert f.min() >= 0 and f.max() <= 1
    assert (f - f.T).abs().max() < 1e-12
    assert (f.diagonal() - 1).abs().max() < 1e-12
    assert (overlap(states, states) ** 2 - f).abs().max() < 1e-12


@PROPERTY
@given(st.integers(1, 8), seeds)
def test_the_bloch_path_equals_the_statevector(n, seed):
    circuit = Circuit(n)
    a, b = random_angles(circuit, 3, seed), random_angles(circuit, 4, seed + 1)
    va, vb = bloch_vectors(a), bloch_vectors(b)
    assert (va - reduced_bloch_vectors(encode(a, circuit))).abs().max() < 1e-12
    assert (
        log_fidelity(va, vb).exp() - fidelity(encode(a, circuit), encode(b, circuit))
    ).abs().max() < 1e-11
    assert (
        local_fidelity(va, vb)
        - torch.stack(
            [
                fidelity(
                    encode(a[:, :, [q]], Circuit()), encode(b[:, :, [q]], Circuit())
                )
                for q in range(n)
            ]
        ).mean(0)
    ).abs().max() < 1e-12


def test_log_fidelity_does_not_underflow_at_256_qubits():
    a, b = (
        bloch_vectors(random_angles(Circuit(256), 20, seed, torch.float32))
        for seed in (8, 9)
    )
    factors = (1 + torch.einsum("aqc,bqc->abq", a, b)) / 2
    assert (factors.prod(-1) == 0).any(), (
        "in float32 the plain product is expected to underflow here"
    )
    logs = log_fidelity(a, b)
    exact = (
        ((1 + torch.einsum("aqc,bqc->abq", a.double(), b.double())) / 2)
        .clamp(1e-12)
        .log()
        .sum(-1)
    )
    assert torch.isfinite(logs).all() and logs.max() < -50
    assert ((logs - exact) / exact).abs().max() < 1e-3
    opposite = torch.tensor([0.0, 0.0, 1.0]).expand(1, 256, 3)
    assert torch.isfinite(log_fidelity(opposite, -opposite)).all()


# the real-valued path leaves Python


class BlochScore(torch.nn.Module):
    """Angles of queries and documents → (log fidelity, local fidelity) of each pair."""

    def forward(self, queries, documents):
        a, b = bloch_vectors(queries), bloch_vectors(documents)
        return log_fidelity(a, b), local_fidelity(a, b)


def _example(dtype=torch.float32, n_qubits=8):
    return tuple(
        random_angles(Circuit(n_qubits), batch, batch, dtype) for batch in (2, 5)
    )


def test_the_bloch_path_exports_to_onnx(tmp_path):
    import onnxruntime

    path = tmp_path / "score.onnx"
    batch = torch.export.Dim("queries"), torch.export.Dim("documents")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnxscript's own deprecations
        torch.onnx.export(
            BlochScore(),
            _example(),
            path,
            dynamo=True,
            verbose=False,
            dynamic_shapes=({0: batch[0]}, {0: batch[1]}),
            input_names=["queries", "documents"],
        )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    # not the traced sizes
    queries, documents = (
        random_angles(Circuit(8), size, size, torch.float32) for size in (3, 7)
    )
    outputs = session.run(
        None, {"queries": queries.numpy(), "documents": documents.numpy()}
    )
    for ours, theirs in zip(BlochScore()(queries, documents), outputs):
        assert ours.shape == (3, 7)
        assert np.abs(ours.numpy() - theirs).max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_bloch_path_runs_in_half_precision(dtype):
    angles = tuple(x % (2 * math.pi) for x in _example())
    exact = [bloch_vectors(x) for x in angles]
    half = [v.to(dtype) for v in exact]
    step = torch.finfo(dtype).eps
    assert (
        local_fidelity(*half).float() - local_fidelity(*exact)
    ).abs().max() < 4 * step
    assert (
        torch.isfinite(log_fidelity(*half)).all()
        and log_fidelity(*half).dtype == torch.float32
    )
    in_half = bloch_vectors(angles[0].to(dtype))
    assert (
        in_half.dtype == dtype and (in_half.float() - exact[0]).abs().max() < 8 * step
    )


def test_the_bloch_path_compiles():
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        pytest.skip("torch.compile needs a C++ compiler, and this machine has none")
    compiled = torch.compile(BlochScore(), fullgraph=True)
    for ours, theirs in zip(
        BlochScore()(*_example(n_qubits=2)), compiled(*_example(n_qubits=2))
    ):
        assert (ours - theirs).abs().max() < 1e-4


# accelerators are taken where they exist


def test_aer_takes_the_gpu_that_it_reports(monkeypatch):
    import qiskit_aer

    assert qiskit_encoder.aer_device() in ("CPU", "GPU")
    monkeypatch.setattr(
        qiskit_aer.AerSimulator, "available_devices", lambda self: ("CPU", "GPU")
    )
    assert qiskit_encoder.aer_device() == "GPU"
    monkeypatch.setattr(
        qiskit_aer.AerSimulator, "available_devices", lambda self: ("CPU",)
    )
    assert qiskit_encoder.aer_device() == "CPU"


@pytest.mark.parametrize("plugin", [True, False])
def test_lightning_takes_the_gpu_plugin_where_present(monkeypatch, plugin):
    import pennylane as qml

    asked = []

    def device(name, wires):
        asked.append(name)
        if name == "lightning.gpu" and not plugin:
            raise ImportError("no such plugin")
        return name

    monkeypatch.setattr(qml, "device", device)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pennylane_encoder._device("lightning.qubit", 2) == (
        "lightning.gpu" if plugin else "lightning.qubit"
    )
    assert asked[0] == "lightning.gpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pennylane_encoder._device("lightning.qubit", 2) == "lightning.qubit"


# one description


@pytest.mark.parametrize(
    "arguments", [(0,), (1, 0), (1, 5), (2, 1, "cz"), (13, 2, "cz_ring"), (True,)]
)
def test_senseless_circuits_are_refused(arguments):
    with pytest.raises(ValueError):
        Circuit(*arguments)


def test_product_states_take_any_number_of_qubits():
    assert bloch_vectors(random_angles(Circuit(500), 2, 0)).shape == (2, 500, 3)
    with pytest.raises(ValueError, match="bloch_vectors"):
        encode(torch.zeros(1, 1, 13, 2), Circuit(13))


def test_encoding_without_gradients_leaves_ordinary_tensors_behind():
    """The fast path runs in inference mode; neither its result nor what it caches may
    spoil a later gradient.
    """
    circuit = Circuit(4, 2, "cz_ring", trailing=True)
    entangler.entangler_action.cache_clear()
    angles = torch.rand(5, *circuit.angle_shape)
    states = encode(angles, circuit)
    assert not states.is_inference()
    weights = torch.ones(16, requires_grad=True)
    (states.abs() * weights).sum().backward()
    assert torch.isfinite(weights.grad).all()
    leaf = angles.clone().requires_grad_()
    encode(leaf, circuit).abs().sum().backward()
    assert torch.isfinite(leaf.grad).all()
