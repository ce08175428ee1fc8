"""Angle codes of many texts: ragged rows with offsets (lesson 09)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qrr_lib.embed.cache import text_key
from qrr_lib.files import atomic_path, data_dir


@dataclass(frozen=True)
class TokenCodes:
    """N texts of T tokens in all.

    Attributes
    ----------
    codes : (T, n, 2) or (T, n) uint8
        Angle codes of every qubit: two bytes (θ, γ), or one that holds both (see
        `angles_to_codes`).
    offsets : (N + 1,) int64
        Text i has the tokens offsets[i] … offsets[i + 1] − 1; none at all if the two
        are equal.
    token_ids : (T,) uint32
        Word pieces by number.
    """

    codes: np.ndarray
    offsets: np.ndarray
    token_ids: np.ndarray

    @classmethod
    def of(cls, codes: list[np.ndarray], token_ids: list[np.ndarray]) -> TokenCodes:
        """From one array of codes and one of token ids (T,) a text."""
        offsets = np.cumsum([0, *map(len, codes)], dtype=np.int64)
        return cls(
            np.concatenate(codes), offsets, np.concatenate(token_ids).astype(np.uint32)
        )

    @staticmethod
    def join(parts: list[TokenCodes]) -> TokenCodes:
        """One after the other, in memory."""
        starts = np.cumsum([0, *(p.offsets[-1] for p in parts)])
        offsets = np.concatenate(
            [[0], *(p.offsets[1:] + start for p, start in zip(parts, starts))]
        ).astype(np.int64)
        return TokenCodes(
            np.concatenate([p.codes for p in parts]),
            offsets,
            np.concatenate([p.token_ids for p in parts]),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows) -> TokenCodes:
        """Gather texts by a list of rows or a slice; only their tokens are copied."""
        rows = (
            range(*rows.indices(len(self)))
            if isinstance(rows, slice)
            else [int(r) for r in rows]
        )
        parts = [slice(self.offsets[r], self.offsets[r + 1]) for r in rows]
        if not parts:
            return TokenCodes(
                self.codes[:0], np.zeros(1, dtype=np.int64), self.token_ids[:0]
            )
        return TokenCodes.of(
            [self.codes[p] for p in parts], [self.token_ids[p] for p in parts]
        )


class ShippedCodes:
    """Codes that come with the course for the texts of its corpus, made by the shipped
    map: text → `TokenCodes` of one, or None.

    Empty for another model or another map: codes of two maps cannot be compared.
    """

    def __init__(self, model: str, model_sha256: str, map_sha256: str):
        self._row: dict[bytes, int] = {}
        try:
            path = Path(data_dir()) / "course" / "tokens" / f"{model}.npz"
        except FileNotFoundError:
            return
        if path.is_file():
            with np.load(path) as file:
                if (
                    str(file["model_sha256"]) == model_sha256
                    and str(file["map_sha256"]) == map_sha256
                ):
                    self._row = {key.tobytes(): i for i, key in enumerate(file["keys"])}
                    self.states = TokenCodes(
                        file["codes"],
                        np.cumsum([0, *file["lengths"]], dtype=np.int64),
                        file["token_ids"].astype(np.uint32),
                    )

    def get(self, text: str) -> TokenCodes | None:
        """Codes of one text."""
        row = self._row.get(text_key(text)) if self._row else None
        return None if row is None else self.states[row : row + 1]

    @staticmethod
    def write(
        path: str | os.PathLike, texts: list[str], states: TokenCodes, about: dict
    ) -> None:
        """Store the codes of texts under their keys, with the hashes of model
        and map.
        """
        keys = np.array(
            [np.frombuffer(text_key(text), dtype=np.uint8) for text in texts]
        )
        with atomic_path(path) as partial:
            np.savez_compressed(
                partial,
                keys=keys,
                codes=states.codes,
                lengths=np.diff(states.offsets).astype(np.uint16),
                token_ids=states.token_ids.astype(np.uint16),
                model_sha256=about["model_sha256"],
                map_sha256=about["map_sha256"],
            )
