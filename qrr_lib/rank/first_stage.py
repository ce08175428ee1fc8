"""First-stage search with FAISS: which documents are worth reranking (lesson 05).

Five ways to find the largest inner products (cosines, for unit vectors), from exact to
compressed; FAISS does the work (Johnson, Douze & Jégou 2017, arXiv:1702.08734).
Sizes follow from N, the number of vectors in the first `add`:

    cells of an IVF index    4·√N, at least 4, and never so many that a cell has
                             fewer than 39 vectors to learn its centre from
    nprobe                   a sixty-fourth of the cells, at least 8
    bytes of a PQ code       the largest divisor of D up to D/8
    links of an HNSW node    32; 128 candidates kept in view while building and
                             (efSearch) while searching, there never fewer than k
"""

import json
import os
from typing import Self

import numpy as np

from qrr_lib.arrays import read_tensors, write_tensors
from qrr_lib.checks import check_ids, one_of, whole_number
from qrr_lib.encode.angles import check_vectors
from qrr_lib.rank.faiss_index import INDEXES, build


class FaissRetriever:
    """Nearest neighbours by inner product (cosine, for unit vectors).

    Parameters
    ----------
    index : {"flat", "ivf", "ivf_sq8", "ivf_pq", "hnsw"}
        "flat" compares the query with every vector: exact, and the reference for the
        others. "ivf" looks into the nearest cells only; "ivf_sq8" also stores each
        number in one byte; "ivf_pq" stores a vector in a few bytes; "hnsw" walks a
        graph of links.

    made_by : str or None
        What the vectors come from (a fingerprint of model and head, say). It is kept in
        the file, and who loads it can ask for it.

    The first `add` teaches the IVF kinds their centres: give it everything, or a fair
    sample. Indexes are repeatable (HNSW on one thread).
    """

    words = None  # what scores words: nothing here

    def __init__(self, index: str = "flat", made_by: str | None = None):
        self.kind, self.made_by = one_of("index", index, INDEXES), made_by
        self.ids: list[str] = []
        self._index = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nprobe(self) -> int:
        """Cells that a search looks into (IVF kinds); more cells find more and take
        longer. Set it after the first `add`.
        """
        return self._of_kind("ivf", "nprobe").nprobe

    @nprobe.setter
    def nprobe(self, value: int) -> None:
        self._of_kind("ivf", "nprobe").nprobe = whole_number("nprobe", value)

    @property
    def ef_search(self) -> int:
        """Candidates that a walk keeps in view (HNSW); more find more and take longer.
        Set it after the first `add`.
        """
        return self._of_kind("hnsw", "ef_search").hnsw.efSearch

    @ef_search.setter
    def ef_search(self, value: int) -> None:
        hnsw = self._of_kind("hnsw", "ef_search").hnsw
        hnsw.efSearch = whole_number("ef_search", value)

    def _of_kind(self, family: str, name: str):
        """The index, if it is of a kind that has the setting `name`."""
        if not self.kind.startswith(family):
            hints = {"flat": "it is always exact", "hnsw": "set .ef_search"}
            hint = hints.get(self.kind, "set .nprobe")
            raise ValueError(f"a {self.kind!r} index has no {name}; {hint}")
        return self._filled()

    def _filled(self):
        """The index, once there is something in it."""
        if self._index is None:
            raise ValueError("the index is empty: call .add(ids, vectors) first")
        return self._index

    def add(self, ids: list[str], vectors: np.ndarray, texts=None) -> None:
        """Add (N, D) float32 vectors under N new ids; the first call also trains the
        IVF kinds. `texts` are not looked at.

        Raises ValueError, before anything is stored, for empty, duplicate or non-string
        ids, NaN, another width than before, or too few vectors to train on.
        """
        ids, vectors = check_ids(ids, self.ids), self._checked(vectors)
        if len(ids) != len(vectors):
            raise ValueError(f"{len(ids)} ids for {len(vectors)} vectors")
        if self._index is None:
            self._index = build(self.kind, vectors)
        self._index.add(vectors)
        self.ids += ids

    def find(self, vectors: np.ndarray, texts, k: int) -> list[dict[str, float]]:
        """Each query's best k documents, as every first stage gives them: {document
        id: cosine}, best first.
        """
        lines = zip(*self.search(vectors, k))
        return [dict(zip(ids, map(float, scores))) for scores, ids in lines]

    def search(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, list[list[str]]]:
        """Find the k best documents for each of (Q, D) queries.

        Returns (scores, ids), best first: (Q, k) float32, with fewer columns if the
        index holds fewer, and Q lists of ids. An approximate index may find fewer than
        k for some query: its list of ids is then shorter, its scores end in -inf.
        """
        k, options = self._search_options(k)
        scores, rows = self._index.search(self._checked(vectors), k, params=options)
        scores[rows < 0] = -np.inf  # FAISS writes -1 for "none"
        return scores, [[self.ids[i] for i in row if i >= 0] for row in rows]

    def search_stored(self, vector: np.ndarray, k: int):
        """The k best for one query (D,), with what is stored of them: (ids, scores
        (k,), vectors (k, D)); fewer where an approximate index finds fewer.
        """
        k, options = self._search_options(k)
        asked = self._checked([vector])
        found = self._index.search_and_reconstruct(asked, k, params=options)
        scores, rows, stored = (part[0] for part in found)
        kept = rows >= 0
        return [self.ids[i] for i in rows[kept]], scores[kept], stored[kept]

    def _search_options(self, k: int):
        """(k, at most as many as there are; FAISS's search parameters)."""
        import faiss

        self._filled()
        k = min(whole_number("k", k), len(self))
        if self.kind != "hnsw":
            return k, None
        return k, faiss.SearchParametersHNSW(efSearch=max(k, self.ef_search))

    def size_in_bytes(self) -> int:
        """Bytes of the FAISS index on disk, ids not counted; 0 before `add`."""
        import faiss

        return 0 if self._index is None else len(faiss.serialize_index(self._index))

    def save(self, path: str | os.PathLike) -> None:
        """Write index and ids to one file, atomically."""
        import faiss
        import torch

        data = torch.from_numpy(faiss.serialize_index(self._filled()))
        settings = {"kind": self.kind, "ids": self.ids, "made_by": self.made_by}
        write_tensors(path, {"index": data}, {"faiss": json.dumps(settings)})

    @classmethod
    def load(cls, path: str | os.PathLike, made_by: str | None = None) -> Self:
        """Read a saved retriever.

        ValueError if the file is no such file, is cut short or was changed, or if its
        vectors were not made by `made_by`.
        """
        import faiss

        try:
            about, tensors = read_tensors(path)
            settings = json.loads(about["faiss"])
        except (ValueError, KeyError):
            raise ValueError(
                f"{path} was not written by FaissRetriever.save, or it is cut short or "
                "damaged: save the index again"
            ) from None
        retriever = cls(settings["kind"], settings["made_by"])
        retriever.ids = settings["ids"]
        retriever._index = faiss.deserialize_index(tensors["index"].numpy())
        if made_by is not None:
            retriever.check_made_by(made_by)
        return retriever

    def check_made_by(self, made_by: str) -> None:
        """Raise ValueError if the vectors that are here were made by something else."""
        if len(self) and self.made_by != made_by:
            raise ValueError(
                "these vectors were made by another model, head or similarity "
                f"({self.made_by}, not {made_by}): index the documents again"
            )

    def _checked(self, vectors) -> np.ndarray:
        dim = None if self._index is None else self._index.d
        checked = check_vectors(vectors, dim, "FAISS index").detach().cpu().float()
        return np.ascontiguousarray(checked.numpy())
