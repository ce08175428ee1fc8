"""Does it help?

Every arm, seed and regime on one collection: the figures of lessons 07 and 08.

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

from __future__ import annotations

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
from qrr_lib.files import say
from qrr_lib.learn.choice import choose_alpha
from qrr_lib.learn.comparison import compare_values, holm
from qrr_lib.learn.leaks import audit
from qrr_lib.learn.scores import pool_similarity, represent_all
from qrr_lib.learn.splits import carve_dev, regimes
from qrr_lib.learn.training import train_head
from qrr_lib.learn.twins import SphereTwin
from qrr_lib.rank.candidates import Vectors, embed_collection, make_pool
from qrr_lib.rank.metrics import relevant, unjudged_at
from qrr_lib.rank.words import bm25_run, reciprocal_rank_fusion
from tools.bench.arms import ARMS, make_arm
from tools.bench.curves import alpha_sweep, candidate_curve

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results"
MEASURES = ["nDCG@10", "RR@10", "AP", "R@100"]
RATES = (1e-3, 3e-3)
PATIENCE = 10
ANCHORS = ("anchor_2501_04591", "anchor_linear_256")
# the first is one_qubit under another name, the second slower and no better: ask for
# them
SAME = (
    "one_qubit_twin_same_angles",
    "qubits_64_log",
)
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
    folder = (
        Path(os.environ.get("QRR_COLLECTIONS_DIR", ""))
        / collection.name
        / "embeddings"
        / f"{model}.npz"
    )
    file = Path(path) if path else folder
    if not file.is_file():
        return embed_collection(TextEmbedder(model), collection)
    with np.load(file) as z:
        unit = {
            k: z[k].astype("f4")
            / np.linalg.norm(z[k].astype("f4"), axis=1, keepdims=True)
            for k in ("docs", "queries")
        }
        at = {key: i for i, key in enumerate(z["doc_ids"].tolist())}
        return Vectors(
            unit["docs"][[at[d] for d in collection.docs]],
            dict(zip(z["query_ids"].tolist(), unit["queries"])),
        )


class Bench:
    """One collection, its splits, pools and results."""

    def __init__(self, collection, vectors: Vectors, seeds: int):
        self.c, self.v, self.seeds = collection, vectors, range(seeds)
        self.train = collection.qrels["train"] | collection.qrels.get("dev", {})
        self.test = collection.qrels["test"]
        self.regime = regimes(self.train, self.test)
        self.pool = make_pool(vectors, collection, self.test)
        self.results: dict[
            str, dict
        ] = {}  # arm → setting → measure → {query: mean over seeds}
        self.by_seed: dict[
            str, dict
        ] = {}  # arm → setting → list of {"known", "new", alpha, epoch}

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

    def train_arm(self, name: str, seed: int, lr: float, train: dict | None = None):
        """Train one arm on one seed."""
        arm = make_arm(name, self.v.docs.shape[1], seed, self.v.docs)
        parts = self.parts(seed)
        return train_head(
            arm.head,
            self.v,
            self.c,
            train or parts["train"],
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
        """Store an arm: for each seed {setting: ((Q, K) similarity on the test pool, α,
        epoch)}, and similarities to rank by alone.
        """
        self.results[key], self.by_seed[key] = {}, {"about": about}
        scored = [
            dict(zip(self.pool.query_ids, self.pool.ndcg(similarity)))
            for similarity in alone
        ]
        self.by_seed[key]["alone"] = [
            {r: self.mean(values, r) for r in self.regime} for values in scored
        ]
        for setting in per_seed[0]:
            values = []
            for similarity, alpha, epoch in (seed[setting] for seed in per_seed):
                scored = per_query(
                    self.pool.run(self.pool.mix(similarity, alpha)), self.test, MEASURES
                )
                values.append(scored)
                row = {"alpha": alpha, "epoch": epoch} | {
                    r: self.mean(scored["nDCG@10"], r) for r in self.regime
                }
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

    def mean(self, values: dict[str, float], regime: str) -> float:
        """Mean over the queries of a regime."""
        return round(float(np.mean([values[q] for q in self.regime[regime]])), 4)

    def trained(
        self, name: str, seeds, fraction: float = 1.0, rate: float | None = None
    ):
        """Tune the learning rate on the first seed, train every seed; returns the
        results and keeps the test similarities.
        """

        def subset(seed):
            queries = sorted(self.parts(seed)["train"])
            chosen = random.Random(seed).sample(
                queries, max(2, round(fraction * len(queries)))
            )
            return {q: self.train[q] for q in chosen}

        begun, runs = time.process_time(), []
        tried = {
            lr: self.train_arm(name, seeds[0], lr, subset(seeds[0]))
            for lr in (RATES if rate is None else (rate,))
        }
        lr = max(
            tried,
            key=lambda r: sum(choice.gain for choice in tried[r].choices.values()),
        )
        runs = [tried[lr]] + [
            self.train_arm(name, seed, lr, subset(seed)) for seed in seeds[1:]
        ]
        per_seed, alone = [], [self.similarity(run, "last") for run in runs]
        for run in runs:
            alphas = {s: run.use(s) for s in ("known", "new")}
            per_seed.append(
                {
                    s: (self.similarity(run, s), alphas[s], run.choices[s].epoch)
                    for s in alphas
                }
            )
        key = name if fraction == 1 else f"{name} @ {fraction:.0%}"
        self.add(
            key,
            per_seed,
            alone,
            learning_rate=lr,
            parameters=sum(p.numel() for p in runs[0].head.parameters()),
            training_queries=len(subset(seeds[0])),
            cpu_seconds_a_run=round(
                (time.process_time() - begun) / (len(tried) + len(seeds) - 1), 1
            ),
            curve_of_seed_0=runs[0].curve,
        )
        return runs

    def similarity(self, run, setting: str) -> np.ndarray:
        """A trained head's similarities on the test pool, with the weights that a dev
        split chose.
        """
        run.use(setting)
        return pool_similarity(run.head, run.similarity, self.v, self.pool)

    def chosen(self, head, kind: str, seed: int, vectors: Vectors) -> dict:
        """An untrained or manipulated head: α alone is chosen on the dev splits."""
        chosen = {}
        for setting in ("known", "new"):
            dev = make_pool(vectors, self.c, self.parts(seed)[f"dev_{setting}"])
            alpha, _ = choose_alpha(dev, pool_similarity(head, kind, vectors, dev))
            chosen[setting] = (
                pool_similarity(head, kind, vectors, self.pool),
                alpha,
                0,
            )
        return chosen

    def shuffled(self, runs) -> None:
        """Control: after training, every document gets the angles of another one; α is
        chosen anew with the shuffled angles.
        """
        per_seed, alone = [], []
        for run in runs:
            order = np.random.default_rng(run.seed).permutation(len(self.v.docs))
            per_seed.append({})
            for setting in ("known", "new"):
                run.use(setting)
                other = represent_all(run.head, self.v.docs[order])
                dev = make_pool(self.v, self.c, self.parts(run.seed)[f"dev_{setting}"])
                alpha, _ = choose_alpha(
                    dev, pool_similarity(run.head, run.similarity, self.v, dev, other)
                )
                per_seed[-1][setting] = (
                    pool_similarity(run.head, run.similarity, self.v, self.pool, other),
                    alpha,
                    run.choices[setting].epoch,
                )
            run.use("last")
            alone.append(
                pool_similarity(
                    run.head,
                    run.similarity,
                    self.v,
                    self.pool,
                    represent_all(run.head, self.v.docs[order]),
                )
            )
        self.add("shuffled_angles", per_seed, alone)

    def first_stages(self) -> dict:
        """Cosine, BM25 and their fusion; also the share of unjudged documents in the
        first ten.
        """
        queries = {q: self.c.queries[q] for q in self.test}
        runs = {
            "cosine": self.pool.run(self.pool.cosine),
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
        """{arm: {setting: {regime: means, difference to cosine with interval, p, Holm's
        p}}}.
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
        """Compare the per-query means of two arms on some queries."""
        left, right = (
            {q: self.results[x][setting]["nDCG@10"][q] for q in queries} for x in (a, b)
        )
        return {k: round(v, 5) for k, v in asdict(compare_values(left, right)).items()}


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
        arm = make_arm(name, bench.v.docs.shape[1], 0, bench.v.docs)
        if arm.trained:
            keep[name] = bench.trained(name, seeds)
            if name == "qubits_64":
                bench.shuffled(keep[name])
            if name == "one_qubit":
                same = same_function(bench, keep[name][0])
        else:
            made = [
                make_arm(name, bench.v.docs.shape[1], s, bench.v.docs) for s in seeds
            ]
            alone = [
                pool_similarity(a.head, a.similarity, bench.v, bench.pool) for a in made
            ]
            chosen = [
                bench.chosen(a.head, a.similarity, s, bench.v)
                for a, s in zip(made, seeds)
            ]
            bench.add(
                name,
                chosen,
                alone,
                parameters=sum(p.numel() for p in arm.head.parameters()),
            )
    for name in (a for a in ANCHORS if low_data and a in arms):
        for fraction in (0.01, 0.1):
            bench.trained(
                name, seeds, fraction, bench.by_seed[name]["about"]["learning_rate"]
            )
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
    """Score the test pool with the trained one-qubit head and with the classical
    reading of the same (θ, γ); they must agree to 1e-6.
    """
    run.use("known")
    qubit, twin = (
        pool_similarity(h, run.similarity, bench.v, bench.pool)
        for h in (run.head, SphereTwin(run.head))
    )
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
    for setting in (
        "known",
        "new",
        "last",
    ):
        alpha = run.use(setting)
        dev = make_pool(
            bench.v,
            bench.c,
            parts["dev_new" if setting == "last" else f"dev_{setting}"],
        )
        on_dev = pool_similarity(run.head, run.similarity, bench.v, dev)
        for regime, qrels in bench.regime.items():
            pool = make_pool(bench.v, bench.c, qrels, k=min(500, len(bench.c.docs)))
            similarity = pool_similarity(run.head, run.similarity, bench.v, pool)
            first = make_pool(bench.v, bench.c, qrels)
            key = f"setting {setting}, {regime} documents"
            found["alpha_sweep_seed_0"][key] = asdict(
                alpha_sweep(first, similarity[:, :100], dev, on_dev)
            )
            found["candidates_seed_0"][key] = candidate_curve(pool, similarity, alpha)
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
    trained = set().union(*map(relevant, bench.parts(0)["train"].values()))
    return sum(
        not relevant(judged) & trained for judged in bench.regime["known"].values()
    )


if __name__ == "__main__":
    main()
