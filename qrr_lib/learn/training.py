"""Train a head on labelled queries, through the state it prepares (lesson 07).

The loss is a cross-entropy over the documents of a batch plus hard negatives (Karpukhin
et al. 2020), with cosine's own logit kept in:
    logit(q, d) = 20·cos(q, d) + scale·similarity(q, d)
so that the head learns what cosine leaves open. Gradients pass through the encoding
circuit by ordinary autograd.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from qrr_lib.embed.collection import Collection
from qrr_lib.learn.batches import Batches
from qrr_lib.learn.checkpoint import Choice, Progress
from qrr_lib.learn.scores import represent, similarity_of
from qrr_lib.rank.candidates import Vectors, embed_collection, make_pool
from qrr_lib.rank.metrics import relevant

COSINE_WEIGHT = (
    20.0  # sharpness of cosine's logits, the usual choice of sentence-transformers
)


@dataclass
class TrainingResult:
    """A trained head, what the dev splits chose, and the learning curve.

    `choices["new"]` was made on dev queries that share no relevant document with the
    training queries, `choices["known"]` (if asked for) on queries that do. `curve`
    holds one row an epoch: loss, scale, and α and cautious gain on each dev split.
    """

    head: nn.Module
    similarity: str
    choices: dict[str, Choice]
    curve: list[dict]
    seconds: float
    seed: int
    weights: dict[str, dict[str, torch.Tensor]] = field(
        repr=False, default_factory=dict
    )

    def use(self, choice: str) -> float:
        """Load the weights of the epoch that a dev split chose, "new" or "known";
        returns its α.

        "last" loads those of the last epoch, with the α that the leak-free dev split
        gives them: for looking at a head that no dev split wants.
        """
        self.head.load_state_dict(self.weights[choice])
        return (
            self.curve[-1]["new"]["alpha"]
            if choice == "last"
            else self.choices[choice].alpha
        )


def train_head(
    head: nn.Module,
    vectors,
    collection: Collection,
    train="train",
    dev="dev",
    dev_known=None,
    similarity: str = "fidelity",
    epochs: int = 20,
    batch_size: int = 64,
    lr: float = 1e-3,
    hard_negatives: int = 2,
    patience: int = 6,
    scale: float = 20.0,
    seed: int = 0,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
) -> TrainingResult:
    """Train a head; stop and choose α on dev queries.

    Parameters
    ----------
    head : nn.Module
        (B, D) → angles (B, L, n, 2), or → unit vectors (B, k) for a classical rival.
        Trained in place.
    vectors : TextEmbedder or Vectors
    train, dev, dev_known : str or judgements
        A split's name, or {query: {document: grade}} itself. `dev` may share no
        relevant document with `train`; a dev split that does, for a corpus whose query
        log you have, goes to `dev_known`.
    similarity : str
        As in `similarity_of`: "fidelity", "geometric_fidelity", "local_fidelity";
        anything for vectors.
    scale : float
        Where the learned weight of the head's logit starts; it should suit the spread
        of the logarithms.
    patience : int
        Stop when no dev split has found a better epoch for so long.
    hard_negatives : int
        For each query, this many of cosine's 50 best documents that are not judged
        relevant.
    checkpoint : path or None
        Written after every epoch, atomically; a second call with the same settings goes
        on from there, with the same result.

    Raises
    ------
    ValueError
        Relevant documents that the collection does not hold, no query with a relevant
        document, a dev split that leaks, or a checkpoint of other settings.
    """
    if not isinstance(vectors, Vectors):
        vectors = embed_collection(vectors, collection)
    train, dev, dev_known = (
        collection.qrels[s] if isinstance(s, str) else s
        for s in (train, dev, dev_known)
    )
    _check(collection, train, dev, dev_known)
    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "hard_negatives": hard_negatives,
        "scale": scale,
        "seed": seed,
        "similarity": similarity,
        "head": str(head),
        "queries": len(train),
    }
    pools = {"new": make_pool(vectors, collection, dev)} | (
        {"known": make_pool(vectors, collection, dev_known)} if dev_known else {}
    )
    batches = Batches(vectors, collection, train, batch_size, hard_negatives, seed)
    log_scale = nn.Parameter(torch.tensor(math.log(scale)))
    optimiser = torch.optim.AdamW(
        [
            {"params": list(head.parameters())},
            {"params": [log_scale], "lr": 10 * lr, "weight_decay": 0.0},
        ],
        lr=lr,
    )
    state = Progress(head, log_scale, optimiser, settings)
    if checkpoint is not None and Path(checkpoint).is_file():
        state.load(checkpoint)
    else:
        # epoch 0: the untrained head may be the best
        state.look(pools, vectors, similarity, None)
    begun = time.perf_counter()
    bar = tqdm(
        range(len(state.curve), epochs + 1),
        disable=not progress,
        mininterval=0.5,
        desc="epoch",
        ascii=True,
    )
    for epoch in bar:
        if epoch - max(c.epoch for c in state.choices.values()) > patience:
            break
        losses = []
        for queries, documents, cosine, target, mask in batches.of_epoch(epoch):
            a, b = represent(head, queries, queries=True), represent(head, documents)
            logits = COSINE_WEIGHT * cosine + log_scale.exp() * similarity_of(
                a, b, similarity, log=True
            )
            loss = nn.functional.cross_entropy(
                logits.masked_fill(mask, -torch.inf), target
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        state.look(pools, vectors, similarity, float(np.mean(losses)))
        bar.set_postfix(
            {"loss": f"{np.mean(losses):.3f}"}
            | {f"dev {n} gain": f"{state.curve[-1][n]['gain']:+.3f}" for n in pools}
        )
        if checkpoint is not None:
            state.save(checkpoint)
    weights = state.weights | {
        "last": {key: value.clone() for key, value in head.state_dict().items()}
    }
    result = TrainingResult(
        head,
        similarity,
        state.choices,
        state.curve,
        time.perf_counter() - begun,
        seed,
        weights,
    )
    result.use("known" if dev_known else "new")
    return result


def _check(
    collection: Collection, train: Mapping, dev: Mapping, dev_known: Mapping | None
) -> None:
    absent = sorted(
        {
            doc
            for part in (train, dev, dev_known or {})
            for judged in part.values()
            for doc in relevant(judged)
        }
        - set(collection.docs)
    )
    if absent:
        raise ValueError(
            f"{len(absent)} relevant documents are not in collection "
            f"{collection.name!r} ({', '.join(absent[:3])}, …): a head cannot "
            "learn from documents it never sees. Add them, or leave out the queries "
            "that need them"
        )
    for name, part in {"train": train, "dev": dev}.items():
        if not any(relevant(judged) for judged in part.values()):
            raise ValueError(
                f"no query of {name} has a relevant document: training needs judged "
                "queries"
            )
    shared = set().union(*map(relevant, train.values())) & set().union(
        *map(relevant, dev.values())
    )
    if shared:
        raise ValueError(
            f"train and dev share {len(shared)} relevant documents, so dev would "
            "praise a head for remembering them. "
            "Split with carve_dev, or pass those queries as dev_known if new queries "
            "to known documents are what you serve"
        )
