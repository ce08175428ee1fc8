"""One fingerprint for any angle source: what was computed with one of two sources may
serve the other exactly if their fingerprints are equal (lesson 09).
"""

import hashlib

import torch
from torch import nn

from qrr_lib.encode.codes import code_bits


def fingerprint(angles) -> str:
    """SHA-256 (64 hexadecimal digits) of an angle source: its kind, every setting that
    changes its output, and every weight, byte by byte.

    A source with an attribute `sha256` has that as its fingerprint: `OnnxAngles` keeps
    the hash of its file there, and a module of your own can, if it has settings that
    neither its layers nor its weights show. Raises ValueError for what is no
    `nn.Module` and has none.
    """
    if isinstance(getattr(angles, "sha256", None), str):
        return angles.sha256
    if not isinstance(angles, nn.Module):
        raise ValueError(
            f"a {type(angles).__name__} has no weights to tell it apart: give it an "
            "attribute `sha256`"
        )
    settings = [type(angles).__name__, angles.circuit, getattr(angles, "scale", "")]
    if code_bits(angles) == 4:
        settings.append("4 bits")
    if not hasattr(angles, "SETTINGS"):  # no class of ours: its layers may be anything
        settings.extend(angles.children())
    digest = hashlib.sha256(" ".join(map(str, settings)).encode())
    for name, tensor in sorted(angles.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
