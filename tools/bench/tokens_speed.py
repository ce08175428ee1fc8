"""Time of token states on scifact, measured side by side in one run
(`tools.bench.tokens --speed-only`).
"""

import functools
import time
from pathlib import Path

import numpy as np
import torch

from qrr_lib import FaissRetriever, Reranker, TextEmbedder, load_collection
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.files import say
from qrr_lib.rank.maxsim import max_sim
from qrr_lib.rank.scorer import Scorer
from qrr_lib.rank.states import States
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


def reranker_from(side: Side, vectors: np.ndarray, embedder) -> Reranker:
    """What `Reranker.index` makes with a `QubitMap(64, bits=4)`, from token vectors
    that are there already.
    """
    scorer = Scorer(QubitMap(64, bits=4).fit(side.sample()), per="token")
    spans = [slice(*ends) for ends in zip(side.offsets, side.offsets[1:])]
    rows = [scorer.encode(side.tokens[span]) for span in spans]
    states = States.of(rows, [side.token_ids[span] for span in spans])
    return Reranker(embedder, scorer).add(list(side.keys), vectors, states)


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
    reranker = reranker_from(side, vectors, embedder)
    times, shape = race(reranker, collection, side, embedder)
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
