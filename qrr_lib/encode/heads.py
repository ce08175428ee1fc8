"""Angle heads that are trained, saved and shipped (lesson 07)."""

from __future__ import annotations

import json
import math
import os

import torch
from safetensors.torch import save_file
from torch import nn

from qrr_lib.encode.angles import QubitAnglePredictor
from qrr_lib.encode.circuit import Circuit
from qrr_lib.files import atomic_path, data_dir, read_tensors


class EquatorialHead(nn.Module):
    """One linear layer to angles spread round the equator: (B, D) → (B, L, n, 2), θ in
    (0, π), γ in (0, 2π).

    θ = π/2 + (π/2)·tanh(u), γ = π + π·tanh(u') with (u, u') = 10·Wx: near u = 0 a qubit
    sits on the equator, where fidelity feels a change of angle most. `spread` is the
    standard deviation of u at the start for a unit vector x: texts begin apart (a
    collapsed start takes long to leave), and tanh is not flat yet. The factor 10 keeps
    W small, so that an optimiser's usual step moves an angle visibly. Lesson 07.
    """

    GAIN = 10.0

    def __init__(
        self,
        embedding_dim: int = 768,
        circuit: Circuit | None = None,
        spread: float = 0.3,
        seed: int | None = None,
    ):
        super().__init__()
        self.embedding_dim = embedding_dim
        self.circuit = circuit or Circuit(64)
        self.spread = spread
        self.linear = nn.Linear(embedding_dim, math.prod(self.circuit.angle_shape))
        nn.init.normal_(
            self.linear.weight, std=spread / self.GAIN, generator=seeded(seed)
        )
        nn.init.zeros_(self.linear.bias)
        # θ = r + r·tanh u
        self.register_buffer(
            "ranges", torch.tensor([math.pi / 2, math.pi]), persistent=False
        )

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map (B, D) embeddings to (B, L, n, 2) angles."""
        # (B, L, n, 2)
        raw = self.linear(embeddings).unflatten(-1, self.circuit.angle_shape)
        return (torch.tanh(self.GAIN * raw) + 1) * self.ranges


def save_head(
    head: nn.Module, path: str | os.PathLike, provenance: dict | None = None
) -> None:
    """Write a `QubitAnglePredictor` or `EquatorialHead` with its origin (data, seed, α,
    date) to one safetensors file, atomically.
    """
    about = {"kind": type(head).__name__}
    if about["kind"] not in ("QubitAnglePredictor", "EquatorialHead"):
        raise ValueError(
            f"save_head keeps angle heads; a {about['kind']} is here to be compared "
            "with, not to be shipped"
        )
    about |= {"embedding_dim": head.embedding_dim, "circuit": head.circuit.to_dict()}
    about |= {"hidden_dim": head.hidden_dim} if hasattr(head, "hidden_dim") else {}
    with atomic_path(path) as partial:
        save_file(
            head.state_dict(),
            partial,
            metadata={
                "qrr": json.dumps(about),
                "provenance": json.dumps(provenance or {}),
            },
        )


def load_head(
    path: str | os.PathLike, embedding_dim: int | None = None
) -> tuple[nn.Module, dict]:
    """Read a head written by `save_head`: (head, provenance).

    ValueError for another embedding size or a file that is no head.
    """
    metadata, weights = read_tensors(path)
    about = json.loads(metadata.get("qrr", "{}"))
    provenance = json.loads(metadata.get("provenance", "{}"))
    if about.get("kind") == "QubitAnglePredictor":
        return QubitAnglePredictor.load(path, embedding_dim), provenance
    if about.get("kind") != "EquatorialHead":
        raise ValueError(f"{path} holds no head of this library")
    if embedding_dim not in (None, about["embedding_dim"]):
        raise ValueError(
            f"the head in {path} was trained for {about['embedding_dim']}-d "
            f"embeddings, not {embedding_dim}-d: "
            "load the one of your embedding model, or train one"
        )
    head = EquatorialHead(about["embedding_dim"], Circuit(**about["circuit"]))
    head.load_state_dict(weights)
    return head, provenance


def course_head(model: str, arm: str = "one_qubit") -> tuple[nn.Module, dict]:
    """The head that comes with the course for an embedding model: (head, provenance);
    arm "one_qubit" or "qubits_64" (lesson 07).
    """
    path = data_dir() / "heads" / f"course_{arm}_{model}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"the course has no trained head {arm!r} for {model!r}: train one with "
            "train_head (lesson 07)"
        )
    return load_head(path)


def seeded(seed: int | None) -> torch.Generator | None:
    return None if seed is None else torch.Generator().manual_seed(seed)
