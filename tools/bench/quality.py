"""Does it help?

Every head, seed and regime on one collection: the figures of lessons 07 and 08.

    # writes data/results/quality_scifact.json
    python -m tools.bench.quality --collection scifact
    python -m tools.bench.quality --collection wikiqa --audit-only

A public collection is found as `load_collection` finds it (set QRR_COLLECTIONS_DIR).
Embeddings come from --vectors (arrays doc_ids, docs, query_ids, queries), else from the
collection's own folder embeddings/MODEL.npz, else they are computed, which takes a
while.

Protocol. The test queries choose nothing. Each seed carves two dev splits off the
training queries (`carve_dev`), and each trained head gets the same budget: two learning
rates on seed 0 (the one with the larger sum of dev gains is kept), then every seed. Two
settings are reported apart:
    "known"  epoch and α chosen on dev queries about documents that training queries are
             about, too (you have the query log)
    "new"    epoch and α chosen on dev queries that share no relevant document with
             training (you have not)
and each is scored on known and on new test queries, so that the table also shows what
the wrong setting costs. Where α = 1 was chosen, a row says nothing about the head; so
"alone" keeps, for every seed, the order by the head's similarity alone after its last
epoch, which no dev query chose.
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

from qrr_lib import TextEmbedder, load_collection, per_query
from qrr_lib.embed import model_spec
from qrr_lib.files import say
from qrr_lib.learn import (
    SphereTwin,
    audit,
    candidate_similarity,
    carve_dev,
    choose_alpha,
    compare_values,
    holm,
    query_groups,
    regimes,
    train_head,
)
from qrr_lib.learn.comparison import SHARED
from qrr_lib.learn.scores import document_rows
from qrr_lib.learn.splits import relevant_documents
from qrr_lib.rank import (
    Vectors,
    bm25_run,
    embed_collection,
    judged_candidates,
    reciprocal_rank_fusion,
    relevant,
    unjudged_at,
)
from tools.bench.arms import ARMS, make_arm
from tools.bench.curves import alpha_sweep, candidate_curve

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results"
MEASURES = ["nDCG@10", "RR@10", "AP", "R@100"]
RATES = (1e-3, 3e-3)
PATIENCE = 10
ANCHORS = ("anchor_2501_04591", "anchor_linear_256")
# the first is one_qubit under another name, the second slower and no better: ask for
# them
SAME = ("one_qubit_twin_same_angles", "qubits_64_log")
DEFAULT = [name for name in ARMS if name not in SAME]
PAIRS = [
    ("qubits_64", "classical_128"),
    ("qubits_64_log", "classical_128"),
    ("qubits_64", "document_only"),
    ("entangled_6x2", "separable_6x2"),
    ("entangled_6x2", "classical_24"),
    ("one_qubit", "one_qubit_twin_same_angles"),
    ("one_qubit", "one_qubit_twin_3_outputs"),
    ANCHORS,
]


def load_vectors(collection, path: str | None, model: str) -> Vectors:
    """Embeddings from a file if there is one (float16, scaled back to length 1), else
    computed.
    """
    collections = Path(os.environ.get("QRR_COLLECTIONS_DIR", ""))
    usual = collections / collection.name / "embeddings" / f"{model}.npz"
    file = Path(path) if path else usual
    if path or file.is_file():
        check_vectors_of(file, model)
    if not file.is_file():
        return embed_collection(TextEmbedder(model), collection)
    with np.load(file) as kept:
        docs, queries = (unit(kept[name].astype("f4")) for name in ("docs", "queries"))
        row_of = {doc: row for row, doc in enumerate(kept["doc_ids"].tolist())}
        docs = docs[[row_of[doc] for doc in collection.docs]]
        return Vectors(docs, dict(zip(kept["query_ids"].tolist(), queries)))


def check_vectors_of(file: Path, model: str) -> None:
    """ValueError for vectors of another model, by what the file says or their width."""
    with np.load(file) as kept:
        said = str(kept["model"]) if "model" in kept else model
        width = kept["docs"].shape[1]
    if said != model or width != model_spec(model).dim:
        raise ValueError(
            f"{file} holds {width} numbers a text of {said}, not vectors of {model}: "
            "name its model with --model"
        )


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def number_of_parameters(head) -> int:
    """All that training can move."""
    return sum(p.numel() for p in head.parameters())


class Bench:
    """One collection, its splits, candidates and results.

    `results` is {head: {setting: {measure: {query: mean over seeds}}}}, `by_seed`
    {head: {setting: [{"known", "new", alpha, epoch}]}}.
    """

    def __init__(self, collection, vectors: Vectors, seeds: int):
        self.c, self.v, self.seeds = collection, vectors, range(seeds)
        self.train = collection.qrels["train"] | collection.qrels.get("dev", {})
        self.test = collection.qrels["test"]
        self.regime = regimes(self.train, self.test)
        self.groups = query_groups(self.test, SHARED)
        self.candidates = self.found(self.test)
        self.results: dict[str, dict] = {}
        self.by_seed: dict[str, dict] = {}

    def found(self, qrels, k: int = 100):
        """The first stage's candidates for some queries."""
        return judged_candidates(self.v, self.c, qrels, k)

    def similarity(self, head, name: str, candidates=None, documents=None):
        """A head's similarities with the test queries' candidates, or with others."""
        candidates = candidates or self.candidates
        return candidate_similarity(head, name, self.v, candidates, documents)

    def parts(self, seed: int) -> dict:
        """The training queries and two dev splits of a seed."""
        if "dev" not in self.c.qrels:
            return carve_dev(self.train, 0.15, seed)
        # the collection brings a leak-free dev split of its own
        parts = carve_dev(self.c.qrels["train"], 0.15, seed)
        return {
            "train": parts["train"] | parts["dev_new"],
            "dev_new": self.c.qrels["dev"],
            "dev_known": parts["dev_known"],
        }

    def made(self, name: str, seed: int):
        """A head that has not been trained."""
        return make_arm(name, self.v.docs.shape[1], seed, self.v.docs)

    def train_one(self, name: str, seed: int, lr: float, train: dict):
        """Train one head on one seed."""
        arm, parts = self.made(name, seed), self.parts(seed)
        return train_head(
            arm.head,
            self.v,
            self.c,
            train,
            parts["dev_new"],
            parts["dev_known"],
            arm.similarity,
            seed=seed,
            lr=lr,
            scale=arm.scale,
            patience=PATIENCE,
            progress=False,
            batch_size=64 if len(self.train) > 300 else 16,
        )

    def add(
        self,
        key: str,
        per_seed: list[dict[str, tuple[np.ndarray, float, int]]],
        alone: list[np.ndarray],
        **about,
    ) -> None:
        """Store a head: for each seed {setting: ((Q, K) similarity with the test
        queries' candidates, α, epoch)}, and similarities to rank by alone.
        """
        self.results[key], self.by_seed[key] = {}, {"about": about}
        scored = [
            dict(zip(self.candidates.query_ids, self.candidates.ndcg(similarity)))
            for similarity in alone
        ]
        self.by_seed[key]["alone"] = [self.means(values) for values in scored]
        for setting in per_seed[0]:
            values = []
            for similarity, alpha, epoch in (seed[setting] for seed in per_seed):
                both = self.candidates.with_signal("states", similarity)
                values.append(per_query(both.run(alpha), self.test, MEASURES))
                row = {"alpha": alpha, "epoch": epoch}
                row |= self.means(values[-1]["nDCG@10"])
                self.by_seed[key].setdefault(setting, []).append(row)
            self.results[key][setting] = {
                m: {q: float(np.mean([v[m][q] for v in values])) for q in self.test}
                for m in MEASURES
            }
        shown = {
            s: [
                (r["alpha"], round(r["known"], 3), round(r["new"], 3))
                for r in self.by_seed[key][s]
            ]
            for s in per_seed[0]
        }
        say(f"{time.strftime('%H:%M:%S')} {key}: {shown}")

    def means(self, values: dict[str, float]) -> dict[str, float]:
        """{regime: mean over its queries}."""
        return {
            regime: round(float(np.mean([values[q] for q in queries])), 4)
            for regime, queries in self.regime.items()
        }

    def trained(
        self, name: str, seeds, fraction: float = 1.0, rate: float | None = None
    ):
        """Tune the learning rate on the first seed, train every seed; returns the
        results and keeps the test similarities.
        """

        def subset(seed):
            queries = sorted(self.parts(seed)["train"])
            size = max(2, round(fraction * len(queries)))
            chosen = random.Random(seed).sample(queries, size)
            return {q: self.train[q] for q in chosen}

        begun, first = time.process_time(), seeds[0]
        rates = RATES if rate is None else (rate,)
        tried = {lr: self.train_one(name, first, lr, subset(first)) for lr in rates}
        gains = {lr: sum(c.gain for c in tried[lr].choices.values()) for lr in rates}
        lr = max(rates, key=gains.get)
        runs = [tried[lr]]
        runs += [self.train_one(name, seed, lr, subset(seed)) for seed in seeds[1:]]
        per_seed, alone = [], [self.of_run(run, "last") for run in runs]
        for run in runs:
            alphas = {s: run.use(s) for s in ("known", "new")}
            per_seed.append(
                {
                    s: (self.of_run(run, s), alphas[s], run.choices[s].epoch)
                    for s in alphas
                }
            )
        seconds = time.process_time() - begun
        self.add(
            name if fraction == 1 else f"{name} @ {fraction:.0%}",
            per_seed,
            alone,
            learning_rate=lr,
            parameters=number_of_parameters(runs[0].head),
            training_queries=len(subset(first)),
            cpu_seconds_a_run=round(seconds / (len(tried) + len(seeds) - 1), 1),
            curve_of_seed_0=runs[0].curve,
        )
        return runs

    def of_run(self, run, setting: str) -> np.ndarray:
        """A trained head's similarities with the test queries' candidates, with the
        weights that a dev split chose.
        """
        run.use(setting)
        return self.similarity(run.head, run.similarity)

    def chosen(self, head, name, seed, setting, epoch=0, documents=None) -> tuple:
        """An untrained or manipulated head: α alone is chosen on a dev split."""
        dev = self.found(self.parts(seed)[f"dev_{setting}"])
        alpha, _ = choose_alpha(dev, self.similarity(head, name, dev, documents))
        return self.similarity(head, name, documents=documents), alpha, epoch

    def shuffled(self, runs) -> None:
        """Control: after training, every document gets the angles of another one; α is
        chosen anew with the shuffled angles.
        """
        per_seed, alone = [], []
        for run in runs:
            order = np.random.default_rng(run.seed).permutation(len(self.v.docs))
            per_seed.append({})
            for setting in ("known", "new", "last"):
                run.use(setting)
                other = document_rows(run.head, run.similarity, self.v.docs[order])
                if setting == "last":
                    alone.append(
                        self.similarity(run.head, run.similarity, documents=other)
                    )
                else:
                    per_seed[-1][setting] = self.chosen(
                        run.head,
                        run.similarity,
                        run.seed,
                        setting,
                        run.choices[setting].epoch,
                        other,
                    )
        self.add("shuffled_angles", per_seed, alone)

    def first_stages(self) -> dict:
        """Cosine, BM25 and their fusion; also the share of unjudged documents in the
        first ten.
        """
        queries = {q: self.c.queries[q] for q in self.test}
        runs = {
            "cosine": self.candidates.run(1.0),
            "bm25": bm25_run(self.c, queries),
        }
        runs["rrf"] = reciprocal_rank_fusion([runs["cosine"], runs["bm25"]])
        for name, run in runs.items():
            scored = per_query(run, self.test, MEASURES)
            self.results[name] = {s: scored for s in ("known", "new")}
        return {
            name: round(unjudged_at(run, self.test), 4) for name, run in runs.items()
        }

    def table(self) -> dict:
        """{head: {setting: {regime: means, difference to cosine with interval, p,
        Holm's p}}}.
        """
        table: dict = {}
        for arm, settings in self.results.items():
            for setting, scored in settings.items():
                for regime, queries in {**self.regime, "all": self.test}.items():
                    cell = {
                        m: round(float(np.mean([scored[m][q] for q in queries])), 4)
                        for m in MEASURES
                    }
                    if arm != "cosine":
                        versus = self.difference(arm, "cosine", setting, queries)
                        cell["versus_cosine"] = versus
                    table.setdefault(arm, {}).setdefault(setting, {})[regime] = cell
        for setting in ("known", "new"):
            for regime in (*self.regime, "all"):
                cells = {
                    a: t[setting][regime]["versus_cosine"]
                    for a, t in table.items()
                    if a != "cosine"
                }
                for arm, p in holm({a: cell["p"] for a, cell in cells.items()}).items():
                    cells[arm]["p_holm"] = round(p, 5)
        return table

    def difference(self, a: str, b: str, setting: str, queries) -> dict:
        """Compare the per-query means of two heads on some queries."""
        left, right = (
            {q: self.results[x][setting]["nDCG@10"][q] for q in queries} for x in (a, b)
        )
        versus = compare_values(left, right, clusters=self.groups)
        return {k: round(v, 5) for k, v in asdict(versus).items()}


def audits(collection) -> list[dict]:
    """The audit as plain numbers, without the collection's texts."""
    return [
        {k: v for k, v in asdict(pair).items() if k != "examples"}
        for pair in audit(collection).pairs
    ]


def measure(bench: Bench, arms: list[str], low_data: bool) -> dict:
    """Run everything; returns what goes into the file."""
    unjudged, keep, same, seeds = bench.first_stages(), {}, None, list(bench.seeds)
    for name in arms:
        if bench.made(name, 0).trained:
            keep[name] = bench.trained(name, seeds)
            if name == "qubits_64":
                bench.shuffled(keep[name])
            if name == "one_qubit":
                same = same_function(bench, keep[name][0])
            continue
        made = [bench.made(name, seed) for seed in seeds]
        alone = [bench.similarity(a.head, a.similarity) for a in made]
        chosen = [
            {s: bench.chosen(a.head, a.similarity, seed, s) for s in ("known", "new")}
            for seed, a in zip(seeds, made)
        ]
        parameters = number_of_parameters(made[0].head)
        bench.add(name, chosen, alone, parameters=parameters)
    for name in (a for a in ANCHORS if low_data and a in arms):
        rate = bench.by_seed[name]["about"]["learning_rate"]
        for fraction in (0.01, 0.1):
            bench.trained(name, seeds, fraction, rate)
    found = {
        "unjudged@10": unjudged,
        "one qubit less its classical twin, largest score difference": same,
        "table": bench.table(),
        "by_seed": bench.by_seed,
    }
    found["twins"] = {
        f"{a} - {b}": {
            s: {r: bench.difference(a, b, s, q) for r, q in bench.regime.items()}
            for s in ("known", "new")
        }
        for a, b in PAIRS
        if a in bench.results and b in bench.results
    }
    if "qubits_64" in keep:
        found |= curves(bench, keep["qubits_64"][0])
    found["per_query_nDCG@10"] = {
        arm: {
            s: {q: round(x, 4) for q, x in v["nDCG@10"].items()}
            for s, v in settings.items()
        }
        for arm, settings in bench.results.items()
        if arm in ("cosine", "qubits_64", "classical_128", "document_only")
    }
    return found


def same_function(bench: Bench, run) -> float:
    """Score the test queries' candidates with the trained one-qubit head and with the
    classical reading of the same (θ, γ); they must agree to 1e-6.
    """
    run.use("known")
    heads = run.head, SphereTwin(run.head)
    qubit, twin = (bench.similarity(head, run.similarity) for head in heads)
    largest = float(np.abs(qubit - twin).max())
    if largest > 1e-6:
        raise AssertionError(
            f"the one-qubit head and its classical twin differ by {largest}"
        )
    return largest


def curves(bench: Bench, run) -> dict:
    """α swept and the number of candidates varied, for seed 0 of the 64-qubit head."""
    parts = bench.parts(run.seed)
    found = {"alpha_sweep_seed_0": {}, "candidates_seed_0": {}}
    # "last": whatever dev says, the head after its last epoch
    for setting, part in (("known", "known"), ("new", "new"), ("last", "new")):
        alpha = run.use(setting)
        dev = bench.found(parts[f"dev_{part}"])
        on_dev = bench.similarity(run.head, run.similarity, dev)
        for regime, qrels in bench.regime.items():
            many = bench.found(qrels, k=min(500, len(bench.c.docs)))
            similarity = bench.similarity(run.head, run.similarity, many)
            key = f"setting {setting}, {regime} documents"
            swept = alpha_sweep(bench.found(qrels), similarity[:, :100], dev, on_dev)
            found["alpha_sweep_seed_0"][key] = asdict(swept)
            found["candidates_seed_0"][key] = candidate_curve(many, similarity, alpha)
    return found


def main() -> None:
    """Parse the command line, measure, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collection", default="scifact")
    parser.add_argument("--model", default="all-mpnet-base-v2")
    parser.add_argument("--vectors", help="npz with doc_ids, docs, query_ids, queries")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", nargs="+", default=DEFAULT, choices=list(ARMS))
    parser.add_argument("--audit-only", action="store_true")
    parser.add_argument("--out", help="default data/results/quality_COLLECTION.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    begun, collection = time.perf_counter(), load_collection(args.collection)
    found = {
        "how": f"python -m tools.bench.quality --collection {collection.name}"
        + " --audit-only" * args.audit_only,
        "collection": collection.name,
        "audit": audits(collection),
    }
    if not args.audit_only:
        bench = Bench(
            collection, load_vectors(collection, args.vectors, args.model), args.seeds
        )
        found |= {
            "model": args.model,
            "seeds": args.seeds,
            "candidates": 100,
            "learning_rates_tried": RATES,
            "queries": {"train": len(bench.train), "test": len(bench.test)}
            | {r: len(q) for r, q in bench.regime.items()},
            "of which train, dev_new, dev_known (seed 0)": [
                len(p) for p in bench.parts(0).values()
            ],
            "known queries that share only with a dev query (seed 0)": only_dev(bench),
        }
        found |= measure(bench, args.arms, low_data=len(bench.train) > 300)
    found |= {
        "seconds": round(time.perf_counter() - begun),
        "date": datetime.date.today().isoformat(),
        "versions": {
            p: version(p) for p in ("torch", "numpy", "scipy", "ir-measures", "bm25s")
        },
    }
    out = Path(args.out) if args.out else RESULTS / f"quality_{collection.name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")
    say(f"wrote {out.name} after {found['seconds']} s")


def only_dev(bench: Bench) -> int:
    """Known test queries whose documents were seen by no training query proper, only by
    a dev query: they dilute the known regime.
    """
    trained = relevant_documents(bench.parts(0)["train"])
    return sum(
        not relevant(judged) & trained for judged in bench.regime["known"].values()
    )


if __name__ == "__main__":
    main()
