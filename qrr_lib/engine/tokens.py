"""Two ways to keep tokens: as codes of their states beside a passage, compared by our
kernel, or as vectors that the engine compares by MaxSim (lesson 14).

    kind      kept per token                   compared by
    "states"  angle codes (64 bytes)           `Scorer.score`, as in memory
    "full"    the token vector, D of 8 bits    the engine

Bloch vectors as rows for the engine take as many bytes and more time than codes:
data/results/engine.json.
"""

from __future__ import annotations

import numpy as np

from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.engine.stores import Ask
from qrr_lib.engine.words import packed, unpacked
from qrr_lib.rank.codecs import TokenCodec
from qrr_lib.rank.scorer import Scorer
from qrr_lib.rank.states import States, offsets_of

MODEL = ("model", "model_sha256")


class CodeStates:
    """Angle codes in the payload; parameters as in `tokens_named`."""

    width = None  # nothing of it is a vector for the engine
    payload = ("codes",)

    def __init__(self, embedder, scorer: Scorer):
        self.embedder, self.scorer = embedder, scorer

    def belongs_to(self) -> dict:
        """Name and hash of the model and hash of the map."""
        return self.scorer.codec.belongs_to(self.embedder)

    def encode(self, texts: list[str]) -> tuple[np.ndarray, States]:
        """Texts → (embeddings (N, D), states), in one forward pass."""
        return self.scorer.encode_texts(self.embedder, texts, progress=False)

    def kept(self, states: States) -> tuple[dict, dict]:
        """What is stored of one text: parts of its vectors, parts of its payload."""
        return {}, {"codes": packed(states.rows)}

    def score(self, store, found, query: States, weights) -> np.ndarray:
        """Similarity of a query with passages that were found: (K,) in [0, 1]."""
        width = query.rows.shape[1:]
        codes = [unpacked(point.payload["codes"], "u1") for point in found]
        rows = [one.reshape(-1, *width) for one in codes] or [query.rows[:0]]
        states = States(np.concatenate(rows), offsets_of(map(len, rows)))
        return self.scorer.score(query, states, weights)[0, : len(found)]

    def compare(self, a, b) -> np.ndarray:
        """Similarity of every pair of rows of states: (A, B) in [0, 1]."""
        return self.scorer.compare(a, b)


class FullTokens(CodeStates):
    """Token vectors themselves, without a map: cosine in place of fidelity."""

    payload = ()

    def __init__(self, embedder, scorer: Scorer):
        super().__init__(embedder, scorer)
        self.width = embedder.dim

    def belongs_to(self) -> dict:
        """Name and hash of the model."""
        return super().belongs_to() | {"map_sha256": ""}

    def encode(self, texts: list[str]) -> tuple[np.ndarray, States]:
        """Texts → (embeddings (N, D), token vectors), in one forward pass."""
        encoded = self.embedder.encode_with_tokens(texts)
        tokens, ids = [e.tokens for e in encoded], [e.token_ids for e in encoded]
        return np.stack([e.vector for e in encoded]), States.of(tokens, ids)

    def kept(self, states: States) -> tuple[dict, dict]:
        """What is stored of one text; a text without tokens has no rows."""
        return ({"tokens": states.rows.tolist()} if len(states.rows) else {}), {}

    def score(self, store, found, query: States, weights) -> np.ndarray:
        """Similarity of a query with passages that were found: (K,) in [0, 1]."""
        ids, scores = [point.id for point in found], {}
        if len(query.rows) and ids:
            equal = np.full(len(query.rows), 1 / len(query.rows), dtype=np.float32)
            rows = query.rows * (equal if weights is None else weights[0])[:, None]
            ask = Ask("tokens", rows.tolist(), len(ids), within=ids)
            scores = {key: (1 + score) / 2 for key, score in store.search([ask])[0]}
        found = np.array([scores.get(key, 0) for key in ids], dtype=np.float32)
        return found.clip(0, 1)

    def compare(self, a, b) -> np.ndarray:
        """Half of one plus the cosine of every pair: (A, B) in [0, 1]."""
        return (1 + a @ b.T) / 2


KINDS = {"states": CodeStates, "full": FullTokens}


def tokens_named(kind: str, embedder, scorer: Scorer | None):
    """One of `KINDS` for an embedder; without a scorer, with the map that the course
    ships for it. ValueError for another kind or a map that is not fitted.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown tokens={kind!r}; choose one of {', '.join(KINDS)}")
    if scorer is None and kind == "full":
        return FullTokens(embedder, Scorer(QubitMap(), per="token"))
    if scorer is None:
        scorer = Scorer(QubitMap.shipped(embedder.name), per="token")
    if not isinstance(scorer.codec, TokenCodec):
        raise ValueError("an index keeps token states: take Scorer(..., per='token')")
    if not getattr(scorer.angles, "is_fitted", True):
        raise ValueError(
            "the map is not fitted: call .fit(token_vectors) before the index is made"
        )
    return KINDS[kind](embedder, scorer)
