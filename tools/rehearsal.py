"""Rehearse what happens elsewhere: Binder's small machine, and a room without a
network.

    # Binder: postBuild and start in a clean copy, one core, 2 GB, every lesson in light
    # mode
    python tools/rehearsal.py
    python tools/rehearsal.py 00 06          # some lessons only

No container is needed. The copy gets an environment of its own that holds only the
course; the dependencies come from the environment that runs this script, as they would
come from binder/environment.yml. Memory is the resident memory of JupyterLab's server,
the kernel and whatever they start, added up every tenth of a second; above the limit
everything is stopped, as Binder would do.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from pathlib import Path

from notebooks import ROOT, chosen, lessons, resident_memory

LIMIT = 2 * 1024**3
LANDING = "lab/tree/notebooks/00_welcome.ipynb"

# Runs inside the new network namespace: bring the loopback device up (Jupyter talks to
# its kernel over it), then become the command.
_LOOPBACK = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
os.execvp(sys.argv[1], sys.argv[1:])
"""


def without_network(command: list[str]) -> list[str]:
    """The command inside a network namespace that has a loopback device and no route to
    anywhere (Linux).
    """
    return [
        "unshare",
        "--map-root-user",
        "--net",
        sys.executable,
        "-c",
        _LOOPBACK,
        *command,
    ]


def network_can_be_cut() -> str:
    """Empty if `without_network` works here, else the reason why not."""
    if not shutil.which("unshare"):
        return "there is no `unshare` on this system"
    done = subprocess.run(
        without_network(["true"]), capture_output=True, text=True, check=False
    )
    return (
        ""
        if done.returncode == 0
        else "network namespaces are not permitted here: "
        f"{done.stderr.strip().splitlines()[-1]}"
    )


def clean_copy(target: Path) -> Path:
    """A copy of the course's files, as a fresh clone would have them."""
    from classroom import project_files

    for path in project_files():
        place = target / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)
    return target


def clean_environment(folder: Path) -> dict[str, str]:
    """Environment variables for a home of its own and a virtual environment that sees
    this one's packages, but not its copy of the course.
    """
    subprocess.run([sys.executable, "-m", "venv", str(folder / "env")], check=True)
    python = folder / "env" / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    # A .pth file adds the folder of the dependencies; .pth files inside that folder
    # (editable installs) are not followed.
    (Path(site.stdout.strip()) / "dependencies.pth").write_text(
        sysconfig.get_path("purelib") + "\n", encoding="utf-8"
    )
    (folder / "home").mkdir()
    keep = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(
            ("QRR_", "HF_", "JUPYTER", "IPYTHON", "PYTHON", "XDG_", "OMP_", "MPL")
        )
    }
    # JupyterLab's pages and nbconvert's templates belong to the dependencies, too
    shared = Path(sys.prefix) / "share" / "jupyter"
    return {
        **keep,
        "HOME": str(folder / "home"),
        "VIRTUAL_ENV": str(folder / "env"),
        "JUPYTER_PATH": str(shared),
        "JUPYTERLAB_DIR": str(shared / "lab"),
        "PATH": f"{folder / 'env' / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }


class Watch:
    """Peak resident memory of some processes and their children; ends them when it
    passes `limit`.
    """

    def __init__(self, limit: int = LIMIT):
        self.limit, self.peak, self.killed = limit, 0, False

    def run(
        self,
        command: list[str],
        others: list[subprocess.Popen],
        timeout: float,
        **options,
    ) -> subprocess.CompletedProcess:
        """Run a command to its end while watching it together with `others`."""
        import psutil

        with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
            end, peak = time.monotonic() + timeout, 0
            while process.poll() is None:
                total = sum(
                    resident_memory(psutil.Process(p.pid))
                    for p in [process, *others]
                    if p.poll() is None
                )
                peak = max(peak, total)
                if total > self.limit or time.monotonic() > end:
                    self.killed = total > self.limit
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                time.sleep(0.1)
            self.peak = peak
            log.seek(0)
            return subprocess.CompletedProcess(
                command, process.returncode, log.read(), None
            )


def free_port() -> int:
    """A port of the loopback device that nobody uses."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_lab(
    folder: Path,
    environment: dict[str, str],
    prefix: list[str],
    token: str = "rehearsal",
) -> tuple[subprocess.Popen, str]:
    """Start JupyterLab in `folder` by `prefix`; returns the process and its address,
    once it answers.
    """
    port = free_port()
    command = [
        *prefix,
        "python",
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        f"--IdentityProvider.token={token}",
        "--ServerApp.port_retries=0",
        *(["--allow-root"] if hasattr(os, "getuid") and os.getuid() == 0 else []),
    ]
    log = open(folder / "jupyter.log", "w", encoding="utf-8")
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{address}/api?token={token}", timeout=2).close()
            return process, address
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.5)
    stop(process)
    raise RuntimeError(
        "JupyterLab did not start:\n"
        + (folder / "jupyter.log").read_text(encoding="utf-8")[-3000:]
    )


def stop(process: subprocess.Popen) -> None:
    """End a server started by `start_lab`, kernels included."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def binder(folder: Path, wanted: list[str] | None = None) -> dict:
    """Rehearse Binder in an empty folder: {"landing": HTTP status, "lessons": {name:
    {"seconds", "peak_gb"}}}; raises on any failure.
    """
    course = clean_copy(folder / "course")
    environment = clean_environment(folder)
    core = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    built = subprocess.run(
        [*core, str(course / "binder" / "postBuild")],
        cwd=course,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise RuntimeError(
            f"postBuild failed:\n{(built.stdout + built.stderr)[-3000:]}"
        )
    start = [*core, str(course / "binder" / "start")]
    found = subprocess.run(
        [
            *start,
            "python",
            "-c",
            "import qrr_lib, os; print(qrr_lib.__file__); "
            "print(os.environ['QRR_MODEL'])",
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if Path(found[0]).parent.parent != course or found[1] != "all-MiniLM-L6-v2":
        raise RuntimeError(f"the copy does not run itself in light mode: {found}")
    server, address = start_lab(course, environment, start)
    report = {"lessons": {}}
    try:
        with urllib.request.urlopen(
            f"{address}/{LANDING}?token=rehearsal", timeout=30
        ) as answer:
            report["landing"] = answer.status
        for path in sorted((course / "notebooks").glob("[0-9][0-9]_*.ipynb")):
            if wanted and path.name[:2] not in wanted:
                continue
            watch, begin = Watch(), time.perf_counter()
            done = watch.run(
                [
                    *start,
                    "python",
                    "-m",
                    "nbconvert",
                    "--to",
                    "notebook",
                    "--execute",
                    "--stdout",
                    "--log-level=ERROR",
                    f"notebooks/{path.name}",
                ],
                [server],
                300,
                cwd=course,
                env=environment,
            )
            if done.returncode:
                why = "went over 2 GB" if watch.killed else done.stdout[-3000:]
                raise RuntimeError(
                    f"{path.name} failed on the small machine ({watch.peak / 1e9:.2f} "
                    f"GB): {why}"
                )
            report["lessons"][path.stem] = {
                "seconds": round(time.perf_counter() - begin, 1),
                "peak_gb": round(watch.peak / 1e9, 2),
            }
            print(path.stem, report["lessons"][path.stem], flush=True)
    finally:
        stop(server)
    return report


def main(arguments: list[str]) -> int:
    """Rehearse Binder and print the measurements."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lessons", nargs="*", help="numbers of lessons (default: all)")
    wanted = [
        path.name[:2]
        for path in chosen(lessons(), parser.parse_args(arguments).lessons)
    ]
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        print(json.dumps(binder(Path(folder).resolve(), wanted), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
