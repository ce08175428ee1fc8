"""The whole flow: candidates by cosine, a quantum-inspired score, a mix of both, a new order (lesson 06)."""
from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from qrr_lib.angles import check_vectors
from qrr_lib.circuit import MAX_QUBITS, Circuit
from qrr_lib.collection import Collection, check_ids
from qrr_lib.encoders import BACKENDS, encode
from qrr_lib.retrieval import FaissRetriever
from qrr_lib.similarity import bloch_vectors, fidelity, local_fidelity, log_fidelity, overlap, reduced_bloch_vectors

SIMILARITIES = ("overlap", "fidelity", "local_fidelity", "geometric_fidelity")


class RankedDocument(NamedTuple):
    """One line of a result: `rank` after and `first_rank` before reranking, both from 1; scores in their own units."""

    doc_id: str
    rank: int
    first_rank: int
    score: float
    cosine: float
    quantum: float


class StateScorer:
    """One state per text: embedding → angles → state → similarity in [0, 1].

    Parameters
    ----------
    angles : callable
        Angle source, (B, D) → (B, L, n, 2): a `QubitAnglePredictor` or anything with the same call.
    circuit : Circuit or None
        None takes the angle source's own.
    backend : {"torch", "qiskit", "pennylane", "lightning"}
        Who computes the states.
    similarity : {"overlap", "fidelity", "local_fidelity", "geometric_fidelity"}
        |⟨q|d⟩|, its square, the mean of the qubits' fidelities, or F^(1/n) (product states only).

    Product states of more than 12 qubits never become statevectors: their Bloch vectors give the same numbers.
    """

    def __init__(self, angles, circuit: Circuit | None = None, backend: str = "torch", similarity: str = "overlap"):
        if similarity not in SIMILARITIES:
            raise ValueError(f"unknown similarity {similarity!r}; choose one of {', '.join(SIMILARITIES)}")
        if backend not in BACKENDS:
            raise ValueError(f"unknown backend {backend!r}; choose one of {', '.join(BACKENDS)}")
        self.angles, self.backend, self.similarity = angles, backend, similarity
        self.circuit = circuit or getattr(angles, "circuit", None) or Circuit()
        product = self.circuit.is_product and self.circuit.n_layers == 1
        if similarity == "geometric_fidelity" and not product:
            raise ValueError("geometric_fidelity needs a product state of one layer; use 'fidelity' for entangled circuits")
        self.on_bloch_sphere = product and (similarity == "geometric_fidelity" or self.circuit.n_qubits > MAX_QUBITS
                                            or (similarity == "local_fidelity" and backend == "torch"))

    def encode_texts(self, embedder, texts: list[str], ids: list[str] | None = None, progress: bool | None = None):
        """Texts → (embeddings (B, D), what `score` compares). `ids` are given when the texts are to be indexed; here they change nothing."""
        vectors = embedder.encode(texts, progress=progress)
        return vectors, self.encode(vectors)

    @torch.no_grad()
    def encode(self, vectors: np.ndarray) -> torch.Tensor:
        """Embeddings (B, D) → what `score` compares: states (B, 2**n), or Bloch vectors (B, n, 3)."""
        vectors = check_vectors(vectors, getattr(self.angles, "embedding_dim", np.shape(vectors)[-1]))
        angles = self.angles(vectors)
        if self.on_bloch_sphere:
            return bloch_vectors(angles)
        states = encode(angles, self.circuit, self.backend)
        return reduced_bloch_vectors(states) if self.similarity == "local_fidelity" else states

    @torch.no_grad()
    def score(self, queries: torch.Tensor, documents: torch.Tensor) -> np.ndarray:
        """Similarity of every pair of encoded texts: (Q, D) float32, each in [0, 1]."""
        if self.similarity == "local_fidelity":
            scores = local_fidelity(queries, documents)
        elif self.on_bloch_sphere:
            power = {"overlap": 0.5, "fidelity": 1.0, "geometric_fidelity": 1 / self.circuit.n_qubits}[self.similarity]
            scores = (power * log_fidelity(queries, documents)).exp()
        else:
            scores = (overlap if self.similarity == "overlap" else fidelity)(queries, documents)
        return scores.float().cpu().numpy()


class HybridReranker:
    """α·cosine + (1−α)·similarity over the candidates of a first stage.

    Parameters
    ----------
    embedder : TextEmbedder
    scorer : StateScorer or TokenScorer
        Anything with `.encode_texts(embedder, texts, ids=None, progress=None)`, which gives (vectors, states), and `.score(queries, documents)`.
    retriever : FaissRetriever or None
        First stage; None makes a flat one.
    alpha : float or None
        Weight of cosine, in [0, 1]: 1 leaves the order of cosine, 0 takes the states' alone. None takes the scorer's
        `default_alpha`, or 0.5 if it has none.
    """

    def __init__(self, embedder, scorer, retriever: FaissRetriever | None = None, alpha: float | None = None):
        self.embedder, self.scorer = embedder, scorer
        self.retriever = retriever if retriever is not None else FaissRetriever("flat")
        self.alpha = getattr(scorer, "default_alpha", 0.5) if alpha is None else alpha
        self._row: dict[str, int] = {}

    @property
    def alpha(self) -> float:
        """Weight of cosine in the final score; may be changed between searches, nothing is indexed anew."""
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        if not isinstance(value, (int, float, np.floating)) or not 0 <= value <= 1:
            raise ValueError(f"alpha must lie in [0, 1], not {value!r}: it is the weight of cosine in the mix")
        self._alpha = float(value)

    def index(self, collection: Collection | Mapping[str, str], progress: bool | None = None) -> HybridReranker:
        """Embed, encode and index documents; a Collection, or a mapping {id: text}. Returns self."""
        if isinstance(collection, Collection):
            ids, texts = list(collection.docs), collection.texts()
        else:
            ids, texts = list(collection), list(collection.values())
        check_ids(ids, self._row)                                               # said before the texts are embedded, which takes long
        return self.add(ids, *self.scorer.encode_texts(self.embedder, texts, ids, progress))

    def add(self, ids: list[str], vectors: np.ndarray, states) -> HybridReranker:
        """Index documents that are encoded already, as `scorer.encode_texts` gives them. Returns self."""
        self.retriever.add(ids, vectors)
        start = len(self._row)
        self._row.update((key, start + i) for i, key in enumerate(ids))
        self.vectors = np.concatenate([self.vectors, vectors]) if start else vectors
        join = torch.cat if isinstance(states, torch.Tensor) else states.join
        self.states = join([self.states, states]) if start else states
        return self

    def search(self, query: str, k: int = 10, candidates: int = 100) -> list[RankedDocument]:
        """Rerank the `candidates` nearest documents by the mixed score; return the best k (fewer if the corpus is smaller)."""
        if not isinstance(k, (int, np.integer)) or k < 1:
            raise ValueError(f"k must be a whole number from 1 up, not {k!r}")
        return self._search_all([query], max(k, candidates))[0][:k]

    def run(self, queries: Mapping[str, str], candidates: int = 100) -> dict[str, dict[str, float]]:
        """Search many queries at once: {query id: text} → {query id: {document id: final score}}, best first."""
        results = self._search_all(list(queries.values()), candidates)
        return {qid: {doc.doc_id: doc.score for doc in ranked} for qid, ranked in zip(queries, results)}

    def rerank(self, query: str, texts: list[str]) -> list[RankedDocument]:
        """Rank texts that need not be indexed; `doc_id` is a text's position in the list, `first_rank` its rank by cosine."""
        vectors, states = self.scorer.encode_texts(self.embedder, [query, *texts])
        cosine = vectors[1:] @ vectors[0]
        order = np.argsort(-cosine, kind="stable")
        quantum = self.scorer.score(states[:1], states[1:])[0]
        return self._mix([str(i) for i in order], cosine[order], quantum[order])

    def explain(self, query: str, doc_id: str) -> list:
        """Say which token of the query met which token of an indexed document: a list of `TokenMatch`, for a `TokenScorer` (lesson 09)."""
        if not hasattr(self.scorer, "explain"):
            raise ValueError("one state per text has no parts to explain: use a TokenScorer")
        return self.scorer.explain(self.embedder, query, self.states_of(doc_id))

    def states_of(self, doc_id: str):
        """What `score` compares of one indexed document: the states of a single row; ValueError for an unknown id."""
        if doc_id not in self._row:
            raise ValueError(f"no document {doc_id!r} is indexed here")
        return self.states[[self._row[doc_id]]]

    def _search_all(self, queries: list[str], candidates: int) -> list[list[RankedDocument]]:
        for query in queries:
            if not isinstance(query, str) or not query.strip():
                raise ValueError("the query is empty: write at least one word")
        vectors, states = self.scorer.encode_texts(self.embedder, queries)
        scores, found = self.retriever.search(vectors, candidates)              # (Q, K), best first
        results = []
        for i, ids in enumerate(found):
            rows = [self._row[key] for key in ids]
            quantum = self.scorer.score(states[i:i + 1], self.states[rows])[0]
            results.append(self._mix(ids, scores[i, :len(ids)], quantum))
        return results

    def _mix(self, ids, cosine, quantum) -> list[RankedDocument]:
        final = self.alpha * cosine + (1 - self.alpha) * quantum                # (K,)
        order = np.argsort(-final, kind="stable")                               # equal scores keep the first stage's order
        return [RankedDocument(ids[i], rank, int(i) + 1, float(final[i]), float(cosine[i]), float(quantum[i]))
                for rank, i in enumerate(order, 1)]
