"""Candidates, a mixed score, an order (lessons 05 to 09).

first_stage, faiss_index, recall, words, union: what is worth reranking · states:
encoded texts as ragged rows · codecs: texts to states, one per text or one per token ·
maxsim, scorer: states compared · mix: the mixed score · ranking: a result that shows
itself · indexed, reranker, explain: the whole flow · judged: collections as vectors,
candidates with judgements · one_inner_product: the same score in one stage · metrics:
what an order is worth
"""

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "first_stage": "FaissRetriever",
        "recall": "neighbour_recall noisy_copies",
        "words": "BM25 bm25_run reciprocal_rank_fusion",
        "union": "Union",
        "mix": "Candidates RankedDocument",
        "judged": "JudgedCandidates Vectors embed_collection judge judged_candidates "
        "load_vectors sweep",
        "states": "States",
        "scorer": "Scorer",
        "maxsim": "max_sim mean_sim",
        "ranking": "Ranking",
        "reranker": "Reranker",
        "explain": "TokenMatch",
        "one_inner_product": "HybridIndex",
        "metrics": "evaluate per_query read_run relevant unjudged_at",
    },
)
