"""From passages to the points that keep them (lesson 14)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from qrr_lib.engine.passage import Passage, check_passages, point_id
from qrr_lib.engine.stores import Point
from qrr_lib.engine.words import Sparse, packed, passage_vector
from qrr_lib.rank.codecs import TEXTS_A_BLOCK
from qrr_lib.rank.states import States


def blocks_of(passages: Iterable[Passage]) -> Iterator[list[Passage]]:
    """Passages in lists of at most `TEXTS_A_BLOCK`, ids checked."""
    known: set[str] = set()
    passages = iter(passages)
    while block := list(itertools.islice(passages, TEXTS_A_BLOCK)):
        check_passages(block, known)
        yield block
        known.update(passage.id for passage in block)


def encoded_blocks(passages: list[Passage], vectors, states: States) -> Iterator:
    """The same with what each block is encoded to: (block, (embeddings, states))."""
    start = 0
    for block in blocks_of(passages):
        own = slice(start, start + len(block))
        yield block, (vectors[own], states[own])
        start += len(block)


def made_point(
    kind, average: float, payload: dict, words: list[int], vector, states: States
) -> Point:
    """The point of a passage.

    Parameters
    ----------
    kind : CodeStates or FullTokens
    average : float
        Words of a passage, as they are weighed by.
    payload : as `payload_of` returns it
    words : numbers of its words
    vector : its embedding (D,)
    states : its states
    """
    rows, extra = kind.kept(states)
    pieces = sorted(set(states.token_ids.tolist()))
    own = {"dense": vector.tolist(), "words": passage_vector(words, average)}
    own["pieces"] = Sparse(pieces, [1.0] * len(pieces))
    extra |= {"words": packed(np.array(words, dtype="<u4"))}
    return Point(point_id(payload["id"]), own | rows, payload | extra)
