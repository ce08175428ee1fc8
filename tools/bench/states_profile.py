"""Where the time goes in our encoder at n = 8, L = 2: the profile behind the limits
that tools.bench.states shows.

python -m tools.bench.states_profile        # writes data/results/states_profile.txt
"""

from __future__ import annotations

import torch
from torch.profiler import ProfilerActivity, profile

from qrr_lib.encode.backends import encode
from qrr_lib.encode.circuit import Circuit
from qrr_lib.files import atomic_path, project_dir


def main(calls: int = 50, batch: int = 1000) -> None:
    """Profile `calls` encodings of `batch` states on one thread, and list the
    operations by their own time.
    """
    torch.set_num_threads(1)
    circuit = Circuit(8, 2, "cz_ring")
    angles = torch.rand(batch, *circuit.angle_shape) * 3
    for _ in range(5):
        encode(angles, circuit)
    with profile(activities=[ProfilerActivity.CPU]) as trace:
        for _ in range(calls):
            encode(angles, circuit)
    rows = sorted(trace.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    lines = [
        f"{circuit}, batch {batch}, {calls} calls, one thread, torch "
        f"{torch.__version__}",
        f"{total / calls:.0f} µs a call under the profiler, "
        f"{sum(row.count for row in rows) / calls:.0f} operations a call",
        "",
        f"{'operation':<28}{'calls':>8}{'self µs':>10}{'share':>8}      (each per "
        "encoding)",
    ]
    for row in rows[:15]:
        own = row.self_cpu_time_total
        lines.append(
            f"{row.key:<28}{row.count / calls:>8.0f}{own / calls:>10.0f}"
            f"{own / total:>8.1%}"
        )
    with atomic_path(
        project_dir() / "data" / "results" / "states_profile.txt"
    ) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
