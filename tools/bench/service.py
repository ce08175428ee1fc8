"""One bounded load run against the service on this machine: closed-loop clients, what
computing requests together buys for short texts, overload, a restart under load.

    # make bench-service, about 6 minutes; writes data/results/service.json
    python -m tools.bench.service

Each client sends its next request when the last one is answered. Every request carries
its own documents, marked with its number; an answer is *crossed* if it returns anything
else than exactly those, and *lost* if none comes. The service runs in a process of its
own.
"""

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import httpx
import numpy as np
import psutil

from qrr_lib import load_collection
from tools.bench import write_results

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results" / "service.json"
DOCUMENTS = 4


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(port: int, model: str, waiting: int, together: bool = True):
    """Start the service and wait until it answers; without `together` it computes one
    request at a time. Returns the process.
    """
    code = (
        "import sys; from qrr_lib.serve.course_service import course_modes; "
        "from qrr_lib.serve.service import create_app; from qrr_lib.serve.shapes "
        "import Limits; from qrr_lib.serve.server import server_of; "
        "from qrr_lib.serve import turns; "
        "turns.TOGETHER = turns.TOGETHER * int(sys.argv[4]); "
        "modes, texts, notes = course_modes(sys.argv[2]); app = create_app(modes, "
        "texts, limits=Limits(waiting=int(sys.argv[3])), notes=notes); "
        "server_of(app, '127.0.0.1', int(sys.argv[1]), log_level='error').run()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(port), model, str(waiting), f"{together:d}"],
        env={**os.environ, "QRR_OFFLINE": "1"},
    )
    for _ in range(600):
        try:
            httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
            return process
        except httpx.TransportError:
            if process.poll() is not None:
                raise SystemExit("the service did not start") from None
            time.sleep(0.1)
    raise SystemExit("the service did not answer within a minute")


def client(
    url: str,
    number: int,
    mode: str,
    passages: list[str],
    stop: Callable[[], bool],
    retry: bool = False,
) -> list[tuple[str, float]]:
    """One closed-loop client, until `stop` says so: [(outcome, seconds)].

    Outcomes are "ok", "crossed", "429", another status, "refused" (nobody there) or
    "lost".
    """
    rng, outcomes = np.random.default_rng(number), []
    with httpx.Client(timeout=600, trust_env=False) as http:
        while not stop():
            mark = f"{number}-{len(outcomes)}"
            texts = [
                f"{mark}-{i} {passages[j]}"
                for i, j in enumerate(rng.integers(len(passages), size=DOCUMENTS))
            ]
            begun = time.perf_counter()
            try:
                answer = http.post(
                    url + "/rerank",
                    json={
                        "model": mode,
                        "query": "why does a qubit lose its phase?",
                        "documents": texts,
                        "return_documents": True,
                    },
                )
            except httpx.TransportError as error:
                outcomes.append(
                    (
                        "refused" if isinstance(error, httpx.ConnectError) else "lost",
                        time.perf_counter() - begun,
                    )
                )
                if not retry:
                    break
                time.sleep(0.2)
                continue
            outcome = str(answer.status_code)
            if outcome == "200":
                results = answer.json()["results"]
                whole = sorted(r["index"] for r in results) == list(range(DOCUMENTS))
                outcome = (
                    "ok"
                    if whole
                    and all(r["document"]["text"] == texts[r["index"]] for r in results)
                    else "crossed"
                )
            outcomes.append((outcome, time.perf_counter() - begun))
            if outcome == "429":
                time.sleep(min(0.5, float(answer.headers["Retry-After"])))
    return outcomes


def after(seconds: float) -> Callable[[], bool]:
    """A stop sign that shows after some seconds from now."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end


def load(
    url: str, clients: int, mode: str, passages: list[str], seconds: float, pid: int
) -> dict:
    """Run some clients side by side and sum up."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        parts = list(
            pool.map(
                lambda n: client(url, n, mode, passages, after(seconds)), range(clients)
            )
        )
    took, every = time.perf_counter() - begun, [pair for part in parts for pair in part]
    good = sorted(s for outcome, s in every if outcome == "ok")
    counts = {
        outcome: sum(o == outcome for o, _ in every)
        for outcome in sorted({o for o, _ in every})
    }
    percentiles = (
        {
            f"p{p} ms": round(1000 * float(np.percentile(good, p)), 1)
            for p in (50, 95, 99)
        }
        if good
        else {}
    )
    return {
        "clients": clients,
        "outcomes": counts,
        "answers per second": round(len(good) / took, 1),
        **percentiles,
        "resident MB of the service": round(
            psutil.Process(pid).memory_info().rss / 1e6
        ),
    }


def batching(model: str, titles: list[str], seconds: float) -> dict:
    """Two services, one that computes requests together and one that does not, asked in
    turn with short texts.
    """
    ports = {"apart": free_port(), "together": free_port()}
    running = {
        name: start(port, model, 64, name == "together") for name, port in ports.items()
    }
    rows = {}
    try:
        for clients in (1, 8, 32):
            rates = {name: [] for name in ports}
            for _ in range(3):
                for name, port in ports.items():
                    url, pid = f"http://127.0.0.1:{port}", running[name].pid
                    found = load(url, clients, "cosine", titles, seconds, pid)
                    rates[name].append(found["answers per second"])
            median = {name: float(np.median(each)) for name, each in rates.items()}
            factor = round(median["together"] / median["apart"], 2)
            rows[f"{clients} clients"] = median | {"factor": factor}
    finally:
        for process in running.values():
            process.terminate()
            process.wait(30)
    return {"answers per second, short texts, medians of three": rows}


def restart_under_load(
    port: int, model: str, process: subprocess.Popen, passages: list[str]
) -> tuple[dict, subprocess.Popen]:
    """SIGTERM in the middle of 8 clients, then a new service: what was accepted is
    answered, the rest is refused and tried again.
    """
    url = f"http://127.0.0.1:{port}"
    begun = time.perf_counter()
    done = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        running = [
            pool.submit(client, url, n, "cosine", passages, done.is_set, True)
            for n in range(8)
        ]
        time.sleep(3)
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
        process = start(port, model, 32)
        back = time.perf_counter() - begun
        time.sleep(5)
        done.set()
        parts = [r.result() for r in running]
    every = [o for part in parts for o, _ in part]
    return {
        "clients": 8,
        "exit code of the old service": code,
        "seconds until the new one answered": round(back - 3, 1),
        "outcomes": {o: every.count(o) for o in sorted(set(every))},
        "clients whose last request was answered": sum(p[-1][0] == "ok" for p in parts),
        "note": "'refused': no service was running, the client tried again; 'lost': "
        "the connection broke before an answer came",
    }, process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument(
        "--only-restart",
        action="store_true",
        help="repeat the restart alone and merge it into the stored results",
    )
    args = parser.parse_args()
    docs = load_collection("course").docs.values()
    passages, titles = [doc.text for doc in docs], [doc.title for doc in docs]
    port = free_port()
    url, process = f"http://127.0.0.1:{port}", start(port, args.model, 64)
    results = {
        "how": "python -m tools.bench.service",
        "date": time.strftime("%Y-%m-%d"),
        "model": args.model,
        "documents a request": DOCUMENTS,
        "requests computed together": {},
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "versions": {p: version(p) for p in ("torch", "fastapi", "uvicorn")},
        "below the limit (64 may wait)": {},
    }
    if args.only_restart:
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    try:
        client(url, 99, "cosine", passages, after(2))  # warm up
        for mode in () if args.only_restart else ("cosine", "late-interaction"):
            rows = [
                load(url, n, mode, passages, args.seconds, process.pid)
                for n in (1, 4, 16, 64)
            ]
            results["below the limit (64 may wait)"][mode] = rows
            print(mode, *rows, sep="\n  ", flush=True)
        if not args.only_restart:
            process.terminate()
            process.wait(30)
            process = start(port, args.model, 8)
            client(url, 99, "cosine", passages, after(2))
            results["above the limit (8 may wait)"] = load(
                url, 64, "cosine", passages, args.seconds, process.pid
            )
            print(results["above the limit (8 may wait)"], flush=True)
        results["restart under load"], process = restart_under_load(
            port, args.model, process, passages
        )
        print(results["restart under load"], flush=True)
    finally:
        process.terminate()
        process.wait(30)
    if not args.only_restart:
        found = batching(args.model, titles, args.seconds / 2)
        results["requests computed together"] = found
        print(found, flush=True)
    write_results(RESULTS, results)


if __name__ == "__main__":
    main()
