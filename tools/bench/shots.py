"""Measure how many shots a ranking needs, what an uneven allocation saves, and what
noise does (lesson 12).

    # or: make bench-shots; under 10 minutes on two cores
    python -m tools.bench.shots
    # some tasks again, the others stay as they are
    python -m tools.bench.shots --tasks protocols

States: one product state of n qubits a text, angles from `QubitMap(n, scale=0.6)`
fitted to the course's passages (no labels). Lists: cosine's 100 best passages for each
of the 140 test queries. Every figure is a mean over queries, repeated REPEATS times
with fresh shots; `low` and `high` are the 2.5 and 97.5 per cent points of the
repetitions. Estimates that tie are put in random order. The protocols are priced for
the recommended reranker, one state a token.
"""

import argparse
import datetime
import json
import platform
import re
import time
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from qrr_lib import TextEmbedder, bloch_vectors, load_collection
from qrr_lib.encode.codes import codes_to_bloch
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.rank.judged import embed_collection, judged_candidates
from qrr_lib.rank.maxsim import max_sim
from qrr_lib.rank.reranker import Reranker
from qrr_lib.rank.scorer import Scorer
from qrr_lib.rank.union import Union
from qrr_lib.shots.estimates import (
    estimate_variance,
    sample_fidelity,
    shots_for_gap,
)
from qrr_lib.shots.noise import depolarise, misread, qubit_fidelities, same_order
from qrr_lib.shots.spending import (
    order_agreement,
    shot_order,
    spend_by_halving,
)

OUT = Path(__file__).resolve().parents[2] / "data" / "results" / "shots.json"
MODELS = ("all-mpnet-base-v2", "all-MiniLM-L6-v2")
REPEATS = 20
SHOTS = [10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
SERIES = {  # name: (qubits, what the shots are read as, method)
    "1 qubit, fidelity": (1, "fidelity", "compute_uncompute"),
    "1 qubit, fidelity, swap test": (1, "fidelity", "swap_test"),
    "8 qubits, fidelity": (8, "fidelity", "compute_uncompute"),
    "8 qubits, fidelity, swap test": (8, "fidelity", "swap_test"),
    "8 qubits, local fidelity": (8, "local", "compute_uncompute"),
    "16 qubits, fidelity": (16, "fidelity", "compute_uncompute"),
    "16 qubits, local fidelity": (16, "local", "compute_uncompute"),
}
HALVED = ("1 qubit, fidelity", "8 qubits, fidelity", "16 qubits, local fidelity")
BUDGETS = [10, 30, 100, 300, 1000, 3000]  # shots a document, on average
ALPHA = 0.5
SCALE = 0.6  # of QubitMap: the spread of the angles that these figures belong to


class States:
    """The test pool of one model, and the qubits' fidelities (Q, 100, n) for any n."""

    def __init__(self, model: str):
        self.collection = load_collection("course")
        self.vectors = embed_collection(TextEmbedder(model), self.collection)
        self.pool = judged_candidates(
            self.vectors, self.collection, self.collection.qrels["test"], 100
        )
        self._made: dict[int, tuple] = {}

    def angles(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Angles of all queries (Q, 1, n, 2) and of all documents (N, 1, n, 2),
        float64.
        """
        if n not in self._made:
            source = QubitMap(n, scale=SCALE).fit(self.vectors.docs)
            texts = self.vectors.of(self.pool.query_ids), self.vectors.docs
            self._made[n] = tuple(
                source(torch.as_tensor(vectors)).double() for vectors in texts
            )
        return self._made[n]

    def factors(self, n: int) -> np.ndarray:
        """Qubits' fidelities of every query with its candidates."""
        queries, documents = (
            bloch_vectors(angles).numpy() for angles in self.angles(n)
        )
        return qubit_fidelities(queries, documents[self.pool.rows])

    def exact_and_sampler(self, series: str, rng: np.random.Generator):
        """Exact scores (Q, 100), and a function (rows, shots) → estimates for
        `spend_…`.
        """
        n, kind, method = SERIES[series]
        factors = self.factors(n)
        exact = factors.mean(-1) if kind == "local" else factors.prod(-1)

        def measure(rows, shots):
            if kind == "local":
                asked = np.take_along_axis(factors, rows[..., None], 1)
                return sample_fidelity(asked, shots, rng).mean(axis=-1)
            asked = np.take_along_axis(exact, rows, 1)
            return sample_fidelity(asked, shots, rng, method)

        return exact, measure

    def ndcg(self, order: np.ndarray) -> float:
        """Mean nDCG@10 of orders (Q, 100)."""
        scores = np.empty(order.shape)
        np.put_along_axis(
            scores, order, -np.arange(order.shape[1], dtype=float)[None], 1
        )
        return float(self.pool.ndcg(scores).mean())

    def judge(self, order: np.ndarray, exact: np.ndarray) -> dict[str, float]:
        """Means over queries: Kendall's τ, overlap of the first ten, nDCG@10."""
        found = order_agreement(order, exact)
        return {
            "kendall_tau": float(found["kendall_tau"].mean()),
            "overlap": float(found["overlap"].mean()),
            "nDCG@10": self.ndcg(order),
        }


def summary(repeats: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """{measure: {"mean", "low", "high"}} over repetitions."""
    found = {}
    for key in repeats[0]:
        values = [row[key] for row in repeats]
        found[key] = dict(
            zip(
                ("mean", "low", "high"),
                (np.mean(values), *np.quantile(values, [0.025, 0.975])),
            )
        )
    return found


def columns(rows: list) -> dict | list:
    """A list of equal nested dicts as one dict of lists, easier to plot and to store:
    [{"a": 1}, {"a": 2}] → {"a": [1, 2]}.
    """
    return (
        {key: columns([row[key] for row in rows]) for key in rows[0]}
        if isinstance(rows[0], dict)
        else rows
    )


def rounded(value):
    """Every float to five significant digits."""
    if isinstance(value, dict):
        return {str(k): rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, (float, np.floating)) else value


def stability(states: States, rng: np.random.Generator) -> dict:
    """Agreement with the exact ranking against shots, for every series."""
    found = {}
    for series in SERIES:
        exact, measure = states.exact_and_sampler(series, rng)
        all_rows = np.tile(np.arange(exact.shape[1]), (len(exact), 1))
        points = [
            summary(
                [
                    states.judge(shot_order(measure(all_rows, shots), rng), exact)
                    for _ in range(REPEATS)
                ]
            )
            for shots in SHOTS
        ]
        ranked = -np.sort(-exact, axis=1)
        at_line = shots_for_gap(ranked[:, 9], ranked[:, 10])
        found[series] = {
            "exact_nDCG@10": states.ndcg(np.argsort(-exact, axis=1, kind="stable")),
            **columns(points),
            "median_gap_10_11": float(np.median(ranked[:, 9] - ranked[:, 10])),
            "median_score_10": float(np.median(ranked[:, 9])),
        }
        if SERIES[series][1:] == ("fidelity", "compute_uncompute"):
            found[series]["shots_to_part_10_and_11"] = [
                float(q) for q in np.quantile(at_line, [0.25, 0.5, 0.75])
            ]
    return found


def halving(states: States, stable: dict, rng: np.random.Generator) -> dict:
    """Uneven allocations against the uniform one at equal budgets, and the uniform
    budget of equal overlap ("factor" times as large).
    """
    found = {}
    for series in HALVED:
        exact, measure = states.exact_and_sampler(series, rng)
        everyone = np.tile(np.arange(exact.shape[1]), (len(exact), 1))
        # so that the uniform curve reaches down far enough
        fewer = []
        for few in (1, 3):
            orders = [shot_order(measure(everyone, few), rng) for _ in range(REPEATS)]
            judged = [states.judge(order, exact)["overlap"] for order in orders]
            fewer.append(np.mean(judged))
        # rising, so that it can be read backwards
        curve = np.maximum.accumulate(fewer + list(stable[series]["overlap"]["mean"]))
        rows = []
        for shots in BUDGETS:
            made = []
            for _ in range(REPEATS):
                spent = spend_by_halving(
                    measure, exact.shape, shots * exact.shape[1], rng
                )
                judged = states.judge(spent.order, exact)
                even = np.interp(judged["overlap"], curve, np.log([1, 3, *SHOTS]))
                made.append(judged | {"factor": np.exp(even) / shots})
            rows.append({"boundary": summary(made)})
        found[series] = columns(rows)
    return found


def noise_study(states: States, rng: np.random.Generator) -> dict:
    """Depolarising and readout noise: what is left of the ranking after infinitely many
    shots, and after 1,000.
    """
    one, eight = states.factors(1), states.factors(8)
    exact = {
        "1 qubit, fidelity": one[..., 0],
        "8 qubits, fidelity": eight.prod(-1),
        "8 qubits, local fidelity": eight.mean(-1),
    }

    def order(scores):
        return np.argsort(-scores, axis=1, kind="stable")

    def compare(noisy, truth):
        return states.judge(order(noisy), truth) | {
            "same_lists": float(same_order(noisy, truth).mean())
        }

    found = {"depolarising": [], "mix": [], "thousand_shots": [], "readout": []}
    for strength in (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9):
        found["depolarising"].append(
            {"strength": strength}
            | {
                "1 qubit, fidelity": compare(
                    depolarise(one[..., 0], strength), exact["1 qubit, fidelity"]
                ),
                "8 qubits, fidelity, register": compare(
                    depolarise(eight.prod(-1), strength, 8), exact["8 qubits, fidelity"]
                ),
                "8 qubits, fidelity, each qubit": compare(
                    depolarise(eight, strength).prod(-1), exact["8 qubits, fidelity"]
                ),
                "8 qubits, local fidelity, each qubit": compare(
                    depolarise(eight, strength).mean(-1),
                    exact["8 qubits, local fidelity"],
                ),
            }
        )
        clean = exact["8 qubits, local fidelity"]
        noisy = depolarise(exact["8 qubits, local fidelity"], strength)
        corrected = ALPHA * (1 - strength) / (ALPHA * (1 - strength) + 1 - ALPHA)
        exact_mix = states.pool.with_signal("states", clean)
        blurred = states.pool.with_signal("states", noisy)
        truth = exact_mix.mix(ALPHA)
        found["mix"].append(
            {
                "strength": strength,
                "alpha": ALPHA,
                "fixed": compare(blurred.mix(ALPHA), truth),
                "corrected_alpha": corrected,
                "corrected": compare(blurred.mix(corrected), truth),
            }
        )
        found["thousand_shots"].append(
            {"strength": strength}
            | {
                name: summary(
                    [
                        states.judge(shot_order(draw(), rng), exact[name])
                        for _ in range(REPEATS)
                    ]
                )
                for name, draw in {
                    "1 qubit, fidelity": lambda s=strength: sample_fidelity(
                        depolarise(one[..., 0], s), 1000, rng
                    ),
                    "8 qubits, local fidelity": lambda s=strength: sample_fidelity(
                        depolarise(eight, s), 1000, rng
                    ).mean(axis=-1),
                }.items()
            }
        )
    # each qubit's error over the mean one
    uneven = np.random.default_rng(0).uniform(0, 2, 8)
    for error in (0.0, 0.01, 0.02, 0.05, 0.1, 0.2):
        e0, e1 = error / 3, error  # reading a 1 as 0 is the commoner fault
        found["readout"].append(
            {"one_as_zero": error, "zero_as_one": e0}
            | {
                "1 qubit, fidelity": compare(
                    misread(one, e0, e1)[..., 0], exact["1 qubit, fidelity"]
                ),
                "8 qubits, fidelity": compare(
                    misread(eight, e0, e1).prod(-1), exact["8 qubits, fidelity"]
                ),
                "8 qubits, local fidelity": compare(
                    misread(eight, e0, e1).mean(-1), exact["8 qubits, local fidelity"]
                ),
                "8 qubits, local fidelity, uneven errors": compare(
                    misread(eight, e0 * uneven, e1 * uneven).mean(-1),
                    exact["8 qubits, local fidelity"],
                ),
            }
        )
    return {name: columns(rows) for name, rows in found.items()}


def agreement(scores, exact, rng: np.random.Generator) -> dict[str, float]:
    """Means of `order_agreement` over lists."""
    found = order_agreement(shot_order(scores, rng), exact)
    return {name: float(values.mean()) for name, values in found.items()}


class TokenPairs:
    """One query's tokens and those of its candidates, compared qubit by qubit: what
    shots would find, by any protocol.

    a, b : Bloch vectors (Tq, n, 3) and (T, n, 3); documents are cut at `offsets`.
    """

    def __init__(self, a, b, offsets, weights):
        self.a, self.b, self.offsets, self.weights = a, b, offsets, weights
        self.mean, self.one_shot = 0, {"compute_uncompute": 0, "bell_basis": 0}
        for f in self.qubits():
            self.mean = self.mean + f / a.shape[1]
            for method in self.one_shot:
                variance = estimate_variance(f, 1, method) / a.shape[1] ** 2
                self.one_shot[method] = self.one_shot[method] + variance
        self.exact = self.scores(self.mean)

    def qubits(self):
        """Every qubit's own fidelities, (Tq, T) each."""
        for q in range(self.a.shape[1]):
            yield (1 + (self.a[:, q] @ self.b[:, q].T).clip(-1, 1)) / 2

    def scores(self, similarities) -> np.ndarray:
        """Late interaction: (Tq, T) → (N,)."""
        return max_sim(similarities, self.offsets, self.weights)

    def drawn(self, protocol: str, shots: int, rng) -> np.ndarray:
        """Scores of the documents from so many shots a pair, or a setting."""
        if protocol == "tomography":
            # each coordinate from shots of its own, which are 0 in (1 + it)/2
            shares = [(1 + x) / 2 for x in (self.a, self.b)]
            drawn = [2 * sample_fidelity(x, shots, rng) - 1 for x in shares]
            a, b = (x.reshape(len(x), -1) for x in drawn)
            return self.scores(0.5 + a @ b.T / (2 * self.a.shape[1]))
        # 64 bits a shot and more: a normal sum
        noise = rng.standard_normal(self.mean.shape)
        spread = np.sqrt(self.one_shot[protocol] / shots)
        return self.scores(self.mean + spread * noise)


PROTOCOLS = ("compute_uncompute", "bell_basis", "tomography")
PRICED = [10, 100, 1000, 10_000]


def recommended(model: str):
    """The reranker of the README over the course's passages, and all its candidates of
    the test queries.
    """
    collection, embedder = load_collection("course"), TextEmbedder(model)
    scorer = Scorer(QubitMap.shipped(embedder.name), per="token")
    reranker = Reranker(embedder, scorer, first_stage=Union()).index(collection)
    return collection, reranker


def protocol_study(
    rng: np.random.Generator, n_queries: int = 10, repeats: int = 3
) -> dict:
    """Three protocols for the recommended reranker (light model): what is left of its
    order, by states alone and in the mix with cosine and words.
    """
    collection, reranker = recommended("all-MiniLM-L6-v2")
    ids = list(collection.qrels["test"])
    chosen = [ids[i] for i in np.linspace(0, len(ids) - 1, n_queries).astype(int)]
    asked = {qid: collection.queries[qid] for qid in chosen}
    pool = reranker.candidates(asked)
    _, queries = reranker.scorer.encode_texts(reranker.embedder, list(asked.values()))
    weights = reranker.token_weights(queries)
    counted = {"query": [], "document": [], "candidates": [], "pairs": []}
    kept = {protocol: {shots: [] for shots in PRICED} for protocol in PROTOCOLS}
    seconds = []
    for q in range(n_queries):
        rows = pool.rows[q][pool.rows[q] >= 0]
        documents, width = reranker.states[rows], len(rows)
        start = time.process_time()
        reranker.scorer.score(queries[q : q + 1], documents, weights[q : q + 1])
        seconds.append(time.process_time() - start)
        a, b = (codes_to_bloch(x.rows) for x in (queries[q : q + 1], documents))
        pairs = TokenPairs(a, b, documents.offsets, weights[q])
        counts = (len(a), len(b) / width, width, len(a) * len(b))
        for name, value in zip(counted, counts):
            counted[name].append(value)
        rest = reranker.weights["cosine"] * pool.cosine[q, :width]
        rest = rest + reranker.weights["words"] * pool.signals["words"][q, :width]
        share = reranker.weights["states"]
        exact = pairs.exact[None]
        for protocol in PROTOCOLS:
            for shots in PRICED:
                for _ in range(repeats):
                    drawn = pairs.drawn(protocol, shots, rng)[None]
                    mixed = rest + share * drawn, rest + share * exact
                    kept[protocol][shots].append(
                        agreement(drawn, exact, rng)
                        | {
                            "mix": agreement(*mixed, rng)["overlap"],
                            "bias": float((drawn - exact).mean()),
                        }
                    )
    return {
        "model": "all-MiniLM-L6-v2",
        "n_qubits": int(a.shape[1]),
        "queries": n_queries,
        "repeats": repeats,
        "mean": {name: float(np.mean(values)) for name, values in counted.items()},
        "corpus_tokens": int(reranker.states.offsets[-1]),
        "closed_form_ms": 1000 * float(np.median(seconds)),
        "shots": PRICED,
        "kept": {
            protocol: columns([summary(kept[protocol][shots]) for shots in PRICED])
            for protocol in PROTOCOLS
        },
    }


def one_model(model: str, rng: np.random.Generator) -> dict:
    """Everything that is measured for both embedding models."""
    states = States(model)
    stable = stability(states, rng)
    return {
        "cosine_nDCG@10": float(states.pool.ndcg(states.pool.cosine).mean()),
        "stability": stable,
        "halving": halving(states, stable, rng),
        "noise": noise_study(states, rng),
    }


TASKS = {
    **{model: (lambda rng, model=model: one_model(model, rng)) for model in MODELS},
    "protocols": protocol_study,
}


def run_task(name: str, seed: int) -> dict:
    """One task with random numbers of its own, so that the result does not depend on
    who runs beside it.
    """
    torch.set_num_threads(1)
    start = time.perf_counter()
    found = rounded(TASKS[name](np.random.default_rng([seed, list(TASKS).index(name)])))
    print(f"{time.perf_counter() - start:6.1f} s  {name}", flush=True)
    return found


def main() -> None:
    """Run everything and write one JSON file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="others stay"
    )
    options = parser.parse_args()
    start = time.perf_counter()
    spawn = get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=spawn) as pool:
        jobs = {t: pool.submit(run_task, t, options.seed) for t in options.tasks}
        made = {task: job.result() for task, job in jobs.items()}
    if options.tasks != list(TASKS):
        before = json.loads(options.out.read_text(encoding="utf-8"))
        made = {
            name: before["models"].get(name, before.get(name)) for name in TASKS
        } | made
    results = {
        "about": "shots, allocation and noise; what is measured is described in "
        "tools/bench/shots.py",
        "reproduce": "make bench-shots (python -m tools.bench.shots --seed "
        f"{options.seed})",
        "date": datetime.date.today().isoformat(),
        "machine": platform.machine(),
        "repeats": REPEATS,
        "shots": SHOTS,
        "budgets": BUDGETS,
        "queries": 140,
        "candidates": 100,
        "alpha": ALPHA,
        "versions": {
            "python": platform.python_version(),
            **{
                p: metadata.version(p)
                for p in ("numpy", "qiskit", "qiskit-aer", "torch")
            },
        },
        "models": {model: made.pop(model) for model in MODELS},
        **made,
    }
    # lists on one line
    text = re.sub(
        r"\[\s+([^\[\]{}]*?)\s+\]",
        lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]",
        json.dumps(results, indent=1),
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text + "\n", encoding="utf-8", newline="\n")
    print(f"{time.perf_counter() - start:.0f} s, written to {options.out.name}")


if __name__ == "__main__":
    main()
