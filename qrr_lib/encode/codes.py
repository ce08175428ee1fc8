"""Angles in a byte or half a byte each, and the table that turns such codes into Bloch
vectors (lesson 09).
"""

import functools
import math

import numpy as np
import torch
from torch import nn

from qrr_lib.encode.formulas import bloch_vectors

BITS = (4, 8)  # that an angle may take in a code


def check_bits(bits) -> int:
    """Return `bits` if codes of so many bits an angle exist, else raise ValueError."""
    if not hasattr(bits, "__index__") or bits not in BITS:
        raise ValueError(
            f"an angle is stored in {' or '.join(map(str, BITS))} bits, not {bits!r}"
        )
    return int(bits)


def code_bits(angles) -> int:
    """Bits an angle in which an angle source wants to be stored; 8 unless it says
    otherwise.
    """
    return getattr(angles, "bits", 8)


def angles_to_codes(angles: torch.Tensor, bits: int = 8) -> np.ndarray:
    """Angles (B, 1, n, 2) → codes uint8: a byte an angle, (B, n, 2), or with `bits=4` a
    byte a qubit, (B, n), θ in its upper half.

    θ's half-turn and γ's turn are cut into 2^bits equal steps each; a code stands for
    the middle of its step, so θ is off by at most π/512 and γ by at most π/256 (4 bits:
    π/32 and π/16). ValueError for more than one layer.
    """
    if angles.ndim != 4 or angles.shape[1] != 1 or angles.shape[-1] != 2:
        raise ValueError(
            "angle codes hold product states of one layer, angles (B, 1, n, 2); these "
            f"have shape {tuple(angles.shape)}"
        )
    levels = 2 ** check_bits(bits)
    angles = angles[:, 0].detach().float()
    steps = angles * angles.new_tensor([levels / math.pi, levels / (2 * math.pi)])
    codes = steps.floor().clamp(0, levels - 1).to(torch.uint8).cpu().numpy()
    return codes if bits == 8 else codes[..., 0] << 4 | codes[..., 1]


def codes_to_angles(codes: np.ndarray) -> torch.Tensor:
    """The angles in the middle of the steps: codes (B, n, 2) or (B, n) uint8 → (B, 1,
    n, 2) float32.
    """
    codes, levels = np.asarray(codes), 256
    if codes.ndim == 2:  # a byte a qubit
        codes, levels = np.stack([codes >> 4, codes & 15], axis=-1), 16
    middle = torch.as_tensor(codes.astype(np.float32)) + 0.5
    steps = torch.tensor([math.pi / levels, 2 * math.pi / levels])
    return (middle * steps).unsqueeze(1)


@functools.cache
def bloch_table(bits: int = 8) -> np.ndarray:
    """Bloch vector of every pair of codes, (65536, 4) float32, row θ-code + 256·γ-code
    (a pair of bytes read as one number), or (256, 4).

    The fourth number is 0: rows of 16 bytes are looked up in two thirds of the time.
    """
    every = np.arange(256, dtype=np.uint8)[:, None]
    if bits == 8:
        every = np.arange(256**2, dtype="<u2").view(np.uint8).reshape(-1, 1, 2)
    vectors = bloch_vectors(codes_to_angles(every).double())[:, 0]
    table = nn.functional.pad(vectors, (0, 1)).float().numpy()
    table.flags.writeable = False
    return table


def codes_to_features(codes: np.ndarray) -> np.ndarray:
    """Look codes of T tokens up in `bloch_table`: (T, 4n) float32, so that the inner
    product of two rows is Σ nᵢ·mᵢ.
    """
    bits, rows = 4, codes
    if codes.ndim == 3:  # two bytes a qubit, read as one number
        bits, rows = 8, np.ascontiguousarray(codes).view("<u2")[..., 0]
    vectors = bloch_table(bits).take(rows, axis=0)  # (T, n, 4)
    return vectors.reshape(len(codes), 4 * codes.shape[1])


def codes_to_bloch(codes: np.ndarray) -> np.ndarray:
    """Bloch vectors of codes: T tokens → (T, n, 3) float32."""
    return codes_to_features(codes).reshape(*codes.shape[:2], 4)[..., :3]
