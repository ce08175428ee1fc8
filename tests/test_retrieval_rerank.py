"""FAISS against brute force; the reranker at both ends of α; every kind of bad
input.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qrr_lib import (
    Circuit,
    FaissRetriever,
    HybridReranker,
    QubitAnglePredictor,
    StateScorer,
    evaluate,
    per_query,
)

WORDS = (
    "angle bread circuit document entropy fidelity gate horse index jazz kernel lemon "
    "matrix noise overlap phase qubit river state token"
).split()
DOCS = {
    f"d{i}": f"{a} {b}"
    for i, (a, b) in enumerate((a, b) for a in WORDS for b in WORDS[:3] if a != b)
}


@pytest.fixture
def reranker(toy_embedder):
    return HybridReranker(
        toy_embedder, StateScorer(QubitAnglePredictor(26, 16, seed=0))
    ).index(DOCS)


def test_flat_is_brute_force(rng):
    docs = rng.normal(size=(300, 16)).astype("f4")
    queries = rng.normal(size=(7, 16)).astype("f4")
    retriever = FaissRetriever("flat")
    retriever.add([f"d{i}" for i in range(200)], docs[:200])
    retriever.add([f"d{i}" for i in range(200, 300)], docs[200:])
    scores, ids = retriever.search(queries, 10)
    best = np.argsort(-(queries @ docs.T), axis=1)[:, :10]
    assert ids == [[f"d{j}" for j in row] for row in best]
    assert np.allclose(scores, np.take_along_axis(queries @ docs.T, best, 1), atol=1e-5)


def test_more_than_there_is(rng):
    retriever = FaissRetriever()
    retriever.add(["a", "b"], np.eye(2, 4, dtype="f4"))
    assert retriever.search(np.ones((1, 4), "f4"), 50)[0].shape == (1, 2)


@pytest.mark.parametrize(
    "ids, vectors, message",
    [
        (["a", "a"], np.eye(2), "duplicate ids.*a"),
        (["old"], np.eye(1, 2), "duplicate ids.*old"),
        (["", "b"], np.eye(2), "non-empty"),
        ([1, 2], np.eye(2), "strings"),
        (["a"], np.eye(2), "1 ids for 2"),
        (["a"], [[np.nan, 0]], "NaN"),
        (["a"], np.eye(1, 3), "3 numbers.*2"),
    ],
)
def test_bad_additions_store_nothing(ids, vectors, message):
    retriever = FaissRetriever()
    retriever.add(["old"], np.ones((1, 2), "f4"))
    with pytest.raises(ValueError, match=message):
        retriever.add(ids, np.asarray(vectors, dtype="f4"))
    assert len(retriever) == 1 and retriever.search(np.ones((1, 2), "f4"), 5)[1] == [
        ["old"]
    ]


def test_bad_searches():
    with pytest.raises(ValueError, match="unknown index 'annoy'; choose one of flat"):
        FaissRetriever("annoy")
    retriever = FaissRetriever()
    with pytest.raises(ValueError, match="empty"):
        retriever.search(np.ones((1, 2), "f4"), 1)
    retriever.add(["a"], np.ones((1, 2), "f4"))
    with pytest.raises(ValueError, match="k must be"):
        retriever.search(np.ones((1, 2), "f4"), 0)


def test_alpha_one_is_cosine_and_zero_is_quantum(reranker, toy_embedder):
    query = "a matrix of noise"
    vectors = toy_embedder.encode(list(DOCS.values()))
    target = toy_embedder.encode([query])
    cosine = (vectors @ target.T)[:, 0]
    reranker.alpha = 1
    got = reranker.search(query, k=len(DOCS), candidates=len(DOCS))
    assert np.allclose([d.score for d in got], np.sort(cosine)[::-1], atol=1e-6)
    assert [d.first_rank for d in got] == list(range(1, len(DOCS) + 1))
    reranker.alpha = 0
    got = reranker.search(query, k=len(DOCS), candidates=len(DOCS))
    states = reranker.scorer.encode(np.concatenate([target, vectors]))
    quantum = reranker.scorer.score(states[:1], states[1:])[0]
    assert np.allclose([d.score for d in got], np.sort(quantum)[::-1], atol=1e-6)
    assert [d.rank for d in got] == list(range(1, len(DOCS) + 1))


def test_the_mix_and_the_run_agree(reranker):
    reranker.alpha = 0.3
    got = reranker.search("quiet river", k=5, candidates=20)
    for doc in got:
        assert doc.score == pytest.approx(
            0.3 * doc.cosine + 0.7 * doc.quantum, abs=1e-6
        )
    run = reranker.run({"q": "quiet river"}, candidates=20)["q"]
    assert len(run) == 20 and list(run)[:5] == [d.doc_id for d in got]
    texts = [DOCS[d.doc_id] for d in got]
    assert [d.doc_id for d in reranker.rerank("quiet river", texts)] == [
        "0",
        "1",
        "2",
        "3",
        "4",
    ]


@pytest.mark.parametrize(
    "similarity", ["overlap", "fidelity", "local_fidelity", "geometric_fidelity"]
)
@pytest.mark.parametrize(
    "circuit", [Circuit(), Circuit(3), Circuit(20), Circuit(3, 2, "cz_ring")], ids=str
)
def test_scores_lie_in_the_unit_interval(toy_embedder, similarity, circuit):
    head = QubitAnglePredictor(26, 16, circuit, seed=0)
    if similarity == "geometric_fidelity" and not circuit.is_product:
        with pytest.raises(ValueError, match="product state"):
            StateScorer(head, similarity=similarity)
        return
    scorer = StateScorer(head, similarity=similarity)
    encoded = scorer.encode(toy_embedder.encode(list(DOCS.values())))
    scores = scorer.score(encoded, encoded)
    assert scores.min() >= 0 and scores.max() <= 1
    if similarity == "local_fidelity" and not circuit.is_product:
        # entangled qubits have mixed states of their own: Tr ρ² < 1
        assert scores.diagonal().max() < 1
    else:
        assert np.allclose(scores.diagonal(), 1, atol=1e-4)


def test_all_backends_rank_alike(toy_embedder):
    head = QubitAnglePredictor(26, 16, Circuit(2, 2, "cz_ring"), seed=0)
    runs = [
        HybridReranker(toy_embedder, StateScorer(head, backend=b), alpha=0.2)
        .index(DOCS)
        .search("phase of a token", k=8)
        for b in ("torch", "qiskit", "pennylane", "lightning")
    ]
    for other in runs[1:]:
        assert [d.doc_id for d in other] == [d.doc_id for d in runs[0]]
        assert np.allclose(
            [d.quantum for d in other], [d.quantum for d in runs[0]], atol=1e-6
        )


def test_bad_input(reranker, toy_embedder):
    for alpha in (-0.1, 1.1, "half", float("nan")):
        with pytest.raises(ValueError, match=r"alpha must lie in \[0, 1\]"):
            reranker.alpha = alpha
    for query in ("", "   ", None):
        with pytest.raises(ValueError, match="empty"):
            reranker.search(query)
    for k in (0, -3, 2.5):
        with pytest.raises(ValueError, match="k must be"):
            reranker.search("bread", k=k)
    assert len(reranker.search("bread", k=10_000)) == len(DOCS)
    with pytest.raises(ValueError, match="duplicate ids"):
        reranker.index({"new": "some text", "d0": "again"})
    assert "new" not in reranker._row and len(
        reranker.search("bread", k=10_000)
    ) == len(DOCS)
    with pytest.raises(ValueError, match="26 numbers, this head was made for 768"):
        HybridReranker(toy_embedder, StateScorer(QubitAnglePredictor(768))).index(DOCS)
    with pytest.raises(ValueError, match="unknown similarity"):
        StateScorer(QubitAnglePredictor(), similarity="cosine")
    with pytest.raises(ValueError, match="unknown backend"):
        StateScorer(QubitAnglePredictor(), backend="cirq")
    with pytest.raises(ValueError, match="NaN"):
        StateScorer(QubitAnglePredictor(26)).encode(
            np.full((1, 26), np.nan, dtype="f4")
        )


def test_documents_can_be_added_later(reranker):
    before = len(reranker.vectors)
    reranker.index({"late": "zebra quartz"})
    assert len(reranker.vectors) == len(reranker.states) == before + 1
    assert reranker.search("zebra quartz", k=1)[0].doc_id == "late"


def test_metrics_by_hand():
    """Grades 3, 0, 1 at ranks 1 to 3, one grade 2 missed: gains are the grades,
    discounts log2(rank + 1).
    """
    qrels = {"q": {"a": 3, "b": 0, "c": 1, "z": 2}, "silent": {"a": 1}}
    # ties: the run's own order counts, not the ids
    run = {"q": {"a": 0.9, "b": 0.9, "c": 0.9}}
    dcg, ideal = 3 + 1 / np.log2(4), 3 + 2 / np.log2(3) + 1 / np.log2(4)
    values = per_query(run, qrels, ["nDCG@10", "RR@10", "R@100"])
    assert values["nDCG@10"] == pytest.approx({"q": dcg / ideal, "silent": 0})
    assert values["RR@10"] == {"q": 1.0, "silent": 0.0} and values["R@100"][
        "q"
    ] == pytest.approx(2 / 3)
    assert evaluate(run, qrels, ["RR@10"]) == {"RR@10": 0.5}
    upside_down = {"q": {"z": 0.1, "c": 0.2, "b": 0.3, "a": 0.4}}
    assert evaluate(upside_down, {"q": qrels["q"]}, ["RR@10"])["RR@10"] == 1
    with pytest.raises(ValueError, match="none of the judged queries"):
        evaluate({"other": {"a": 1}}, qrels)


def test_states_are_kept_as_they_were_encoded(reranker):
    rows = list(DOCS).index("d7")
    again = reranker.scorer.encode(reranker.embedder.encode([DOCS["d7"]]))
    assert torch.allclose(reranker.states[rows], again[0], atol=1e-6)
