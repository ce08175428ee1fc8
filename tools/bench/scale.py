"""One stage by inner product, and what it costs as it grows (lesson 14).

    # all parts; about 15 minutes on two quiet cores, under 8 GB
    python -m tools.bench.scale
    # some of them; the others stay as they are in the file
    python -m tools.bench.scale --parts exact,milvus
    # ten million compressed vectors; 10 to 15 minutes more
    python -m tools.bench.scale --parts codes --codes 10000000

exact    scifact, every test query: top-10 of one flat index against scoring the whole
         corpus, and what two stages with K = 100
         candidates miss. Wants the collection and its embeddings (QRR_COLLECTIONS_DIR,
         see tools.bench.quality); left out if they are not there.
growth   N vectors made by `noisy_copies` from the course's passages, in blocks of
         100,000 (block i has seed i); queries: the course's own.
         Two indexes of each kind, plain cosine and one qubit, side by side: the same
         queries, in turn, one at a time, one thread. IVF kinds have √N cells, learned
         from the first block, and look into a sixty-fourth of them, at least 8. Recall
         is against the flat index of the same scores. `wide`: flat indexes with more
         features, at the second size. `width`: why rows are padded to a multiple of 8.
geometry recall of approximate indexes if α is left to the query, and if it is stored.
codes    the same as growth for PQ codes alone, whose vectors are never all in memory;
         the exact answer is kept while they pass.
ray      Ray with one and two workers against one process.   rates   texts embedded,
         states encoded a second; merging of shards.
milvus   Milvus Lite against FAISS flat.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import torch  # before faiss, so that one OpenMP runtime serves both

import faiss  # isort: skip
from qrr_lib import (
    Circuit,
    FaissRetriever,
    Scorer,
    TextEmbedder,
    load_collection,
    per_query,
)
from qrr_lib.encode.angles import course_head
from qrr_lib.encode.heads import EquatorialHead
from qrr_lib.files import say
from qrr_lib.rank import faiss_index
from qrr_lib.rank.hybrid_index import HybridIndex
from qrr_lib.rank.one_inner_product import HybridFeatures
from qrr_lib.rank.recall import neighbour_recall, noisy_copies

OUT = Path(__file__).resolve().parents[2] / "data" / "results" / "scale.json"
BLOCK = 100_000
TIE = 1e-6  # scores closer than this may stand in either order


def course_scorer(model: str, kind: str = "one_qubit") -> Scorer:
    """A head trained on the course corpus: one qubit with fidelity, or 64 with local
    fidelity.
    """
    head, _ = course_head(model, kind)
    return Scorer(
        head, similarity="fidelity" if head.circuit.n_qubits == 1 else "local_fidelity"
    )


def label_free(dim: int, circuit: Circuit, similarity: str = "fidelity") -> Scorer:
    """An untrained linear map to angles round the equator."""
    return Scorer(EquatorialHead(dim, circuit, seed=0), similarity=similarity)


def same_top(
    found: list[str], scores: dict[str, float], exact: list[str]
) -> tuple[bool, bool]:
    """(same ids in the same order, same but for ties): each place holds the exact
    document or one whose true score is within TIE of its own.
    """
    same = found == exact
    return same, same or (
        len(set(found)) == len(exact)
        and all(abs(scores[a] - scores[b]) <= TIE for a, b in zip(found, exact))
    )


def exact_part(model: str) -> dict | None:
    """Every scifact test query: one stage against exhaustive scoring, and what two
    stages miss.
    """
    from tools.bench.quality import load_vectors

    try:
        collection = load_collection("scifact")
    except FileNotFoundError as error:
        say(f"left out: {error}")
        return None
    vectors = load_vectors(collection, None, model)
    ids = list(collection.docs)
    test = collection.qrels["test"]
    asked, dim = vectors.of(list(test)), vectors.docs.shape[1]
    scorers = {
        "one qubit, trained on the course corpus": course_scorer(model),
        "one qubit, label-free": label_free(dim, Circuit()),
        "64 qubits, local fidelity": course_scorer(model, "qubits_64"),
        "4 qubits, product": label_free(dim, Circuit(4)),
        "4 qubits, entangled (cz_ring, 2 layers)": label_free(
            dim, Circuit(4, 2, "cz_ring")
        ),
    }
    cosine, rows = asked @ vectors.docs.T, []  # (Q, N)
    first = np.argsort(-cosine, axis=1, kind="stable")[:, :100]
    for name, scorer in scorers.items():
        # (Q, N)
        similarity = scorer.score(scorer.encode(asked), scorer.encode(vectors.docs))
        index = HybridIndex(None, scorer)
        index.add(ids, vectors.docs)
        for alpha in (1.0, 0.9, 0.5, 0.1):
            index.alpha = alpha
            final = alpha * cosine + (1 - alpha) * similarity
            order = np.argsort(-final, axis=1, kind="stable")[:, :10]
            one = [[d.doc_id for d in line] for line in index.search_vectors(asked, 10)]
            checks = [
                same_top(o, dict(zip(ids, f.tolist())), [ids[i] for i in e])
                for o, f, e in zip(one, final, order)
            ]
            two = np.take_along_axis(
                first,
                np.argsort(-np.take_along_axis(final, first, 1), axis=1, kind="stable")[
                    :, :10
                ],
                1,
            )
            missed = [
                len(set(e) - set(t)) for e, t in zip(order.tolist(), two.tolist())
            ]
            ndcg = {
                k: float(
                    np.mean(
                        list(
                            per_query(
                                {
                                    q: {d: -i for i, d in enumerate(r)}
                                    for q, r in zip(test, runs)
                                },
                                test,
                                ["nDCG@10"],
                            )["nDCG@10"].values()
                        )
                    )
                )
                for k, runs in (
                    ("one", one),
                    ("two", [[ids[i] for i in t] for t in two]),
                )
            }
            rows.append(
                {
                    "states": name,
                    "alpha": alpha,
                    "queries": len(one),
                    "same": sum(s for s, _ in checks),
                    "same_but_for_ties": sum(t for _, t in checks),
                    "largest_score_error": None,
                    "two_stage_misses": sum(missed),
                    "two_stage_queries_with_a_miss": sum(m > 0 for m in missed),
                    "ndcg_10_one_stage": round(ndcg["one"], 4),
                    "ndcg_10_two_stage": round(ndcg["two"], 4),
                }
            )
            got = np.array(
                [[d.score for d in line] for line in index.search_vectors(asked, 10)]
            )
            rows[-1]["largest_score_error"] = float(
                np.abs(got - np.take_along_axis(final, order, 1)).max()
            )
            say(str(rows[-1]))
    return {
        "collection": "scifact",
        "model": model,
        "documents": len(ids),
        "dim": dim,
        "k": 10,
        "candidates": 100,
        "tie": TIE,
        "rows": rows,
    }


def side_by_side(searches: dict, queries: dict, timed: int, rounds: int = 2) -> dict:
    """Milliseconds of one query at a time on one thread, the searches taking turns:
    {name: {p10_ms, p50_ms, p95_ms, ratio}}.

    `ratio` is the median, over queries and rounds, of a search's time divided by the
    first search's time for the same query just before or after it: what else the
    machine does at that moment slows both.
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    taken: dict[str, list[float]] = {name: [] for name in searches}
    for i in [*range(3), *list(range(timed)) * rounds]:
        for name in list(searches) if i % 2 else list(searches)[::-1]:
            query = queries[name][i : i + 1]
            start = time.perf_counter()
            searches[name](query)
            taken[name].append(1000 * (time.perf_counter() - start))
    faiss.omp_set_num_threads(threads)
    first = np.array(next(iter(taken.values())))[3:]
    return {
        name: {
            **{
                f"p{p}_ms": round(float(np.percentile(v[3:], p)), 3)
                for p in (10, 50, 95)
            },
            "ratio": round(float(np.median(v[3:] / first)), 3),
        }
        for name, v in taken.items()
    }


class Growing:
    """Stand-in vectors in blocks, written once to a file, and the indexes over them."""

    def __init__(self, model: str, alpha: float, largest: int, folder: str):
        self.alpha = alpha
        embedder = TextEmbedder(model)
        collection = load_collection("course")
        self.passages, self.dim = embedder.encode(collection.texts()), embedder.dim
        self.queries = embedder.encode(list(collection.queries.values()))
        self.features = HybridFeatures(course_scorer(model))
        self.vectors = np.memmap(
            Path(folder) / "vectors.f4",
            dtype="f4",
            mode="w+",
            shape=(largest, self.dim),
        )
        for start in range(0, largest, BLOCK):
            self.vectors[start : start + BLOCK] = self.block(
                start // BLOCK, min(BLOCK, largest - start)
            )

    def block(self, number: int, n: int = BLOCK) -> np.ndarray:
        """Block `number` of the stand-ins, (n, D)."""
        return noisy_copies(self.passages, n, noise=0.5, seed=number)

    def build(
        self, kind: str, n: int, make, cells: int | None = None
    ) -> tuple[FaissRetriever, float]:
        """Fill an index with make(vectors) block by block: (retriever, seconds, the
        making left out).
        """
        retriever, seconds = FaissRetriever(kind, cells=cells), 0.0
        for start in range(0, n, BLOCK):
            rows = make(np.asarray(self.vectors[start : min(start + BLOCK, n)]))
            began = time.perf_counter()
            retriever.add([str(i) for i in range(start, start + len(rows))], rows)
            seconds += time.perf_counter() - began
        return retriever, round(seconds, 4)

    def measure(self, n: int, kinds: list[str]) -> Iterator[list[dict]]:
        """All kinds at one size: two rows each."""
        exact: dict = {}
        arms = {"cosine": np.asarray, "one_qubit": self.features.documents}
        asked = {
            "cosine": self.queries,
            "one_qubit": self.features.queries(self.queries, self.alpha),
        }
        for kind in kinds:
            cells = round(n**0.5) if kind.startswith("ivf") else None
            built = {
                name: self.build(kind, n, make, cells) for name, make in arms.items()
            }
            found = {
                name: retriever.search(asked[name], 10)[1]
                for name, (retriever, _) in built.items()
            }
            exact = exact or found
            slow = kind == "flat" and n >= 500_000
            times = side_by_side(
                {
                    name: lambda q, r=r: r.search(q, 10)
                    for name, (r, _) in built.items()
                },
                asked,
                25 if slow else 100,
            )
            rows = []
            for name, (retriever, seconds) in built.items():
                rows.append(
                    {
                        "n": n,
                        "index": kind,
                        "scores": name,
                        "width": asked[name].shape[1],
                        "build_s": seconds,
                        "bytes_per_document": round(retriever.size_in_bytes() / n, 1),
                        "cells": cells,
                        "nprobe": retriever.nprobe if cells else None,
                        "recall_10": round(
                            neighbour_recall(found[name], exact[name]), 4
                        ),
                        **times[name],
                    }
                )
                say(str(rows[-1]))
            del built, retriever
            yield rows

    def approximate_geometry(self, n: int) -> list[dict]:
        """Recall of approximate indexes when α is left to the query, and when it is
        stored: {kind, α, recall_open, recall_fixed}.
        """
        rows = []
        for alpha in (0.9, 0.5):
            for kind in ("ivf", "hnsw"):
                row = {"n": n, "index": kind, "alpha": alpha}
                for name, fixed in (("recall_open", None), ("recall_fixed", alpha)):
                    features = HybridFeatures(self.features.scorer, fixed)
                    asked = features.queries(self.queries, alpha)
                    flat, other = (
                        self.build(
                            k,
                            n,
                            features.documents,
                            round(n**0.5) if k.startswith("ivf") else None,
                        )[0]
                        for k in ("flat", kind)
                    )
                    row[name] = round(
                        neighbour_recall(
                            other.search(asked, 10)[1], flat.search(asked, 10)[1]
                        ),
                        4,
                    )
                rows.append(row)
                say(str(row))
        return rows

    def wide(self, n: int, model: str) -> list[dict]:
        """Flat search with wider features, all side by side with plain cosine."""
        scorers = {
            "one qubit": self.features.scorer,
            "16 qubits, local fidelity": label_free(
                self.dim, Circuit(16), "local_fidelity"
            ),
            "64 qubits, local fidelity": course_scorer(model, "qubits_64"),
            "4 qubits, fidelity": label_free(self.dim, Circuit(4)),
        }
        features = {name: HybridFeatures(scorer) for name, scorer in scorers.items()}
        built = {"cosine": self.build("flat", n, np.asarray)[0]} | {
            name: self.build("flat", n, f.documents)[0] for name, f in features.items()
        }
        asked = {"cosine": self.queries} | {
            name: f.queries(self.queries, self.alpha) for name, f in features.items()
        }
        times = side_by_side(
            {name: lambda q, r=r: r.search(q, 10) for name, r in built.items()},
            asked,
            50,
        )
        return [
            {
                "n": n,
                "states": name,
                "features": features[name].width if name in features else 0,
                "width": asked[name].shape[1],
                **row,
            }
            for name, row in times.items()
        ]

    def width(self, n: int = 50_000) -> list[dict]:
        """Flat and SQ8 search over rows of almost the same width: FAISS reads 8 numbers
        at a time.
        """
        base = np.concatenate(
            [np.asarray(self.vectors[:n]), np.zeros((n, 16), "f4")], axis=1
        )
        wide = np.concatenate(
            [self.queries, np.zeros((len(self.queries), 16), "f4")], axis=1
        )
        rows = []
        for storage in ("Flat", "SQ8"):
            built, asked = {}, {}
            for width in (self.dim, self.dim + 3, self.dim + 4, self.dim + 8):
                index = faiss.index_factory(width, storage, faiss.METRIC_INNER_PRODUCT)
                vectors = np.ascontiguousarray(base[:, :width])
                index.train(vectors)
                index.add(vectors)
                built[width] = index
                asked[width] = np.ascontiguousarray(wide[:, :width])
            times = side_by_side(
                {w: lambda q, i=i: i.search(q, 10) for w, i in built.items()}, asked, 25
            )
            rows += [{"storage": storage, "width": w, **t} for w, t in times.items()]
        return rows

    def codes(self, n: int, cells: int) -> dict:
        """One-qubit PQ codes of n vectors that are made, encoded, compared with the
        queries and forgotten, block by block.
        """
        seconds = 0.0
        asked, best, where = self.features.queries(self.queries, self.alpha), None, None
        for number in range(n // BLOCK):
            rows = self.features.documents(self.block(number))
            began = time.perf_counter()
            if number == 0:
                index = faiss_index.build("ivf_pq", rows, cells, None, 32, 0)
            index.add(rows)  # ids are the row numbers: no list of names
            seconds += time.perf_counter() - began
            scores = np.concatenate(
                [asked @ rows.T] + ([best] if number else []), axis=1
            )
            here = np.broadcast_to(
                np.arange(len(rows)) + number * BLOCK, scores[:, : len(rows)].shape
            )
            names = np.concatenate([here] + ([where] if number else []), axis=1)
            top = np.argpartition(-scores, 9, axis=1)[:, :10]
            best = np.take_along_axis(scores, top, 1)
            where = np.take_along_axis(names, top, 1)
        found = index.search(asked, 10)[1].tolist()
        hundred = index.search(asked, 100)[1].tolist()
        times = side_by_side(
            {"codes": lambda q: index.search(q, 10)}, {"codes": asked}, 100
        )["codes"]
        return {
            "n": n,
            "index": "ivf_pq",
            "scores": "one_qubit",
            "width": asked.shape[1],
            "cells": cells,
            "nprobe": index.nprobe,
            "build_s": round(seconds, 1),
            "bytes_per_document": index.pq.code_size + 8,
            "recall_10": round(neighbour_recall(found, where.tolist()), 4),
            "kept_100": round(neighbour_recall(hundred, where.tolist()), 4),
            **times,
        }


def exponents(rows: list[dict]) -> list[dict]:
    """Slope of log latency, and of log build time, against log N, for every index and
    scores that have at least two sizes.

    Latency here is the 10th percentile, which what else the machine does disturbs
    least.
    """
    found = []
    for kind, scores in dict.fromkeys((r["index"], r["scores"]) for r in rows):
        part = [r for r in rows if (r["index"], r["scores"]) == (kind, scores)]
        if len(part) > 1:
            size = np.log([r["n"] for r in part])
            latency, build = (
                round(float(np.polyfit(size, np.log([r[f] for r in part]), 1)[0]), 2)
                for f in ("p10_ms", "build_s")
            )
            found.append(
                {
                    "index": kind,
                    "scores": scores,
                    "sizes": len(part),
                    "latency": latency,
                    "build": build,
                }
            )
    return found


def milvus_part(model: str, alpha: float) -> dict:
    """Milvus Lite on the course corpus: ids against FAISS flat, rows written a second,
    latency.
    """
    from qrr_lib.engine.milvus import MilvusIndex

    collection, embedder = load_collection("course"), TextEmbedder(model)
    scorer = course_scorer(model)
    queries = embedder.encode(list(collection.queries.values()))
    with tempfile.TemporaryDirectory() as folder:
        flat = HybridIndex(embedder, scorer, alpha=alpha).index(collection)
        milvus = MilvusIndex(
            embedder, scorer, uri=str(Path(folder) / "qrr.db"), alpha=alpha
        )
        ids, vectors = list(collection.docs), embedder.encode(collection.texts())
        start = time.perf_counter()
        milvus.add(ids, vectors)
        written = time.perf_counter() - start
        answers = {
            "flat": flat.search_vectors(queries, 10),
            "milvus": milvus.search_vectors(queries, 10),
        }
        same = [
            [d.doc_id for d in a] == [d.doc_id for d in b]
            for a, b in zip(*answers.values())
        ]
        ties = [
            bool(
                np.abs(np.subtract([d.score for d in a], [d.score for d in b])).max()
                <= TIE
            )
            for a, b in zip(*answers.values())
        ]
        times = side_by_side(
            {
                "flat": lambda q: flat.search_vectors(q, 10),
                "milvus": lambda q: milvus.search_vectors(q, 10),
            },
            {"flat": queries, "milvus": queries},
            25,
            1,
        )
        milvus.client.close()
    return {
        "documents": len(ids),
        "queries": len(same),
        "same_ids": sum(same),
        "same_scores": sum(ties),
        "rows_written_per_s": round(len(ids) / written),
        **{f"{k}_{p}": v for k, t in times.items() for p, v in t.items()},
        "versions": {p: metadata.version(p) for p in ("pymilvus", "milvus-lite")},
    }


def ray_part(texts: int = 240) -> dict:
    """MiniLM over part of the course corpus: one process, then Ray with one and two
    workers; how far the results are apart.
    """
    import ray
    from pyarrow import parquet

    from qrr_lib.engine.bulk import embed_files

    def read(folder):
        table = parquet.read_table(sorted(Path(folder).glob("*.parquet")))
        return (
            table["id"].to_pylist(),
            np.array(table["vector"].to_pylist()),
            np.array(table["state"].to_pylist()),
        )

    model = "all-MiniLM-L6-v2"
    docs = list(load_collection("course").docs.items())[:texts]
    make = functools.partial(TextEmbedder, model, cache=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "docs.jsonl"
        path.write_text(
            "".join(
                json.dumps({"_id": k, "title": d.title, "text": d.text}) + "\n"
                for k, d in docs
            ),
            encoding="utf-8",
        )
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # a Ray worker with one CPU has one thread
        alone = embed_files(
            [str(path)],
            Path(folder) / "alone",
            make,
            course_scorer(model),
            "local",
            rows=30,
        )
        torch.set_num_threads(threads)
        start = time.perf_counter()
        for attempt in range(3):
            try:
                ray.init(
                    num_cpus=2,
                    include_dashboard=False,
                    logging_level="ERROR",
                    log_to_driver=False,
                )
                break
            except Exception:  # 30 s were not enough: a busy machine
                if attempt == 2:
                    raise
        rows = [
            {"how": "one process", "workers": 1, "seconds": round(alone["seconds"], 1)}
        ]
        started, far = time.perf_counter() - start, []
        for workers in (1, 2):
            out = Path(folder) / f"ray{workers}"
            done = embed_files(
                [str(path)],
                out,
                make,
                course_scorer(model),
                "ray",
                rows=30,
                workers=workers,
            )
            rows.append(
                {
                    "how": "Ray Data",
                    "workers": workers,
                    "seconds": round(done["seconds"], 1),
                }
            )
            (a, v, s), (b, w, t) = read(Path(folder) / "alone"), read(out)
            far.append(
                max(float(np.abs(v - w).max()), float(np.abs(s - t).max()))
                if a == b
                else None
            )
        ray.shutdown()
    return {
        "model": model,
        "texts": texts,
        "blocks_of": 30,
        "ray_start_s": round(started, 1),
        "rows": rows,
        "largest_difference": max(far),
        "versions": {"ray": ray.__version__},
    }


def rates_part(model: str) -> dict:
    """What a billion documents are made of: texts embedded a second on one thread,
    states encoded a second, and merging the answers of shards.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    texts, rates = load_collection("course").texts()[:32], {}
    for name in (model, "all-MiniLM-L6-v2"):
        embedder = TextEmbedder(name, cache=False)
        embedder.encode(texts[:2])
        start = time.perf_counter()
        embedder.encode(texts, progress=False)
        rates[name] = round(len(texts) / (time.perf_counter() - start), 1)
    features = HybridFeatures(course_scorer(model))
    vectors = noisy_copies(TextEmbedder(model).encode(texts), 20_000)
    start = time.perf_counter()
    features.documents(vectors)
    encoded = round(len(vectors) / (time.perf_counter() - start))
    torch.set_num_threads(threads)
    whole, shards = FaissRetriever(), [FaissRetriever() for _ in range(8)]
    whole.add([str(i) for i in range(20_000)], vectors)
    for i, shard in enumerate(shards):
        shard.add([str(j) for j in range(i, 20_000, 8)], vectors[i::8])
    answers = [shard.search(vectors[:50], 10) for shard in shards]
    start, merged = time.perf_counter(), []
    for q in range(50):
        lines = [
            (s, key)
            for scores, ids in answers
            for s, key in zip(scores[q].tolist(), ids[q])
        ]
        merged.append([key for _, key in sorted(lines, reverse=True)[:10]])
    took = (time.perf_counter() - start) / 50
    exact = whole.search(vectors[:50], 10)[1]
    return {
        "texts_per_s_one_thread": rates,
        "mean_words": round(float(np.mean([len(t.split()) for t in texts])), 1),
        "states_per_s_one_thread": encoded,
        "shards": 8,
        "merge_ms": round(1000 * took, 4),
        "merged_equals_whole": sum(set(a) == set(b) for a, b in zip(merged, exact)),
        "merged_queries": 50,
    }


def main() -> None:
    """Run the parts asked for and update one JSON file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default="ray,rates,milvus,exact,growth,geometry")
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument(
        "--kinds", default="flat,ivf,ivf_sq8,ivf_pq", help="at every size"
    )
    parser.add_argument(
        "--hnsw-up-to",
        type=int,
        default=100_000,
        help="largest size of HNSW, which takes minutes to build there",
    )
    parser.add_argument(
        "--codes", type=int, default=10_000_000, help="vectors of the part `codes`"
    )
    parser.add_argument(
        "--cells", type=int, default=1024, help="cells of the part `codes`"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep the stored rows of smaller sizes than these",
    )
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--model", default="all-mpnet-base-v2")
    parser.add_argument(
        "--folder",
        help="where to put the stand-in vectors (3 GB at 1,000,000); default: the "
        "system's temporary folder",
    )
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    parts, start = options.parts.split(","), time.perf_counter()
    about = {
        "date": datetime.date.today().isoformat(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "build_threads": faiss.omp_get_max_threads(),
        "search_threads": 1,
        "faiss": faiss.get_compile_options().strip(),
        "load_before": round(os.getloadavg()[0], 1)
        if hasattr(os, "getloadavg")
        else None,
        "versions": {
            "python": platform.python_version(),
            **{p: metadata.version(p) for p in ("faiss-cpu", "numpy", "torch")},
        },
    }
    head = {
        "about": "hybrid scores as one inner product; what is measured is described in "
        "tools/bench/scale.py",
        "reproduce": "make bench-scale (python -m tools.bench.scale)",
    }

    def store(name: str, part: dict | None) -> None:
        if part is not None:
            results = (
                json.loads(options.out.read_text(encoding="utf-8"))
                if options.out.is_file()
                else head
            )
            results[name] = {
                **part,
                "run": {**about, "seconds_so_far": round(time.perf_counter() - start)},
            }
            options.out.write_text(
                json.dumps(results, indent=1) + "\n", encoding="utf-8", newline="\n"
            )

    # first: Ray starts processes, and Milvus threads that dislike it
    if "ray" in parts:
        store("ray", ray_part())
    if "rates" in parts:
        store("rates", rates_part(options.model))
    if "milvus" in parts:
        store("milvus", milvus_part(options.model, options.alpha))
    if "exact" in parts:
        store("exact", exact_part(options.model))
    if {"growth", "geometry", "codes"} & set(parts):
        folder = tempfile.mkdtemp(dir=options.folder)
        try:
            sizes = (
                [int(n) for n in options.sizes.split(",")]
                if "growth" in parts
                else [BLOCK]
            )
            growing = Growing(options.model, options.alpha, max(sizes), folder)
            recipe = {
                "model": options.model,
                "dim": growing.dim,
                "passages": len(growing.passages),
                "noise": 0.5,
                "block": BLOCK,
                "alpha": options.alpha,
                "queries": len(growing.queries),
                "timed_queries": "100 (25 for flat from 500,000 up), 2 rounds",
            }
            if "growth" in parts:
                old = (
                    json.loads(options.out.read_text(encoding="utf-8"))["growth"][
                        "rows"
                    ]
                    if options.keep
                    else []
                )
                kept = [r for r in old if r["n"] < min(sizes)]
                for n in sizes:
                    for pair in growing.measure(
                        n,
                        options.kinds.split(",") + ["hnsw"] * (n <= options.hnsw_up_to),
                    ):
                        kept += pair
                        store(
                            "growth",
                            {
                                "recipe": recipe,
                                "rows": kept,
                                "exponents": exponents(kept),
                            },
                        )
                second = min(100_000, max(sizes))
                store(
                    "wide",
                    {"recipe": recipe, "rows": growing.wide(second, options.model)},
                )
                store(
                    "width",
                    {"recipe": recipe, "rows": growing.width(min(50_000, second))},
                )
            if "geometry" in parts:
                store(
                    "geometry",
                    {
                        "recipe": recipe,
                        "rows": growing.approximate_geometry(min(20_000, max(sizes))),
                    },
                )
            if "codes" in parts:
                store(
                    "codes",
                    {"recipe": recipe, **growing.codes(options.codes, options.cells)},
                )
        finally:
            shutil.rmtree(folder)
    print(f"{time.perf_counter() - start:.0f} s, written to {options.out.name}")


if __name__ == "__main__":
    main()
