"""Where to spend shots: in rounds, on fewer and fewer documents (lesson 12)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from qrr_lib.checks import whole_number
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


def spend_by_halving(
    measure: Callable,
    shape: tuple[int, int],
    budget: int,
    rng: np.random.Generator,
    k: int = 10,
) -> Allocation:
    """Spend shots in rounds, each on the half of the documents whose place among the
    best k is least settled: sequential halving (Karnin, Koren & Somekh 2013).

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

    After a round those leave that are farthest from the line between places k and
    k + 1, the clearly good as well as the clearly bad (after Bubeck, Wang & Viswanathan
    2013, who accept and reject one at a time). All shots of a document count, also
    those of earlier rounds. Lesson 12.
    """
    lists, count = shape
    if not 1 <= k < count:
        raise ValueError(
            f"k must lie between 1 and one less than the number of documents, {count}; "
            f"got {k}"
        )
    sizes = [count]  # documents that each round measures
    while sizes[-1] > max(2, k // 4):
        sizes.append(-(-sizes[-1] // 2))  # half, rounded up
    name = (
        f"the shots of each of {count} documents in each of {len(sizes)} rounds, from "
        f"a budget of {budget},"
    )
    whole_number(name, budget // len(sizes) // count)
    sums, shots = np.zeros(shape), np.zeros(shape, dtype=int)
    every = np.arange(lists)[:, None]
    rows = np.tile(np.arange(count), (lists, 1))  # (R, m): still undecided
    for size in sizes:
        if size < count:  # from the second round on
            rows = undecided(sums / shots, rows, size, k, rng)
        each = budget // len(sizes) // size
        sums[every, rows] += each * np.asarray(measure(rows, each), dtype=float)
        shots[every, rows] += each
    estimates = sums / shots
    return Allocation(estimates, shots, shot_order(estimates, rng))


def undecided(estimates, rows, size: int, k: int, rng: np.random.Generator):
    """Of the rows (R, m) that were measured last, the `size` whose estimates (R, K) are
    nearest to the line between places k and k + 1, equals at random: (R, size).
    """
    ranked = -np.sort(-estimates, axis=1)
    line = (ranked[:, [k - 1]] + ranked[:, [k]]) / 2
    distance = np.abs(np.take_along_axis(estimates, rows, axis=1) - line)
    nearest = shot_order(-distance, rng)[:, :size]
    return np.take_along_axis(rows, nearest, axis=1)
