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

from collections.abc import Mapping
from typing import Self

import numpy as np

from qrr_lib.checks import checked_queries
from qrr_lib.embed.collection import Collection, checked_documents
from qrr_lib.encode.angles import fingerprint
from qrr_lib.rank.codecs import TextCodec
from qrr_lib.rank.first_stage import FaissRetriever
from qrr_lib.rank.mix import RankedDocument, checked_alpha
from qrr_lib.rank.ranking import Ranking

# rows are padded with zeros to a multiple of this: FAISS reads 8 floats at a time and
# cuts PQ codes evenly
MULTIPLE = 8
BLOCK = 4096  # documents whose states are in memory at once


class HybridIndex:
    """Search by α·cosine + (1−α)·similarity in one stage: an index over [e, φ], asked
    with [α·e, (1−α)(1−c)·φ].

    Parameters
    ----------
    embedder : TextEmbedder
    scorer : Scorer
        One state per text; similarity "local_fidelity" (any number of qubits; 3n
        numbers) or "fidelity" (up to 4 qubits; 4ⁿ − 1 numbers).
    index : str or FaissRetriever
        Kind of FAISS index; "flat" returns exactly what reranking the whole corpus
        would. One that was loaded must hold vectors of this embedder and scorer, or it
        is refused with ValueError.
    alpha : float
        Weight of cosine, in [0, 1]; may be changed between searches.

    Raises ValueError for a scorer whose similarity is no inner product.
    """

    def __init__(
        self, embedder, scorer, index: str | FaissRetriever = "flat", alpha: float = 0.5
    ):
        if not isinstance(scorer.codec, TextCodec):
            raise ValueError(
                "token states do not fold into one vector a text: take a Scorer of one "
                "state per text, or rerank in two stages (Reranker)"
            )
        self.embedder, self.codec = embedder, scorer.codec
        n_qubits = self.codec.circuit.n_qubits
        self.constant, self.width = self.codec.similarity.fold(n_qubits)
        self.documents: dict = {}  # titles and texts, to show results with
        self.retriever = FaissRetriever(index) if isinstance(index, str) else index
        made_by = self.fingerprint()
        self.retriever.check_made_by(made_by)
        self.retriever.made_by = made_by
        self.alpha = checked_alpha(alpha)

    def __len__(self) -> int:
        return len(self.retriever)

    def fingerprint(self) -> str:
        """Of all that decides a document's vector: model, angle source, similarity."""
        name = getattr(self.embedder, "name", None)  # none: it is given vectors
        model = getattr(getattr(self.embedder, "spec", None), "sha256", name)
        return f"{model} {fingerprint(self.codec.angles)} {self.codec.similarity.name}"

    def index(self, collection: Collection | Mapping[str, str]) -> Self:
        """Embed, encode and store documents; a Collection, or a mapping {id: text}.

        Returns self.
        """
        ids, texts, shown = checked_documents(collection)
        self.add(ids, self.embedder.encode(texts))
        self.documents |= shown
        return self

    def add(self, ids: list[str], vectors: np.ndarray) -> None:
        """Store documents by their embeddings (N, D); errors are those of
        `FaissRetriever.add`.
        """
        self.retriever.add(ids, side_by_side(vectors, self.states(vectors)))

    def states(self, vectors: np.ndarray) -> np.ndarray:
        """Features φ of embeddings' states: (N, D) → (N, width) float32, norm 1 (less
        for qubits entangled with others).
        """
        made = []
        for start in range(0, max(1, len(vectors)), BLOCK):
            rows = self.codec.rows(vectors[start : start + BLOCK])
            made.append(self.codec.similarity.features(rows).float().cpu().numpy())
        return np.concatenate(made)

    def search(self, query: str, k: int = 10) -> Ranking:
        """Find the best k documents; `first_rank` equals `rank`, since there is no
        first stage.
        """
        texts = checked_queries({"": query})
        found = self.search_vectors(self.embedder.encode(texts), k)[0]
        return Ranking(found, self.documents)

    def search_vectors(
        self, vectors: np.ndarray, k: int = 10
    ) -> list[list[RankedDocument]]:
        """The same for queries given as embeddings (Q, D).

        Cosine and similarity come from the stored rows (rounded, if SQ8 or PQ).
        """
        alpha, c, dim = checked_alpha(self.alpha), self.constant, vectors.shape[1]
        states = self.states(vectors)
        asked = side_by_side(alpha * vectors, (1 - alpha) * (1 - c) * states)
        results = []
        for vector, state, row in zip(vectors, states, asked):
            ids, inner, stored = self.retriever.search_stored(row, k)
            scores = inner + (1 - alpha) * c
            cosine = stored[:, :dim] @ vector
            similarity = c + (1 - c) * stored[:, dim : dim + self.width] @ state
            lines = enumerate(zip(ids, scores, cosine, similarity), 1)
            results.append(
                [RankedDocument(d, i, i, *map(float, own)) for i, (d, *own) in lines]
            )
        return results


def side_by_side(vectors: np.ndarray, states: np.ndarray) -> np.ndarray:
    """[e, φ, zeros]: (N, D) and (N, width) → (N, W) float32, W being the next multiple
    of 8.
    """
    rows = np.hstack([vectors, states]).astype(np.float32)
    return np.pad(rows, [(0, 0), (0, -rows.shape[1] % MULTIPLE)])
