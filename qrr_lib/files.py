"""Settings that must stand before any heavy library is imported, the course's folders,
and files that are whole or not there.

Imported first by `qrr_lib`. It only sets environment *defaults*: whatever the reader
has set already wins.
"""

import contextlib
import ipaddress
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

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


SAID = dict.fromkeys(("1", "true", "yes", "on"), True)
SAID |= dict.fromkeys(("0", "false", "no", "off"), False)


def setting(name: str) -> str | None:
    """One of the course's settings, read from the environment each time it is asked
    for; an empty one counts as not set (None).

    | setting | what it says | read by |
    |---|---|---|
    | QRR_MODEL | name of the embedding model (light mode: all-MiniLM-L6-v2) | embed |
    | QRR_MODEL_DIR | folder with models, or with one model's files | embed |
    | QRR_OFFLINE | 1, true, yes or on: fetch nothing | embed |
    | QRR_COLLECTIONS_DIR | folder with collections in BEIR layout | embed |
    | QRR_CACHE_DIR | folder for models and cached embeddings | files |
    | QRR_DATA_DIR | folder of the course's data | files |
    | QRR_TOKEN | bearer token that the service asks for | serve |
    | QRR_CORS_ORIGINS | web sites whose pages may ask the service | serve |
    | QRR_ENGINE_KEY | API key of a Qdrant server | engine |
    | QRR_LLM_URL, QRR_LLM_MODEL, QRR_LLM_KEY | a language model's server | serve |
    """
    return os.environ.get(name, "").strip() or None


def flag(name: str) -> bool:
    """A setting that is on (1, true, yes, on) or off (0, false, no, off, not set);
    ValueError for anything else.
    """
    said = (setting(name) or "off").lower()
    if said not in SAID:
        raise ValueError(f"{name} is {said!r}: set it to 1 or 0")
    return SAID[said]


def secret(name: str) -> str | None:
    """A setting that protects something; ValueError where it is set but empty, which
    would leave open what was meant to be closed.
    """
    if name in os.environ and not setting(name):
        raise ValueError(f"{name} is set but empty: give it a value, or unset it")
    return setting(name)


def folder(name: str) -> Path | None:
    """A setting that names a folder, `~` opened."""
    named = setting(name)
    return None if named is None else path_of(named)


def path_of(path: str | os.PathLike) -> Path:
    """A path as readers write it, `~` opened; OSError where there is no home."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(f"{path}: {error}; write the whole path") from None


def is_local(place: str) -> bool:
    """True for a host, or an address, of this machine: nobody else hears a service
    there, and no proxy can reach it for us.
    """
    try:
        host = urlsplit(place).hostname if "://" in place else place
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


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
    path = folder("QRR_DATA_DIR") or project_dir() / "data"
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
    if named := folder("QRR_CACHE_DIR"):
        return named
    try:
        return (folder("XDG_CACHE_HOME") or path_of("~/.cache")) / "qrr"
    except FileNotFoundError:
        raise FileNotFoundError(
            "this user has no home folder: set QRR_CACHE_DIR to a folder for models "
            "and cached embeddings"
        ) from None


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place only if the block
    succeeds.

    A kill or a power cut in mid-write leaves the old file whole: the new one is on the
    disk before it takes the name. What a killed process left beside it, a
    `.….partial-…` file, is removed by the next one that writes `path` (not on Windows).
    """
    path = path_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = f".{path.name}.partial-"
    pattern = rf"{re.escape(begun)}(\d+)-[0-9a-f]{{8}}{re.escape(path.suffix)}"
    for other in path.parent.iterdir():
        named = re.fullmatch(pattern, other.name)
        if named and not is_alive(int(named[1])):
            other.unlink(missing_ok=True)
    mark = f"{os.getpid()}-{os.urandom(4).hex()}"
    partial = path.with_name(f"{begun}{mark}{path.suffix}")
    partial.touch()
    usual = partial.stat().st_mode
    try:
        yield partial
        partial.chmod(usual)  # some writers (safetensors) make private files
        to_disk(partial)
        os.replace(partial, path)
        with contextlib.suppress(OSError):  # not every system can do it for a folder
            to_disk(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def to_disk(path: Path) -> None:
    """Return when a file, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_alive(process: int) -> bool:
    """Is there a process of this number? Windows cannot be asked: True."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's; no number of a process
        return True
    return True


def say(message: str) -> None:
    """Print a progress line to stderr."""
    print(printable(message, sys.stderr), file=sys.stderr, flush=True)


def printable(text: str, stream=None) -> str:
    """The text in characters that a stream, standard output if None, can show; "?" for
    the others.
    """
    encoding = getattr(stream or sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
