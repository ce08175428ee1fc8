"""What lessons 07 and 08 compare: every head with its twin and its controls, each one
name away from the next.

A head that nothing is compared with proves nothing. Each quantum-inspired head here has
a classical twin with as many parameters; the entangled one also has a separable twin;
and two controls ask what could be had without the query, or without training.
"""

from typing import NamedTuple

import numpy as np
from torch import nn

from qrr_lib import Circuit, QubitAnglePredictor
from qrr_lib.encode import EquatorialHead
from qrr_lib.learn import CompressionAnchor, DocumentOnly, SphereTwin, VectorHead
from tools.bench.geometric import GeometricFidelity


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
    """Build a head by name, with what goes with it; `ARMS` lists them. "pca" needs
    `doc_vectors`, to find their principal directions.
    """
    if name not in ARMS:
        raise ValueError(f"unknown arm {name!r}; choose one of {', '.join(ARMS)}")
    if name.startswith("pca") and doc_vectors is None:
        raise ValueError("the arm 'pca_128' needs doc_vectors")
    return ARMS[name](embedding_dim, seed, doc_vectors)


def qubits(dim: int, seed: int) -> EquatorialHead:
    """The head of 64 qubits."""
    return EquatorialHead(dim, Circuit(64), seed=seed)


def mixed(dim: int, seed: int, entangler: str) -> Arm:
    """Six qubits in two layers, entangled or not."""
    head = EquatorialHead(dim, Circuit(6, 2, entangler), seed=seed)
    return Arm(head, "fidelity", scale=20 / 6)


def one_qubit(dim: int, seed: int) -> QubitAnglePredictor:
    """The head of the course's brief."""
    return QubitAnglePredictor(dim, seed=seed)


def vectors(dim: int, seed: int, width: int, trained=True, **options) -> Arm:
    """A classical head of so many outputs."""
    return Arm(VectorHead(dim, width, seed=seed, **options), "cosine", trained)


ARMS = {  # name: (embedding size D, seed, document vectors) -> Arm
    "qubits_64": lambda d, s, v: Arm(qubits(d, s), "local_fidelity"),
    "qubits_64_log": lambda d, s, v: Arm(qubits(d, s), GeometricFidelity.name),
    "qubits_64_untrained": lambda d, s, v: Arm(qubits(d, s), "local_fidelity", False),
    "classical_128": lambda d, s, v: vectors(d, s, 128),
    "one_qubit_untrained": lambda d, s, v: Arm(
        one_qubit(d, s), "local_fidelity", False
    ),
    "one_qubit": lambda d, s, v: Arm(one_qubit(d, s), "local_fidelity"),
    "one_qubit_twin_same_angles": lambda d, s, v: Arm(
        SphereTwin(one_qubit(d, s)), "cosine"
    ),
    "one_qubit_twin_3_outputs": lambda d, s, v: vectors(d, s, 3, hidden_dim=256),
    "entangled_6x2": lambda d, s, v: mixed(d, s, "cz_ring"),
    "separable_6x2": lambda d, s, v: mixed(d, s, "none"),
    "classical_24": lambda d, s, v: vectors(d, s, 24),
    "pca_128": lambda d, s, v: Arm(VectorHead.principal(v, 128), "cosine", False),
    "random_128": lambda d, s, v: vectors(d, s, 128, trained=False),
    "document_only": lambda d, s, v: Arm(
        DocumentOnly(qubits(d, s), seed=s), "local_fidelity"
    ),
    "anchor_2501_04591": lambda d, s, v: Arm(CompressionAnchor(d, seed=s), "fidelity"),
    "anchor_linear_256": lambda d, s, v: vectors(d, s, 256),
}
