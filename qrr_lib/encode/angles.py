"""What every angle source shares: a check of its vectors, a fingerprint, and a file
(lessons 02, 07 and 09).

An angle source maps vectors (B, D) to angles (B, L, n, 2). This library has three: the
two networks in `heads`, and `QubitMap`.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Self

import torch
from torch import nn

import qrr_lib.encode
from qrr_lib.arrays import read_tensors, write_tensors
from qrr_lib.checks import numbers
from qrr_lib.encode.circuit import Circuit
from qrr_lib.encode.codes import code_bits
from qrr_lib.files import data_dir

SOURCES = ("QubitAnglePredictor", "EquatorialHead", "QubitMap")  # that can be saved


def check_vectors(vectors, dim: int | None = None, owner="head") -> torch.Tensor:
    """Return (B, D) vectors as a tensor, or raise ValueError that says what is wrong:
    shape, a width other than the `dim` of their owner, NaN, infinity, or numbers so
    large that a length overflows.
    """
    vectors = numbers("embeddings", vectors)
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise ValueError(
            f"expected a batch of embeddings of shape (B, {dim or 'D'}), got shape "
            f"{tuple(vectors.shape)}"
        )
    if dim not in (None, vectors.shape[1]):
        raise ValueError(
            f"these embeddings have {vectors.shape[1]} numbers, this {owner} was made "
            f"for {dim}: use the embedding model that the {owner} belongs to, or make "
            f"a {owner} of that width"
        )
    finite = torch.linalg.vector_norm(vectors.detach().float(), dim=1).isfinite()
    if not finite.all():
        raise ValueError(
            f"embedding {finite.int().argmin()} holds NaN, infinity or too large "
            "numbers; embed that text again"
        )
    return vectors


def fingerprint(angles) -> str:
    """SHA-256 (64 hexadecimal digits) of an angle source: its kind, every setting that
    changes its output, and every weight, byte by byte. What was computed with one of
    two sources may serve the other exactly if these are equal.

    A source with an attribute `sha256` has that as its fingerprint: `OnnxAngles` keeps
    the hash of its file there, and a module of your own can, if it has settings that
    neither its layers nor its weights show. Raises ValueError for what is no
    `nn.Module` and has none.
    """
    if isinstance(getattr(angles, "sha256", None), str):
        return angles.sha256
    if not isinstance(angles, nn.Module):
        raise ValueError(
            f"a {type(angles).__name__} has no weights to tell it apart: give it an "
            "attribute `sha256`"
        )
    kept = (getattr(angles, name, "") for name in ("circuit", "scale"))
    settings = [type(angles).__name__, *kept]
    if code_bits(angles) == 4:
        settings.append("4 bits")
    if not hasattr(angles, "SETTINGS"):  # no class of ours: its layers may be anything
        settings.extend(angles.children())
    digest = hashlib.sha256(" ".join(map(str, settings)).encode())
    for name, tensor in sorted(angles.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


class AngleSource(nn.Module):
    """An angle source that can be saved: `SETTINGS` names the arguments from which its
    class makes it again, all but the weights. It has a `circuit`, and as
    `embedding_dim` its D, or None before it is fitted.
    """

    SETTINGS: tuple[str, ...] = ("embedding_dim", "circuit")

    def accepted(self, vectors, kind: torch.dtype) -> torch.Tensor:
        """(B, D) vectors from anywhere as a tensor of the weights' type; ValueError as
        in `check_vectors`. Tensors of the right width are not looked through.
        """
        known = isinstance(vectors, torch.Tensor) and vectors.is_floating_point()
        if not known or vectors.shape[-1] != self.embedding_dim:
            vectors = check_vectors(vectors, self.embedding_dim)
        return vectors if vectors.dtype == kind else vectors.to(kind)

    def save(self, path: str | Path, provenance: dict | None = None) -> None:
        """Call `save_source`."""
        save_source(self, path, provenance)

    @classmethod
    def load(cls, path: str | Path, embedding_dim: int | None = None) -> Self:
        """Read a file of this class; errors as in `load_source`."""
        return load_source(path, embedding_dim, (cls.__name__,))[0]


def save_source(
    source: AngleSource, path: str | Path, provenance: dict | None = None
) -> None:
    """Write settings, weights and origin (data, seed, α, date) of an angle source to
    one safetensors file, atomically.

    Raises ValueError for what is no angle source of this library, or is not fitted.
    """
    kind = type(source).__name__
    if kind not in SOURCES:
        raise ValueError(
            f"save_source keeps {', '.join(SOURCES)}; a {kind} is here to be compared "
            "with, not to be shipped"
        )
    if source.embedding_dim is None:
        raise ValueError(f"this {kind} is not fitted: there is nothing to save")
    about = {"kind": kind} | {name: getattr(source, name) for name in source.SETTINGS}
    metadata = {"qrr": json.dumps(about, default=asdict)}
    metadata["provenance"] = json.dumps(provenance or {})
    write_tensors(path, source.state_dict(), metadata)


def load_source(
    path: str | Path, embedding_dim: int | None = None, kinds: tuple[str, ...] = SOURCES
) -> tuple[AngleSource, dict]:
    """Read a file of `save_source`: (angle source, provenance).

    Raises FileNotFoundError, or ValueError if the file holds none of `kinds`, is
    damaged, or (with `embedding_dim`) belongs to another embedding size.
    """
    metadata, weights = read_tensors(path)
    settings = json.loads(metadata.get("qrr", "{}"))
    kind = settings.pop("kind", None)
    if kind not in kinds:
        raise ValueError(f"{path} is not a saved {' or '.join(kinds)}")
    if "circuit" in settings:
        settings["circuit"] = Circuit(**settings["circuit"])
    source = getattr(qrr_lib.encode, kind)(**settings)
    source.load_state_dict(weights, assign=True)
    if embedding_dim not in (None, source.embedding_dim):
        raise ValueError(
            f"the {kind} in {path} was made for {source.embedding_dim}-d embeddings, "
            f"not {embedding_dim}-d: load the one of your embedding model, or make one"
        )
    return source.float(), json.loads(metadata.get("provenance", "{}"))


def course_head(model: str, arm: str = "one_qubit") -> tuple[AngleSource, dict]:
    """The head that comes with the course for an embedding model: (head, provenance);
    arm "one_qubit" or "qubits_64" (lesson 07).
    """
    path = data_dir() / "heads" / f"course_{arm}_{model}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"the course has no trained head {arm!r} for {model!r}: train one with "
            "train_head (lesson 07)"
        )
    return load_source(path)
