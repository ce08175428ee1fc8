"""Token states: the map, the codes, MaxSim against brute force, and the reranker that
uses them.
"""

from __future__ import annotations

import math
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from qrr_lib import (
    Circuit,
    HybridReranker,
    QubitAnglePredictor,
    StateScorer,
    TextEmbedder,
    load_collection,
)
from qrr_lib.embed.embedder import EncodedText, _checked
from qrr_lib.encode.codes import (
    angles_to_codes,
    bloch_table,
    codes_to_angles,
    codes_to_bloch,
    codes_to_features,
)
from qrr_lib.encode.qubit_map import QubitMap, source_hash
from qrr_lib.encode.similarity import bloch_vectors, local_fidelity, log_fidelity
from qrr_lib.rank.maxsim import TokenRarity, max_sim, mean_sim, token_groups
from qrr_lib.rank.states import TokenCodes
from qrr_lib.rank.token_scorer import TokenScorer

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
        for text in _checked(texts):
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
    return HybridReranker(embedder, TokenScorer(QubitMap(6), idf=False)).index(DOCS)


@pytest.fixture
def vectors(rng):
    """Unit vectors whose directions differ a lot in variance."""
    x = rng.normal(size=(500, 24)) * np.linspace(3, 0.2, 24) + 0.5
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def random_codes(rng, lengths, n=5, bits=8) -> TokenCodes:
    total = sum(lengths)
    codes = rng.integers(
        0, 256, (total, n, 2) if bits == 8 else (total, n), dtype=np.uint8
    )
    return TokenCodes(
        codes, np.cumsum([0, *lengths]), rng.integers(0, 50, total).astype(np.uint32)
    )


# the map


def test_the_map_is_pca_a_rotation_and_tanh(vectors):
    qubits = QubitMap(4, scale=0.7, seed=3).fit(vectors)
    angles = qubits(torch.as_tensor(vectors))
    assert angles.shape == (500, 1, 4, 2)
    mean = vectors.astype(np.float64).mean(axis=0)
    principal = np.linalg.svd(vectors - mean, full_matrices=False)[2][:8].T  # (D, 2n)
    # the rotation, up to signs of the directions
    inside = principal.T @ qubits.directions.numpy()
    assert np.allclose(inside @ inside.T, np.eye(8), atol=1e-5)
    u = (vectors - mean) @ qubits.directions.numpy()
    theta = math.pi / 2 + math.pi / 2 * np.tanh(0.7 * math.sqrt(8) * u[:, :4])
    gamma = math.pi + math.pi * np.tanh(0.7 * math.sqrt(8) * u[:, 4:])
    assert np.allclose(angles[:, 0, :, 0], theta, atol=1e-5) and np.allclose(
        angles[:, 0, :, 1], gamma, atol=1e-5
    )
    assert (
        angles.min() >= 0
        and angles[..., 0].max() <= math.pi
        and angles[..., 1].max() <= 2 * math.pi
    )


def test_the_rotation_shares_the_variance(vectors):
    u = (vectors - vectors.mean(axis=0)) @ QubitMap(4).fit(vectors).directions.numpy()
    principal = (vectors - vectors.mean(axis=0)) @ np.linalg.svd(
        vectors - vectors.mean(axis=0), full_matrices=False
    )[2][:8].T
    assert u.var(axis=0).sum() == pytest.approx(principal.var(axis=0).sum(), rel=1e-3)
    assert (
        u.var(axis=0).max() / u.var(axis=0).min()
        < principal.var(axis=0).max() / principal.var(axis=0).min()
    )


def test_a_map_is_repeatable_and_survives_its_file(vectors, tmp_path):
    a = QubitMap(4).fit(vectors)
    b = QubitMap(4).fit(vectors.copy())
    other = QubitMap(4, seed=1).fit(vectors)
    assert source_hash(a) == source_hash(b) != source_hash(other)
    assert source_hash(a) != source_hash(QubitMap(4, scale=0.5).fit(vectors))
    a.save(tmp_path / "map.safetensors", {"fitted to": "noise"})
    loaded = QubitMap.load(tmp_path / "map.safetensors", 24)
    assert source_hash(loaded) == source_hash(a) and torch.equal(
        loaded(torch.as_tensor(vectors)), a(torch.as_tensor(vectors))
    )
    with pytest.raises(ValueError, match="fitted to 24-d vectors, not 768-d"):
        QubitMap.load(tmp_path / "map.safetensors", 768)
    data = bytearray((tmp_path / "map.safetensors").read_bytes())
    data[-2] ^= 1
    (tmp_path / "map.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match="hash does not match"):
        QubitMap.load(tmp_path / "map.safetensors")
    (tmp_path / "map.safetensors").write_bytes(data[:50])
    with pytest.raises(ValueError, match="not a readable safetensors"):
        QubitMap.load(tmp_path / "map.safetensors")
    QubitAnglePredictor(24, 8).save(tmp_path / "head.safetensors")
    with pytest.raises(ValueError, match="not a saved QubitMap"):
        QubitMap.load(tmp_path / "head.safetensors")
    with pytest.raises(FileNotFoundError):
        QubitMap.load(tmp_path / "absent.safetensors")
    with pytest.raises(FileNotFoundError, match="no map for 'other'"):
        QubitMap.shipped("other")


def test_what_a_map_refuses(vectors):
    with pytest.raises(ValueError, match="at least 9 vectors to fit, got 8"):
        QubitMap(4).fit(vectors[:8])
    QubitMap(4).fit(vectors[:9])
    with pytest.raises(ValueError, match="at most 12 qubits fit"):
        QubitMap(13).fit(vectors)
    with pytest.raises(ValueError, match="span fewer than the 8 directions"):
        QubitMap(4).fit(np.repeat(vectors[:5], 20, axis=0))
    with pytest.raises(ValueError, match="not fitted"):
        QubitMap(4)(torch.as_tensor(vectors))
    with pytest.raises(ValueError, match="not fitted"):
        QubitMap(4).save("nowhere")
    with pytest.raises(ValueError, match="NaN"):
        QubitMap(4).fit(np.full((50, 24), np.nan, dtype="f4"))
    with pytest.raises(ValueError, match="shape"):
        QubitMap(4).fit(np.zeros(24))
    with pytest.raises(ValueError, match="12 numbers, this head was made for 24"):
        QubitMap(4).fit(vectors)(torch.zeros(2, 12))
    for scale in (0, -1, math.inf, "wide"):
        with pytest.raises(ValueError, match="scale must be"):
            QubitMap(4, scale=scale)
    with pytest.raises(ValueError, match="n_qubits"):
        QubitMap(0)
    with pytest.raises(ValueError, match="no weights"):
        source_hash(lambda x: x)


# the codes


def test_codes_lose_at_most_half_a_step(random_angles):
    angles = random_angles(4000, Circuit(3)).float()
    codes = angles_to_codes(angles)
    assert codes.dtype == np.uint8 and codes.shape == (4000, 3, 2)
    off = (codes_to_angles(codes) - angles).abs()
    assert (
        off[..., 0].max() <= math.pi / 512 + 1e-5
        and off[..., 1].max() <= math.pi / 256 + 1e-5
    )
    assert off[..., 0].max() > 0.95 * math.pi / 512  # the bound is tight
    assert np.array_equal(angles_to_codes(codes_to_angles(codes)), codes)
    edges = torch.tensor([[[[0.0, 0.0], [math.pi, 2 * math.pi]]]])
    assert angles_to_codes(edges).tolist() == [[[0, 0], [255, 255]]]
    with pytest.raises(ValueError, match="one layer"):
        angles_to_codes(torch.zeros(5, 2, 3, 2))


def test_the_table_holds_bloch_vectors(rng):
    codes = rng.integers(0, 256, (300, 7, 2), dtype=np.uint8)
    want = bloch_vectors(codes_to_angles(codes)).numpy()
    assert np.allclose(codes_to_bloch(codes), want, atol=1e-6)
    assert np.allclose(
        codes_to_features(codes) @ codes_to_features(codes).T,
        np.einsum("anx,bnx->ab", want, want),
        atol=1e-4,
    )
    assert bloch_table().shape == (65536, 4) and not bloch_table()[:, 3].any()
    assert np.allclose(np.linalg.norm(bloch_table(), axis=1), 1, atol=1e-6)
    assert codes_to_features(codes[:0]).shape == (0, 28)


def test_half_a_byte_an_angle(random_angles, rng):
    """θ in the upper half of the byte, γ in the lower; at most half a step of 1/16 is
    lost; all 256 codes survive, each a state of its own.
    """
    angles = random_angles(4000, Circuit(3)).float()
    codes = angles_to_codes(angles, bits=4)
    assert codes.dtype == np.uint8 and codes.shape == (4000, 3)
    off = (codes_to_angles(codes) - angles).abs()
    assert (
        0.95 * math.pi / 32 < off[..., 0].max() <= math.pi / 32 + 1e-5
        and 0.95 * math.pi / 16 < off[..., 1].max() <= math.pi / 16 + 1e-5
    )
    edges = (
        torch.tensor([[[[0.0, 0.0]], [[0.0, 2 * math.pi]], [[math.pi, 0.0]]]])
        .transpose(0, 1)
        .reshape(3, 1, 1, 2)
    )
    assert angles_to_codes(edges, bits=4)[:, 0].tolist() == [0x00, 0x0F, 0xF0]
    every = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    assert np.array_equal(angles_to_codes(codes_to_angles(every), bits=4), every)
    assert (
        bloch_table(4).shape == (256, 4)
        and len(np.unique(bloch_table(4).round(5), axis=0)) == 256
    )
    want = bloch_vectors(codes_to_angles(codes[:50])).numpy()
    assert np.allclose(codes_to_bloch(codes[:50]), want, atol=1e-6)
    assert np.allclose(
        codes_to_features(codes[:50]) @ codes_to_features(codes[:50]).T,
        np.einsum("anx,bnx->ab", want, want),
        atol=1e-4,
    )
    assert codes_to_features(codes[:0]).shape == (0, 12)
    for bits in (0, 3, 16, "4", None):
        with pytest.raises(ValueError, match="4 or 8 bits"):
            QubitMap(3, bits=bits)
        with pytest.raises(ValueError, match="4 or 8 bits"):
            angles_to_codes(angles, bits)


def test_bits_belong_to_the_map(vectors, tmp_path):
    fine, coarse = QubitMap(4).fit(vectors), QubitMap(4, bits=4).fit(vectors)
    assert torch.equal(fine.directions, coarse.directions) and source_hash(
        fine
    ) != source_hash(coarse)
    coarse.save(tmp_path / "map.safetensors")
    loaded = QubitMap.load(tmp_path / "map.safetensors")
    assert loaded.bits == 4 and source_hash(loaded) == source_hash(coarse)
    a, b = TokenScorer(coarse), TokenScorer(fine)
    assert a.codes(vectors).shape == (500, 4) and b.codes(vectors).shape == (500, 4, 2)
    near = np.abs(
        a.similarities(a.codes(vectors[:9]), a.codes(vectors))
        - b.similarities(b.codes(vectors[:9]), b.codes(vectors))
    )
    assert 0 < near.max() < 0.15 and near.mean() < 0.03


# interaction


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
        torch.trace(mixture(q.codes) @ mixture(d.codes[a:b])).real.item()
        for a, b in ((0, 6), (6, 9))
    ]
    assert TokenScorer(QubitMap(1), interaction="mean").score(q, d)[0] == pytest.approx(
        want, abs=1e-5
    )


@pytest.mark.parametrize("similarity", ["local_fidelity", "geometric_fidelity"])
@pytest.mark.parametrize("small", [False, True], ids=["one block", "many blocks"])
@pytest.mark.parametrize("bits", [8, 4])
def test_scores_are_brute_force(rng, monkeypatch, similarity, small, bits):
    if small:
        monkeypatch.setattr("qrr_lib.rank.token_scorer.TOKENS_A_GROUP", 9)
        monkeypatch.setattr("qrr_lib.rank.token_scorer.TOKENS_A_PRODUCT", 4)
    queries = random_codes(rng, [3, 1, 0, 6], bits=bits)
    documents = random_codes(rng, [5, 0, 12, 1, 7, 30, 0], bits=bits)
    # no antipodes, whose geometric mean hangs on the last digit of a zero
    if bits == 4:
        for states in (queries, documents):
            np.bitwise_and(states.codes, 0xF7, out=states.codes)
    got = TokenScorer(QubitMap(5), similarity).score(queries, documents)
    a, b = (bloch_vectors(codes_to_angles(x.codes)) for x in (queries, documents))
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


def test_groups_cover_every_document_once(rng):
    offsets = np.cumsum([0, *rng.integers(0, 40, 60)])
    groups = list(token_groups(offsets, 50))
    assert [g[0] for g in groups] == [0] + [g[1] for g in groups[:-1]] and groups[-1][
        1
    ] == 60
    assert all(offsets[b] - offsets[a] <= 50 or b == a + 1 for a, b in groups)
    assert list(token_groups(np.zeros(1, dtype=int), 50)) == []


def test_rare_tokens_weigh_more():
    rarity = TokenRarity()
    states = TokenCodes(
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
    assert reranker.alpha == TokenScorer.default_alpha
    for doc in got:
        assert doc.score == pytest.approx(
            reranker.alpha * doc.cosine + (1 - reranker.alpha) * doc.quantum, abs=1e-6
        )
        codes = [
            reranker.scorer.codes(text.tokens)
            for text in embedder.encode_with_tokens([query, DOCS[doc.doc_id]])
        ]
        asked, own = (bloch_vectors(codes_to_angles(c)) for c in codes)
        assert doc.quantum == pytest.approx(
            local_fidelity(asked, own).max(dim=1).values.mean().item(), abs=1e-5
        )
    assert list(reranker.run({"q": query}, candidates=30)["q"])[:5] == [
        d.doc_id for d in got
    ]
    again = reranker.rerank(query, [DOCS[d.doc_id] for d in got])
    assert [d.doc_id for d in again] == ["0", "1", "2", "3", "4"] and again[
        0
    ].quantum == pytest.approx(got[0].quantum, abs=1e-5)
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
    scorer = TokenScorer(QubitMap(6))
    with pytest.raises(ValueError, match="not fitted"):
        HybridReranker(embedder, scorer).rerank("bread", ["bread", "jazz"])
    reranker = HybridReranker(embedder, scorer).index(DOCS)
    first = source_hash(scorer.angles)
    reranker.index({"late": "zebra quartz"})
    assert (
        source_hash(scorer.angles) == first
        and reranker.search("zebra quartz", k=1)[0].doc_id == "late"
    )
    assert len(reranker.states) == len(reranker.vectors) == len(DOCS) + 1
    with pytest.raises(ValueError, match="at least 13 vectors to fit, got 1"):
        HybridReranker(embedder, TokenScorer(QubitMap(6))).index({"a": "bread"})


def test_explain_adds_up_to_the_score(embedder):
    for idf in (False, True):
        reranker = HybridReranker(embedder, TokenScorer(QubitMap(6), idf=idf)).index(
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
    with pytest.raises(ValueError, match="no document 'nope'"):
        reranker.explain(query, "nope")
    with pytest.raises(ValueError, match="use a TokenScorer"):
        HybridReranker(embedder, StateScorer(QubitAnglePredictor(24, 8))).index(
            DOCS
        ).explain(query, "d0")


def test_idf_changes_scores_only_through_weights(embedder):
    common = {k: f"{v} bread" for k, v in DOCS.items()}
    plain, rare = (
        HybridReranker(embedder, TokenScorer(QubitMap(6), idf=idf), alpha=0).index(
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


def test_bad_input(embedder, reranker, capsys):
    with pytest.raises(ValueError, match="text 1 is empty"):
        HybridReranker(embedder, TokenScorer(QubitMap(6))).index(
            {**{"a": DOCS["d1"]}, "b": "  "}
        )
    with pytest.raises(ValueError, match="non-empty strings, not 7"):
        reranker.index({7: "bread"})
    with pytest.raises(ValueError, match="duplicate ids.*d0"):
        reranker.index({"new": "bread", "d0": "again"})
    with pytest.raises(ValueError, match="no texts"):
        reranker.index({})
    for query in ("", "  ", None):
        with pytest.raises(ValueError, match="query is empty"):
            reranker.search(query)
    with pytest.raises(ValueError, match="unknown similarity"):
        TokenScorer(QubitMap(6), similarity="overlap")
    with pytest.raises(ValueError, match="unknown interaction"):
        TokenScorer(QubitMap(6), interaction="min")
    for circuit in (
        Circuit(3, 2),
        Circuit(3, 2, "cz_ring"),
        Circuit(3, 1, "cz_ring", trailing=True),
    ):
        with pytest.raises(ValueError, match="one layer without entangler"):
            TokenScorer(QubitAnglePredictor(24, 8, circuit))
    assert len(reranker.states) == len(DOCS)
    capsys.readouterr()
    reranker.index({"long": "bread " * 100_000})
    assert (
        "1 of 1 texts are longer than the 10 word pieces that toy reads"
        in capsys.readouterr().err
    )
    assert len(reranker.states_of("long").codes) == 8


def test_texts_and_queries_without_tokens(reranker):
    reranker.index({"unknown": "? ?"})
    assert len(reranker.states_of("unknown").codes) == 0
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
    scorer = TokenScorer(QubitAnglePredictor(24, 32, seed=0))
    reranker = HybridReranker(embedder, scorer).index(DOCS)
    spread = np.std([d.quantum for d in reranker.search("qubit bread", k=100)])
    mapped = np.std(
        [
            d.quantum
            for d in HybridReranker(embedder, TokenScorer(QubitMap(6)))
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
    scorer = TokenScorer(QubitMap.shipped(embedder.name))
    texts = [*collection.texts()[:3], next(iter(collection.queries.values()))]
    vectors, shipped = scorer.encode_texts(embedder, texts)
    live = embedder.encode_with_tokens(texts)
    # float16 was shipped
    assert np.allclose(vectors, [t.vector for t in live], atol=2e-3)
    assert [t.token_ids.tolist() for t in live] == [
        shipped[i : i + 1].token_ids.tolist() for i in range(4)
    ]
    steps = np.abs(
        np.concatenate([scorer.codes(t.tokens) for t in live]).astype(int)
        - shipped.codes
    )
    assert steps.max() <= 1 and (steps == 0).mean() > 0.99  # rounding of another batch


def test_shipped_codes_need_no_forward_pass(monkeypatch):
    embedder, collection = TextEmbedder("all-MiniLM-L6-v2"), load_collection()
    monkeypatch.setattr(
        TextEmbedder, "model", property(lambda self: pytest.fail("the model was used"))
    )
    reranker = HybridReranker(
        embedder, TokenScorer(QubitMap.shipped(embedder.name))
    ).index(collection)
    assert len(reranker.run(collection.split("dev"))) == 28


def test_the_heat_map_shows_every_best_partner(reranker, embedder):
    import matplotlib

    matplotlib.use("Agg")
    from qrr_lib.course.plots import new_figure, token_heatmap

    parts = reranker.scorer.token_matrix(
        embedder, "qubit bread lemon", reranker.states_of("d3")
    )
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
