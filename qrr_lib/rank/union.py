"""First stage by vectors and by words together (lesson 09)."""

import numpy as np

from qrr_lib.rank.first_stage import FaissRetriever
from qrr_lib.rank.words import BM25


class Union:
    """The k nearest documents by cosine, then those of the k best by words that are not
    among them: k to 2k candidates a query.

    Parameters
    ----------
    vectors : FaissRetriever or None
        None makes a flat one.
    words : BM25 or None
        None makes one with stemming.
    """

    def __init__(
        self, vectors: FaissRetriever | None = None, words: BM25 | None = None
    ):
        self.vectors = FaissRetriever() if vectors is None else vectors
        self.words = BM25() if words is None else words

    def __len__(self) -> int:
        return max(len(self.vectors), len(self.words))

    def add(self, ids: list[str], vectors: np.ndarray, texts: list[str]) -> None:
        """Add N documents to both; errors are theirs, and nothing is stored then."""
        self.words.check(ids, texts)
        self.vectors.add(ids, vectors)
        self.words.add(ids, texts=texts)

    def find(self, vectors: np.ndarray, texts: list[str], k: int) -> list[dict]:
        """Candidates of each of Q queries, given as (Q, D) and Q texts: {document id:
        cosine}, None where it was not computed.
        """
        near = self.vectors.find(vectors, texts, k)
        worded = self.words.find(vectors, texts, k)
        return [found | words | found for found, words in zip(near, worded)]
