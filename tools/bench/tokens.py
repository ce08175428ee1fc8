"""One state per token against everything it should be compared with: the figures of
lesson 09, written into data/results/tokens.json.

    # the recipe, on training queries of scifact with MiniLM
    python -m tools.bench.tokens --choose
    # every collection and model
    python -m tools.bench.tokens
    python -m tools.bench.tokens --collections scifact --models all-MiniLM-L6-v2 --arms
    "qubits 64, 4 bits" "full vectors"
    # the course corpus, from what is shipped
    python -m tools.bench.tokens --course
    # time, disk and memory (wants a quiet machine)
    python -m tools.bench.tokens --speed-only

Collections are found as `load_collection` finds them (set QRR_COLLECTIONS_DIR). Token
vectors are kept in --tokens DIR (float16, some GB), and computed there when absent,
which takes hours on a laptop.

Protocol. Nothing is trained and no test query chooses anything: alpha (and idf) of
every arm are those that serve 400 training queries of scifact best with MiniLM, and are
used as they are for all collections and both models. How 64 bytes are shared out, 32
qubits with a byte an angle or 64 with half a byte, was chosen on the same training
queries with both models. Queries that share relevant documents are drawn together
(`query_groups`). First stage: cosine's best 100 (wikiqa: the official candidate
sentences).
"""

import argparse
import datetime
import json
import os
import random
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from qrr_lib import Reranker, TextEmbedder, load_collection, per_query
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.files import atomic_path, say
from qrr_lib.learn.comparison import SHARED, compare_values, holm
from qrr_lib.learn.splits import query_groups, regimes
from qrr_lib.rank.maxsim import TokenRarity, max_sim, mean_sim
from qrr_lib.rank.metrics import relevant, unjudged_at
from qrr_lib.rank.scorer import Scorer
from qrr_lib.rank.states import States
from qrr_lib.rank.words import bm25_run
from tools.bench.quality import load_vectors
from tools.bench.tokens_arms import OURS, Side, ablations, arms, make_cache

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results" / "tokens.json"
COLLECTIONS = ("scifact", "cranfield", "cisi", "wikiqa")
MODELS = ("all-MiniLM-L6-v2", "all-mpnet-base-v2")
ALPHAS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SCALES = (0.4, 0.6, 0.8)
MEAN, RECIPE = f"{OURS}, mean interaction", f"{OURS}, idf"
TWINS = (
    "full vectors",
    "PCA 128, half a byte a number",
    "PCA 64, one byte a number",
    "PCA 64, float16",
    "PCA 128, float16 (ColBERT's size)",
    "PQ 64 bytes",
    "random projection 64, one byte a number",
    "qubits 32",
    "qubits 64",
    f"{OURS}, geometric mean",
    f"{OURS}, random projection",
)
VERSUS = (
    "cosine",
    "BM25, no stemming",
    OURS,
    MEAN,
    *(f"{twin}, idf" for twin in TWINS),
)
# shown for both models
SHAPES = (
    "qubits 32",
    OURS,
    "qubits 64",
    "PCA 64, one byte a number",
    "PCA 128, half a byte a number",
    "full vectors",
)


class Task:
    """Queries of one split with their candidates, cosines and token vectors."""

    def __init__(
        self,
        name: str,
        model: str,
        folder: Path,
        split: str = "test",
        queries: int | None = None,
        k: int = 100,
    ):
        self.c, self.name, self.model, self.k = load_collection(name), name, model, k
        official = self.official(split) if name == "wikiqa" else None
        self.qrels = {
            q: judged
            for q, judged in self.c.qrels[split].items()
            if relevant(judged) and (not official or q in official)
        }
        if queries and queries < len(self.qrels) and split == "train":
            self.qrels = {
                q: self.qrels[q]
                for q in random.Random(0).sample(sorted(self.qrels), queries)
            }
        elif queries and queries < len(self.qrels):
            asked = [q for q in self.c.queries if q in self.qrels]
            self.qrels = {
                asked[i]: self.qrels[asked[i]]
                for i in sorted(
                    np.random.default_rng(0).choice(len(asked), queries, replace=False)
                )
            }
        docs = {
            d: self.c.docs[d].full
            for d in (
                dict.fromkeys(d for ds in official.values() for d in ds)
                if official
                else self.c.docs
            )
        }
        # cranfield has empty documents
        docs = {d: text for d, text in docs.items() if text}
        if not all((folder / f"{side}.npy").exists() for side in ("docs", "queries")):
            queries = self.c.queries
            if official:
                docs, queries = self.all_official()
            make_cache(folder, docs, queries, TextEmbedder(model))
        self.docs, self.asked = Side(folder, "docs"), Side(folder, "queries")
        if official:
            self.cosine = {
                q: {
                    d: float(self.docs.vectors[d] @ self.asked.vectors[q])
                    for d in official[q]
                }
                for q in self.qrels
            }
        else:
            self.cosine = self.nearest(docs)
        self.measures = ["AP", "RR"] if official else ["nDCG@10", "RR@10"]
        self.rarity = TokenRarity()
        self.rarity.count(
            States(
                np.zeros((len(self.docs.token_ids), 0, 2), np.uint8),
                self.docs.offsets,
                self.docs.token_ids,
            )
        )

    def nearest(self, docs) -> dict:
        """Cosine's best k of every query."""
        if (
            self.docs.vectors
            and self.asked.vectors
            and len(self.docs.vectors) == len(docs)
        ):
            keys = list(docs)
            matrix = np.stack([self.docs.vectors[d] for d in docs])
            asked = self.asked.vectors
        else:
            v = load_vectors(self.c, None, self.model)
            keys, matrix, asked = list(self.c.docs), v.docs, v.queries
        found = {}
        for q in self.qrels:
            cosine = matrix @ asked[q]
            found[q] = {
                keys[i]: float(cosine[i])
                for i in np.argsort(-cosine, kind="stable")[: self.k]
            }
        return found

    def official(self, split: str) -> dict[str, list[str]]:
        """Candidate sentences of wikiqa: {question: [sentence]}."""
        path = (
            Path(os.environ["QRR_COLLECTIONS_DIR"])
            / "wikiqa"
            / "candidates"
            / f"{split}.tsv"
        )
        found = {}
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            q, d = line.split("\t")[:2]
            found.setdefault(q, []).append(d)
        return found

    def all_official(self) -> tuple[dict, dict]:
        """(documents, queries) of wikiqa that one cache holds: all of test and dev, and
        300 training questions.
        """
        docs, queries = {}, {}
        for split in ("test", "dev", "train"):
            asked = {q for q, judged in self.c.qrels[split].items() if relevant(judged)}
            if split == "train":
                asked = set(random.Random(0).sample(sorted(asked), 300))
            for q, found in self.official(split).items():
                if q in asked:
                    queries[q] = self.c.queries[q]
                    docs |= {d: self.c.docs[d].full for d in found}
        return docs, queries

    def words(self) -> dict:
        """BM25's best 100, or its order of the official candidates."""
        queries = {q: self.c.queries[q] for q in self.qrels}
        if self.name != "wikiqa":
            return bm25_run(self.c, queries, stem=False)
        run = bm25_run(self.c, queries, k=len(self.c.docs), stem=False)
        return {
            q: dict(
                sorted(
                    ((d, run[q].get(d, 0.0)) for d in self.cosine[q]),
                    key=lambda item: -item[1],
                )
            )
            for q in self.qrels
        }

    def similarity(
        self, arm, interactions=(max_sim,), queries: list[str] | None = None
    ) -> list[dict]:
        """Similarity of every query and candidate: a list of {query: (K,)}, for each
        interaction with equal weights, then with idf.
        """
        arm.fit(self.docs.sample())
        offsets_of = self.docs.offsets
        if hasattr(arm, "side"):
            stored, offsets_of = arm.side(self.docs)
        elif type(arm).__name__ == "Full":
            stored = self.docs.tokens
        else:
            stored = self.docs.encoded(arm.docs)
        found: list[dict] = [{} for _ in range(2 * len(interactions))]
        for q in queries or self.qrels:
            row = self.asked.row[q]
            span = slice(self.asked.offsets[row], self.asked.offsets[row + 1])
            rows = [self.docs.row[d] for d in self.cosine[q]]
            parts = [stored[offsets_of[r] : offsets_of[r + 1]] for r in rows]
            offsets = np.cumsum([0, *map(len, parts)])
            similar = arm.similar(
                arm.queries(self.asked.tokens[span].astype(np.float32)),
                np.concatenate(parts),
            )
            weights = self.rarity.weights(self.asked.token_ids[span])
            for i, interact in enumerate(interactions):
                found[2 * i][q] = interact(similar, offsets)
                found[2 * i + 1][q] = interact(similar, offsets, weights)
        return found

    def run(self, similarity: dict, alpha: float) -> dict:
        """The mixed run; candidates in cosine's order, so equal scores keep it."""
        return {
            q: {
                d: alpha * c + (1 - alpha) * float(s)
                for (d, c), s in zip(self.cosine[q].items(), similarity[q])
            }
            for q in similarity
        }

    def values(self, run: dict, queries=None) -> dict:
        """{measure: {query: value}}."""
        return per_query(
            run, {q: self.qrels[q] for q in queries or self.qrels}, self.measures
        )


def choose(tokens: Path, wanted: list[str], old: dict, count: int = 400) -> dict:
    """The recipe: scale, alpha and idf for ours, alpha for every other arm, on training
    queries of scifact with MiniLM; then both models' shapes.

    With `wanted`, only these arms are looked at again, at the scale chosen before.
    """
    task = Task("scifact", MODELS[0], tokens / f"scifact_{MODELS[0]}", "train", count)
    table: dict = dict(old["arms"]) if wanted else {}

    def score(task: Task, run: dict, queries=None) -> float:
        return float(np.mean(list(task.values(run, queries)["nDCG@10"].values())))

    def note(name, similarity):
        for suffix, s in zip(("", ", idf"), similarity):
            curve = {a: score(task, task.run(s, a), s) for a in ALPHAS}
            best = max(curve, key=lambda a: (round(curve[a], 6), a))
            table[name + suffix] = {
                "alpha": best,
                "nDCG@10": round(curve[best], 4),
                "curve": {a: round(x, 4) for a, x in curve.items()},
            }
            say(
                f"{time.strftime('%H:%M:%S')} {name}{suffix}: alpha {best}, "
                f"{curve[best]:.4f}"
            )

    for scale in () if wanted else SCALES:
        note(f"scale {scale}", task.similarity(arms(MODELS[0], scale)[OURS]))
    scale = (
        old["scale"]
        if wanted
        else max(
            SCALES,
            key=lambda s: (
                table[f"scale {s}"]["nDCG@10"] + table[f"scale {s}, idf"]["nDCG@10"]
            ),
        )
    )
    every = arms(MODELS[0], scale) | ablations(scale)
    for name in wanted or every:
        if name == OURS:
            both = task.similarity(every[OURS], (max_sim, mean_sim))
            note(OURS, both[:2])
            note(MEAN, both[2:])
        else:
            note(
                name,
                task.similarity(
                    every[name],
                    queries=sorted(task.qrels)[:100]
                    if name.startswith("24 angles")
                    else None,
                ),
            )
    cosine = round(score(task, task.cosine), 4)
    names = [f"{name}, idf" for name in SHAPES]
    shapes = {
        MODELS[0]: {"cosine": cosine} | {name: table[name]["nDCG@10"] for name in names}
    }
    other = Task("scifact", MODELS[1], tokens / f"scifact_{MODELS[1]}", "train", count)
    shapes[MODELS[1]] = {"cosine": round(score(other, other.cosine), 4)}
    for arm, name in zip(SHAPES, names):
        run = other.run(
            other.similarity(arms(MODELS[1], scale)[arm])[1], table[name]["alpha"]
        )
        shapes[MODELS[1]][name] = round(score(other, run), 4)
    say(f"{shapes}")
    return {
        "collection": "scifact, train",
        "queries": count,
        "model": MODELS[0],
        "scale": scale,
        "idf": table[RECIPE]["nDCG@10"] > table[OURS]["nDCG@10"],
        "cosine": cosine,
        "arms": table,
        "shapes": shapes,
    }


def evidence(
    task: Task, choice: dict, wanted: list[str], skip: list[str], part: int = 100
) -> dict:
    """Every arm on one task: means, differences to cosine and to each other."""
    queries, values, about = list(task.qrels), {}, {}
    bm25 = task.words()
    runs = {
        "cosine": task.cosine,
        "BM25, no stemming": bm25,
    }
    subset = sorted(queries)[:part] if task.name == "scifact" else []
    for name, arm in (
        arms(task.model, choice["scale"])
        | (ablations(choice["scale"]) if subset else {})
    ).items():
        if (wanted and name not in wanted) or name in skip:
            continue
        some = subset if name.startswith("24 angles") else None
        names = [name, f"{name}, idf"] + [MEAN] * (name == OURS)
        for key, similarity in zip(
            names,
            task.similarity(
                arm, (max_sim, mean_sim) if name == OURS else (max_sim,), some
            ),
        ):
            # another map, the same recipe
            alpha = choice["arms"][key.replace(", map of the course corpus", "")][
                "alpha"
            ]
            runs[key] = task.run(similarity, alpha)
            about[key] = {"alpha": alpha, "bytes a token": arm.bytes}
            if some:
                about[key]["queries"] = len(some)
            if key == RECIPE:
                runs[f"{RECIPE}, alpha 0"] = task.run(similarity, 0.0)
            shown = task.values(runs[key], some)[task.measures[0]]
            say(
                f"{time.strftime('%H:%M:%S')} {task.name} {task.model} {key}: "
                f"{np.mean(list(shown.values())):.4f}"
            )
    parts = (
        regimes(task.c.qrels["train"], task.qrels)
        if "train" in task.c.qrels and task.name == "scifact"
        else {}
    )
    groups, table = query_groups(task.qrels, SHARED), {}
    for key, run in runs.items():
        some = [q for q in queries if q in run]
        values[key] = task.values(run, some)
        table[key] = about.get(key, {}) | {
            m: round(float(np.mean(list(v.values()))), 4)
            for m, v in values[key].items()
        }
        for regime, judged in parts.items():
            if len(some) == len(queries):
                mean = np.mean([values[key][task.measures[0]][q] for q in judged])
                table[key][
                    f"{task.measures[0]} ({regime} documents, {len(judged)})"
                ] = round(float(mean), 4)
        table[key]["versus cosine"] = (
            difference(values, key, "cosine", task.measures[0], groups)
            if key != "cosine"
            else None
        )
    raw = {k: t["versus cosine"]["p"] for k, t in table.items() if t["versus cosine"]}
    for key, p in holm(raw).items():
        table[key]["versus cosine"]["p_holm_over_arms"] = round(p, 5)
    against = {
        other: difference(values, RECIPE, other, task.measures[0], groups)
        for other in VERSUS
        if RECIPE in values and other in values
    }
    tokens = np.diff(task.docs.offsets)
    return {
        "measure": task.measures[0],
        "queries": len(queries),
        "candidates": "official" if task.name == "wikiqa" else task.k,
        "documents": len(task.docs.keys),
        "tokens": int(tokens.sum()),
        "arms": table,
        "recipe less": against,
    }


def difference(values: dict, a: str, b: str, measure: str, groups: dict) -> dict:
    """Paired comparison of two arms on the queries that both answer; `groups` are those
    of the queries that share relevant documents.
    """
    shared = [q for q in values[a][measure] if q in values[b][measure]]
    left, right = ({q: values[x][measure][q] for q in shared} for x in (a, b))
    found = asdict(compare_values(left, right, clusters=groups))
    return {k: round(v, 5) for k, v in found.items()}


def course(model: str) -> dict:
    """The recipe as a learner meets it: shipped map and codes on the course corpus,
    against cosine and BM25, {split: …}.
    """
    collection, found = load_collection(), {}
    scorer = Scorer(QubitMap.shipped(model), per="token")
    reranker = Reranker(TextEmbedder(model), scorer).index(collection)
    for split in ("dev", "test_new", "test_known", "test"):
        queries, qrels = collection.split(split), collection.qrels[split]
        groups = query_groups(qrels, SHARED)
        runs = {"BM25, no stemming": bm25_run(collection, queries, stem=False)}
        for name, alpha in (("cosine", 1.0), (RECIPE, scorer.default_alpha)):
            reranker.alpha = alpha
            runs[name] = reranker.run(queries)
        values = {
            name: per_query(run, qrels, ["nDCG@10", "RR@10"])
            for name, run in runs.items()
        }
        found[split] = {
            "queries": len(queries),
            "arms": {
                name: {
                    m: round(float(np.mean(list(v.values()))), 4)
                    for m, v in scored.items()
                }
                for name, scored in values.items()
            },
            "recipe less cosine": difference(
                values, RECIPE, "cosine", "nDCG@10", groups
            ),
            "unjudged@10": {
                name: round(unjudged_at(runs[name], qrels), 4)
                for name in ("cosine", RECIPE)
            },
        }
    return found


def family(path: Path, models) -> None:
    """Holm's p of the one question asked of every collection: the recipe against
    cosine.
    """
    found = json.loads(path.read_text(encoding="utf-8"))["collections"]
    for model in models:
        raw = {
            name: by_model[model]["recipe less"]["cosine"]["p"]
            for name, by_model in found.items()
            if "cosine" in by_model.get(model, {}).get("recipe less", {})
        }
        for name, p in holm(raw).items():
            found[name][model]["recipe less"]["cosine"]["p_holm_over_collections"] = (
                round(p, 5)
            )
    merge(path, {"collections": found})


def merge(path: Path, found: dict) -> None:
    """Merge dictionaries into the file, which is rewritten at once."""

    def into(old, new):
        return {
            **old,
            **{
                k: into(old[k], v)
                if isinstance(v, dict)
                and isinstance(old.get(k), dict)
                and k in ("collections", *COLLECTIONS)
                else v
                for k, v in new.items()
            },
        }

    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    about = {
        "how": "python -m tools.bench.tokens --choose, then without, then --course, "
        "then --speed-only",
        "date": datetime.date.today().isoformat(),
        "versions": {
            p: version(p)
            for p in (
                "torch",
                "numpy",
                "faiss-cpu",
                "sentence-transformers",
                "ir-measures",
                "bm25s",
            )
        },
    }
    with atomic_path(path) as partial:
        partial.write_text(
            json.dumps(into(old, found) | about, indent=1, ensure_ascii=False) + "\n",
            encoding="utf-8",
            newline="\n",
        )


def main() -> None:
    """Parse the command line, measure, merge into the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collections", nargs="+", default=COLLECTIONS)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument(
        "--candidates",
        type=int,
        default=100,
        help="of the first stage; only their token vectors are needed",
    )
    parser.add_argument(
        "--queries",
        type=int,
        help="only so many test queries, drawn with seed 0 (default: all)",
    )
    parser.add_argument(
        "--arms",
        nargs="+",
        default=[],
        help="only these (default: all); with --choose, the others stay as they are",
    )
    parser.add_argument(
        "--skip",
        nargs="+",
        default=[],
        help="not these (product quantisation takes longest)",
    )
    parser.add_argument(
        "--tokens",
        type=Path,
        default=Path(os.environ.get("QRR_CACHE_DIR", Path.home() / ".cache" / "qrr"))
        / "tokens",
    )
    parser.add_argument(
        "--choose",
        action="store_true",
        help="choose the recipe on training queries, and stop",
    )
    parser.add_argument(
        "--speed-only", action="store_true", help="time, disk and memory, and stop"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument(
        "--course",
        action="store_true",
        help="the course corpus with the shipped maps and codes (seconds), and stop",
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.choose:
        old = (
            json.loads(args.out.read_text(encoding="utf-8"))["choice"]
            if args.arms
            else {}
        )
        merge(args.out, {"choice": choose(args.tokens, args.arms, old)})
        return
    if args.speed_only:
        from tools.bench.tokens_speed import measure

        merge(args.out, {"speed": measure(args.tokens)})
        return
    if args.course:
        merge(args.out, {"course": {model: course(model) for model in args.models}})
        return
    choice = json.loads(args.out.read_text(encoding="utf-8"))["choice"]
    for model in args.models:
        for name in args.collections:
            task = Task(
                name,
                model,
                args.tokens / f"{name}_{model}",
                queries=args.queries,
                k=args.candidates,
            )
            merge(
                args.out,
                {
                    "collections": {
                        name: {model: evidence(task, choice, args.arms, args.skip)}
                    }
                },
            )
            family(args.out, [model])


if __name__ == "__main__":
    main()
