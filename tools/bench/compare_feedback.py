"""A cheap rival of `tools.bench.compare`: the query's vector moved towards the first
documents found (Rocchio 1971's feedback, on vectors, nobody asked), mixed with BM25.

How many documents, how much of them, the way of scaling and the weights are chosen
together, by the rule and on the tasks of compare_choice.py.
"""

import copy
import itertools

import numpy as np

from tools.bench import compare_choice as choice
from tools.bench.compare_pool import Pool

SCALINGS = (choice.DEFAULT, "all standardised, words in the candidates")
SETTINGS = {  # name: (documents, how much of their mean, way of scaling)
    f"{documents} documents, {share} of their mean, {scaling}": (
        documents,
        share,
        scaling,
    )
    for documents, share, scaling in itertools.product(
        (3, 5, 10), (0.2, 0.4, 0.8), SCALINGS
    )
}


def with_feedback(pool: Pool, documents: int, share: float) -> Pool:
    """The pool with another cosine: of query + share · mean of the first documents."""
    found, made = pool.candidates, copy.copy(pool)
    signal = np.zeros_like(found.cosine)
    for line, query in enumerate(found.query_ids):
        kept = found.rows[line][pool.present[line]]
        vectors = np.stack([pool.text_vectors[found.doc_ids[row]] for row in kept])
        cosine = found.cosine[line, : len(kept)]
        first = np.argsort(-cosine, kind="stable")[:documents]
        moved = pool.query_vectors[query] + share * vectors[first].mean(axis=0)
        moved /= np.linalg.norm(moved)
        signal[line, : len(kept)] = vectors @ moved
    made.candidates = found.with_signal("cosine", signal)
    return made


def means(pool: Pool) -> dict[str, np.ndarray]:
    """{setting: mean score of every mixture of SIMPLEX without states, else −∞}."""
    made = {}
    for name, (documents, share, scaling) in SETTINGS.items():
        moved = with_feedback(pool, documents, share)
        cosine = moved.candidates.cosine
        made[name] = choice.means(moved, cosine, scaling, without_states)[scaling]
    return made


def without_states(cosine: float, words: float, states: float) -> bool:
    """May this mixture be chosen?"""
    return states == 0


def rival(pool: Pool, chosen: dict) -> tuple[dict, dict]:
    """(run, what is known of it) of the best setting."""
    name, best = next(iter(chosen.items()))
    documents, share, scaling = SETTINGS[name]
    moved = with_feedback(pool, documents, share)
    mixed = choice.mixed(moved, moved.candidates.cosine, scaling, best)
    about = {"weights": best["weights"], "setting": name}
    return moved.candidates.run(mixed), about
