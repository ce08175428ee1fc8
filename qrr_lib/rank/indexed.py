"""Documents as a reranker keeps them: ids, embeddings, states, words (lessons 06 and
09).
"""

from collections.abc import Mapping
from typing import Self

import numpy as np

from qrr_lib.rank.maxsim import TokenRarity
from qrr_lib.rank.metrics import best_first
from qrr_lib.rank.states import States


class IndexedDocuments:
    """Everything about N documents that a query needs; all of it in one order.

    Attributes
    ----------
    doc_ids : list of str
    vectors : (N, D) float32
    states : States
        Of N texts.
    rarity : TokenRarity
        In how many documents each word piece occurs.
    first_stage : FaissRetriever, BM25 or Union
    """

    def __init__(self, first_stage):
        self.first_stage = first_stage
        self.rarity = TokenRarity()
        self.doc_ids: list[str] = []
        self._row: dict[str, int] = {}
        self.check_first_stage()

    def check_first_stage(self) -> None:
        """ValueError unless the first stage holds just these documents."""
        if len(self.first_stage) != len(self.doc_ids):
            raise ValueError(
                f"the first stage holds {len(self.first_stage)} documents, here are "
                f"{len(self.doc_ids)}: give it empty, to one reranker, and `index` "
                "fills it"
            )

    def add(
        self,
        ids: list[str],
        vectors: np.ndarray,
        states: States,
        texts: list[str] | None = None,
    ) -> Self:
        """Index documents that are encoded already, as `scorer.encode_texts` gives
        them; their texts are needed for words. Returns self.
        """
        if len(states) != len(ids):
            raise ValueError(f"{len(ids)} ids for the states of {len(states)} texts")
        self.check_first_stage()
        start = len(self.doc_ids)
        joined = States.join([self.states, states]) if start else states
        self.first_stage.add(ids, vectors, texts)
        self.states = joined
        self.vectors = np.concatenate([self.vectors, vectors]) if start else vectors
        self._row |= {key: start + i for i, key in enumerate(ids)}
        self.doc_ids += ids
        self.rarity.count(states)
        return self

    def known(self, qid: str, found) -> list[str]:
        """Ids of a given list of candidates, best first; ValueError for one that is
        not indexed.
        """
        ids = best_first(found) if isinstance(found, Mapping) else list(found)
        if missing := [key for key in ids if key not in self._row]:
            raise ValueError(
                f"{len(missing)} candidates of query {qid!r} are not indexed here "
                f"({missing[0]!r}): index those documents, or leave them out"
            )
        return ids

    def states_of(self, doc_id: str) -> States:
        """What `score` compares of one indexed document; ValueError for an unknown
        id.
        """
        if doc_id not in self._row:
            raise ValueError(f"no document {doc_id!r} is indexed here")
        return self.states[[self._row[doc_id]]]
