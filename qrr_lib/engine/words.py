"""Words of passages as sparse vectors, and how rare words and word pieces are (lesson
14).

The engine finds passages by BM25 with an average length that was fixed when the index
was begun; what it finds is scored again here, exactly, by today's counts.
"""

from __future__ import annotations

import base64
import functools
import math
import zlib
from collections import Counter
from typing import NamedTuple

import numpy as np

from qrr_lib.rank.maxsim import TokenRarity
from qrr_lib.rank.states import States, offsets_of

K1, B = 1.5, 0.75
LENGTH = 0  # the index of a sparse vector that holds the number of words


class Sparse(NamedTuple):
    """A vector by the indices (uint32, ascending) and values of what is not 0."""

    indices: list[int]
    values: list[float]


@functools.cache
def _stemmer():
    import Stemmer

    return Stemmer.Stemmer("english")


def stems(texts: list[str]) -> list[list[str]]:
    """Stems of every text, English stop words left out."""
    import bm25s

    options = {"stopwords": "en", "stemmer": _stemmer(), "show_progress": False}
    return bm25s.tokenize(texts, return_ids=False, **options)


def word_number(word: str) -> int:
    """A word's index in a sparse vector, from 1 to 2³² − 1, the same on every
    machine.
    """
    return zlib.crc32(word.encode()) or 1


def counted(words: list[str]) -> dict[int, int]:
    """{index of a word: how often it occurs}, ascending."""
    return dict(sorted(Counter(map(word_number, words)).items()))


def word_vector(counts: dict[int, int], average: float) -> Sparse:
    """The sparse vector of a passage: tf/(tf + k₁(1 − b + b·length/average)) for every
    word, and the length at index 0.
    """
    length = sum(counts.values())
    norm = _norm(length, average)
    values = [count / (count + norm) for count in counts.values()]
    return Sparse([LENGTH, *counts], [float(length), *values])


def packed(counts: dict[int, int]) -> str:
    """The words of a passage as text: uint32 each, then how often, uint16 each."""
    words = np.array(list(counts), dtype="<u4")
    often = np.minimum(list(counts.values()), 65535).astype("<u2")
    return base64.b64encode(words.tobytes() + often.tobytes()).decode()


def unpacked(passages: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(words, how often, which passage) of all words of many passages."""
    raw = [base64.b64decode(text) for text in passages]
    lengths = [len(one) // 6 for one in raw]
    words = b"".join(one[: 4 * n] for one, n in zip(raw, lengths))
    often = b"".join(one[4 * n :] for one, n in zip(raw, lengths))
    owner = np.repeat(np.arange(len(passages)), lengths)
    counts = np.frombuffer(often, dtype="<u2").astype(np.float64)
    return np.frombuffer(words, dtype="<u4"), counts, owner


def _norm(length, average: float):
    return K1 * (1 - B + B * length / max(average, 1e-9))


class Statistics:
    """In how many passages words and word pieces occur; passages may come and go.

    Parameters
    ----------
    average : float
        Length that the sparse vectors of the index are made with.
    """

    def __init__(self, average: float):
        self.average = average
        self.passages, self.words = 0, 0  # and how many words they have together
        self.holding: Counter[int] = Counter()  # word: passages that hold it
        self.pieces = TokenRarity()

    def count(self, vectors: list[dict[str, Sparse]], times: int = 1) -> None:
        """Take passages in by their vectors "words" and "pieces"; times=−1 takes them
        out.
        """
        if not vectors:
            return
        words = [one["words"] for one in vectors]
        self.passages += times * len(words)
        self.words += times * sum(round(vector.values[0]) for vector in words)
        change = Counter(i for vector in words for i in vector.indices[1:])
        for word, number in change.items():
            self.holding[word] += times * number
        pieces = [one["pieces"].indices if "pieces" in one else [] for one in vectors]
        ids = np.array([i for own in pieces for i in own], dtype=np.uint32)
        self.pieces.count(States(ids, offsets_of(map(len, pieces)), ids), times)

    def bm25(self, query: dict[int, int], passages: list[str]) -> np.ndarray:
        """Score passages, as `packed` keeps their words, for a query's words: (N,)
        float32.
        """
        words, counts, owner = unpacked(passages)
        lengths = np.bincount(owner, counts, minlength=len(passages))
        norms = _norm(lengths, self.words / max(self.passages, 1))
        scores = np.zeros(len(passages), dtype=np.float32)
        for word, times in query.items():
            at = np.flatnonzero(words == word)
            own = owner[at]
            part = counts[at] / (counts[at] + norms[own])
            scores[own] += times * self._idf(word) * part
        return scores

    def _idf(self, word: int) -> float:
        """log(1 + (N − n + ½)/(n + ½)) for a word in n of N passages."""
        holding = self.holding.get(word, 0)
        return math.log1p((self.passages - holding + 0.5) / (holding + 0.5))
