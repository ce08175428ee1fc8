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

import numpy as np

from qrr_lib.rank.codecs import TextCodec
from qrr_lib.rank.mix import checked_alpha
from qrr_lib.rank.scorer import Scorer

# rows are padded with zeros to a multiple of this: FAISS reads 8 floats at a time and
# cuts PQ codes evenly
MULTIPLE = 8
BLOCK = 4096  # documents whose states are in memory at once


class HybridFeatures:
    """The vectors that turn a hybrid score into one inner product.

    Parameters
    ----------
    scorer : Scorer
        One state per text; similarity "local_fidelity" (any number of qubits; 3n
        numbers) or "fidelity" (up to 4 qubits; 4ⁿ − 1 numbers).
    fixed_alpha : float or None
        None stores [e, φ] and leaves α to the query. A number puts [√α·e,
        √((1−α)(1−c))·φ] on both sides: an approximate index is then built in the very
        geometry that it is asked about, and α cannot change any more.

    Raises ValueError for a scorer whose similarity is no inner product.
    """

    def __init__(self, scorer: Scorer, fixed_alpha: float | None = None):
        if not isinstance(scorer.codec, TextCodec):
            raise ValueError(
                "token states do not fold into one vector a text: take a Scorer of one "
                "state per text, or rerank in two stages (Reranker)"
            )
        self.scorer, self.codec = scorer, scorer.codec
        self.n_qubits = self.codec.circuit.n_qubits
        self.constant, self.width = self.codec.similarity.fold(self.n_qubits)
        self.fixed_alpha = None if fixed_alpha is None else checked_alpha(fixed_alpha)

    def states(self, vectors: np.ndarray) -> np.ndarray:
        """Features φ of embeddings' states: (N, D) → (N, width) float32, norm 1 (less
        for qubits entangled with others).
        """
        made = np.empty((len(vectors), self.width), dtype=np.float32)
        for start in range(0, len(vectors), BLOCK):
            rows = self.codec.rows(vectors[start : start + BLOCK])
            features = self.codec.similarity.features(rows)
            made[start : start + BLOCK] = features.float().cpu().numpy()
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
        alpha = checked_alpha(alpha)
        if self.fixed_alpha is not None and abs(alpha - self.fixed_alpha) > 1e-9:
            raise ValueError(
                f"these vectors were stored for alpha = {self.fixed_alpha:g} and "
                f"cannot answer alpha = {alpha:g}: "
                "index again, or store them without a fixed alpha"
            )
        return alpha

    def _document_weights(self) -> tuple[float, float]:
        alpha = self.fixed_alpha
        if alpha is None:
            return 1.0, 1.0
        return alpha**0.5, ((1 - alpha) * (1 - self.constant)) ** 0.5

    def _joined(self, vectors: np.ndarray, on_e: float, on_state: float) -> np.ndarray:
        vectors = np.asarray(vectors, dtype=np.float32)
        # the scorer checks shape and NaN
        states = self.states(vectors)
        dim = vectors.shape[1]
        rows = np.zeros((len(vectors), self.row_width(dim)), dtype=np.float32)
        np.multiply(vectors, np.float32(on_e), out=rows[:, :dim])
        np.multiply(states, np.float32(on_state), out=rows[:, dim : dim + self.width])
        return rows
