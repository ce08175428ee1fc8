"""The default against cosine and both cheap mixes over all collections together, for
`tools.bench.compare --overall`.

A collection counts once, whatever its size: its difference is the mean over its queries
and both models. Intervals draw groups of queries within each collection, the same ones
for both models.
"""

from __future__ import annotations

import numpy as np

from tools.bench.compare_choice import FUSED, OURS, RIVAL

RESAMPLES = 10_000


def overall(collections: dict, seed: int = 0) -> dict:
    """{rival: mean difference of the default, interval of 95 %, of each collection}."""
    rng, found = np.random.default_rng(seed), {}
    for rival in ("cosine", RIVAL, FUSED):
        drawn, own = [], {}
        for name, parts in by_collection(collections).items():
            differences, groups = differences_of(parts, rival)
            own[name] = round(float(differences.mean()), 4)
            drawn.append(resampled(differences, groups, rng))
        low, high = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
        found[rival] = {
            "difference": round(float(np.mean(list(own.values()))), 4),
            "interval": [round(float(low), 4), round(float(high), 4)],
            "collections": own,
        }
    return found


def by_collection(collections: dict) -> dict[str, list[dict]]:
    """{collection: values of every query, one entry a model}."""
    found: dict[str, list[dict]] = {}
    for key, entry in collections.items():
        found.setdefault(key.split(", ")[0], []).append(entry["per query"])
    return found


def differences_of(parts: list[dict], rival: str) -> tuple[np.ndarray, np.ndarray]:
    """(difference of every query, mean of the models: (Q,), its group: (Q,))."""
    values = [np.subtract(part[OURS], part[rival]) for part in parts]
    return np.mean(values, axis=0), np.array(parts[0]["group"])


def resampled(values: np.ndarray, groups: np.ndarray, rng) -> np.ndarray:
    """Means of RESAMPLES draws of whole groups: (RESAMPLES,)."""
    sums = np.bincount(groups, weights=values)  # (G,)
    sizes = np.bincount(groups)
    rows = rng.integers(len(sums), size=(RESAMPLES, len(sums)))
    return sums[rows].sum(axis=1) / sizes[rows].sum(axis=1)
