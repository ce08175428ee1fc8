"""The default against its rivals over all collections together, for
`tools.bench.compare --overall`.

A collection counts once, whatever its size: its difference is the mean over its queries
and both models. Intervals draw groups of queries within each collection, the same ones
for both models. It says what is so on these collections, not on others.
"""

import numpy as np

from tools.bench.compare_choice import FEEDBACK, FUSED, LATE, OURS, RIVAL

RESAMPLES = 10_000
CHOSE = ("scifact", "wikiqa")  # whose own training queries chose the weights


def overall(collections: dict, seed: int = 0) -> dict:
    """{rival: mean difference of the default, interval of 95 %, of each collection}."""
    rng, found = np.random.default_rng(seed), {}
    for rival in ("cosine", RIVAL, FEEDBACK, FUSED, LATE):
        drawn, own = {}, {}
        for name, parts in by_collection(collections).items():
            differences, groups = differences_of(parts, rival)
            own[name] = round(float(differences.mean()), 4)
            drawn[name] = resampled(differences, groups, rng)
        found[rival] = mean_of(own, drawn) | {"collections": own}
        unseen = [name for name in own if name not in CHOSE]
        found[rival]["where nothing was chosen"] = mean_of(own, drawn, unseen)
    return found


def mean_of(own: dict, drawn: dict, names=None) -> dict:
    """Mean of collections' differences, and its interval."""
    names = list(own) if names is None else names
    draws = np.mean([drawn[name] for name in names], axis=0)
    return {
        "difference": round(float(np.mean([own[name] for name in names])), 4),
        "interval": [round(float(x), 4) for x in np.quantile(draws, [0.025, 0.975])],
    }


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
