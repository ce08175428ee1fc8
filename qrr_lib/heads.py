"""The heads that lessons 07 and 08 compare, and the one similarity that training and reranking share.

A head maps embeddings (B, D) either to qubit angles (B, L, n, 2), as `QubitAnglePredictor` does, or, if it is a classical rival,
to unit vectors (B, k). `similarity_of` turns either into a score in [0, 1], with gradients.
"""
from __future__ import annotations

import json
import math
import os

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from qrr_lib._runtime import atomic_path, data_dir
from qrr_lib.angles import QubitAnglePredictor, read_tensors
from qrr_lib.circuit import Circuit
from qrr_lib.encoders import encode
from qrr_lib.pool import Pool, Vectors
from qrr_lib.similarity import TINY, bloch_vectors, fidelity, local_fidelity, log_fidelity


class EquatorialHead(nn.Module):
    """One linear layer to angles spread round the equator: (B, D) → (B, L, n, 2), θ in (0, π), γ in (0, 2π).

    θ = π/2 + (π/2)·tanh(u), γ = π + π·tanh(u') with (u, u') = 10·Wx: near u = 0 a qubit sits on the equator, where fidelity feels a change of
    angle most. `spread` is the standard deviation of u at the start for a unit vector x: texts begin apart (a collapsed start takes long
    to leave), and tanh is not flat yet. The factor 10 keeps W small, so that an optimiser's usual step moves an angle visibly. Lesson 07.
    """

    GAIN = 10.0

    def __init__(self, embedding_dim: int = 768, circuit: Circuit | None = None, spread: float = 0.3, seed: int | None = None):
        super().__init__()
        self.embedding_dim, self.circuit, self.spread = embedding_dim, circuit or Circuit(64), spread
        self.linear = nn.Linear(embedding_dim, math.prod(self.circuit.angle_shape))
        nn.init.normal_(self.linear.weight, std=spread / self.GAIN, generator=_generator(seed))
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("ranges", torch.tensor([math.pi / 2, math.pi]), persistent=False)      # θ = r + r·tanh u

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map (B, D) embeddings to (B, L, n, 2) angles."""
        raw = self.linear(embeddings).unflatten(-1, self.circuit.angle_shape)                       # (B, L, n, 2)
        return (torch.tanh(self.GAIN * raw) + 1) * self.ranges


class VectorHead(nn.Module):
    """The classical rival: embedding → unit vector, compared by cosine: (B, D) → (B, k).

    `hidden_dim=None` is one linear layer (the twin of `EquatorialHead`: k = 2·L·n gives as many parameters), a number is the brief's
    MLP with k outputs.
    """

    def __init__(self, embedding_dim: int = 768, out_dim: int = 128, hidden_dim: int | None = None, seed: int | None = None):
        super().__init__()
        self.embedding_dim, self.out_dim = embedding_dim, out_dim
        sizes = [embedding_dim, out_dim] if hidden_dim is None else [embedding_dim, hidden_dim, hidden_dim, out_dim]
        layers: list[nn.Module] = []
        for a, b in zip(sizes, sizes[1:]):
            layers += [nn.ReLU()] * bool(layers) + [nn.Linear(a, b)]
            nn.init.xavier_uniform_(layers[-1].weight, generator=_generator(seed))
            nn.init.zeros_(layers[-1].bias)
        self.layers = nn.Sequential(*layers)

    @classmethod
    def principal(cls, doc_vectors: np.ndarray, out_dim: int = 128) -> VectorHead:
        """PCA as a head: centre, project on the first principal directions of (N, D) documents, scale to length 1. No labels."""
        head, mean = cls(doc_vectors.shape[1], out_dim), doc_vectors.mean(axis=0)
        directions = np.linalg.svd(doc_vectors - mean, full_matrices=False)[2][:out_dim]
        with torch.no_grad():
            head.layers[0].weight.copy_(torch.as_tensor(directions))
            head.layers[0].bias.copy_(torch.as_tensor(-directions @ mean))
        return head

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map (B, D) embeddings to (B, k) vectors of norm 1."""
        return nn.functional.normalize(self.layers(embeddings), dim=-1)


class SphereTwin(nn.Module):
    """A one-qubit head read as a classical one: its (θ, γ) as a point of the unit sphere, (B, D) → (B, 3).

    (1 + cosine)/2 of two such points *is* the fidelity of the two qubits: the same function, with no qubit in sight.
    """

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head, self.embedding_dim = head, head.embedding_dim

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map (B, D) embeddings to (B, 3) vectors of norm 1."""
        theta, gamma = self.head(embeddings)[:, 0, 0].unbind(-1)
        return torch.stack([theta.sin() * gamma.cos(), theta.sin() * gamma.sin(), theta.cos()], dim=-1)


class DocumentOnly(nn.Module):
    """Control: the same head, but every query is replaced by one learned vector, so that it can only learn which documents to like."""

    def __init__(self, head: nn.Module, seed: int | None = None):
        super().__init__()
        self.head, self.embedding_dim = head, head.embedding_dim
        self.any_query = nn.Parameter(nn.functional.normalize(torch.randn(1, head.embedding_dim, generator=_generator(seed)), dim=-1))
        if hasattr(head, "circuit"):
            self.circuit = head.circuit

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Documents pass through the head."""
        return self.head(embeddings)

    def forward_queries(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Queries all become the same."""
        return self.head(self.any_query).expand(len(embeddings), *([-1] * (len(self.head(self.any_query).shape) - 1)))


def represent(head: nn.Module, vectors: torch.Tensor, queries: bool = False) -> torch.Tensor:
    """What a head makes of embeddings (B, D), ready to be compared: Bloch vectors (B, n, 3), states (B, 2**n) or unit vectors (B, k)."""
    out = head.forward_queries(vectors) if queries and hasattr(head, "forward_queries") else head(vectors)
    if out.ndim == 2:
        return out
    one_layer_product = head.circuit.is_product and head.circuit.n_layers == 1
    return bloch_vectors(out) if one_layer_product else encode(out, head.circuit)


def similarity_of(a: torch.Tensor, b: torch.Tensor, kind: str = "fidelity", log: bool = False) -> torch.Tensor:
    """Similarity in [0, 1] of every pair of represented texts, (A, …), (B, …) → (A, B).

    Bloch vectors: `kind` "geometric_fidelity" F^(1/n), "local_fidelity" or "fidelity" F. States: F. Unit vectors: (1 + cosine)/2.
    With `log`, the logarithm of a fidelity, as the loss wants it (a mean of logs for the geometric one); others are left as they are.
    """
    if a.is_complex():
        return fidelity(a, b).clamp(min=TINY).log() if log else fidelity(a, b)
    if a.ndim == 2:
        return (1 + a @ b.T) / 2
    if kind == "local_fidelity":
        return local_fidelity(a, b)
    value = sum(log_fidelity(x, y) for x, y in zip(a.split(8, 1), b.split(8, 1)))       # in blocks of 8 qubits: a faster gradient
    value = value / a.shape[1] if kind == "geometric_fidelity" else value
    return value if log else value.exp()


@torch.no_grad()
def represent_all(head: nn.Module, vectors: np.ndarray) -> torch.Tensor:
    """`represent` documents (N, D) in blocks, without gradients."""
    return torch.cat([represent(head, part) for part in torch.as_tensor(vectors).split(2048)])


@torch.no_grad()
def pool_similarity(head: nn.Module, kind: str, vectors: Vectors, pool: Pool, documents: torch.Tensor | None = None) -> np.ndarray:
    """Similarity of every query with its candidates, in [0, 1], as `HybridReranker` would mix it: (Q, K).

    `documents`, if given, is what `represent_all` made of `vectors.docs`.
    """
    a = represent(head, torch.as_tensor(vectors.of(pool.query_ids)), queries=True)
    b = represent_all(head, vectors.docs) if documents is None else documents
    rows = torch.as_tensor(pool.rows)
    if a.ndim == 3 and kind != "local_fidelity":                                        # pair by pair, all qubits of a pair at once
        logs = [((1 + (b[r] * a[i]).sum(-1)) / 2).clamp(TINY, 1).log() for i, r in enumerate(rows)]             # (K, n) each
        return torch.stack([(x.mean(-1) if kind == "geometric_fidelity" else x.sum(-1)).exp() for x in logs]).numpy()
    return np.stack([similarity_of(a[i:i + 1], b[r], kind)[0].numpy() for i, r in enumerate(rows)])


def save_head(head: nn.Module, path: str | os.PathLike, provenance: dict | None = None) -> None:
    """Write a `QubitAnglePredictor` or `EquatorialHead` with its origin (data, seed, α, date) to one safetensors file, atomically."""
    about = {"kind": type(head).__name__}
    if about["kind"] not in ("QubitAnglePredictor", "EquatorialHead"):
        raise ValueError(f"save_head keeps angle heads; a {about['kind']} is here to be compared with, not to be shipped")
    about |= {"embedding_dim": head.embedding_dim, "circuit": head.circuit.to_dict()}
    about |= {"hidden_dim": head.hidden_dim} if hasattr(head, "hidden_dim") else {}
    with atomic_path(path) as partial:
        save_file(head.state_dict(), partial, metadata={"qrr": json.dumps(about), "provenance": json.dumps(provenance or {})})


def load_head(path: str | os.PathLike, embedding_dim: int | None = None) -> tuple[nn.Module, dict]:
    """Read a head written by `save_head`: (head, provenance). ValueError for another embedding size or a file that is no head."""
    metadata, weights = read_tensors(path)
    about, provenance = json.loads(metadata.get("qrr", "{}")), json.loads(metadata.get("provenance", "{}"))
    if about.get("kind") == "QubitAnglePredictor":
        return QubitAnglePredictor.load(path, embedding_dim), provenance
    if about.get("kind") != "EquatorialHead":
        raise ValueError(f"{path} holds no head of this library")
    if embedding_dim not in (None, about["embedding_dim"]):
        raise ValueError(f"the head in {path} was trained for {about['embedding_dim']}-d embeddings, not {embedding_dim}-d: "
                         "load the one of your embedding model, or train one")
    head = EquatorialHead(about["embedding_dim"], Circuit(**about["circuit"]))
    head.load_state_dict(weights)
    return head, provenance


def course_head(model: str, arm: str = "one_qubit") -> tuple[nn.Module, dict]:
    """The head that comes with the course for an embedding model: (head, provenance); arm "one_qubit" or "qubits_64" (lesson 07)."""
    path = data_dir() / "heads" / f"course_{arm}_{model}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"the course has no trained head {arm!r} for {model!r}: train one with train_head (lesson 07)")
    return load_head(path)


def _generator(seed: int | None) -> torch.Generator | None:
    return None if seed is None else torch.Generator().manual_seed(seed)
