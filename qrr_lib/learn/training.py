"""Train a head on labelled queries, through the state it prepares (lesson 07).

The loss is a cross-entropy over the documents of a batch plus hard negatives (Karpukhin
et al. 2020), with cosine's own logit kept in:
    logit(q, d) = 20·cos(q, d) + scale·similarity(q, d)
so that the head learns what cosine leaves open. Gradients pass through the encoding
circuit by ordinary autograd.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from torch import nn
from tqdm import tqdm

from qrr_lib.embed.collection import Collection
from qrr_lib.learn.batches import Batches, Recipe
from qrr_lib.learn.epoch import Loss, Trainer, TrainingResult
from qrr_lib.learn.scores import similarity_for
from qrr_lib.learn.splits import relevant_documents
from qrr_lib.rank.judged import Vectors, embed_collection, judged_candidates


def train_head(
    head: nn.Module,
    vectors,
    collection: Collection,
    train="train",
    dev="dev",
    dev_known=None,
    similarity: str = "fidelity",
    checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
    **recipe,
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
        One of `SIMILARITIES`; unit vectors are compared by their cosine whatever is
        named.
    checkpoint : path or None
        Written after every epoch, atomically; a second call with the same settings goes
        on from there, with the same result.
    progress : bool
        Show a bar.
    **recipe
        Fields of `Recipe`: epochs, batch_size, lr, hard_negatives, patience, scale,
        seed.

    Raises
    ------
    TypeError
        A name that is no field of `Recipe`.
    ValueError
        Relevant documents that the collection does not hold, no query with a relevant
        document, a dev split that leaks, a similarity that is unknown or does not suit
        the head, or a checkpoint of other settings.
    """
    recipe = Recipe(**recipe)
    splits = [train, dev, dev_known or {}]
    splits = [collection.qrels[s] if isinstance(s, str) else s for s in splits]
    _check_splits(collection, *splits)
    if not isinstance(vectors, Vectors):
        vectors = embed_collection(vectors, collection)
    loss = Loss(head, similarity_for(head, similarity), recipe.scale)
    train, new, known = splits
    batches = Batches(vectors, collection, train, recipe)
    judges = {"new": new} | ({"known": known} if known else {})
    dev = {s: judged_candidates(vectors, collection, judges[s]) for s in judges}
    trainer = Trainer(loss, recipe, batches, vectors, dev)
    begun = time.perf_counter()
    _run(trainer, recipe, checkpoint, progress)
    trainer.result.seconds = time.perf_counter() - begun
    trainer.result.use("known" if known else "new")
    return trainer.result


def _run(trainer: Trainer, recipe: Recipe, checkpoint, progress: bool) -> None:
    """Train until the last epoch, or until patience has run out."""
    result = trainer.result
    if checkpoint is not None and Path(checkpoint).is_file():
        trainer.load(checkpoint)
    else:
        trainer.judge()  # epoch 0: the untrained head may be the best
    epochs = range(len(result.curve), recipe.epochs + 1)
    bar = tqdm(epochs, "epoch", disable=not progress, mininterval=0.5, ascii=True)
    for epoch in bar:
        if result.epochs_without_gain() >= recipe.patience:
            break
        trainer.judge(trainer.train(epoch))
        row = result.curve[-1]
        gains = {f"dev {split} gain": row[split]["gain"] for split in trainer.dev}
        bar.set_postfix({"loss": row["loss"]} | gains)
        if checkpoint is not None:
            trainer.save(checkpoint)


def _check_splits(
    collection: Collection, train: Mapping, dev: Mapping, dev_known: Mapping
) -> None:
    """Raise ValueError where a head could not learn, or dev would praise memory."""
    of_train, of_dev = relevant_documents(train), relevant_documents(dev)
    needed = of_train | of_dev | relevant_documents(dev_known)
    absent = sorted(needed - set(collection.docs))
    if absent:
        raise ValueError(
            f"{len(absent)} relevant documents are not in collection "
            f"{collection.name!r} ({', '.join(absent[:3])}, …): a head cannot learn "
            "from documents it never sees. Add them, or leave out the queries that "
            "need them"
        )
    for name, documents in {"train": of_train, "dev": of_dev}.items():
        if not documents:
            raise ValueError(
                f"no query of {name} has a relevant document: training needs judged "
                "queries"
            )
    if shared := of_train & of_dev:
        raise ValueError(
            f"train and dev share {len(shared)} relevant documents, so dev would "
            "praise a head for remembering them. Split with carve_dev, or pass those "
            "queries as dev_known if new queries to known documents are what you serve"
        )
