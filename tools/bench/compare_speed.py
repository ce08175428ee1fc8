"""Milliseconds a query on SciFact, every way in turn in one run, for
`tools.bench.compare --speed`: processor time of one thread, which other work on the
machine hardly changes.
"""

import time
from pathlib import Path

import numpy as np

from qrr_lib import BM25, FaissRetriever, TextEmbedder
from qrr_lib.rank import max_sim
from tools.bench.compare_arms import token_arms
from tools.bench.compare_pool import Pool

QUERIES, ROUNDS = 8, 5


def measure(tokens: Path, model: str = "all-MiniLM-L6-v2") -> dict:
    """{way: median milliseconds} on one thread; what it was measured on beside it."""
    import faiss  # after torch

    faiss.omp_set_num_threads(1)
    task = Pool("scifact", model, tokens / f"scifact_{model}", queries=QUERIES)
    ways, side = ways_of(task, TextEmbedder(model)), task.docs
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for q, query in enumerate(task.qrels):
            for name, way in ways.items():
                begun = time.process_time()
                way(q, query)
                if number:  # the first round warms
                    times[name].append(1000 * (time.process_time() - begun))
    rows = (task.candidates.rows >= 0).sum(axis=1)
    return {
        "collection": "scifact, test",
        "model": model,
        "clock": "processor time, one thread",
        "queries": len(task.qrels),
        "candidates": round(float(rows.mean())),
        "tokens a document": round(float(np.diff(side.offsets).mean())),
        "ms a query": {n: round(float(np.median(t)), 2) for n, t in times.items()},
    }


def ways_of(task: Pool, embedder) -> dict:
    """{way: what does it for query number q}."""
    ids, texts = list(task.c.docs), task.c.texts()
    words, flat = BM25(), FaissRetriever()
    words.add(ids, texts=texts)
    flat.add(ids, np.stack([task.docs.vectors[d] for d in ids]))
    asked = [task.c.queries[q] for q in task.qrels]
    vectors = np.stack([task.asked.vectors[q] for q in task.qrels])
    rows = task.candidates.rows
    made = {
        "embedding the query": lambda q, _: embedder.encode_with_tokens([asked[q]]),
        "cosine, first stage": lambda q, _: flat.search(vectors[[q]], 100),
        "BM25, first stage": lambda q, _: words.search([asked[q]], 100),
        "words of the candidates": lambda q, _: words.scores([asked[q]], rows[[q]]),
    }
    part = Part(task)
    for name, arm in token_arms(task.model, vectors.shape[1]).items():
        made[name] = late(task, part, arm)
    return made


class Part:
    """Token vectors of the candidates' documents alone."""

    def __init__(self, task: Pool):
        names = sorted({d for found in task.cosine.values() for d in found})
        side, self.row = task.docs, {d: i for i, d in enumerate(names)}
        spans = [side.offsets[side.row[d] :][:2] for d in names]
        self.tokens = np.concatenate([side.tokens[a:b] for a, b in spans])
        self.offsets = np.cumsum([0, *(b - a for a, b in spans)])


def late(task: Pool, part: Part, arm):
    """MaxSim of all candidates of query number q, by one way to store tokens."""
    arm.fit(task.docs.sample())
    if hasattr(arm, "side"):
        stored, offsets = arm.side(part)
    else:
        stored, offsets = arm.docs(part.tokens.astype(np.float32)), part.offsets

    def work(q: int, query: str):
        rows = [part.row[d] for d in task.cosine[query]]
        parts = [stored[offsets[r] : offsets[r + 1]] for r in rows]
        a, b = task.asked.offsets[task.asked.row[query] :][:2]
        vectors = arm.queries(task.asked.tokens[a:b].astype(np.float32))
        similar = arm.similar(vectors, np.concatenate(parts))
        return max_sim(similar, np.cumsum([0, *map(len, parts)]))

    return work
