"""The similarities by name, each one small object: what a state is kept as, how pairs
compare, and how they fold into an inner product (lessons 03, 06, 07, 09 and 14).

Whatever compares states calls these: reranking, training, MaxSim, one inner product. A
further similarity is one more class and one more line in `SIMILARITIES`.

A *row* is what is kept of a state: a statevector (2**n,), or the Bloch vectors (n, 3)
of its qubits.
"""

import torch

from qrr_lib.checks import one_of
from qrr_lib.encode.backends import encode
from qrr_lib.encode.circuit import MAX_QUBITS, Circuit
from qrr_lib.encode.formulas import (
    MAX_PAULI_QUBITS,
    TINY,
    bloch_vectors,
    fidelity,
    local_fidelity,
    log_fidelity,
    overlap,
    pauli_features,
    reduced_bloch_vectors,
)


class Similarity:
    """One way to compare states, as a number in [0, 1].

    `averages` says that qubits add to it one by one, from their Bloch vectors, so that
    it does not vanish where there are many.
    """

    name = ""
    averages = False

    def rows(self, angles: torch.Tensor, circuit: Circuit, backend: str | None = None):
        """Angles (B, L, n, 2) → rows: (B, 2**n) states or (B, n, 3) Bloch vectors.

        `backend` computes the states (see `encode`). None takes the closed form on the
        Bloch sphere wherever a circuit has one; so do product states of more than 12
        qubits, which never become statevectors.
        """
        closed_form = circuit.is_product and circuit.n_layers == 1
        if closed_form and (backend is None or circuit.n_qubits > MAX_QUBITS):
            return bloch_vectors(angles)
        return encode(angles, circuit, backend or "torch")

    def pairs(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Similarity of every pair of rows: A and B of them → (A, B) in [0, 1]."""
        raise NotImplementedError

    def logits(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """What a loss wants of every pair: a logarithm where similarities multiply."""
        return self.pairs(a, b)

    def fold(self, n_qubits: int) -> tuple[float, int]:
        """(c, width): similarity = c + (1 − c)·φ·φ', φ of `width` numbers (lesson 14).

        Raises ValueError where there is no such inner product, or too long a one.
        """
        raise ValueError(
            f"{self.name} of {n_qubits} qubits does not fold into one short vector: "
            "take 'local_fidelity' (3 numbers a qubit), or 'fidelity' with at most "
            f"{MAX_PAULI_QUBITS} qubits (4**n - 1 numbers)"
        )

    def features(self, rows: torch.Tensor) -> torch.Tensor:
        """The φ of `fold`: rows → (B, width), of norm 1 at most."""
        return rows.flatten(1) / rows.shape[1] ** 0.5


class Fidelity(Similarity):
    """F = |⟨a|b⟩|²."""

    name = "fidelity"

    def pairs(self, a, b):
        return fidelity(a, b) if a.is_complex() else log_fidelity(a, b).exp()

    def logits(self, a, b):
        if a.is_complex():
            return fidelity(a, b).clamp(min=TINY).log()
        return log_fidelity(a, b)

    def fold(self, n_qubits):
        if n_qubits > MAX_PAULI_QUBITS:
            return super().fold(n_qubits)
        return 0.5**n_qubits, 4**n_qubits - 1

    def features(self, rows):
        return pauli_features(rows)


class Overlap(Fidelity):
    """√F = |⟨a|b⟩|, the brief's similarity."""

    name = "overlap"

    def pairs(self, a, b):
        return overlap(a, b) if a.is_complex() else (log_fidelity(a, b) / 2).exp()

    def fold(self, n_qubits):
        raise ValueError(
            "the overlap |<a|b>| is the square root of the fidelity and no inner "
            "product of features, so no vector index can search by it: take "
            "similarity='fidelity', or rerank in two stages (Reranker)"
        )


class LocalFidelity(Similarity):
    """Mean over qubits of (1 + nᵢ·mᵢ)/2."""

    name = "local_fidelity"
    averages = True

    def rows(self, angles, circuit, backend=None):
        # "torch" too: the closed form gives the same Bloch vectors, and sooner
        backend = None if backend == "torch" else backend
        rows = super().rows(angles, circuit, backend)
        return reduced_bloch_vectors(rows) if rows.is_complex() else rows

    def pairs(self, a, b):
        return local_fidelity(a, b)

    def fold(self, n_qubits):
        return 0.5, 3 * n_qubits


class Cosine(Similarity):
    """(1 + cosine)/2 of unit vectors: what classical rivals are compared by."""

    name = "cosine"

    def pairs(self, a, b):
        return (1 + a @ b.T) / 2


SIMILARITIES = {kind.name: kind() for kind in (Overlap, Fidelity, LocalFidelity)}
COSINE = Cosine()


def similarity_named(name: str) -> Similarity:
    """Look a similarity up; ValueError lists the names."""
    return SIMILARITIES[one_of("similarity", name, SIMILARITIES)]
