"""Binder rehearsed on this machine (slow tier): postBuild and start in a clean copy,
one core, 2 GB; and what can be said without running it.
"""

from __future__ import annotations

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
    listed = subprocess.run(
        ["git", "ls-files", "-s", "binder"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    for name in ("postBuild", "start"):
        path = ROOT / "binder" / name
        text = path.read_bytes()
        assert text.startswith(b"#!/usr/bin/env bash\n") and b"\r" not in text
        assert listed.returncode or re.search(
            rf"^100755 .*\tbinder/{name}$", listed.stdout, re.MULTILINE
        ), f"git must know {name} as executable"
        assert subprocess.run(["bash", "-n", path], check=False).returncode == 0
    assert text.rstrip().endswith(b'exec "$@"')
    assert (ROOT / "binder" / "environment.yml").is_file()


def test_start_sets_light_mode_offline_and_one_thread():
    done = subprocess.run(
        [ROOT / "binder" / "start", "env"], capture_output=True, text=True, check=True
    )
    for line in (
        "QRR_MODEL=all-MiniLM-L6-v2",
        "QRR_OFFLINE=1",
        "HF_HUB_OFFLINE=1",
        "OMP_NUM_THREADS=1",
    ):
        assert line in done.stdout.splitlines()


def test_the_watch_stops_what_takes_too_much_memory():
    """Half a gigabyte against a limit of 300 MB, in a child of the child: it must not
    get away.
    """
    child = "x = bytearray(500_000_000); import time; time.sleep(20)"
    code = (
        "import subprocess, sys; "
        f"done = subprocess.run([sys.executable, '-c', {child!r}]); "
        "sys.exit(done.returncode)"
    )
    watch = rehearsal.Watch(limit=300_000_000)
    done = watch.run([sys.executable, "-c", code], [], timeout=15)
    assert done.returncode != 0 and watch.killed and watch.peak > 300_000_000
    calm = rehearsal.Watch(limit=300_000_000)
    assert (
        calm.run([sys.executable, "-c", "print('fine')"], [], timeout=15).stdout
        == "fine\n"
        and not calm.killed
    )


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
    left = [
        p
        for p in psutil.process_iter(["cmdline"])
        if p.pid not in before and str(tmp_path) in " ".join(p.info["cmdline"] or [])
    ]
    assert not left, left
