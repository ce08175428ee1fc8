"""The one similarity that training and reranking share, and the α it is mixed with
(lessons 07 and 08).

A head maps embeddings (B, D) either to qubit angles (B, L, n, 2), as
`QubitAnglePredictor` does, or, if it is a classical rival without a circuit, to unit
vectors (B, k).
"""

import numpy as np
import torch
from torch import nn

from qrr_lib.encode.similarity import COSINE, Similarity, similarity_named
from qrr_lib.rank.judged import ALPHAS, JudgedCandidates, Vectors, sweep

LEAST_DEV_QUERIES = 10


def similarity_for(head: nn.Module, name: str) -> Similarity:
    """What the outputs of a head are compared by: the cosine of unit vectors whatever
    the name, else the similarity of that name.

    Raises ValueError for an unknown name.
    """
    if not hasattr(head, "circuit"):
        return COSINE
    return similarity_named(name)


def rows_of(
    head: nn.Module, similarity: Similarity, vectors: torch.Tensor, queries=False
) -> torch.Tensor:
    """What `similarity` compares of embeddings (B, D), with gradients: states, Bloch
    vectors, or a rival's unit vectors, (B, …).
    """
    own = queries and hasattr(head, "forward_queries")
    out = head.forward_queries(vectors) if own else head(vectors)
    return out if similarity is COSINE else similarity.rows(out, head.circuit)


@torch.no_grad()
def document_rows(head: nn.Module, similarity: str, vectors: np.ndarray):
    """`rows_of` documents (N, D), computed in blocks, without gradients: (N, …)."""
    compared = similarity_for(head, similarity)
    blocks = torch.as_tensor(vectors).split(2048)
    return torch.cat([rows_of(head, compared, block) for block in blocks])


@torch.no_grad()
def candidate_similarity(
    head: nn.Module, similarity: str, vectors: Vectors, candidates, documents=None
) -> np.ndarray:
    """Similarity of every query with its `Candidates`, in [0, 1], as a `Reranker`
    would mix it: (Q, K).

    `documents`, if given, is what `document_rows` made of `vectors.docs`.
    """
    if documents is None:
        documents = document_rows(head, similarity, vectors.docs)
    compared = similarity_for(head, similarity)
    queries = torch.as_tensor(vectors.of(candidates.query_ids))
    queries = rows_of(head, compared, queries, queries=True)
    found = zip(queries.split(1), torch.as_tensor(candidates.rows))
    values = [compared.pairs(query, documents[rows]) for query, rows in found]
    return torch.cat(values).numpy()


def cautious_gain(values: np.ndarray, baseline: np.ndarray) -> float:
    """Mean gain over the baseline less two standard errors: what a few dev queries
    vouch for although they were asked many times.

    Every epoch and every α asks the same dev queries, and the best of many answers
    flatters. A gain that rests on one query counts as none.
    """
    gain = values - baseline
    if len(gain) < 2:
        return 0.0
    return float(gain.mean() - 2 * gain.std(ddof=1) / np.sqrt(len(gain)))


def choose_alpha(
    candidates: JudgedCandidates, similarity: np.ndarray, alphas=ALPHAS
) -> tuple[float, float]:
    """Return (α, gain): the α of the largest cautious gain over cosine, the largest α
    of several equal ones.

    `similarity` is (Q, K). α = 1 (cosine alone) has gain 0 and is always allowed, so
    dev queries that a head does not help choose "leave cosine alone". So do fewer than
    ten dev queries: they vouch for nothing.
    """
    if len(candidates.query_ids) < LEAST_DEV_QUERIES:
        return 1.0, 0.0
    alone = candidates.ndcg(candidates.cosine)
    values = sweep(candidates, similarity, [alpha for alpha in alphas if alpha < 1])
    gain, alpha = max((cautious_gain(values[a], alone), a) for a in values)
    return (alpha, gain) if gain > 1e-6 else (1.0, 0.0)
