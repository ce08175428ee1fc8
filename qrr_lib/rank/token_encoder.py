"""Texts become angle codes of their tokens, block by block (lesson 09)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from qrr_lib.embed.embedder import EncodedText
from qrr_lib.encode.codes import angles_to_codes, code_bits
from qrr_lib.encode.qubit_map import QubitMap, source_hash
from qrr_lib.files import say
from qrr_lib.rank.states import ShippedCodes, TokenCodes
from qrr_lib.rank.token_store import StoreWriter, read_store

FIT_TOKENS = 32_768  # token vectors that an unfitted map is fitted to
# texts embedded at a time: their full-precision vectors are the only ones in memory
TEXTS_A_BLOCK = 128


class TokenEncoder:
    """Texts → codes of their tokens, in memory or in a folder.

    `angles` and `folder` as in `TokenScorer`.
    """

    def __init__(self, angles, folder: str | os.PathLike | None = None):
        self.angles = angles
        self.folder = Path(folder) if folder is not None else None
        self._shipped: tuple | None = None

    @torch.no_grad()
    def codes(self, vectors: np.ndarray) -> np.ndarray:
        """Token vectors (T, D) → angle codes uint8: (T, n, 2), or (T, n) if the angle
        source has `bits` = 4.
        """
        return angles_to_codes(
            self.angles(torch.as_tensor(np.asarray(vectors, dtype=np.float32))),
            code_bits(self.angles),
        )

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
        texts = list(texts)
        if not texts:
            raise ValueError("there are no texts to encode")
        seen = (
            self._fit(embedder, texts)
            if ids is not None and not getattr(self.angles, "is_fitted", True)
            else {}
        )
        writer = StoreWriter(self.folder) if ids is not None and self.folder else None
        parts, cut = [], 0
        try:
            for start in range(0, len(texts), TEXTS_A_BLOCK):
                if (
                    ids is not None
                    and start
                    and start % 1024 == 0
                    and progress is not False
                ):
                    say(f"indexed {start} of {len(texts)} texts")
                block = texts[start : start + TEXTS_A_BLOCK]
                vectors, states, shortened = self._encode_block(
                    embedder,
                    block,
                    {
                        i: seen[start + i]
                        for i in range(len(block))
                        if start + i in seen
                    },
                )
                cut += shortened
                if writer:
                    writer.add(ids[start : start + TEXTS_A_BLOCK], vectors, states)
                else:
                    parts.append((vectors, states))
            if cut:
                say(
                    f"{cut} of {len(texts)} texts are longer than the "
                    f"{embedder.model.max_seq_length} word pieces that {embedder.name} "
                    "reads: "
                    "their ends were left out; split long texts into passages to "
                    "search all of them"
                )
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
            vectors = np.concatenate([v for v, _ in parts])
            states = TokenCodes.join([s for _, s in parts])
        return vectors, states

    def _encode_block(self, embedder, texts: list[str], seen: dict[int, EncodedText]):
        """One block of texts, of which some are encoded already (`seen`) or come with
        the course: (vectors, TokenCodes, how many were cut).
        """
        shipped = self._shipped_codes(embedder)
        known = {
            i: codes
            for i, text in enumerate(texts)
            if (codes := shipped.get(text)) is not None
        }
        missing = [i for i in range(len(texts)) if i not in known and i not in seen]
        fresh = seen | dict(
            zip(missing, embedder.encode_with_tokens([texts[i] for i in missing]))
        )
        # only texts with so many tokens can have been cut
        most = embedder.model.max_seq_length - 2 if fresh else 0
        cut = sum(
            embedder.is_cut(texts[i])
            for i, text in fresh.items()
            if len(text.tokens) >= most
        )
        vectors = dict(zip(known, embedder.encode([texts[i] for i in known]))) | {
            i: text.vector for i, text in fresh.items()
        }
        states = known | {
            i: TokenCodes.of([self.codes(text.tokens)], [text.token_ids])
            for i, text in fresh.items()
        }
        return (
            np.stack([vectors[i] for i in range(len(texts))]),
            TokenCodes.join([states[i] for i in range(len(texts))]),
            cut,
        )

    def _shipped_codes(self, embedder) -> ShippedCodes:
        if self._shipped is None or self._shipped[0] is not embedder:
            about = (
                self.belongs_to(embedder)
                if isinstance(self.angles, QubitMap) and self.angles.is_fitted
                else dict.fromkeys(("model", "model_sha256", "map_sha256"), "")
            )
            self._shipped = (
                embedder,
                ShippedCodes(
                    about["model"], about["model_sha256"], about["map_sha256"]
                ),
            )
        return self._shipped[1]

    def belongs_to(self, embedder) -> dict:
        """What codes of this scorer can be compared with: name and hash of the model,
        hash of the angle source.
        """
        spec = getattr(embedder, "spec", None)
        return {
            "model": embedder.name,
            "model_sha256": spec.sha256 if spec else embedder.name,
            "map_sha256": source_hash(self.angles),
        }

    def _fit(self, embedder, texts: list[str]) -> dict[int, EncodedText]:
        """Fit the map to randomly drawn texts, as many as have FIT_TOKENS tokens;
        returns them encoded, {position: text}.
        """
        order, seen, tokens = np.random.default_rng(0).permutation(len(texts)), {}, 0
        for rows in np.array_split(order, max(1, len(order) // 64)):
            seen |= dict(
                zip(
                    rows.tolist(), embedder.encode_with_tokens([texts[i] for i in rows])
                )
            )
            tokens = sum(len(text.tokens) for text in seen.values())
            if tokens >= FIT_TOKENS:
                break
        self.angles.fit(np.concatenate([text.tokens for text in seen.values()]))
        return seen
