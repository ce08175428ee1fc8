"""States: every framework gives the same, bit order and phase included; the formulas
of lesson 03 hold for random circuits.
"""

import json
import math
import shutil
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qrr_lib.encode.backends import encode, gradients
from qrr_lib.encode.backends import pennylane as pennylane_encoder
from qrr_lib.encode.backends import qiskit as qiskit_encoder
from qrr_lib.encode.backends import torch as plain_encoder
from qrr_lib.encode.backends.tensor_program import states_at_a_time
from qrr_lib.encode.circuit import ENTANGLERS, Circuit
from qrr_lib.encode.formulas import (
    bloch_vectors,
    fidelity,
    local_fidelity,
    log_fidelity,
    overlap,
    reduced_bloch_vectors,
)
from qrr_lib.files import data_dir, project_dir

BACKENDS = ["torch", "qiskit", "pennylane", "lightning"]
PROPERTY = settings(deadline=None, max_examples=25, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def circuits(max_qubits=6, max_layers=4):
    sizes = st.integers(1, max_qubits), st.integers(1, max_layers)
    return st.builds(Circuit, *sizes, st.sampled_from(ENTANGLERS), st.booleans())


def some_angles(circuit: Circuit, batch: int, seed: int, dtype=torch.float64):
    """θ and γ beyond their usual ranges on purpose: an encoder must not rely on
    them.
    """
    generator, shape = np.random.default_rng(seed), (batch, *circuit.angle_shape)
    angles = generator.uniform(-2 * math.pi, 4 * math.pi, shape)
    return torch.from_numpy(angles).to(dtype)


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference."""
    return (a - b).abs().max().item()


# states


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_qubit_by_hand(backend):
    """θ = π/3, γ = π/2: RY gives (cos π/6, sin π/6); RZ multiplies by e^{∓iπ/4}."""
    angles = torch.tensor([[[[math.pi / 3, math.pi / 2]]]], dtype=torch.float64)
    phase = complex(math.cos(math.pi / 4), math.sin(math.pi / 4))
    by_hand = [math.cos(math.pi / 6) / phase, math.sin(math.pi / 6) * phase]
    assert apart(encode(angles, Circuit(), backend)[0], torch.tensor(by_hand)) < 1e-7


@pytest.mark.parametrize("backend", BACKENDS)
def test_qubit_0_is_leftmost(backend):
    """Only qubit 0 of three is flipped: the state is |100>, amplitude number 4."""
    angles = torch.zeros(1, 1, 3, 2, dtype=torch.float64)
    angles[0, 0, 0, 0] = math.pi
    assert encode(angles, Circuit(3), backend)[0].abs().argmax() == 4


@PROPERTY
@given(circuits(max_qubits=10), seeds)
def test_states_have_norm_one(circuit, seed):
    for dtype, tolerance in ((torch.float32, 2e-6), (torch.float64, 1e-13)):
        states = encode(some_angles(circuit, 3, seed, dtype), circuit)
        assert states.dtype == dtype.to_complex()
        assert (torch.linalg.vector_norm(states, dim=1) - 1).abs().max() < tolerance


@PROPERTY
@given(circuits(), st.sampled_from(BACKENDS[1:]), seeds)
def test_every_backend_gives_the_same_states(circuit, backend, seed):
    """Bit order and global phase included."""
    angles = some_angles(circuit, 3, seed)
    assert apart(encode(angles, circuit), encode(angles, circuit, backend)) < 1e-12
    single = angles.float()
    exact = encode(single.double(), circuit, backend)
    assert apart(encode(single, circuit), exact) < 1e-6


@PROPERTY
@given(circuits(), seeds)
def test_the_walk_over_the_gates_gives_the_states_of_the_tensor_program(circuit, seed):
    """Values and gradients."""
    angles = some_angles(circuit, 3, seed).requires_grad_()
    walked, fast = plain_encoder.encode(angles, circuit), encode(angles, circuit)
    assert walked.dtype == fast.dtype and apart(walked, fast) < 1e-12
    weights = torch.linspace(-1, 1, walked.numel()).view_as(walked)
    slopes = []
    for states in (walked, fast):
        loss = (torch.view_as_real(states).square().sum(-1) * weights).sum()
        slopes.append(torch.autograd.grad(loss, angles)[0])
    assert apart(*slopes) < 1e-12


@pytest.mark.parametrize("entangler", ENTANGLERS)
@pytest.mark.parametrize("backend", ["qiskit", "pennylane"])
def test_the_largest_circuits_agree(entangler, backend):
    circuit = Circuit(12, 4, entangler)
    angles = some_angles(circuit, 2, 0)
    assert apart(encode(angles, circuit), encode(angles, circuit, backend)) < 1e-12


def test_one_changed_gate_is_noticed():
    """The comparison above can fail: swapping two qubits' angles, or leaving one gate
    out, is far beyond its tolerance.
    """
    circuit = Circuit(3, 2, "cz_ring")
    angles = some_angles(circuit, 2, 1)
    reference = encode(angles, circuit, "pennylane")
    assert apart(encode(angles[:, :, [1, 0, 2]], circuit), reference) > 0.01
    assert apart(encode(angles, Circuit(3, 2, "none")), reference) > 0.01


class TurnedAround(Circuit):
    """RZ before RY: a list of gates that the tensor program does not describe."""

    def gates(self):
        other = {"ry": "rz", "rz": "ry"}
        for gate in super().gates():
            yield gate._replace(name=other.get(gate.name, gate.name))


class Crossed(Circuit):
    """A chain of CZ that skips a qubit."""

    def gates(self):
        for gate in super().gates():
            yield gate._replace(qubits=(0, 2)) if gate.qubits == (0, 1) else gate


class Unlike(Circuit):
    """Entangles after the first layer only."""

    def gates(self):
        gates = list(super().gates())
        last = max(i for i, gate in enumerate(gates) if gate.angle is None)
        return gates[:last] + gates[last + 1 :]


CHANGED = [changed(3, 3, "cz_ring") for changed in (TurnedAround, Crossed, Unlike)]


@pytest.mark.parametrize("circuit", CHANGED, ids=lambda c: type(c).__name__)
def test_the_other_encoders_walk_whatever_list_of_gates_there_is(circuit):
    """The tensor program refuses it, in the table below."""
    angles = some_angles(circuit, 2, 1)
    walked = plain_encoder.encode(angles, circuit)
    assert apart(walked, encode(angles, circuit, "pennylane")) < 1e-12
    assert apart(walked, encode(angles, Circuit(3, 3, "cz_ring"))) > 0.01


@PROPERTY
@given(circuits(max_qubits=5), seeds)
def test_the_estimator_primitive_measures_the_same_bloch_vectors(circuit, seed):
    angles = some_angles(circuit, 3, seed)
    measured = qiskit_encoder.bloch_vectors_by_estimator(angles, circuit)
    assert apart(measured, reduced_bloch_vectors(encode(angles, circuit))) < 1e-10


def test_any_v2_estimator_will_do():
    from qiskit.primitives import StatevectorEstimator

    circuit, estimator = Circuit(2, 2, "cnot_chain"), StatevectorEstimator()
    angles = some_angles(circuit, 3, 2)
    measured = qiskit_encoder.bloch_vectors_by_estimator(angles, circuit, estimator)
    assert apart(measured, reduced_bloch_vectors(encode(angles, circuit))) < 1e-10


# batches and memory


@pytest.mark.parametrize(
    "circuit", [Circuit(9), Circuit(7, 4, "cz_ring"), Circuit(8, 2, "cnot_chain", True)]
)
def test_a_batch_too_large_for_one_go_gives_the_states_of_its_parts(circuit):
    angles = some_angles(circuit, states_at_a_time(circuit) + 3, 5, torch.float32)
    halves = angles.split(len(angles) // 2)
    weights = torch.linspace(-1, 1, 2**circuit.n_qubits)
    apart_too = torch.cat([encode(half, circuit) for half in halves])
    assert apart(encode(angles, circuit), apart_too) < 1e-6
    slopes = []
    for parts in ([angles], halves):
        leaves = [part.clone().requires_grad_() for part in parts]
        for leaf in leaves:
            (encode(leaf, circuit).abs() ** 2 @ weights).sum().backward()
        slopes.append(torch.cat([leaf.grad for leaf in leaves]))
    assert apart(*slopes) < 1e-5


BATCHED = [Circuit(), Circuit(2, 2, "cz_ring"), Circuit(5, 3, "cnot_chain", True)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("circuit", BATCHED, ids=str)
def test_batches_of_none_and_one(backend, circuit):
    angles = some_angles(circuit, 4, 4)
    assert encode(angles[:0], circuit, backend).shape == (0, 2**circuit.n_qubits)
    one, all_four = (encode(a, circuit, backend) for a in (angles[2:3], angles))
    assert apart(one, all_four[2:3]) < 1e-12


def test_an_empty_batch_has_a_gradient():
    angles = torch.zeros(0, 2, 4, 2, requires_grad=True)
    encode(angles, Circuit(4, 2, "cz_ring")).abs().sum().backward()
    assert angles.grad.shape == angles.shape


def test_no_more_than_8_megabytes_of_states_are_computed_at_a_time():
    for n in range(1, 13):
        for layers in range(1, 5):
            count = states_at_a_time(Circuit(n, layers, "cz_ring"))
            assert 1 <= count <= 8192 and count * 2**n * 8 <= 2**23


def test_product_states_take_any_number_of_qubits():
    assert bloch_vectors(some_angles(Circuit(500), 2, 0)).shape == (2, 500, 3)


def test_encoding_without_gradients_leaves_ordinary_tensors_behind():
    """Neither its result nor what it keeps of a circuit may spoil a gradient."""
    circuit = Circuit(4, 3, "cz_ring", trailing=True)
    angles = torch.rand(5, *circuit.angle_shape)
    with torch.inference_mode():
        encode(angles, circuit)
    states = encode(angles, circuit)
    assert not states.is_inference()
    weights = torch.ones(16, requires_grad=True)
    (states.abs() * weights).sum().backward()
    leaf = angles.clone().requires_grad_()
    encode(leaf, circuit).abs().sum().backward()
    assert torch.isfinite(weights.grad).all() and torch.isfinite(leaf.grad).all()


# gradients


def expectation(angles: torch.Tensor, circuit: Circuit, backend: str = "torch"):
    """⟨X⟩ + 2⟨Y⟩ + 3⟨Z⟩, summed over qubits with different weights: one number per
    batch entry, and no symmetry to hide behind.
    """
    vectors = reduced_bloch_vectors(encode(angles, circuit, backend)).flatten(1)
    return vectors @ torch.arange(1.0, vectors.shape[1] + 1, dtype=angles.dtype)


def slope(angles: torch.Tensor, circuit: Circuit, backend: str = "torch"):
    leaf = angles.clone().requires_grad_()
    return torch.autograd.grad(expectation(leaf, circuit, backend).sum(), leaf)[0]


@PROPERTY
@given(circuits(max_qubits=5), seeds)
def test_gradients_equal_parameter_shift_and_finite_differences(circuit, seed):
    angles = some_angles(circuit, 1, seed)
    gradient = slope(angles, circuit).flatten()
    steps = torch.eye(angles.numel(), dtype=torch.float64)
    steps = steps.view(-1, *circuit.angle_shape)

    def difference(step):
        up, down = (expectation(angles + s * steps, circuit) for s in (step, -step))
        return up - down

    # parameter shift: exact for RY and RZ
    assert apart(gradient, difference(math.pi / 2) / 2) < 1e-10
    assert apart(gradient, difference(1e-5) / 2e-5) < 1e-6


@PROPERTY
@given(circuits(max_qubits=4, max_layers=3), seeds)
def test_gradients_equal_those_of_pennylane(circuit, seed):
    angles = some_angles(circuit, 2, seed)
    assert apart(slope(angles, circuit), slope(angles, circuit, "pennylane")) < 1e-10


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "circuit",
    [
        Circuit(),
        Circuit(2),
        Circuit(3, 2, "cz_ring"),
        Circuit(4, 3, "cnot_chain", True),
    ],
)
def test_the_transforms_of_torch_func(circuit):
    angles = some_angles(circuit, 3, 4)
    wanted = slope(angles, circuit)

    def one(x):
        return expectation(x[None], circuit)[0]

    func = torch.func
    assert apart(func.vmap(one)(angles), expectation(angles, circuit)) < 1e-12
    for found in (
        func.grad(lambda x: expectation(x, circuit).sum())(angles),
        func.vmap(func.grad(one))(angles),
        func.grad(lambda x: func.vmap(one)(x).sum())(angles),
        torch.stack([func.jacrev(one)(x) for x in angles]),
    ):
        assert apart(found, wanted) < 1e-12


def test_states_keep_their_precision_under_autocast():
    angles = some_angles(Circuit(), 20, 0, torch.float32)
    exact = plain_encoder.encode(angles.double(), Circuit())
    with torch.autocast("cpu", torch.bfloat16):
        assert apart(encode(angles, Circuit()), exact) < 2e-6


def test_second_derivatives():
    circuit = Circuit(4, 2, "cz_ring")
    angles = some_angles(circuit, 1, 5).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda a: expectation(a, circuit), (angles,))


def test_a_gradient_written_by_hand_gains_what_its_text_says():
    """Those that gain less than half as much again are left to PyTorch
    (data/results/gradients.json).
    """
    path = data_dir() / "results" / "gradients.json"
    measured = json.loads(path.read_text(encoding="utf-8"))["cases"]
    cases = [case["slower_without"] for case in measured]
    function = torch.autograd.Function
    classes = [c for c in vars(gradients).values() if isinstance(c, type)]
    kept = {c.__name__ for c in classes if issubclass(c, function)}
    assert kept == set(cases[0])
    for name in kept:
        most = max(case[name] for case in cases)
        assert most >= 1.5 and f"{most:.1f} times" in gradients.__doc__, name


def test_the_readme_says_who_won_the_stored_race():
    """data/results/states.json: whole, below the machine's ceiling, and as told."""
    run = json.loads((data_dir() / "results" / "states.json").read_text("utf-8"))
    cases = run["cases"]
    assert all(case["best_peer"] for case in cases), "a peer was missing: an open row"
    assert all(c["ceiling"]["fraction"] < 1 for c in cases if c["pass"] == "forward")
    single = [c for c in cases if c["precision"] == "complex64" and not c["trailing"]]

    def leads(sizes, layers, batch):
        wanted = sizes, layers, (batch,)
        return [
            case["ratio_to_best_peer"]["median"]
            for case in single
            for shape in [(case["n_qubits"], case["n_layers"], case["batch"])]
            if all(value in values for value, values in zip(shape, wanted))
        ]

    small, large = leads((1, 2), (1, 2), 1000), leads((4, 8), (2,), 10_000)
    page = (project_dir() / "docs" / "library.md").read_text(encoding="utf-8")
    page = " ".join(page.split())
    assert f"by up to {1 / min(small):.1f} times" in page
    assert f"by {min(large):.1f} to {max(large):.1f} times" in page


# similarities


@PROPERTY
@given(circuits(), seeds)
def test_a_trailing_entangler_changes_no_overlap(circuit, seed):
    a, b = some_angles(circuit, 3, seed), some_angles(circuit, 4, seed + 1)
    same, shape = [], (circuit.n_qubits, circuit.n_layers, circuit.entangler)
    for trailing in (False, True):
        one = Circuit(*shape, trailing)
        same.append(overlap(encode(a, one), encode(b, one)))
    assert apart(*same) < 1e-12


@pytest.mark.parametrize("entangler", ["cz_ring", "cnot_chain"])
def test_a_trailing_entangler_does_change_local_fidelity(entangler):
    uneven = torch.tensor([[1.0], [0.7], [0.4]])
    pair = [some_angles(Circuit(), 1, seed) * uneven for seed in (6, 7)]
    local = []
    for trailing in (False, True):
        circuit = Circuit(3, 1, entangler, trailing)
        a, b = (reduced_bloch_vectors(encode(x, circuit)) for x in pair)
        local.append(local_fidelity(a, b))
    assert apart(*local) > 1e-3


@PROPERTY
@given(circuits(), seeds)
def test_fidelity_is_bounded_symmetric_and_one_for_equal_states(circuit, seed):
    states = encode(some_angles(circuit, 5, seed), circuit)
    f = fidelity(states, states)
    assert f.min() >= 0 and f.max() <= 1
    assert apart(f, f.T) < 1e-12 and (f.diagonal() - 1).abs().max() < 1e-12
    assert apart(overlap(states, states) ** 2, f) < 1e-12


@PROPERTY
@given(st.integers(1, 8), seeds)
def test_the_bloch_path_equals_the_statevector(n, seed):
    circuit = Circuit(n)
    a, b = some_angles(circuit, 3, seed), some_angles(circuit, 4, seed + 1)
    va, vb = bloch_vectors(a), bloch_vectors(b)
    assert apart(va, reduced_bloch_vectors(encode(a, circuit))) < 1e-12
    whole = fidelity(encode(a, circuit), encode(b, circuit))
    assert apart(log_fidelity(va, vb).exp(), whole) < 1e-11
    single = []
    for q in range(n):
        one, other = (encode(x[:, :, [q]], Circuit()) for x in (a, b))
        single.append(fidelity(one, other))
        closed = (1 + va[:, q] @ vb[:, q].T) / 2
        assert apart(single[q], closed) < 1e-12
    assert apart(local_fidelity(va, vb), torch.stack(single).mean(0)) < 1e-12


def test_log_fidelity_does_not_underflow_at_256_qubits():
    pair = [some_angles(Circuit(256), 20, seed, torch.float32) for seed in (8, 9)]
    a, b = map(bloch_vectors, pair)
    factors = (1 + torch.einsum("aqc,bqc->abq", a.double(), b.double())) / 2
    # in float32 the plain product underflows here
    assert (factors.float().prod(-1) == 0).any()
    logs, exact = log_fidelity(a, b), factors.clamp(1e-12).log().sum(-1)
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


def queries_and_documents(a: int = 2, b: int = 5, n_qubits: int = 8):
    circuit = Circuit(n_qubits)
    return tuple(some_angles(circuit, size, size, torch.float32) for size in (a, b))


def test_the_bloch_path_exports_to_onnx(tmp_path):
    import onnxruntime

    path, names = tmp_path / "score.onnx", ["queries", "documents"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnxscript's own deprecations
        torch.onnx.export(
            BlochScore(),
            queries_and_documents(),
            path,
            dynamo=True,
            verbose=False,
            dynamic_shapes=tuple({0: torch.export.Dim(name)} for name in names),
            input_names=names,
        )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = queries_and_documents(3, 7)  # not the traced sizes
    outputs = session.run(None, {k: x.numpy() for k, x in zip(names, inputs)})
    for ours, theirs in zip(BlochScore()(*inputs), outputs):
        assert ours.shape == (3, 7)
        assert np.abs(ours.numpy() - theirs).max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_bloch_path_runs_in_half_precision(dtype):
    angles = [x % (2 * math.pi) for x in queries_and_documents()]
    exact = [bloch_vectors(x) for x in angles]
    half, step = [v.to(dtype) for v in exact], torch.finfo(dtype).eps
    assert apart(local_fidelity(*half).float(), local_fidelity(*exact)) < 4 * step
    logs = log_fidelity(*half)
    assert torch.isfinite(logs).all() and logs.dtype == torch.float32
    in_half = bloch_vectors(angles[0].to(dtype))
    assert in_half.dtype == dtype and apart(in_half.float(), exact[0]) < 8 * step


def test_the_bloch_path_compiles():
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        pytest.skip("torch.compile needs a C++ compiler, and this machine has none")
    inputs = queries_and_documents(n_qubits=2)
    compiled = torch.compile(BlochScore(), fullgraph=True)
    for ours, theirs in zip(BlochScore()(*inputs), compiled(*inputs)):
        assert apart(ours, theirs) < 1e-4


# accelerators are taken where they exist


def test_aer_takes_the_gpu_that_it_reports(monkeypatch):
    import qiskit_aer

    for devices, taken in ((("CPU", "GPU"), "GPU"), (("CPU",), "CPU")):
        method = "available_devices"
        monkeypatch.setattr(qiskit_aer.AerSimulator, method, lambda self, d=devices: d)
        assert qiskit_encoder.aer_device() == taken


def test_a_device_is_the_one_that_was_named(monkeypatch):
    """Where there is a GPU too: a time under another device's name is no time."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    node = pennylane_encoder.build_qnode.__wrapped__(Circuit(2), "lightning.qubit")
    assert node.device.name == "lightning.qubit"


# refusals

ONE = torch.zeros(1, 1, 1, 2)
REFUSED = {
    "backend": (
        lambda: encode(ONE, Circuit(), "cirq"),
        "unknown backend 'cirq'; choose one of torch",
    ),
    "angles": (lambda: encode(torch.zeros(1, 1, 2, 2), Circuit()), "do not fit"),
    "too large": (
        lambda: encode(torch.zeros(1, 1, 13, 2), Circuit(13)),
        "use bloch_vectors",
    ),
    "two layers": (lambda: bloch_vectors(torch.zeros(1, 2, 3, 2)), "need one layer"),
    "no qubit": (lambda: Circuit(0), "n_qubits must be a whole number"),
    "2.5 qubits": (lambda: Circuit(2.5), "n_qubits must be a whole number"),
    "true qubits": (lambda: Circuit(True), "n_qubits must be a whole number"),
    "no layer": (lambda: Circuit(1, 0), "n_layers must be a whole number"),
    "5 layers": (lambda: Circuit(1, 5), "n_layers may be at most 4"),
    "entangler": (lambda: Circuit(2, 1, "cz"), "unknown entangler 'cz'; choose one of"),
    "entangled": (lambda: Circuit(13, 2, "cz_ring"), "at most 12 are allowed"),
}


@pytest.mark.parametrize("action, words", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(action, words):
    with pytest.raises(ValueError, match=words):
        action()


@pytest.mark.parametrize("circuit", CHANGED, ids=lambda c: type(c).__name__)
def test_the_tensor_program_refuses_gates_it_does_not_describe(circuit):
    with pytest.raises(NotImplementedError, match="take another backend"):
        encode(some_angles(circuit, 1, 1), circuit)
