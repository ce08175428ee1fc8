"""What another form of a head costs: time, and order (lesson 04)."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from qrr_lib.checks import whole_number


@torch.no_grad()
def predict_in_batches(
    angles: Callable, vectors, batch_size: int = 512
) -> torch.Tensor:
    """Angles of many embeddings, `batch_size` at a time, without gradients: (N, D) →
    (N, L, n, 2).

    The memory of the head's inner layers grows with the batch, not with N. Raises
    ValueError for a batch size below 1.
    """
    size = whole_number("batch_size", batch_size)
    batches = torch.as_tensor(vectors).split(size)
    return torch.cat([angles(batch) for batch in batches])


def interleaved_times(
    calls: dict[str, Callable[[], object]], rounds: int = 15
) -> dict[str, float]:
    """Median seconds of each call over `rounds` rounds, after one warm-up round that
    does not count.

    Every round runs every call once, so a busy moment of the machine falls on all
    alike; the median ignores the odd outlier.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round_number in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if round_number:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def ranking_error(reference_scores, scores, k: int = 10) -> dict[str, float]:
    """How much of a ranking survives when `scores` replace `reference_scores`.

    Parameters
    ----------
    reference_scores, scores : (K,) or (Q, K) arrays
        Scores of the same K candidates, of one query or of Q queries.
    k : int
        Depth of the overlap, at most K.

    Returns
    -------
    {"kendall_tau", "top10_overlap"} (the number is k), means over
    queries. Kendall's τ (τ-b, Kendall 1945) is 1 for the same order, 0 for none in
    common, -1 for the reverse; the overlap is the share of the first k that both have.
    New scores that are all equal keep no order and count as τ = 0. Raises ValueError
    where shapes differ, k does not fit, a score is not finite, or a reference list is
    constant (it has no order to lose).
    """
    from scipy.stats import kendalltau

    old = np.atleast_2d(np.asarray(reference_scores, dtype=float))
    new = np.atleast_2d(np.asarray(scores, dtype=float))
    if old.shape != new.shape or old.ndim != 2:
        raise ValueError(
            f"both score arrays need one shape, (K,) or (Q, K); got {old.shape} and "
            f"{new.shape}"
        )
    if not 1 <= k <= old.shape[1]:
        raise ValueError(
            f"k must lie between 1 and the number of candidates, {old.shape[1]}; got "
            f"{k}"
        )
    if not (np.isfinite(old).all() and np.isfinite(new).all()):
        raise ValueError(
            "scores hold NaN or infinity: look for an overflow in the low-precision run"
        )
    if (np.ptp(old, axis=1) == 0).any():
        raise ValueError(
            "a reference list gives every candidate the same score, so it has no order "
            "to compare with"
        )
    taus = [kendalltau(a, b).statistic if np.ptp(b) else 0.0 for a, b in zip(old, new)]
    best = [np.argsort(-rows, axis=1, kind="stable")[:, :k] for rows in (old, new)]
    overlaps = [len(set(a) & set(b)) / k for a, b in zip(*best)]
    return {
        "kendall_tau": float(np.mean(taus)),
        f"top{k}_overlap": float(np.mean(overlaps)),
    }
