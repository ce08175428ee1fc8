"""States per second: our encoder beside its peers, in one process and in interleaved
rounds.

    python -m tools.bench.states [--threads 2] [--seconds 300] [--quick]

writes data/results/states.json and states.png (with --quick: a short run that writes
nothing). Run it on a machine that is doing nothing else. Two peers are optional and
need `pip install tensorcircuit-ng qiskit-machine-learning`; without them their rows say
"not installed".

How it measures. For each circuit every way is warmed up, checked against our states,
and then timed in rounds: one sample of each way, then the next round, so that a slow
minute of the machine hits all alike. A sample is one untimed call, which pays for the
memory that the way before gave back, and then calls for at least 20 ms. Reported are
the median and the quartiles over rounds, and the quartiles of the ratio to the best
peer *within* a round. A way that is too slow for the common batch of 1,000 gets a
smaller one, which is stated. The ceiling is explained in states_ceiling.py.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from datetime import date

import numpy as np
import torch

from qrr_lib.encode.backends import encode
from qrr_lib.encode.backends import qiskit as qiskit_encoder
from qrr_lib.encode.circuit import Circuit
from qrr_lib.encode.formulas import fidelity
from qrr_lib.files import atomic_path, project_dir
from tools.bench.states_ceiling import bandwidth_and_throughput, ceiling, sample
from tools.bench.states_peers import BACKWARD, FORWARD, OURS

BATCH = 1000
CORES = (
    len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
)
CASES = [
    Circuit(n, layers, "cz_ring" if layers > 1 and n > 1 else "none")
    for layers in (1, 2)
    for n in (1, 2, 4, 8, 10)
]
MEMORY_PROBE = """
import threading, time, psutil, torch
from qrr_lib import Circuit, encode
torch.set_num_threads({threads})
angles = torch.rand({states}, 1, 1, 2)
encode(angles[:10], Circuit())
process, peak, done = psutil.Process(), 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.0005)
before = process.memory_info().rss
thread = threading.Thread(target=watch)
thread.start()
states = encode(angles, Circuit())
peak = max(peak, process.memory_info().rss)
done = True
thread.join()
print(peak - before - states.numel() * states.element_size())
"""


def summary(values: list[float]) -> dict[str, float]:
    """Median and quartiles, rounded to four digits."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {
        name: float(f"{value:.4g}")
        for name, value in (("median", middle), ("q1", low), ("q3", high))
    }


def compare(
    circuit: Circuit, ways: dict, backward: bool, seconds: float, rounds: int = 15
) -> dict:
    """Time each way on one circuit, interleaved; see the top of the file."""
    torch.manual_seed(0)
    angles = torch.rand(BATCH, *circuit.angle_shape) * 3
    reference = encode(angles, circuit)
    calls, result = {}, {}
    for name, (make, batch) in ways.items():
        part = angles[:batch].clone().requires_grad_(backward)
        try:
            run = make(circuit)
            states = run(part)
        except ModuleNotFoundError as error:
            result[name] = f"not installed: {error.name}"
            continue
        difference = (
            (
                torch.as_tensor(states).detach().reshape(len(part), -1)
                - reference[: len(part)]
            )
            .abs()
            .max()
            .item()
        )
        if difference > 1e-5:
            raise AssertionError(
                f"{name} gives other states on {circuit}: they differ by "
                f"{difference:.1e}"
            )
        if backward:
            grads = torch.randn_like(states)
            calls[name] = (
                (
                    lambda run=run, part=part, grads=grads: torch.autograd.grad(
                        run(part), part, grads
                    )
                ),
                len(part),
            )
        else:
            calls[name] = (lambda run=run, part=part: run(part)), len(part)
    for call, _ in calls.values():
        call()
    rates, end = {name: [] for name in calls}, time.perf_counter() + seconds
    for turn in range(rounds):
        if turn >= 3 and time.perf_counter() > end:
            break
        for name, (call, batch) in calls.items():
            call()  # untimed: see the top of the file
            rates[name].append(batch / sample(call))
    for name, (_, batch) in calls.items():
        result[name] = {
            **summary(rates[name]),
            "batch": batch,
            "rounds": len(rates[name]),
        }
    best = max(
        (name for name in rates if name != OURS),
        key=lambda name: statistics.median(rates[name]),
    )
    return {
        "n_qubits": circuit.n_qubits,
        "n_layers": circuit.n_layers,
        "entangler": circuit.entangler,
        "pass": "forward+backward" if backward else "forward",
        "states_per_second": result,
        "best_peer": best,
        "ratio_to_best_peer": summary(
            [ours / peer for ours, peer in zip(rates[OURS], rates[best])]
        ),
    }


def gram(n: int, size: int = 100, rounds: int = 5) -> dict:
    """Seconds for the Gram matrix of `size` documents: ours, and
    qiskit-machine-learning's FidelityStatevectorKernel.
    """
    circuit = Circuit(n, 2, "cz_ring")
    angles = torch.rand(size, *circuit.angle_shape, dtype=torch.float64) * 3

    def ours():
        states = encode(angles.float(), circuit)
        return fidelity(states, states)

    try:
        from qiskit_machine_learning.kernels import FidelityStatevectorKernel
    except ImportError:
        return {
            "n_qubits": n,
            "documents": size,
            "FidelityStatevectorKernel": "not installed",
        }
    built, parameters = qiskit_encoder.build_circuit(circuit)
    columns = {parameter: i for i, parameter in enumerate(built.parameters)}
    x = np.empty((size, len(columns)))
    for where, parameter in parameters.items():
        x[:, columns[parameter]] = angles[(slice(None), *where)]
    theirs = FidelityStatevectorKernel(feature_map=built, cache_size=0).evaluate
    assert np.abs(theirs(x) - ours().numpy()).max() < 1e-5
    pairs = [(sample(ours), sample(lambda: theirs(x))) for _ in range(rounds)]
    return {
        "n_qubits": n,
        "documents": size,
        "ours_seconds": summary([a for a, _ in pairs]),
        "FidelityStatevectorKernel_seconds": summary([b for _, b in pairs]),
        "ratio": summary([b / a for a, b in pairs]),
    }


def memory_beyond_result(threads: int, states: int = 1_000_000) -> dict:
    """Peak resident memory of encoding `states` one-qubit states in a fresh process,
    beyond the result itself.
    """
    probe = [sys.executable, "-c", MEMORY_PROBE.format(threads=threads, states=states)]
    extra = [
        int(
            subprocess.run(
                probe, check=True, capture_output=True, text=True, cwd=project_dir()
            ).stdout
        )
        for _ in range(3)
    ]
    return {"states": states, "bytes_beyond_result": max(extra), "runs": extra}


def plot(results: dict, path) -> None:
    """States per second against qubits: forward with one and two layers, forward and
    backward with two.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panels = [
        ("forward", 1, "Forward, one layer"),
        ("forward", 2, "Forward, two layers, CZ ring"),
        ("forward+backward", 2, "Forward and backward, two layers"),
    ]
    # Okabe and Ito
    colours = [
        "#000000",
        "#D55E00",
        "#0072B2",
        "#009E73",
        "#CC79A7",
        "#E69F00",
        "#56B4E9",
        "#7F7F7F",
    ]
    styles = {
        name: {"color": colour, "marker": marker}
        for name, colour, marker in zip(FORWARD, colours, "os^vDPX*")
    }
    figure, axes = plt.subplots(
        1, 3, figsize=(12, 5), sharey=True, layout="constrained"
    )
    for axis, (which, layers, title) in zip(axes, panels):
        cases = [
            case
            for case in results["cases"]
            if case["pass"] == which and case["n_layers"] == layers
        ]
        for name in FORWARD:
            points = [
                (case["n_qubits"], case["states_per_second"][name])
                for case in cases
                if isinstance(case["states_per_second"].get(name), dict)
            ]
            if points:
                axis.plot(
                    [n for n, _ in points],
                    [s["median"] for _, s in points],
                    label=name,
                    lw=2.5 if name == OURS else 1.2,
                    **styles[name],
                )
        if which == "forward":
            axis.plot(
                [c["n_qubits"] for c in cases],
                [c["ceiling"]["ceiling"] for c in cases],
                "k:",
                label="measured ceiling",
            )
        axis.set(title=title, xlabel="qubits", yscale="log", xticks=[1, 2, 4, 8, 10])
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("states per second (log scale)")
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--threads",
        type=int,
        default=torch.get_num_threads(),
        help="threads PyTorch may use (default: its own choice)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=240,
        help="time for the comparison (default 240; the rest adds about a minute)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="two circuits, three rounds; print, write nothing",
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cases = [Circuit(), Circuit(8, 2, "cz_ring")] if options.quick else CASES
    share = options.seconds / len(cases) / 2 if not options.quick else 1.0
    machine = bandwidth_and_throughput()
    packages = [
        "torch",
        "qiskit",
        "qiskit-aer",
        "pennylane",
        "pennylane-lightning",
        "tensorcircuit-ng",
        "qiskit-machine-learning",
    ]
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    results = {
        "about": {
            "reproduce": "python -m tools.bench.states",
            "date": date.today().isoformat(),
            "threads": options.threads,
            "cores": CORES,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "versions": versions,
            "unit": "states per second: median, quartiles over interleaved rounds",
        },
        "machine": machine,
        "cases": [],
    }
    for circuit in cases:
        for ways, backward in ((FORWARD, False), (BACKWARD, True)):
            case = compare(
                circuit, ways, backward, share, rounds=3 if options.quick else 15
            )
            if not backward:
                case["ceiling"] = ceiling(circuit, machine)
                ours = case["states_per_second"][OURS]["median"]
                case["ceiling"] |= {
                    "fraction": ours / case["ceiling"]["ceiling"],
                    "fraction_of_small_products": ours
                    / case["ceiling"]["small_products"],
                }
            results["cases"].append(case)
            fraction = (
                ""
                if backward
                else (
                    f", {case['ceiling']['fraction']:.0%} of the ceiling, "
                    f"{case['ceiling']['fraction_of_small_products']:.0%} with "
                    "products of the state's size"
                )
            )
            print(
                f"n={circuit.n_qubits:<2} L={circuit.n_layers} {case['pass']:<17} ours "
                f"{case['states_per_second'][OURS]['median']:>12,.0f}/s, "
                f"{case['ratio_to_best_peer']['median']:.1f}x "
                f"{case['best_peer']}{fraction}",
                flush=True,
            )
    results["gram"] = [gram(n) for n in (4, 8)]
    results["memory"] = memory_beyond_result(options.threads)
    print(json.dumps({"gram": results["gram"], "memory": results["memory"]}, indent=1))
    if not options.quick:
        folder = project_dir() / "data" / "results"
        with atomic_path(folder / "states.json") as path:
            path.write_text(
                json.dumps(results, indent=1) + "\n", encoding="utf-8", newline="\n"
            )
        plot(results, folder / "states.png")


if __name__ == "__main__":
    main()
