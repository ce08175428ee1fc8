"""FAISS indexes of five kinds: made, trained, written and read (lesson 05)."""

import hashlib
import json
import os

import numpy as np

from qrr_lib.files import atomic_path, read_tensors

INDEXES = ("flat", "ivf", "ivf_sq8", "ivf_pq", "hnsw")
PER_CELL = 39  # vectors FAISS wants for each centre that it learns
CODEWORDS = 256  # what one byte of a PQ code can name


def build(
    kind: str,
    vectors: np.ndarray,
    cells: int | None,
    code_bytes: int | None,
    links: int,
    seed: int,
):
    """Make a FAISS index for vectors like these (N, D): trained, still empty.

    Settings as in `FaissRetriever`. ValueError for too few vectors to train on, or
    `code_bytes` that do not divide D.
    """
    import faiss

    dim = vectors.shape[1]
    if kind == "flat":
        return faiss.IndexFlatIP(dim)
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(dim, links, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 128
        index.hnsw.efSearch = 128
        return index
    cells = _cells(kind, len(vectors), cells)
    storage = {
        "ivf": "Flat",
        "ivf_sq8": "SQ8",
        "ivf_pq": f"PQ{_code_bytes(dim, code_bytes)}np",  # np: no slow polysemous sort
    }[kind]
    description = f"IVF{cells},{storage}"
    index = faiss.index_factory(dim, description, faiss.METRIC_INNER_PRODUCT)
    learners = [index.cp, index.pq.cp] if kind == "ivf_pq" else [index.cp]
    for learner in learners:  # k-means of cells, of codewords
        learner.seed = seed + 1
        learner.niter = 10
        learner.max_points_per_centroid = 64
    index.nprobe = max(8, cells // 64)
    index.train(vectors)
    return index


def _cells(kind: str, n: int, asked: int | None) -> int:
    """Cells for n vectors; ValueError if these are too few to learn from."""
    cells = asked or max(4, min(round(4 * n**0.5), n // PER_CELL))
    needed = PER_CELL * max(cells, CODEWORDS if kind == "ivf_pq" else 0)
    if n < needed:
        fewer = ", ask for fewer cells," if asked else ""
        raise ValueError(
            f"{kind!r} learns from the first vectors it is given and needs at least "
            f"{needed:,} of them, not {n:,}: add more at once{fewer} or take "
            "index='flat', which is exact and quick up to about 100,000 vectors"
        )
    return cells


def _code_bytes(dim: int, asked: int | None) -> int:
    """Bytes of a PQ code for vectors of `dim` numbers."""
    divisors = [m for m in range(1, dim // 8 + 1) if dim % m == 0]
    code_bytes = asked or max(divisors, default=1)
    if dim % code_bytes:
        raise ValueError(
            f"code_bytes must divide the {dim} numbers of a vector; {code_bytes} does "
            "not"
        )
    return code_bytes


def size_in_bytes(index) -> int:
    """Bytes of an index as written to disk."""
    import faiss

    return len(faiss.serialize_index(index))


def write(path: str | os.PathLike, index, settings: dict) -> None:
    """Write an index and its settings to one safetensors file, atomically."""
    import faiss
    from safetensors.numpy import save_file

    data, about = faiss.serialize_index(index), json.dumps(settings)
    metadata = {"faiss": about, "sha256": _digest(data, about)}
    with atomic_path(path) as partial:
        save_file({"index": data}, partial, metadata)


def read(path: str | os.PathLike) -> tuple[dict, object]:
    """Read what `write` wrote: (settings, index); ValueError for a damaged file."""
    import faiss

    try:
        metadata, tensors = read_tensors(path)
        data, about = tensors["index"].numpy(), metadata["faiss"]
        whole = metadata["sha256"] == _digest(data, about)
    except (ValueError, KeyError):
        whole = False
    if not whole:
        raise ValueError(
            f"{path} was not written by FaissRetriever.save, or it is cut short or "
            "damaged: save the index again"
        )
    return json.loads(about), faiss.deserialize_index(data)


def _digest(data: np.ndarray, about: str) -> str:
    return hashlib.sha256(about.encode() + data.tobytes()).hexdigest()
