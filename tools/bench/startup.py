"""How long one waits for the first answer where everything is cached, and where the
time of `qrr search` goes.

    python -m tools.bench.startup [--rounds 3]     # writes data/results/startup.json

Commands take turns, each in a process of its own, after a round that warms the disk's
cache. The steps are those of `qrr search`, one after the other in one process; the
command itself verifies the weights while packages are imported, which on two cores
hides the shorter of the two.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import date

import numpy as np

from qrr_lib.embed import default_model
from qrr_lib.files import data_dir, say
from tools.bench import write_results

QUESTION = "Why does a ranking by inner product favour long vectors?"
QRR = "import sys; from qrr_lib.course import cli; sys.exit(cli.main(sys.argv[1:]))"
COMMANDS = {
    "import qrr_lib": ["import qrr_lib"],
    "qrr check": [QRR, "check"],
    "qrr search": [QRR, "search", QUESTION],
    "make demo": [QRR, "demo"],
}
STEPS = {
    "import torch": "import torch",
    "import sentence_transformers": "import sentence_transformers",
    "import bm25s": "import bm25s",
    "verify the weights": "import qrr_lib.embed as m; folder = m.model_folder()",
    "load the weights": "from sentence_transformers import SentenceTransformer as S; "
    "S(str(folder), device='cpu', local_files_only=True)",
}


def spent(command: list[str]) -> tuple[float, float]:
    """(CPU seconds, seconds by the clock on the wall) of a command."""
    start, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-c", *command], check=True, capture_output=True)
    after = os.times()
    cpu = [t.children_user + t.children_system for t in (before, after)]
    return cpu[1] - cpu[0], time.perf_counter() - start


def steps() -> dict[str, float]:
    """CPU seconds of every step, in a process of its own."""
    lines = ["import json, time", "found, start = {}, time.process_time()"]
    for name, code in STEPS.items():
        lines += [code, f"found[{name!r}] = time.process_time() - start"]
        lines += ["start = time.process_time()"]
    lines += ["print(json.dumps(found))"]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    times: dict[str, list] = {name: [] for name in COMMANDS}
    parts: dict[str, list] = {name: [] for name in STEPS}
    for turn in range(rounds + 1):
        for name, command in COMMANDS.items():
            seconds = spent(command)
            say(f"{name}: {seconds[0]:.2f} s of CPU time, {seconds[1]:.2f} s")
            times[name] += [seconds] if turn else []
        for name, cpu in steps().items():
            parts[name] += [cpu] if turn else []
    found = {
        "about": "medians of processes with everything cached, one thread a library",
        "reproduce": "OMP_NUM_THREADS=1 python -m tools.bench.startup",
        "date": date.today().isoformat(),
        "model": default_model(),
        "rounds": rounds,
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else None,
        "commands": {
            name: dict(zip(("CPU s", "s"), np.median(rows, axis=0).round(2).tolist()))
            for name, rows in times.items()
        },
        "steps of qrr search, CPU s": {
            name: round(float(np.median(cpu)), 2) for name, cpu in parts.items()
        },
    }
    print(write_results(data_dir() / "results" / "startup.json", found))


if __name__ == "__main__":
    main()
