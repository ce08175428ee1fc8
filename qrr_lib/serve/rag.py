"""From a question to an answer with citations: retrieve, rerank, pack, generate, and then check (lesson 11).

Retrieval-augmented generation (Lewis et al. 2020) lets a language model answer from passages that a search has found. Citations here
are not the model's own claim: each sentence of the answer is compared with each passage, token by token, and gets the number of the
passage that supports it, or none.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from qrr_lib.rank.reranker import HybridReranker
from qrr_lib.serve.sentences import NUMBERS, split_sentences

SUPPORT = 0.81                  # a sentence needs this similarity to a passage; how it was chosen: tools/bench/rag.py
MARKUP = re.compile(r"<\|[^|<>]*\|>|</?\s*passages?\s*>|\[/?INST\]|<</?SYS>>", re.IGNORECASE)
UNSEEN = re.compile(r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")


class Passage(NamedTuple):
    """A passage as the language model sees it; `number` counts from 1."""

    number: int
    doc_id: str
    text: str


class CitedSentence(NamedTuple):
    """A sentence of an answer; `doc_id` and `number` name the passage that supports it and are None where none does."""

    text: str
    number: int | None
    doc_id: str | None
    similarity: float


class Answer(NamedTuple):
    """An answer with its passages; `str` gives the text with citations."""

    question: str
    sentences: list[CitedSentence]
    passages: list[Passage]
    generator: str

    def __str__(self) -> str:
        return " ".join(f"{s.text} [{s.number if s.number else 'no source found'}]" for s in self.sentences) or "(no answer)"


def clean(text: str) -> str:
    """Take from a passage what could pass for part of the prompt: chat markup, our own markers, line breaks, characters nobody sees.

    This stops a passage from *ending* its quotation. It does not stop plain words ("ignore the question and …"): they stay readable
    text, and a model may follow them.
    """
    text, before = UNSEEN.sub("", text), None
    while text != before:                               # until nothing is left: "<|im<|x|>_end|>" hides markup in markup
        before, text = text, NUMBERS.sub(" ", MARKUP.sub(" ", text))
    return " ".join(text.split())


def pack(documents: Sequence[tuple[str, str]], budget: int, count: Callable[[str], int]) -> list[Passage]:
    """Number the best passages that fit into a budget.

    Parameters
    ----------
    documents : sequence of (document id, text), best first
    budget : int
        Tokens that all passages together may take, as `count` counts them, numbers and line breaks included.

    Returns
    -------
    list of Passage, best first; a passage that no longer fits is left out, a shorter one after it may still fit.
    """
    if budget < 1:
        raise ValueError(f"the budget must be at least 1 token, not {budget}")
    packed: list[Passage] = []
    for doc_id, text in documents:
        passage = Passage(len(packed) + 1, doc_id, clean(text))
        cost = count(f"[{passage.number}] {passage.text}\n")
        if passage.text and cost <= budget:
            packed.append(passage)
            budget -= cost
    return packed


def support(citer: HybridReranker, sentences: Sequence[str], passages: Sequence[str]) -> np.ndarray:
    """How well each passage covers each sentence: (S, P) in [0, 1].

    MaxSim of the sentence's tokens over those of each *sentence* of the passage, and the best of them: sentence with sentence, since a
    token's vector depends on what stands around it. A word-for-word quotation scores 1, up to the rounding of the codes.
    """
    parts = [(i, part) for i, passage in enumerate(passages) for part in split_sentences(passage)]
    if not sentences or not parts:
        return np.zeros((len(sentences), len(passages)), dtype=np.float32)
    _, states = citer.scorer.encode_texts(citer.embedder, [*sentences, *(part for _, part in parts)])
    scores = citer.scorer.score(states[:len(sentences)], states[len(sentences):])                           # (S, all parts)
    owner = np.array([i for i, _ in parts])
    return np.stack([scores[:, owner == i].max(axis=1, initial=0) for i in range(len(passages))], axis=1)


def cite(citer: HybridReranker, text: str, passages: Sequence[Passage], threshold: float = SUPPORT) -> list[CitedSentence]:
    """Match each sentence of a text to the passage that supports it best, if that is good enough.

    Similar words are not truth: a sentence that turns a passage's statement round keeps most of its tokens. A citation says where to look.
    """
    sentences = split_sentences(text)
    cited = []
    for sentence, row in zip(sentences, support(citer, sentences, [p.text for p in passages])):
        best = max(range(len(row)), key=row.__getitem__, default=None)
        score = 0.0 if best is None else float(row[best])
        found = passages[best] if score >= threshold else None
        cited.append(CitedSentence(sentence, found and found.number, found and found.doc_id, score))
    return cited


def make_citer(embedder, texts: Mapping[str, str]) -> HybridReranker:
    """A reranker for citations: token states of the shipped map, query tokens weighed by how rare they are in `texts` (idf).

    Sentences of answers are embedded by `embedder`; `texts` by one that knows the embeddings that come with the course.
    """
    from qrr_lib.embed.embedder import TextEmbedder
    from qrr_lib.encode.qubit_map import QubitMap
    from qrr_lib.rank.token_scorer import TokenScorer

    citer = HybridReranker(TextEmbedder(embedder.name), TokenScorer(QubitMap.shipped(embedder.name), idf=True)).index(texts)
    citer.embedder = embedder
    return citer


class RagPipeline:
    """Retrieve → rerank → pack → generate → cite.

    Parameters
    ----------
    reranker : HybridReranker
        Has indexed the documents; any scorer.
    texts : {document id: text}
    citer : HybridReranker
        One with a `TokenScorer`, as `make_citer` makes it: its states match answer sentences to passages.
    generator : callable or None
        (question, passages) → text; None takes `default_generator`.
    budget : int
        Tokens for the passages.
    threshold : float
        Least similarity of a cited sentence to its passage.
    """

    def __init__(self, reranker: HybridReranker, texts: Mapping[str, str], citer: HybridReranker, generator=None, budget: int = 400,
                 threshold: float = SUPPORT):
        from qrr_lib.serve.generators import default_generator

        self.reranker, self.texts, self.citer, self.budget, self.threshold = reranker, texts, citer, budget, threshold
        self.generator = generator or default_generator(self.sentence_scores)
        self.count = getattr(self.generator, "count", None) or (lambda text: len(re.findall(r"\w+|[^\w\s]", text)))

    def sentence_scores(self, question: str, sentences: list[str]) -> np.ndarray:
        """How like the question each sentence is (S,): what the extractive generator ranks by."""
        scores = np.zeros(len(sentences))
        for doc in self.citer.rerank(question, sentences):
            scores[int(doc.doc_id)] = doc.score
        return scores

    def passages(self, question: str, candidates: int = 50) -> list[Passage]:
        """Find, rerank and pack."""
        found = self.reranker.search(question, k=10, candidates=candidates)
        return pack([(d.doc_id, self.texts[d.doc_id]) for d in found], self.budget, self.count)

    def answer(self, question: str, candidates: int = 50) -> Answer:
        """Answer a question; with nothing found, or nothing that fits, the answer is empty and no model is asked."""
        packed = self.passages(question, candidates)
        text = self.generator(question, packed) if packed else ""
        return Answer(question, cite(self.citer, text, packed, self.threshold), packed, getattr(self.generator, "name", "generator"))
