"""Training: it learns, repeats itself, resumes, and refuses what it should; the heads
are what they claim to be.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from qrr_lib import Circuit, QubitAnglePredictor, StateScorer, fidelity, per_query
from qrr_lib.embed.collection import Collection, Document
from qrr_lib.encode.heads import EquatorialHead, load_head, save_head
from qrr_lib.learn.batches import Batches
from qrr_lib.learn.checkpoint import Progress
from qrr_lib.learn.choice import cautious_gain, choose_alpha
from qrr_lib.learn.published import CompressionAnchor
from qrr_lib.learn.scores import pool_similarity, represent, similarity_of
from qrr_lib.learn.splits import carve_dev
from qrr_lib.learn.training import train_head
from qrr_lib.learn.twins import DocumentOnly, SphereTwin, VectorHead
from qrr_lib.rank.candidates import Vectors, make_pool
from qrr_lib.rank.metrics import relevant
from tools.bench.arms import ARMS, make_arm

DIM = 12


def toy(n_docs: int = 40, seed: int = 0) -> tuple[Collection, Vectors]:
    """Documents with three queries each.

    A query is its document with half of the coordinates drowned in noise: a head can
    learn which.
    """
    rng = np.random.default_rng(seed)
    docs = rng.normal(size=(n_docs, DIM))
    queries, qrels = {}, {"train": {}, "dev": {}, "test_known": {}, "test_new": {}}
    for d in range(n_docs):
        for i in range(3):
            noisy = docs[d] + np.where(
                np.arange(DIM) < DIM // 2, 0.2, 3.0
            ) * rng.normal(size=DIM)
            qid = f"q{d}_{i}"
            queries[qid] = noisy / np.linalg.norm(noisy)
            split = (
                ("test_known" if i == 2 else "train")
                if d < n_docs // 2
                else ("dev" if d < 3 * n_docs // 4 else "test_new")
            )
            qrels[split][qid] = {f"d{d}": 1}
    collection = Collection(
        "toy",
        {f"d{d}": Document("", f"document {d}") for d in range(n_docs)},
        dict.fromkeys(queries, "text"),
        qrels,
    )
    unit = docs / np.linalg.norm(docs, axis=1, keepdims=True)
    return collection, Vectors(
        unit.astype("f4"), {q: v.astype("f4") for q, v in queries.items()}
    )


def quick(head, data, seed=0, **options):
    collection, vectors = data
    return train_head(
        head,
        vectors,
        collection,
        seed=seed,
        **{"epochs": 6, "batch_size": 16, "progress": False, **options},
    )


def test_training_finds_what_cosine_misses():
    collection, vectors = data = toy(120)
    result = quick(
        EquatorialHead(DIM, Circuit(8), seed=0),
        data,
        epochs=40,
        similarity="local_fidelity",
    )
    alpha = result.use("new")
    # the noise is the same everywhere, so here even new documents gain
    for split in (
        "test_known",
        "test_new",
    ):
        pool = make_pool(vectors, collection, collection.qrels[split])
        mixed = pool.mix(
            pool_similarity(result.head, result.similarity, vectors, pool), alpha
        )
        assert (pool.ndcg(mixed) - pool.ndcg(pool.cosine)).mean() > 0.08
    assert result.curve[-1]["loss"] < result.curve[1]["loss"] - 0.3
    assert [row["epoch"] for row in result.curve] == list(range(len(result.curve)))


def test_a_signal_that_is_not_there_chooses_cosine():
    collection, vectors = toy()
    pool = make_pool(vectors, collection, collection.qrels["dev"])
    noise = np.random.default_rng(0).random(pool.cosine.shape)
    # a constant changes nothing: leave cosine alone
    assert choose_alpha(pool, noise * 0) == (
        1.0,
        0.0,
    )
    assert choose_alpha(pool, -pool.grades)[0] == 1.0  # harm: leave cosine alone
    alpha, gain = choose_alpha(pool, pool.grades)
    assert alpha < 1 and gain > 0.1


def test_same_seed_same_head():
    data = toy()
    a, b, c = (
        quick(EquatorialHead(DIM, Circuit(4), seed=s), data, seed=s) for s in (1, 1, 2)
    )
    assert a.curve == b.curve != c.curve
    assert all(
        torch.equal(x, y)
        for x, y in zip(a.head.state_dict().values(), b.head.state_dict().values())
    )


@pytest.mark.parametrize("stop_after", [1, 3])
def test_an_interrupted_training_ends_where_an_unbroken_one_does(
    tmp_path, monkeypatch, stop_after
):
    data, path = toy(), tmp_path / "half.safetensors"
    whole = quick(EquatorialHead(DIM, Circuit(4), seed=0), data)
    saved, saves = Progress.save, []

    def interrupted(self, where):
        saved(self, where)
        saves.append(where)
        if len(saves) == stop_after:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quick(EquatorialHead(DIM, Circuit(4), seed=0), data, checkpoint=path)
    # its own start is replaced by the file's
    resumed = quick(EquatorialHead(DIM, Circuit(4), seed=5), data, checkpoint=path)
    assert len(saves) == len(whole.curve) - 1
    assert resumed.curve == whole.curve and resumed.choices == whole.choices
    assert all(
        torch.equal(x, y)
        for x, y in zip(
            resumed.head.state_dict().values(), whole.head.state_dict().values()
        )
    )
    assert [p.name for p in tmp_path.iterdir()] == ["half.safetensors"]
    with pytest.raises(ValueError, match="other settings"):
        quick(EquatorialHead(DIM, Circuit(4), seed=0), data, checkpoint=path, lr=0.5)


def test_refusals():
    collection, vectors = toy()
    head = EquatorialHead(DIM, Circuit(2), seed=0)

    def with_train(train, **options):
        return quick(head, (collection, vectors), train=train, **options)

    with pytest.raises(
        ValueError,
        match=r"1 relevant documents are not in collection 'toy' \(elsewhere",
    ):
        with_train({"q0_0": {"elsewhere": 1}})
    with pytest.raises(ValueError, match="no query of train has a relevant document"):
        with_train({"q0_0": {"d0": 0}})
    with pytest.raises(ValueError, match="train and dev share 20 relevant documents"):
        with_train("train", dev="test_known")
    # said openly, it is allowed
    quick(head, (collection, vectors), dev_known="test_known", epochs=1)


def test_false_negatives_are_masked_and_hard_negatives_are_near():
    collection, vectors = toy()
    qrels = {
        "q0_0": {"d0": 2, "d1": 1, "d2": 1},
        "q0_1": {"d0": 1},
        "q1_0": {"d1": 1},
        "q2_0": {"d2": 1, "d3": 0},
    }
    batches = Batches(vectors, collection, qrels, size=4, hard=3, seed=0)
    docs = list(collection.docs)
    assert all(
        not set(near) & set(own) and len(near) == 40 - len(own)
        for near, own in zip(batches.near, batches.positives)
    )
    for epoch in range(5):
        ((queries, documents, cosine, target, mask),) = batches.of_epoch(epoch)
        rows = [
            next(i for i, v in enumerate(vectors.docs) if np.array_equal(v, d.numpy()))
            for d in documents
        ]
        ids = [
            next(q for q in qrels if np.array_equal(vectors.queries[q], v.numpy()))
            for v in queries
        ]
        assert len(rows) == 4 + 4 * 3
        for i, qid in enumerate(ids):
            # its own document is relevant and counts
            assert (
                qrels[qid].get(docs[rows[target[i]]], 0) >= 1 and not mask[i, target[i]]
            )
            for j, row in enumerate(rows):
                assert bool(mask[i, j]) == (
                    j != i and qrels[qid].get(docs[row], 0) >= 1
                )
        assert torch.allclose(cosine, queries @ documents.T)


def test_the_loss_never_pushes_a_relevant_document_away():
    collection, vectors = toy(24)
    everything = {f"d{d}": 1 for d in range(20)}
    # nothing in a batch is a true negative
    train = {qid: everything for qid in list(collection.qrels["train"])[:4]}
    result = quick(
        EquatorialHead(DIM, Circuit(2), seed=0),
        (collection, vectors),
        train=train,
        dev={"q23_0": {"d23": 1}},
        hard_negatives=0,
    )
    assert [row["loss"] for row in result.curve[1:]] == [0.0] * 6


def test_a_handful_of_dev_queries_vouches_for_nothing():
    collection, vectors = toy()
    few = make_pool(
        vectors,
        collection,
        {q: collection.qrels["dev"][q] for q in list(collection.qrels["dev"])[:9]},
    )
    assert choose_alpha(few, few.grades) == (1.0, 0.0)


def test_one_lucky_query_is_no_gain():
    nothing, lucky = np.full(40, 0.5), np.full(40, 0.5)
    lucky[7] = 1.0
    assert cautious_gain(lucky, nothing) < 0 < cautious_gain(nothing + 0.01, nothing)
    steady = nothing + np.random.default_rng(0).normal(0.1, 0.2, size=40)
    assert 0 < cautious_gain(steady, nothing) < (steady - nothing).mean()


@pytest.mark.parametrize("seed", range(5))
def test_carved_dev_splits_keep_their_promises(seed):
    rng = np.random.default_rng(seed)
    qrels = {
        f"q{i}": {
            f"d{d}": 1 for d in rng.choice(120, size=rng.integers(1, 3), replace=False)
        }
        for i in range(200)
    }
    parts = carve_dev(qrels, 0.1, seed)
    # every query once
    assert sorted(q for part in parts.values() for q in part) == sorted(qrels)
    docs = {
        name: set().union(*map(relevant, part.values())) for name, part in parts.items()
    }
    assert not docs["dev_new"] & (docs["train"] | docs["dev_known"])
    assert all(
        relevant(judged) <= docs["train"] for judged in parts["dev_known"].values()
    )
    assert len(parts["dev_known"]) > 0 and len(parts["dev_new"]) >= 20
    assert carve_dev(qrels, 0.1, seed) == parts != carve_dev(qrels, 0.1, seed + 1)


def test_the_fast_ndcg_is_the_published_one():
    rng = np.random.default_rng(0)
    collection, vectors = toy()
    qrels = {
        q: {f"d{d}": int(rng.integers(0, 4)) for d in rng.choice(40, 15, replace=False)}
        for q in collection.queries
    }
    pool = make_pool(vectors, collection, qrels, k=20)
    # the last one has many ties
    for scores in (
        pool.cosine,
        rng.random(pool.cosine.shape),
        np.round(rng.random(pool.cosine.shape), 1),
    ):
        published = per_query(pool.run(scores), qrels, ["nDCG@10"])["nDCG@10"]
        assert np.allclose(
            pool.ndcg(scores), [published[q] for q in pool.query_ids], atol=1e-12
        )


def embeddings(n: int, dim: int = 768, seed: int = 0) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)), dim=-1
    )


@pytest.mark.parametrize("name", [n for n in ARMS if not n.startswith("pca")])
def test_every_arm_gives_similarities_and_gradients(name):
    arm, x = make_arm(name, 48, seed=0), embeddings(6, 48)
    a, b = represent(arm.head, x[:2], queries=True), represent(arm.head, x)
    values = similarity_of(a, b, arm.similarity)
    assert values.shape == (2, 6) and (values >= 0).all() and (values <= 1 + 1e-6).all()
    similarity_of(a, b, arm.similarity, log=True).sum().backward()
    grads = [p.grad for p in arm.head.parameters()]
    assert any(g is not None and g.abs().sum() > 0 for g in grads) and all(
        g is None or torch.isfinite(g).all() for g in grads
    )
    again = make_arm(name, 48, seed=0).head.state_dict()
    assert all(torch.equal(v, again[k]) for k, v in arm.head.state_dict().items())


@pytest.mark.parametrize(
    "name",
    ["one_qubit", "qubits_64", "qubits_64_log", "entangled_6x2", "separable_6x2"],
)
def test_training_and_reranking_share_one_similarity(name):
    arm, x = make_arm(name, 48, seed=0), embeddings(6, 48)
    scorer = StateScorer(arm.head, similarity=arm.similarity)
    served = scorer.score(scorer.encode(x[:2].numpy()), scorer.encode(x.numpy()))
    trained = similarity_of(
        represent(arm.head, x[:2]), represent(arm.head, x), arm.similarity
    )
    assert np.allclose(served, trained.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize(
    "name", ["qubits_64", "qubits_64_log", "entangled_6x2", "classical_24"]
)
def test_a_pools_similarity_is_that_of_all_pairs(name):
    collection, vectors = toy()
    arm = make_arm(name, DIM, seed=0)
    pool = make_pool(vectors, collection, collection.qrels["dev"], k=7)
    every = (
        similarity_of(
            represent(arm.head, torch.as_tensor(vectors.of(pool.query_ids))),
            represent(arm.head, torch.as_tensor(vectors.docs)),
            arm.similarity,
        )
        .detach()
        .numpy()
    )
    expected = np.take_along_axis(every, pool.rows, axis=1)
    assert np.allclose(
        pool_similarity(arm.head, arm.similarity, vectors, pool), expected, atol=1e-6
    )


def test_one_qubit_is_its_classical_twin():
    head, x = QubitAnglePredictor(768, seed=3), embeddings(50)
    with torch.no_grad():
        head.layers[-1].weight *= 30  # leave the collapsed start, so that F spreads
    qubit, twin = represent(head, x), SphereTwin(head)(x)
    f = similarity_of(qubit, qubit, "fidelity")
    assert f.std() > 0.05
    assert torch.allclose(f, similarity_of(twin, twin), atol=1e-6)
    states = fidelity(
        *(StateScorer(head, similarity="fidelity").encode(x.numpy()),) * 2
    )
    # through the circuit, too
    assert torch.allclose(states, similarity_of(twin, twin), atol=1e-6)


def test_trained_one_qubit_and_trained_twin_are_one():
    data = toy()
    qubit = quick(
        QubitAnglePredictor(DIM, 16, seed=0), data, similarity="local_fidelity"
    )
    twin = quick(SphereTwin(QubitAnglePredictor(DIM, 16, seed=0)), data)
    assert [row["loss"] for row in qubit.curve[1:]] == pytest.approx(
        [row["loss"] for row in twin.curve[1:]], abs=1e-4
    )


def parameters(head) -> int:
    return sum(p.numel() for p in head.parameters())


def test_parameter_counts():
    assert (
        parameters(make_arm("one_qubit", 768).head)
        == parameters(make_arm("one_qubit_twin_same_angles", 768).head)
        == 263_170
    )
    assert parameters(make_arm("one_qubit_twin_3_outputs", 768).head) == 263_427
    assert (
        parameters(make_arm("qubits_64", 768).head)
        == parameters(make_arm("classical_128", 768).head)
        == 768 * 128 + 128
    )
    assert parameters(make_arm("entangled_6x2", 768).head) == parameters(
        make_arm("classical_24", 768).head
    )
    assert parameters(make_arm("anchor_2501_04591", 768).head) == 6_144
    assert parameters(make_arm("anchor_linear_256", 768).head) == 196_864


def test_the_anchor_against_a_density_matrix():
    """One triple, followed with 4×4 density matrices and a partial trace, which the
    head never forms.
    """
    head, x = CompressionAnchor(3, seed=1), torch.tensor([[0.3, -0.7, 0.2]])
    with torch.no_grad():
        head.blocks.mul_(8)

    def unitary(four):
        d, a, b, c = (float(v) for v in four)

        def z(t):
            return np.diag([np.exp(-0.5j * t), np.exp(0.5j * t)])

        y = np.array(
            [[math.cos(b / 2), -math.sin(b / 2)], [math.sin(b / 2), math.cos(b / 2)]]
        )
        return np.exp(1j * d) * z(a) @ y @ z(c)

    def merge(first, second, block):
        u, v, w = (unitary(block[i, 0]) for i in range(3))
        state = np.kron(np.diag([1, 0]), np.eye(2)) + np.kron(np.diag([0, 1]), w)
        state = state @ np.kron(u @ first, v @ second)
        reduced = np.trace(
            np.outer(state, state.conj()).reshape(2, 2, 2, 2), axis1=0, axis2=2
        )
        return np.sqrt(np.diag(reduced).real)

    a, b, c = (
        [math.cos(t / 2), math.sin(t / 2)]
        for t in (np.tanh(x[0].numpy()) + 1) * np.pi / 2
    )
    blocks = head.blocks.detach().numpy()
    expected = merge(merge(np.array(c), np.array(b), blocks[0]), np.array(a), blocks[1])
    theta = head(x).flatten()[0].item()
    assert [math.cos(theta / 2), math.sin(theta / 2)] == pytest.approx(
        list(expected), abs=1e-5
    )
    with pytest.raises(ValueError, match="no multiple of 3"):
        CompressionAnchor(32)


def test_document_only_cannot_see_the_query():
    head = DocumentOnly(EquatorialHead(24, Circuit(4), seed=0), seed=0)
    x = embeddings(8, 24)
    values = similarity_of(
        represent(head, x[:3], queries=True), represent(head, x), "local_fidelity"
    )
    assert (
        torch.allclose(values[0], values[1])
        and torch.allclose(values[0], values[2])
        and values[0].std() > 0
    )


def test_pca_keeps_the_principal_directions():
    docs = embeddings(60, 24).numpy() * np.linspace(3, 0.1, 24, dtype="f4")
    head = VectorHead.principal(docs, 5)
    centred = docs - docs.mean(axis=0)
    # eigenvectors of the five largest eigenvalues
    expected = centred @ np.linalg.eigh(np.cov(centred.T))[1][:, :-6:-1]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    ours = head(torch.as_tensor(docs)).detach().numpy()
    assert np.allclose(ours @ ours.T, expected @ expected.T, atol=1e-4)


def test_the_start_is_spread_and_the_recipes_start_is_collapsed():
    x = embeddings(200)
    spread = {}
    for name in ("one_qubit_untrained", "qubits_64_untrained"):
        arm = make_arm(name, 768, seed=0)
        with torch.no_grad():
            rep = represent(arm.head, x)
            spread[name] = (
                similarity_of(rep, rep, "local_fidelity")[~np.eye(200, dtype=bool)]
                .std()
                .item()
            )
            theta, gamma = arm.head(x).flatten(0, -2).unbind(-1)
            assert (
                theta.min() >= 0
                and theta.max() <= math.pi
                and gamma.min() >= 0
                and gamma.max() <= 2 * math.pi
            )
    assert spread["one_qubit_untrained"] < 0.01 < spread["qubits_64_untrained"]


@pytest.mark.parametrize(
    "head", [QubitAnglePredictor(24, 8, seed=0), EquatorialHead(24, Circuit(5), seed=0)]
)
def test_save_and_load(tmp_path, head):
    path, x = tmp_path / "head.safetensors", embeddings(3, 24)
    save_head(head, path, {"seed": 0, "alpha": {"known": 0.4}})
    back, provenance = load_head(path, 24)
    assert torch.equal(back(x), head(x)) and provenance == {
        "seed": 0,
        "alpha": {"known": 0.4},
    }
    with pytest.raises(ValueError, match="24-d embeddings, not 768-d"):
        load_head(path, 768)
    with pytest.raises(ValueError, match="compared with"):
        save_head(VectorHead(24, 3), path)


def test_unknown_arm():
    with pytest.raises(ValueError, match="unknown arm 'magic'"):
        make_arm("magic", 24)
    with pytest.raises(ValueError, match="needs doc_vectors"):
        make_arm("pca_128", 24)
