"""Collections as vectors, embedded now or shipped without their texts, and candidates
of many queries with their judgements beside them (lessons 07 and 08).
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from qrr_lib.arrays import read_tensors
from qrr_lib.embed.collection import Collection, load_collection
from qrr_lib.files import data_dir
from qrr_lib.rank.metrics import Qrels, checked_grades
from qrr_lib.rank.mix import Candidates

ALPHAS = tuple(round(0.1 * i, 1) for i in range(11))  # 0, 0.1, … 1


@dataclass(frozen=True)
class JudgedCandidates(Candidates):
    """Candidates with judgements beside them, so that nDCG@10 of a thousand mixtures
    costs seconds.

    Attributes
    ----------
    grades : (Q, K) float array, 0 where nobody judged
    ideal : (Q,) float array
        DCG@10 of the perfect order of *all* judged documents, also of those that the
        first stage missed.

    `metrics.per_query` stays the judge of whatever is published; nDCG here is the same
    number (a test compares them), computed for a whole matrix at once.
    """

    grades: np.ndarray
    ideal: np.ndarray

    def ndcg(self, scores: np.ndarray) -> np.ndarray:
        """nDCG@10 of every query for (Q, K) scores: (Q,); ties keep the first stage's
        order, a query without a relevant document has 0.
        """
        grades = np.take_along_axis(self.grades, self.order(scores)[:, :10], axis=1)
        gained = grades @ _discounts(grades.shape[1])
        none = np.zeros(len(gained))
        return np.divide(gained, self.ideal, out=none, where=self.ideal > 0)


class Vectors(NamedTuple):
    """Embeddings of a collection: `docs` (N, D) in the order of `collection.docs`,
    `queries` {query id: (D,)}; rows of norm 1.
    """

    docs: np.ndarray
    queries: dict[str, np.ndarray]

    def of(self, query_ids) -> np.ndarray:
        """Stack the vectors of some queries: (Q, D)."""
        return np.stack([self.queries[qid] for qid in query_ids])


def embed_collection(embedder, collection: Collection) -> Vectors:
    """Embed all documents and all queries of a collection with a `TextEmbedder`."""
    queries = embedder.encode(list(collection.queries.values()))
    docs = embedder.encode(collection.texts())
    return Vectors(docs, dict(zip(collection.queries, queries)))


def load_vectors(
    name: str | os.PathLike = "scifact", model: str = "all-MiniLM-L6-v2"
) -> tuple[Collection, Vectors]:
    """Load ids, judgements and vectors of a collection that has no texts: its folder
    holds BEIR's layout with empty texts, and one safetensors file a model.

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


def judged_candidates(
    vectors: Vectors, collection: Collection, qrels: Qrels, k: int = 100
) -> JudgedCandidates:
    """First stage by exact cosine for the queries of `qrels`, with their judgements."""
    doc_ids, query_ids = list(collection.docs), list(qrels)
    if not query_ids:
        raise ValueError("there are no judged queries in this split")
    cosine = vectors.of(query_ids) @ vectors.docs.T  # (Q, N)
    rows = np.argsort(-cosine, axis=1, kind="stable")[:, :k]  # (Q, K)
    signals = {"cosine": np.take_along_axis(cosine, rows, axis=1)}
    return judge(Candidates(query_ids, doc_ids, rows, signals), qrels)


def judge(candidates: Candidates, qrels: Qrels) -> JudgedCandidates:
    """Put judgements beside candidates; a document that is not listed has grade 0."""
    grades = np.zeros(candidates.rows.shape)
    qrels = {qid: checked_grades(qrels[qid]) for qid in candidates.query_ids}
    for q, (qid, rows) in enumerate(zip(candidates.query_ids, candidates.rows)):
        judged = [qrels[qid].get(candidates.doc_ids[d], 0) for d in rows]
        grades[q] = np.where(rows < 0, 0, judged)
    ideal = np.array([_best_dcg(qrels[qid]) for qid in candidates.query_ids])
    parts = {f.name: getattr(candidates, f.name) for f in fields(Candidates)}
    return JudgedCandidates(**parts, grades=grades, ideal=ideal)


def sweep(
    candidates: JudgedCandidates, similarity: np.ndarray, alphas=ALPHAS
) -> dict[float, np.ndarray]:
    """nDCG@10 of every query at every α: {α: (Q,)}; `similarity` is (Q, K)."""
    both = candidates.with_signal("states", similarity)
    return {alpha: both.ndcg(both.mix(alpha)) for alpha in alphas}


def _discounts(k: int) -> np.ndarray:
    return 1 / np.log2(np.arange(2, k + 2))


def _best_dcg(judged: Mapping[str, int]) -> float:
    grades = np.sort(list(judged.values()))[::-1][:10]
    return float(grades @ _discounts(len(grades)))
