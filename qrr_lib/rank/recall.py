"""What an approximate index misses, and vectors to try it on (lesson 05)."""

import numpy as np


def noisy_copies(
    vectors: np.ndarray, n: int, noise: float = 0.5, seed: int = 0
) -> np.ndarray:
    """Make n unit vectors from few: copies of randomly drawn rows plus Gaussian noise,
    scaled back to length 1.

    The noise is `noise` times a Gaussian vector with the covariance of the rows
    themselves, so that it points where real texts differ (a smoothed bootstrap). These
    are stand-ins for measuring speed, memory and recall; they are not texts.

    Parameters
    ----------
    vectors : (M, D) float32, rows of norm 1
    n, noise, seed : int, float (0 gives plain copies), int

    Returns
    -------
    (n, D) float32, rows of norm 1. Derived in lesson 05.
    """
    generator = np.random.default_rng(seed)
    # (M, D): directionsᵀ·directions = covariance
    directions = (vectors - vectors.mean(axis=0)) / np.sqrt(len(vectors))
    made = np.empty((n, vectors.shape[1]), dtype=np.float32)
    for start in range(0, n, 10_000):  # in blocks: memory stays small
        block = made[start : start + 10_000]
        shape = len(block), len(vectors)
        weights = generator.standard_normal(shape, dtype=np.float32)
        drawn = vectors[generator.integers(len(vectors), size=len(block))]
        block[:] = drawn + noise * weights @ directions
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return made


def neighbour_recall(found, exact) -> float:
    """Share of the exact neighbours that an index found: two lists of id lists (one per
    query) → mean over queries, in [0, 1].
    """
    pairs = zip(found, exact, strict=True)
    return float(np.mean([len({*row} & {*true}) / len(true) for row, true in pairs]))
