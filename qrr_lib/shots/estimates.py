"""How many shots a ranking needs: estimates of fidelity, their spread, and where to
spend shots (lesson 12).

A device gives no statevector, only counts. Three circuits turn counts into a fidelity
F = |⟨a|b⟩|²:

    compute_uncompute   prepare b, undo a, count how often every qubit reads 0:
                        P = F and F̂ = share
    swap_test           both states side by side, and one more qubit that reads 0
                        with P = (1 + F)/2, so F̂ = 2·share − 1
    bell_basis          both side by side, each pair of qubits measured in the Bell
                        basis (the destructive swap test): the number of pairs that read
                        11 is even with P = (1 + F)/2

(Havlíček et al. 2019 use the first for kernels; Buhrman et al. 2001 describe the
second, Garcia-Escartin & Chamorro-Posada 2013 the third.) The number of zeros among S
shots is binomial, so where F is known its estimate can be drawn without a circuit:
`sample_fidelity` does that. The circuits are in `circuits`.
"""

import numpy as np

from qrr_lib.checks import one_of, whole_number

# s of each method: P = (F + s − 1)/s and so F̂ = s·share − (s − 1)
METHODS = {"compute_uncompute": 1, "swap_test": 2, "bell_basis": 2}


def check_generator(rng) -> np.random.Generator:
    """Return `rng` if it is a NumPy Generator; raise ValueError that says why for
    anything else, whole numbers above all.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    raise ValueError(
        "rng must be a numpy Generator, for instance np.random.default_rng(7), not "
        f"{rng!r}: a bare integer seed would start the same random numbers again "
        "(StatevectorSampler does so for each circuit), so all documents would share "
        "one noise"
    )


def check_method(method: str) -> int:
    """Return s of a method; ValueError for anything but the names in METHODS."""
    return METHODS[one_of("method", method, METHODS)]


def zero_probability(fidelity, method: str = "compute_uncompute") -> np.ndarray:
    """Probability that one shot counts as zero: F or (1 + F)/2.

    ValueError for an unknown method or a fidelity outside [0, 1].
    """
    s = check_method(method)
    fidelity = np.asarray(fidelity, dtype=float)
    if not ((fidelity >= -1e-6) & (fidelity <= 1 + 1e-6)).all():  # NaN fails, too
        raise ValueError("fidelities must lie between 0 and 1 (float32 rounding aside)")
    return (fidelity.clip(0, 1) + (s - 1)) / s


def estimate_variance(
    fidelity, shots: int, method: str = "compute_uncompute"
) -> np.ndarray:
    """Var F̂ of S shots: F(1 − F)/S for compute–uncompute, (1 − F²)/S for the swap
    test and the Bell basis; derived in lesson 12.
    """
    p = zero_probability(fidelity, method)
    return METHODS[method] ** 2 * p * (1 - p) / whole_number("shots", shots)


def sample_fidelity(
    fidelity, shots: int, rng: np.random.Generator, method: str = "compute_uncompute"
) -> np.ndarray:
    """Draw estimates of fidelities as S shots each would give them, without a circuit:
    any shape → same shape.

    Exactly distributed as the circuits' counts (a χ² test compares them). Swap-test
    estimates may be negative, as on a device.

    Drawn for the qubits of a product state, (…, n), and averaged over the last axis,
    they estimate the local fidelity from the same shots (not of a swap test, which
    reads one bit a shot): n qubits are worth up to n shots of one.
    """
    s, p = check_method(method), zero_probability(fidelity, method)
    share = check_generator(rng).binomial(whole_number("shots", shots), p) / shots
    return s * share - (s - 1)


def shots_for_gap(
    higher, lower, method: str = "compute_uncompute", wrong: float = 0.05
) -> np.ndarray:
    """Shots per document after which two fidelities stand in the wrong order with
    probability `wrong` (normal approximation).

    S = z²·(v₁ + v₂)/(F₁ − F₂)², v the variance of one shot and z the (1 − wrong)
    quantile: half the gap, four times the shots. Infinite for equal fidelities.
    """
    from scipy.stats import norm

    higher, lower = np.asarray(higher, dtype=float), np.asarray(lower, dtype=float)
    spread = estimate_variance(higher, 1, method) + estimate_variance(lower, 1, method)
    with np.errstate(divide="ignore", invalid="ignore"):
        shots = norm.ppf(1 - wrong) ** 2 * spread / (higher - lower) ** 2
    return np.where(higher == lower, np.inf, shots)
