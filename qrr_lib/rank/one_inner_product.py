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

from collections.abc import Mapping

import numpy as np

from qrr_lib.checks import checked_queries
from qrr_lib.embed.collection import Collection, documents_of, ids_and_texts
from qrr_lib.encode.angles import fingerprint
from qrr_lib.rank.codecs import TextCodec
from qrr_lib.rank.first_stage import FaissRetriever
from qrr_lib.rank.mix import RankedDocument, checked_alpha
from qrr_lib.rank.ranking import Ranking
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

    Raises ValueError for a scorer whose similarity is no inner product.
    """

    def __init__(self, scorer: Scorer):
        if not isinstance(scorer.codec, TextCodec):
            raise ValueError(
                "token states do not fold into one vector a text: take a Scorer of one "
                "state per text, or rerank in two stages (Reranker)"
            )
        self.codec = scorer.codec
        n_qubits = self.codec.circuit.n_qubits
        self.constant, self.width = self.codec.similarity.fold(n_qubits)

    def fingerprint(self, embedder) -> str:
        """Of all that decides a document's vector: model, angle source, similarity."""
        model = getattr(embedder, "spec", embedder)
        model = getattr(model, "sha256", embedder.name)
        return f"{model} {fingerprint(self.codec.angles)} {self.codec.similarity.name}"

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

    def documents(self, vectors: np.ndarray) -> np.ndarray:
        """What an index stores: embeddings (N, D) → (N, W) float32, that is [e, φ,
        zeros], W being D + width up to the next multiple of 8.
        """
        states = self.states(vectors)
        (count, dim), width = vectors.shape, vectors.shape[1] + self.width
        rows = np.zeros((count, -(-width // MULTIPLE) * MULTIPLE), dtype=np.float32)
        rows[:, :dim] = vectors
        rows[:, dim:width] = states
        return rows

    def queries(self, vectors: np.ndarray, alpha: float) -> np.ndarray:
        """What an index is asked: embeddings (Q, D) → (Q, W) float32.

        Inner product with a stored row + `offset(alpha)` = score.
        """
        alpha, dim = checked_alpha(alpha), vectors.shape[1]
        rows = self.documents(vectors)
        rows[:, :dim] *= alpha
        rows[:, dim:] *= (1 - alpha) * (1 - self.constant)
        return rows

    def offset(self, alpha: float) -> float:
        """The part of the score that is the same for all documents."""
        return (1 - alpha) * self.constant

    def parts(
        self, query: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take scores apart: an embedding (D,), stored rows (k, W) → cosines (k,),
        similarities (k,).
        """
        dim, state = len(query), self.states(query[None])[0]
        inner = rows[:, dim : dim + self.width] @ state
        return rows[:, :dim] @ query, self.constant + (1 - self.constant) * inner


class HybridIndex:
    """Search by α·cosine + (1−α)·similarity in one stage: an index over [e, φ], asked
    with [α·e, (1−α)(1−c)·φ].

    Parameters
    ----------
    embedder : TextEmbedder
    scorer : Scorer
        One state per text, with similarity "local_fidelity", or "fidelity" of at most 4
        qubits.
    index : str or FaissRetriever
        Kind of FAISS index; "flat" returns exactly what reranking the whole corpus
        would. One that was loaded must hold vectors of this embedder and scorer, or it
        is refused with ValueError.
    alpha : float
        Weight of cosine, in [0, 1]; may be changed between searches.
    """

    def __init__(
        self, embedder, scorer, index: str | FaissRetriever = "flat", alpha: float = 0.5
    ):
        self.embedder = embedder
        self.documents: dict = {}  # titles and texts, to show results with
        self.features = HybridFeatures(scorer)
        self.retriever = FaissRetriever(index) if isinstance(index, str) else index
        made_by = self.features.fingerprint(embedder)
        self.retriever.check_made_by(made_by)
        self.retriever.made_by = made_by
        self.alpha = checked_alpha(alpha)

    def __len__(self) -> int:
        return len(self.retriever)

    def index(
        self, collection: Collection | Mapping[str, str], progress: bool | None = None
    ) -> HybridIndex:
        """Embed, encode and store documents; a Collection, or a mapping {id: text}.

        Returns self.
        """
        ids, texts = ids_and_texts(collection)
        self.add(ids, self.embedder.encode(texts, progress=progress))
        self.documents |= documents_of(collection)
        return self

    def add(self, ids: list[str], vectors: np.ndarray) -> None:
        """Store documents by their embeddings (N, D); errors are those of
        `FaissRetriever.add`.
        """
        self.retriever.add(ids, self.features.documents(vectors))

    def search(self, query: str, k: int = 10) -> Ranking:
        """Find the best k documents; `first_rank` equals `rank`, since there is no
        first stage.
        """
        texts = checked_queries({"": query})
        found = self.search_vectors(self.embedder.encode(texts), k)[0]
        return Ranking(found, self.documents)

    def run(self, queries: Mapping[str, str], k: int = 100) -> dict:
        """Search many queries: {query id: text} → {query id: {document id: score}},
        best first.
        """
        vectors = self.embedder.encode(checked_queries(queries))
        lines = zip(queries, self.search_vectors(vectors, k))
        return {qid: {doc.doc_id: doc.score for doc in line} for qid, line in lines}

    def search_vectors(
        self, vectors: np.ndarray, k: int = 10
    ) -> list[list[RankedDocument]]:
        """The same for queries given as embeddings (Q, D).

        Cosine and similarity come from the stored rows (rounded, if SQ8 or PQ).
        """
        asked = self.features.queries(vectors, self.alpha)
        found = (self.retriever.search_stored(row, k) for row in asked)
        results, offset = [], self.features.offset(self.alpha)
        for query, (ids, scores, rows) in zip(vectors, found):
            parts = zip(ids, scores + offset, *self.features.parts(query, rows))
            lines = enumerate(parts, 1)
            results.append(
                [RankedDocument(d, i, i, *map(float, own)) for i, (d, *own) in lines]
            )
        return results
