"""Measure the five FAISS indexes on 200,000 vectors: recall, latency, memory, build
time (lesson 05).

    # or: make bench-faiss; about 5 minutes on two cores, 2 GB of memory
    python -m tools.bench.indexes
    python -m tools.bench.indexes --n 20000 --out small.json

The vectors are stand-ins: embeddings of the course's passages, drawn with repetition,
plus Gaussian noise with the corpus's own covariance, scaled back to length 1
(`qrr_lib.rank.noisy_copies`). The queries are embeddings of the course's real queries.
Builds use all cores; latency is of one query at a time on one thread, in rounds over
the same queries, after a warm-up. Recall@10 is the share of the exact ten nearest that
are among the ten found; kept@100 the share that are among a hundred found, which is
what a reranker would see.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import torch  # before faiss, so that one OpenMP runtime serves both

import faiss  # isort: skip
from qrr_lib import FaissRetriever, TextEmbedder, load_collection
from qrr_lib.rank.recall import neighbour_recall, noisy_copies

OUT = Path(__file__).resolve().parents[2] / "data" / "results" / "faiss.json"
NPROBE = (1, 2, 4, 8, 16, 32, 64, 128)
EF_SEARCH = (16, 32, 64, 128, 256, 512)
ROUNDS, TIMED = 2, 100  # rounds over the first TIMED queries


def latency(search, queries: np.ndarray) -> dict:
    """Milliseconds of one query at a time on one thread: median and 95th percentile of
    ROUNDS × TIMED calls.
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    for query in queries[:5]:
        search(query[None])
    taken = []
    for _ in range(ROUNDS):
        for query in queries[:TIMED]:
            start = time.perf_counter()
            search(query[None])
            taken.append(1000 * (time.perf_counter() - start))
    faiss.omp_set_num_threads(threads)
    return {
        "p50_ms": round(float(np.percentile(taken, 50)), 3),
        "p95_ms": round(float(np.percentile(taken, 95)), 3),
    }


def flat_by_size(vectors: np.ndarray, queries: np.ndarray) -> list[dict]:
    """Latency of exact search on growing parts of the vectors."""
    rows = []
    for n in [
        n
        for n in (10_000, 20_000, 50_000, 100_000, 200_000, 500_000)
        if n <= len(vectors)
    ]:
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors[:n])
        rows.append(
            {"n": n, **latency(lambda q, index=index: index.search(q, 10), queries)}
        )
    return rows


def measure(
    kind: str,
    vectors: np.ndarray,
    ids: list[str],
    queries: np.ndarray,
    exact: list[list[str]] | None,
) -> tuple[list[dict], list[list[str]]]:
    """Build one index and measure it at every setting: its rows, and the ten nearest it
    found last.
    """
    retriever = FaissRetriever(kind)
    start = time.perf_counter()
    retriever.add(ids, vectors)
    built = round(time.perf_counter() - start, 2)
    about = {"index": kind, "build_s": built, "bytes": retriever.size_in_bytes()}
    if kind.startswith("ivf"):
        about["cells"] = retriever._index.nlist
    name = "ef_search" if kind == "hnsw" else None if kind == "flat" else "nprobe"
    default = getattr(retriever, name) if name else None
    rows = []
    for value in {"ef_search": EF_SEARCH, "nprobe": NPROBE}.get(name, (None,)):
        if name:
            setattr(retriever, name, value)
        ten = retriever.search(queries, 10)[1]
        hundred = retriever.search(queries, 100)[1]
        truth = exact or ten
        rows.append(
            {
                **about,
                "setting": name,
                "value": value,
                "default": default,
                "recall_10": round(neighbour_recall(ten, truth), 4),
                "kept_100": round(neighbour_recall(hundred, truth), 4),
                **latency(lambda q: retriever.search(q, 10), queries),
            }
        )
        print(
            {
                k: rows[-1][k]
                for k in (
                    "index",
                    "value",
                    "recall_10",
                    "kept_100",
                    "p50_ms",
                    "p95_ms",
                    "bytes",
                    "build_s",
                )
            },
            flush=True,
        )
    return rows, ten


def embedding_ms(embedder_name: str, texts: list[str]) -> float:
    """Median milliseconds to embed one question with the model (no cache), on one
    thread like the searches.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    embedder = TextEmbedder(embedder_name, cache=False)
    embedder.encode(texts[:2])
    taken = []
    for text in texts[:20]:
        start = time.perf_counter()
        embedder.encode([text])
        taken.append(1000 * (time.perf_counter() - start))
    torch.set_num_threads(threads)
    return round(float(np.median(taken)), 1)


def main() -> None:
    """Run everything and write one JSON file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--n", type=int, default=200_000, help="how many vectors (at least 10,000)"
    )
    parser.add_argument("--model", default="all-mpnet-base-v2")
    parser.add_argument("--noise", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    start = time.perf_counter()

    collection, embedder = load_collection("course"), TextEmbedder(options.model)
    passages = embedder.encode(collection.texts())
    queries = embedder.encode(list(collection.queries.values()))
    vectors = noisy_copies(passages, options.n, options.noise, seed=0)
    ids = [str(i) for i in range(options.n)]
    results = {
        "about": "five FAISS indexes on stand-in vectors; what is measured is "
        "described in tools/bench/indexes.py",
        "reproduce": f"make bench-faiss (python -m tools.bench.indexes --n {options.n} "
        f"--model {options.model} --noise {options.noise})",
        "date": datetime.date.today().isoformat(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "build_threads": faiss.omp_get_max_threads(),
        "search_threads": 1,
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
        "rounds": ROUNDS,
        "embed_one_question_ms": embedding_ms(
            options.model, list(collection.queries.values())
        ),
        "flat_by_size": flat_by_size(vectors, queries),
        "rows": [],
    }
    exact = None
    for kind in ("flat", "ivf", "ivf_sq8", "ivf_pq", "hnsw"):
        rows, found = measure(kind, vectors, ids, queries, exact)
        exact = exact or found
        results["rows"] += rows
    results["seconds"] = round(time.perf_counter() - start)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(
        json.dumps(results, indent=1) + "\n", encoding="utf-8", newline="\n"
    )
    print(f"{results['seconds']} s, written to {options.out.name}")


if __name__ == "__main__":
    main()
