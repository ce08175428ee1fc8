"""Binder rehearsed on this machine (slow tier): postBuild and start in a clean copy,
one core, 2 GB; and what can be said without running it.
"""

import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import rehearsal

import notebooks

ROOT = Path(__file__).resolve().parent.parent


def test_binder_files_are_complete_and_will_run_there():
    """repo2docker wants an environment of its own beside postBuild, scripts that are
    executable, and LF line endings.
    """
    command = ["git", "ls-files", "-s", "binder"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    for name in ("postBuild", "start"):
        path = ROOT / "binder" / name
        text = path.read_bytes()
        assert text.startswith(b"#!/usr/bin/env bash\n") and b"\r" not in text
        known = re.search(rf"(?m)^100755 .*\tbinder/{name}$", listed.stdout)
        assert listed.returncode or known, f"git must know {name} as executable"
        assert subprocess.run(["bash", "-n", path]).returncode == 0
    assert text.rstrip().endswith(b'exec "$@"')
    assert (ROOT / "binder" / "environment.yml").is_file()


def test_start_sets_light_mode_offline_and_one_thread():
    command = [ROOT / "binder" / "start", "env"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    offline = {"QRR_OFFLINE=1", "HF_HUB_OFFLINE=1", "OMP_NUM_THREADS=1"}
    assert {"QRR_MODEL=all-MiniLM-L6-v2", *offline} <= {*done.stdout.splitlines()}


def test_the_watch_stops_what_takes_too_much_memory():
    """Half a gigabyte against a limit of 300 MB, in a child of the child: it must not
    get away.
    """
    child = "x = bytearray(500_000_000); import time; time.sleep(20)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    watch = rehearsal.Watch(limit=300_000_000)
    done = watch.run([sys.executable, "-c", code], [], timeout=15)
    assert done.returncode != 0 and watch.killed and watch.peak > 300_000_000
    calm = rehearsal.Watch(limit=300_000_000)
    done = calm.run([sys.executable, "-c", "print('fine')"], [], timeout=15)
    assert done.stdout == "fine\n" and not calm.killed


@pytest.mark.slow
def test_every_lesson_runs_on_binders_machine(tmp_path):
    """Light mode, one core; server, kernel and all their children together stay under 2
    GB; nothing is left running.
    """
    before = {p.pid for p in psutil.process_iter()}
    report = rehearsal.binder(tmp_path.resolve())
    assert report["landing"] == 200
    assert len(report["lessons"]) == len(notebooks.lessons())
    for name, row in report["lessons"].items():
        assert row["peak_gb"] * 1e9 <= rehearsal.LIMIT, (name, row)
        assert row["seconds"] <= 180, (name, row)
    left = []
    for process in psutil.process_iter(["cmdline"]):
        if process.pid not in before:
            left.append(" ".join(process.info["cmdline"] or []))
    assert not [command for command in left if str(tmp_path) in command]
