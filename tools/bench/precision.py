"""What fewer bits in the embedder cost and save: CPU time, cosine to fp32, nDCG@10.

    python -m tools.bench.precision --speed
    python -m tools.bench.precision --quality cranfield --tokens FOLDER --model MODEL

Speed is CPU time on one thread, precisions by turns on the same abstracts of scifact.
Quality compares cosine and token states with fp32's, query by query; vectors are made
once and kept in FOLDER, where tools.bench.tokens keeps fp32's. Needs
QRR_COLLECTIONS_DIR. Results: data/results/precision.json.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

from qrr_lib import TextEmbedder, load_collection
from qrr_lib.embed import model_folder, model_spec
from qrr_lib.files import atomic_path, data_dir, say
from qrr_lib.learn import compare
from tools.bench.tokens import Task
from tools.bench.tokens_arms import OURS, arms, make_cache

MODELS = ("all-MiniLM-L6-v2", "all-mpnet-base-v2")
PRECISIONS = ("fp32", "bf16", "int8")


def speed(model: str, count: int, rounds: int) -> dict:
    """CPU seconds a thousand abstracts, and cosines of vectors and tokens to fp32."""
    import torch

    torch.set_num_threads(1)
    texts = load_collection("scifact").texts()[:count]
    exact = TextEmbedder(model, device="cpu", cache=False)
    every = {name: exact.with_precision(name) for name in PRECISIONS}
    encoded = {name: one.encode_with_tokens(texts) for name, one in every.items()}
    seconds: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(rounds):
        for name, embedder in every.items():
            start = time.process_time()
            embedder.encode_with_tokens(texts)
            seconds[name].append(time.process_time() - start)
            say(f"{model} {name}: {seconds[name][-1]:.1f} s")
    found = {}
    for name in every:
        pairs = list(zip(encoded[name], encoded["fp32"]))
        cosines = [float(a.vector @ b.vector) for a, b in pairs]
        tokens = np.concatenate([(a.tokens * b.tokens).sum(axis=1) for a, b in pairs])
        ratios = [a / b for a, b in zip(seconds["fp32"], seconds[name])]
        found[name] = {
            "CPU s per 1,000 texts": round(1e3 * min(seconds[name]) / count, 1),
            "times as fast as fp32 (median of rounds)": round(
                statistics.median(ratios), 2
            ),
            "cosine to fp32, least": round(min(cosines), 5),
            "cosine to fp32, mean": round(statistics.mean(cosines), 5),
            "tokens' cosine to fp32, 1st percentile": round(
                float(np.quantile(tokens, 0.01)), 4
            ),
            "tokens' cosine to fp32, mean": round(float(tokens.mean()), 5),
        }
    return {"texts": count, "rounds": rounds, "file MB": sizes(model)} | found


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
    parser.add_argument("--quality", metavar="COLLECTION")
    parser.add_argument("--model", default=MODELS[0])
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--tokens", type=Path, default=Path("build/tokens"))
    parser.add_argument("--texts", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    out = data_dir() / "results" / "precision.json"
    stored = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    if asked.speed:
        measured = speed(asked.model, asked.texts, asked.rounds)
        stored.setdefault("speed", {})[asked.model] = measured
    if asked.quality:
        settings = asked.quality, asked.model, asked.precision
        stored.setdefault("quality", {})[", ".join(settings)] = quality(
            *settings, asked.tokens
        )
    with atomic_path(out) as partial:
        partial.write_text(json.dumps(stored, indent=1) + "\n", "utf-8", newline="\n")
    print(json.dumps(stored, indent=1))


if __name__ == "__main__":
    main()
