"""Words of passages: sparse vectors that the engine finds them by, and the words
themselves, which the signal "words" is computed from (lesson 14).
"""

from __future__ import annotations

import base64
import functools
import zlib
from collections import Counter
from typing import NamedTuple

import numpy as np

from qrr_lib.engine.extra import package
from qrr_lib.rank.words import K1, B


class Sparse(NamedTuple):
    """A vector by the indices (uint32, ascending) and values of what is not 0."""

    indices: list[int]
    values: list[float]


@functools.cache
def _stemmer():
    import Stemmer

    return Stemmer.Stemmer("english")


def numbers(texts: list[str]) -> list[list[int]]:
    """Words of every text, as `rank.words.BM25` takes them: stems without English stop
    words, each by a number that is the same on every machine.
    """
    import bm25s

    options = {"stopwords": "en", "stemmer": _stemmer(), "show_progress": False}
    found = bm25s.tokenize(texts, return_ids=False, **options)
    return [[zlib.crc32(word.encode()) for word in words] for words in found]


def passage_vector(words: list[int], average: float) -> Sparse:
    """The sparse vector of a passage: tf/(tf + k₁(1 − b + b·length/average)) for every
    word; the engine multiplies by how rare a word is.
    """
    drag = K1 * (1 - B + B * len(words) / average)
    counts = sorted(Counter(words).items())
    values = [count / (count + drag) for _, count in counts]
    return Sparse([word for word, _ in counts], values)


def query_vector(words: list[int]) -> Sparse:
    """The sparse vector of a query: how often it says each word."""
    counts = sorted(Counter(words).items())
    return Sparse([word for word, _ in counts], [float(n) for _, n in counts])


def packed(rows: np.ndarray) -> str:
    """Numbers as text, to be kept in a payload."""
    return base64.b64encode(np.ascontiguousarray(rows)).decode()


def unpacked(text: str, kind: str = "<u4") -> np.ndarray:
    """What was `packed`, in one row: words, or bytes ("u1")."""
    # six times as fast as the standard library's
    return np.frombuffer(package("pybase64").b64decode(text), dtype=kind)
