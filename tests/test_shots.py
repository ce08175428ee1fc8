"""Shots, allocation and noise (lesson 12): estimates are distributed as they should be,
circuits agree with the fast path, guards hold.
"""

import numpy as np
import pytest
from qiskit.primitives import BackendSamplerV2, StatevectorEstimator, StatevectorSampler
from qiskit.transpiler import CouplingMap, generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import EstimatorV2, SamplerV2
from scipy import stats

from qrr_lib.encode.backends import encode
from qrr_lib.encode.backends.qiskit import bloch_vectors_by_estimator
from qrr_lib.encode.circuit import Circuit
from qrr_lib.encode.formulas import bloch_vectors, fidelity
from qrr_lib.serve.measure import ranking_error
from qrr_lib.shots.circuits import (
    measure_pairs,
    measure_pairs_pennylane,
    pair_circuit,
)
from qrr_lib.shots.devices import (
    FreshEstimator,
    FreshSampler,
    noisy_backend,
)
from qrr_lib.shots.estimates import (
    METHODS,
    estimate_variance,
    sample_fidelity,
    shots_for_gap,
)
from qrr_lib.shots.noise import depolarise, misread, qubit_fidelities, same_order
from qrr_lib.shots.spending import (
    order_agreement,
    shot_order,
    spend_by_halving,
)

WAYS = ("statevector", "aer", "pennylane")
PLAIN = "compute_uncompute"


def run(way, a, b, circuit, shots, rng, method=PLAIN):
    if way == "pennylane":
        return measure_pairs_pennylane(a, b, circuit, shots, rng, method)
    return measure_pairs(a, b, circuit, shots, rng, method, way)


def chi_squared(counts, shots, probability) -> float:
    """p-value of the counts of zeros under the binomial distribution; bins with few
    expected are joined.
    """
    expected = len(counts) * stats.binom.pmf(np.arange(shots + 1), shots, probability)
    edges, total = [0], 0.0
    for value, e in enumerate(expected):
        total += e
        if total >= 8:
            edges, total = [*edges, value + 1], 0.0
    edges[-1] = shots + 1
    wanted = np.add.reduceat(expected, edges[:-1])
    return stats.chisquare(np.histogram(counts, bins=edges)[0], wanted).pvalue


def near_pair(random_angles, circuit, n=1):
    """Angles of a query and of n documents not too far from it."""
    query, other = random_angles(1, circuit), random_angles(n, circuit, seed=1)
    return query, query + 0.35 * (other - query)


def exact_fidelity(a, b, circuit):
    return fidelity(encode(a, circuit), encode(b, circuit))[0].numpy()


def exact_qubits(a, b):
    """Every qubit's own fidelity of one query with n documents: (n, qubits)."""
    return qubit_fidelities(bloch_vectors(a).numpy(), bloch_vectors(b).numpy()[None])[0]


# the statistics


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("f", [0.0, 0.2, 0.7, 0.97])
def test_mean_and_variance_of_the_estimate(method, f, rng):
    drawn = sample_fidelity(np.full(40_000, f), 50, rng, method)
    want = f * (1 - f) / 50 if method == PLAIN else (1 - f**2) / 50
    assert drawn.mean() == pytest.approx(f, abs=0.006)
    assert drawn.var() == pytest.approx(want, rel=0.04, abs=1e-12)
    assert estimate_variance(f, 50, method) == pytest.approx(want)


def test_the_swap_test_never_has_the_smaller_variance():
    f = np.linspace(0, 1, 101)
    swap, plain = estimate_variance(f, 1, "swap_test"), estimate_variance(f, 1)
    assert (swap >= plain).all()
    assert np.allclose(swap[1:-1] / plain[1:-1], 1 + 1 / f[1:-1])


@pytest.mark.parametrize("method", [PLAIN, "bell_basis"])
def test_local_fidelity_averages_qubits_and_shots(method, rng):
    factors = np.array([0.9, 0.6, 0.75, 0.99])
    drawn = sample_fidelity(np.tile(factors, (40_000, 1)), 25, rng, method).mean(axis=1)
    variance = estimate_variance(factors, 25, method).sum() / 16
    assert drawn.mean() == pytest.approx(factors.mean(), abs=0.002)
    assert drawn.var() == pytest.approx(variance, rel=0.04)


@pytest.mark.parametrize("method", METHODS)
def test_shots_for_gap_leave_the_stated_share_of_mistakes(method, rng):
    shots = int(np.ceil(shots_for_gap(0.62, 0.58, method, wrong=0.05)))
    a, b = sample_fidelity(np.tile([0.62, 0.58], (40_000, 1)), shots, rng, method).T
    assert (a < b).mean() + (a == b).mean() / 2 == pytest.approx(0.05, abs=0.006)
    ratio = shots_for_gap(0.601, 0.600, method) / shots_for_gap(0.602, 0.600, method)
    assert ratio == pytest.approx(4, rel=0.01)
    assert np.isinf(shots_for_gap([0, 0.5, 1], [0, 0.5, 1], method)).all()


# circuits against the fast path


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", WAYS)
def test_circuits_and_binomial_agree_in_distribution(way, method, random_angles, rng):
    circuit, shots, copies = Circuit(2, 2, "cz_ring"), 20, 400
    a, b = near_pair(random_angles, circuit)
    f = exact_fidelity(a, b, circuit)[0]
    p = f if method == PLAIN else (1 + f) / 2
    assert 0.1 < p < 0.95, "the pair should leave the counts something to say"

    def counts(estimates):
        share = estimates if method == PLAIN else (1 + estimates) / 2
        return np.rint(share * shots).astype(int)

    measured = run(way, a, b.expand(copies, -1, -1, -1), circuit, shots, rng, method)
    from_circuits = counts(measured["fidelity"])
    drawn = counts(sample_fidelity(np.full(copies, f), shots, rng, method))
    assert chi_squared(from_circuits, shots, p) > 1e-3
    assert chi_squared(drawn, shots, p) > 1e-3
    # the test must be able to fail: another fidelity
    assert chi_squared(from_circuits, shots, p - 0.06) < 1e-3


@pytest.mark.parametrize(
    "circuit",
    [Circuit(), Circuit(3), Circuit(2, 3, "cnot_chain", trailing=True)],
    ids=str,
)
def test_closed_form_swap_test_and_compute_uncompute_agree(circuit, random_angles, rng):
    a, b = near_pair(random_angles, circuit, 12)
    truth, shots = exact_fidelity(a, b, circuit), 3000
    for way in WAYS:
        for method in METHODS:
            error = run(way, a, b, circuit, shots, rng, method)["fidelity"] - truth
            spread = np.sqrt(estimate_variance(truth, shots, method)) + 1 / shots
            assert (np.abs(error) < 4.5 * spread).all(), (way, method)


def test_qubits_are_told_apart(random_angles, rng):
    circuit = Circuit(3)
    a, b = near_pair(random_angles, circuit, 4)
    truth = exact_qubits(a, b)  # (4, 3)
    for way in WAYS:
        for method in (PLAIN, "bell_basis"):
            found = run(way, a, b, circuit, 4000, rng, method)["qubits"]
            assert np.abs(found - truth).max() < 0.06, (way, method)
    # reversed qubits would have been seen
    assert np.abs(truth - truth[:, ::-1]).max() > 0.1
    assert np.allclose(truth.prod(1), exact_fidelity(a, b, circuit))


SIZES = {PLAIN: (3, 3, 0), "swap_test": (7, 1, 3), "bell_basis": (6, 6, 3)}


@pytest.mark.parametrize("method", METHODS)
def test_qubits_bits_and_gates_on_both_states(method):
    whole, first, second = pair_circuit(Circuit(3), method)
    counts = whole.count_ops()
    gates = counts.get("cx", 0) + counts.get("cswap", 0)
    assert (whole.num_qubits, whole.num_clbits, gates) == SIZES[method]
    assert len(first) == len(second) == 6


# random numbers


def test_an_integer_seed_hides_the_noise(random_angles, rng):
    circuit = Circuit()
    a, b = near_pair(random_angles, circuit, 30)
    truth = exact_fidelity(a, b, circuit)
    whole, first, second = pair_circuit(circuit)
    values = np.hstack([a.expand(30, -1, -1, -1).flatten(1), b.flatten(1)])
    pub = (whole, {tuple(first + second): values})

    def wrong_pairs(seed):
        read = StatevectorSampler(seed=seed).run([pub], shots=60).result()[0].data.zeros
        zeros = (read.array == 0).sum(axis=(1, 2))
        differences = np.subtract.outer(zeros, zeros) * np.subtract.outer(truth, truth)
        return (differences < 0).sum() // 2

    assert wrong_pairs(3) == 0 and wrong_pairs(np.random.default_rng(3)) > 20
    honest = StatevectorSampler(seed=np.random.default_rng(3))
    measure_pairs(a, b, circuit, 60, rng, sampler=honest)


@pytest.mark.parametrize("way", WAYS)
def test_repeatable_from_one_generator_and_fresh_within_it(way, random_angles):
    a, b = near_pair(random_angles, Circuit(2))
    b = b.expand(5, -1, -1, -1)  # five equal documents

    def estimates(rng):
        return run(way, a, b, Circuit(2), 200, rng)["fidelity"].tolist()

    one, again = np.random.default_rng(5), np.random.default_rng(5)
    first = estimates(one)
    assert first == estimates(again) != estimates(one) and len(set(first)) > 1


# rankings and allocation


def test_ties_are_broken_at_random(rng):
    firsts = shot_order(np.zeros((3000, 6)), rng)[:, 0]
    assert stats.chisquare(np.bincount(firsts, minlength=6)).pvalue > 1e-3
    assert shot_order([0.1, 0.9, 0.5], rng).tolist() == [1, 2, 0]


def test_order_agreement_is_the_usual_one(rng):
    exact, noisy = rng.normal(size=(2, 7, 30))
    noisy = exact + 0.7 * noisy
    got = order_agreement(shot_order(noisy, rng), exact, 10)
    want = ranking_error(exact, noisy, 10)
    assert got["kendall_tau"].mean() == pytest.approx(want["kendall_tau"])
    assert got["overlap"].mean() == pytest.approx(want["top10_overlap"])
    tau = stats.kendalltau(exact[2], noisy[2]).statistic
    assert got["kendall_tau"][2] == pytest.approx(tau)
    reverse = order_agreement(np.argsort(exact, axis=1), exact, 10)
    assert (reverse["kendall_tau"] == -1).all() and (reverse["overlap"] == 0).all()


@pytest.fixture
def crowded(rng):
    """Fidelities of 30 lists of 100 documents, bunched as real ones are, and a way to
    measure them.
    """
    exact = rng.beta(4, 3, size=(30, 100))

    def measure(rows, shots):
        return sample_fidelity(np.take_along_axis(exact, rows, 1), shots, rng)

    return exact, measure


def test_halving_keeps_its_budget_and_spends_it_at_the_line(crowded, rng):
    exact, measure = crowded
    made = spend_by_halving(measure, exact.shape, 30_000, rng)
    spent = made.shots.sum(axis=1)
    assert (spent <= 30_000).all() and spent.mean() > 0.98 * 30_000
    assert made.shots.min() >= 1
    place = np.argsort(np.argsort(-exact, axis=1), axis=1)
    at_line = made.shots[(place >= 7) & (place <= 12)].mean()
    assert at_line > 5 * made.shots[place >= 60].mean()
    assert (np.sort(made.order, axis=1) == np.arange(100)).all()


def test_halving_beats_twice_the_uniform_budget(crowded, rng):
    exact, measure = crowded
    everyone = np.tile(np.arange(100), (30, 1))

    def evenly():
        return shot_order(measure(everyone, 600), rng)

    def halving():
        return spend_by_halving(measure, exact.shape, 30_000, rng).order

    def overlap(spend):
        return np.mean([order_agreement(spend(), exact)["overlap"] for _ in range(5)])

    assert overlap(halving) > overlap(evenly) + 0.01


def test_allocation_without_noise_is_exact(crowded, rng):
    exact, asked = crowded[0], []

    def measure(rows, shots):
        asked.append((rows.shape[1], shots))
        return np.take_along_axis(exact, rows, 1)

    made = spend_by_halving(measure, exact.shape, 10_500, rng, k=7)
    assert (order_agreement(made.order, exact, 7)["overlap"] == 1).all()
    assert np.allclose(made.estimates, exact)
    # a seventh of the budget in each of seven rounds
    rounds = [(100, 15), (50, 30), (25, 60), (13, 115), (7, 214), (4, 375), (2, 750)]
    assert asked == rounds


# noise


def noisy_device(coupling_map, rng):
    """A simulated device: (sampler, pass manager) for `measure_pairs`."""
    backend = noisy_backend(coupling_map)
    rewrite = generate_preset_pass_manager(1, backend, seed_transpiler=1)
    return FreshSampler(backend, rng), rewrite


def test_depolarising_is_the_mixture_with_noise(random_angles):
    circuit = Circuit(2)
    angles = [random_angles(1, circuit, seed=s) for s in (0, 1)]
    a, b = (encode(each, circuit)[0].numpy() for each in angles)
    density = 0.7 * np.outer(a, a.conj()) + 0.3 * np.eye(4) / 4
    want = (b.conj() @ density @ b).real
    assert depolarise(abs(np.vdot(a, b)) ** 2, 0.3, n_qubits=2) == pytest.approx(want)


def test_what_a_contraction_leaves_alone(rng):
    factors = rng.uniform(0.2, 1, size=(20, 50, 4))
    one, local, whole = factors[..., 0], factors.mean(-1), factors.prod(-1)
    for noisy in (depolarise(factors, 0.6), misread(factors, 0.02, 0.1)):
        assert same_order(noisy[..., 0], one).all()
        assert same_order(noisy.mean(-1), local).all()
        assert not same_order(noisy.prod(-1), whole).all()
    assert same_order(depolarise(whole, 0.6, 4), whole).all()
    uneven = misread(factors, 0.0, np.array([0.0, 0.1, 0.2, 0.4]))
    assert not same_order(uneven.mean(-1), local).all()
    cosine, noisy = rng.uniform(0, 1, size=(20, 50)), depolarise(one, 0.6)
    mix = 0.5 * cosine + 0.5 * one
    assert not same_order(mix, 0.5 * cosine + 0.5 * noisy).all()
    # α·(1 − λ) : (1 − α) restores it
    assert same_order(mix, 0.4 / 1.4 * cosine + 1 / 1.4 * noisy).all()


def test_misread_is_what_aer_does(random_angles, rng):
    from qiskit_aer.noise import NoiseModel, ReadoutError

    circuit, noise = Circuit(2), NoiseModel()
    noise.add_all_qubit_readout_error(ReadoutError([[0.97, 0.03], [0.12, 0.88]]))
    sampler = SamplerV2(options={"backend_options": {"noise_model": noise}})
    a, b = near_pair(random_angles, circuit, 6)
    got = measure_pairs(a, b, circuit, 20_000, rng, sampler=sampler)
    factors = exact_qubits(a, b)
    want = misread(factors, 0.03, 0.12)
    assert np.abs(got["qubits"] - want).max() < 0.016 < np.abs(want - factors).max()
    assert np.abs(got["fidelity"] - want.prod(1)).max() < 0.016


def test_a_noisy_device_pulls_estimates_down(random_angles, rng):
    a = random_angles(1, Circuit(3))
    pair = (a, a.expand(4, -1, -1, -1), Circuit(3), 4000, rng, PLAIN)
    noisy = measure_pairs(*pair, *noisy_device(3, rng))["fidelity"]
    assert ((noisy > 0.8) & (noisy < 0.998)).all()
    assert (measure_pairs(*pair)["fidelity"] == 1).all()


def test_a_simulated_device_has_fresh_noise_in_every_call(random_angles):
    a, b = near_pair(random_angles, Circuit(2), 3)

    def two_calls(seed):
        rng = np.random.default_rng(seed)
        pair = (a, b, Circuit(2), 300, rng, PLAIN, *noisy_device(2, rng))
        return [measure_pairs(*pair)["fidelity"].tolist() for _ in range(2)]

    first, second = two_calls(5)
    assert first != second and two_calls(5) == [first, second]


HEXAGONS = CouplingMap.from_heavy_hex(3)


def test_a_chip_with_a_map_measures_what_was_prepared(random_angles, rng):
    circuit = Circuit(3)
    a, b = near_pair(random_angles, circuit, 4)
    device = noisy_device(HEXAGONS, rng)
    for method in (PLAIN, "bell_basis"):
        got = measure_pairs(a, b, circuit, 4000, rng, method, *device)
        assert np.abs(got["qubits"] - exact_qubits(a, b)).max() < 0.08, method


@pytest.mark.parametrize(
    "circuit", [Circuit(3), Circuit(3, 2, "cz_ring")], ids=["product", "entangled"]
)
def test_local_tomography_follows_the_layout(circuit, random_angles, rng):
    angles, backend = random_angles(3, circuit), noisy_backend(HEXAGONS)
    rewrite = generate_preset_pass_manager(1, backend, seed_transpiler=2)
    estimator = FreshEstimator(backend, rng)
    found = bloch_vectors_by_estimator(angles, circuit, estimator, rewrite, 0.03)
    exact = bloch_vectors_by_estimator(angles, circuit)
    assert (found - exact).abs().max() < 0.2
    assert (exact - exact.flip(1)).abs().max() > 0.5, "reversed qubits would be seen"


# bad input

SEEDED = StatevectorSampler(seed=3)
SIMULATED = BackendSamplerV2(backend=AerSimulator(), options={"seed_simulator": 3})
RUN_SEED = EstimatorV2(options={"run_options": {"seed_simulator": 3}})


def tomography(angles, estimator=None):
    return bloch_vectors_by_estimator(angles, Circuit(2), estimator)


REFUSED = [
    ("above-1", lambda r, a: sample_fidelity([1.2], 10, r), "between 0 and 1"),
    ("nan", lambda r, a: sample_fidelity([np.nan], 10, r), "between 0 and 1"),
    ("no-shots", lambda r, a: sample_fidelity([0.5], 0, r), "whole number from 1"),
    ("half-a-shot", lambda r, a: sample_fidelity([1], 10.5, r), "whole number from 1"),
    ("method", lambda r, a: sample_fidelity([1], 10, r, "guess"), "unknown method"),
    ("int", lambda r, a: sample_fidelity([1], 10, 7), "share one noise"),
    ("int64", lambda r, a: sample_fidelity([1], 10, np.int64(7)), "share one noise"),
    ("none", lambda r, a: sample_fidelity([1], 10, None), "share one noise"),
    ("order-seed", lambda r, a: shot_order([1], 7), "share one noise"),
    ("pairs-seed", lambda r, a: run("aer", a, a, Circuit(2), 9, 7), "share one noise"),
    ("penny-seed", lambda r, a: run(WAYS[2], a, a, Circuit(2), 9, 7), "one noise"),
    ("device-seed", lambda r, a: noisy_device(2, 7), "share one noise"),
    ("old-seed", lambda r, a: noisy_device(2, np.random.RandomState(0)), "one noise"),
    ("pairs-shape", lambda r, a: run("aer", a, a, Circuit(3), 9, r), "do not fit"),
    ("penny-shape", lambda r, a: run(WAYS[2], a, a, Circuit(3), 9, r), "do not fit"),
    ("sampler", lambda r, a: run("gpu", a, a, Circuit(2), 9, r), "unknown sampler"),
    ("seeded", lambda r, a: run(SEEDED, a, a, Circuit(2), 9, r), "integer seed"),
    ("rounds", lambda r, a: spend_by_halving(0, (1, 100), 200, r), "of 7 rounds"),
    ("aer", lambda r, a: run(SamplerV2(seed=3), a, a, Circuit(2), 9, r), "integer"),
    ("backend", lambda r, a: run(SIMULATED, a, a, Circuit(2), 9, r), "integer seed"),
    ("estimator", lambda r, a: tomography(a, StatevectorEstimator(seed=3)), "integer"),
    ("run-seed", lambda r, a: tomography(a, RUN_SEED), "EstimatorV2 has an integer"),
    ("fresh-seed", lambda r, a: FreshSampler(AerSimulator(), 3), "share one noise"),
    ("empty", lambda r, a: run("aer", a, a[:0], Circuit(2), 9, r), "no documents"),
    ("empty-penny", lambda r, a: run(WAYS[2], a, a[:0], Circuit(2), 9, r), "no docum"),
    ("empty-tomography", lambda r, a: tomography(a[:0]), "there are no angles"),
    ("k", lambda r, a: spend_by_halving(None, (1, 5), 500, r), "one less than the"),
    ("depth", lambda r, a: order_agreement([[0, 1]], [[1.0, 2.0]], 3), "at most K"),
    ("strength", lambda r, a: depolarise([0.5], 1.5), r"strength must lie in \[0, 1\]"),
    ("misread", lambda r, a: misread([0.5], -0.1, 0), "zero_as_one must lie"),
]


@pytest.mark.parametrize(
    "call, words", [pytest.param(*row, id=name) for name, *row in REFUSED]
)
def test_bad_input_is_named(call, words, rng, random_angles):
    with pytest.raises(ValueError, match=words):
        call(rng, random_angles(1, Circuit(2)))
