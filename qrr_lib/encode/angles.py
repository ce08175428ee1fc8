"""The angle head: a small MLP that maps an embedding to qubit angles, as in the
course's brief (lesson 02).
"""

from __future__ import annotations

import json
import math
import os

import torch
from torch import nn

from qrr_lib.encode.circuit import Circuit
from qrr_lib.files import atomic_path, read_tensors


def check_vectors(vectors, dim: int) -> torch.Tensor:
    """Return (B, D) vectors as a tensor, or raise ValueError that says what is wrong:
    shape, width, NaN or infinity.
    """
    vectors = torch.as_tensor(vectors)
    if vectors.ndim != 2:
        raise ValueError(
            f"expected a batch of embeddings of shape (B, {dim}), got shape "
            f"{tuple(vectors.shape)}"
        )
    if vectors.shape[1] != dim:
        raise ValueError(
            f"these embeddings have {vectors.shape[1]} numbers, this head was made for "
            f"{dim}: "
            "use the embedding model that the head belongs to, or make a head of that "
            "width"
        )
    if not torch.isfinite(vectors).all():
        bad = (~torch.isfinite(vectors)).any(dim=1).nonzero()[0].item()
        raise ValueError(
            f"embedding {bad} holds NaN or infinity; embed that text again"
        )
    return vectors


class QubitAnglePredictor(nn.Module):
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

    def __init__(
        self,
        embedding_dim: int = 768,
        hidden_dim: int = 256,
        circuit: Circuit | None = None,
        seed: int | None = None,
    ):
        super().__init__()
        self.embedding_dim = embedding_dim
        self.hidden_dim = hidden_dim
        self.circuit = circuit or Circuit()
        n_angles = math.prod(self.circuit.angle_shape)
        self.layers = nn.Sequential(
            nn.Linear(embedding_dim, hidden_dim),
            nn.ReLU(),  # (B, D) -> (B, H)
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(),  # (B, H) -> (B, H)
            nn.Linear(hidden_dim, n_angles),  # (B, H) -> (B, 2·L·n)
        )
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight, generator=generator)
                nn.init.zeros_(layer.bias)
        # of θ and γ
        self.register_buffer(
            "ranges", torch.tensor([math.pi, 2 * math.pi]), persistent=False
        )

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map (B, D) embeddings to (B, L, n, 2) angles; raises ValueError on another
        width.
        """
        if embeddings.shape[-1] != self.embedding_dim:
            check_vectors(embeddings, self.embedding_dim)
        # (B, L, n, 2)
        raw = self.layers(embeddings).unflatten(-1, self.circuit.angle_shape)
        return torch.sigmoid(raw) * self.ranges

    def save(self, path: str | os.PathLike) -> None:
        """Write weights and shape to one safetensors file, atomically."""
        from safetensors.torch import save_file

        about = {
            "kind": "QubitAnglePredictor",
            "embedding_dim": self.embedding_dim,
            "hidden_dim": self.hidden_dim,
            "circuit": self.circuit.to_dict(),
        }
        with atomic_path(path) as partial:
            save_file(self.state_dict(), partial, metadata={"qrr": json.dumps(about)})

    @classmethod
    def load(
        cls, path: str | os.PathLike, embedding_dim: int | None = None
    ) -> QubitAnglePredictor:
        """Read a head; with `embedding_dim`, raise ValueError if it was trained for
        another embedding size.
        """
        metadata, weights = read_tensors(path)
        about = json.loads(metadata.get("qrr", "{}"))
        if about.get("kind") != "QubitAnglePredictor":
            raise ValueError(f"{path} is not a saved QubitAnglePredictor")
        if embedding_dim not in (None, about["embedding_dim"]):
            raise ValueError(
                f"the head in {path} was trained for {about['embedding_dim']}-d "
                f"embeddings, not {embedding_dim}-d: "
                "load the one of your embedding model, or train one"
            )
        head = cls(
            about["embedding_dim"], about["hidden_dim"], Circuit(**about["circuit"])
        )
        head.load_state_dict(weights)
        return head
