"""What a training run has come to: curve, choices, weights, and the file that keeps
them (lesson 07).
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import asdict, dataclass

import torch
from torch import nn

from qrr_lib.files import atomic_path, read_tensors
from qrr_lib.learn.choice import choose_alpha
from qrr_lib.learn.scores import pool_similarity, represent_all
from qrr_lib.rank.candidates import Pool, Vectors


@dataclass
class Choice:
    """What a dev split picked: after which epoch to stop, which α to mix with, and the
    nDCG@10 it gained there (0 at α = 1).
    """

    epoch: int
    alpha: float
    gain: float


class Progress:
    """Everything that a checkpoint holds."""

    def __init__(
        self, head: nn.Module, log_scale: nn.Parameter, optimiser, settings: dict
    ):
        self.head = head
        self.log_scale = log_scale
        self.optimiser = optimiser
        self.settings = settings
        self.curve: list[dict] = []
        self.choices: dict[str, Choice] = {}
        self.weights: dict[str, dict[str, torch.Tensor]] = {}

    def look(
        self,
        pools: dict[str, Pool],
        vectors: Vectors,
        similarity: str,
        loss: float | None,
    ) -> None:
        """Add a row to the curve; remember the weights where a dev split likes them
        best so far.
        """
        row: dict = {
            "epoch": len(self.curve),
            "loss": loss,
            "scale": self.log_scale.exp().item(),
        }
        documents = represent_all(self.head, vectors.docs)
        for name, pool in pools.items():
            alpha, gain = choose_alpha(
                pool, pool_similarity(self.head, similarity, vectors, pool, documents)
            )
            row[name] = {"alpha": alpha, "gain": gain}
            if name not in self.choices or gain > self.choices[name].gain:
                self.choices[name] = Choice(row["epoch"], alpha, gain)
                self.weights[name] = {
                    key: value.clone() for key, value in self.head.state_dict().items()
                }
        self.curve.append(row)

    def save(self, path: str | os.PathLike) -> None:
        """Write one safetensors file, atomically."""
        from safetensors.torch import save_file

        tensors = {f"head.{k}": v for k, v in self.head.state_dict().items()} | {
            "log_scale": self.log_scale.detach()
        }
        tensors |= {
            f"best.{name}.{k}": v
            for name, best in self.weights.items()
            for k, v in best.items()
        }
        tensors |= {
            f"adam.{i}.{k}": v
            for i, slot in self.optimiser.state_dict()["state"].items()
            for k, v in slot.items()
        }
        about = {
            "settings": self.settings,
            "curve": self.curve,
            "choices": {name: asdict(choice) for name, choice in self.choices.items()},
        }
        with atomic_path(path) as partial:
            save_file(
                {k: v.contiguous().clone() for k, v in tensors.items()},
                partial,
                metadata={"qrr_training": json.dumps(about)},
            )

    def load(self, path: str | os.PathLike) -> None:
        """Go on from a file; ValueError if it belongs to another training."""
        metadata, tensors = read_tensors(path)
        about = json.loads(metadata.get("qrr_training", "{}"))
        if about.get("settings") != self.settings:
            raise ValueError(
                f"the checkpoint {path} belongs to a training with other settings: "
                "delete it, or name another file"
            )
        self.curve = about["curve"]
        self.choices = {name: Choice(**c) for name, c in about["choices"].items()}
        self.head.load_state_dict(_under("head.", tensors))
        self.weights = {name: _under(f"best.{name}.", tensors) for name in self.choices}
        with torch.no_grad():
            self.log_scale.copy_(tensors["log_scale"])
        slots: dict = defaultdict(dict)
        for key, value in _under("adam.", tensors).items():
            slots[int(key.split(".")[0])][key.split(".")[1]] = value
        self.optimiser.load_state_dict(
            {
                "state": dict(slots),
                "param_groups": self.optimiser.state_dict()["param_groups"],
            }
        )


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        key[len(prefix) :]: value
        for key, value in tensors.items()
        if key.startswith(prefix)
    }
