"""A folder that reranks where there is no PyTorch (lesson 04)."""

import json
import math
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from qrr_lib.embed.embedder import TextEmbedder
from qrr_lib.embed.finder import model_folder
from qrr_lib.embed.int8 import int8_file
from qrr_lib.embed.models import model_spec
from qrr_lib.encode.qubit_map import QubitMap


def export_edge(
    folder: str | os.PathLike, model: str | None = None, angles: QubitMap | None = None
) -> Path:
    """Write embedder (8 bits), tokenizer, map (None: the one that the course ships) and
    the script rerank.py into a new folder, all or nothing.

    The script needs NumPy, onnxruntime and tokenizers. ValueError if the folder is
    there and not empty.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not empty: take a new folder")
    spec = model_spec(model)
    angles = angles or QubitMap.shipped(spec.name)
    weights = model_folder(spec.name)
    about = {
        "model": spec.name,
        "max_length": TextEmbedder(spec.name, cache=False).model.max_seq_length,
        "bits": angles.bits,
        "stretch": angles.scale * math.sqrt(2 * angles.n_qubits),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder.parent) as root:
        work = Path(root) / "edge"
        work.mkdir()
        shutil.copy(int8_file(spec, weights), work / "embedder.onnx")
        shutil.copy(weights / "tokenizer.json", work)
        shutil.copy(Path(__file__).with_name("edge_script.py"), work / "rerank.py")
        arrays = {"mean": angles.mean.numpy(), "directions": angles.directions.numpy()}
        np.savez(work / "map.npz", **arrays)
        (work / "about.json").write_text(json.dumps(about), "utf-8", newline="\n")
        if folder.exists():
            folder.rmdir()  # empty, or it would have been refused
        os.replace(work, folder)
    return folder
