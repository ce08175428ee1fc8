"""From a question to an answer with citations: retrieve, rerank, pack, generate, and
then check (lesson 13).

Retrieval-augmented generation (Lewis et al. 2020) lets a language model answer from
passages that a search has found. Citations here are not the model's own claim: each
sentence of the answer is compared with each passage, token by token, and gets the
number of the passage that supports it, or none.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from qrr_lib.rank.reranker import Reranker
from qrr_lib.serve.citing import SUPPORT, CitedSentence, cite
from qrr_lib.serve.generators import default_generator
from qrr_lib.serve.passages import Passage, pack


class Answer(NamedTuple):
    """An answer with its passages; `str` gives the text with citations."""

    question: str
    sentences: list[CitedSentence]
    passages: list[Passage]
    generator: str

    def __str__(self) -> str:
        cited = [f"{s.text} [{s.number or 'no source found'}]" for s in self.sentences]
        return " ".join(cited) or "(no answer)"


class RagPipeline:
    """Retrieve → rerank → pack → generate → cite.

    Parameters
    ----------
    reranker : Reranker
        Has indexed the documents; any scorer.
    texts : {document id: text}
    citer : Reranker
        One with token states, as `make_citer` makes it: they match answer sentences to
        passages.
    generator : callable or None
        (question, passages) → text; None takes `default_generator`.
    budget : int
        Tokens for the passages.
    threshold : float
        Least similarity of a cited sentence to its passage.
    """

    def __init__(
        self,
        reranker: Reranker,
        texts: Mapping[str, str],
        citer: Reranker,
        generator=None,
        budget: int = 400,
        threshold: float = SUPPORT,
    ):
        self.reranker = reranker
        self.texts = texts
        self.citer = citer
        self.budget = budget
        self.threshold = threshold
        self.generator = generator or default_generator(citer)
        self.count = getattr(self.generator, "count", count_words)

    def passages(self, question: str) -> list[Passage]:
        """Find, rerank and pack."""
        found = self.reranker.search(question, k=10, candidates=50)
        documents = [(doc.doc_id, self.texts[doc.doc_id]) for doc in found]
        return pack(documents, self.budget, self.count)

    def answer(self, question: str) -> Answer:
        """Answer a question; with nothing found, or nothing that fits, the answer is
        empty and no model is asked.
        """
        packed = self.passages(question)
        text = self.generator(question, packed) if packed else ""
        sentences = cite(self.citer, text, packed, self.threshold)
        written_by = getattr(self.generator, "name", "generator")
        return Answer(question, sentences, packed, written_by)


def count_words(text: str) -> int:
    """Words and marks of a text: a stand-in for tokens where no model counts them."""
    return len(re.findall(r"\w+|[^\w\s]", text))
