"""A label-free way from vectors to qubit angles (lesson 09).

`QubitMap` is principal component analysis, a random rotation and a squashing function:
nothing in it is trained on judgements.
"""

import math
from typing import Self

import numpy as np
import torch

from qrr_lib.checks import whole_number
from qrr_lib.encode.angles import AngleSource, check_vectors
from qrr_lib.encode.circuit import Circuit
from qrr_lib.encode.codes import check_bits
from qrr_lib.files import data_dir


class QubitMap(AngleSource):
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
        How finely token states are stored: 2n or n bytes a vector. For the same bytes,
        twice the qubits at 4 bits rank better.

    Fit it on token vectors with `fit`, or let `Reranker.index` do so, or take a fitted
    one from `shipped`. Derived in lesson 09.
    """

    SETTINGS = ("n_qubits", "scale", "seed", "bits")

    def __init__(
        self, n_qubits: int = 32, scale: float = 0.8, seed: int = 0, bits: int = 8
    ):
        super().__init__()
        number = isinstance(scale, (int, float, np.number))
        if not (number and math.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be a positive number, not {scale!r}")
        self.circuit = Circuit(n_qubits)
        self.scale = float(scale)
        self.seed = whole_number("seed", seed, 0)
        self.bits = check_bits(bits)
        self.register_buffer("mean", torch.empty(0))  # (D,)
        self.register_buffer("directions", torch.empty(0))  # (D, 2n)

    def extra_repr(self) -> str:
        """What `print` shows of it."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.SETTINGS)

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

    def fit(self, vectors) -> Self:
        """Learn mean and principal directions from (N, D) vectors; returns self.

        Raises ValueError for fewer vectors than 2n + 1, for D < 2n, NaN or infinity, or
        vectors that span too few directions.
        """
        vectors = check_vectors(vectors).detach().cpu().numpy()
        (count, dim), wanted = vectors.shape, 2 * self.n_qubits
        if dim < wanted:
            raise ValueError(
                f"{self.n_qubits} qubits take {wanted} principal directions, these "
                f"vectors have {dim} numbers: at most {dim // 2} qubits fit"
            )
        if count <= wanted:
            raise ValueError(
                f"{self.n_qubits} qubits need at least {wanted + 1} vectors to fit, "
                f"got {count}: give more text or fewer qubits"
            )
        mean = vectors.mean(axis=0, dtype=np.float64)
        covariance = np.zeros((dim, dim))
        for start in range(0, count, 4096):  # in blocks: memory stays small
            centred = vectors[start : start + 4096] - mean
            covariance += centred.T @ centred / count
        values, directions = np.linalg.eigh(covariance)  # smallest first
        if values[-wanted] <= 1e-9 * values[-1]:
            raise ValueError(
                f"these vectors span fewer than the {wanted} directions that "
                f"{self.n_qubits} qubits need: give more varied text or fewer qubits"
            )
        directions = directions[:, : -wanted - 1 : -1]  # largest first
        steepest = directions[np.abs(directions).argmax(axis=0), np.arange(wanted)]
        directions = directions * np.sign(steepest)  # eigh leaves signs open
        noise = np.random.default_rng(self.seed).standard_normal((wanted, wanted))
        rotation, _ = np.linalg.qr(noise)
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
        stretch = self.scale * math.sqrt(2 * self.n_qubits)
        u = torch.tanh(stretch * ((vectors - self.mean) @ self.directions))  # (B, 2n)
        halves = u.unflatten(-1, (2, self.n_qubits)).transpose(1, 2)  # (B, n, 2)
        return ((halves + 1) * u.new_tensor([math.pi / 2, math.pi])).unsqueeze(1)

    def _load_from_state_dict(self, weights, prefix, *others):
        """Make room first: a map that is not fitted has weights of no size."""
        for name in ("mean", "directions"):
            if prefix + name in weights:
                setattr(self, name, torch.empty_like(weights[prefix + name]))
        super()._load_from_state_dict(weights, prefix, *others)

    @classmethod
    def shipped(cls, model: str) -> Self:
        """The map that comes with the course for an embedding model: 64 qubits, 4 bits
        an angle, fitted to the tokens of the course corpus.
        """
        path = data_dir() / "maps" / f"qubits_64_{model}.safetensors"
        if not path.is_file():
            raise FileNotFoundError(
                f"the course ships no map for {model!r}: fit one, QubitMap(64, "
                "bits=4).fit(token_vectors)"
            )
        return cls.load(path)
