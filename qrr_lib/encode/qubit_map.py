"""A label-free way from vectors to qubit angles, and angles in a byte or half a byte
each (lesson 09).

`QubitMap` is principal component analysis, a random rotation and a squashing function:
nothing in it is trained on judgements. Two angles of 8 bits make a qubit two bytes, two
of 4 bits make it one; a table with 65,536 or 256 rows turns such codes into Bloch
vectors.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from qrr_lib.encode.angles import check_vectors
from qrr_lib.encode.circuit import Circuit
from qrr_lib.encode.codes import check_bits, code_bits
from qrr_lib.files import atomic_path, data_dir, read_tensors


class QubitMap(nn.Module):
    """Vectors → angles of n qubits without labels: (B, D) → (B, 1, n, 2), θ in [0, π]
    and γ in [0, 2π].

    u = (x − mean)·P·R with P the first 2n principal directions (D, 2n) and R a random
    rotation (2n, 2n), so that the qubits share the variance evenly; then θ = π/2 +
    (π/2)·tanh(s·√(2n)·u₁) and γ = π + π·tanh(s·√(2n)·u₂), u₁ and u₂ being the two
    halves of u.

    Parameters
    ----------
    n_qubits : int
    scale : float
        s, how far from the equator's middle the angles spread: larger uses more of the
        sphere, and saturates more (0.4 to 0.8 serve alike).
    seed : int
        Of the rotation.
    bits : {8, 4}
        How finely `TokenScorer` stores the angles: 2n or n bytes a vector. For the same
        bytes, twice the qubits at 4 bits rank better.

    Fit it on token vectors with `fit`, or let `HybridReranker.index` do so, or take a
    fitted one from `shipped`. Derived in lesson 09.
    """

    def __init__(
        self, n_qubits: int = 32, scale: float = 0.8, seed: int = 0, bits: int = 8
    ):
        super().__init__()
        if not (isinstance(scale, (int, float)) and math.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be a positive number, not {scale!r}")
        self.circuit = Circuit(n_qubits)
        self.scale = float(scale)
        self.seed = seed
        self.bits = check_bits(bits)
        self.register_buffer("mean", torch.empty(0))  # (D,)
        self.register_buffer("directions", torch.empty(0))  # (D, 2n)

    @property
    def n_qubits(self) -> int:
        """Qubits a vector."""
        return self.circuit.n_qubits

    @property
    def is_fitted(self) -> bool:
        """False until `fit` or `load`."""
        return self.mean.numel() > 0

    @property
    def embedding_dim(self) -> int | None:
        """D, or None before `fit`."""
        return len(self.mean) if self.is_fitted else None

    def fit(self, vectors) -> QubitMap:
        """Learn mean and principal directions from (N, D) vectors; returns self.

        Raises ValueError for fewer vectors than 2n + 1, for D < 2n, NaN or infinity, or
        vectors that span too few directions.
        """
        vectors = np.asarray(
            check_vectors(vectors, np.shape(vectors)[-1] if np.ndim(vectors) else 0)
        )
        (count, dim), wanted = vectors.shape, 2 * self.n_qubits
        if dim < wanted:
            raise ValueError(
                f"{self.n_qubits} qubits take {wanted} principal directions, these "
                f"vectors have {dim} numbers: "
                f"at most {dim // 2} qubits fit"
            )
        if count <= wanted:
            raise ValueError(
                f"{self.n_qubits} qubits need at least {wanted + 1} vectors to fit, "
                f"got {count}: give more text or fewer qubits"
            )
        mean = vectors.mean(axis=0, dtype=np.float64)
        spread = np.zeros((dim, dim))  # covariance
        for start in range(0, count, 4096):  # in blocks: memory stays small
            centred = vectors[start : start + 4096] - mean
            spread += centred.T @ centred / count
        values, directions = np.linalg.eigh(spread)  # smallest first
        if values[-wanted] <= 1e-9 * values[-1]:
            raise ValueError(
                f"these vectors span fewer than the {wanted} directions that "
                f"{self.n_qubits} qubits need: "
                "give more varied text or fewer qubits"
            )
        directions = directions[:, : -wanted - 1 : -1]  # largest first
        # eigh leaves signs open
        directions = directions * np.sign(
            directions[np.abs(directions).argmax(axis=0), np.arange(wanted)]
        )
        rotation = np.linalg.qr(
            np.random.default_rng(self.seed).standard_normal((wanted, wanted))
        )[0]
        self.mean = torch.as_tensor(mean, dtype=torch.float32)
        self.directions = torch.as_tensor(directions @ rotation, dtype=torch.float32)
        return self

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Map (B, D) vectors to (B, 1, n, 2) angles; ValueError before `fit` or for
        another width.
        """
        if not self.is_fitted:
            raise ValueError(
                "this QubitMap is not fitted: call .fit(token_vectors), or index a "
                "collection with it"
            )
        vectors = check_vectors(vectors, self.embedding_dim).to(self.mean.dtype)
        # (B, 2n)
        u = torch.tanh(
            self.scale
            * math.sqrt(2 * self.n_qubits)
            * ((vectors - self.mean) @ self.directions)
        )
        half_range = torch.tensor([math.pi / 2, math.pi])
        return (
            (u.unflatten(-1, (2, self.n_qubits)).transpose(1, 2) + 1) * half_range
        ).unsqueeze(1)  # (B, 1, n, 2)

    def save(self, path: str | os.PathLike, provenance: dict | None = None) -> None:
        """Write the fitted map, and where it comes from, to one safetensors file,
        atomically.
        """
        if not self.is_fitted:
            raise ValueError("this QubitMap is not fitted: there is nothing to save")
        about = {
            "kind": "QubitMap",
            "n_qubits": self.n_qubits,
            "scale": self.scale,
            "seed": self.seed,
            "bits": self.bits,
            "sha256": source_hash(self),
        }
        tensors = {
            name: tensor.contiguous() for name, tensor in self.state_dict().items()
        }
        with atomic_path(path) as partial:
            partial.write_bytes(
                save(
                    tensors,
                    metadata={
                        "qrr": json.dumps(about),
                        "provenance": json.dumps(provenance or {}),
                    },
                )
            )

    @classmethod
    def load(
        cls, path: str | os.PathLike, embedding_dim: int | None = None
    ) -> QubitMap:
        """Read a map; ValueError if the file is no map, was changed, or (with
        `embedding_dim`) belongs to another embedding size.
        """
        metadata, tensors = read_tensors(path)
        about = json.loads(metadata.get("qrr", "{}"))
        if about.get("kind") != "QubitMap":
            raise ValueError(f"{path} is not a saved QubitMap")
        made = cls(
            about["n_qubits"], about["scale"], about["seed"], about.get("bits", 8)
        )
        made.mean, made.directions = tensors["mean"], tensors["directions"]
        if source_hash(made) != about["sha256"]:
            raise ValueError(
                f"{path} is damaged or was changed: its hash does not match; fit the "
                "map again"
            )
        if embedding_dim not in (None, made.embedding_dim):
            raise ValueError(
                f"the map in {path} was fitted to {made.embedding_dim}-d vectors, not "
                f"{embedding_dim}-d: "
                "load the one of your embedding model, or fit one"
            )
        return made

    @classmethod
    def shipped(cls, model: str) -> QubitMap:
        """The map that comes with the course for an embedding model: 64 qubits, 4 bits
        an angle, fitted to the tokens of the course corpus.
        """
        path = Path(data_dir()) / "maps" / f"qubits_64_{model}.safetensors"
        if not path.is_file():
            raise FileNotFoundError(
                f"the course ships no map for {model!r}: fit one, QubitMap(64, "
                "bits=4).fit(token_vectors)"
            )
        return cls.load(path)


def source_hash(angles) -> str:
    """SHA-256 of an angle source (its settings and every weight): two sources with one
    hash give the same angles.

    Raises ValueError for something without weights to hash: give it an attribute
    `sha256`.
    """
    if not isinstance(angles, nn.Module):
        if isinstance(getattr(angles, "sha256", None), str):
            return angles.sha256
        raise ValueError(
            f"a {type(angles).__name__} has no weights to tell it apart: give it an "
            "attribute `sha256`"
        )
    settings = [
        type(angles).__name__,
        angles.circuit,
        getattr(angles, "scale", ""),
        *(["4 bits"] if code_bits(angles) == 4 else []),
    ]
    digest = hashlib.sha256(" ".join(map(str, settings)).encode())
    for name, tensor in sorted(angles.state_dict().items()):
        digest.update(
            f"{name} {tuple(tensor.shape)}".encode()
            + tensor.detach().float().cpu().contiguous().numpy().astype("<f4").tobytes()
        )
    return digest.hexdigest()
