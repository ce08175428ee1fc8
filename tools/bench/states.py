"""States per second: our encoder beside its peers, in one process, interleaved.

    python -m tools.bench.states [--qubits 1 2 4 8] [--rounds 5] [--missing]

replaces those cases in data/results/states.json (or adds those that are missing there)
and draws states.png. Peers that are no dependency of ours: `pip install jax
tensorcircuit-ng scaluq qulacs`. Where one is missing, its row says so, and every case
that it could have won stays open.

How it measures. Time is CPU time of the process, on one core. For each case every way
is warmed up (a jit compiles here), checked against the plain walk over the gates, and
timed in rounds: one sample of each way, then the next round, so that a slow minute
hits all alike. A sample is one untimed call, which pays for the memory that the way
before gave back, and then calls for at least 15 ms. Stored are the median and the
quartiles over rounds, and those of the ratio to the best peer *within* a round. A case
compares equal precision only. The ceiling is explained in states_ceiling.py.

Left out, because they take minutes or gigabytes: 100,000 texts of four and eight
qubits, and complex128 at other batches than 1,000 or with gradients of eight qubits.
Loops are timed with fewer texts (`texts`).
"""

import os

os.environ |= {  # before anything starts threads of its own
    "OMP_NUM_THREADS": "1",
    "OMP_PROC_BIND": "false",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import argparse
import importlib.metadata
import json
import platform
import statistics
from dataclasses import asdict
from datetime import date

import numpy as np
import torch

from qrr_lib.encode.backends import torch as plain_encoder
from qrr_lib.encode.circuit import Circuit
from qrr_lib.files import atomic_path, data_dir
from tools.bench.states_ceiling import ceiling, machine_rates, sample
from tools.bench.states_peers import BOTH, OURS, WAYS, as_numpy
from tools.bench.states_plot import plot

PACKAGES = (
    "torch qiskit qiskit-aer pennylane pennylane-lightning jax tensorcircuit-ng scaluq "
    "qulacs"
).split()
KEYS = "n_qubits n_layers trailing precision batch pass".split()
PATH = data_dir() / "results" / "states.json"


def cases(n: int) -> list[dict]:
    """Every case of n qubits: circuit, batch, precision, with or without gradient."""
    ring = ["none" if n == 1 else "cz_ring"]
    circuits = [Circuit(n, 2, *ring), Circuit(n, 1)]
    if n >= 4:
        circuits.append(Circuit(n, 1, *ring, trailing=True))
    found = []
    for circuit in circuits:
        batches = [1_000, 10_000, 100_000][: 3 if n <= 2 else 2]
        sizes = [(batch, "complex64") for batch in batches] + [(1_000, "complex128")]
        if circuit.trailing:
            sizes = sizes[:1]
        for batch, precision in sizes:
            for gradient in (False, True):
                if gradient and n == 8 and (circuit.trailing or precision != BOTH[0]):
                    continue
                found.append(
                    {
                        "circuit": circuit,
                        "batch": batch,
                        "precision": precision,
                        "gradient": gradient,
                    }
                )
    return found


def settings(case: dict) -> dict:
    """A case as it is written down."""
    what = "forward+backward" if case["gradient"] else "forward"
    rest = {"batch": case["batch"], "precision": case["precision"], "pass": what}
    return asdict(case["circuit"]) | rest


def place(case: dict) -> list:
    """Of a case that is written down, among the others."""
    return [case[key] for key in KEYS]


def summary(values: list[float]) -> dict[str, float]:
    """Median and quartiles, rounded to four digits."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    named = ("median", middle), ("q1", low), ("q3", high)
    return {name: float(f"{value:.4g}") for name, value in named}


def prepare(case: dict) -> tuple[dict, dict]:
    """{way: (call, texts)} of those that can run, checked; {way: why not}."""
    circuit, double = case["circuit"], case["precision"] == "complex128"
    torch.manual_seed(0)
    real = torch.float64 if double else torch.float32
    angles = torch.rand(case["batch"], *circuit.angle_shape, dtype=real) * 3
    shape = case["batch"], 2**circuit.n_qubits
    weights = torch.randn(shape, dtype=real.to_complex()) if case["gradient"] else None
    calls, missing = {}, {}
    for name, way in WAYS.items():
        if case["precision"] not in way.precisions:
            continue
        if case["gradient"] and not way.gradient:
            continue
        if way.texts and case["batch"] > 1_000:
            continue
        part = angles[: way.texts]
        pulled = None if weights is None else weights[: way.texts]
        try:
            call = way.make(circuit, part, pulled)
            check(name, circuit, call(), part[:50], pulled)
        except ModuleNotFoundError as error:
            missing[name] = f"not installed: {error.name}"
            continue
        calls[name] = call, len(part)
    return calls, missing


def check(name: str, circuit: Circuit, result, angles, weights) -> None:
    """AssertionError unless the first states, or their gradient, are those of the walk
    over the gates.
    """
    angles = angles.double().requires_grad_()
    wanted = plain_encoder.encode(angles, circuit)
    if weights is not None:
        pulled = weights[: len(angles)].to(torch.complex128)
        wanted = torch.autograd.grad(wanted, angles, pulled)[0]
    found = as_numpy(result)[: len(angles)].reshape(wanted.shape)
    worst = abs(found - wanted.detach().numpy()).max()
    if worst > 1e-4:
        raise AssertionError(f"{name} is off by {worst:.0e} on {circuit}")


def race(case: dict, rounds: int, machine: dict) -> dict:
    """Time each way on one case; see the top of the file."""
    calls, missing = prepare(case)
    rates: dict[str, list] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (call, texts) in calls.items():
            call()  # untimed: see the top of the file
            rates[name].append(texts / sample(call))
    result = settings(case) | {
        "states_per_second": missing
        | {
            name: summary(rates[name]) | {"texts": texts}
            for name, (_, texts) in calls.items()
        },
        "best_peer": None,
        "ratio_to_best_peer": None,
    }
    if not missing:
        medians = {name: statistics.median(rates[name]) for name in rates}
        best = max((name for name in rates if "torch" not in name), key=medians.get)
        ratios = [a / b for a, b in zip(rates[OURS], rates[best])]
        result |= {"best_peer": best, "ratio_to_best_peer": summary(ratios)}
    if not case["gradient"]:
        limit = ceiling(case["circuit"], case["precision"], machine)
        fastest = max(statistics.median(values) for values in rates.values())
        result["ceiling"] = limit | {"fraction": fastest / limit["states_per_second"]}
    return result


def about() -> dict:
    """What the numbers were measured with."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "reproduce": "python -m tools.bench.states",
        "date": date.today().isoformat(),
        "clock": "CPU time of one process on one core",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": versions,
        "unit": "states per second: median, quartiles over interleaved rounds",
    }


def said(case: dict) -> str:
    """One line about a case."""
    ours = case["states_per_second"][OURS]["median"]
    lead = "open: a peer is missing"
    if ratio := case["ratio_to_best_peer"]:
        lead = f"{ratio['median']:.2f}x {case['best_peer']}"
    shape = f"n={case['n_qubits']} L={case['n_layers']}{' end' * case['trailing']}"
    what = f"{case['precision']} {case['pass']} {case['batch']}"
    return f"{shape} {what}: {ours:,.0f}/s, {lead}"


def stored() -> list[dict]:
    """The cases of the file."""
    if not PATH.exists():
        return []
    return json.loads(PATH.read_text(encoding="utf-8"))["cases"]


def store(case: dict, machine: dict) -> None:
    """Put the case into the file, in place of the one before it."""

    kept = [old for old in stored() if place(old) != place(case)]
    ordered = sorted([*kept, case], key=place)
    results = {"about": about(), "machine": machine, "cases": ordered}
    with atomic_path(PATH) as path:
        text = json.dumps(results, indent=1) + "\n"
        path.write_text(text, encoding="utf-8", newline="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--qubits", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--missing", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = machine_rates()
    there = [place(case) for case in stored()] if options.missing else []
    for n in options.qubits:
        for case in cases(n):
            if place(settings(case)) in there:
                continue
            measured = race(case, options.rounds, machine)
            store(measured, machine)
            print(said(measured), flush=True)
    plot(json.loads(PATH.read_text(encoding="utf-8")), PATH.with_suffix(".png"))


if __name__ == "__main__":
    main()
