"""Words, vectors and token states against the rivals that people would pick: one table,
data/results/compare.json, and one figure, compare.png.

    # weights, on training queries only (minutes, token vectors once: hours)
    python -m tools.bench.compare --choose
    # the scale of the map, on training queries
    python -m tools.bench.compare --scale
    # every rival on the test queries of the four public collections, both models
    python -m tools.bench.compare
    # the same on other collections in BEIR's layout, into another file
    python -m tools.bench.compare FOLDER ... --out other.json
    # the default against its rivals, over all collections
    python -m tools.bench.compare --overall
    # milliseconds a query, every way in one run (wants a quiet machine)
    python -m tools.bench.compare --speed
    python -m tools.bench.compare --figure

Collections are found as `load_collection` finds them (set QRR_COLLECTIONS_DIR). Token
vectors are kept in --tokens DIR (float16, some GB), and computed there when absent.

Protocol. Test queries choose nothing (compare_choice.py says which had been seen
before). The default's weights, and the way words are
scaled, are chosen once for all collections and both models by least worst regret
(compare_choice.py) on training and development queries: SciFact's train (400 claims),
WikiQA's train (300 questions) and dev, the course's dev, and two stand-ins for kinds of
collection that are not here (standins.py). Cosine + BM25 gets its own best weights on
the same tasks; the other codes get those of full token vectors, on SciFact's train and
WikiQA's dev with the light model. Intervals and p-values draw groups of queries that
share relevant documents.
"""

import argparse
import datetime
import json
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from qrr_lib import Reranker, Scorer, TextEmbedder, Union, load_collection
from qrr_lib.encode import QubitMap
from qrr_lib.files import atomic_path, say
from qrr_lib.learn import compare_values, holm, query_groups
from qrr_lib.learn.comparison import SHARED
from qrr_lib.rank import bm25_run, judge, reciprocal_rank_fusion
from tools.bench import compare_choice as choice
from tools.bench import compare_feedback as feedback
from tools.bench import standins
from tools.bench.compare_arms import (
    CHUNKS,
    FITTED,
    SHIPPED,
    LateChunks,
    pooled_arms,
    token_arms,
)
from tools.bench.compare_choice import DEFAULT, FEEDBACK, FUSED, LATE, OURS, RIVAL
from tools.bench.compare_pool import Pool
from tools.bench.tokens_arms import Full, Qubits

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results" / "compare.json"
COLLECTIONS = ("scifact", "cranfield", "cisi", "wikiqa")
MODELS = ("all-MiniLM-L6-v2", "all-mpnet-base-v2")


class CoursePool(Pool):
    """The course's dev queries, from what is shipped; as `Pool` for choosing."""

    def __init__(self, model: str):
        self.name, collection = "course", load_collection()
        scorer = Scorer(QubitMap.shipped(model), per="token")
        reranker = Reranker(TextEmbedder(model), scorer, Union()).index(collection)
        asked = collection.split("dev")
        found = reranker.candidates(asked)
        self.candidates = judge(found, collection.qrels["dev"])
        self.bm25 = bm25_run(collection, asked, len(collection.docs))
        self.text_vectors = dict(zip(collection.docs, reranker.vectors))
        asked_vectors = reranker.embedder.encode(list(asked.values()))
        self.query_vectors = dict(zip(asked, asked_vectors))

    def of_run(self, run: dict) -> np.ndarray:
        """Scores of a run for the candidates, 0 where it has none: (Q, K)."""
        ids, rows = self.candidates.doc_ids, self.candidates.rows
        lines = zip(self.candidates.query_ids, rows)
        return np.array([[run[q].get(ids[r], 0.0) for r in line] for q, line in lines])


def pool(name, model: str, tokens: Path, split="test", queries=None) -> Pool:
    """A collection's pool; its token vectors lie in tokens/NAME_MODEL."""
    folder = tokens / f"{Path(name).name}_{model}"
    return Pool(name, model, folder, split, queries)


def tasks_of(tokens: Path) -> tuple[tuple, ...]:
    """(collection, split, number of queries or None for all) of what chooses, beside
    the course's dev.
    """
    root = tokens / "standins"
    return (
        ("scifact", "train", 400),
        ("wikiqa", "dev", None),
        ("wikiqa", "train", 300),
        (standins.titles(root), "train", 400),
        (standins.code(root), "train", None),
    )


def means_of(tokens: Path, model: str) -> dict:
    """Mean score of every mixture on every task that chooses, {task: …}, with the
    shipped map.
    """
    course = CoursePool(model)
    states = course.candidates.signals["states"]
    found = {f"course dev, {model}": choice.means(course, states)}
    for name, split, most in tasks_of(tokens):
        task, key = pool(name, model, tokens, split, most), Path(name).name
        arm = Qubits(64, 0.8, source="shipped", model=model, bits=4)
        found[f"{key} {split}, {model}"] = choice.means(task, task.states(arm))
        say(f"{key} {split}, {model}: {len(task.qrels)} queries")
    return found


def means_of_rivals(tokens: Path, model: str, arm, tasks) -> dict:
    """The same of one way to store tokens, with the default's scaling. Every rival code
    stands for full token vectors and takes their weights; late chunks have their own.
    """
    found = {}
    for name, split, most in tasks:
        task = pool(name, model, tokens, split, most)
        states = task.states(arm)
        key = f"{Path(name).name} {split}, {model}"
        found[key] = choice.means(task, states, DEFAULT)
    return found


def means_of_feedback(tokens: Path, model: str) -> dict:
    """The same of feedback on vectors, mixed with words."""
    found = {f"course dev, {model}": feedback.means(CoursePool(model))}
    for name, split, most in tasks_of(tokens):
        task = pool(name, model, tokens, split, most)
        found[f"{Path(name).name} {split}, {model}"] = feedback.means(task)
    return found


def rivals(task: Pool, chosen: dict) -> dict:
    """{name: (run, what is known of it)} of every rival on one task."""
    found, cosine = task.candidates, task.candidates.cosine
    bm25 = first(task.bm25)
    runs = {"BM25, no stemming": (first(task.plain), {}), "BM25": (bm25, {})}
    runs |= of_vectors(task)
    fused = reciprocal_rank_fusion([bm25, task.near_run()])
    runs[FUSED] = (fused, {})
    best = next(iter(chosen[RIVAL].items()))
    mixed = choice.mixed(task, cosine, *best)
    about = {"weights": best[1]["weights"], "scaling": best[0]}
    runs[RIVAL] = (found.run(mixed), about)
    runs[FEEDBACK] = feedback.rival(task, chosen[FEEDBACK])
    tuned = chosen["on its own"].get(f"{task.name}, {task.model}", {})
    if tuned:
        mixed = found.mix({k: w for k, w in tuned[RIVAL].items() if w})
        about = {"weights": tuned[RIVAL]}
        runs["cosine + BM25, weighted for this collection"] = found.run(mixed), about
    dim = len(next(iter(task.docs.vectors.values())))
    for name, arm in token_arms(task.model, dim).items():
        states = task.states(arm)
        own = chosen[name if name in chosen else "other codes"]
        alone, three = own["alone"]["weights"], own["with words"]["weights"]
        if name in (SHIPPED, FITTED):
            alone = chosen["no words"][DEFAULT]["weights"]
            three = chosen["default"][DEFAULT]["weights"]
        sizes = {"bytes a token": arm.bytes}
        both = found.with_signal("states", states)
        late = np.where(task.near, both.mix(alone), -np.inf)
        runs[name] = (task.kept(late), sizes | {"weights": alone})
        together = f"cosine + words + {name}"
        runs[together] = (both.run(three), sizes | {"weights": three})
        if together in tuned:
            about = sizes | {"weights": tuned[together]}
            own = f"{together}, weighted for this collection"
            runs[own] = (both.run(tuned[together]), about)
        say(f"{task.name}, {task.model}: {name}")
    return runs


def of_vectors(task: Pool) -> dict:
    """Cosine, and pooled vectors of fewer bytes: {name: (run, bytes)}."""
    keys = [d for d in task.docs.keys if d in task.docs.vectors]
    docs = np.stack([task.docs.vectors[d] for d in keys])
    asked = np.stack([task.asked.vectors[q] for q in task.qrels])
    made = {}
    for name, (scores, size) in pooled_arms(docs, asked).items():
        runs = {
            q: dict(zip(keys, map(float, row))) for q, row in zip(task.qrels, scores)
        }
        if task.name == "wikiqa":
            runs = task.only_candidates(runs)
        made[name] = (first(runs), {"bytes a text": size})
    return made


def first(runs: dict, k: int = 100) -> dict:
    """The best k of every query."""
    best = {q: sorted(run, key=lambda d: -run[d])[:k] for q, run in runs.items()}
    return {q: {d: runs[q][d] for d in ids} for q, ids in best.items()}


def evidence(task: Pool, chosen: dict) -> dict:
    """Means with intervals, and differences to cosine, to both cheap mixes and to late
    chunks; those to one of them are a family, corrected together.
    """
    runs, measure = rivals(task, chosen), task.measures[0]
    values = {name: task.values(run)[measure] for name, (run, _) in runs.items()}
    groups, zero = query_groups(task.qrels, SHARED), dict.fromkeys(task.qrels, 0.0)
    table = {}
    for name, (_, about) in runs.items():
        own = compare_values(values[name], zero, clusters=groups)
        table[name] = about | {
            measure: round(own.difference, 4),
            "interval": [round(own.low, 4), round(own.high, 4)],
        }
    for other in ("cosine", RIVAL, FUSED, LATE):
        found = {
            name: compare_values(values[name], values[other], clusters=groups)
            for name in table
            if name != other
        }
        corrected = holm({name: c.p for name, c in found.items()})
        for name, c in found.items():
            table[name][f"less {other}"] = {
                "difference": round(c.difference, 4),
                "interval": [round(c.low, 4), round(c.high, 4)],
                "p": round(c.p, 5),
                "p, Holm": round(corrected[name], 5),
                "family": len(found),
            }
    lengths = np.diff(task.docs.offsets)
    return {
        "measure": measure,
        "queries": len(task.qrels),
        "groups of queries": len(set(groups.values())),
        "documents": len(task.docs.keys),
        "bytes of words a text": round(task.words_bytes),
        "bytes of a vector": 4 * len(next(iter(task.docs.vectors.values()))),
        "tokens a document": round(float(lengths.mean()), 1),
        "rivals": table,
        "per query": per_query_of(values, groups),
    }


def per_query_of(values: dict, groups: dict) -> dict:
    """Values that `compare_overall` draws from, and every query's group."""
    number = {name: i for i, name in enumerate(dict.fromkeys(groups.values()))}
    kept = {"group": [number[name] for name in groups.values()]}
    for name in (OURS, "cosine", RIVAL, FEEDBACK, FUSED, LATE):
        kept[name] = [round(values[name][q], 4) for q in groups]
    return kept


def merge(path: Path, found: dict) -> None:
    """Put new parts into the file, two levels deep."""
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name, part in found.items():
        old[name] = old.get(name, {}) | part if name == "collections" else part
    packages = "torch numpy sentence-transformers ir-measures bm25s PyStemmer".split()
    old |= {
        "how": "python -m tools.bench.compare: see its docstring",
        "date": datetime.date.today().isoformat(),
        "versions": {name: version(name) for name in packages},
    }
    with atomic_path(path) as partial:
        text = json.dumps(old, indent=1, ensure_ascii=False) + "\n"
        partial.write_text(text, encoding="utf-8", newline="\n")


def main() -> None:
    """Parse the command line, measure, merge into the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="*", default=COLLECTIONS)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--split", default="test")
    cache = Path(os.environ.get("QRR_CACHE_DIR", Path.home() / ".cache" / "qrr"))
    parser.add_argument("--tokens", type=Path, default=cache / "tokens")
    parser.add_argument("--out", type=Path, default=RESULTS)
    for flag in ("choose", "scale", "overall", "speed", "figure"):
        parser.add_argument(f"--{flag}", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.choose:
        default = {}
        for model in args.models:
            default |= means_of(args.tokens, model)
        tasks, light = tasks_of(args.tokens), args.models[0]
        codes = means_of_rivals(args.tokens, light, Full(), tasks[:2])
        chunks, fed = {}, {}
        for model in args.models:
            late = LateChunks(Full())
            chunks |= means_of_rivals(args.tokens, model, late, tasks)
            fed |= means_of_feedback(args.tokens, model)
        of_rivals = {"other codes": codes, CHUNKS: chunks}
        chosen = choice.choose(default, of_rivals)
        chosen[FEEDBACK] = choice.least_regret(fed, feedback.without_states)
        merge(args.out, {"choice": chosen})
    elif args.scale:
        from tools.bench.compare_scale import sweep

        merge(args.out, {"scale": sweep(args.tokens, args.models)})
    elif args.overall:
        from tools.bench.compare_overall import overall

        stored = json.loads(args.out.read_text(encoding="utf-8"))
        merge(args.out, {"overall": overall(stored["collections"])})
    elif args.speed:
        from tools.bench.compare_speed import measure

        merge(args.out, {"speed": measure(args.tokens)})
    elif args.figure:
        from tools.bench.compare_figure import draw

        draw(args.out)
    else:
        chosen = json.loads(RESULTS.read_text(encoding="utf-8"))["choice"]
        for model in args.models:
            for name in args.collections:
                task = pool(name, model, args.tokens, args.split)
                key = f"{Path(name).name}, {model}"
                merge(args.out, {"collections": {key: evidence(task, chosen)}})


if __name__ == "__main__":
    main()
