"""Is this machine ready for the course?

One line per question, OK or FAIL with what to do (lesson 00).

What only lesson 13 or 14 wants is no failure where it is absent: such a line begins
with -- and says how to get it. The lines name versions and sizes but no user and no
folder, so they can be pasted into a bug report as they are.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys

from qrr_lib.course.lines import Line, Wish
from qrr_lib.embed.finder import model_folder
from qrr_lib.embed.models import (
    LANGUAGE_MODEL,
    ModelNotFoundError,
    default_model,
    model_spec,
)
from qrr_lib.files import cache_dir, data_dir

PACKAGES = (
    "numpy",
    "torch",
    "sentence-transformers",
    "transformers",
    "qiskit",
    "qiskit-aer",
    "pennylane",
    "faiss-cpu",
    "onnxruntime",
    "ir-measures",
    "ipywidgets",
    "jupyterlab",
)


EXTRAS = {
    "serve": ("13", ("fastapi", "uvicorn", "gguf")),
    "scale": ("14", ("pymilvus", "milvus-lite", "ray", "pyarrow")),
}


def check_machine() -> list[Line]:
    """Look at Python, packages, data, memory, threads, disk, the model (which is
    fetched if it is not there yet) and what lessons 13 and 14 add.
    """
    lines = [
        _course(),
        _python(),
        *map(_package, PACKAGES),
        _data(),
        _memory(),
        _threads(),
        _disk(),
        _model(),
    ]
    return [*lines, _extra("serve"), _language_model(), _extra("scale")]


def _course() -> Line:
    from qrr_lib import __version__

    settings = [
        f"{name}={os.environ[name]}"
        for name in ("QRR_MODEL", "QRR_OFFLINE")
        if os.environ.get(name)
    ]
    return Line(True, "course", " ".join([f"qrr_lib {__version__}", *settings]))


def _python() -> Line:
    version = platform.python_version()
    return Line(
        (3, 11) <= sys.version_info[:2] <= (3, 13),
        "Python",
        f"{version} on {platform.system()} {platform.machine()}",
        "the course is tested on Python 3.11 to 3.13: make an environment with one of "
        "them",
    )


def _package(name: str) -> Line:
    try:
        return Line(True, name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Line(
            False,
            name,
            "not installed",
            "activate the course's environment, or run `pip install -e .` in the "
            "repository",
        )


def _data() -> Line:
    try:
        path = data_dir() / "course" / "corpus.jsonl"
        return Line(
            path.is_file(),
            "course corpus",
            "found" if path.is_file() else "missing",
            "get the whole repository, not only notebooks/",
        )
    except FileNotFoundError as error:
        return Line(False, "course corpus", "missing", str(error))


def _memory() -> Line:
    total, light = _total_memory(), default_model() == "all-MiniLM-L6-v2"
    need = (
        "up to 0.9 GB in light mode, lesson 13 1.2 GB"
        if light
        else "up to 1.2 GB, lesson 13 1.5 GB"
    )
    if total is None:
        return Line(True, "memory", f"unknown on this platform; a lesson needs {need}")
    return Line(
        total >= (1.8e9 if light else 3.5e9),
        "memory",
        f"{total / 1e9:.1f} GB in all; a lesson needs {need}",
        "set QRR_MODEL=all-MiniLM-L6-v2 (light mode) if it is not set, keep one "
        "notebook open at a time, or use Binder",
    )


def _total_memory() -> float | None:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    for name in (
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ):
        try:
            with open(name, encoding="ascii") as file:
                total = min(total, int(file.read()))
        except (OSError, ValueError):
            continue
    return float(total)


def _threads() -> Line:
    cores = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1
    )
    return Line(
        True,
        "threads",
        f"{cores} core{'s' * (cores > 1)} for this process, "
        f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}",
    )


def _disk() -> Line:
    place = cache_dir()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return Line(
        free > 1.5e9,
        "disk for the cache",
        f"{free / 1e9:.0f} GB free",
        f"free 1.5 GB, or set QRR_CACHE_DIR (now {cache_dir()})",
    )


def _model() -> Line:
    spec = model_spec()
    try:
        model_folder(spec.name)
        return Line(
            True,
            "embedding model",
            f"{spec.name}, {spec.dim} numbers per text, SHA-256 verified",
        )
    except ModelNotFoundError as error:
        return Line(False, "embedding model", spec.name, str(error))


def _extra(extra: str) -> Line:
    lesson, names = EXTRAS[extra]
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            # not built there
            if (name, platform.system()) != (
                "milvus-lite",
                "Windows",
            ):
                missing.append(name)
    what = f"lesson {lesson}, packages"
    if missing:
        advice = (
            f"for lesson {lesson} alone: run "
            f'`pip install -e ".[{extra}]"` in the repository'
        )
        return Wish(True, what, f"not installed: {', '.join(missing)}", advice)
    return Line(True, what, ", ".join(found))


def _language_model() -> Line:
    spec = model_spec(LANGUAGE_MODEL)
    try:
        model_folder(spec.name, fetch=False)
        return Line(True, "lesson 13, model", f"{spec.name}, SHA-256 verified")
    except ModelNotFoundError:
        advice = (
            f"for lesson 13 alone: run `qrr models {spec.name}` "
            f"({spec.megabytes} MB, once)"
        )
        return Wish(True, "lesson 13, model", f"{spec.name} is not in place", advice)
