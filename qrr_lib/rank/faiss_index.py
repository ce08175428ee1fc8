"""FAISS indexes of five kinds: made and trained (lesson 05)."""

import numpy as np

INDEXES = ("flat", "ivf", "ivf_sq8", "ivf_pq", "hnsw")
PER_CELL = 39  # vectors FAISS wants for each centre that it learns
CODEWORDS = 256  # what one byte of a PQ code can name


def build(kind: str, vectors: np.ndarray):
    """Make a FAISS index for vectors like these (N, D): trained, still empty.

    Kinds and rules as in `FaissRetriever`. ValueError for too few vectors to train on.
    """
    import faiss

    dim, cells = vectors.shape[1], _cells(kind, len(vectors))
    code_bytes = max(m for m in range(1, max(dim // 8, 1) + 1) if dim % m == 0)
    description = {
        "flat": "Flat",
        "hnsw": "HNSW32",
        "ivf": f"IVF{cells},Flat",
        "ivf_sq8": f"IVF{cells},SQ8",
        "ivf_pq": f"IVF{cells},PQ{code_bytes}np",  # np: no slow polysemous sort
    }[kind]
    index = faiss.index_factory(dim, description, faiss.METRIC_INNER_PRODUCT)
    if kind == "hnsw":
        index.hnsw.efConstruction = 128
        index.hnsw.efSearch = 128
    if not cells:
        return index
    learners = [index.cp, index.pq.cp] if kind == "ivf_pq" else [index.cp]
    for learner in learners:  # k-means of cells, of codewords
        learner.seed = 1
        learner.niter = 10
        learner.max_points_per_centroid = 64
    index.nprobe = max(8, cells // 64)
    index.train(vectors)
    return index


def _cells(kind: str, n: int) -> int:
    """Cells for n vectors, 0 for a kind without; ValueError if these are too few to
    learn from.
    """
    if kind in ("flat", "hnsw"):
        return 0
    cells = max(4, min(round(4 * n**0.5), n // PER_CELL))
    needed = PER_CELL * max(cells, CODEWORDS if kind == "ivf_pq" else 0)
    if n < needed:
        raise ValueError(
            f"{kind!r} learns from the first vectors it is given and needs at least "
            f"{needed:,} of them, not {n:,}: add more at once or take index='flat', "
            "which is exact, and quick for some hundred thousand vectors"
        )
    return cells
