"""First stages by words and by words and vectors, and the mix of three signals."""

import math
from collections import Counter

import numpy as np
import pytest
from test_retrieval_rerank import DOCS

from qrr_lib import BM25, FaissRetriever, QubitAnglePredictor, Reranker, Scorer, Union
from qrr_lib.rank import bm25_run, read_run

TEXTS = {
    "a": "the reader reads quiet books",
    "b": "a loud river, a loud sea",
    "c": "reading by the river",
    "d": "",
    "e": "stones",
}


@pytest.fixture
def words():
    stage = BM25()
    stage.add(list(TEXTS), texts=list(TEXTS.values()))
    return stage


def by_hand(query: list[str], documents: list[list[str]]) -> list[float]:
    """BM25 of stemmed words (k1 = 1.5, b = 0.75), with Lucene's rarity."""
    mean, scores = np.mean([len(d) for d in documents]), []
    for document in documents:
        total = 0.0
        for word in query:
            having = sum(word in other for other in documents)
            rarity = math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))
            count = Counter(document)[word]
            drag = 1.5 * (0.25 + 0.75 * len(document) / mean)
            total += rarity * count / (count + drag)
        scores.append(total)
    return scores


STEMS = [
    ["reader", "read", "quiet", "book"],
    ["loud", "river", "loud", "sea"],
    ["read", "river"],
    [],
    ["stone"],
]


def test_search_is_bm25_of_stems(words):
    scores, found = words.search(["who reads at rivers", "loud loud"], 5)
    everyone = dict(zip(TEXTS, by_hand(["read", "river"], STEMS)))
    best = sorted((d for d in everyone if everyone[d]), key=lambda d: -everyone[d])
    assert found[0] == best == ["c", "a", "b"]
    wanted = [everyone[d] for d in best]
    assert np.allclose(scores[0, :3], wanted, atol=1e-6)
    assert found[1] == ["b"]  # a document without the word is not found
    assert np.isneginf(scores[0, 3:]).all() and np.isneginf(scores[1, 1:]).all()
    plain = BM25(stem=False)
    plain.add(list(TEXTS), texts=list(TEXTS.values()))
    assert plain.search(["who reads at rivers"], 5)[1] == [["a"]]


def test_words_of_candidates_count_rarity_among_them(words):
    rows = np.array([[2, 0, 1, -1], [1, 3, -1, -1]])
    got = words.scores(["reading the river", "the river"], rows)
    some = np.array(by_hand(["read", "river"], [STEMS[i] for i in (2, 0, 1)]))
    assert np.allclose(got[0, :3], some / (some.max() + 20), atol=1e-6)
    alone = np.array(by_hand(["river"], [STEMS[1], STEMS[3]]))
    assert np.allclose(got[1, :2], alone / (alone.max() + 20), atol=1e-6)
    assert (got[0, 3], got[1, 2]) == (0, 0)
    assert (words.scores(["of the", "zebra"], rows) == 0).all()


def test_documents_may_come_later_and_have_no_words(words):
    words.search(["river"], 2)
    words.add(["f", "g"], texts=["river river", "!?"])
    again = BM25()
    again.add([*TEXTS, "f", "g"], texts=[*TEXTS.values(), "river river", "!?"])
    for query in ("river", "quiet stones"):
        one, other = words.search([query], 9), again.search([query], 9)
        assert one[1] == other[1] and np.allclose(one[0], other[0])
    silent = BM25()
    silent.add(["x"], texts=["the"])
    assert silent.search(["river"], 3)[1] == [[]]
    assert BM25().search(["river"], 3)[1] == [[]]
    assert (silent.scores(["river"], np.array([[0]])) == 0).all()


def test_union_takes_cosines_best_then_words(words):
    vectors = np.eye(5, dtype=np.float32)
    stage = Union(FaissRetriever(), BM25())
    stage.add(list(TEXTS), vectors, list(TEXTS.values()))
    asked = np.array([[0.1, 0, 0, 0.9, 0.8]], dtype=np.float32)
    (found,) = stage.find(asked, ["loud river"], 2)
    assert list(found) == ["d", "e", "b", "c"]
    assert found["d"] == pytest.approx(0.9) and found["b"] is None
    with pytest.raises(ValueError, match="duplicate ids, nothing was added"):
        stage.add(["new", "a"], vectors[:2], ["one", "two"])
    with pytest.raises(ValueError, match="made for 5"):
        stage.add(["new"], np.ones((1, 3), dtype=np.float32), ["one"])
    assert len(stage) == len(stage.vectors) == len(stage.words) == 5


@pytest.fixture
def hybrid(toy_embedder):
    scorer = Scorer(QubitAnglePredictor(26, 16, seed=0))
    return Reranker(toy_embedder, scorer, first_stage=Union()).index(DOCS)


def test_the_mix_of_three_is_a_weighted_sum(hybrid):
    assert set(hybrid.weights) == {"cosine", "words", "states"}
    hybrid.weights = {"cosine": 0.5, "words": 0.3, "states": 0.2}
    got = hybrid.search("a matrix of noise", k=8, candidates=10)
    for doc in got:
        mixed = 0.5 * doc.cosine + 0.3 * doc.words + 0.2 * doc.quantum
        assert doc.score == pytest.approx(mixed, abs=1e-6)
    assert [d.score for d in got] == sorted((d.score for d in got), reverse=True)
    found = hybrid.candidates({"q": "a matrix of noise"}, 10)
    vectors = hybrid.vectors[found.rows[0]]
    asked = hybrid.embedder.encode(["a matrix of noise"])[0]
    assert np.allclose(found.cosine[0], vectors @ asked, atol=1e-6)
    hybrid.alpha = 1
    plain = Reranker(hybrid.embedder, hybrid.scorer, alpha=1).index(DOCS)
    query = "quiet river"
    first = [d.doc_id for d in plain.search(query, k=5)]
    assert [d.doc_id for d in hybrid.search(query, k=5)] == first


def test_words_alone_may_find(toy_embedder):
    scorer = Scorer(QubitAnglePredictor(26, 16, seed=0))
    one = Reranker(toy_embedder, scorer, first_stage=BM25(), weights={"words": 1.0})
    query = "noise matrix"
    run = one.index(DOCS).run({"q": query})
    words = BM25()
    words.add(list(DOCS), texts=list(DOCS.values()))
    found = words.search([query], 100)[1][0]
    assert set(run["q"]) == set(found) and 0 < len(found) < len(DOCS)
    assert one.run({"q": "xyzzy"}) == {"q": {}} and one.search("xyzzy") == []


def test_candidates_from_elsewhere(hybrid, tmp_path):
    some = list(DOCS)[3:9]
    queries = {"q": "quiet river", "r": "noise"}
    given = {"q": some, "r": {key: i for i, key in enumerate(some)}}
    found = hybrid.candidates(queries, given=given)
    assert found.run(1.0)["q"].keys() == set(some)
    assert [found.doc_ids[i] for i in found.rows[1]] == some[::-1]
    everything = hybrid.candidates(queries, len(DOCS))
    for name in ("cosine", "states"):
        all_of = dict(zip(everything.rows[0], everything.signals[name][0]))
        wanted = [all_of[row] for row in found.rows[0]]
        assert np.allclose(found.signals[name][0], wanted, atol=1e-6)
    path = tmp_path / "run.txt"
    lines = [f"q Q0 {key} {i + 1} {1 - i / 10} x" for i, key in enumerate(some)]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert list(read_run(path)["q"]) == some
    answer = hybrid.run({"q": "quiet river"}, given=read_run(path))
    assert answer["q"].keys() == set(some)
    assert hybrid.run({"q": "quiet river"}, given={}) == {"q": {}}


def test_rank_counts_words_among_its_documents(hybrid):
    texts = ["a quiet river", "noise", "quiet quiet noise"]
    hybrid.weights = {"words": 1.0}
    ranked = hybrid.rank("quiet", texts)
    own = BM25()
    own.add(["0", "1", "2"], texts=texts)
    scores = own.scores(["quiet"], np.array([[0, 1, 2]]))[0]
    assert {r["corpus_id"]: r["score"] for r in ranked} == pytest.approx(
        dict(enumerate(map(float, scores)))
    )
    assert ranked[0]["corpus_id"] == 2


REFUSED = {
    "texts missing": (lambda h: BM25().add(["a"]), "need a text"),
    "text of None": (lambda h: BM25().add(["a"], texts=[None]), "found in a text"),
    "k of 0": (lambda h: BM25().search(["a"], 0), "from 1 up"),
    "id twice": (lambda h: BM25().add(["a", "a"], texts=["", ""]), "duplicate"),
    "add without texts": (
        lambda h: h.add(["new"], h.vectors[:1], h.states[[0]]),
        "need a text",
    ),
    "unknown candidate": (
        lambda h: h.run({"q": "x"}, given={"q": ["nowhere"]}),
        "not indexed here",
    ),
    "weights of 1.2": (
        lambda h: setattr(h, "weights", {"cosine": 0.9, "words": 0.3}),
        "add up to 1",
    ),
    "unknown signal": (
        lambda h: setattr(h, "weights", {"bm25": 1.0}),
        "unknown signal 'bm25'",
    ),
    "words not known": (
        lambda h: Reranker(h.embedder, h.scorer, weights={"words": 1.0}),
        "first_stage=Union",
    ),
    "both": (
        lambda h: Reranker(h.embedder, h.scorer, alpha=1, weights={"cosine": 1.0}),
        "not both",
    ),
    "no run": (lambda h: read_run(__file__), "no run in TREC's format"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_what_to_do(hybrid, name):
    act, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        act(hybrid)
    assert len(hybrid.doc_ids) == len(DOCS) == len(hybrid.first_stage)


def test_a_run_of_words_has_no_strangers():
    from test_evaluation import small_collection

    c = small_collection()
    run = bm25_run(c, {**c.queries, "odd": "the of"}, k=3)
    assert run.pop("odd") == {}
    assert all(score > 0 for found in run.values() for score in found.values())
    best = {qid: next(iter(found)) for qid, found in run.items()}
    assert best == {"t1": "d1", "t2": "d2", "e1": "d1", "e2": "d4"}
