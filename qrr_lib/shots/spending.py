"""Where to spend shots: evenly, or in rounds on fewer and fewer documents
(lesson 12).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from qrr_lib.shots.estimates import check_generator, check_shots


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
    truth, count = np.argsort(-reference, axis=1, kind="stable"), order.shape[1]
    places = np.argsort(order, axis=1)  # (R, K): place of every candidate
    at = np.take_along_axis(places, truth, axis=1)  # new places, in the true order
    upper = np.triu(np.ones((count, count), dtype=bool), 1)
    swapped = ((at[:, :, None] > at[:, None, :]) & upper).sum(axis=(1, 2))
    return {
        "kendall_tau": 1 - 4 * swapped / (count * (count - 1)),
        "overlap": (at[:, :k] < k).mean(axis=1),
    }


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
    each = check_shots(
        budget // shape[1],
        f"a budget of {budget} shots is less than one for each of {shape[1]} documents",
    )
    rows = np.tile(np.arange(shape[1]), (shape[0], 1))
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
    if rule not in ("boundary", "worst"):
        raise ValueError(f"unknown rule {rule!r}; choose 'boundary' or 'worst'")
    lists, count = shape
    if not 1 <= k < count:
        raise ValueError(
            f"k must lie between 1 and one less than the number of documents, {count}; "
            f"got {k}"
        )
    sizes = [count]
    while sizes[-1] > (max(2, k // 4) if rule == "boundary" else 2 * k):
        sizes.append(-(-sizes[-1] // 2))
    check_shots(
        budget // len(sizes) // count,
        f"a budget of {budget} shots gives no shot to each of {count} documents in "
        f"each of {len(sizes)} rounds",
    )
    hits = np.zeros(shape)
    shots = np.zeros(shape, dtype=int)
    stage = np.zeros(shape, dtype=int)
    rows = np.tile(np.arange(count), (lists, 1))  # (R, m): still undecided
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
            rows = np.take_along_axis(rows, keep[:, : sizes[round_number + 1]], axis=1)
    # estimates differ by at most 2, so a whole stage outweighs any of them
    return Allocation(
        estimates,
        shots,
        shot_order(estimates + (3 * stage if rule == "worst" else 0), rng),
    )
