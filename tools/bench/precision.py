"""What fewer bits in the embedder cost and save: CPU time, cosine to fp32, nDCG@10.

    python -m tools.bench.precision --speed [--texts 300] [--precisions fp32 int8]
    python -m tools.bench.precision --batches
    python -m tools.bench.precision --quality cranfield --tokens FOLDER --model MODEL

Speed is that of one thread; precisions take turns, block by block, on the same
abstracts of scifact, and ratios are of the totals, with quartiles over blocks.
Quality compares cosine and token states with fp32's, query by query; vectors are made
once and kept in FOLDER, where tools.bench.tokens keeps fp32's. Needs
QRR_COLLECTIONS_DIR. Results: data/results/precision.json.
"""

import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path

import numpy as np

from qrr_lib import TextEmbedder, load_collection
from qrr_lib.embed import model_folder, model_spec
from qrr_lib.files import data_dir, say
from qrr_lib.learn import compare
from tools.bench import write_results
from tools.bench.tokens import Task
from tools.bench.tokens_arms import OURS, arms, make_cache

MODELS = ("all-MiniLM-L6-v2", "all-mpnet-base-v2")
PRECISIONS = ("fp32", "bf16", "int8")
BLOCK = 12  # texts of one turn


def speed(model: str, count: int, precisions: list[str]) -> dict:
    """Seconds of every precision, and cosines of vectors and tokens to fp32."""
    import torch

    torch.set_num_threads(1)
    texts = load_collection("scifact").texts()[:count]
    exact = TextEmbedder(model, device="cpu", cache=False)
    every = {name: exact.with_precision(name) for name in precisions}
    spent: dict[str, list] = {name: [] for name in every}
    encoded: dict[str, list] = {name: [] for name in every}
    for embedder in every.values():
        embedder.encode_with_tokens(texts[:2])  # loads it
    for start in range(0, count, BLOCK):
        for name, embedder in every.items():
            before = time.process_time(), time.perf_counter()
            encoded[name] += embedder.encode_with_tokens(texts[start : start + BLOCK])
            after = time.process_time(), time.perf_counter()
            spent[name].append(np.subtract(after, before))
        say(f"{model}: {start + BLOCK} of {count} abstracts")
    found = {"texts": count, "texts a block": BLOCK, "file MB": sizes(model)}
    for name in every:
        times = {"CPU s per 1,000 texts": round(1e3 * sum(spent[name])[0] / count, 1)}
        times |= faster(np.array(spent["fp32"]), np.array(spent[name]))
        found[name] = times | nearness(encoded[name], encoded["fp32"])
    return found


def faster(exact: np.ndarray, own: np.ndarray) -> dict:
    """How many times as fast: seconds of every block (blocks, 2), by both clocks."""
    found = {}
    for i, clock in enumerate(("CPU time", "wall clock")):
        ratios = np.quantile(exact[:, i] / own[:, i], [0.25, 0.5, 0.75])
        total = exact[:, i].sum() / own[:, i].sum()
        found[f"times as fast as fp32, {clock}"] = round(float(total), 2)
        found[f"quartiles over blocks, {clock}"] = ratios.round(2).tolist()
    return found


def nearness(own: list, exact: list) -> dict:
    """Cosines of vectors, and of tokens, to fp32's."""
    pairs = list(zip(own, exact))
    cosines = [float(a.vector @ b.vector) for a, b in pairs]
    tokens = np.concatenate([(a.tokens * b.tokens).sum(axis=1) for a, b in pairs])
    low = round(float(np.quantile(tokens, 0.01)), 4)
    return {
        "cosine to fp32, least": round(min(cosines), 5),
        "cosine to fp32, mean": round(statistics.mean(cosines), 5),
        "tokens' cosine to fp32, 1st percentile": low,
        "tokens' cosine to fp32, mean": round(float(tokens.mean()), 5),
    }


def padding(lengths, size: int) -> str:
    """Share of what the model reads that is padding, `size` texts a pass."""
    parts = [lengths[i : i + size] for i in range(0, len(lengths), size)]
    return f"{1 - sum(lengths) / sum(max(part) * len(part) for part in parts):.0%}"


def batches(model: str, count: int, rounds: int = 3) -> dict:
    """CPU seconds a thousand abstracts in fp32 by texts a forward pass, sorted by
    length or as they come, and with token vectors or without; and how much is padding.
    """
    import torch

    torch.set_num_threads(1)
    texts = load_collection("scifact").texts()[:count]
    embedder = TextEmbedder(model, device="cpu", cache=False)
    tokenizer, most = embedder.model.tokenizer, embedder.model.max_seq_length
    pieces = [len(ids) for ids in tokenizer(texts, verbose=False)["input_ids"]]
    lengths = np.minimum(pieces, most)

    def in_order(size):
        for start in range(0, count, size):
            embedder.encode_with_tokens(texts[start : start + size], size)

    ways = {"32, vectors alone": (partial(embedder.encode, texts, 32, False), "")}
    for size in (1, 8, 32):
        share = padding(sorted(lengths)[::-1], size)
        call = partial(embedder.encode_with_tokens, texts, size)
        ways[f"{size}, sorted by length"] = call, share
        if size > 1:
            share = padding(lengths, size)
            ways[f"{size}, as they come"] = partial(in_order, size), share
    spent: dict[str, list] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (call, _) in ways.items():
            start = time.process_time()
            call()
            spent[name].append(1e3 * (time.process_time() - start) / count)
            say(f"{name}: {spent[name][-1]:.1f} s a thousand")
    return {
        name: {"CPU s per 1,000 texts": round(statistics.median(spent[name]), 1)}
        | ({"padding": share} if share else {})
        for name, (_, share) in ways.items()
    }


def sizes(model: str) -> dict:
    """Megabytes of the weights as they are kept."""
    from qrr_lib.embed.int8 import int8_file

    folder = model_folder(model)
    files = {
        "fp32": folder / "model.safetensors",
        "int8": int8_file(model_spec(model), folder),
    }
    return {name: round(path.stat().st_size / 1e6, 1) for name, path in files.items()}


def quality(collection: str, model: str, precision: str, tokens: Path) -> dict:
    """nDCG@10 of cosine and of token states, each against fp32."""
    folders = {"fp32": tokens / f"{collection}_{model}"}
    folders[precision] = tokens / f"{collection}_{model}_{precision}"
    loaded = load_collection(collection)
    docs = {key: doc.full for key, doc in loaded.docs.items() if doc.full}
    runs: dict[str, dict] = {}
    for name, folder in folders.items():
        embedder = TextEmbedder(model, cache=False, precision=name)
        make_cache(folder, docs, loaded.queries, embedder)
        task = Task(collection, model, folder)
        arm = arms(model)[f"{OURS}, map of the course corpus"]
        states = task.similarity(arm)[1]
        runs[name] = {"cosine": task.cosine, "token states": task.run(states, 0.15)}
    found = {}
    for way, run in runs[precision].items():
        before = runs["fp32"][way]
        mean = np.mean(list(task.values(before)["nDCG@10"].values()))
        gain = compare(run, before, task.qrels)
        found[way] = {
            "fp32": round(float(mean), 4),
            "difference": round(gain.difference, 4),
            "low": round(gain.low, 4),
            "high": round(gain.high, 4),
            "p": round(gain.p, 4),
        }
    return {"queries": len(task.qrels)} | found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--batches", action="store_true")
    parser.add_argument("--quality", metavar="COLLECTION")
    parser.add_argument("--model", default=MODELS[0])
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--tokens", type=Path, default=Path("build/tokens"))
    parser.add_argument("--texts", type=int, default=48)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS)
    asked = parser.parse_args()
    out = data_dir() / "results" / "precision.json"
    stored = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    if asked.speed:
        measured = speed(asked.model, asked.texts, asked.precisions)
        key = f"{asked.model}, {asked.texts} texts"
        stored.setdefault("speed", {})[key] = measured
    if asked.batches:
        key = f"{asked.model}, {asked.texts} texts"
        stored.setdefault("texts a pass", {})[key] = batches(asked.model, asked.texts)
    if asked.quality:
        settings = asked.quality, asked.model, asked.precision
        stored.setdefault("quality", {})[", ".join(settings)] = quality(
            *settings, asked.tokens
        )
    print(write_results(out, stored))


if __name__ == "__main__":
    main()
