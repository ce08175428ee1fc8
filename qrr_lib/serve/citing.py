"""Which passage supports a sentence: citations that are checked, not claimed (lesson
13).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from qrr_lib.rank.reranker import HybridReranker
from qrr_lib.serve.passages import Passage, split_sentences

# a sentence needs this similarity to a passage; how it was chosen: tools/bench/rag.py
SUPPORT = 0.81


class CitedSentence(NamedTuple):
    """A sentence of an answer; `doc_id` and `number` name the passage that supports it
    and are None where none does.
    """

    text: str
    number: int | None
    doc_id: str | None
    similarity: float


def support(
    citer: HybridReranker, sentences: Sequence[str], passages: Sequence[str]
) -> np.ndarray:
    """How well each passage covers each sentence: (S, P) in [0, 1].

    MaxSim of the sentence's tokens over those of each *sentence* of the passage, and
    the best of them: sentence with sentence, since a token's vector depends on what
    stands around it. A word-for-word quotation scores 1, up to the rounding of the
    codes.
    """
    parts = [
        (i, part)
        for i, passage in enumerate(passages)
        for part in split_sentences(passage)
    ]
    if not sentences or not parts:
        return np.zeros((len(sentences), len(passages)), dtype=np.float32)
    _, states = citer.scorer.encode_texts(
        citer.embedder, [*sentences, *(part for _, part in parts)]
    )
    # (S, all parts)
    scores = citer.scorer.score(states[: len(sentences)], states[len(sentences) :])
    owner = np.array([i for i, _ in parts])
    return np.stack(
        [scores[:, owner == i].max(axis=1, initial=0) for i in range(len(passages))],
        axis=1,
    )


def cite(
    citer: HybridReranker,
    text: str,
    passages: Sequence[Passage],
    threshold: float = SUPPORT,
) -> list[CitedSentence]:
    """Match each sentence of a text to the passage that supports it best, if that is
    good enough.

    Similar words are not truth: a sentence that turns a passage's statement round keeps
    most of its tokens. A citation says where to look.
    """
    sentences = split_sentences(text)
    cited = []
    for sentence, row in zip(
        sentences, support(citer, sentences, [p.text for p in passages])
    ):
        best = max(range(len(row)), key=row.__getitem__, default=None)
        score = 0.0 if best is None else float(row[best])
        found = passages[best] if score >= threshold else None
        cited.append(
            CitedSentence(
                sentence, found and found.number, found and found.doc_id, score
            )
        )
    return cited


def make_citer(embedder, texts: Mapping[str, str]) -> HybridReranker:
    """A reranker for citations: token states of the shipped map, query tokens weighed
    by how rare they are in `texts` (idf).

    Sentences of answers are embedded by `embedder`; `texts` by one that knows the
    embeddings that come with the course.
    """
    from qrr_lib.embed.embedder import TextEmbedder
    from qrr_lib.encode.qubit_map import QubitMap
    from qrr_lib.rank.token_scorer import TokenScorer

    citer = HybridReranker(
        TextEmbedder(embedder.name),
        TokenScorer(QubitMap.shipped(embedder.name), idf=True),
    ).index(texts)
    citer.embedder = embedder
    return citer
