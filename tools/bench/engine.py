"""The engine's price: bytes a token, milliseconds a query, passages a second (lesson
14).

    # all parts on two quiet cores: about 25 minutes, 4 GB of memory, 6 GB of disk
    python -m tools.bench.engine
    # some of them, smaller; the others stay as they are in the file
    python -m tools.bench.engine --parts tokens,query --passages 5000

tokens   ten ways to keep token states of the course corpus: nDCG@10 of cosine's hundred
         reordered (α = 0.15), milliseconds a hundred, bytes a token on disk and of
         what scoring reads.
         Quantisers kept in memory draw a rotation: those are built twice.
query    parts of a query with the real embedder, against embedding it.
indexing adding passages against embedding them alone, blocks in turn.
bulk     the same by Ray, one worker and two, against one process (where Ray is).
growth   N synthetic passages (tokens drawn from the course's, 120 each): p50 and p95,
         bytes a passage, resident memory while indexing.

Times are wall clock and CPU (all threads of the process) medians.
"""

import argparse
import datetime
import functools
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from unittest.mock import patch

import numpy as np
import psutil
import torch

from qrr_lib import Scorer, TextEmbedder, load_collection
from qrr_lib.embed.embedder import EncodedText
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.engine import Index, Passage, RayPool
from qrr_lib.engine.passage import point_id
from qrr_lib.files import say
from tools.bench import engine_tokens, write_results
from tools.bench.engine_tokens import summary, timed

OUT = Path(__file__).resolve().parents[2] / "data" / "results" / "engine.json"
MODEL = "all-MiniLM-L6-v2"
BLOCK = 128


class Drawn:
    """Stands in for the embedder: a text is a number, its tokens are drawn from real
    ones with a little noise.
    """

    def __init__(self, embedder, texts: list[str], tokens: int):
        self.name, self.spec, self.dim = embedder.name, embedder.spec, embedder.dim
        self.model, self.tokens = embedder.model, tokens
        encoded = embedder.encode_with_tokens(texts)
        self.pool = np.concatenate([text.tokens for text in encoded])
        self.ids = np.concatenate([text.token_ids for text in encoded])

    def encode_with_tokens(self, texts, batch_size=32, progress=False):
        return [self.one(int(text.split()[-1])) for text in texts]

    def one(self, seed: int) -> EncodedText:
        rng = np.random.default_rng(seed)
        rows = rng.integers(0, len(self.pool), self.tokens)
        tokens = self.pool[rows] + 0.02 * rng.standard_normal(
            (self.tokens, self.dim), dtype=np.float32
        )
        tokens /= np.linalg.norm(tokens, axis=1, keepdims=True)
        vector = tokens.mean(axis=0)
        return EncodedText(vector / np.linalg.norm(vector), tokens, self.ids[rows])

    def encode(self, texts, batch_size=32, progress=None):
        found = [text.vector for text in self.encode_with_tokens(texts)]
        return np.array(found, dtype=np.float32).reshape(-1, self.dim)

    def is_cut(self, text):
        return False


def query(collection, embedder, folder: Path) -> dict:
    """A query's parts, with the light model and with the default one."""
    embedders = embedder, TextEmbedder(cache=False)
    return {e.name: query_parts(collection, e, folder / e.name) for e in embedders}


def query_parts(collection, embedder, folder: Path) -> dict:
    """Parts of a query; texts that the course ships no states for."""
    asked = [f"please: {text}" for text in collection.split("test").values()]
    times = {name: [] for name in ("embed", "whole", "reorder 100")}
    with Index.create(folder, embedder) as index:
        index.add(Passage(key, *doc) for key, doc in collection.docs.items())
        ids = [point_id(key) for key in list(collection.docs)[:100]]
        index.search("a first one, which counts the words")
        for text in asked:
            vector, states = timed(
                times["embed"], lambda t=text: index.kind.encode([t])
            )
            timed(times["whole"], lambda t=text: index.search(t))
            timed(times["reorder 100"], lambda s=states: reorder(index, ids, s))
    found = {name: summary(own) for name, own in times.items()}
    for clock in ("ms", "cpu_ms"):
        ratio = found["whole"][clock] / found["embed"][clock]
        found[f"whole / embed, {clock}"] = round(ratio, 2)
    return found


def reorder(index: Index, ids: list[str], states):
    points = index.store.retrieve(ids, index.kind.payload)
    return index.kind.score(points, states, index.token_weights(states), None)


def indexing(collection, embedder, folder: Path) -> dict:
    """CPU seconds of embedding alone and of adding, a block of each in turn."""
    passages = [
        Passage(f"{n}-{key}", doc.title, f"{doc.text} {n}")
        for n in range(2)
        for key, doc in collection.docs.items()
    ]
    embed, add = [], []
    with Index.create(folder, embedder) as index:
        for start in range(0, 3 * BLOCK, BLOCK):
            block = passages[start : start + BLOCK]
            texts = [passage.full for passage in block]
            timed(embed, lambda t=texts: embedder.encode_with_tokens(t))
            timed(add, lambda b=block: index.add(b))
    share = np.sum(embed, axis=0) / np.sum(add, axis=0)
    rate = 1000 * 3 * BLOCK / np.sum(add, axis=0)
    return {
        "passages": 3 * BLOCK,
        "share of the embedder's throughput": round(float(share[0]), 3),
        "the same, CPU": round(float(share[1]), 3),
        "passages a second": round(float(rate[0]), 1),
        "passages a CPU second": round(float(rate[1]), 1),
    }


def bulk(collection, embedder, folder: Path) -> dict:
    """Passages a second (wall) into a folder: one process with all cores, and Ray with
    one worker and two, each with one core; from the first block on, so that nothing of
    starting Ray and loading the model counts.
    """
    docs, on_ray = collection.docs, {}
    make = functools.partial(TextEmbedder, MODEL, cache=False)
    settings = {"one process": None, "1 worker": 1, "2 workers": 2}
    for name, workers in settings.items():
        pool = RayPool(make, workers) if workers else None
        with ExitStack() as stack:
            if pool is None:
                stack.callback(torch.set_num_threads, torch.get_num_threads())
                torch.set_num_threads(os.cpu_count())
            small = patch("qrr_lib.engine.index.TEXTS_A_BLOCK", 20)
            stack.enter_context(small)
            index = stack.enter_context(Index.create(folder / name, make()))
            stored = stack.enter_context(patch.object(index, "put", Stored(index)))
            index.add((Passage(key, *doc) for key, doc in docs.items()), pool)
        (first, _), *later = stored.blocks
        spent = later[-1][0] - first
        on_ray[name] = round(sum(count for _, count in later) / spent, 1)
    ratios = {
        "two workers / one": round(on_ray["2 workers"] / on_ray["1 worker"], 2),
        "two workers / one process": round(
            on_ray["2 workers"] / on_ray["one process"], 2
        ),
    }
    return {"documents": len(docs), "passages a second": on_ray} | ratios


class Stored:
    """Stands in for an index' `put`, and notes when a block was stored."""

    def __init__(self, index: Index):
        self.put, self.blocks = index.put, []

    def __call__(self, points: list) -> int:
        count = self.put(points)
        self.blocks.append((time.perf_counter(), count))
        return count


def growth(collection, embedder, folder: Path, passages: int, tokens: str) -> dict:
    """Synthetic passages in one index, and queries of 16 tokens."""
    drawn = Drawn(embedder, collection.texts()[:200], 120)
    scorer = Scorer(QubitMap.shipped(embedder.name), per="token")
    words = " ".join(collection.texts()).split()
    process, memory, times = psutil.Process(), [], []

    def made(n: int) -> Passage:
        rng = np.random.default_rng(n)
        text = " ".join(words[i] for i in rng.integers(0, len(words), 90))
        return Passage(f"p{n}", "", f"{text} {n}", "", {"year": 1990 + n % 30})

    def watched() -> Iterator[Passage]:
        for n in range(passages):
            if n and n % 1280 == 0:
                used = process.memory_info()  # pages of files may be taken away again
                own = used.rss - getattr(used, "shared", 0)
                memory.append([round(used.rss / 2**20), round(own / 2**20)])
            yield made(n)

    with Index.create(folder, drawn, scorer, tokens) as index:
        cpu, begun = time.process_time(), time.perf_counter()
        index.add(watched())
        spent = time.perf_counter() - begun, time.process_time() - cpu
    drawn.tokens = 16
    with Index.open(folder, drawn, scorer) as index:
        first = []
        timed(first, lambda: index.search("angle 1"))
        for seed in range(60):
            text = f"{words[7 * seed]} {words[11 * seed]} {10**6 + seed}"
            timed(times, lambda t=text: index.search(t))
        size = index.info()["bytes"]
    return {
        "tokens": tokens,
        "passages": passages,
        "seconds to add (wall, CPU)": [round(s, 1) for s in spent],
        "query": summary(times),
        "first query, ms": round(first[0][0]),
        "bytes a passage": round(size / passages),
        "bytes a token, all in": round(size / passages / 120, 1),
        "MB while adding, every 1,280 passages (resident, without files)": memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default="tokens,query,indexing,bulk,growth")
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--kinds", default="states,full")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = json.loads(OUT.read_text("utf-8")) if OUT.is_file() else {}
    collection, embedder = load_collection("course"), TextEmbedder(MODEL)
    work = {"tokens": engine_tokens.compare, "query": query}
    work |= {"indexing": indexing, "bulk": bulk}
    for part in options.parts.split(","):
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "index"
            if part in work:
                found = work[part](collection, embedder, place)
            else:
                found = {"rows": []}
                for n, kind in enumerate(options.kinds.split(",")):
                    arguments = (collection, embedder, place.with_name(f"{n}"))
                    found["rows"].append(growth(*arguments, options.passages, kind))
        results[part] = found | {"load when it began": load}
        say(json.dumps(results[part], indent=1, ensure_ascii=False))
        write(results)


def write(results: dict) -> None:
    packages = ("qdrant-edge-py", "qdrant-client", "torch", "numpy")
    results["about"] = {
        "again": "python -m tools.bench.engine",
        "date": datetime.date.today().isoformat(),
        "model": MODEL,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread of torch",
        "versions": {name: metadata.version(name) for name in packages},
    }
    write_results(OUT, results)


if __name__ == "__main__":
    main()
