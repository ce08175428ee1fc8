"""What the stage `rank` refuses, in one table: each sentence says what to do next, and
nothing that was indexed is lost.
"""

import numpy as np
import pytest
import torch
from test_tokens import DOCS, ToyTokens

from qrr_lib import Circuit, FaissRetriever, QubitAnglePredictor, QubitMap
from qrr_lib.encode.heads import EquatorialHead
from qrr_lib.rank import (
    Candidates,
    HybridIndex,
    Reranker,
    Scorer,
    States,
)

SIX = [f"d{i}" for i in range(6)]
ROWS = np.eye(6, 24, dtype=np.float32)
HEAD = QubitAnglePredictor(24, 8, seed=0)
FOUND = Candidates(["q"], SIX, np.arange(6)[None], {"cosine": np.ones((1, 6))})


def rerank(scorer=None, **options) -> Reranker:
    return Reranker(ToyTokens(), scorer or Scorer(HEAD), **options)


def tokens(angles, **options) -> Scorer:
    return Scorer(angles, per="token", **options)


def fold(similarity, n=1) -> HybridIndex:
    return HybridIndex(None, Scorer(EquatorialHead(24, Circuit(n)), similarity))


def added(kind, n):
    many = np.random.default_rng(0).normal(size=(n, 32)).astype("f4")
    FaissRetriever(kind).add([str(i) for i in range(n)], many)


def put(thing, name, value):
    return lambda _: setattr(thing, name, value)


REFUSALS = {
    # the reranker
    "alpha below 0": (lambda r: put(r, "alpha", -0.1)(r), r"lie in \[0, 1\]"),
    "alpha above 1": (lambda r: put(r, "alpha", 1.1)(r), r"lie in \[0, 1\]"),
    "alpha is a word": (lambda r: put(r, "alpha", "half")(r), r"lie in \[0, 1\]"),
    "alpha is NaN": (lambda r: put(r, "alpha", float("nan"))(r), r"lie in \[0, 1\]"),
    "empty query": (lambda r: r.search(""), "query is empty"),
    "blank query": (lambda r: r.run({"q": "  "}), "query is empty"),
    "no query": (lambda r: r.search(None), "query is empty"),
    "k of 0": (lambda r: r.search("bread", k=0), "k must be a whole number"),
    "k of 2.5": (lambda r: r.search("bread", k=2.5), "k must be a whole number"),
    "an id again": (lambda r: r.index({"x": "rye", "d0": "rye"}), "duplicate ids.*d0"),
    "an id of 7": (lambda r: r.index({7: "bread"}), "non-empty strings, not 7"),
    "blank text": (lambda r: r.index({"a": "rye", "b": " "}), "document 'b' is empty"),
    "no texts": (lambda r: r.index({}), "no texts"),
    "unknown document": (lambda r: r.states_of("nope"), "no document 'nope'"),
    "nothing to explain": (lambda r: r.explain("rye", "d0"), "use Scorer.per='token'"),
    "too few tokens": (
        lambda _: rerank(tokens(QubitMap(6))).index({"a": "bread"}),
        "at least 13 vectors to fit, got 1",
    ),
    "states of others": (
        lambda r: r.add(["z"], ROWS[:1], r.states),
        "1 ids for the states of 6",
    ),
    "map not fitted": (
        lambda _: rerank(tokens(QubitMap(6))).rank("bread", ["bread"]),
        "not fitted",
    ),
    "another width": (
        lambda _: rerank(Scorer(QubitAnglePredictor(768))).index(DOCS),
        "24 numbers, this head was made for 768",
    ),
    # scorers and weights
    "NaN": (lambda _: Scorer(HEAD).encode(ROWS * np.nan), "NaN"),
    "similarity": (lambda _: Scorer(HEAD, "cosine"), "unknown similarity 'cosine'"),
    "no angles": (lambda _: Scorer(None), "take a head or a QubitMap .* not None"),
    "class as angles": (lambda _: Scorer(QubitMap), "take a head .* not <class"),
    "circuit of 4": (lambda _: Scorer(HEAD, circuit=4), r"Circuit\(n_qubits=…\) as"),
    "backend": (lambda _: Scorer(HEAD, backend="cirq"), "unknown backend 'cirq'"),
    "per": (lambda _: Scorer(HEAD, per="word"), "choose one of text, token"),
    "interaction": (lambda _: tokens(HEAD, interaction="min"), "one of max, mean"),
    "overlap of tokens": (
        lambda _: tokens(QubitMap(6), similarity="overlap"),
        "not compared by 'overlap'",
    ),
    "two layers": (
        lambda _: tokens(QubitAnglePredictor(24, 8, Circuit(3, 2))),
        "one layer without entangler",
    ),
    "entangled tokens": (
        lambda _: tokens(QubitAnglePredictor(24, 8, Circuit(3, 2, "cz_ring"))),
        "one layer without entangler",
    ),
    "weights of 0.9": (lambda _: FOUND.mix({"cosine": 0.9}), "add up to 1"),
    "NaN weights": (lambda _: FOUND.mix({"cosine": float("nan")}), "add up to 1"),
    "negative": (lambda _: FOUND.mix({"cosine": 2, "states": -1}), "add up to 1"),
    "no weights": (lambda _: FOUND.mix({}), "add up to 1"),
    "no such signal": (
        lambda _: FOUND.mix({"cosine": 0.5, "words": 0.5}),
        "unknown signal 'words'; choose one of cosine",
    ),
    # FAISS
    "unknown index": (lambda _: FaissRetriever("annoy"), "choose one of flat, ivf"),
    "empty index": (lambda _: FaissRetriever().search(ROWS, 1), "index is empty"),
    "nothing to save": (lambda _: FaissRetriever().save("x"), "index is empty"),
    "flat has no nprobe": (put(FaissRetriever(), "nprobe", 4), "always exact"),
    "hnsw has no nprobe": (put(FaissRetriever("hnsw"), "nprobe", 4), "set .ef_search"),
    "ivf has no ef": (lambda _: FaissRetriever("ivf").ef_search, "set .nprobe"),
    "nprobe of True": (put(FaissRetriever("ivf"), "nprobe", True), "a whole number"),
    "nprobe of 0": (put(FaissRetriever("ivf"), "nprobe", 0), "a whole number"),
    "too few": (
        lambda _: added("ivf", 100),
        "at least 156 of them, not 100: add more at once or take index='flat'",
    ),
    "too few for codes": (lambda _: added("ivf_pq", 9_000), "at least 9,984"),
    "nprobe too early": (put(FaissRetriever("ivf"), "nprobe", 4), "index is empty"),
    "alpha of 2": (
        lambda _: HybridIndex(ToyTokens(), Scorer(HEAD, "fidelity"), alpha=2),
        r"lie in \[0, 1\]",
    ),
    # one inner product
    "overlap": (lambda _: fold("overlap"), "square root of the fidelity"),
    "5 qubits": (lambda _: fold("fidelity", 5), "of 5 qubits does not fold.*at most 4"),
    "token states": (lambda _: HybridIndex(None, tokens(HEAD)), "token states do not"),
    "hybrid, empty": (
        lambda _: HybridIndex(ToyTokens(), Scorer(HEAD, "fidelity")).search("rye"),
        "index is empty",
    ),
}


@pytest.fixture(scope="module")
def reranker():
    return rerank().index(dict(list(DOCS.items())[:6]))


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name, reranker):
    call, sentence = REFUSALS[name]
    with pytest.raises(ValueError, match=sentence):
        call(reranker)
    assert [doc.rank for doc in reranker.search("bread", k=99)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "ids, vectors, sentence",
    [
        (["d0"], ROWS[:1], "duplicate ids.*d0"),
        (["a", "a"], ROWS[:2], "duplicate ids.*a"),
        (["", "b"], ROWS[:2], "non-empty"),
        ([1, 2], ROWS[:2], "strings"),
        (["a"], ROWS[:2], "1 ids for 2"),
        (["a"], ROWS[:1] * np.nan, "NaN"),
        (["a"], ROWS[:1, :3], "3 numbers.*24"),
    ],
)
def test_refused_additions_store_nothing(ids, vectors, sentence):
    features = Scorer(HEAD, "fidelity")
    for index in (FaissRetriever(), HybridIndex(None, features)):
        index.add(SIX, ROWS)
        with pytest.raises(ValueError, match=sentence.split(".*24")[0]):
            index.add(ids, vectors)
        assert len(index) == 6


def test_a_refused_index_leaves_nothing_behind(tmp_path):
    """Neither a map fitted to documents that were refused, nor half a document."""
    some = dict(list(DOCS.items())[:114])
    reranker = rerank(tokens(QubitMap(6)), first_stage=FaissRetriever("ivf"))
    with pytest.raises(ValueError, match="needs at least 156"):
        reranker.index(some)
    fresh = rerank(tokens(QubitMap(6)), first_stage=FaissRetriever("ivf"))
    assert reranker.index(DOCS).search("bread") == fresh.index(DOCS).search("bread")
    wrong = States.from_rows(torch.zeros(1, 5))
    with pytest.raises(RuntimeError):
        rest = rerank().index(some)
        rest.add(["z"], ROWS[:1], wrong)
    assert len(rest.search("bread", k=999)) == 114
    assert rest.run({}) == {}


@pytest.mark.parametrize("similarity", ["local_fidelity", "overlap", "fidelity"])
def test_many_qubits_and_no_texts(similarity):
    """Product states of many qubits have no statevector, whatever computes states."""
    many = QubitAnglePredictor(24, 8, Circuit(20), seed=0)
    scores = [
        (scorer := Scorer(many, similarity, backend=backend)).score(
            *[scorer.encode(ROWS)] * 2
        )
        for backend in ("torch", "qiskit", "pennylane")
    ]
    assert np.allclose(scores[0], scores[1]) and np.allclose(scores[0], scores[2])
    entangled = QubitAnglePredictor(24, 8, Circuit(3, 2, "cz_ring"), seed=0)
    assert len(Scorer(entangled, similarity).encode(ROWS[:0])) == 0
