"""The one similarity that training and reranking share (lesson 07).

A head maps embeddings (B, D) either to qubit angles (B, L, n, 2), as
`QubitAnglePredictor` does, or, if it is a classical rival, to unit vectors (B, k).
`similarity_of` turns either into a score in [0, 1], with gradients.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from qrr_lib.encode.backends import encode
from qrr_lib.encode.similarity import (
    TINY,
    bloch_vectors,
    fidelity,
    local_fidelity,
    log_fidelity,
)
from qrr_lib.rank.candidates import Pool, Vectors


def represent(
    head: nn.Module, vectors: torch.Tensor, queries: bool = False
) -> torch.Tensor:
    """What a head makes of embeddings (B, D), ready to be compared: Bloch vectors (B,
    n, 3), states (B, 2**n) or unit vectors (B, k).
    """
    out = (
        head.forward_queries(vectors)
        if queries and hasattr(head, "forward_queries")
        else head(vectors)
    )
    if out.ndim == 2:
        return out
    one_layer_product = head.circuit.is_product and head.circuit.n_layers == 1
    return bloch_vectors(out) if one_layer_product else encode(out, head.circuit)


def similarity_of(
    a: torch.Tensor, b: torch.Tensor, kind: str = "fidelity", log: bool = False
) -> torch.Tensor:
    """Similarity in [0, 1] of every pair of represented texts, (A, …), (B, …) → (A, B).

    Bloch vectors: `kind` "geometric_fidelity" F^(1/n), "local_fidelity" or "fidelity"
    F. States: F. Unit vectors: (1 + cosine)/2. With `log`, the logarithm of a fidelity,
    as the loss wants it (a mean of logs for the geometric one); others are left as they
    are.
    """
    if a.is_complex():
        return fidelity(a, b).clamp(min=TINY).log() if log else fidelity(a, b)
    if a.ndim == 2:
        return (1 + a @ b.T) / 2
    if kind == "local_fidelity":
        return local_fidelity(a, b)
    # in blocks of 8 qubits: a faster gradient
    value = sum(log_fidelity(x, y) for x, y in zip(a.split(8, 1), b.split(8, 1)))
    value = value / a.shape[1] if kind == "geometric_fidelity" else value
    return value if log else value.exp()


@torch.no_grad()
def represent_all(head: nn.Module, vectors: np.ndarray) -> torch.Tensor:
    """`represent` documents (N, D) in blocks, without gradients."""
    return torch.cat(
        [represent(head, part) for part in torch.as_tensor(vectors).split(2048)]
    )


@torch.no_grad()
def pool_similarity(
    head: nn.Module,
    kind: str,
    vectors: Vectors,
    pool: Pool,
    documents: torch.Tensor | None = None,
) -> np.ndarray:
    """Similarity of every query with its candidates, in [0, 1], as `HybridReranker`
    would mix it: (Q, K).

    `documents`, if given, is what `represent_all` made of `vectors.docs`.
    """
    a = represent(head, torch.as_tensor(vectors.of(pool.query_ids)), queries=True)
    b = represent_all(head, vectors.docs) if documents is None else documents
    rows = torch.as_tensor(pool.rows)
    # pair by pair, all qubits of a pair at once
    if a.ndim == 3 and kind != "local_fidelity":
        # (K, n) each
        logs = [
            ((1 + (b[r] * a[i]).sum(-1)) / 2).clamp(TINY, 1).log()
            for i, r in enumerate(rows)
        ]
        return torch.stack(
            [
                (x.mean(-1) if kind == "geometric_fidelity" else x.sum(-1)).exp()
                for x in logs
            ]
        ).numpy()
    return np.stack(
        [similarity_of(a[i : i + 1], b[r], kind)[0].numpy() for i, r in enumerate(rows)]
    )
