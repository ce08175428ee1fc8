"""Measure the five FAISS indexes on 200,000 vectors: recall, time, memory, building
(lesson 05).

    # or: make bench-faiss; about 10 minutes on two cores, 4 GB of memory
    python -m tools.bench.indexes
    python -m tools.bench.indexes --n 20000 --out small.json

The vectors are stand-ins: embeddings of the course's passages, drawn with repetition,
plus Gaussian noise with the corpus's own covariance, scaled back to length 1
(`qrr_lib.rank.noisy_copies`). The queries are embeddings of the course's real queries.
All times are processor time on one thread, medians over the first TIMED queries. For
each query everything is timed in turn (the embedding of its text, exact search in
growing collections, every index at every setting), so that a busy moment of the machine
falls on all alike and everything starts with cold caches, as in a service. Recall@10 is
the share of the exact ten nearest that are among the ten
found; kept@100 the share that are among a hundred found, which is what a reranker
would see.
"""

import argparse
import datetime
import json
import os
import platform
import time
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import torch  # before faiss, so that one OpenMP runtime serves both

import faiss  # isort: skip
from qrr_lib import FaissRetriever, TextEmbedder, load_collection
from qrr_lib.rank.faiss_index import INDEXES
from qrr_lib.rank.recall import neighbour_recall, noisy_copies

OUT = Path(__file__).resolve().parents[2] / "data" / "results" / "faiss.json"
NPROBE = (1, 2, 4, 8, 16, 32, 64, 128)
EF_SEARCH = (16, 32, 64, 128, 256, 512)
SIZES = (10_000, 20_000, 50_000, 100_000, 200_000, 500_000)  # of exact search
TIMED = 100  # queries


def exact_searches(passages: np.ndarray, noise: float) -> dict[int, FaissRetriever]:
    """Exact retrievers of growing collections."""
    made = {}
    for n in SIZES:
        made[n] = FaissRetriever("flat")
        vectors = noisy_copies(passages, n, noise, seed=0)
        made[n].add([str(i) for i in range(n)], vectors)
    return made


def settings(kind: str) -> tuple[str | None, tuple]:
    """(name of the knob of an index, its values)."""
    if kind == "flat":
        return None, (None,)
    return ("ef_search", EF_SEARCH) if kind == "hnsw" else ("nprobe", NPROBE)


def turn(retriever: FaissRetriever, name: str | None, value: int | None) -> None:
    """Set the knob, if there is one."""
    if name:
        setattr(retriever, name, value)


def built(kind: str, vectors: np.ndarray) -> tuple[FaissRetriever, dict]:
    """An index, and what building it took."""
    retriever, start = FaissRetriever(kind), time.process_time()
    retriever.add([str(i) for i in range(len(vectors))], vectors)
    took = round(time.process_time() - start, 1)
    about = {"index": kind, "build_cpu_s": took, "bytes": retriever.size_in_bytes()}
    if kind.startswith("ivf"):
        about["cells"] = retriever._index.nlist
    print(about, flush=True)
    return retriever, about


def recalls(retriever: FaissRetriever, queries: np.ndarray, exact: list) -> dict:
    """What a retriever finds of the exact ten."""
    ten, hundred = (retriever.search(queries, k)[1] for k in (10, 100))
    return {
        "recall_10": round(neighbour_recall(ten, exact), 4),
        "kept_100": round(neighbour_recall(hundred, exact), 4),
    }


def search(retriever: FaissRetriever, both: tuple) -> None:
    """One search for ten, given (text, vector) of a query."""
    retriever.search(both[1][None], 10)


def timed(calls: list, arguments: list) -> list[float]:
    """Median processor milliseconds of each of the calls (prepare, call), which take
    an argument in turn.
    """
    taken = [[] for _ in calls]
    for argument in arguments:
        for (prepare, call), times in zip(calls, taken):
            prepare()
            start = time.thread_time()
            call(argument)
            times.append(1000 * (time.thread_time() - start))
    return [round(float(np.median(times)), 3) for times in taken]


def measured(
    model: str, texts: list[str], queries: np.ndarray, exact: dict, vectors: np.ndarray
) -> dict:
    """Times of embedding, of exact search by size, and the rows of the indexes."""
    truth = exact[len(vectors)].search(queries, 10)[1]
    embedder = TextEmbedder(model, cache=False)
    embedder.encode(texts[:2])
    rows, calls = [], [(int, lambda both: embedder.encode([both[0]]))]
    calls += [(int, partial(search, retriever)) for retriever in exact.values()]
    for kind in INDEXES:
        retriever, about = built(kind, vectors)
        name, values = settings(kind)
        default = getattr(retriever, name) if name else None
        for value in values:
            turn(retriever, name, value)
            found = {"setting": name, "value": value, "default": default}
            rows.append(about | found | recalls(retriever, queries, truth))
            if name:
                prepare = partial(turn, retriever, name, value)
                calls.append((prepare, partial(search, retriever)))
    embedding, *times = timed(calls, list(zip(texts, queries))[:TIMED])
    by_size, times = dict(zip(exact, times)), times[len(exact) :]
    times = [by_size[len(vectors)], *times]  # exact search is no second measurement
    return {
        "embed_one_question_ms": embedding,
        "flat_by_size": [{"n": n, "cpu_ms": ms} for n, ms in by_size.items()],
        "rows": [row | {"cpu_ms": ms} for row, ms in zip(rows, times, strict=True)],
    }


def main() -> None:
    """Run everything and write one JSON file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=200_000, choices=SIZES)
    parser.add_argument("--model", default="all-mpnet-base-v2")
    parser.add_argument("--noise", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    start = time.perf_counter()

    collection, embedder = load_collection("course"), TextEmbedder(options.model)
    passages = embedder.encode(collection.texts())
    texts = list(collection.queries.values())
    queries = embedder.encode(texts)
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    exact = exact_searches(passages, options.noise)
    vectors = noisy_copies(passages, options.n, options.noise, seed=0)
    results = {
        "about": "five FAISS indexes on stand-in vectors; what is measured is "
        "described in tools/bench/indexes.py",
        "reproduce": f"make bench-faiss (python -m tools.bench.indexes --n {options.n} "
        f"--model {options.model} --noise {options.noise})",
        "date": datetime.date.today().isoformat(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": 1,
        "times": "processor time",
        "versions": {
            "python": platform.python_version(),
            **{p: metadata.version(p) for p in ("faiss-cpu", "numpy", "torch")},
        },
        "recipe": {
            "passages": len(passages),
            "vectors": options.n,
            "dim": embedder.dim,
            "model": options.model,
            "noise": options.noise,
            "seed": 0,
            "text": "passage embeddings drawn with repetition + noise × Gaussian with "
            "the corpus's covariance, scaled to length 1; "
            "queries: the course's own, unchanged",
        },
        "queries": len(queries),
        "timed_queries": min(TIMED, len(queries)),
    }
    results |= measured(options.model, texts, queries, exact, vectors)
    results["seconds"] = round(time.perf_counter() - start)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(
        json.dumps(results, indent=1) + "\n", encoding="utf-8", newline="\n"
    )
    print(f"{results['seconds']} s, written to {options.out.name}")


if __name__ == "__main__":
    main()
