"""Batches of a training run: queries, their documents, and hard negatives
(lesson 07).
"""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from qrr_lib.embed.collection import Collection
from qrr_lib.rank.judged import Vectors, judged_candidates
from qrr_lib.rank.metrics import Qrels, relevant


@dataclass(frozen=True)
class Recipe:
    """How `train_head` trains.

    Attributes
    ----------
    epochs : int
        Rounds through the training queries, at most.
    batch_size : int
    lr : float
        AdamW's learning rate; the learned scale has ten times as much.
    hard_negatives : int
        For each query, this many of cosine's 50 best documents that are not judged
        relevant.
    patience : int
        Stop when no dev split has found a better epoch for so long.
    scale : float
        Where the learned weight of the head's logit starts; it should suit the spread
        of the logarithms.
    seed : int
        Decides the batches.
    """

    epochs: int = 20
    batch_size: int = 64
    lr: float = 1e-3
    hard_negatives: int = 2
    patience: int = 6
    scale: float = 20.0
    seed: int = 0


class Batches:
    """Queries with a document of their own each, and everybody's hard negatives.

    Queries of `qrels` without a relevant document are left out.
    """

    def __init__(
        self, vectors: Vectors, collection: Collection, qrels: Qrels, recipe: Recipe
    ):
        self.recipe = recipe
        qrels = {qid: judged for qid, judged in qrels.items() if relevant(judged)}
        self.queries = torch.as_tensor(vectors.of(qrels))
        self.documents = torch.as_tensor(vectors.docs)
        row_of = {doc: row for row, doc in enumerate(collection.docs)}
        self.positives = [  # {row: grade} of each query's relevant documents
            {row_of[doc]: grade for doc, grade in judged.items() if grade >= 1}
            for judged in qrels.values()
        ]
        nearest = judged_candidates(vectors, collection, qrels, k=50)
        self.near = [  # rows of each query's hard negatives
            rows[grades < 1].tolist()
            for rows, grades in zip(nearest.rows, nearest.grades)
        ]

    def fingerprint(self, dev: dict) -> str:
        """SHA-256 of queries, documents, what is relevant or hard for whom, and of the
        `JudgedCandidates` of dev splits.
        """
        judged = {s: [d.rows.tolist(), d.grades.tolist()] for s, d in dev.items()}
        lists = json.dumps([self.positives, self.near, judged], sort_keys=True)
        digest = hashlib.sha256(lists.encode())
        for part in (self.queries, self.documents):
            digest.update(f"{tuple(part.shape)}".encode() + part.numpy().tobytes())
        return digest.hexdigest()

    def of_epoch(self, epoch: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield queries (b, D), documents (b·(1+h), D) and a mask (b, b·(1+h)).

        Document i is relevant for query i, drawn by grade. The mask is true where
        another document is relevant, too: it is no negative for that query. Seed and
        epoch alone decide the batches, so a resumed run sees what an unbroken one
        would.
        """
        size, hard = self.recipe.batch_size, self.recipe.hard_negatives
        rng = random.Random(f"{self.recipe.seed} {epoch}")
        order = rng.sample(range(len(self.queries)), len(self.queries))
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            rows = []
            for grades in (self.positives[query] for query in batch):
                rows += rng.choices(list(grades), weights=list(grades.values()))
            for near in (self.near[query] for query in batch):
                rows += rng.sample(near, min(hard, len(near)))
            mask = [[row in self.positives[query] for row in rows] for query in batch]
            mask = torch.tensor(mask).fill_diagonal_(False)  # its own document counts
            yield self.queries[batch], self.documents[rows], mask
