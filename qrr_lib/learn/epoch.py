"""One training run: its loss, its epochs, its result, its checkpoint (lesson 07)."""

import json
import math
import os
from collections import defaultdict
from copy import deepcopy
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import nn

from qrr_lib.arrays import read_tensors, write_tensors
from qrr_lib.encode.angles import fingerprint
from qrr_lib.encode.similarity import Similarity
from qrr_lib.learn import scores
from qrr_lib.learn.batches import Batches, Recipe
from qrr_lib.rank.judged import Vectors

COSINE_WEIGHT = 20.0  # sharpness of cosine's logits, as Sentence Transformers has it


@dataclass
class Choice:
    """What a dev split picked: after which epoch to stop, which α to mix with, and the
    nDCG@10 it gained there (0 at α = 1).
    """

    epoch: int
    alpha: float
    gain: float


@dataclass
class TrainingResult:
    """A trained head, what the dev splits chose, and the learning curve.

    `curve` holds one row an epoch, the untrained head's first: loss, scale, and α and
    cautious gain on each dev split. `weights` are those of the last epoch, "last", and
    of the epochs that the dev splits chose.
    """

    head: nn.Module
    similarity: str
    seed: int
    curve: list[dict] = field(default_factory=list)
    weights: dict[str, dict] = field(default_factory=dict, repr=False)
    seconds: float = 0.0

    @property
    def choices(self) -> dict[str, Choice]:
        """The best epoch of each dev split, the first of several equal ones.

        "new" was chosen on dev queries that share no relevant document with the
        training queries, "known" (if asked for) on queries that do.
        """
        choices = {}
        for split in [name for name in ("new", "known") if name in self.curve[0]]:
            epoch = int(np.argmax([row[split]["gain"] for row in self.curve]))
            choices[split] = Choice(epoch, **self.curve[epoch][split])
        return choices

    def add(self, row: dict) -> None:
        """Add an epoch to the curve; keep its weights where it is the best so far."""
        self.curve.append(row)
        weights = deepcopy(self.head.state_dict())
        best = [s for s, choice in self.choices.items() if choice.epoch == row["epoch"]]
        self.weights |= dict.fromkeys([*best, "last"], weights)

    def epochs_without_gain(self) -> int:
        """Epochs since a dev split last found a better one."""
        best = max(choice.epoch for choice in self.choices.values())
        return self.curve[-1]["epoch"] - best

    def use(self, choice: str) -> float:
        """Load the weights of the epoch that a dev split chose, "new" or "known";
        returns its α.

        "last" loads those of the last epoch, with the α that the leak-free dev split
        gives them: for studying a head that no dev split wants.
        """
        self.head.load_state_dict(self.weights[choice])
        if choice == "last":
            return self.curve[-1]["new"]["alpha"]
        return self.choices[choice].alpha


class Loss(nn.Module):
    """Cross-entropy of logits 20·cosine + scale·similarity; head and scale learn."""

    def __init__(self, head: nn.Module, similarity: Similarity, scale: float):
        super().__init__()
        self.head, self.similarity = head, similarity
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def forward(self, queries, documents, mask) -> torch.Tensor:
        """One batch of `Batches.of_epoch` → its mean loss."""
        a = scores.rows_of(self.head, self.similarity, queries, queries=True)
        b = scores.rows_of(self.head, self.similarity, documents)
        learned = self.log_scale.exp() * self.similarity.logits(a, b)
        logits = COSINE_WEIGHT * (queries @ documents.T) + learned  # (b, b·(1+h))
        logits = logits.masked_fill(mask, -torch.inf)
        return nn.functional.cross_entropy(logits, torch.arange(len(queries)))


class Trainer:
    """What is trained, by what, and how far it has come.

    `dev` are the `JudgedCandidates` of the dev splits, "new" and perhaps "known".
    `settings` are what a checkpoint must have in common with this run.
    """

    def __init__(
        self, loss: Loss, recipe: Recipe, batches: Batches, vectors: Vectors, dev: dict
    ):
        self.loss, self.batches, self.vectors, self.dev = loss, batches, vectors, dev
        head, similarity = loss.head, loss.similarity.name
        self.result = TrainingResult(head, similarity, recipe.seed)
        scale = {"params": [loss.log_scale], "lr": 10 * recipe.lr, "weight_decay": 0.0}
        groups = [{"params": head.parameters()}, scale]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.lr)
        self.settings = asdict(recipe) | {"similarity": similarity, "head": str(head)}
        self.settings["initial head"] = fingerprint(head)
        self.settings["data"] = batches.fingerprint(dev)

    def train(self, epoch: int) -> float:
        """One round through the training queries; returns the mean loss."""
        losses = []
        for batch in self.batches.of_epoch(epoch):
            loss = self.loss(*batch)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    def judge(self, loss: float | None = None) -> None:
        """Ask the dev splits what the head is worth now; add an epoch to the result."""
        head, similarity = self.loss.head, self.loss.similarity.name
        documents = scores.document_rows(head, similarity, self.vectors.docs)
        scale = self.loss.log_scale.exp().item()
        row = {"epoch": len(self.result.curve), "loss": loss, "scale": scale}
        for split, candidates in self.dev.items():
            compared = head, similarity, self.vectors, candidates, documents
            values = scores.candidate_similarity(*compared)
            alpha, gain = scores.choose_alpha(candidates, values)
            row[split] = {"alpha": alpha, "gain": gain}
        self.result.add(row)

    def save(self, path: str | os.PathLike) -> None:
        """Write a checkpoint, one safetensors file, atomically."""
        groups = {"now": self.loss.state_dict()} | self.result.weights
        for name, parameter in self.loss.named_parameters():
            groups[f"adam {name}"] = self.optimiser.state[parameter]
        tensors = {
            f"{group}/{name}": tensor.clone()
            for group, members in groups.items()
            for name, tensor in members.items()
        }
        about = json.dumps({"settings": self.settings, "curve": self.result.curve})
        write_tensors(path, tensors, {"training": about})

    def load(self, path: str | os.PathLike) -> None:
        """Go on from a checkpoint; ValueError if it belongs to another training."""
        metadata, tensors = read_tensors(path)
        about = json.loads(metadata.get("training", "{}"))
        if about.get("settings") != self.settings:
            raise ValueError(
                f"the checkpoint {path} belongs to a training with other settings, "
                "data or another head at the start: go on with the same ones (make the "
                "head again with its seed), delete it, or name another file"
            )
        groups: dict[str, dict] = defaultdict(dict)
        for key, tensor in tensors.items():
            group, name = key.split("/", 1)
            groups[group][name] = tensor
        self.loss.load_state_dict(groups["now"])
        for name, parameter in self.loss.named_parameters():
            self.optimiser.state[parameter] = groups[f"adam {name}"]
        self.result.curve = about["curve"]
        self.result.weights = {name: groups[name] for name in ("last", *self.dev)}
