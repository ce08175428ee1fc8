"""One stage instead of two: the hybrid score as a single inner product that any vector
index can search (lesson 14).

A fidelity is an inner product of real features. For one qubit F = ½ + ½ n·m, with the
Bloch vectors n and m; the mean fidelity of n separate qubits is ½ + ½ times the mean of
nᵢ·mᵢ; and any pure states of n qubits have F = 2⁻ⁿ Σ ⟨P⟩⟨P⟩', a sum over the 4ⁿ Pauli
strings (Nielsen & Chuang, section 8.4.2), of which the identity adds the same 2⁻ⁿ to
every pair. So, with features φ of length 1 at most,

    similarity = c + (1 − c)·φ(query)·φ(document),
             c = ½ (one qubit, local fidelity) or 2⁻ⁿ,
    α·cosine + (1 − α)·similarity
        = [α·e, (1 − α)(1 − c)·φ](query) · [e, φ](document) + (1 − α)·c.

The document's side does not know α. The overlap |⟨a|b⟩| is a square root of such a sum
and no inner product at all: the matrix of all overlaps of some states has negative
eigenvalues.
"""

from __future__ import annotations

import numpy as np
import torch

from qrr_lib.rank.scorer import StateScorer

MAX_PAULI_QUBITS = 4  # 4⁴ − 1 = 255 numbers a document
# rows are padded with zeros to a multiple of this: FAISS reads 8 floats at a time and
# cuts PQ codes evenly
MULTIPLE = 8
BLOCK = 4096  # documents whose states are in memory at once
_PAULIS = torch.tensor(
    [[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]],
    dtype=torch.complex64,
)


def pauli_features(states: torch.Tensor) -> torch.Tensor:
    """Expectation values of all Pauli strings but the identity, scaled to length 1:
    states (B, 2**n) → (B, 4**n − 1) real.

    The inner product p of two rows gives the fidelity of the states: F = 2⁻ⁿ + (1 −
    2⁻ⁿ)·p. For one qubit a row is the Bloch vector. The order is that of the strings
    II…I, II…X, II…Y, …, ZZ…Z, qubit 0 leftmost.
    """
    batch, dim = states.shape
    # density matrices
    tensor = torch.einsum("bi,bj->bij", states, states.conj()).view(batch, 1, dim, dim)
    while (rest := tensor.shape[2] // 2) >= 1:  # one qubit at a time, left to right
        blocks = tensor.view(batch, -1, 2, rest, 2, rest)
        tensor = torch.einsum("pij,bdjris->bdprs", _PAULIS.to(states), blocks).reshape(
            batch, -1, rest, rest
        )
    return tensor.real.reshape(batch, -1)[:, 1:] / (dim - 1) ** 0.5


class HybridFeatures:
    """The vectors that turn a hybrid score into one inner product.

    Parameters
    ----------
    scorer : StateScorer
        similarity "local_fidelity" (any number of qubits; 3n numbers) or "fidelity" (up
        to 4 qubits; 4ⁿ − 1 numbers).
    fixed_alpha : float or None
        None stores [e, φ] and leaves α to the query. A number puts [√α·e,
        √((1−α)(1−c))·φ] on both sides: an approximate index is then built in the very
        geometry that it is asked about, and α cannot change any more.

    Raises ValueError for a scorer whose similarity is no inner product.
    """

    def __init__(self, scorer, fixed_alpha: float | None = None):
        if not isinstance(scorer, StateScorer):
            raise ValueError(
                f"{type(scorer).__name__} does not fold into one vector a text: take a "
                "StateScorer (one state per text), "
                "or rerank in two stages (HybridReranker)"
            )
        kind, n = scorer.similarity, scorer.circuit.n_qubits
        if kind == "overlap":
            raise ValueError(
                "the overlap |<a|b>| is the square root of the fidelity and no inner "
                "product of features, so no vector index "
                "can search by it: take StateScorer(..., similarity='fidelity'), or "
                "rerank in two stages (HybridReranker)"
            )
        if kind == "local_fidelity" or (kind == "geometric_fidelity" and n == 1):
            self.constant, self.width = 0.5, 3 * n
        elif kind == "fidelity" and n <= MAX_PAULI_QUBITS:
            self.constant, self.width = 0.5**n, 4**n - 1
        else:
            raise ValueError(
                f"{kind} of {n} qubits does not fold into one short vector: take "
                "'local_fidelity' (3 numbers a qubit), or "
                f"'fidelity' with at most {MAX_PAULI_QUBITS} qubits (4**n - 1 numbers)"
            )
        self.scorer = scorer
        self.fixed_alpha = None if fixed_alpha is None else check_alpha(fixed_alpha)
        self.similarity, self.n_qubits = kind, n

    def states(self, vectors: np.ndarray) -> np.ndarray:
        """Features φ of embeddings' states: (N, D) → (N, width) float32, norm 1 (less
        for qubits entangled with others).
        """
        made = np.empty((len(vectors), self.width), dtype=np.float32)
        for start in range(0, len(vectors), BLOCK):
            # (B, n, 3) Bloch vectors or (B, 2**n) states
            encoded = self.scorer.encode(vectors[start : start + BLOCK])
            rows = (
                encoded.flatten(1) / self.n_qubits**0.5
                if encoded.ndim == 3
                else pauli_features(encoded)
            )
            made[start : start + BLOCK] = rows.float().cpu().numpy()
        return made

    def row_width(self, dim: int) -> int:
        """Length of a stored row for embeddings of `dim` numbers: dim + width, up to
        the next multiple of 8.
        """
        return -(-(dim + self.width) // MULTIPLE) * MULTIPLE

    def documents(self, vectors: np.ndarray) -> np.ndarray:
        """What an index stores: embeddings (N, D) → (N, W) float32, that is [e, φ,
        zeros].
        """
        return self._joined(vectors, *self._document_weights())

    def queries(self, vectors: np.ndarray, alpha: float) -> np.ndarray:
        """What an index is asked: embeddings (Q, D) → (Q, W) float32.

        Inner product with a stored row + `offset(alpha)` = score.
        """
        alpha = self.check(alpha)
        if self.fixed_alpha is not None:
            return self.documents(vectors)
        return self._joined(vectors, alpha, (1 - alpha) * (1 - self.constant))

    def offset(self, alpha: float) -> float:
        """The part of the score that is the same for all documents."""
        return (1 - alpha) * self.constant

    def parts(
        self, query: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take scores apart: an embedding (D,), stored rows (k, W) → cosines (k,),
        similarities (k,); nan where a fixed α left nothing.
        """
        dim, (on_e, on_state) = len(query), self._document_weights()
        state = self.states(query[None])[0]
        cosine = rows[:, :dim] @ query / (on_e or np.nan)
        return cosine, self.constant + (1 - self.constant) * (
            rows[:, dim : dim + self.width] @ state / (on_state or np.nan)
        )

    def check(self, alpha: float) -> float:
        """Return α, or raise ValueError: outside [0, 1], or another one than the stored
        rows were made for.
        """
        alpha = check_alpha(alpha)
        if self.fixed_alpha is not None and abs(alpha - self.fixed_alpha) > 1e-9:
            raise ValueError(
                f"these vectors were stored for alpha = {self.fixed_alpha:g} and "
                f"cannot answer alpha = {alpha:g}: "
                "index again, or store them without a fixed alpha"
            )
        return alpha

    def about(self, dim: int) -> dict:
        """What has to agree between a stored index and who asks it, as plain values."""
        return {
            "dim": dim,
            "similarity": self.similarity,
            "n_qubits": self.n_qubits,
            "width": self.row_width(dim),
            "fixed_alpha": self.fixed_alpha,
        }

    def _document_weights(self) -> tuple[float, float]:
        a = self.fixed_alpha
        return (
            (1.0, 1.0)
            if a is None
            else (a**0.5, ((1 - a) * (1 - self.constant)) ** 0.5)
        )

    def _joined(self, vectors: np.ndarray, on_e: float, on_state: float) -> np.ndarray:
        vectors = np.asarray(vectors, dtype=np.float32)
        # the scorer checks shape and NaN
        states = self.states(vectors)
        dim = vectors.shape[1]
        rows = np.zeros((len(vectors), self.row_width(dim)), dtype=np.float32)
        np.multiply(vectors, np.float32(on_e), out=rows[:, :dim])
        np.multiply(states, np.float32(on_state), out=rows[:, dim : dim + self.width])
        return rows


def check_alpha(alpha: float) -> float:
    """Return α as a float, or raise ValueError outside [0, 1]."""
    if not isinstance(alpha, (int, float, np.floating)) or not 0 <= alpha <= 1:
        raise ValueError(
            f"alpha must lie in [0, 1], not {alpha!r}: it is the weight of cosine in "
            "the mix"
        )
    return float(alpha)
