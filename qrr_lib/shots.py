"""How many shots a ranking needs: estimates of fidelity, their spread, and where to spend shots (lesson 10).

A device gives no statevector, only counts. Two circuits turn counts into a fidelity F = |⟨a|b⟩|²:

    compute_uncompute   prepare b, undo a, count how often every qubit reads 0:       P = F             F̂ = share
    swap_test           both states side by side and one more qubit that reads 0 with  P = (1 + F)/2     F̂ = 2·share − 1

(Havlíček et al. 2019 use the first for kernels; Buhrman et al. 2001 describe the second.) The number of zeros among S shots is
binomial, so where F is known its estimate can be drawn without a circuit: `sample_fidelity` does that. The circuits are in `shot_circuits`.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

METHODS = ("compute_uncompute", "swap_test")


def check_generator(rng) -> np.random.Generator:
    """Return `rng` if it is a NumPy Generator; raise ValueError that says why for anything else, whole numbers above all."""
    if isinstance(rng, np.random.Generator):
        return rng
    raise ValueError(f"rng must be a numpy Generator, for instance np.random.default_rng(7), not {rng!r}: a bare integer seed would start the "
                     "same random numbers again (StatevectorSampler does so for each circuit), so all documents would share one noise")


def check_method(method: str) -> None:
    """Raise ValueError for anything but the names in METHODS."""
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; choose one of {', '.join(METHODS)}")


def zero_probability(fidelity, method: str = "compute_uncompute") -> np.ndarray:
    """Probability that one shot counts as zero: F or (1 + F)/2. ValueError for an unknown method or a fidelity outside [0, 1]."""
    check_method(method)
    fidelity = np.asarray(fidelity, dtype=float)
    if not ((fidelity >= -1e-6) & (fidelity <= 1 + 1e-6)).all():         # NaN fails, too
        raise ValueError("fidelities must lie between 0 and 1 (float32 rounding aside)")
    fidelity = fidelity.clip(0, 1)
    return fidelity if method == "compute_uncompute" else (1 + fidelity) / 2


def estimate_variance(fidelity, shots: int, method: str = "compute_uncompute") -> np.ndarray:
    """Var F̂ of S shots: F(1 − F)/S for compute–uncompute, (1 − F²)/S for the swap test; derived in lesson 10."""
    p, scale = zero_probability(fidelity, method), 1 if method == "compute_uncompute" else 2
    return scale**2 * p * (1 - p) / check_shots(shots)


def sample_fidelity(fidelity, shots: int, rng: np.random.Generator, method: str = "compute_uncompute") -> np.ndarray:
    """Draw estimates of fidelities as S shots each would give them, without a circuit: any shape → same shape.

    Exactly distributed as the circuits' counts (a χ² test compares them). Swap-test estimates may be negative, as on a device.
    """
    share = check_generator(rng).binomial(check_shots(shots), zero_probability(fidelity, method)) / shots
    return share if method == "compute_uncompute" else 2 * share - 1


def sample_local_fidelity(factors, shots: int, rng: np.random.Generator) -> np.ndarray:
    """Draw estimates of the local fidelity of product states from the qubits' own fidelities: (…, n) → (…).

    The same compute–uncompute shots serve, read differently: not "are all qubits 0?" but "what share of the qubits is 0?".
    The qubits of product states are independent, so Var = Σ Fᵢ(1 − Fᵢ)/(n²·S): n qubits are worth up to n shots of one.
    """
    return sample_fidelity(factors, shots, rng).mean(axis=-1)


def shots_for_gap(higher, lower, method: str = "compute_uncompute", wrong: float = 0.05) -> np.ndarray:
    """Shots per document after which two fidelities stand in the wrong order with probability `wrong` (normal approximation).

    S = z²·(v₁ + v₂)/(F₁ − F₂)², v the variance of one shot and z the (1 − wrong) quantile: half the gap, four times the shots. Infinite
    for equal fidelities.
    """
    from scipy.stats import norm

    higher, lower = np.asarray(higher, dtype=float), np.asarray(lower, dtype=float)
    spread = estimate_variance(higher, 1, method) + estimate_variance(lower, 1, method)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(higher == lower, np.inf, norm.ppf(1 - wrong) ** 2 * spread / (higher - lower) ** 2)


def shot_order(scores, rng: np.random.Generator) -> np.ndarray:
    """Columns from best to worst, equal scores in random order: (…, K) → (…, K).

    Few shots give many equal estimates. Sorted stably, they would keep the order in which the candidates came, often cosine's, and
    look far better than they are.
    """
    scores = np.asarray(scores, dtype=float)
    return np.lexsort((check_generator(rng).random(scores.shape), -scores), axis=-1)


def order_agreement(order, reference, k: int = 10) -> dict[str, np.ndarray]:
    """How much of a ranking is left, list by list: orders (R, K) of K candidates → {"kendall_tau": (R,), "overlap": (R,)}.

    `order` is what `shot_order` gives; `reference` (R, K) are the exact scores, all different. τ = 1 − 4·(pairs out of order)/(K·(K − 1)).
    `export.ranking_error` gives the means for orders that come as scores.
    """
    order, reference = np.atleast_2d(order), np.atleast_2d(reference)
    if order.shape != reference.shape or not 1 <= k <= order.shape[1]:
        raise ValueError(f"order and reference need one shape (R, K) and k at most K; got {order.shape}, {reference.shape}, k = {k}")
    truth, count = np.argsort(-reference, axis=1, kind="stable"), order.shape[1]
    places = np.argsort(order, axis=1)                                                      # (R, K): place of every candidate
    at = np.take_along_axis(places, truth, axis=1)                                          # new places, in the true order
    upper = np.triu(np.ones((count, count), dtype=bool), 1)
    swapped = ((at[:, :, None] > at[:, None, :]) & upper).sum(axis=(1, 2))
    return {"kendall_tau": 1 - 4 * swapped / (count * (count - 1)), "overlap": (at[:, :k] < k).mean(axis=1)}


class Allocation(NamedTuple):
    """Where the shots went: `estimates` (R, K) over all shots of a document, `shots` (R, K), and `order` (R, K), best first."""

    estimates: np.ndarray
    shots: np.ndarray
    order: np.ndarray


def spend_evenly(measure: Callable, shape: tuple[int, int], budget: int, rng: np.random.Generator) -> Allocation:
    """The uniform budget: every one of K documents of every one of R lists gets budget // K shots. `measure` as in `spend_by_halving`."""
    each = check_shots(budget // shape[1], f"a budget of {budget} shots is less than one for each of {shape[1]} documents")
    rows = np.tile(np.arange(shape[1]), (shape[0], 1))
    estimates = np.asarray(measure(rows, each), dtype=float)
    return Allocation(estimates, np.full(shape, each), shot_order(estimates, rng))


def spend_by_halving(measure: Callable, shape: tuple[int, int], budget: int, rng: np.random.Generator, k: int = 10,
                     rule: str = "boundary") -> Allocation:
    """Spend shots in rounds, each on half as many documents: sequential halving (Karnin, Koren & Somekh 2013), for the best k.

    Parameters
    ----------
    measure : callable
        (rows (R, m) int, shots) → estimates (R, m) from that many *fresh* shots of those documents.
    shape : (R, K)
        R lists (queries) side by side, K candidates each.
    budget : int
        Shots in all for one list; every round gets an equal part. At least one shot for each document in the first round.
    rule : {"boundary", "worst"}
        Who leaves after a round: "boundary" those farthest from the line between places k and k + 1, the clearly good as well as the
        clearly bad (after Bubeck, Wang & Viswanathan 2013, who accept and reject one at a time); "worst" the lowest half, as in the
        original.

    All shots of a document count, also those of earlier rounds. With "worst" those that stay longest stand first; with "boundary" the
    order is that of the estimates. Lesson 10.
    """
    if rule not in ("boundary", "worst"):
        raise ValueError(f"unknown rule {rule!r}; choose 'boundary' or 'worst'")
    lists, count = shape
    if not 1 <= k < count:
        raise ValueError(f"k must lie between 1 and one less than the number of documents, {count}; got {k}")
    sizes = [count]
    while sizes[-1] > (max(2, k // 4) if rule == "boundary" else 2 * k):
        sizes.append(-(-sizes[-1] // 2))
    short = f"a budget of {budget} shots gives no shot to each of {count} documents in each of {len(sizes)} rounds"
    check_shots(budget // len(sizes) // count, short)
    hits, shots, stage = np.zeros(shape), np.zeros(shape, dtype=int), np.zeros(shape, dtype=int)
    rows = np.tile(np.arange(count), (lists, 1))                                            # (R, m): still undecided
    every = np.arange(lists)[:, None]
    for round_number, size in enumerate(sizes):
        each = budget // len(sizes) // size
        hits[every, rows] += each * np.asarray(measure(rows, each), dtype=float)
        shots[every, rows] += each
        stage[every, rows] = round_number
        estimates = hits / shots
        if round_number + 1 < len(sizes):
            if rule == "boundary":
                ranked = -np.sort(-estimates, axis=1)
                line = (ranked[:, k - 1] + ranked[:, k])[:, None] / 2
                keep = shot_order(-np.abs(estimates[every, rows] - line), rng)
            else:
                keep = shot_order(estimates[every, rows], rng)
            rows = np.take_along_axis(rows, keep[:, :sizes[round_number + 1]], axis=1)
    # estimates differ by at most 2, so a whole stage outweighs any of them
    return Allocation(estimates, shots, shot_order(estimates + (3 * stage if rule == "worst" else 0), rng))


def check_shots(shots: int, message: str = "") -> int:
    """Return a number of shots as int; ValueError unless it is a whole number from 1 up."""
    if isinstance(shots, bool) or not isinstance(shots, (int, np.integer)) or shots < 1:
        raise ValueError(message or f"shots must be a whole number from 1 up, not {shots!r}")
    return int(shots)
