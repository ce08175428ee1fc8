"""The arms of the comparison: every head with its twin and its controls, each one name
away from the next (lesson 08).

An arm that nothing is compared with proves nothing. Each quantum-inspired head here has
a classical twin with as many parameters; the entangled one also has a separable twin;
and two controls ask what could be had without the query, or without training.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import nn

from qrr_lib.encode.angles import QubitAnglePredictor
from qrr_lib.encode.circuit import Circuit
from qrr_lib.encode.heads import EquatorialHead
from qrr_lib.learn.published import CompressionAnchor
from qrr_lib.learn.twins import DocumentOnly, SphereTwin, VectorHead


class Arm(NamedTuple):
    """A head, the similarity it is compared with, whether it is trained, and where the
    learned scale of its logit starts.
    """

    head: nn.Module
    similarity: str
    trained: bool = True
    scale: float = 20.0


def make_arm(
    name: str, embedding_dim: int, seed: int = 0, doc_vectors: np.ndarray | None = None
) -> Arm:
    """Build an arm by name; `ARMS` lists them. "pca" needs `doc_vectors`, to find their
    principal directions.
    """
    if name not in ARMS:
        raise ValueError(f"unknown arm {name!r}; choose one of {', '.join(ARMS)}")
    if name.startswith("pca") and doc_vectors is None:
        raise ValueError("the arm 'pca_128' needs doc_vectors")
    return ARMS[name](embedding_dim, seed, doc_vectors)


MIX = Circuit(6, 2, "cz_ring")
ARMS = {  # name: (embedding size D, seed, document vectors) -> Arm
    "qubits_64": lambda d, s, v: Arm(
        EquatorialHead(d, Circuit(64), seed=s), "local_fidelity"
    ),
    "qubits_64_log": lambda d, s, v: Arm(
        EquatorialHead(d, Circuit(64), seed=s), "geometric_fidelity"
    ),
    "qubits_64_untrained": lambda d, s, v: Arm(
        EquatorialHead(d, Circuit(64), seed=s), "local_fidelity", False
    ),
    "classical_128": lambda d, s, v: Arm(VectorHead(d, 128, seed=s), "cosine"),
    "one_qubit_untrained": lambda d, s, v: Arm(
        QubitAnglePredictor(d, seed=s), "local_fidelity", False
    ),
    "one_qubit": lambda d, s, v: Arm(QubitAnglePredictor(d, seed=s), "local_fidelity"),
    "one_qubit_twin_same_angles": lambda d, s, v: Arm(
        SphereTwin(QubitAnglePredictor(d, seed=s)), "cosine"
    ),
    "one_qubit_twin_3_outputs": lambda d, s, v: Arm(
        VectorHead(d, 3, hidden_dim=256, seed=s), "cosine"
    ),
    "entangled_6x2": lambda d, s, v: Arm(
        EquatorialHead(d, MIX, seed=s), "fidelity", scale=20 / 6
    ),
    "separable_6x2": lambda d, s, v: Arm(
        EquatorialHead(d, Circuit(6, 2), seed=s), "fidelity", scale=20 / 6
    ),
    "classical_24": lambda d, s, v: Arm(VectorHead(d, 24, seed=s), "cosine"),
    "pca_128": lambda d, s, v: Arm(VectorHead.principal(v, 128), "cosine", False),
    "random_128": lambda d, s, v: Arm(VectorHead(d, 128, seed=s), "cosine", False),
    "document_only": lambda d, s, v: Arm(
        DocumentOnly(EquatorialHead(d, Circuit(64), seed=s), seed=s), "local_fidelity"
    ),
    "anchor_2501_04591": lambda d, s, v: Arm(CompressionAnchor(d, seed=s), "fidelity"),
    "anchor_linear_256": lambda d, s, v: Arm(VectorHead(d, 256, seed=s), "cosine"),
}
