"""One state per token, and late interaction: each token of the query takes its best partner in the document (lesson 09).

Late interaction is ColBERT's (Khattab & Zaharia 2020), there with trained vectors. Here a token is a product state of n qubits in n
or 2n bytes, and two tokens are compared by the fidelity of their qubits.
"""
from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from qrr_lib.embed.embedder import EncodedText
from qrr_lib.encode.codes import angles_to_codes, code_bits, codes_to_bloch, codes_to_features
from qrr_lib.encode.qubit_map import QubitMap, source_hash
from qrr_lib.encode.similarity import log_fidelity
from qrr_lib.files import say
from qrr_lib.rank.maxsim import TokenRarity, max_sim, mean_sim, token_groups
from qrr_lib.rank.states import ShippedCodes, TokenCodes
from qrr_lib.rank.token_store import StoreWriter, read_store

SIMILARITIES = ("local_fidelity", "geometric_fidelity")
FIT_TOKENS = 32_768             # token vectors that an unfitted map is fitted to
TEXTS_A_BLOCK = 128             # texts embedded at a time: their full-precision vectors are the only ones in memory
TOKENS_A_GROUP = 65_536         # document tokens whose similarities are in memory at a time
TOKENS_A_PRODUCT = 1024         # document tokens decoded at a time: their Bloch vectors stay in the processor's cache


class TokenMatch(NamedTuple):
    """A token of the query and the token of the document that it matched best; positions count from 0, similarity is in [0, 1]."""

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
        Angle source, (B, D) → (B, 1, n, 2): a `QubitMap` (an unfitted one is fitted when a collection is indexed) or any head with one layer
        and no entangler.
    similarity : {"local_fidelity", "geometric_fidelity"}
        Of two tokens: the mean of their qubits' fidelities (1 + nᵢ·mᵢ)/2, or the geometric mean F^(1/n).
    interaction : {"max", "mean"}
        What a query token takes from a document: its best token, or the mean over all (for comparison: it behaves like a pooled vector).
    idf : bool
        Weigh query tokens by how rare they are in the indexed documents: log(1 + N/(1 + number of documents with the token)); alike
        as long as none are indexed.
    folder : path or None
        Where an index is written and memory-mapped; None keeps the codes in memory.

    Queries and documents are coded alike. The defaults (with 64 qubits of 4 bits an angle, and α = 0.15) were chosen once, on training queries
    of a public collection; see data/results/tokens.json. Derived in lesson 09.
    """

    default_alpha = 0.15

    def __init__(self, angles, similarity: str = "local_fidelity", interaction: str = "max", idf: bool = True,
                 folder: str | os.PathLike | None = None):
        if similarity not in SIMILARITIES:
            raise ValueError(f"unknown similarity {similarity!r}; choose one of {', '.join(SIMILARITIES)}")
        if interaction not in ("max", "mean"):
            raise ValueError(f"unknown interaction {interaction!r}; choose max or mean")
        circuit = getattr(angles, "circuit", None)
        if circuit is not None and (circuit.n_layers > 1 or not circuit.is_product):
            raise ValueError("token states are kept as angle codes of product states: take a circuit of one layer without entangler")
        self.angles, self.similarity, self.interaction, self.idf = angles, similarity, interaction, idf
        self.folder = Path(folder) if folder is not None else None
        self._shipped: tuple | None = None
        self.rarity = TokenRarity()

    @torch.no_grad()
    def codes(self, vectors: np.ndarray) -> np.ndarray:
        """Token vectors (T, D) → angle codes uint8: (T, n, 2), or (T, n) if the angle source has `bits` = 4."""
        return angles_to_codes(self.angles(torch.as_tensor(np.asarray(vectors, dtype=np.float32))), code_bits(self.angles))

    def encode_texts(self, embedder, texts: list[str], ids: list[str] | None = None, progress: bool | None = None):
        """Texts → (embeddings (B, D), `TokenCodes`), from one forward pass each.

        With `ids` the texts are documents to index: they fit an unfitted map, count for idf, and go to `folder` if there is one.
        """
        texts = list(texts)
        if not texts:
            raise ValueError("there are no texts to encode")
        if ids is not None and self.folder and self.rarity.documents:
            raise ValueError(f"the index in {self.folder} is written once: index all documents in one call, or keep them in memory (folder=None)")
        seen = self._fit(embedder, texts) if ids is not None and not getattr(self.angles, "is_fitted", True) else {}
        writer = StoreWriter(self.folder) if ids is not None and self.folder else None
        parts, cut = [], 0
        try:
            for start in range(0, len(texts), TEXTS_A_BLOCK):
                if ids is not None and start and start % 1024 == 0 and progress is not False:
                    say(f"indexed {start} of {len(texts)} texts")
                block = texts[start:start + TEXTS_A_BLOCK]
                vectors, states, shortened = self._encode_block(embedder, block, {i: seen[start + i] for i in range(len(block)) if start + i in seen})
                cut += shortened
                if writer:
                    writer.add(ids[start:start + TEXTS_A_BLOCK], vectors, states)
                else:
                    parts.append((vectors, states))
            if cut:
                say(f"{cut} of {len(texts)} texts are longer than the {embedder.model.max_seq_length} word pieces that {embedder.name} reads: "
                    "their ends were left out; split long texts into passages to search all of them")
            if writer:
                if isinstance(self.angles, QubitMap):
                    self.angles.save(writer.extra("map"))
                writer.commit(self.belongs_to(embedder))
        except BaseException:
            if writer:
                writer.abort()
            raise
        if writer:
            _, vectors, states, _ = read_store(self.folder)
        else:
            vectors, states = np.concatenate([v for v, _ in parts]), TokenCodes.join([s for _, s in parts])
        if ids is not None:
            self.rarity.count(states)
        return vectors, states

    def _encode_block(self, embedder, texts: list[str], seen: dict[int, EncodedText]):
        """One block of texts, of which some are encoded already (`seen`) or come with the course: (vectors, TokenCodes, how many were cut)."""
        shipped = self._shipped_codes(embedder)
        known = {i: codes for i, text in enumerate(texts) if (codes := shipped.get(text)) is not None}
        missing = [i for i in range(len(texts)) if i not in known and i not in seen]
        fresh = seen | dict(zip(missing, embedder.encode_with_tokens([texts[i] for i in missing])))
        most = embedder.model.max_seq_length - 2 if fresh else 0                            # only texts with so many tokens can have been cut
        cut = sum(embedder.is_cut(texts[i]) for i, text in fresh.items() if len(text.tokens) >= most)
        vectors = dict(zip(known, embedder.encode([texts[i] for i in known]))) | {i: text.vector for i, text in fresh.items()}
        states = known | {i: TokenCodes.of([self.codes(text.tokens)], [text.token_ids]) for i, text in fresh.items()}
        return np.stack([vectors[i] for i in range(len(texts))]), TokenCodes.join([states[i] for i in range(len(texts))]), cut

    def _shipped_codes(self, embedder) -> ShippedCodes:
        if self._shipped is None or self._shipped[0] is not embedder:
            about = self.belongs_to(embedder) if isinstance(self.angles, QubitMap) and self.angles.is_fitted else dict.fromkeys(
                ("model", "model_sha256", "map_sha256"), "")
            self._shipped = embedder, ShippedCodes(about["model"], about["model_sha256"], about["map_sha256"])
        return self._shipped[1]

    def belongs_to(self, embedder) -> dict:
        """What codes of this scorer can be compared with: name and hash of the model, hash of the angle source."""
        spec = getattr(embedder, "spec", None)
        return {"model": embedder.name, "model_sha256": spec.sha256 if spec else embedder.name, "map_sha256": source_hash(self.angles)}

    def _fit(self, embedder, texts: list[str]) -> dict[int, EncodedText]:
        """Fit the map to randomly drawn texts, as many as have FIT_TOKENS tokens; returns them encoded, {position: text}."""
        order, seen, tokens = np.random.default_rng(0).permutation(len(texts)), {}, 0
        for rows in np.array_split(order, max(1, len(order) // 64)):
            seen |= dict(zip(rows.tolist(), embedder.encode_with_tokens([texts[i] for i in rows])))
            tokens = sum(len(text.tokens) for text in seen.values())
            if tokens >= FIT_TOKENS:
                break
        self.angles.fit(np.concatenate([text.tokens for text in seen.values()]))
        return seen

    def weights(self, token_ids: np.ndarray) -> np.ndarray:
        """Weights of a query's tokens (T,), adding up to 1: equal, or by rarity."""
        return self.rarity.weights(token_ids) if self.idf else np.full(len(token_ids), 1 / max(len(token_ids), 1), dtype=np.float32)

    def score(self, queries: TokenCodes, documents: TokenCodes) -> np.ndarray:
        """Similarity of every query with every document: (Q, N) float32 in [0, 1]; 0 where one of the two has no tokens."""
        interact, scores = max_sim if self.interaction == "max" else mean_sim, np.zeros((len(queries), len(documents)), dtype=np.float32)
        weights = [self.weights(queries.token_ids[a:b]) for a, b in zip(queries.offsets, queries.offsets[1:])]
        for first, last in token_groups(documents.offsets, TOKENS_A_GROUP):
            start, end = documents.offsets[first], documents.offsets[last]
            similarities = self.similarities(queries.codes, documents.codes[start:end])             # (all query tokens, T of the group)
            offsets = documents.offsets[first:last + 1] - start
            for q, (a, b) in enumerate(zip(queries.offsets, queries.offsets[1:])):
                scores[q, first:last] = interact(similarities[a:b], offsets, weights[q])
        return scores.clip(0, 1)

    def similarities(self, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """Fidelity of every pair of tokens, codes of A and of B tokens → (A, B) in [0, 1]."""
        if self.similarity == "geometric_fidelity":
            bloch = [torch.from_numpy(codes_to_bloch(codes)) for codes in (queries, documents)]
            return (log_fidelity(*bloch) / queries.shape[1]).exp().numpy()
        asked = codes_to_features(queries) * np.float32(0.5 / queries.shape[1])                     # ½ + Σ nᵢ·mᵢ/(2n): the mean of (1 + nᵢ·mᵢ)/2
        values = np.empty((len(queries), len(documents)), dtype=np.float32)
        for start in range(0, len(documents), TOKENS_A_PRODUCT):
            part = slice(start, start + TOKENS_A_PRODUCT)
            np.matmul(asked, codes_to_features(documents[part]).T, out=values[:, part])
        values += 0.5
        return values

    def token_matrix(self, embedder, query: str, document: TokenCodes) -> tuple[list[str], list[str], np.ndarray]:
        """The word pieces of a query and of one document, and the fidelity of every pair, (Tq, Td); for `plots.token_heatmap`."""
        _, asked = self.encode_texts(embedder, [query])
        names = embedder.token_strings(asked.token_ids), embedder.token_strings(document.token_ids)
        return *names, self.similarities(asked.codes, document.codes)

    def explain(self, embedder, query: str, document: TokenCodes) -> list[TokenMatch]:
        """Say which token of the document each token of the query met; weight · similarity adds up to the MaxSim score."""
        _, asked = self.encode_texts(embedder, [query])
        if not len(document.codes):
            return []
        matrix, weights = self.similarities(asked.codes, document.codes), self.weights(asked.token_ids)
        best = matrix.argmax(axis=1)
        words, partners = embedder.token_strings(asked.token_ids), embedder.token_strings(document.token_ids[best])
        return [TokenMatch(word, partner, float(matrix[i, j]), i, int(j), float(weights[i]))
                for i, (word, partner, j) in enumerate(zip(words, partners, best))]
