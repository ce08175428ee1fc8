"""Settings that must stand before any heavy library is imported, the course's folders,
and reading and writing files.

Imported first by `qrr_lib`. It only sets environment *defaults*: whatever the reader
has set already wins.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

DEFAULTS = {
    "TOKENIZERS_PARALLELISM": "false",  # no deadlock warnings when a notebook forks
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # our own loader says what it does
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "KINETO_LOG_LEVEL": "99",  # PyTorch's profiler talks to stderr otherwise
}
# pip wheels for macOS bring several OpenMP runtimes (OMP: Error #15)
if platform.system() == "Darwin":
    DEFAULTS["OMP_NUM_THREADS"] = "1"
for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)


def project_dir() -> Path:
    """Folder that holds data/ and notebooks/ (the checkout; the package is installed
    from it in editable mode).
    """
    return Path(__file__).resolve().parent.parent


def data_dir() -> Path:
    """Folder of the course's data. `QRR_DATA_DIR` overrides it.

    Raises
    ------
    FileNotFoundError
        When the folder is absent, which happens when the package was installed without
        `-e`.
    """
    path = Path(os.environ.get("QRR_DATA_DIR", project_dir() / "data"))
    if not path.is_dir():
        raise FileNotFoundError(
            f"no data folder at {path}: install the checkout with `pip install -e .`, "
            "or point QRR_DATA_DIR at the repository's data folder"
        )
    return path


def cache_dir() -> Path:
    """Folder for models and cached embeddings: `QRR_CACHE_DIR`, else `~/.cache/qrr` (or
    `XDG_CACHE_HOME`).
    """
    if os.environ.get("QRR_CACHE_DIR"):
        return Path(os.environ["QRR_CACHE_DIR"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qrr"


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike):
    """Yield a temporary path beside `path`; move it into place only if the block
    succeeds.

    A kill in mid-write leaves the old file whole and at worst a `.partial-…` file
    beside it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{path.name}.partial-", suffix=path.suffix, dir=path.parent
    )
    os.close(handle)
    umask = os.umask(0)
    os.umask(umask)
    # mkstemp makes private files; keep the usual permissions
    os.chmod(name, 0o666 & ~umask)
    try:
        yield Path(name)
        os.replace(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def say(message: str) -> None:
    """Print a progress line to stderr in characters that every console can show."""
    encoding = sys.stderr.encoding or "ascii"
    print(
        message.encode(encoding, "replace").decode(encoding),
        file=sys.stderr,
        flush=True,
    )


def read_tensors(
    path: str | os.PathLike,
) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Read a safetensors file: (metadata, {name: tensor}).

    FileNotFoundError if there is none, ValueError if it cannot be read.
    """
    from safetensors import safe_open

    try:
        with safe_open(os.fspath(path), framework="pt") as file:
            return file.metadata() or {}, {
                name: file.get_tensor(name) for name in file.keys()
            }
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path} is not a readable safetensors file ({error})"
        ) from None
