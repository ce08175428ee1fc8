"""How words are scaled and what every signal weighs: chosen on training queries, for
`tools.bench.compare`.

Rule: of all mixtures, the one whose largest loss against the best mixture of each task
("regret") is least over all tasks and both models, on a grid of twentieths. The library
takes the best way whose scores stay in [0, 1] and mean something for a single document:
standardised signals lose .001 less, and do neither. That limit was set after the
training queries had been scored. SciFact's test queries with the light model had been
looked at for a few mixtures before; none of the figures seen chose anything.
"""

import re

import numpy as np

from qrr_lib.rank.words import ENOUGH
from tools.bench.compare_arms import CHUNKS, SHIPPED
from tools.bench.compare_pool import Pool

DEFAULT = "words in the candidates / (max + 20)"  # what the library computes
RIVAL = "cosine + BM25, weighted"
FUSED = "cosine + BM25, reciprocal ranks"
OURS = f"cosine + words + {SHIPPED}"
LATE = f"cosine + words + {CHUNKS}"
FEEDBACK = "cosine + BM25, weighted, with feedback"

STEP = 0.05
SIMPLEX = [
    (round(c * STEP, 2), round(w * STEP, 2), round(1 - (c + w) * STEP, 2))
    for c in range(21)
    for w in range(21 - c)
]


def standard(pool: Pool, signal: np.ndarray) -> np.ndarray:
    """Less its mean, over its standard deviation, among each query's candidates."""
    kept = np.where(pool.present, signal, np.nan)
    mean = np.nanmean(kept, axis=1, keepdims=True)
    spread = np.nanstd(kept, axis=1, keepdims=True)
    return np.nan_to_num((kept - mean) / np.maximum(spread, 1e-9))


def per_maximum(signal: np.ndarray, more: float = 0.0) -> np.ndarray:
    """Over the query's maximum + `more`."""
    most = signal.max(axis=1, keepdims=True)
    return signal / np.maximum(most + more, 1e-9)


def raw_words(pool: Pool, among: bool) -> np.ndarray:
    """BM25 itself: document frequencies among the candidates or in the collection."""
    if not among:
        return pool.of_run(pool.bm25)
    scaled = pool.candidates.signals["words"]  # x/(max + ENOUGH)
    return scaled * ENOUGH / (1 - scaled.max(axis=1, keepdims=True))


def families(pool: Pool, states: np.ndarray) -> dict[str, tuple]:
    """{way of scaling: (cosine, words, states)}, (Q, K) each."""
    cosine, made = pool.candidates.cosine, {}
    for where, among in (("collection", False), ("candidates", True)):
        words = raw_words(pool, among)
        for more in (0, 5, 10, 20, 40, 80):
            name = f"words in the {where} / (max + {more})"
            made[name] = cosine, per_maximum(words, more), states
        signals = (standard(pool, x) for x in (cosine, words, states))
        made[f"all standardised, words in the {where}"] = tuple(signals)
    return made


def mixed(pool: Pool, states: np.ndarray, scaling: str, chosen: dict) -> np.ndarray:
    """Scores (Q, K) of a mixture: one way of scaling, with its chosen weights."""
    signals = families(pool, states)[scaling]
    return sum(w * x for w, x in zip(chosen["weights"].values(), signals))


def means(
    pool: Pool, states: np.ndarray, only: str = "", allowed=lambda c, w, s: True
) -> dict[str, np.ndarray]:
    """{way of scaling: mean score of every mixture of SIMPLEX, −∞ where it is not
    allowed}, of `only` one way.
    """
    found = {}
    for name, signals in families(pool, states).items():
        if only and name != only:
            continue
        parts = [np.asarray(signal, dtype=np.float32) for signal in signals]
        found[name] = np.array(
            [
                pool.score(sum(w * part for w, part in zip(weights, parts))).mean()
                if allowed(*weights)
                else -np.inf
                for weights in SIMPLEX
            ]
        )
    return found


def least_regret(tasks: dict[str, dict], allowed=lambda c, w, s: True) -> dict:
    """Of {task: means}: {way of scaling: its best mixture}, least regret first; regret
    against the best mixture that is allowed.
    """
    kept = [i for i, weights in enumerate(SIMPLEX) if allowed(*weights)]
    best = {
        task: max(np.max(means[kept]) for means in own.values())
        for task, own in tasks.items()
    }
    table = {}
    for name in next(iter(tasks.values())):
        values = np.array([own[name][kept] for own in tasks.values()])  # (tasks, kept)
        regret = (np.array(list(best.values()))[:, None] - values).max(axis=0)
        at = np.lexsort((-values.mean(axis=0), regret.round(4)))[0]
        table[name] = {
            "weights": dict(zip(("cosine", "words", "states"), SIMPLEX[kept[at]])),
            "worst regret": round(float(regret[at]), 4),
            "values": dict(zip(tasks, values[:, at].round(4).tolist())),
        }
    return dict(sorted(table.items(), key=lambda item: item[1]["worst regret"]))


def choose(default: dict, rivals: dict[str, dict]) -> dict:
    """The default's weights, and every rival's, from what `means_of` and, for each name
    of other ways, `means_of_rivals` give.
    """
    others = {
        name: {
            "alone": least_regret(means, lambda c, w, s: w == 0)[DEFAULT],
            "with words": least_regret(means)[DEFAULT],
        }
        for name, means in rivals.items()
    }
    return {
        "rule": "least worst regret over the tasks",
        "grid": f"weights in steps of {STEP}",
        "default": least_regret(default),
        "no words": least_regret(default, lambda c, w, s: w == 0),
        RIVAL: least_regret(default, lambda c, w, s: s == 0),
        "cosine": {task: cosine_alone(own) for task, own in default.items()},
        "on its own": {key: own_best(default, key) for key in own_keys(default)},
    } | others


def cosine_alone(means: dict) -> float:
    """What cosine alone has on a task."""
    return round(float(means[DEFAULT][SIMPLEX.index((1.0, 0.0, 0.0))]), 4)


def own_keys(default: dict) -> list[str]:
    """ "collection, model" of what has training queries and is tested."""
    public = [task for task in default if re.match("scifact|wikiqa", task)]
    return sorted({re.sub(" (train|dev),", ",", task) for task in public})


def own_best(default: dict, key: str) -> dict:
    """The best weights on one collection's own training and development queries, with
    one model: without states and with the shipped map's.
    """
    name, model = key.split(", ")
    tasks = [task for task in default if re.fullmatch(f"{name} \\w+, {model}", task)]
    means = np.mean([default[task][DEFAULT] for task in tasks], axis=0)
    found = {}
    for way, allowed in {RIVAL: lambda s: s == 0, OURS: lambda s: True}.items():
        kept = [i for i, (_, _, s) in enumerate(SIMPLEX) if allowed(s)]
        best = SIMPLEX[max(kept, key=lambda i: means[i])]
        found[way] = dict(zip(("cosine", "words", "states"), best))
    return found
