"""Candidates, a mixed score, an order (lessons 05, 06 and 09).

first_stage, faiss_index, recall, words: candidates · candidates: those of many queries
as matrices · scorer: one state a text · states, maxsim, token_encoder, token_scorer,
token_store, token_index: one state a token · reranker: the whole flow ·
one_inner_product, hybrid_index: the same in one stage · metrics: what an order is
worth
"""

from __future__ import annotations

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "first_stage": ["FaissRetriever"],
        "recall": ["neighbour_recall", "noisy_copies"],
        "words": ["bm25_run", "reciprocal_rank_fusion"],
        "metrics": ["evaluate", "per_query", "relevant", "unjudged_at"],
        "candidates": ["Pool", "Vectors", "embed_collection", "make_pool", "sweep"],
        "scorer": ["StateScorer"],
        "reranker": ["HybridReranker", "RankedDocument"],
        "maxsim": ["max_sim", "mean_sim"],
        "states": ["TokenCodes"],
        "token_scorer": ["TokenMatch", "TokenScorer"],
        "token_index": ["open_index"],
        "one_inner_product": ["HybridFeatures", "pauli_features"],
        "hybrid_index": ["HybridIndex"],
    },
)
