"""One state per text, compared with another (lesson 06)."""

from __future__ import annotations

import numpy as np
import torch

from qrr_lib.encode.angles import check_vectors
from qrr_lib.encode.backends import BACKENDS, encode
from qrr_lib.encode.circuit import MAX_QUBITS, Circuit
from qrr_lib.encode.similarity import (
    bloch_vectors,
    fidelity,
    local_fidelity,
    log_fidelity,
    overlap,
    reduced_bloch_vectors,
)

SIMILARITIES = ("overlap", "fidelity", "local_fidelity", "geometric_fidelity")


class StateScorer:
    """One state per text: embedding → angles → state → similarity in [0, 1].

    Parameters
    ----------
    angles : callable
        Angle source, (B, D) → (B, L, n, 2): a `QubitAnglePredictor` or anything with
        the same call.
    circuit : Circuit or None
        None takes the angle source's own.
    backend : {"torch", "qiskit", "pennylane", "lightning"}
        Who computes the states.
    similarity : {"overlap", "fidelity", "local_fidelity", "geometric_fidelity"}
        |⟨q|d⟩|, its square, the mean of the qubits' fidelities, or F^(1/n) (product
        states only).

    Product states of more than 12 qubits never become statevectors: their Bloch vectors
    give the same numbers.
    """

    def __init__(
        self,
        angles,
        circuit: Circuit | None = None,
        backend: str = "torch",
        similarity: str = "overlap",
    ):
        if similarity not in SIMILARITIES:
            raise ValueError(
                f"unknown similarity {similarity!r}; choose one of "
                f"{', '.join(SIMILARITIES)}"
            )
        if backend not in BACKENDS:
            raise ValueError(
                f"unknown backend {backend!r}; choose one of {', '.join(BACKENDS)}"
            )
        self.angles, self.backend, self.similarity = angles, backend, similarity
        self.circuit = circuit or getattr(angles, "circuit", None) or Circuit()
        product = self.circuit.is_product and self.circuit.n_layers == 1
        if similarity == "geometric_fidelity" and not product:
            raise ValueError(
                "geometric_fidelity needs a product state of one layer; use 'fidelity' "
                "for entangled circuits"
            )
        self.on_bloch_sphere = product and (
            similarity == "geometric_fidelity"
            or self.circuit.n_qubits > MAX_QUBITS
            or (similarity == "local_fidelity" and backend == "torch")
        )

    def encode_texts(
        self,
        embedder,
        texts: list[str],
        ids: list[str] | None = None,
        progress: bool | None = None,
    ):
        """Texts → (embeddings (B, D), what `score` compares).

        `ids` are given when the texts are to be indexed; here they change nothing.
        """
        vectors = embedder.encode(texts, progress=progress)
        return vectors, self.encode(vectors)

    @torch.no_grad()
    def encode(self, vectors: np.ndarray) -> torch.Tensor:
        """Embeddings (B, D) → what `score` compares: states (B, 2**n), or Bloch vectors
        (B, n, 3).
        """
        vectors = check_vectors(
            vectors, getattr(self.angles, "embedding_dim", np.shape(vectors)[-1])
        )
        angles = self.angles(vectors)
        if self.on_bloch_sphere:
            return bloch_vectors(angles)
        states = encode(angles, self.circuit, self.backend)
        return (
            reduced_bloch_vectors(states)
            if self.similarity == "local_fidelity"
            else states
        )

    @torch.no_grad()
    def score(self, queries: torch.Tensor, documents: torch.Tensor) -> np.ndarray:
        """Similarity of every pair of encoded texts: (Q, D) float32, each in [0, 1]."""
        if self.similarity == "local_fidelity":
            scores = local_fidelity(queries, documents)
        elif self.on_bloch_sphere:
            power = {
                "overlap": 0.5,
                "fidelity": 1.0,
                "geometric_fidelity": 1 / self.circuit.n_qubits,
            }[self.similarity]
            scores = (power * log_fidelity(queries, documents)).exp()
        else:
            scores = (overlap if self.similarity == "overlap" else fidelity)(
                queries, documents
            )
        return scores.float().cpu().numpy()
