"""Batches of a training run: queries, their documents, and hard negatives
(lesson 07).
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import torch

from qrr_lib.embed.collection import Collection
from qrr_lib.rank.candidates import Vectors, make_pool
from qrr_lib.rank.metrics import relevant


class Batches:
    """Batches of (queries, documents, cosine, target, mask): own documents first, then
    everybody's hard negatives.
    """

    def __init__(
        self,
        vectors: Vectors,
        collection: Collection,
        qrels: Mapping,
        size: int,
        hard: int,
        seed: int,
    ):
        self.docs = torch.as_tensor(vectors.docs)
        self.size = size
        self.hard = hard
        self.seed = seed
        row = {doc: i for i, doc in enumerate(collection.docs)}
        qrels = {qid: judged for qid, judged in qrels.items() if relevant(judged)}
        self.queries = torch.as_tensor(vectors.of(qrels))
        self.positives = [
            {row[doc]: grade for doc, grade in judged.items() if grade >= 1}
            for judged in qrels.values()
        ]
        near = make_pool(vectors, collection, qrels, k=50).rows
        self.near = [
            [int(r) for r in rows if int(r) not in own]
            for rows, own in zip(near, self.positives)
        ]

    def of_epoch(self, epoch: int):
        """Yield the batches of one epoch; seed and epoch alone decide them, so a
        resumed run sees what an unbroken one would.
        """
        rng = random.Random(f"{self.seed} {epoch}")
        order = rng.sample(range(len(self.queries)), len(self.queries))
        for i in range(0, len(order), self.size):
            batch = order[i : i + self.size]
            # by grade
            own = [
                rng.choices(
                    list(self.positives[q]), weights=list(self.positives[q].values())
                )[0]
                for q in batch
            ]
            hard = [
                r
                for q in batch
                for r in rng.sample(self.near[q], min(self.hard, len(self.near[q])))
            ]
            columns = own + hard
            mask = torch.zeros(len(batch), len(columns), dtype=torch.bool)
            for i, q in enumerate(batch):
                # relevant: no negative for this query
                mask[i] = torch.isin(
                    torch.tensor(columns), torch.tensor(list(self.positives[q]))
                )
                mask[i, i] = False  # but its own document is the target
            # (b, D), (b·(1+h), D)
            queries = self.queries[batch]
            documents = self.docs[columns]
            yield (
                queries,
                documents,
                queries @ documents.T,
                torch.arange(len(batch)),
                mask,
            )
