"""Two ways to keep tokens: as codes of their states beside a passage, compared by our
kernel, or as vectors that the engine compares by MaxSim (lesson 14).

    kind      kept per token                   compared by
    "states"  angle codes (64 bytes)           `Scorer.score`, as in memory
    "full"    the token vector, D of 8 bits    the engine

Bloch vectors as rows for the engine take as many bytes and more time than codes:
data/results/engine.json.
"""

import math
from collections.abc import Callable

import numpy as np

from qrr_lib.checks import one_of
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.encode.similarity import COSINE
from qrr_lib.engine.passage import Point, packed, point_id, unpacked, word_vector
from qrr_lib.rank.codecs import TokenCodec
from qrr_lib.rank.scorer import Scorer
from qrr_lib.rank.states import States, offsets_of
from qrr_lib.rank.words import word_numbers


class CodeStates:
    """Angle codes in the payload; parameters as in `tokens_named`."""

    width = None  # nothing of it is a vector for the engine
    payload = ("codes",)

    def __init__(self, embedder, scorer: Scorer):
        self.embedder, self.scorer = embedder, scorer
        self.compare = scorer.compare

    def belongs_to(self) -> dict:
        """Name and hash of the model and hash of the map."""
        return self.scorer.codec.belongs_to(self.embedder)

    def encode(self, texts: list[str]) -> tuple[np.ndarray, States]:
        """Texts → (embeddings (N, D), states), in one forward pass."""
        return self.scorer.encode_texts(self.embedder, texts)

    def points(self, payloads: list[dict]) -> list[Point]:
        """Embed and encode passages, given as `payload_of` returns them."""
        texts = [f"{one['title']} {one['text']}".strip() for one in payloads]
        (vectors, states), words = self.encode(texts), word_numbers(texts)
        points = []
        for i, payload in enumerate(payloads):
            own = states[i : i + 1]
            rows, kept = self.kept(own.rows)
            kept["words"] = packed(np.array(words[i], dtype="<u4"))
            rows |= {"dense": vectors[i].tolist(), "words": word_vector(words[i])}
            rows["pieces"] = dict.fromkeys(own.token_ids.tolist(), 1.0)
            points.append(Point(point_id(payload["id"]), rows, payload | kept))
        return points

    def kept(self, rows: np.ndarray) -> tuple[dict, dict]:
        """What is stored of one text: parts of its vectors, parts of its payload."""
        return {}, {"codes": packed(rows)}

    def score(
        self, points: list[Point], query: States, weights, find: Callable
    ) -> np.ndarray:
        """Similarity of a query with passages that were found: (K,) in [0, 1]."""
        if not points:
            return np.zeros(0)
        codes = [unpacked(point.payload["codes"], "u1") for point in points]
        shape = query.rows.shape[1:]
        rows = np.concatenate(codes).reshape(-1, *shape)
        lengths = [len(one) // math.prod(shape) for one in codes]
        return self.scorer.score(query, States(rows, offsets_of(lengths)), weights)[0]


class FullTokens(CodeStates):
    """Token vectors themselves, without a map: cosine in place of fidelity."""

    payload = ()

    def __init__(self, embedder, scorer: Scorer):
        super().__init__(embedder, scorer)
        self.width = embedder.dim
        self.compare = COSINE.pairs

    def belongs_to(self) -> dict:
        """Name and hash of the model."""
        return super().belongs_to() | {"map_sha256": ""}

    def encode(self, texts: list[str]) -> tuple[np.ndarray, States]:
        """Texts → (embeddings (N, D), token vectors), in one forward pass."""
        encoded = self.embedder.encode_with_tokens(texts)
        tokens, ids = [e.tokens for e in encoded], [e.token_ids for e in encoded]
        return np.stack([e.vector for e in encoded]), States.of(tokens, ids)

    def kept(self, rows: np.ndarray) -> tuple[dict, dict]:
        """What is stored of one text; a text without tokens has no rows."""
        return ({"tokens": rows.tolist()} if len(rows) else {}), {}

    def score(
        self, points: list[Point], query: States, weights, find: Callable
    ) -> np.ndarray:
        """Similarity of a query with what `find` finds: (K,) in [0, 1]."""
        scores, count = {}, len(query.rows)
        if count:
            own = np.full(count, 1 / count) if weights is None else weights[0]
            rows = query.rows * own[:, None].astype("f4")
            found = find(by=("tokens", rows.tolist()), payload=[])
            scores = {point.id: (1 + score) / 2 for point, score in found}
        return np.array([scores.get(point.id, 0) for point in points]).clip(0, 1)


KINDS = {"states": CodeStates, "full": FullTokens}


def tokens_named(kind: str, embedder, scorer: Scorer | None = None):
    """One of `KINDS` for an embedder; without a scorer, with the map that the course
    ships for it. ValueError for another kind or a map that is not fitted.
    """
    make = KINDS[one_of("tokens", kind, KINDS)]
    if scorer is None and kind == "full":
        return make(embedder, Scorer(QubitMap(), per="token"))
    if scorer is None:
        scorer = Scorer(QubitMap.shipped(embedder.name), per="token")
    if not isinstance(scorer.codec, TokenCodec):
        raise ValueError("an index keeps token states: take Scorer(..., per='token')")
    if not getattr(scorer.angles, "is_fitted", True):
        raise ValueError(
            "the map is not fitted: call .fit(token_vectors) before the index is made"
        )
    return make(embedder, scorer)
