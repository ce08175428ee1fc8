"""Token states: the map, the codes, MaxSim against brute force, and the reranker that
uses them.
"""

import math
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from qrr_lib import (
    QubitAnglePredictor,
    Reranker,
    Scorer,
    TextEmbedder,
    load_collection,
)
from qrr_lib.checks import checked_texts
from qrr_lib.embed.embedder import EncodedText
from qrr_lib.encode.angles import fingerprint
from qrr_lib.encode.codes import codes_to_angles
from qrr_lib.encode.formulas import bloch_vectors, local_fidelity, log_fidelity
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.rank.maxsim import TokenRarity, max_sim, mean_sim
from qrr_lib.rank.states import States
from tools.bench.geometric import GeometricFidelity

WORDS = (
    "angle bread circuit document entropy fidelity gate horse index jazz kernel lemon "
    "matrix noise overlap phase qubit river state token"
).split()
DOCS = {
    f"d{i}": f"{a} {b} {c}"
    for i, (a, b, c) in enumerate(
        (a, b, c) for a in WORDS for b in WORDS[:4] for c in WORDS[10:13] if a != b
    )
}


class ToyTokens:
    """Stands in for TextEmbedder: a word is a token with a random but fixed vector,
    bent a little by its neighbours; "?" is unknown to it.
    """

    name, dim, model = "toy", 24, SimpleNamespace(max_seq_length=10)

    def encode_with_tokens(self, texts, batch_size=32, progress=False):
        encoded = []
        for text in checked_texts(texts):
            words = [w for w in text.lower().split() if w != "?"][:8]
            own = np.array(
                [
                    np.random.default_rng(zlib.crc32(w.encode())).standard_normal(
                        self.dim
                    )
                    for w in words
                ]
            ).reshape(-1, self.dim)
            rows = own + 0.3 * own.mean(axis=0) if len(own) else own
            rows = (
                rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
            ).astype(np.float32)
            mean = rows.sum(axis=0) + 1e-3
            token_ids = np.array(
                [zlib.crc32(w.encode()) % 9999 for w in words], dtype=int
            )
            encoded.append(
                EncodedText(
                    (mean / np.linalg.norm(mean)).astype(np.float32), rows, token_ids
                )
            )
        return encoded

    def encode(self, texts, batch_size=32, progress=None):
        return np.array(
            [t.vector for t in self.encode_with_tokens(texts)], dtype=np.float32
        ).reshape(-1, self.dim)

    def token_strings(self, token_ids):
        names = {zlib.crc32(w.encode()) % 9999: w for w in WORDS}
        return [names[int(i)] for i in token_ids]

    def is_cut(self, text):
        return len(text.split()) > 8


@pytest.fixture
def embedder():
    return ToyTokens()


@pytest.fixture
def reranker(embedder):
    return Reranker(embedder, Scorer(QubitMap(6), idf=False, per="token")).index(DOCS)


@pytest.fixture
def vectors(rng):
    """Unit vectors whose directions differ a lot in variance."""
    x = rng.normal(size=(500, 24)) * np.linspace(3, 0.2, 24) + 0.5
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def random_codes(rng, lengths, n=5, bits=8) -> States:
    total = sum(lengths)
    codes = rng.integers(
        0, 256, (total, n, 2) if bits == 8 else (total, n), dtype=np.uint8
    )
    return States(
        codes, np.cumsum([0, *lengths]), rng.integers(0, 50, total).astype(np.uint32)
    )


# interaction


def test_half_a_byte_an_angle_changes_similarities_little(vectors):
    compared = []
    for bits in (8, 4):
        scorer = Scorer(QubitMap(4, bits=bits).fit(vectors), per="token")
        codes = scorer.encode(vectors)
        assert codes.shape == (500, 4, 2)[: 2 + bits // 8]
        compared.append(scorer.compare(codes[:9], codes))
    off = np.abs(compared[0] - compared[1])
    assert 0 < off.max() < 0.15 and off.mean() < 0.03


def test_max_sim_by_hand():
    """Two query tokens, documents of two, no and one tokens."""
    s = np.array([[0.9, 0.1, 0.4], [0.2, 0.6, 0.8]], dtype=np.float32)
    offsets = np.array([0, 2, 2, 3])
    assert max_sim(s, offsets) == pytest.approx([(0.9 + 0.6) / 2, 0, (0.4 + 0.8) / 2])
    assert max_sim(s, offsets, np.array([0.25, 0.75])) == pytest.approx(
        [0.25 * 0.9 + 0.75 * 0.6, 0, 0.25 * 0.4 + 0.75 * 0.8]
    )
    assert mean_sim(s, offsets) == pytest.approx([(0.5 + 0.4) / 2, 0, 0.6])
    assert max_sim(s[:0], offsets).tolist() == [0, 0, 0]
    assert max_sim(np.zeros((2, 0), "f4"), np.array([0, 0])).tolist() == [0]
    # an empty last document
    assert max_sim(s[:, :2], np.array([0, 2, 2])).tolist()[1] == 0


def test_mean_interaction_is_the_trace_of_two_mixtures(rng):
    """Tr(ρ_q ρ_d) with ρ = 1/T Σ|t><t|, by density matrices of one qubit, whose local
    fidelity is its fidelity.
    """
    q, d = random_codes(rng, [4], n=1), random_codes(rng, [6, 3], n=1)

    def mixture(codes):
        theta, gamma = codes_to_angles(codes)[:, 0, 0].double().unbind(-1)
        states = torch.stack(
            [
                (theta / 2).cos() * torch.polar(torch.ones_like(gamma), -gamma / 2),
                (theta / 2).sin() * torch.polar(torch.ones_like(gamma), gamma / 2),
            ],
            dim=-1,
        )
        return torch.einsum("ta,tb->ab", states, states.conj()) / len(states)

    want = [
        torch.trace(mixture(q.rows) @ mixture(d.rows[a:b])).real.item()
        for a, b in ((0, 6), (6, 9))
    ]
    assert Scorer(QubitMap(1), interaction="mean", per="token").score(q, d)[
        0
    ] == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("similarity", ["local_fidelity", GeometricFidelity.name])
@pytest.mark.parametrize("longest", [30, 1300], ids=["one block", "many blocks"])
@pytest.mark.parametrize("bits", [8, 4])
def test_scores_are_brute_force(rng, similarity, longest, bits):
    queries = random_codes(rng, [3, 1, 0, 6], bits=bits)
    documents = random_codes(rng, [5, 0, 12, 1, 7, longest, 0], bits=bits)
    # no antipodes, whose geometric mean hangs on the last digit of a zero
    if bits == 4:
        for states in (queries, documents):
            np.bitwise_and(states.rows, 0xF7, out=states.rows)
    got = Scorer(QubitMap(5), similarity, per="token").score(queries, documents)
    a, b = (bloch_vectors(codes_to_angles(x.rows)) for x in (queries, documents))
    pairs = (
        local_fidelity(a, b)
        if similarity == "local_fidelity"
        else (log_fidelity(a, b) / 5).exp()
    )
    for i in range(4):
        for j in range(7):
            block = pairs[
                queries.offsets[i] : queries.offsets[i + 1],
                documents.offsets[j] : documents.offsets[j + 1],
            ]
            assert got[i, j] == pytest.approx(
                block.max(dim=1).values.mean().item() if block.numel() else 0, abs=1e-5
            )


def test_rare_tokens_weigh_more():
    rarity = TokenRarity()
    states = States(
        np.zeros((6, 1, 2), np.uint8),
        np.array([0, 3, 5, 6]),
        np.array([7, 7, 2, 7, 3, 7], np.uint32),
    )
    assert rarity.weights(np.array([7, 2])) == pytest.approx([0.5, 0.5])
    rarity.count(states)  # token 7 in three documents, 2 and 3 in one each
    log = [math.log(1 + 3 / (1 + n)) for n in (3, 1, 0)]
    assert rarity.weights(np.array([7, 2, 40_000])) == pytest.approx(
        [x / sum(log) for x in log]
    )
    rarity.count(states)
    assert rarity.documents == 6 and rarity.weights(np.array([], int)).shape == (0,)


# the reranker


def test_the_reranker_mixes_cosine_and_max_sim(reranker, embedder):
    query = "phase qubit river"
    got = reranker.search(query, k=5, candidates=30)
    assert reranker.alpha == reranker.scorer.default_alpha == 0.15
    for doc in got:
        assert doc.score == pytest.approx(
            reranker.alpha * doc.cosine + (1 - reranker.alpha) * doc.quantum, abs=1e-6
        )
        codes = [
            reranker.scorer.encode(text.tokens)
            for text in embedder.encode_with_tokens([query, DOCS[doc.doc_id]])
        ]
        asked, own = (bloch_vectors(codes_to_angles(c)) for c in codes)
        assert doc.quantum == pytest.approx(
            local_fidelity(asked, own).max(dim=1).values.mean().item(), abs=1e-5
        )
    assert list(reranker.run({"q": query}, candidates=30)["q"])[:5] == [
        d.doc_id for d in got
    ]
    again = reranker.rank(query, [DOCS[d.doc_id] for d in got])
    assert [found["corpus_id"] for found in again] == [0, 1, 2, 3, 4]
    assert again[0]["score"] == pytest.approx(got[0].score, abs=1e-5)
    reranker.alpha = 1
    assert [d.first_rank for d in reranker.search(query, k=30, candidates=30)] == list(
        range(1, 31)
    )


def test_the_same_text_has_similarity_one_up_to_its_codes(reranker):
    best = reranker.search(DOCS["d17"], k=1)[0]
    assert sorted(DOCS[best.doc_id].split()) == sorted(
        DOCS["d17"].split()
    ) and best.quantum == pytest.approx(1, abs=1e-5)


def test_queries_of_one_run_do_not_touch_each_other(reranker):
    queries = {"a": "horse jazz", "b": "noise", "c": "matrix gate overlap token state"}
    together = reranker.run(queries)
    for qid, text in queries.items():
        assert together[qid] == pytest.approx(reranker.run({qid: text})[qid], abs=1e-6)


def test_an_unfitted_map_is_fitted_once(embedder):
    scorer = Scorer(QubitMap(6), per="token")
    reranker = Reranker(embedder, scorer).index(DOCS)
    first = fingerprint(reranker.scorer.angles)
    reranker.index({"late": "zebra quartz"})
    assert fingerprint(reranker.scorer.angles) == first
    assert reranker.search("zebra quartz", k=1)[0].doc_id == "late"
    assert len(reranker.states) == len(reranker.vectors) == len(DOCS) + 1


def test_a_scorer_may_be_shared(embedder):
    """A map fitted to one reranker's documents, and how rare their tokens are, change
    nothing in another.
    """
    scorer = Scorer(QubitMap(6), per="token")
    first = Reranker(embedder, scorer).index(DOCS)
    before = first.search("bread token", k=20)
    second = Reranker(embedder, scorer).index(
        {k: f"{v} bread" for k, v in DOCS.items()}
    )
    assert first.search("bread token", k=20) == before
    assert not scorer.angles.is_fitted
    weights = [
        {m.query_token: m.weight for m in one.explain("bread token", "d0")}
        for one in (first, second)
    ]
    assert weights[0]["bread"] > weights[1]["bread"]


def test_explain_adds_up_to_the_score(embedder):
    for idf in (False, True):
        reranker = Reranker(embedder, Scorer(QubitMap(6), idf=idf, per="token")).index(
            DOCS
        )
        query = "qubit bread lemon"
        for doc in reranker.search(query, k=3):
            matches = reranker.explain(query, doc.doc_id)
            assert [m.query_token for m in matches] == query.split() and [
                m.query_position for m in matches
            ] == [0, 1, 2]
            assert sum(m.weight * m.similarity for m in matches) == pytest.approx(
                doc.quantum, abs=1e-5
            )
            words = DOCS[doc.doc_id].split()
            assert all(words[m.document_position] == m.document_token for m in matches)
            for match in matches:
                assert (
                    match.query_token not in words
                    or match.document_token == match.query_token
                )


def test_idf_changes_scores_only_through_weights(embedder):
    common = {k: f"{v} bread" for k, v in DOCS.items()}
    plain, rare = (
        Reranker(embedder, Scorer(QubitMap(6), idf=idf, per="token"), alpha=0).index(
            common
        )
        for idf in (False, True)
    )
    weights = {m.query_token: m.weight for m in rare.explain("bread token", "d0")}
    assert weights["bread"] < weights["token"] and sum(
        weights.values()
    ) == pytest.approx(1)
    assert (
        plain.search("bread token", k=1)[0].quantum
        != rare.search("bread token", k=1)[0].quantum
    )


def test_texts_that_are_cut_are_counted(reranker, capsys):
    reranker.index({"long": "bread " * 100_000})
    assert (
        "1 of 1 texts are longer than the 10 word pieces that toy reads"
        in capsys.readouterr().err
    )
    assert len(reranker.states_of("long").rows) == 8


def test_texts_and_queries_without_tokens(reranker):
    reranker.index({"unknown": "? ?"})
    assert len(reranker.states_of("unknown").rows) == 0
    found = {d.doc_id: d for d in reranker.search("bread", k=1000, candidates=1000)}
    assert (
        len(found) == len(DOCS) + 1
        and found["unknown"].quantum == 0
        and reranker.explain("bread", "unknown") == []
    )
    silent = reranker.search("?", k=5)
    assert [d.quantum for d in silent] == [0] * 5 and [
        d.first_rank for d in silent
    ] == [1, 2, 3, 4, 5]
    assert reranker.explain("?", "d0") == []
    assert reranker.search("token", k=1)[0].quantum > 0.9  # a query of one token


def test_the_original_head_per_token_collapses(embedder):
    scorer = Scorer(QubitAnglePredictor(24, 32, seed=0), per="token")
    reranker = Reranker(embedder, scorer).index(DOCS)
    spread = np.std([d.quantum for d in reranker.search("qubit bread", k=100)])
    mapped = np.std(
        [
            d.quantum
            for d in Reranker(embedder, Scorer(QubitMap(6), per="token"))
            .index(DOCS)
            .search("qubit bread", k=100)
        ]
    )
    assert spread < mapped / 5


# the model that the course uses


def test_tokens_of_the_real_model():
    embedder = TextEmbedder("all-MiniLM-L6-v2", cache=False)
    text, blank, long = embedder.encode_with_tokens(
        ["Phase kickback", "\u200b", "word " * 20_000]
    )
    assert embedder.token_strings(text.token_ids) == [
        "phase",
        "kick",
        "##back",
    ] and text.tokens.shape == (3, 384)
    assert np.allclose(np.linalg.norm(text.tokens, axis=1), 1, atol=1e-5)
    assert np.allclose(text.vector, embedder.encode(["Phase kickback"])[0], atol=1e-5)
    assert blank.tokens.shape == (0, 384) and len(long.tokens) == 254
    assert embedder.is_cut("word " * 20_000) and not embedder.is_cut("word " * 254)


def test_shipped_codes_are_what_the_shipped_map_makes():
    embedder, collection = TextEmbedder("all-MiniLM-L6-v2"), load_collection()
    scorer = Scorer(QubitMap.shipped(embedder.name), per="token")
    texts = [*collection.texts()[:3], next(iter(collection.queries.values()))]
    vectors, shipped = scorer.encode_texts(embedder, texts)
    live = embedder.encode_with_tokens(texts)
    # float16 was shipped
    assert np.allclose(vectors, [t.vector for t in live], atol=2e-3)
    assert [t.token_ids.tolist() for t in live] == [
        shipped[i : i + 1].token_ids.tolist() for i in range(4)
    ]
    steps = np.abs(
        np.concatenate([scorer.encode(t.tokens) for t in live]).astype(int)
        - shipped.rows
    )
    assert steps.max() <= 1 and (steps == 0).mean() > 0.99  # rounding of another batch


def test_shipped_codes_need_no_forward_pass(monkeypatch):
    embedder, collection = TextEmbedder("all-MiniLM-L6-v2"), load_collection()
    monkeypatch.setattr(
        TextEmbedder, "model", property(lambda self: pytest.fail("the model was used"))
    )
    reranker = Reranker(
        embedder, Scorer(QubitMap.shipped(embedder.name), per="token")
    ).index(collection)
    assert len(reranker.run(collection.split("dev"))) == 28


def test_the_heat_map_shows_every_best_partner(reranker, embedder):
    import matplotlib

    matplotlib.use("Agg")
    from qrr_lib.course.plots import new_figure, token_heatmap

    parts = reranker.token_matrix("qubit bread lemon", "d3")
    assert (
        parts[0] == ["qubit", "bread", "lemon"]
        and parts[1] == DOCS["d3"].split()
        and parts[2].shape == (3, 3)
    )
    figure, axis = new_figure()
    wide = np.tile([0.1, 0.9, 0.2, 0.8], (2, 20))
    wide[1, 70] = 0.95
    token_heatmap(axis, ["a", "b"], [f"t{i}" for i in range(80)], wide, most=5)
    shown = [label.get_text() for label in axis.get_xticklabels()]
    assert (
        len(shown) == 5
        and {"t1", "t70"} <= set(shown)
        and axis.images[0].get_array().shape == (2, 5)
    )
    rings = axis.lines[0].get_xdata()
    assert [shown[int(x)] for x in rings] == ["t1", "t70"]
    with pytest.raises(ValueError, match="no tokens"):
        token_heatmap(axis, ["a"], [], np.zeros((1, 0)))


def test_gathering_texts(rng):
    states = random_codes(rng, [3, 0, 4, 1])
    part = states[[2, 1, 0]]
    assert part.offsets.tolist() == [0, 4, 4, 7] and np.array_equal(
        part.rows[:4], states.rows[3:7]
    )
    assert (
        np.array_equal(states[1:3].token_ids, states.token_ids[3:7])
        and len(states[1:3]) == 2
    )
    joined = States.join([states[:2], states[2:]])
    assert (
        np.array_equal(joined.rows, states.rows)
        and joined.offsets.tolist() == states.offsets.tolist()
    )
    assert len(states[[]]) == 0 and len(States.join([states[[]], states])) == 4
