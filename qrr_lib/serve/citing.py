"""Which passage supports a sentence: citations that are checked, not claimed (lesson
13).
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.rank.reranker import Reranker
from qrr_lib.rank.scorer import Scorer
from qrr_lib.serve.passages import Passage, split_sentences

# a sentence needs this similarity to a passage; how it was chosen: tools/bench/rag.py
SUPPORT = 0.81
NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot|without|\w+n['’]t)\b",
    re.IGNORECASE,
)
NUMBER = re.compile(
    r"\d[\d.,]*(?<![.,])|\b(?:two|three|four|five|six|seven|eight|nine|ten|hundred"
    r"|thousand|million|half|twice)\b",
    re.IGNORECASE,
)


class CitedSentence(NamedTuple):
    """A sentence of an answer; `doc_id` and `number` name the passage that supports it
    and are None where none does.
    """

    text: str
    number: int | None
    doc_id: str | None
    similarity: float


def support(
    citer: Reranker, sentences: Sequence[str], passages: Sequence[str]
) -> np.ndarray:
    """How well each passage covers each sentence: (S, P) in [0, 1].

    MaxSim of the sentence's tokens over those of each *sentence* of the passage, and
    the best of them: sentence with sentence, since a token's vector depends on what
    stands around it. A word-for-word quotation scores 1, up to the rounding of the
    codes.
    """
    pairs = [(sentence, passage) for sentence in sentences for passage in passages]
    found = best_sentences(citer, *zip(*pairs)) if pairs else []
    scores = np.array([score for score, _ in found], dtype=np.float32)
    return scores.reshape(len(sentences), len(passages))


def best_sentences(
    citer: Reranker, sentences: Sequence[str], passages: Sequence[str]
) -> list[tuple[float, str]]:
    """For each pair of a sentence and a passage (two lists of one length): the support,
    and the sentence of the passage that gives it; (0, "") where it has none.
    """
    asked = list(dict.fromkeys(sentences))
    cut = [split_sentences(passage) for passage in passages]
    parts = list(dict.fromkeys(part for own in cut for part in own))
    if not asked or not parts:
        return [(0.0, "")] * len(cut)
    scorer = citer.scorer
    _, states = scorer.encode_texts(citer.embedder, [*asked, *parts])
    asking = states[: len(asked)]
    scores = scorer.score(asking, states[len(asked) :], citer.token_weights(asking))
    row = dict(zip(asked, scores))
    column = {part: i for i, part in enumerate(parts)}
    return [
        max(((float(row[s][column[p]]), p) for p in own), default=(0.0, ""))
        for s, own in zip(sentences, cut)
    ]


def surface_conflict(sentence: str, source: str) -> str | None:
    """ "negation" if one of two sentences has an odd number of negations and the other
    an even one; "number" if the first has a number that the second lacks; else None.

    It sees a copy with a slip. Reworded sentences trip it whether they are right or
    wrong: lesson 13 measures that.
    """
    counts = [len(NEGATION.findall(text)) for text in (sentence, source)]
    if counts[0] % 2 != counts[1] % 2:
        return "negation"
    own, theirs = (
        {number.lower() for number in NUMBER.findall(text)}
        for text in (sentence, source)
    )
    return "number" if own - theirs else None


def cite(
    citer: Reranker,
    text: str,
    passages: Sequence[Passage],
    threshold: float = SUPPORT,
) -> list[CitedSentence]:
    """Match each sentence of a text to the passage that supports it best, if that is
    good enough.

    Similar words are not truth: a sentence that turns a passage's statement round keeps
    most of its tokens. data/results/citations.json has how often: copies with a "not"
    are cited always, right sentences in other words rarely. A citation says where to
    look.
    """
    sentences, cited = split_sentences(text), []
    covered = support(citer, sentences, [passage.text for passage in passages])
    for sentence, scores in zip(sentences, covered):
        number, doc_id, score = None, None, float(scores.max(initial=0))
        if len(passages) and score >= threshold:
            number, doc_id, _ = passages[int(scores.argmax())]
        cited.append(CitedSentence(sentence, number, doc_id, score))
    return cited


def make_citer(embedder, texts: Mapping[str, str]) -> Reranker:
    """A reranker for citations: token states of the shipped map, query tokens weighed
    by how rare they are in `texts`.

    Sentences of answers are embedded by `embedder`; `texts` by one that knows the
    embeddings that come with the course.
    """
    scorer = Scorer(QubitMap.shipped(embedder.name), per="token")
    citer = Reranker(embedder.with_cache(True), scorer).index(texts)
    citer.embedder = embedder
    return citer
