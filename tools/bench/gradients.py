"""What the gradients written by hand gain: a training step with and without each.

    python -m tools.bench.gradients        # writes data/results/gradients.json

For several circuits, 1,000 states are encoded and a loss is differentiated. In one
variant every step is the library's; in the others one of them is what PyTorch's own
autograd makes of the same formula. The variants take turns in one run on one thread;
the ratio of medians is stored. The steps are described in
qrr_lib/encode/backends/gradients.py.
"""

import argparse
import json
import math
import statistics
import time
from dataclasses import asdict
from datetime import date

import torch

from qrr_lib import Circuit
from qrr_lib.encode.backends import gradients, tensor_program
from qrr_lib.files import data_dir

BATCH, ROUNDS = 1000, 25
CIRCUITS = (
    Circuit(4, 2, "cz_ring"),
    Circuit(5, 3, "cz_ring"),
    Circuit(6, 2, "cz_ring"),
    Circuit(8, 2, "cnot_chain"),
    Circuit(8, 2, "cz_ring"),
    Circuit(8, 4, "cz_ring"),
    Circuit(10, 2, "cz_ring"),
)


def sum_of_products(left, right, axis):
    """`SumOfProducts` for autograd."""
    return sum(a * b for a, b in zip(left.unbind(axis), right.unbind(axis)))


def batch_first(values):
    """`BatchFirst` for autograd."""
    return values.t().contiguous()


PLAIN = {
    gradients.SumOfProducts: sum_of_products,
    gradients.BatchFirst: batch_first,
}


def step(circuit: Circuit, angles: torch.Tensor, weights: torch.Tensor) -> float:
    """Seconds of one encoding with its gradient."""
    start = time.perf_counter()
    leaf = angles.clone().requires_grad_()
    states = tensor_program.encode(leaf, circuit)
    (torch.view_as_real(states).square().sum(-1) * weights).sum().backward()
    return time.perf_counter() - start


def ratios(circuit: Circuit) -> dict[str, float]:
    """{step: how many times as long a training step takes with autograd's gradient}."""
    generator = torch.Generator().manual_seed(0)
    turn = torch.tensor([math.pi, 2 * math.pi])
    angles = torch.rand(BATCH, *circuit.angle_shape, generator=generator) * turn
    weights = torch.randn(BATCH, 2**circuit.n_qubits, generator=generator)
    seconds: dict = {name: [] for name in (None, *PLAIN)}
    for round_number in range(ROUNDS + 1):
        for without in seconds:
            tensor_program.apply = lambda function, *arguments, without=without: (
                PLAIN[function](*arguments)
                if function is without
                else gradients.apply(function, *arguments)
            )
            taken = step(circuit, angles, weights)
            if round_number:  # the first round warms up
                seconds[without].append(taken)
    ours = statistics.median(seconds[None])
    return {f.__name__: round(statistics.median(seconds[f]) / ours, 2) for f in PLAIN}


def main() -> None:
    """Measure every circuit and write the file."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    torch.set_num_threads(1)
    cases = []
    for circuit in CIRCUITS:
        cases.append(asdict(circuit) | {"slower_without": ratios(circuit)})
        print(cases[-1], flush=True)
    results = {
        "about": "a training step with autograd's own gradient, in multiples of ours",
        "reproduce": "python -m tools.bench.gradients",
        "date": date.today().isoformat(),
        "threads": 1,
        "batch": BATCH,
        "cases": cases,
    }
    path = data_dir() / "results" / "gradients.json"
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
