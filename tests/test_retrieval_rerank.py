"""FAISS against brute force; the reranker at both ends of α; every kind of bad
input.
"""

import numpy as np
import pytest
import torch

from qrr_lib import (
    Circuit,
    FaissRetriever,
    QubitAnglePredictor,
    Reranker,
    Scorer,
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
    return Reranker(toy_embedder, Scorer(QubitAnglePredictor(26, 16, seed=0))).index(
        DOCS
    )


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
    ranked = reranker.rank("quiet river", texts, return_documents=True)
    assert [r["corpus_id"] for r in ranked] == [0, 1, 2, 3, 4]
    assert [r["text"] for r in ranked] == texts
    assert [r["score"] for r in ranked] == pytest.approx([d.score for d in got])
    best = reranker.rank("quiet river", texts[::-1], top_k=2)
    assert [r["corpus_id"] for r in best] == [4, 3] and "text" not in best[0]
    assert reranker.rank("quiet river", []) == []


def test_candidates_keep_signals_apart(reranker):
    """One encoding serves every α; the mix is the one that `run` returns."""
    queries = {"q": "quiet river", "r": "a matrix of noise"}
    found = reranker.candidates(queries, 15)
    assert found.rows.shape == found.cosine.shape == (2, 15)
    for alpha in (0.0, 0.3, 1.0):
        reranker.alpha = alpha
        assert reranker.run(queries, 15) == found.run(alpha)
        again = found.run({"states": 1 - alpha, "cosine": alpha})
        assert list(again["q"]) == list(found.run(alpha)["q"])
    words = found.with_signal("words", np.zeros((2, 15)))
    assert words.run({"cosine": 0.5, "words": 0.5}).keys() == queries.keys()


def test_a_scorer_may_be_shared(toy_embedder):
    """What belongs to one reranker's documents changes nothing in another."""
    scorer = Scorer(QubitAnglePredictor(26, 16, seed=0))
    first = Reranker(toy_embedder, scorer).index(DOCS)
    before = first.search("quiet river", k=5)
    Reranker(toy_embedder, scorer, alpha=0.9).index({"other": "zebra quartz"})
    assert first.search("quiet river", k=5) == before


@pytest.mark.parametrize("similarity", ["overlap", "fidelity", "local_fidelity"])
@pytest.mark.parametrize(
    "circuit", [Circuit(), Circuit(3), Circuit(20), Circuit(3, 2, "cz_ring")], ids=str
)
def test_scores_lie_in_the_unit_interval(toy_embedder, similarity, circuit):
    head = QubitAnglePredictor(26, 16, circuit, seed=0)
    scorer = Scorer(head, similarity=similarity)
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
        Reranker(toy_embedder, Scorer(head, backend=b), alpha=0.2)
        .index(DOCS)
        .search("phase of a token", k=8)
        for b in ("torch", "qiskit", "pennylane", "lightning")
    ]
    for other in runs[1:]:
        assert [d.doc_id for d in other] == [d.doc_id for d in runs[0]]
        assert np.allclose(
            [d.quantum for d in other], [d.quantum for d in runs[0]], atol=1e-6
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
    assert torch.allclose(reranker.states.rows[rows], again[0], atol=1e-6)
