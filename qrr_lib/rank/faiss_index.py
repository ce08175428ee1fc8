"""FAISS indexes of five kinds: made, trained, written and read (lesson 05)."""

from __future__ import annotations

import hashlib
import json
import os

import numpy as np

from qrr_lib.files import atomic_path

INDEXES = ("flat", "ivf", "ivf_sq8", "ivf_pq", "hnsw")
PER_CELL = 39  # vectors FAISS wants for each centre that it learns
CODEWORDS = 256  # what one byte of a PQ code can name
MAGIC = b"QRR index, v1\n\0\0"  # first 16 bytes of a saved retriever
PART = 1 << 20  # bytes read or written at a time


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

    parts: list[int] = []
    sink = faiss.PyCallbackIOWriter(lambda part: parts.append(len(part)), PART)
    faiss.write_index(index, sink)
    return sum(parts)


def write(path: str | os.PathLike, index, settings: dict) -> None:
    """Write an index and its settings to one file, atomically.

    The file holds magic bytes, the length of a JSON text, that text (the settings),
    FAISS's own bytes, and the SHA-256 of all before it.
    """
    import faiss

    about = json.dumps(settings).encode()
    digest = hashlib.sha256()
    with atomic_path(path) as partial, open(partial, "wb") as file:

        def put(part: bytes) -> None:
            file.write(part)
            digest.update(part)

        put(MAGIC + len(about).to_bytes(8, "little") + about)
        faiss.write_index(index, faiss.PyCallbackIOWriter(put, PART))
        put(digest.digest())
        file.close()  # before it is moved into place


def read(path: str | os.PathLike) -> tuple[dict, object]:
    """Read what `write` wrote: (settings, index); ValueError for a damaged file."""
    import faiss

    with open(path, "rb") as file:
        _verify(path, file)
        file.seek(len(MAGIC))
        settings = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        index = faiss.read_index(faiss.PyCallbackIOReader(file.read, PART))
    return settings, index


def _verify(path: str | os.PathLike, file) -> None:
    """Raise ValueError for another kind of file, or one that was cut or changed."""
    start = file.read(len(MAGIC))
    if start != MAGIC[: len(start)]:
        raise ValueError(f"{path} was not written by FaissRetriever.save")
    rest = os.fstat(file.fileno()).st_size - len(MAGIC) - 32
    digest = hashlib.sha256(start)
    while rest > 0 and (part := file.read(min(rest, PART))):
        digest.update(part)
        rest -= len(part)
    if rest or file.read() != digest.digest():
        raise ValueError(
            f"{path} is cut short or damaged (its checksum does not match): save the "
            "index again"
        )
