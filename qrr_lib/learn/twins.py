"""The classical twins of a head, and the control that sees no query (lesson 08)."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from qrr_lib.encode.heads import seeded


class VectorHead(nn.Module):
    """The classical rival: embedding → unit vector, compared by cosine: (B, D) → (B,
    k).

    `hidden_dim=None` is one linear layer (the twin of `EquatorialHead`: k = 2·L·n gives
    as many parameters), a number is the brief's MLP with k outputs.
    """

    def __init__(
        self,
        embedding_dim: int = 768,
        out_dim: int = 128,
        hidden_dim: int | None = None,
        seed: int | None = None,
    ):
        super().__init__()
        self.embedding_dim, self.out_dim = embedding_dim, out_dim
        sizes = (
            [embedding_dim, out_dim]
            if hidden_dim is None
            else [embedding_dim, hidden_dim, hidden_dim, out_dim]
        )
        layers: list[nn.Module] = []
        for a, b in zip(sizes, sizes[1:]):
            layers += [nn.ReLU()] * bool(layers) + [nn.Linear(a, b)]
            nn.init.xavier_uniform_(layers[-1].weight, generator=seeded(seed))
            nn.init.zeros_(layers[-1].bias)
        self.layers = nn.Sequential(*layers)

    @classmethod
    def principal(cls, doc_vectors: np.ndarray, out_dim: int = 128) -> VectorHead:
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
        theta, gamma = self.head(embeddings)[:, 0, 0].unbind(-1)
        return torch.stack(
            [theta.sin() * gamma.cos(), theta.sin() * gamma.sin(), theta.cos()], dim=-1
        )


class DocumentOnly(nn.Module):
    """Control: the same head, but every query is replaced by one learned vector, so
    that it can only learn which documents to like.
    """

    def __init__(self, head: nn.Module, seed: int | None = None):
        super().__init__()
        self.head, self.embedding_dim = head, head.embedding_dim
        self.any_query = nn.Parameter(
            nn.functional.normalize(
                torch.randn(1, head.embedding_dim, generator=seeded(seed)), dim=-1
            )
        )
        if hasattr(head, "circuit"):
            self.circuit = head.circuit

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Documents pass through the head."""
        return self.head(embeddings)

    def forward_queries(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Queries all become the same."""
        return self.head(self.any_query).expand(
            len(embeddings), *([-1] * (len(self.head(self.any_query).shape) - 1))
        )
