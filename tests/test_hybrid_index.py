"""One-stage search by the hybrid score: the features, the exact index against full
reranking, the compressed ones, and refusals.
"""

import itertools

import numpy as np
import pytest
import torch

from qrr_lib import (
    Circuit,
    FaissRetriever,
    Reranker,
    Scorer,
    encode,
    fidelity,
)
from qrr_lib.encode.angles import load_source
from qrr_lib.encode.formulas import pauli_features
from qrr_lib.encode.heads import EquatorialHead
from qrr_lib.files import data_dir
from qrr_lib.rank.one_inner_product import HybridIndex, side_by_side

CIRCUITS = [
    Circuit(),
    Circuit(2),
    Circuit(3, 2, "cz_ring"),
    Circuit(4, 2, "cnot_chain"),
    Circuit(2, 3, "cnot_chain", trailing=True),
]
SCORERS = {
    "one qubit": (Circuit(), "fidelity"),
    "one qubit, local": (Circuit(), "local_fidelity"),
    "64 qubits, local": (Circuit(64), "local_fidelity"),
    "3 entangled, local": (Circuit(3, 2, "cz_ring"), "local_fidelity"),
    "3 entangled": (Circuit(3, 2, "cz_ring"), "fidelity"),
    "4 product": (Circuit(4), "fidelity"),
}


def unit(rng, n, dim=24):
    vectors = rng.normal(size=(n, dim)).astype("f4")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def scorer(name="one qubit", dim=24):
    circuit, similarity = SCORERS[name]
    return Scorer(EquatorialHead(dim, circuit, seed=1), similarity=similarity)


class Vectors:
    """An embedder whose texts are row numbers."""

    name = "rows"

    def __init__(self, vectors):
        self.vectors, self.dim = vectors, vectors.shape[1]

    def encode(self, texts, batch_size=32, progress=None):
        return self.vectors[[int(t) for t in texts]]


@pytest.mark.parametrize("circuit", CIRCUITS, ids=str)
def test_pauli_features_give_the_fidelity(circuit, random_angles):
    states = encode(random_angles(20, circuit), circuit)
    features = pauli_features(states)
    n = circuit.n_qubits
    assert features.shape == (20, 4**n - 1) and not features.is_complex()
    assert (
        0.5**n + (1 - 0.5**n) * features @ features.T - fidelity(states, states)
    ).abs().max() < 1e-12
    assert (features.norm(dim=1) - 1).abs().max() < 1e-12  # pure states


def test_pauli_features_are_expectation_values_in_the_stated_order(random_angles):
    circuit = Circuit(2, 2, "cz_ring")
    states = encode(random_angles(5, circuit), circuit)
    paulis = [
        np.eye(2),
        np.array([[0, 1], [1, 0]]),
        np.array([[0, -1j], [1j, 0]]),
        np.diag([1, -1]),
    ]
    strings = [np.kron(a, b) for a, b in itertools.product(paulis, repeat=2)][1:]
    expected = (
        np.array([[(s.conj() @ p @ s).real for p in strings] for s in states.numpy()])
        / 3**0.5
    )
    assert np.abs(pauli_features(states).numpy() - expected).max() < 1e-12


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_inner_product_is_the_hybrid_score(name, alpha, rng):
    vectors, queries, states = unit(rng, 50), unit(rng, 6), scorer(name)
    index = HybridIndex(None, states, alpha=alpha)
    rows = side_by_side(vectors, index.states(vectors))
    assert rows.shape[1] % 8 == 0
    # stored unscaled: α is not in there
    assert np.array_equal(rows[:, :24], vectors)
    index.add([str(i) for i in range(50)], vectors)
    expected = alpha * queries @ vectors.T + (1 - alpha) * states.score(
        states.encode(queries), states.encode(vectors)
    )
    for found, wanted in zip(index.search_vectors(queries, 50), expected):
        for doc in found:
            assert abs(doc.score - wanted[int(doc.doc_id)]) < 2e-6
            parts = alpha * doc.cosine + (1 - alpha) * doc.quantum
            assert abs(parts - doc.score) < 2e-6


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9])
def test_one_stage_equals_reranking_everything(name, alpha, rng):
    """Flat index: same documents, same order, same scores as a reranker that is given
    the whole corpus as candidates.
    """
    embedder, texts = Vectors(unit(rng, 320)), {f"d{i}": str(i) for i in range(300)}
    one = HybridIndex(embedder, scorer(name), alpha=alpha).index(texts)
    two = Reranker(embedder, scorer(name), alpha=alpha).index(texts)
    tied = 0
    for q in range(300, 320):
        a, b = one.search(str(q), k=10), two.search(str(q), k=10, candidates=300)
        assert np.allclose([d.score for d in a], [d.score for d in b], atol=2e-6)
        # float32 may swap equal scores
        ties = np.diff([d.score for d in b]).max() > -2e-6
        tied += ties
        assert ties or [d.doc_id for d in a] == [d.doc_id for d in b]
        assert (
            np.allclose(
                [[d.cosine, d.quantum] for d in a],
                [[d.cosine, d.quantum] for d in b],
                atol=2e-6,
            )
            or ties
        )
        assert [d.rank for d in a] == [d.first_rank for d in a] == list(range(1, 11))
    assert tied <= 2


def test_alpha_changes_without_a_rebuild(rng):
    embedder = Vectors(unit(rng, 210))
    index = HybridIndex(embedder, scorer(), alpha=0.9).index(
        {f"d{i}": str(i) for i in range(200)}
    )
    before = index.search("205")
    index.alpha = 0.1
    after = index.search("205")
    assert [d.doc_id for d in before] != [d.doc_id for d in after] and len(index) == 200


@pytest.mark.parametrize("kind", ["ivf", "ivf_sq8", "ivf_pq", "hnsw"])
def test_approximate_indexes_find_most_of_it(kind, rng):
    centres = unit(rng, 20)
    vectors = centres[rng.integers(20, size=12_000)] + 0.15 * rng.normal(
        size=(12_000, 24)
    ).astype("f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    flat, other = (
        HybridIndex(Vectors(vectors), scorer(), index=k, alpha=0.8)
        for k in ("flat", kind)
    )
    ids = [str(i) for i in range(12_000)]
    for index in (flat, other):
        index.add(ids, vectors)
    exact, found = (index.search_vectors(vectors[:50], 10) for index in (flat, other))
    share = np.mean(
        [
            len({d.doc_id for d in a} & {d.doc_id for d in b}) / 10
            for a, b in zip(exact, found)
        ]
    )
    assert share > {"ivf": 0.9, "ivf_sq8": 0.9, "ivf_pq": 0.15, "hnsw": 0.9}[kind]
    if kind in ("ivf", "hnsw"):  # uncompressed rows: the parts still add up
        d = found[0][0]
        assert d.score == pytest.approx(0.8 * d.cosine + 0.2 * d.quantum, abs=1e-5)


def test_overlaps_have_a_negative_eigenvalue_and_fidelities_do_not(random_angles):
    """Why the refusal is not laziness: no features at all have the overlap as their
    inner product.
    """
    states = encode(random_angles(40, Circuit()), Circuit())
    both = fidelity(states, states)
    assert (
        torch.linalg.eigvalsh(both).min() > -1e-10
        and torch.linalg.eigvalsh(both.sqrt()).min() < -0.1
    )


def test_given_retriever_and_course_head(rng):
    """A retriever with its own settings, and a trained one-qubit head from data/."""
    head, _ = load_source(
        data_dir() / "heads" / "course_one_qubit_all-MiniLM-L6-v2.safetensors", 384
    )
    vectors = unit(rng, 400, 384)
    index = HybridIndex(
        Vectors(vectors),
        Scorer(head, similarity="fidelity"),
        FaissRetriever("ivf"),
    )
    index.add([str(i) for i in range(400)], vectors)
    index.retriever.nprobe = 4
    assert index.retriever._index.d == 392 and index.search("7", k=1)[0].doc_id == "7"
