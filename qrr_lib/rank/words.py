"""First stages by words, and two lists made one (lesson 08)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qrr_lib.embed.collection import Collection
from qrr_lib.rank.metrics import Run


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
            for rank, (doc, _) in enumerate(
                sorted(found.items(), key=lambda item: -item[1]), 1
            ):
                total[doc] = total.get(doc, 0.0) + 1 / (k + rank)
    return {
        qid: dict(sorted(found.items(), key=lambda item: -item[1])[:depth])
        for qid, found in fused.items()
    }


def bm25_run(
    collection: Collection, queries: Mapping[str, str], k: int = 100
) -> dict[str, dict[str, float]]:
    """First stage by words: BM25 of `bm25s` with its defaults and English stop words,
    {query id: {document id: score}}.
    """
    import bm25s

    ids, index = list(collection.docs), bm25s.BM25()
    index.index(
        bm25s.tokenize(collection.texts(), stopwords="en", show_progress=False),
        show_progress=False,
    )
    run = {}
    for qid, words in zip(
        queries,
        bm25s.tokenize(
            list(queries.values()),
            stopwords="en",
            show_progress=False,
            return_ids=False,
        ),
    ):
        scores = index.get_scores(words) if words else np.zeros(len(ids))
        run[qid] = {
            ids[i]: float(scores[i]) for i in np.argsort(-scores, kind="stable")[:k]
        }
    return run
