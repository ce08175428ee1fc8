"""A published rival in the same frame: the quantum-inspired projection head of arXiv
2501.04591 (lesson 08).
"""

from __future__ import annotations

import math

import torch
from torch import nn

from qrr_lib.encode.circuit import Circuit
from qrr_lib.encode.similarity import TINY


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
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        # 2 stages × (first, second, controlled)
        self.blocks = nn.Parameter(0.1 * torch.randn(2, 3, m, 4, generator=generator))

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map (B, 3m) embeddings to (B, 1, m, 2) angles."""
        half = (torch.tanh(embeddings) + 1) * (math.pi / 4)  # θ/2
        # (B, m, 2) amplitudes each
        a, b, c = torch.stack([half.cos(), half.sin()], dim=-1).chunk(3, dim=1)
        merged = self._merge(self._merge(c, b, self.blocks[0]), a, self.blocks[1])
        theta = 2 * torch.atan2(merged[..., 1], merged[..., 0])  # (B, m)
        return torch.stack([theta, torch.zeros_like(theta)], dim=-1).unsqueeze(1)

    @staticmethod
    def _merge(
        first: torch.Tensor, second: torch.Tensor, block: torch.Tensor
    ) -> torch.Tensor:
        """Two qubits (B, m, 2) and a block's angles (3, m, 4) → the second qubit's
        √probabilities (B, m, 2).
        """
        on_first, on_second, controlled = zyz(block)  # (m, 2, 2) each
        first, second = _apply(on_first, first), _apply(on_second, second)
        turned = _apply(controlled, second)
        weight = first.abs().square().unsqueeze(-1)  # (B, m, 2, 1): control is 0, is 1
        probabilities = (
            weight[..., 0, :] * second.abs().square()
            + weight[..., 1, :] * turned.abs().square()
        )
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
    return torch.polar(torch.ones_like(turn), turn).unflatten(-1, (2, 2)) * torch.stack(
        [cos, -sin, sin, cos], dim=-1
    ).unflatten(-1, (2, 2))
