"""Shots, allocation and noise (lesson 12): estimates are distributed as they should be,
circuits agree with the fast path, guards hold.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qrr_lib.encode.backends import encode
from qrr_lib.encode.circuit import Circuit
from qrr_lib.encode.similarity import bloch_vectors, fidelity
from qrr_lib.serve.measure import ranking_error
from qrr_lib.shots.circuits import (
    measure_pairs,
    measure_pairs_pennylane,
    noisy_device,
    pair_circuit,
)
from qrr_lib.shots.estimates import (
    METHODS,
    estimate_variance,
    sample_fidelity,
    sample_local_fidelity,
    shots_for_gap,
)
from qrr_lib.shots.noise import depolarise, misread, qubit_fidelities, same_order
from qrr_lib.shots.spending import (
    order_agreement,
    shot_order,
    spend_by_halving,
    spend_evenly,
)

WAYS = ("statevector", "aer", "pennylane")


def run(way, a, b, circuit, shots, rng, method):
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
    seen = np.histogram(counts, bins=edges)[0]
    return stats.chisquare(
        seen, [expected[lo:hi].sum() for lo, hi in zip(edges, edges[1:])]
    ).pvalue


def near_pair(random_angles, circuit, n=1):
    """Angles of a query and of n documents not too far from it."""
    query, other = random_angles(1, circuit), random_angles(n, circuit, seed=1)
    return query, query + 0.35 * (other - query)


def exact_fidelity(a, b, circuit):
    return fidelity(encode(a, circuit), encode(b, circuit))[0].numpy()


# the statistics


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("f", [0.0, 0.2, 0.7, 0.97])
def test_mean_and_variance_of_the_estimate(method, f, rng):
    drawn = sample_fidelity(np.full(40_000, f), 50, rng, method)
    assert drawn.mean() == pytest.approx(f, abs=0.006)
    assert drawn.var() == pytest.approx(
        float(estimate_variance(f, 50, method)), rel=0.04, abs=1e-12
    )
    want = f * (1 - f) / 50 if method == "compute_uncompute" else (1 - f**2) / 50
    assert estimate_variance(f, 50, method) == pytest.approx(want)


def test_the_swap_test_never_has_the_smaller_variance():
    f = np.linspace(0, 1, 101)
    assert (estimate_variance(f, 1, "swap_test") >= estimate_variance(f, 1)).all()
    assert np.allclose(
        estimate_variance(f[1:-1], 1, "swap_test") / estimate_variance(f[1:-1], 1),
        1 + 1 / f[1:-1],
    )


def test_local_fidelity_averages_qubits_and_shots(rng):
    factors = np.array([0.9, 0.6, 0.75, 0.99])
    drawn = sample_local_fidelity(np.tile(factors, (40_000, 1)), 25, rng)
    assert drawn.mean() == pytest.approx(factors.mean(), abs=0.002)
    assert drawn.var() == pytest.approx(
        (factors * (1 - factors)).sum() / 16 / 25, rel=0.04
    )


@pytest.mark.parametrize("method", METHODS)
def test_shots_for_gap_leave_the_stated_share_of_mistakes(method, rng):
    shots = int(np.ceil(shots_for_gap(0.62, 0.58, method, wrong=0.05)))
    pairs = sample_fidelity(np.tile([0.62, 0.58], (40_000, 1)), shots, rng, method)
    wrong = (pairs[:, 0] < pairs[:, 1]).mean() + (pairs[:, 0] == pairs[:, 1]).mean() / 2
    assert wrong == pytest.approx(0.05, abs=0.006)
    ratio = shots_for_gap(0.601, 0.600, method) / shots_for_gap(0.602, 0.600, method)
    assert ratio == pytest.approx(4, rel=0.01) and np.isinf(shots_for_gap(0.5, 0.5))


# circuits against the fast path


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", WAYS)
def test_circuits_and_binomial_agree_in_distribution(way, method, random_angles, rng):
    circuit, shots, copies = Circuit(2, 2, "cz_ring"), 20, 400
    a, b = near_pair(random_angles, circuit)
    f = exact_fidelity(a, b, circuit)[0]
    p = f if method == "compute_uncompute" else (1 + f) / 2
    assert 0.1 < p < 0.95, "the pair should leave the counts something to say"

    def counts(estimates):
        share = estimates if method == "compute_uncompute" else (1 + estimates) / 2
        return np.rint(share * shots).astype(int)

    from_circuits = counts(
        run(way, a, b.expand(copies, -1, -1, -1), circuit, shots, rng, method)[
            "fidelity"
        ]
    )
    assert chi_squared(from_circuits, shots, p) > 1e-3
    assert (
        chi_squared(
            counts(sample_fidelity(np.full(copies, f), shots, rng, method)), shots, p
        )
        > 1e-3
    )
    assert chi_squared(from_circuits, shots, p - 0.06) < 1e-3, (
        "the test must be able to fail: another fidelity"
    )


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
    # (4, 3)
    truth = qubit_fidelities(bloch_vectors(a).numpy(), bloch_vectors(b).numpy()[None])[
        0
    ]
    for way in WAYS:
        share = run(way, a, b, circuit, 4000, rng, "compute_uncompute")["qubits"]
        assert np.abs(share - truth).max() < 0.04, way
    assert np.abs(truth - truth[:, ::-1]).max() > 0.1, (
        "reversed qubits would have been seen"
    )
    assert np.allclose(truth.prod(1), exact_fidelity(a, b, circuit))


def test_swap_test_needs_more_qubits():
    for method, qubits, bits in (("compute_uncompute", 3, 3), ("swap_test", 7, 1)):
        whole, first, second = pair_circuit(Circuit(3), method)
        assert (whole.num_qubits, whole.num_clbits, len(first), len(second)) == (
            qubits,
            bits,
            6,
            6,
        )


# random numbers


@pytest.mark.parametrize(
    "seed",
    [7, np.int64(7), None, np.random.RandomState(0)],
    ids=["int", "numpy int", "none", "RandomState"],
)
def test_only_a_generator_is_taken(seed, random_angles):
    a = random_angles(1, Circuit())
    calls = [
        lambda: sample_fidelity([0.5], 10, seed),
        lambda: shot_order([0.5], seed),
        lambda: measure_pairs(a, a, Circuit(), 10, seed),
        lambda: measure_pairs_pennylane(a, a, Circuit(), 10, seed),
        lambda: noisy_device(2, seed),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="share one noise"):
            call()


def test_an_integer_seed_hides_the_noise_and_is_refused(random_angles, rng):
    from qiskit.primitives import StatevectorSampler

    circuit = Circuit()
    a, b = near_pair(random_angles, circuit, 30)
    truth = exact_fidelity(a, b, circuit)
    whole, first, second = pair_circuit(circuit)
    values = np.concatenate([a.expand(30, -1, -1, -1).flatten(1), b.flatten(1)], axis=1)

    def wrong_pairs(seed):
        bits = (
            StatevectorSampler(seed=seed)
            .run([(whole, {tuple(first + second): values})], shots=60)
            .result()[0]
            .data.zeros
        )
        zeros = np.array([bits.get_counts(i).get("0", 0) for i in range(30)])
        return (
            int(
                (
                    np.subtract.outer(zeros, zeros) * np.subtract.outer(truth, truth)
                    < 0
                ).sum()
            )
            // 2
        )

    assert wrong_pairs(3) == 0 and wrong_pairs(np.random.default_rng(3)) > 20
    with pytest.raises(ValueError, match="integer seed"):
        measure_pairs(a, b, circuit, 60, rng, sampler=StatevectorSampler(seed=3))
    measure_pairs(
        a,
        b,
        circuit,
        60,
        rng,
        sampler=StatevectorSampler(seed=np.random.default_rng(3)),
    )


@pytest.mark.parametrize("way", WAYS)
def test_repeatable_from_one_generator_and_fresh_within_it(way, random_angles):
    a, b = near_pair(random_angles, Circuit(2), 5)
    b = b[:1].expand(5, -1, -1, -1)  # five equal documents
    first, again = (
        run(way, a, b, Circuit(2), 200, np.random.default_rng(5), "compute_uncompute")[
            "fidelity"
        ]
        for _ in range(2)
    )
    one = np.random.default_rng(5)
    run(way, a, b, Circuit(2), 200, one, "compute_uncompute")
    later = run(way, a, b, Circuit(2), 200, one, "compute_uncompute")["fidelity"]
    assert (
        np.array_equal(first, again)
        and not np.array_equal(first, later)
        and len(set(first)) > 1
    )


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
    assert got["kendall_tau"].mean() == pytest.approx(want["kendall_tau"]) and got[
        "overlap"
    ].mean() == pytest.approx(want["top10_overlap"])
    assert got["kendall_tau"][2] == pytest.approx(
        stats.kendalltau(exact[2], noisy[2]).statistic
    )
    reverse = order_agreement(np.argsort(exact, axis=1), exact, 10)
    assert (reverse["kendall_tau"] == -1).all() and (reverse["overlap"] == 0).all()


@pytest.fixture
def crowded(rng):
    """Fidelities of 30 lists of 100 documents, bunched as real ones are, and a way to
    measure them.
    """
    exact = rng.beta(4, 3, size=(30, 100))
    return exact, lambda rows, shots: sample_fidelity(
        np.take_along_axis(exact, rows, 1), shots, rng
    )


@pytest.mark.parametrize("rule", ["boundary", "worst"])
def test_halving_keeps_its_budget_and_spends_it_at_the_line(rule, crowded, rng):
    exact, measure = crowded
    made = spend_by_halving(measure, exact.shape, 30_000, rng, rule=rule)
    assert (
        (made.shots.sum(axis=1) <= 30_000).all()
        and made.shots.sum() > 0.98 * 30 * 30_000
        and made.shots.min() >= 1
    )
    place = np.argsort(np.argsort(-exact, axis=1), axis=1)
    at_line = made.shots[(place >= 7) & (place <= 12)].mean()
    far = made.shots[place >= 60].mean()
    assert at_line > 5 * far
    assert (
        np.sort(made.order, axis=1).tolist()
        == np.tile(np.arange(100), (30, 1)).tolist()
    )


@pytest.mark.parametrize("rule", ["boundary", "worst"])
def test_halving_beats_twice_the_uniform_budget(rule, crowded, rng):
    exact, measure = crowded

    def overlap(spend, budget, **options):
        return np.mean(
            [
                order_agreement(
                    spend(measure, exact.shape, budget, rng, **options).order, exact
                )["overlap"].mean()
                for _ in range(5)
            ]
        )

    assert (
        overlap(spend_by_halving, 30_000, rule=rule)
        > overlap(spend_evenly, 60_000) + 0.01
    )


def test_allocation_without_noise_is_exact(crowded, rng):
    exact, _ = crowded
    for rule in ("boundary", "worst"):
        made = spend_by_halving(
            lambda rows, shots: np.take_along_axis(exact, rows, 1),
            exact.shape,
            10_000,
            rng,
            k=7,
            rule=rule,
        )
        assert (order_agreement(made.order, exact, 7)["overlap"] == 1).all()
        assert np.allclose(made.estimates, exact)


# noise


def test_depolarising_is_the_mixture_with_noise(random_angles):
    circuit = Circuit(2)
    a, b = (
        encode(random_angles(1, circuit, seed=s), circuit)[0].numpy() for s in (0, 1)
    )
    density = 0.7 * np.outer(a, a.conj()) + 0.3 * np.eye(4) / 4
    want = (b.conj() @ density @ b).real
    assert depolarise(abs(np.vdot(a, b)) ** 2, 0.3, n_qubits=2) == pytest.approx(want)


def test_what_a_contraction_leaves_alone(rng):
    factors = rng.uniform(0.2, 1, size=(20, 50, 4))
    for noisy in (depolarise(factors, 0.6), misread(factors, 0.02, 0.1)):
        assert (
            same_order(noisy[..., 0], factors[..., 0]).all()
            and same_order(noisy.mean(-1), factors.mean(-1)).all()
        )
        assert not same_order(noisy.prod(-1), factors.prod(-1)).all()
    assert same_order(depolarise(factors.prod(-1), 0.6, 4), factors.prod(-1)).all()
    uneven = misread(factors, 0.0, np.array([0.0, 0.1, 0.2, 0.4]))
    assert not same_order(uneven.mean(-1), factors.mean(-1)).all()
    cosine = rng.uniform(0, 1, size=(20, 50))
    mix = [
        0.5 * cosine + 0.5 * f
        for f in (factors[..., 0], depolarise(factors[..., 0], 0.6))
    ]
    assert not same_order(*mix).all()
    assert same_order(
        mix[0], 0.4 / 1.4 * cosine + 1 / 1.4 * depolarise(factors[..., 0], 0.6)
    ).all(), "α·(1 − λ) : (1 − α) restores it"


def test_misread_is_what_aer_does(random_angles, rng):
    from qiskit_aer.noise import NoiseModel, ReadoutError
    from qiskit_aer.primitives import SamplerV2

    circuit, noise = Circuit(2), NoiseModel()
    noise.add_all_qubit_readout_error(ReadoutError([[0.97, 0.03], [0.12, 0.88]]))
    a, b = near_pair(random_angles, circuit, 6)
    factors = qubit_fidelities(
        bloch_vectors(a).numpy(), bloch_vectors(b).numpy()[None]
    )[0]
    got = measure_pairs(
        a,
        b,
        circuit,
        20_000,
        rng,
        sampler=SamplerV2(seed=1, options={"backend_options": {"noise_model": noise}}),
    )
    want = misread(factors, 0.03, 0.12)
    assert np.abs(got["qubits"] - want).max() < 0.016 < np.abs(want - factors).max()
    assert np.abs(got["fidelity"] - want.prod(1)).max() < 0.016


def test_a_noisy_device_pulls_estimates_down(random_angles, rng):
    circuit = Circuit(3)
    a = random_angles(1, circuit)
    sampler, rewrite = noisy_device(3, rng)
    got = measure_pairs(
        a,
        a.expand(4, -1, -1, -1),
        circuit,
        4000,
        rng,
        sampler=sampler,
        pass_manager=rewrite,
    )
    assert (got["fidelity"] < 0.998).all() and (
        got["fidelity"] > 0.8
    ).all()  # exactly 1 without noise
    clean = measure_pairs(a, a.expand(4, -1, -1, -1), circuit, 4000, rng)
    assert (clean["fidelity"] == 1).all()


# bad input


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda r, a: sample_fidelity([1.2], 10, r), "between 0 and 1"),
        (lambda r, a: sample_fidelity([np.nan], 10, r), "between 0 and 1"),
        (lambda r, a: sample_fidelity([0.5], 0, r), "whole number from 1"),
        (lambda r, a: sample_fidelity([0.5], 10.5, r), "whole number from 1"),
        (lambda r, a: sample_fidelity([0.5], 10, r, "guess"), "unknown method"),
        (lambda r, a: measure_pairs(a, a, Circuit(3), 10, r), "do not fit"),
        (lambda r, a: measure_pairs_pennylane(a, a, Circuit(3), 10, r), "do not fit"),
        (
            lambda r, a: measure_pairs(a, a, Circuit(2), 10, r, sampler="gpu"),
            "unknown sampler",
        ),
        (lambda r, a: spend_by_halving(None, (1, 100), 200, r), "no shot to each"),
        (lambda r, a: spend_evenly(None, (1, 100), 50, r), "less than one"),
        (
            lambda r, a: spend_by_halving(None, (1, 5), 5000, r),
            "one less than the number",
        ),
        (
            lambda r, a: spend_by_halving(None, (1, 100), 5000, r, rule="luck"),
            "unknown rule",
        ),
        (lambda r, a: order_agreement([[0, 1]], [[1.0, 2.0]], 3), "at most K"),
        (lambda r, a: depolarise([0.5], 1.5), r"strength must lie in \[0, 1\]"),
        (lambda r, a: misread([0.5], -0.1, 0), "zero_as_one must lie"),
    ],
)
def test_bad_input_is_named(call, message, rng, random_angles):
    with pytest.raises(ValueError, match=message):
        call(rng, random_angles(1, Circuit(2)))
