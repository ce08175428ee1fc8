"""Time, disk and memory of token states on scifact, measured side by side in one run
(`tools.bench.tokens --speed-only`).
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from qrr_lib import FaissRetriever, TextEmbedder, load_collection
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.files import say
from qrr_lib.rank.maxsim import max_sim
from qrr_lib.rank.scorer import Scorer
from qrr_lib.rank.states import States
from qrr_lib.rank.token_index import open_index
from qrr_lib.rank.token_store import StoreWriter
from tools.bench.quality import load_vectors
from tools.bench.tokens_arms import Projected, Side

# queries that the cross-encoder scores, too; the others score each of them five times
ROUNDS = 5

OURS, CROSS = "qubits 64, 4 bits, MaxSim on codes", "cross-encoder, 6 layers of 384"


def cross_encoder():
    """The architecture of cross-encoder/ms-marco-MiniLM-L-6-v2 with random weights:
    weights do not change how long it takes.
    """
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=30522,
            hidden_size=384,
            num_hidden_layers=6,
            num_attention_heads=12,
            intermediate_size=1536,
            num_labels=1,
        )
    ).eval()


def store_from(side: Side, vectors: np.ndarray, folder: Path, embedder) -> None:
    """Write the index that a `Reranker` of a `QubitMap(64, bits=4)` would write,
    from token vectors that are there already.
    """
    scorer = Scorer(QubitMap(64, bits=4).fit(side.sample()), per="token")
    writer = StoreWriter(folder)
    for start in range(0, len(side.keys), 128):
        rows = range(start, min(start + 128, len(side.keys)))
        spans = [slice(side.offsets[r], side.offsets[r + 1]) for r in rows]
        states = States.of(
            [scorer.encode(side.tokens[s]) for s in spans],
            [side.token_ids[s] for s in spans],
        )
        writer.add(
            [side.keys[r] for r in rows], vectors[rows.start : rows.stop], states
        )
    scorer.angles.save(writer.extra("map"))
    writer.commit(scorer.codec.belongs_to(embedder))


def timed(work) -> float:
    """Milliseconds of one call."""
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


@torch.no_grad()
def measure(tokens: Path, model: str = "all-MiniLM-L6-v2") -> dict:
    """Milliseconds a query for 100 candidates of scifact, each way on the same pairs,
    in turn; median over queries; ratios to ours.
    """
    collection, embedder = load_collection("scifact"), TextEmbedder(model)
    side = Side(tokens / f"scifact_{model}", "docs")
    vectors = (
        np.stack([side.vectors[d] for d in side.keys])
        if side.vectors
        else load_vectors(collection, None, model).docs
    )
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder) / "index"
        store_from(side, vectors, folder, embedder)
        disk = {
            "files_mb": {
                p.name.split("-")[0]: round(p.stat().st_size / 1e6, 1)
                for p in folder.iterdir()
            }
        }
        disk |= {
            "total_mb": round(sum(disk["files_mb"].values()), 1),
            "codes_bytes_a_token": 64,
            "tokens": int(side.offsets[-1]),
            "documents": len(side.keys),
        }
        begun = time.perf_counter()
        reranker = open_index(folder, embedder)
        disk["open_and_verify_s"] = round(time.perf_counter() - begun, 2)
        times, shape = race(reranker, collection, side, embedder)
        resident = json.loads(
            subprocess.run(
                [sys.executable, "-m", "tools.bench.tokens_speed", str(folder), model],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.splitlines()[-1]
        )
        del reranker
    medians = {
        name: round(float(np.median(values)), 2) for name, values in times.items()
    }
    ours = medians[OURS]
    return {
        "collection": "scifact",
        "model": model,
        "threads": torch.get_num_threads(),
        "candidates": 100,
        **shape,
        "ms_a_query": medians,
        "times_ours": {name: round(value / ours, 2) for name, value in medians.items()},
        "note": "the cross-encoder has random weights: weights do not change its speed",
        "disk": disk,
        "memory": resident,
    }


def race(reranker, collection, side: Side, embedder) -> tuple[dict, dict]:
    """Score the same candidates every way, query by query in turn: ({way:
    milliseconds}, what was scored).
    """
    queries = list(collection.split("test").values())[:ROUNDS]
    encoder, tokenizer = cross_encoder(), embedder.model.tokenizer
    narrow = Projected(128)
    narrow.fit(side.sample())
    texts = {d: collection.docs[d].full for d in side.keys}
    stored = side.encoded(narrow.docs)
    times: dict[str, list[float]] = {}
    flat = FaissRetriever("flat")
    flat.add(reranker.doc_ids, reranker.vectors)
    place = {key: row for row, key in enumerate(reranker.doc_ids)}
    counts = {"query_tokens": [], "document_tokens": []}

    for number, query in enumerate(queries):
        text = embedder.encode_with_tokens([query])[0]
        ids = flat.search(text.vector[None], 100)[1][0]
        rows = [side.row[d] for d in ids]
        counts["query_tokens"].append(len(text.tokens))
        counts["document_tokens"].append(
            int(sum(side.offsets[r + 1] - side.offsets[r] for r in rows))
        )
        states = States.of([reranker.scorer.encode(text.tokens)], [text.token_ids])
        ours = functools.partial(
            lambda asked, rows: reranker.scorer.score(
                asked, reranker.states[rows], reranker.token_weights(asked)
            ),
            states,
            [place[d] for d in ids],
        )
        ways = {
            OURS: ours,
            "full vectors, MaxSim": functools.partial(
                late, side.tokens, side.offsets, rows, text.tokens
            ),
            "PCA 128, float16 (ColBERT's size), MaxSim": functools.partial(
                late, stored, side.offsets, rows, narrow.queries(text.tokens)
            ),
            "cosine only (FAISS, all documents)": functools.partial(
                flat.search, text.vector[None], 100
            ),
            "encoding the query (all ways but the cross-encoder need "
            "it)": functools.partial(embedder.encode_with_tokens, [query]),
        }
        for way in ways.values():
            way()  # warm: pages of the files are in memory
        for _ in range(5):
            for name, way in ways.items():
                times.setdefault(name, []).append(timed(way))
        times.setdefault(CROSS, []).append(
            timed(
                functools.partial(
                    cross, encoder, tokenizer, query, [texts[d] for d in ids]
                )
            )
        )
        say(
            f"query {number + 1} of {len(queries)}: cross-encoder "
            f"{times[CROSS][-1]:.0f} ms, ours {np.median(times[OURS]):.1f} ms"
        )
    return times, {
        key: round(float(np.mean(values))) for key, values in counts.items()
    } | {"queries": len(queries)}


def cross(encoder, tokenizer, query: str, texts: list[str]) -> None:
    """Score all pairs, texts of like length together, at most 512 tokens a pair."""
    pairs = [(query, text) for text in sorted(texts, key=len)]
    for start in range(0, len(pairs), 20):
        encoder(
            **tokenizer(
                pairs[start : start + 20],
                padding=True,
                truncation="longest_first",
                max_length=512,
                return_tensors="pt",
            )
        )


def late(
    where: np.ndarray, offsets: np.ndarray, rows: list[int], asked: np.ndarray
) -> np.ndarray:
    """MaxSim of float vectors, gathered and computed in one go."""
    parts = [where[offsets[r] : offsets[r + 1]] for r in rows]
    return max_sim(
        asked @ np.concatenate(parts).astype(np.float32).T,
        np.cumsum([0, *map(len, parts)]),
    )


def resident(folder: str, model: str) -> dict:
    """Megabytes of memory beyond the loaded model: after opening the index, and at the
    peak of twenty searches.
    """
    import psutil

    embedder, process = TextEmbedder(model), psutil.Process()
    embedder.encode_with_tokens(["a first text, so that all is loaded"])
    FaissRetriever("flat").add(["x"], np.ones((1, embedder.dim), "f4"))
    before = process.memory_info().rss / 1e6
    reranker = open_index(folder, embedder)
    opened, most = process.memory_info().rss / 1e6, 0.0
    for query in list(load_collection("scifact").split("test").values())[:20]:
        reranker.search(query)
        most = max(most, process.memory_info().rss / 1e6)
    return {
        "model_mb": round(before),
        "index_opened_mb": round(opened - before),
        "searching_mb": round(most - before),
    }


if __name__ == "__main__":
    print(json.dumps(resident(*sys.argv[1:3])))
