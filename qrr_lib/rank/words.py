"""First stages by words, and two lists made one (lesson 08)."""

from collections.abc import Mapping

import numpy as np

from qrr_lib.embed.collection import Collection
from qrr_lib.rank.metrics import Run, best_first


def reciprocal_rank_fusion(
    runs: list[Run], k: int = 60, depth: int = 100
) -> dict[str, dict[str, float]]:
    """Fuse runs by Σ 1/(k + rank) (Cormack, Clarke & Büttcher 2009), keeping the best
    `depth` documents of each query.
    """
    fused: dict[str, dict[str, float]] = {}
    for run in runs:
        for qid, found in run.items():
            total = fused.setdefault(qid, {})
            for rank, doc in enumerate(best_first(found), 1):
                total[doc] = total.get(doc, 0.0) + 1 / (k + rank)
    return {
        qid: {doc: total[doc] for doc in best_first(total)[:depth]}
        for qid, total in fused.items()
    }


def bm25_run(
    collection: Collection, queries: Mapping[str, str], k: int = 100
) -> dict[str, dict[str, float]]:
    """First stage by words: BM25 of `bm25s` with its defaults and English stop words,
    {query id: {document id: score}}.
    """
    import bm25s

    options = {"stopwords": "en", "show_progress": False}
    ids, index = list(collection.docs), bm25s.BM25()
    texts = bm25s.tokenize(collection.texts(), **options)
    index.index(texts, show_progress=False)
    asked = bm25s.tokenize(list(queries.values()), return_ids=False, **options)
    run = {}
    for qid, words in zip(queries, asked):
        scores = index.get_scores(words) if words else np.zeros(len(ids))
        best = np.argsort(-scores, kind="stable")[:k]
        run[qid] = {ids[i]: float(scores[i]) for i in best}
    return run
