"""Vectors of a public collection that come with the course, without its texts: enough
to search, train and judge (lesson 08).

A folder holds BEIR's layout with empty texts, and one safetensors file a model.
"""

import hashlib
import json
import os

import numpy as np

from qrr_lib.arrays import read_tensors
from qrr_lib.embed.collection import Collection, load_collection
from qrr_lib.files import data_dir
from qrr_lib.rank.judged import Vectors


def load_vectors(
    name: str | os.PathLike = "scifact", model: str = "all-MiniLM-L6-v2"
) -> tuple[Collection, Vectors]:
    """Load ids, judgements and vectors of a collection that has no texts.

    Parameters
    ----------
    name : str or path
        A folder in data/, or any folder that `tools/scifact_vectors.py` wrote.
    model : str
        The embedding model that made the vectors.

    Returns
    -------
    Collection, Vectors
        Every text is empty. Rows of `docs` are in the order of `collection.docs`;
        float32 of norm 1, rounded to float16 on disk.

    Raises
    ------
    FileNotFoundError
        No such folder, or no vectors by that model in it.
    ValueError
        A file was changed: ids, judgements and vectors have one SHA-256.
    """
    folder = data_dir() / name
    path = folder / f"{model}.safetensors"
    repair = (
        f"`git restore {folder.name}` in data/ brings back what came with the course, "
        "`python -m tools.scifact_vectors FOLDER` writes it anew from the texts"
    )
    for needed in (folder / "corpus.jsonl", folder / "queries.jsonl", path):
        if not needed.is_file():
            raise FileNotFoundError(f"there is no {needed}: {repair}")
    try:
        collection = load_collection(folder)
        about, tensors = read_tensors(path, checksum=False)  # has its own
        docs, queries = (tensors[part].numpy() for part in ("docs", "queries"))
        if about["sha256"] != vectors_digest(collection, docs, queries):
            raise ValueError("ids, judgements or vectors: the SHA-256 does not match")
    except (ValueError, KeyError) as error:
        raise ValueError(f"{folder} is damaged ({error}): {repair}") from None
    docs, queries = (rows.astype(np.float32) for rows in (docs, queries))
    for rows in (docs, queries):
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return collection, Vectors(docs, dict(zip(collection.queries, queries)))


def vectors_digest(
    collection: Collection, docs: np.ndarray, queries: np.ndarray
) -> str:
    """SHA-256 of a collection's ids and judgements and of the rows (N, D), (Q, D) as
    they are stored.
    """
    ids = [list(collection.docs), list(collection.queries), collection.qrels]
    listed = json.dumps(ids, sort_keys=True).encode()
    stored = docs.tobytes() + queries.tobytes()
    return hashlib.sha256(listed + stored).hexdigest()
