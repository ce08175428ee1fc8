"""One state per token, and late interaction: each token of the query takes its best
partner in the document (lesson 09).

Late interaction is ColBERT's (Khattab & Zaharia 2020), there with trained vectors. Here
a token is a product state of n qubits in n or 2n bytes, and two tokens are compared by
the fidelity of their qubits.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import torch

from qrr_lib.encode.codes import (
    codes_to_bloch,
    codes_to_features,
)
from qrr_lib.encode.similarity import log_fidelity
from qrr_lib.rank.maxsim import TokenRarity, max_sim, mean_sim, token_groups
from qrr_lib.rank.states import TokenCodes
from qrr_lib.rank.token_encoder import TokenEncoder

SIMILARITIES = ("local_fidelity", "geometric_fidelity")
TOKENS_A_GROUP = 65_536  # document tokens whose similarities are in memory at a time
# document tokens decoded at a time: their Bloch vectors stay in the processor's cache
TOKENS_A_PRODUCT = 1024


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


class TokenScorer:
    """One product state per token, kept as angle codes; MaxSim of fidelities in [0, 1].

    Parameters
    ----------
    angles : callable
        Angle source, (B, D) → (B, 1, n, 2): a `QubitMap` (an unfitted one is fitted
        when a collection is indexed) or any head with one layer and no entangler.
    similarity : {"local_fidelity", "geometric_fidelity"}
        Of two tokens: the mean of their qubits' fidelities (1 + nᵢ·mᵢ)/2, or the
        geometric mean F^(1/n).
    interaction : {"max", "mean"}
        What a query token takes from a document: its best token, or the mean over all
        (for comparison: it behaves like a pooled vector).
    idf : bool
        Weigh query tokens by how rare they are in the indexed documents: log(1 + N/(1 +
        number of documents with the token)); alike as long as none are indexed.
    folder : path or None
        Where an index is written and memory-mapped; None keeps the codes in memory.

    Queries and documents are coded alike. The defaults (with 64 qubits of 4 bits an
    angle, and α = 0.15) were chosen once, on training queries of a public collection;
    see data/results/tokens.json. Derived in lesson 09.
    """

    default_alpha = 0.15

    def __init__(
        self,
        angles,
        similarity: str = "local_fidelity",
        interaction: str = "max",
        idf: bool = True,
        folder: str | os.PathLike | None = None,
    ):
        if similarity not in SIMILARITIES:
            raise ValueError(
                f"unknown similarity {similarity!r}; choose one of "
                f"{', '.join(SIMILARITIES)}"
            )
        if interaction not in ("max", "mean"):
            raise ValueError(f"unknown interaction {interaction!r}; choose max or mean")
        circuit = getattr(angles, "circuit", None)
        if circuit is not None and (circuit.n_layers > 1 or not circuit.is_product):
            raise ValueError(
                "token states are kept as angle codes of product states: take a "
                "circuit of one layer without entangler"
            )
        self.angles = angles
        self.similarity = similarity
        self.interaction = interaction
        self.idf = idf
        self.encoder = TokenEncoder(angles, folder)
        self.rarity = TokenRarity()

    def codes(self, vectors: np.ndarray) -> np.ndarray:
        """Token vectors (T, D) → angle codes uint8: (T, n, 2), or (T, n) for 4 bits."""
        return self.encoder.codes(vectors)

    def encode_texts(
        self,
        embedder,
        texts: list[str],
        ids: list[str] | None = None,
        progress: bool | None = None,
    ):
        """Texts → (embeddings (B, D), `TokenCodes`), from one forward pass each.

        With `ids` the texts are documents to index: they fit an unfitted map, count for
        idf, and go to `folder` if there is one.
        """
        folder = self.encoder.folder
        if ids is not None and folder and self.rarity.documents:
            raise ValueError(
                f"the index in {folder} is written once: index all documents in one "
                "call, or keep them in memory (folder=None)"
            )
        vectors, states = self.encoder.encode_texts(embedder, texts, ids, progress)
        if ids is not None:
            self.rarity.count(states)
        return vectors, states

    def weights(self, token_ids: np.ndarray) -> np.ndarray:
        """Weights of a query's tokens (T,), adding up to 1: equal, or by rarity."""
        return (
            self.rarity.weights(token_ids)
            if self.idf
            else np.full(len(token_ids), 1 / max(len(token_ids), 1), dtype=np.float32)
        )

    def score(self, queries: TokenCodes, documents: TokenCodes) -> np.ndarray:
        """Similarity of every query with every document: (Q, N) float32 in [0, 1]; 0
        where one of the two has no tokens.
        """
        interact = max_sim if self.interaction == "max" else mean_sim
        scores = np.zeros((len(queries), len(documents)), dtype=np.float32)
        weights = [
            self.weights(queries.token_ids[a:b])
            for a, b in zip(queries.offsets, queries.offsets[1:])
        ]
        for first, last in token_groups(documents.offsets, TOKENS_A_GROUP):
            start, end = documents.offsets[first], documents.offsets[last]
            # (all query tokens, T of the group)
            similarities = self.similarities(queries.codes, documents.codes[start:end])
            offsets = documents.offsets[first : last + 1] - start
            for q, (a, b) in enumerate(zip(queries.offsets, queries.offsets[1:])):
                scores[q, first:last] = interact(similarities[a:b], offsets, weights[q])
        return scores.clip(0, 1)

    def similarities(self, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """Fidelity of every pair of tokens, codes of A and of B tokens → (A, B) in [0,
        1].
        """
        if self.similarity == "geometric_fidelity":
            bloch = [
                torch.from_numpy(codes_to_bloch(codes))
                for codes in (queries, documents)
            ]
            return (log_fidelity(*bloch) / queries.shape[1]).exp().numpy()
        # ½ + Σ nᵢ·mᵢ/(2n): the mean of (1 + nᵢ·mᵢ)/2
        asked = codes_to_features(queries) * np.float32(0.5 / queries.shape[1])
        values = np.empty((len(queries), len(documents)), dtype=np.float32)
        for start in range(0, len(documents), TOKENS_A_PRODUCT):
            part = slice(start, start + TOKENS_A_PRODUCT)
            np.matmul(asked, codes_to_features(documents[part]).T, out=values[:, part])
        values += 0.5
        return values

    def token_matrix(
        self, embedder, query: str, document: TokenCodes
    ) -> tuple[list[str], list[str], np.ndarray]:
        """The word pieces of a query and of one document, and the fidelity of every
        pair, (Tq, Td); for `plots.token_heatmap`.
        """
        _, asked = self.encode_texts(embedder, [query])
        names = (
            embedder.token_strings(asked.token_ids),
            embedder.token_strings(document.token_ids),
        )
        return *names, self.similarities(asked.codes, document.codes)

    def explain(self, embedder, query: str, document: TokenCodes) -> list[TokenMatch]:
        """Say which token of the document each token of the query met; weight ·
        similarity adds up to the MaxSim score.
        """
        _, asked = self.encode_texts(embedder, [query])
        if not len(document.codes):
            return []
        matrix = self.similarities(asked.codes, document.codes)
        weights = self.weights(asked.token_ids)
        best = matrix.argmax(axis=1)
        words = embedder.token_strings(asked.token_ids)
        partners = embedder.token_strings(document.token_ids[best])
        return [
            TokenMatch(word, partner, float(matrix[i, j]), i, int(j), float(weights[i]))
            for i, (word, partner, j) in enumerate(zip(words, partners, best))
        ]
