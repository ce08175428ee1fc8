"""The one reader of settings in the environment: text, flags, secrets and paths."""

import ipaddress
import os
from pathlib import Path
from urllib.parse import urlsplit

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


def is_local(address: str) -> bool:
    """True for an address of this machine, which no proxy can reach for us."""
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
