"""Angle heads: networks that map an embedding to qubit angles (lessons 02 and 07)."""

import math

import torch
from torch import nn

from qrr_lib.checks import whole_number
from qrr_lib.encode.angles import AngleSource
from qrr_lib.encode.circuit import Circuit, checked_circuit


class QubitAnglePredictor(AngleSource):
    """Embedding → 256 → 256 → angles: (B, D) → (B, L, n, 2), θ in [0, π] and γ in [0,
    2π].

    ReLU between the layers, a sigmoid scaled to each range at the end, Xavier-uniform
    weights and zero biases (Glorot & Bengio 2010). The defaults are the brief's: 768 →
    256 → 256 → 2, 263,170 parameters. Derived in lesson 02.

    Parameters
    ----------
    embedding_dim, hidden_dim : int
    circuit : Circuit
        Fixes how many angles come out: 2·L·n.
    seed : int or None
        Seed of the initial weights; None draws from torch's global generator.
    """

    SETTINGS = ("embedding_dim", "hidden_dim", "circuit")

    def __init__(
        self,
        embedding_dim: int = 768,
        hidden_dim: int = 256,
        circuit: Circuit | None = None,
        seed: int | None = None,
    ):
        super().__init__()
        self.embedding_dim = whole_number("embedding_dim", embedding_dim)
        self.hidden_dim = whole_number("hidden_dim", hidden_dim)
        self.circuit = checked_circuit(circuit)
        n_angles = math.prod(self.circuit.angle_shape)
        self.layers = nn.Sequential(
            nn.Linear(self.embedding_dim, self.hidden_dim),
            nn.ReLU(),  # (B, D) -> (B, H)
            nn.Linear(self.hidden_dim, self.hidden_dim),
            nn.ReLU(),  # (B, H) -> (B, H)
            nn.Linear(self.hidden_dim, n_angles),  # (B, H) -> (B, 2·L·n)
        )
        generator = seeded(seed)
        for layer in self.layers[::2]:  # the linear ones
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
        ranges = torch.tensor([math.pi, 2 * math.pi])  # of θ and γ
        self.register_buffer("ranges", ranges, persistent=False)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map (B, D) embeddings to (B, L, n, 2) angles; raises ValueError on another
        width.
        """
        embeddings = self.accepted(embeddings, self.ranges.dtype)
        # (B, L, n, 2)
        raw = self.layers(embeddings).unflatten(-1, self.circuit.angle_shape)
        return torch.sigmoid(raw) * self.ranges


class EquatorialHead(AngleSource):
    """One linear layer to angles spread round the equator: (B, D) → (B, L, n, 2), θ in
    (0, π), γ in (0, 2π).

    θ = π/2 + (π/2)·tanh(u), γ = π + π·tanh(u') with (u, u') = 10·Wx: near u = 0 a qubit
    sits on the equator, where fidelity feels a change of angle most. At the start u has
    a standard deviation of 0.3 for a unit vector x: texts begin apart (a collapsed
    start takes long to leave), and tanh is not flat yet. The factor 10 keeps W small,
    so that an optimiser's usual step moves an angle visibly. Lesson 07.
    """

    GAIN = 10.0
    SPREAD = 0.3

    def __init__(
        self,
        embedding_dim: int = 768,
        circuit: Circuit | None = None,
        seed: int | None = None,
    ):
        super().__init__()
        self.embedding_dim = whole_number("embedding_dim", embedding_dim)
        self.circuit = checked_circuit(circuit or Circuit(64))
        self.linear = nn.Linear(self.embedding_dim, math.prod(self.circuit.angle_shape))
        std = self.SPREAD / self.GAIN
        nn.init.normal_(self.linear.weight, std=std, generator=seeded(seed))
        nn.init.zeros_(self.linear.bias)
        ranges = torch.tensor([math.pi / 2, math.pi])  # θ = π/2 + (π/2)·tanh u
        self.register_buffer("ranges", ranges, persistent=False)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map (B, D) embeddings to (B, L, n, 2) angles; raises ValueError on another
        width.
        """
        embeddings = self.accepted(embeddings, self.ranges.dtype)
        # (B, L, n, 2)
        raw = self.linear(embeddings).unflatten(-1, self.circuit.angle_shape)
        return (torch.tanh(self.GAIN * raw) + 1) * self.ranges


def seeded(seed: int | None) -> torch.Generator | None:
    """Generator with this seed; None is torch's global one."""
    return None if seed is None else torch.Generator().manual_seed(seed)
