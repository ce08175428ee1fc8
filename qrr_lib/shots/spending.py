"""Where to spend shots: evenly, or in rounds on fewer and fewer documents
(lesson 12).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from qrr_lib.checks import one_of, whole_number
from qrr_lib.shots.estimates import check_generator


def shot_order(scores, rng: np.random.Generator) -> np.ndarray:
    """Columns from best to worst, equal scores in random order: (…, K) → (…, K).

    Few shots give many equal estimates. Sorted stably, they would keep the order in
    which the candidates came, often cosine's, and look far better than they are.
    """
    scores = np.asarray(scores, dtype=float)
    return np.lexsort((check_generator(rng).random(scores.shape), -scores), axis=-1)


def order_agreement(order, reference, k: int = 10) -> dict[str, np.ndarray]:
    """How much of a ranking is left, list by list: orders (R, K) of K candidates →
    {"kendall_tau": (R,), "overlap": (R,)}.

    `order` is what `shot_order` gives; `reference` (R, K) are the exact scores, all
    different. τ = 1 − 4·(pairs out of order)/(K·(K − 1)). `serve.ranking_error` gives
    the means for orders that come as scores.
    """
    order, reference = np.atleast_2d(order), np.atleast_2d(reference)
    if order.shape != reference.shape or not 1 <= k <= order.shape[1]:
        raise ValueError(
            "order and reference need one shape (R, K) and k at most K; got "
            f"{order.shape}, {reference.shape}, k = {k}"
        )
    count = order.shape[1]
    truth = np.argsort(-reference, axis=1, kind="stable")
    places = np.argsort(order, axis=1)  # (R, K): place of every candidate
    at = np.take_along_axis(places, truth, axis=1)  # new places, in the true order
    swapped = np.triu(at[:, :, None] > at[:, None, :], 1).sum(axis=(1, 2))
    tau = 1 - 4 * swapped / (count * (count - 1))
    return {"kendall_tau": tau, "overlap": (at[:, :k] < k).mean(axis=1)}


class Allocation(NamedTuple):
    """Where the shots went: `estimates` (R, K) over all shots of a document, `shots`
    (R, K), and `order` (R, K), best first.
    """

    estimates: np.ndarray
    shots: np.ndarray
    order: np.ndarray


def spend_evenly(
    measure: Callable, shape: tuple[int, int], budget: int, rng: np.random.Generator
) -> Allocation:
    """The uniform budget: every one of K documents of every one of R lists gets budget
    // K shots. `measure` as in `spend_by_halving`.
    """
    lists, count = shape
    name = f"the shots of each of {count} documents, from a budget of {budget},"
    each = whole_number(name, budget // count)
    rows = np.tile(np.arange(count), (lists, 1))
    estimates = np.asarray(measure(rows, each), dtype=float)
    return Allocation(estimates, np.full(shape, each), shot_order(estimates, rng))


def spend_by_halving(
    measure: Callable,
    shape: tuple[int, int],
    budget: int,
    rng: np.random.Generator,
    k: int = 10,
    rule: str = "boundary",
) -> Allocation:
    """Spend shots in rounds, each on half as many documents: sequential halving
    (Karnin, Koren & Somekh 2013), for the best k.

    Parameters
    ----------
    measure : callable
        (rows (R, m) int, shots) → estimates (R, m) from that many *fresh* shots of
        those documents.
    shape : (R, K)
        R lists (queries) side by side, K candidates each.
    budget : int
        Shots in all for one list; every round gets an equal part. At least one shot for
        each document in the first round.
    rule : {"boundary", "worst"}
        Who leaves after a round: "boundary" those farthest from the line between places
        k and k + 1, the clearly good as well as the clearly bad (after Bubeck, Wang &
        Viswanathan 2013, who accept and reject one at a time); "worst" the lowest half,
        as in the original.

    All shots of a document count, also those of earlier rounds. With "worst" those that
    stay longest stand first; with "boundary" the order is that of the estimates. Lesson
    12.
    """
    lists, count = shape
    one_of("rule", rule, ("boundary", "worst"))
    if not 1 <= k < count:
        raise ValueError(
            f"k must lie between 1 and one less than the number of documents, {count}; "
            f"got {k}"
        )
    sizes = round_sizes(count, max(2, k // 4) if rule == "boundary" else 2 * k)
    name = (
        f"the shots of each of {count} documents in each of {len(sizes)} rounds, from "
        f"a budget of {budget},"
    )
    whole_number(name, budget // len(sizes) // count)
    sums, shots = np.zeros(shape), np.zeros(shape, dtype=int)
    rows = np.tile(np.arange(count), (lists, 1))  # (R, m): still undecided
    for size in sizes:
        if size < count:  # from the second round on
            worth = worth_measuring(sums / shots, k, rule)
            rows = keep_best(rows, worth, size, rng)
        add_shots(measure, rows, budget // len(sizes) // size, sums, shots)
    score = estimates = sums / shots
    if rule == "worst":  # who was measured in a later round has more shots, and leads
        last_round = np.unique(shots, return_inverse=True)[1].reshape(shape)
        score = estimates + 3 * last_round  # estimates differ by at most 2
    return Allocation(estimates, shots, shot_order(score, rng))


def round_sizes(count: int, smallest: int) -> list[int]:
    """How many documents each round measures: all, half (rounded up), and so on, until
    at most `smallest` are left.
    """
    sizes = [count]
    while sizes[-1] > smallest:
        sizes.append(-(-sizes[-1] // 2))
    return sizes


def add_shots(measure: Callable, rows, each: int, sums, shots) -> None:
    """Measure rows (R, m) afresh, `each` shots a document, and add what came to the
    running totals (R, K) in place: `sums` of estimate times shots, and `shots`.
    """
    lists = np.arange(len(rows))[:, None]
    sums[lists, rows] += each * np.asarray(measure(rows, each), dtype=float)
    shots[lists, rows] += each


def worth_measuring(estimates, k: int, rule: str) -> np.ndarray:
    """How much each document deserves another round: estimates (R, K) → (R, K), by the
    rule of `spend_by_halving`.
    """
    if rule == "worst":
        return estimates
    ranked = -np.sort(-estimates, axis=1)
    line = (ranked[:, k - 1] + ranked[:, k]) / 2  # between places k and k + 1
    return -np.abs(estimates - line[:, None])


def keep_best(rows, worth, size: int, rng: np.random.Generator) -> np.ndarray:
    """The `size` best of the rows (R, m) that were measured last, by their `worth`
    (R, K), equals at random: (R, size).
    """
    best = shot_order(np.take_along_axis(worth, rows, axis=1), rng)[:, :size]
    return np.take_along_axis(rows, best, axis=1)
