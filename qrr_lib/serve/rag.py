"""From a question to an answer with citations: retrieve, rerank, pack, generate, and
then check (lesson 13).

Retrieval-augmented generation (Lewis et al. 2020) lets a language model answer from
passages that a search has found. Citations here are not the model's own claim: each
sentence of the answer is compared with each passage, token by token, and gets the
number of the passage that supports it, or none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from qrr_lib.rank.reranker import HybridReranker
from qrr_lib.serve.citing import SUPPORT, CitedSentence, cite
from qrr_lib.serve.passages import Passage, pack


class Answer(NamedTuple):
    """An answer with its passages; `str` gives the text with citations."""

    question: str
    sentences: list[CitedSentence]
    passages: list[Passage]
    generator: str

    def __str__(self) -> str:
        return (
            " ".join(
                f"{s.text} [{s.number if s.number else 'no source found'}]"
                for s in self.sentences
            )
            or "(no answer)"
        )


class RagPipeline:
    """Retrieve → rerank → pack → generate → cite.

    Parameters
    ----------
    reranker : HybridReranker
        Has indexed the documents; any scorer.
    texts : {document id: text}
    citer : HybridReranker
        One with a `TokenScorer`, as `make_citer` makes it: its states match answer
        sentences to passages.
    generator : callable or None
        (question, passages) → text; None takes `default_generator`.
    budget : int
        Tokens for the passages.
    threshold : float
        Least similarity of a cited sentence to its passage.
    """

    def __init__(
        self,
        reranker: HybridReranker,
        texts: Mapping[str, str],
        citer: HybridReranker,
        generator=None,
        budget: int = 400,
        threshold: float = SUPPORT,
    ):
        from qrr_lib.serve.generators import default_generator

        self.reranker = reranker
        self.texts = texts
        self.citer = citer
        self.budget = budget
        self.threshold = threshold
        self.generator = generator or default_generator(self.sentence_scores)
        self.count = getattr(self.generator, "count", None) or (
            lambda text: len(re.findall(r"\w+|[^\w\s]", text))
        )

    def sentence_scores(self, question: str, sentences: list[str]) -> np.ndarray:
        """How like the question each sentence is (S,): what the extractive generator
        ranks by.
        """
        scores = np.zeros(len(sentences))
        for doc in self.citer.rerank(question, sentences):
            scores[int(doc.doc_id)] = doc.score
        return scores

    def passages(self, question: str, candidates: int = 50) -> list[Passage]:
        """Find, rerank and pack."""
        found = self.reranker.search(question, k=10, candidates=candidates)
        return pack(
            [(d.doc_id, self.texts[d.doc_id]) for d in found], self.budget, self.count
        )

    def answer(self, question: str, candidates: int = 50) -> Answer:
        """Answer a question; with nothing found, or nothing that fits, the answer is
        empty and no model is asked.
        """
        packed = self.passages(question, candidates)
        text = self.generator(question, packed) if packed else ""
        return Answer(
            question,
            cite(self.citer, text, packed, self.threshold),
            packed,
            getattr(self.generator, "name", "generator"),
        )
