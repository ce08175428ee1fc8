"""Which token of a query met which token of a document (lesson 09)."""

from typing import NamedTuple

import numpy as np

from qrr_lib.rank.states import States


class TokenMatch(NamedTuple):
    """A token of the query and the token of the document that it matched best;
    positions count from 0, similarity is in [0, 1].
    """

    query_token: str
    document_token: str
    similarity: float
    query_position: int
    document_position: int
    weight: float


def matches(
    scorer, embedder, query: States, document: States, weights
) -> list[TokenMatch]:
    """A match for every token of a query; `weights` as in `Scorer.score`."""
    if not len(document.rows):
        return []
    matrix = scorer.compare(query.rows, document.rows)  # (Tq, Td)
    count = len(matrix)
    weights = np.full(count, 1 / max(count, 1)) if weights is None else weights[0]
    best = matrix.argmax(axis=1)
    words = embedder.token_strings(query.token_ids)
    partners = embedder.token_strings(document.token_ids[best])
    return [
        TokenMatch(word, partner, float(matrix[i, j]), i, int(j), float(weights[i]))
        for i, (word, partner, j) in enumerate(zip(words, partners, best))
    ]
