"""Two ways to keep token states: as codes beside a passage, compared by our kernel, or
as rows that the engine compares by MaxSim (lesson 14).

    kind      kept per token                   compared by
    "states"  angle codes (64 bytes)           `Scorer.score`, as in memory
    "bloch"   Bloch vectors, 3n of 4 bits      the engine
    "full"    the token vector, D of 8 bits    the engine
"""

from __future__ import annotations

import base64

import numpy as np

from qrr_lib.encode.codes import codes_to_bloch
from qrr_lib.encode.qubit_map import QubitMap
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
        codes = np.ascontiguousarray(states.rows)
        return {}, {"codes": base64.b64encode(codes.tobytes()).decode()}

    def score(self, store, found, query: States, weights) -> np.ndarray:
        """Similarity of a query with passages that were found: (K,) in [0, 1]."""
        codes = [base64.b64decode(point.payload["codes"]) for point in found]
        shape = query.rows.shape[1:]
        rows = np.frombuffer(b"".join(codes), dtype=np.uint8).reshape(-1, *shape)
        lengths = [len(own) // max(1, int(np.prod(shape))) for own in codes]
        return self.scorer.score(query, States(rows, offsets_of(lengths)), weights)[0]

    def compare(self, a, b) -> np.ndarray:
        """Similarity of every pair of rows of states: (A, B) in [0, 1]."""
        return self.scorer.compare(a, b)


class BlochStates(CodeStates):
    """Bloch vectors as rows of a multi-vector; the mean over n qubits of nᵢ·mᵢ is an
    inner product.
    """

    payload = ()
    kind = "turbo4"

    def __init__(self, embedder, scorer: Scorer):
        super().__init__(embedder, scorer)
        similarity = scorer.codec.similarity.name
        if (similarity, scorer.interaction) != ("local_fidelity", "max"):
            raise ValueError(
                "the engine computes MaxSim of local fidelities only: take "
                "Scorer(map, per='token'), or tokens='states'"
            )
        self.width = 3 * scorer.angles.circuit.n_qubits

    def rows(self, states: States) -> np.ndarray:
        """(T, W), so that the inner product of two rows is 2·similarity − 1."""
        n_qubits = self.width // 3
        vectors = codes_to_bloch(states.rows).reshape(-1, self.width)
        return vectors / np.float32(np.sqrt(n_qubits))

    def kept(self, states: States) -> tuple[dict, dict]:
        """What is stored of one text; a text without tokens has no rows."""
        return ({"tokens": self.rows(states).tolist()} if len(states.rows) else {}), {}

    def score(self, store, found, query: States, weights) -> np.ndarray:
        """Similarity of a query with passages that were found: (K,) in [0, 1]."""
        from qrr_lib.engine.stores import Ask

        rows = self.rows(query)
        if not len(rows) or not found:
            return np.zeros(len(found), dtype=np.float32)
        equal = np.full(len(rows), 1 / len(rows), dtype=np.float32)
        rows *= (equal if weights is None else weights[0])[:, None]
        ids = [point.id for point in found]
        [hits] = store.search([Ask("tokens", rows.tolist(), len(ids), within=ids)])
        scores = {key: (1 + score) / 2 for key, score in hits}
        return np.array([scores.get(key, 0) for key in ids], dtype=np.float32).clip(
            0, 1
        )


class FullTokens(BlochStates):
    """Token vectors themselves, without a map: cosine in place of fidelity."""

    kind = "turbo8"

    def __init__(self, embedder, scorer: Scorer):
        self.embedder, self.scorer, self.width = embedder, scorer, embedder.dim

    def belongs_to(self) -> dict:
        """Name and hash of the model."""
        both = super().belongs_to()
        return {name: both[name] for name in MODEL} | {"map_sha256": ""}

    def encode(self, texts: list[str]) -> tuple[np.ndarray, States]:
        """Texts → (embeddings (N, D), token vectors), in one forward pass."""
        encoded = self.embedder.encode_with_tokens(texts)
        tokens, ids = [e.tokens for e in encoded], [e.token_ids for e in encoded]
        return np.stack([e.vector for e in encoded]), States.of(tokens, ids)

    def rows(self, states: States) -> np.ndarray:
        """The vectors (T, D)."""
        return np.array(states.rows, dtype=np.float32)

    def compare(self, a, b) -> np.ndarray:
        """Half of one plus the cosine of every pair: (A, B) in [0, 1]."""
        return (1 + a @ b.T) / 2


KINDS = {"states": CodeStates, "bloch": BlochStates, "full": FullTokens}


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
