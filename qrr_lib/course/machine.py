"""Is this machine ready for the course?

One line per question, OK or FAIL with what to do (lesson 00).

What only lesson 11, 13, 14 or 15 wants is no failure where it is absent: such a line
begins with -- and says how to get it. The lines name versions and sizes but no user and
no folder, so they can be pasted into a bug report as they are.
"""

import contextlib
import importlib.metadata
import os
import platform
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from qrr_lib import __version__
from qrr_lib.embed.finder import model_folder
from qrr_lib.embed.models import (
    LANGUAGE_MODEL,
    ModelNotFoundError,
    default_model,
    model_spec,
)
from qrr_lib.files import cache_dir, data_dir, project_dir, setting

PACKAGES = (
    "numpy torch sentence-transformers transformers qiskit qiskit-aer pennylane "
    "faiss-cpu onnxruntime ir-measures ipywidgets jupyterlab"
).split()
EXTRAS = {  # extra: who wants it, its packages
    "quantum": ("lessons 11 and 15", ["qiskit-machine-learning", "jax"]),
    "serve": ("lesson 13", ["fastapi", "uvicorn", "gguf", "httpx"]),
    "engine": (
        "lesson 14",
        "qdrant-edge-py qdrant-client pybase64 pyarrow pypdf python-docx".split(),
    ),
}
# bytes that the machine should have, and what was measured (make measure)
MEMORY = 3.5e9, "up to 1.4 GB, lesson 13 1.6 GB"
LIGHT_MEMORY = 1.8e9, "up to 1.0 GB in light mode, lesson 13 1.3 GB"
CONTAINER_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


class Line(NamedTuple):
    """One answer: `ok`, what was looked at, what was found, and (if not ok)
    what to do.

    A `wish` is what one lesson wants beyond the course's own packages and is not here:
    ok all the same, with what to do.
    """

    ok: bool
    what: str
    found: str
    advice: str = ""
    wish: bool = False

    def __str__(self) -> str:
        sign = "--" if self.wish else "OK" if self.ok else "FAIL"
        text = f"[{sign:^4}] {self.what:<22} {self.found}"
        if self.wish or not self.ok:
            text += f"\n       -> {self.advice}"
        return without_paths(text)


def without_paths(text: str) -> str:
    """The text with this machine's folders replaced by what they are for: nobody's user
    name goes into a bug report.
    """
    places = {
        str(cache_dir()): "<cache folder>",
        str(project_dir()): "<course folder>",
        os.path.expanduser("~"): "~",
    }
    for place in sorted(places, key=len, reverse=True):
        if len(place) > 1:
            text = text.replace(place, places[place])
    return text


def check_machine() -> list[Line]:
    """Look at Python, packages, data, memory, threads, disk, the model (which is
    fetched if it is not there yet) and what lessons 11, 13, 14 and 15 add.
    """
    installed = [course(), python(), *map(package, PACKAGES)]
    with ThreadPoolExecutor() as pool:  # verifying a model takes a second or two
        models = [pool.submit(look) for look in (embedding_model, language_model)]
        machine = [corpus(), memory(), threads(), disk(), models[0].result()]
        added = [extra("quantum"), extra("serve"), models[1].result(), extra("engine")]
    return [*installed, *machine, *added]


def course() -> Line:
    """The course's version and the settings that differ from the usual ones."""
    found = [f"qrr_lib {__version__}"]
    for name in ("QRR_MODEL", "QRR_OFFLINE"):
        if value := setting(name):
            found.append(f"{name}={value}")
    return Line(True, "course", " ".join(found))


def python() -> Line:
    """Python's version, and the platform."""
    ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    system = f"{platform.system()} {platform.machine()}"
    advice = (
        "the course is tested on Python 3.11 to 3.13: make an environment with one of "
        "them"
    )
    return Line(ok, "Python", f"{platform.python_version()} on {system}", advice)


def package(name: str) -> Line:
    """The version of a package that every lesson may use."""
    found = version(name)
    advice = (
        "activate the course's environment, or run `pip install -e .` in the repository"
    )
    return Line(found is not None, name, found or "not installed", advice)


def version(name: str) -> str | None:
    """A package's version; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def corpus() -> Line:
    """Is the course corpus in the data folder?"""
    try:
        ok = (data_dir() / "course" / "corpus.jsonl").is_file()
        advice = "get the whole repository, not only notebooks/"
    except FileNotFoundError as error:
        ok, advice = False, str(error)
    return Line(ok, "course corpus", "found" if ok else "missing", advice)


def memory() -> Line:
    """Is the memory enough for a lesson, in this mode?"""
    light = default_model() == "all-MiniLM-L6-v2"
    least, need = LIGHT_MEMORY if light else MEMORY
    total = total_memory()
    if total is None:
        return Line(True, "memory", f"unknown on this platform; a lesson needs {need}")
    found = f"{total / 1e9:.1f} GB in all; a lesson needs {need}"
    advice = (
        "set QRR_MODEL=all-MiniLM-L6-v2 (light mode) if it is not set, keep one "
        "notebook open at a time, or use Binder"
    )
    return Line(total >= least, "memory", found, advice)


def total_memory() -> float | None:
    """Bytes of this machine or its container; None if the platform does not say."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    for name in CONTAINER_LIMITS:
        with contextlib.suppress(OSError, ValueError):
            total = min(total, int(Path(name).read_text(encoding="ascii")))
    return float(total)


def threads() -> Line:
    """How many cores this process may use."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    wanted = f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}"
    found = f"{cores} core{'s' * (cores > 1)} for this process, {wanted}"
    return Line(True, "threads", found)


def disk() -> Line:
    """Is there room for models and embeddings?"""
    cache = cache_dir()
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    advice = f"free 1.5 GB, or set QRR_CACHE_DIR (now {cache})"
    return Line(free > 1.5e9, "disk for the cache", f"{free / 1e9:.0f} GB free", advice)


def embedding_model() -> Line:
    """Is the model there, or can it be fetched, and is it the one that was tested?"""
    spec = model_spec()
    found = f"{spec.name}, {spec.dim} numbers per text, SHA-256 verified"
    try:
        model_folder(spec.name)
        return Line(True, "embedding model", found)
    except ModelNotFoundError as error:
        return Line(False, "embedding model", spec.name, str(error))


def extra(name: str) -> Line:
    """The packages of an extra, which one lesson or two alone want."""
    lesson, packages = EXTRAS[name]
    what = f"{lesson}, packages"
    versions = {needed: version(needed) for needed in packages}
    missing = [needed for needed, found in versions.items() if found is None]
    if platform.machine() == "ARM64":  # not built for Windows there
        missing = [name for name in missing if name not in ("qdrant-edge-py", "jax")]
    if not missing:
        found = [f"{needed} {found}" for needed, found in versions.items() if found]
        return Line(True, what, ", ".join(found))
    install = f'`pip install -e ".[{name}]"` in the repository'
    advice = f"for {lesson} alone: run {install}"
    return Line(True, what, f"not installed: {', '.join(missing)}", advice, wish=True)


def language_model() -> Line:
    """Is the language model there, which lesson 13 alone wants? It is not fetched."""
    spec, what = model_spec(LANGUAGE_MODEL), "lesson 13, model"
    command = f"`qrr models {spec.name}` ({spec.megabytes} MB, once)"
    advice = f"for lesson 13 alone: run {command}"
    try:
        model_folder(spec.name, fetch=False)
        return Line(True, what, f"{spec.name}, SHA-256 verified")
    except ModelNotFoundError:
        return Line(True, what, f"{spec.name} is not in place", advice, wish=True)
