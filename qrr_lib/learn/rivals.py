"""Rivals of a head: its classical twins, a published head, and the control that sees no
query (lesson 08).
"""

import math
from itertools import pairwise
from typing import Self

import numpy as np
import torch
from torch import nn

from qrr_lib.encode.circuit import Circuit
from qrr_lib.encode.formulas import TINY, bloch_vectors
from qrr_lib.encode.heads import seeded


class VectorHead(nn.Module):
    """The classical rival: embedding → unit vector, compared by cosine: (B, D) → (B,
    k).

    `hidden_dim=None` is one linear layer (the twin of `EquatorialHead`: k = 2·L·n gives
    as many parameters), a number is the brief's MLP with k outputs.
    """

    def __init__(
        self, embedding_dim: int = 768, out_dim: int = 128, hidden_dim=None, seed=None
    ):
        super().__init__()
        self.embedding_dim, self.out_dim = embedding_dim, out_dim
        hidden = [] if hidden_dim is None else [hidden_dim, hidden_dim]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([embedding_dim, *hidden, out_dim]):
            layer = nn.Linear(inputs, outputs)
            nn.init.xavier_uniform_(layer.weight, generator=seeded(seed))
            nn.init.zeros_(layer.bias)
            layers += [layer, nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    @classmethod
    def principal(cls, doc_vectors: np.ndarray, out_dim: int = 128) -> Self:
        """PCA as a head: centre, project on the first principal directions of (N, D)
        documents, scale to length 1. No labels.
        """
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
    """A one-qubit head read as a classical one: its (θ, γ) as a point of the unit
    sphere, (B, D) → (B, 3).

    (1 + cosine)/2 of two such points *is* the fidelity of the two qubits: the same
    function, with no qubit in sight.
    """

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head, self.embedding_dim = head, head.embedding_dim

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map (B, D) embeddings to (B, 3) vectors of norm 1."""
        return bloch_vectors(self.head(embeddings)).flatten(1)


class DocumentOnly(nn.Module):
    """Control: the same head, but every query is replaced by one learned vector, so
    that it can only learn which documents to like.
    """

    def __init__(self, head: nn.Module, seed: int | None = None):
        super().__init__()
        self.head, self.embedding_dim = head, head.embedding_dim
        start = torch.randn(1, head.embedding_dim, generator=seeded(seed))
        self.any_query = nn.Parameter(nn.functional.normalize(start, dim=-1))
        if hasattr(head, "circuit"):
            self.circuit = head.circuit

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Documents pass through the head."""
        return self.head(embeddings)

    def forward_queries(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Queries all become the same."""
        one = self.head(self.any_query)
        return one.expand(len(embeddings), *one.shape[1:])


class CompressionAnchor(nn.Module):
    """The quantum-inspired projection head of Kankeu et al.

    (arXiv 2501.04591): D = 3m coordinates → m qubits, 24·m parameters.

    Each coordinate u (tanh of the embedding) becomes a qubit with θ = (u + 1)·π/2, and
    the m triples (a, b, c) are merged twice by two-qubit blocks: a ZYZ rotation on each
    wire, a controlled ZYZ rotation from the first to the second, and the second wire
    kept as the square roots of its two outcome probabilities. Those are real and not
    negative: measured, hence classical, numbers. Output: angles (B, 1, m, 2) with γ =
    0. A linear layer of m outputs has D·m + m parameters: 196,864 against 6,144 for D =
    768.
    """

    def __init__(self, embedding_dim: int = 768, seed: int | None = None):
        super().__init__()
        if embedding_dim % 3:
            raise ValueError(
                f"this head merges triples of coordinates; {embedding_dim} is no "
                "multiple of 3"
            )
        self.embedding_dim, m = embedding_dim, embedding_dim // 3
        self.circuit = Circuit(m)
        # 2 stages × (first, second, controlled)
        start = torch.randn(2, 3, m, 4, generator=seeded(seed))
        self.blocks = nn.Parameter(0.1 * start)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map (B, 3m) embeddings to (B, 1, m, 2) angles."""
        half = (torch.tanh(embeddings) + 1) * (math.pi / 4)  # θ/2
        # (B, m, 2) amplitudes each
        a, b, c = torch.stack([half.cos(), half.sin()], dim=-1).chunk(3, dim=1)
        merged = _merge(_merge(c, b, self.blocks[0]), a, self.blocks[1])
        theta = 2 * torch.atan2(merged[..., 1], merged[..., 0])  # (B, m)
        return torch.stack([theta, torch.zeros_like(theta)], dim=-1).unsqueeze(1)


def _merge(first, second, block) -> torch.Tensor:
    """Two qubits (B, m, 2) and a block's angles (3, m, 4) → the second qubit's
    √probabilities (B, m, 2).
    """
    on_first, on_second, controlled = zyz(block)  # (m, 2, 2) each
    first, second = _apply(on_first, first), _apply(on_second, second)
    turned = _apply(controlled, second)
    zero, one = first.abs().square().unsqueeze(-1).unbind(-2)  # (B, m, 1) each
    probabilities = zero * second.abs().square() + one * turned.abs().square()
    return (probabilities + TINY).sqrt()


def _apply(unitaries: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """A 2×2 matrix for each qubit, (m, 2, 2), on (B, m, 2) amplitudes."""
    return unitaries[..., 0] * states[..., :1] + unitaries[..., 1] * states[..., 1:]


def zyz(angles: torch.Tensor) -> torch.Tensor:
    """Any one-qubit unitary e^{iδ}·RZ(a)·RY(b)·RZ(c): angles (…, 4) in the order δ, a,
    b, c → (…, 2, 2) complex.
    """
    delta, a, b, c = angles.unbind(-1)
    cos, sin = (b / 2).cos(), (b / 2).sin()
    plus, minus = (a + c) / 2, (a - c) / 2
    turn = torch.stack([-plus, -minus, minus, plus], dim=-1) + delta.unsqueeze(-1)
    size = torch.stack([cos, -sin, sin, cos], dim=-1)
    return (torch.polar(torch.ones_like(turn), turn) * size).unflatten(-1, (2, 2))
