"""From texts to states that can be compared: one state per text, or one per token
(lessons 06 and 09).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch

from qrr_lib.checks import one_of
from qrr_lib.embed.cache import text_key
from qrr_lib.embed.embedder import EncodedText
from qrr_lib.encode.angles import check_vectors, fingerprint
from qrr_lib.encode.backends import BACKENDS
from qrr_lib.encode.circuit import Circuit, checked_circuit
from qrr_lib.encode.codes import (
    angles_to_codes,
    code_bits,
    codes_to_bloch,
    codes_to_features,
)
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.encode.similarity import LocalFidelity, similarity_named
from qrr_lib.files import say
from qrr_lib.rank.states import States, shipped_states

FIT_TOKENS = 32_768  # token vectors that an unfitted map is fitted to
# texts embedded at a time: their full-precision vectors are the only ones in memory
TEXTS_A_BLOCK = 128
# document tokens decoded at a time: their Bloch vectors stay in the processor's cache
TOKENS_A_PRODUCT = 512


class TextCodec:
    """One state per text: embedding → angles → state. Parameters as in `Scorer`."""

    without_words = {"cosine": 0.5, "states": 0.5}
    with_words = {"cosine": 0.4, "words": 0.2, "states": 0.4}

    def __init__(
        self,
        angles,
        similarity: str = "overlap",
        backend: str = "torch",
        circuit: Circuit | None = None,
    ):
        self.angles, self.backend = angles, one_of("backend", backend, BACKENDS)
        self.similarity = similarity_named(similarity)
        self.circuit = checked_circuit(circuit or getattr(angles, "circuit", None))

    @torch.no_grad()
    def rows(self, vectors: np.ndarray) -> torch.Tensor:
        """Embeddings (B, D) → states (B, 2**n), or Bloch vectors (B, n, 3)."""
        dim = getattr(self.angles, "embedding_dim", np.shape(vectors)[-1])
        angles = self.angles(check_vectors(vectors, dim).float())
        return self.similarity.rows(angles, self.circuit, self.backend)

    @torch.no_grad()
    def compare(self, a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
        """Similarity of every pair of rows: (A, B) float32 in [0, 1]."""
        return self.similarity.pairs(a, b).float().cpu().numpy()

    def fitted(self, embedder, texts: list[str]) -> tuple[TextCodec, dict]:
        """Nothing is fitted here."""
        return self, {}

    def blocks(self, embedder, texts, seen=None) -> Iterator:
        """Texts → (embeddings (B, D), States), all in one block."""
        vectors = embedder.encode(texts)
        yield vectors, States.from_rows(self.rows(vectors))


class TokenCodec:
    """One product state per token, kept as angle codes. Parameters as in `Scorer`."""

    without_words = {"cosine": 0.15, "states": 0.85}
    with_words = {"cosine": 0.15, "words": 0.15, "states": 0.7}

    def __init__(self, angles, similarity: str = "local_fidelity"):
        self.angles, self.similarity = angles, similarity_named(similarity)
        self._asked: tuple | None = None  # an embedder, and what is shipped for it
        if not self.similarity.averages:
            raise ValueError(
                f"tokens are not compared by {similarity!r}: it all but vanishes for "
                "many qubits; choose local_fidelity"
            )
        circuit = getattr(angles, "circuit", None)
        if circuit is not None and (circuit.n_layers > 1 or not circuit.is_product):
            raise ValueError(
                "token states are kept as angle codes of product states: take a "
                "circuit of one layer without entangler"
            )

    @torch.no_grad()
    def rows(self, vectors: np.ndarray) -> np.ndarray:
        """Token vectors (T, D) → angle codes uint8: (T, n, 2), or (T, n) if the angle
        source has `bits` = 4.
        """
        vectors = check_vectors(vectors).float()
        return angles_to_codes(self.angles(vectors), code_bits(self.angles))

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Fidelity of every pair of tokens, codes of A and of B → (A, B) in [0, 1]."""
        if not isinstance(self.similarity, LocalFidelity):
            rows = [torch.from_numpy(codes_to_bloch(codes)) for codes in (a, b)]
            return self.similarity.pairs(*rows).numpy()
        # ½ + Σ nᵢ·mᵢ/(2n): the mean of (1 + nᵢ·mᵢ)/2
        asked = codes_to_features(a).T * np.float32(0.5 / a.shape[1])
        values = np.empty((len(b), len(a)), dtype=np.float32)  # half the time of (A, B)
        for start in range(0, len(b), TOKENS_A_PRODUCT):
            part = slice(start, start + TOKENS_A_PRODUCT)
            np.matmul(codes_to_features(b[part]), asked, out=values[part])
        values += 0.5
        return values.T

    def fitted(self, embedder, texts: list[str]) -> tuple[TokenCodec, dict]:
        """This codec, or, if its map is not fitted, a copy with a map that is fitted to
        randomly drawn texts, as many as have FIT_TOKENS tokens; and those texts,
        encoded.
        """
        if getattr(self.angles, "is_fitted", True) or not texts:
            return self, {}
        order, seen, tokens = np.random.default_rng(0).permutation(len(texts)), {}, 0
        for rows in np.array_split(order, max(1, len(order) // 64)):
            some = [texts[i] for i in rows]
            seen |= dict(zip(some, embedder.encode_with_tokens(some)))
            tokens = sum(len(text.tokens) for text in seen.values())
            if tokens >= FIT_TOKENS:
                break
        angles = copy.deepcopy(self.angles)
        angles.fit(np.concatenate([text.tokens for text in seen.values()]))
        return TokenCodec(angles, self.similarity.name), seen

    def blocks(self, embedder, texts, seen=None) -> Iterator:
        """Texts → (embeddings (B, D), States), block by block, from one forward pass
        each; those in `seen` are encoded already.
        """
        cut = 0
        for start in range(0, len(texts), TEXTS_A_BLOCK):
            if start and start % 1024 == 0:
                say(f"indexed {start} of {len(texts)} texts")
            block = texts[start : start + TEXTS_A_BLOCK]
            vectors, states, shortened = self._block(embedder, block, seen or {})
            cut += shortened
            yield vectors, states
        if cut:
            say(
                f"{cut} of {len(texts)} texts are longer than the "
                f"{embedder.model.max_seq_length} word pieces that {embedder.name} "
                "reads: their ends were left out; split long texts into passages to "
                "search all of them"
            )

    def _block(self, embedder, texts: list[str], seen: dict[str, EncodedText]):
        """(embeddings, States, how many were cut) of a few texts; those that come with
        the course are not encoded again.
        """
        place_of, shipped = self._shipped(embedder)
        places = {text: place_of.get(text_key(text)) for text in texts}
        known = [text for text, place in places.items() if place is not None]
        missing = [t for t, place in places.items() if place is None and t not in seen]
        vectors = dict(zip(known, embedder.encode(known)))
        live = seen | dict(zip(missing, embedder.encode_with_tokens(missing)))
        parts, cut = [], 0
        for text in texts:
            if places[text] is not None:
                parts.append(shipped[[places[text]]])
                continue
            vectors[text], tokens, ids = live[text]
            parts.append(States.of([self.rows(tokens)], [ids]))
            longest = embedder.model.max_seq_length - 2
            cut += len(tokens) >= longest and embedder.is_cut(text)
        return np.stack([vectors[text] for text in texts]), States.join(parts), cut

    def _shipped(self, embedder):
        """Codes that come with the course for this very model and map, if any do."""
        if not isinstance(self.angles, QubitMap) or not self.angles.is_fitted:
            return {}, None
        if self._asked is None or self._asked[0] is not embedder:
            self._asked = embedder, shipped_states(*self.belongs_to(embedder).values())
        return self._asked[1]

    def belongs_to(self, embedder) -> dict:
        """What these codes can be compared with: name and hash of the model, hash of
        the angle source.
        """
        spec = getattr(embedder, "spec", None)
        return {
            "model": embedder.name,
            "model_sha256": spec.sha256 if spec else embedder.name,
            "map_sha256": fingerprint(self.angles),
        }


CODECS = {"text": TextCodec, "token": TokenCodec}
