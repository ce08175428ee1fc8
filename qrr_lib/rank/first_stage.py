"""First-stage search with FAISS: which documents are worth reranking (lesson 05).

Five ways to find the largest inner products (cosines, for unit vectors), from exact to compressed; FAISS does the work
(Johnson, Douze & Jégou 2017, arXiv:1702.08734). Defaults follow from N, the number of vectors in the first `add`:

    cells of an IVF index    4·√N, at least 4, and never so many that a cell has fewer than 39 vectors to learn its centre from
    nprobe                   a sixty-fourth of the cells, at least 8
    bytes of a PQ code       the largest divisor of D up to D/8
    links of an HNSW node    32; 128 candidates kept in view while building and (efSearch) while searching, there never fewer than k
"""
from __future__ import annotations

import hashlib
import json
import os

import numpy as np

from qrr_lib.embed.collection import check_ids
from qrr_lib.files import atomic_path

INDEXES = ("flat", "ivf", "ivf_sq8", "ivf_pq", "hnsw")
PER_CELL = 39                                   # vectors FAISS wants for each centre that it learns
CODEWORDS = 256                                 # what one byte of a PQ code can name
MAGIC = b"QRR index, v1\n\0\0"                  # first 16 bytes of a saved retriever


class FaissRetriever:
    """Nearest neighbours by inner product (cosine, for unit vectors).

    Parameters
    ----------
    index : {"flat", "ivf", "ivf_sq8", "ivf_pq", "hnsw"}
        "flat" compares the query with every vector: exact, and the reference for the others. "ivf" looks into the nearest cells
        only; "ivf_sq8" also stores each number in one byte; "ivf_pq" stores a vector in a few bytes; "hnsw" walks a graph of links.
    cells, code_bytes, links : int or None
        Cells of an IVF index, bytes of a PQ code (a divisor of D), links of an HNSW node; None takes the rule above.
    seed : int
        Of the learned centres; give the first `add`, which teaches them, everything or a fair sample. (HNSW is repeatable on one thread.)
    """

    def __init__(self, index: str = "flat", cells: int | None = None, code_bytes: int | None = None, links: int | None = None, seed: int = 0):
        if index not in INDEXES:
            raise ValueError(f"unknown index {index!r}; choose one of {', '.join(INDEXES)}")
        for name, value in (("cells", cells), ("code_bytes", code_bytes), ("links", links)):
            _whole(name, 1 if value is None else value)
        self.kind, self.cells, self.code_bytes, self.links, self.seed = index, cells, code_bytes, links or 32, seed
        self.ids: list[str] = []
        self._index = None
        self._effort: int | None = None         # nprobe or efSearch, if set before there is an index

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nprobe(self) -> int | None:
        """Cells that a search looks into (IVF kinds); more cells find more and take longer. None before the first `add` unless set."""
        self._only("ivf", "nprobe")
        return self._effort if self._index is None else self._index.nprobe

    @nprobe.setter
    def nprobe(self, value: int) -> None:
        self._only("ivf", "nprobe")
        self._effort = _whole("nprobe", value)
        if self._index is not None:
            self._index.nprobe = self._effort

    @property
    def ef_search(self) -> int | None:
        """Candidates that a walk keeps in view (HNSW); more find more and take longer. None before the first `add` unless set."""
        self._only("hnsw", "ef_search")
        return self._effort if self._index is None else self._index.hnsw.efSearch

    @ef_search.setter
    def ef_search(self, value: int) -> None:
        self._only("hnsw", "ef_search")
        self._effort = _whole("ef_search", value)
        if self._index is not None:
            self._index.hnsw.efSearch = self._effort

    def _only(self, family: str, name: str) -> None:
        if not self.kind.startswith(family):
            raise ValueError(f"a {self.kind!r} index has no {name}; " + ("it is always exact" if self.kind == "flat" else
                             "set .nprobe" if self.kind.startswith("ivf") else "set .ef_search"))

    def add(self, ids: list[str], vectors: np.ndarray) -> None:
        """Add (N, D) float32 vectors under N new ids; the first call also trains the IVF kinds.

        Raises ValueError, before anything is stored, for empty, duplicate or non-string ids, NaN, another width than before, or
        too few vectors to train on.
        """
        ids, vectors = list(ids), self._checked(vectors)
        if len(ids) != len(vectors):
            raise ValueError(f"{len(ids)} ids for {len(vectors)} vectors")
        check_ids(ids, self.ids)
        if self._index is None:
            self._index = self._trained(vectors)
        self._index.add(vectors)
        self.ids += ids

    def _trained(self, vectors: np.ndarray):
        """Make the FAISS index for vectors like these (N, D), trained, with nprobe or efSearch set, still empty."""
        import faiss

        n, dim = vectors.shape
        if self.kind == "flat":
            return faiss.IndexFlatIP(dim)
        if self.kind == "hnsw":
            index = faiss.IndexHNSWFlat(dim, self.links, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction, index.hnsw.efSearch = 128, self._effort or 128
            return index
        cells = self.cells or max(4, min(round(4 * n**0.5), n // PER_CELL))
        needed = PER_CELL * max(cells, CODEWORDS if self.kind == "ivf_pq" else 0)
        if n < needed:
            raise ValueError(f"{self.kind!r} learns from the first vectors it is given and needs at least {needed:,} of them, not {n:,}: "
                             "add more at once" + (", ask for fewer cells," if self.cells else "") + " or take index='flat', "
                             "which is exact and quick up to about 100,000 vectors")
        code_bytes = self.code_bytes or max((m for m in range(1, dim // 8 + 1) if dim % m == 0), default=1)
        if dim % code_bytes:
            raise ValueError(f"code_bytes must divide the {dim} numbers of a vector; {code_bytes} does not")
        storage = {"ivf": "Flat", "ivf_sq8": "SQ8", "ivf_pq": f"PQ{code_bytes}np"}[self.kind]       # np: skip the slow polysemous sort
        index = faiss.index_factory(dim, f"IVF{cells},{storage}", faiss.METRIC_INNER_PRODUCT)
        for learner in [index.cp] + ([index.pq.cp] if self.kind == "ivf_pq" else []):               # k-means of cells, of codewords
            learner.seed, learner.niter, learner.max_points_per_centroid = self.seed + 1, 10, 64
        index.nprobe = self._effort or max(8, cells // 64)
        index.train(vectors)
        return index

    def search(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, list[list[str]]]:
        """Find the k best documents for each of (Q, D) queries.

        Returns (scores, ids), best first: (Q, k) float32, with fewer columns if the index holds fewer, and Q lists of ids. An
        approximate index may find fewer than k for some query: its list of ids is then shorter, its scores end in -inf.
        """
        _whole("k", k)
        if not len(self):
            raise ValueError("the index is empty: call .add(ids, vectors) first")
        import faiss

        k = min(int(k), len(self))
        options = faiss.SearchParametersHNSW(efSearch=max(k, self.ef_search)) if self.kind == "hnsw" else None
        scores, rows = self._index.search(self._checked(vectors), k, params=options)
        scores[rows < 0] = -np.inf                                                                  # FAISS writes -1 for "none"
        return scores, [[self.ids[i] for i in row if i >= 0] for row in rows]

    def size_in_bytes(self) -> int:
        """Bytes of the FAISS index as written to disk, ids not counted; 0 before the first `add`."""
        import faiss

        parts: list[int] = []
        if self._index is not None:
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(lambda part: parts.append(len(part)), 1 << 20))
        return sum(parts)

    def save(self, path: str | os.PathLike) -> None:
        """Write index and ids to one file, atomically: magic bytes, length and JSON of what it is, FAISS's own bytes, SHA-256."""
        import faiss

        if self._index is None:
            raise ValueError("the index is empty: nothing to save")
        about = json.dumps({"kind": self.kind, "cells": self.cells, "code_bytes": self.code_bytes, "links": self.links, "seed": self.seed,
                            "ids": self.ids}).encode()
        digest = hashlib.sha256()
        with atomic_path(path) as partial, open(partial, "wb") as file:
            def put(part: bytes) -> None:
                file.write(part)
                digest.update(part)
            put(MAGIC + len(about).to_bytes(8, "little") + about)
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(put, 1 << 20))
            put(digest.digest())
            file.close()                                                                            # before it is moved into place

    @classmethod
    def load(cls, path: str | os.PathLike) -> FaissRetriever:
        """Read a saved retriever; ValueError if the file is no such file, is cut short or was changed."""
        import faiss

        with open(path, "rb") as file:
            start = file.read(len(MAGIC))
            if start != MAGIC[:len(start)]:
                raise ValueError(f"{path} was not written by FaissRetriever.save")
            rest = os.fstat(file.fileno()).st_size - len(MAGIC) - 32
            digest = hashlib.sha256(start)
            while rest > 0 and (part := file.read(min(rest, 1 << 20))):
                digest.update(part)
                rest -= len(part)
            if rest or file.read() != digest.digest():
                raise ValueError(f"{path} is cut short or damaged (its checksum does not match): save the index again")
            file.seek(len(MAGIC))
            about = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            ids = about.pop("ids")
            retriever = cls(about.pop("kind"), **about)
            retriever._index = faiss.read_index(faiss.PyCallbackIOReader(file.read, 1 << 20))
        retriever.ids = ids
        return retriever

    def _checked(self, vectors) -> np.ndarray:
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if vectors.ndim != 2:
            raise ValueError(f"expected vectors of shape (N, D), got {vectors.shape}")
        if self._index is not None and vectors.shape[1] != self._index.d:
            raise ValueError(f"these vectors have {vectors.shape[1]} numbers, the index holds vectors of {self._index.d}: "
                             "use one embedding model for both")
        if not np.isfinite(vectors).all():
            raise ValueError("the vectors hold NaN or infinity; embed those texts again")
        return vectors


def _whole(name: str, value) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a whole number from 1 up, not {value!r}")
    return int(value)
