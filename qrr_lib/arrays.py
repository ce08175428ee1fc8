"""Files of arrays: written whole or not at all, with a checksum that is looked at when
they are read.
"""

import hashlib
import json
import os

from qrr_lib.files import atomic_path, path_of


def write_tensors(
    path: str | os.PathLike, tensors: dict, about: dict[str, str]
) -> None:
    """Write tensors and what is to be said about them to one safetensors file,
    atomically, with a checksum of all of it; OSError where that fails.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    checksum = {"sha256": tensors_digest(tensors, about)}
    with atomic_path(path) as partial:
        try:
            save_file(tensors, partial, about | checksum)
        except SafetensorError as error:  # no room, most likely
            raise OSError(f"{path} could not be written: {error}") from None


def read_tensors(
    path: str | os.PathLike, checksum: bool = True
) -> tuple[dict[str, str], dict]:
    """Read a safetensors file: (metadata, {name: tensor}).

    FileNotFoundError if there is none, ValueError if it cannot be read, or is not what
    `write_tensors` wrote (without `checksum`, any such file is read).
    """
    from safetensors.torch import load

    try:
        data = path_of(path).read_bytes()  # once: it may be replaced meanwhile
        tensors = load(data)
        header = data[8 : 8 + int.from_bytes(data[:8], "little")]
        about = json.loads(header).get("__metadata__", {})
    except FileNotFoundError:
        raise
    except Exception as error:
        message = f"{path} is not a readable safetensors file ({error})"
        raise ValueError(message) from None
    if checksum and about.pop("sha256", None) != tensors_digest(tensors, about):
        raise ValueError(
            f"{path} is damaged or was changed: its checksum does not match; make it "
            "again"
        )
    return about, tensors


def tensors_digest(tensors: dict, about: dict[str, str]) -> str:
    """SHA-256 of tensors, their names, types and shapes, and what is said about
    them.
    """
    import torch

    digest = hashlib.sha256(json.dumps(sorted(about.items())).encode())
    for name, tensor in sorted(tensors.items()):
        shape = json.dumps([name, f"{tensor.dtype}", tensor.shape])
        digest.update(shape.encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def read_arrays(path: str | os.PathLike) -> dict:
    """Read an archive of NumPy arrays (.npz), whole: {name: array}.

    FileNotFoundError if there is none, ValueError if it is damaged (its members carry
    checksums).
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except FileNotFoundError:
        raise
    except Exception as error:  # of zipfile, zlib, struct, NumPy's header
        raise ValueError(
            f"{path} is damaged ({error}): bring back what came with the course (`git "
            "restore data`)"
        ) from None
