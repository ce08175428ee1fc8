"""Encoded texts as ragged rows, and the codes that come with the course (lessons 06 and
09).
"""

import functools
import os
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from qrr_lib.arrays import read_arrays
from qrr_lib.embed.cache import text_key
from qrr_lib.files import atomic_path, data_dir


@dataclass(frozen=True)
class States:
    """N texts with T states in all: a text with one state owns one row, a text with
    token states owns a row a token.

    Attributes
    ----------
    rows : (T, …) tensor or array
        What a scorer compares: statevectors, Bloch vectors, or angle codes.
    offsets : (N + 1,) int64
        Text i has the rows offsets[i] … offsets[i + 1] − 1; none if the two are equal.
    token_ids : (T,) uint32, or None for one state a text
        Word pieces by number.
    """

    rows: torch.Tensor | np.ndarray
    offsets: np.ndarray
    token_ids: np.ndarray | None = None

    @classmethod
    def from_rows(cls, rows) -> Self:
        """One row a text; states are left as they are."""
        if isinstance(rows, States):
            return rows
        return cls(rows, np.arange(len(rows) + 1))

    @classmethod
    def of(cls, rows: list[np.ndarray], token_ids: list[np.ndarray]) -> Self:
        """From the rows and the token ids (T,) of every text."""
        ids = np.concatenate(token_ids).astype(np.uint32)
        return cls(np.concatenate(rows), offsets_of(map(len, rows)), ids)

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """One after the other, in memory."""
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        rows = [part.rows for part in parts]
        tensors = isinstance(rows[0], torch.Tensor)
        rows = torch.cat(rows) if tensors else np.concatenate(rows)
        ids = [part.token_ids for part in parts]
        ids = None if ids[0] is None else np.concatenate(ids)
        return cls(rows, offsets_of(lengths), ids)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, texts: slice | list[int]) -> Self:
        """Gather texts by a slice or positions; only their rows are copied."""
        starts, ends = self.offsets[:-1][texts], self.offsets[1:][texts]
        lengths = ends - starts
        offsets = offsets_of(lengths)
        index = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        ids = None if self.token_ids is None else self.token_ids[index]
        return States(self.rows[index], offsets, ids)


def offsets_of(lengths) -> np.ndarray:
    """Lengths of N texts → (N + 1,) int64: where each begins, and the end."""
    return np.cumsum([0, *lengths], dtype=np.int64)


@functools.lru_cache(maxsize=4)
def shipped_states(model: str, model_sha256: str, angles_sha256: str):
    """Codes that come with the course: ({key of a text: position}, States).

    Empty for another model or another map than theirs: codes of two maps cannot be
    compared.
    """
    try:
        file = read_arrays(data_dir() / "course" / "tokens" / f"{model}.npz")
    except FileNotFoundError:
        return {}, None
    made_by = str(file["model_sha256"]), str(file["map_sha256"])
    if made_by != (model_sha256, angles_sha256):
        return {}, None
    keys = {key.tobytes(): i for i, key in enumerate(file["keys"])}
    ids = file["token_ids"].astype(np.uint32)
    return keys, States(file["codes"], offsets_of(file["lengths"]), ids)


def write_shipped(
    path: str | os.PathLike, texts: list[str], states: States, about: dict
) -> None:
    """Store the codes of texts under their keys, with the hashes of model and map."""
    with atomic_path(path) as partial:
        np.savez_compressed(
            partial,
            keys=np.array([np.frombuffer(text_key(t), dtype=np.uint8) for t in texts]),
            codes=states.rows,
            lengths=np.diff(states.offsets).astype(np.uint16),
            token_ids=states.token_ids.astype(np.uint16),
            model_sha256=about["model_sha256"],
            map_sha256=about["map_sha256"],
        )
