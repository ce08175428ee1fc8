"""Where the time goes in our encoder: the profiles behind the limits that
tools.bench.states shows.

python -m tools.bench.states_profile        # writes data/results/states_profile.txt

At one qubit with a gradient a call is many small operations; at eight it is a few large
ones.
"""

import torch
from torch.profiler import ProfilerActivity, profile

from qrr_lib.encode.backends import encode
from qrr_lib.encode.circuit import Circuit
from qrr_lib.files import atomic_path, project_dir

CASES = [
    (Circuit(), "forward"),
    (Circuit(), "forward and backward"),
    (Circuit(8, 2, "cz_ring"), "forward"),
]


def profiled(circuit: Circuit, what: str, calls: int = 50, batch: int = 1000) -> list:
    """The operations of `calls` encodings, slowest first, as lines of a table."""
    angles = torch.rand(batch, *circuit.angle_shape) * 3
    angles.requires_grad_(what != "forward")
    weights = torch.randn(batch, 2**circuit.n_qubits, dtype=torch.complex64)

    def call():
        states = encode(angles, circuit)
        if angles.requires_grad:
            torch.autograd.grad(states, angles, weights)

    for _ in range(5):
        call()
    with profile(activities=[ProfilerActivity.CPU]) as trace:
        for _ in range(calls):
            call()
    rows = sorted(trace.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    lines = [
        f"{circuit}, {what}, batch {batch}, one thread, torch {torch.__version__}",
        f"{total / calls:.0f} µs a call under the profiler, "
        f"{sum(row.count for row in rows) / calls:.0f} operations a call",
        "",
        f"{'operation':<44}{'calls':>6}{'self µs':>10}{'share':>8}  (per call)",
    ]
    for row in rows[:12]:
        own = row.self_cpu_time_total
        share = f"{own / calls:>10.0f}{own / total:>8.1%}"
        lines.append(f"{row.key[:43]:<44}{row.count / calls:>6.0f}{share}")
    return [*lines, ""]


def main() -> None:
    """Profile every case on one thread."""
    torch.set_num_threads(1)
    text = "\n".join(line for case in CASES for line in profiled(*case))
    path = project_dir() / "data" / "results" / "states_profile.txt"
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
    print(text)


if __name__ == "__main__":
    main()
