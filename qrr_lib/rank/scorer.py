"""Encode texts as states and compare them: one state per text (lesson 06), or one per
token and late interaction (lesson 09).

Late interaction is ColBERT's (Khattab & Zaharia 2020), there with trained vectors. One
state per text is the case of a single row: it is its own best partner.
"""

import copy

import numpy as np

from qrr_lib.checks import one_of
from qrr_lib.rank.codecs import CODECS
from qrr_lib.rank.maxsim import max_sim, mean_sim
from qrr_lib.rank.states import States

INTERACTIONS = {"max": max_sim, "mean": mean_sim}


class Scorer:
    """Similarity of texts by their states, in [0, 1]. Holds no documents.

    Parameters
    ----------
    angles : callable
        Angle source: (B, D) → (B, L, n, 2) for embeddings of texts, or of tokens: a
        `QubitAnglePredictor`, a `QubitMap`, or anything with the same call. An unfitted
        map of tokens is fitted, in a copy, when a `Reranker` indexes documents.
    similarity : str or None
        "overlap" |⟨q|d⟩|, "fidelity", its square, or "local_fidelity", the mean of the
        qubits' fidelities (1 + nᵢ·mᵢ)/2, also for tokens. None takes "overlap" for
        texts, "local_fidelity" for tokens.
    per : {"text", "token"}
        What has a state of its own.
    backend, circuit
        For texts: who computes the states (see `encode`), and a circuit where the angle
        source has none (an exported head, lesson 04).
    interaction : {"max", "mean"}
        What a token of the query takes from a document: its best token, or the mean
        over all (for comparison: it behaves like a pooled vector).
    idf : bool
        Weigh query tokens by how rare they are in the documents that a `Reranker` has
        indexed: log(1 + N/(1 + number of documents with the token)).

    The defaults for tokens (with 64 qubits of 4 bits an angle, and α = 0.15) were
    chosen once, on training queries of a public collection; see
    data/results/tokens.json.
    """

    def __init__(
        self,
        angles,
        similarity: str | None = None,
        per: str = "text",
        interaction: str = "max",
        idf: bool = True,
        **options,
    ):
        if isinstance(angles, type) or not callable(angles):
            raise ValueError(f"take a head or a QubitMap as angles, not {angles!r}")
        if similarity is not None:
            options["similarity"] = similarity
        self.codec = CODECS[one_of("per", per, CODECS)](angles, **options)
        self.interaction = one_of("interaction", interaction, INTERACTIONS)
        self.idf = idf

    @property
    def angles(self):
        """The angle source."""
        return self.codec.angles

    def default_weights(self, words: bool = False) -> dict[str, float]:
        """Weights of the signals that a `Reranker` takes unless told otherwise."""
        return self.codec.with_words if words else self.codec.without_words

    @property
    def default_alpha(self) -> float:
        """Weight of cosine beside states alone."""
        return self.default_weights()["cosine"]

    def fitted(self, embedder, texts: list[str]):
        """(a copy whose map is fitted, {text: what was encoded on the way}); the copy
        is as it was, and nothing was encoded, if there is nothing to fit.
        """
        other = copy.copy(self)
        other.codec, seen = self.codec.fitted(embedder, texts)
        return other, seen

    def encode(self, vectors: np.ndarray):
        """Embeddings (B, D), or token vectors (T, D) → rows that `compare` takes."""
        return self.codec.rows(vectors)

    def encode_texts(self, embedder, texts: list[str], seen: dict | None = None):
        """Texts → (embeddings (N, D), `States`); those in `seen` were encoded by
        `fitted`.
        """
        if not texts:
            raise ValueError("there are no texts to encode")
        vectors, states = zip(*self.codec.blocks(embedder, texts, seen))
        return np.concatenate(vectors), States.join(list(states))

    def compare(self, a, b) -> np.ndarray:
        """Similarity of every pair of rows: A and B of them → (A, B) in [0, 1]."""
        return self.codec.compare(a, b)

    def score(self, queries, documents, weights=None) -> np.ndarray:
        """Similarity of every query with every document: (Q, N) float32 in [0, 1]; 0
        where one of the two has no tokens.

        Rows alone stand for one state a text. `weights` are those of each query's
        tokens, adding up to 1; None is equal ones.
        """
        queries, documents = States.from_rows(queries), States.from_rows(documents)
        interact = INTERACTIONS[self.interaction]
        scores = np.zeros((len(queries), len(documents)), dtype=np.float32)
        similarities = self.compare(queries.rows, documents.rows)  # all pairs of rows
        for q, (a, b) in enumerate(zip(queries.offsets, queries.offsets[1:])):
            own = None if weights is None else weights[q]
            scores[q] = interact(similarities[a:b], documents.offsets, own)
        return scores.clip(0, 1)
