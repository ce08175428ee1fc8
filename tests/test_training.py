"""Training: it learns, repeats itself, resumes, and refuses what it should; the heads
are what they claim to be.
"""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from qrr_lib import Circuit, QubitAnglePredictor, Scorer, encode, per_query
from qrr_lib.embed.collection import Collection, Document
from qrr_lib.encode import COSINE, EquatorialHead, similarity_named
from qrr_lib.learn import CompressionAnchor, DocumentOnly, SphereTwin, VectorHead
from qrr_lib.learn.batches import Batches, Recipe
from qrr_lib.learn.scores import (
    candidate_similarity,
    cautious_gain,
    choose_alpha,
    rows_of,
    similarity_for,
)
from qrr_lib.learn.splits import carve_dev, relevant_documents
from qrr_lib.learn.training import train_head
from qrr_lib.rank.judged import Vectors, judged_candidates
from tools.bench.arms import ARMS, make_arm

DIM = 12


def toy(n_docs: int = 40) -> tuple[Collection, Vectors]:
    """Documents with three queries each.

    A query is its document with half of the coordinates drowned in noise: a head can
    learn which.
    """
    rng = np.random.default_rng(0)
    docs = rng.normal(size=(n_docs, DIM))
    noise = np.where(np.arange(DIM) < DIM // 2, 0.2, 3.0)
    queries, qrels = {}, {"train": {}, "dev": {}, "test_known": {}, "test_new": {}}
    for d in range(n_docs):
        for i in range(3):
            noisy = docs[d] + noise * rng.normal(size=DIM)
            queries[f"q{d}_{i}"] = (noisy / np.linalg.norm(noisy)).astype("f4")
            split = "test_known" if i == 2 else "train"
            if d >= n_docs // 2:
                split = "dev" if d < 3 * n_docs // 4 else "test_new"
            qrels[split][f"q{d}_{i}"] = {f"d{d}": 1}
    texts = {f"d{d}": Document("", f"document {d}") for d in range(n_docs)}
    collection = Collection("toy", texts, dict.fromkeys(queries, "text"), qrels)
    unit = docs / np.linalg.norm(docs, axis=1, keepdims=True)
    return collection, Vectors(unit.astype("f4"), queries)


DATA = COLLECTION, VECTORS = toy()


def quick(head, data=DATA, **options):
    collection, vectors = data
    options = {"epochs": 6, "batch_size": 16, "progress": False} | options
    return train_head(head, vectors, collection, **options)


def small_head(seed: int = 0, n_qubits: int = 4) -> EquatorialHead:
    return EquatorialHead(DIM, Circuit(n_qubits), seed=seed)


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# training


def test_training_finds_what_cosine_misses():
    collection, vectors = data = toy(120)
    result = quick(small_head(0, 8), data, epochs=40, similarity="local_fidelity")
    alpha = result.use("new")
    # the noise is the same everywhere, so here even new documents gain
    for split in ("test_known", "test_new"):
        found = judged_candidates(vectors, collection, collection.qrels[split])
        states = candidate_similarity(result.head, result.similarity, vectors, found)
        mixed = found.with_signal("states", states).mix(alpha)
        assert (found.ndcg(mixed) - found.ndcg(found.cosine)).mean() > 0.08
    assert result.curve[-1]["loss"] < result.curve[1]["loss"] - 0.3
    assert [row["epoch"] for row in result.curve] == list(range(len(result.curve)))


def test_same_seed_same_head():
    a, b, c = (quick(small_head(seed), seed=seed) for seed in (1, 1, 2))
    assert a.curve == b.curve != c.curve
    assert same(a.head.state_dict(), b.head.state_dict())


def test_the_best_epoch_is_the_first_with_the_largest_gain():
    result = quick(small_head(), dev_known="test_known", epochs=9, patience=2)
    for split, choice in result.choices.items():
        gains = [row[split]["gain"] for row in result.curve]
        assert (choice.epoch, choice.gain) == (gains.index(max(gains)), max(gains))
        assert result.use(split) == result.curve[choice.epoch][split]["alpha"]
    best = max(choice.epoch for choice in result.choices.values())
    assert len(result.curve) - 1 == min(9, best + 2)
    assert result.use("last") == result.curve[-1]["new"]["alpha"]


@pytest.mark.parametrize("calls", [13, 37])
def test_an_interrupted_training_ends_where_an_unbroken_one_does(tmp_path, calls):
    options = {"similarity": "local_fidelity", "checkpoint": tmp_path / "half"}
    whole, seen = quick(small_head(), similarity="local_fidelity"), []

    def interrupt(module, inputs, output):
        seen.append(1)
        if len(seen) == calls:
            raise KeyboardInterrupt

    broken = small_head()
    broken.register_forward_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        quick(broken, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["half"]
    # what is finished is only read
    for head in (small_head(), small_head()):
        resumed = quick(head, **options)
        assert resumed.curve == whole.curve and resumed.choices == whole.choices
        assert resumed.weights.keys() == whole.weights.keys()
        assert all(same(resumed.weights[x], whole.weights[x]) for x in whole.weights)
        assert same(resumed.head.state_dict(), whole.head.state_dict())


def test_an_embedder_will_do_in_place_of_vectors(toy_embedder):
    collection = Collection("words", COLLECTION.docs, COLLECTION.queries, {})
    judged = COLLECTION.qrels
    head = EquatorialHead(26, Circuit(2), seed=0)
    options = {"train": judged["train"], "dev": judged["dev"], "epochs": 1}
    assert len(quick(head, (collection, toy_embedder), **options).curve) == 2


def test_false_negatives_are_masked_and_hard_negatives_are_near():
    qrels = {
        "q0_0": {"d0": 2, "d1": 1, "d2": 1},
        "q0_1": {"d0": 1},
        "q1_0": {"d1": 1},
        "q2_0": {"d2": 1, "d3": 0},
        "q3_0": {"d3": 0},  # nothing is relevant: left out
    }
    recipe = Recipe(batch_size=4, hard_negatives=3)
    batches = Batches(VECTORS, COLLECTION, qrels, recipe)
    for near, own in zip(batches.near, batches.positives):
        assert not set(near) & set(own) and len(near) == 40 - len(own)
    rows = {vector.tobytes(): f"d{i}" for i, vector in enumerate(VECTORS.docs)}
    asked = {VECTORS.queries[qid].tobytes(): qid for qid in qrels}
    for epoch in range(5):
        ((queries, documents, mask),) = batches.of_epoch(epoch)
        docs = [rows[vector.tobytes()] for vector in documents.numpy()]
        assert len(docs) == 4 + 4 * 3
        for i, query in enumerate(queries.numpy()):
            judged = qrels[asked[query.tobytes()]]
            # its own document is relevant and counts
            assert judged[docs[i]] >= 1 and not mask[i, i]
            for j, doc in enumerate(docs):
                assert bool(mask[i, j]) == (j != i and judged.get(doc, 0) >= 1)


def test_the_loss_never_pushes_a_relevant_document_away():
    collection, _ = data = toy(24)
    everything = {f"d{d}": 1 for d in range(20)}
    # nothing in a batch is a true negative
    train = {qid: everything for qid in list(collection.qrels["train"])[:4]}
    options = {"dev": {"q23_0": {"d23": 1}}, "hard_negatives": 0}
    result = quick(small_head(), data, train=train, **options)
    assert [row["loss"] for row in result.curve[1:]] == [0.0] * 6


# choices


def test_dev_queries_choose_what_they_can_vouch_for():
    found = judged_candidates(VECTORS, COLLECTION, COLLECTION.qrels["dev"])
    nothing = np.zeros(found.cosine.shape)
    assert choose_alpha(found, nothing) == (1.0, 0.0)  # a constant changes nothing
    assert choose_alpha(found, -found.grades)[0] == 1.0  # harm: leave cosine alone
    alpha, gain = choose_alpha(found, found.grades)
    assert alpha < 1 and gain > 0.1
    few = dict(list(COLLECTION.qrels["dev"].items())[:9])
    few = judged_candidates(VECTORS, COLLECTION, few)
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
    draws = [rng.choice(120, rng.integers(1, 3), replace=False) for _ in range(200)]
    qrels = {f"q{i}": {f"d{d}": 1 for d in draw} for i, draw in enumerate(draws)}
    parts = carve_dev(qrels, 0.1, seed)
    # every query once
    assert sorted(q for part in parts.values() for q in part) == sorted(qrels)
    train, new, known = (
        relevant_documents(parts[name]) for name in ("train", "dev_new", "dev_known")
    )
    assert not new & (train | known) and known <= train
    assert len(parts["dev_known"]) > 0 and len(parts["dev_new"]) >= 20
    assert carve_dev(qrels, 0.1, seed) == parts != carve_dev(qrels, 0.1, seed + 1)


def test_the_fast_ndcg_is_the_published_one():
    rng = np.random.default_rng(0)
    grades = {
        qid: {
            f"d{d}": int(rng.integers(0, 4)) for d in rng.choice(40, 15, replace=False)
        }
        for qid in COLLECTION.queries
    }
    found = judged_candidates(VECTORS, COLLECTION, grades, k=20)
    noise = rng.random(found.cosine.shape)
    for scores in (found.cosine, noise, np.round(noise, 1)):  # the last has many ties
        published = per_query(found.run(scores), grades, ["nDCG@10"])["nDCG@10"]
        expected = [published[qid] for qid in found.query_ids]
        assert np.allclose(found.ndcg(scores), expected, atol=1e-12)


# heads and their similarity


def embeddings(n: int, dim: int = 768, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(n, dim, generator=generator), dim=-1)


def compared(head, name: str, queries: torch.Tensor, documents: torch.Tensor):
    """(similarity of every pair, its logits)."""
    similarity = similarity_for(head, name)
    a = rows_of(head, similarity, queries, queries=True)
    b = rows_of(head, similarity, documents)
    return similarity.pairs(a, b), similarity.logits(a, b)


@pytest.mark.parametrize("name", [n for n in ARMS if not n.startswith("pca")])
def test_every_arm_gives_similarities_and_gradients(name):
    arm, x = make_arm(name, 48, seed=0), embeddings(6, 48)
    values, logits = compared(arm.head, arm.similarity, x[:2], x)
    assert values.shape == (2, 6) and (values >= 0).all() and (values <= 1 + 1e-6).all()
    logits.sum().backward()
    grads = [p.grad for p in arm.head.parameters() if p.grad is not None]
    assert any(g.abs().sum() > 0 for g in grads)
    assert all(torch.isfinite(g).all() for g in grads)
    again = make_arm(name, 48, seed=0).head.state_dict()
    assert same(arm.head.state_dict(), again)


@pytest.mark.parametrize(
    "name",
    ["one_qubit", "qubits_64", "qubits_64_log", "entangled_6x2", "separable_6x2"],
)
def test_training_and_reranking_share_one_similarity(name):
    arm, x = make_arm(name, 48, seed=0), embeddings(6, 48)
    scorer = Scorer(arm.head, similarity=arm.similarity)
    served = scorer.score(scorer.encode(x[:2].numpy()), scorer.encode(x.numpy()))
    trained, _ = compared(arm.head, arm.similarity, x[:2], x)
    assert np.allclose(served, trained.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize(
    "name", ["qubits_64", "qubits_64_log", "entangled_6x2", "classical_24"]
)
def test_candidates_have_the_similarity_of_all_pairs(name):
    arm = make_arm(name, DIM, seed=0)
    found = judged_candidates(VECTORS, COLLECTION, COLLECTION.qrels["dev"], k=7)
    queries = torch.as_tensor(VECTORS.of(found.query_ids))
    every, _ = compared(arm.head, arm.similarity, queries, torch.tensor(VECTORS.docs))
    expected = np.take_along_axis(every.detach().numpy(), found.rows, axis=1)
    values = candidate_similarity(arm.head, arm.similarity, VECTORS, found)
    assert np.allclose(values, expected, atol=1e-6)


def test_unit_vectors_are_compared_by_their_cosine_whatever_is_asked_for():
    assert similarity_for(VectorHead(DIM, 3), "fidelity") is COSINE
    head = EquatorialHead(DIM, Circuit(2, 2, "cz_ring"))
    entangled = similarity_for(head, "local_fidelity")
    assert entangled is similarity_named("local_fidelity")


def test_one_qubit_is_its_classical_twin():
    head, x = QubitAnglePredictor(768, seed=3), embeddings(50)
    with torch.no_grad():
        head.layers[-1].weight *= 30  # leave the collapsed start, so that F spreads
        states = encode(head(x), head.circuit)
        qubit, _ = compared(head, "fidelity", x, x)
        twin, _ = compared(SphereTwin(head), "cosine", x, x)
    assert qubit.std() > 0.05 and torch.allclose(qubit, twin, atol=1e-6)
    # through the circuit, too
    assert torch.allclose((states.conj() @ states.T).abs() ** 2, twin, atol=1e-6)


def test_trained_one_qubit_and_trained_twin_are_one():
    head, other = (QubitAnglePredictor(DIM, 16, seed=0) for _ in range(2))
    qubit = quick(head, similarity="local_fidelity")
    twin = quick(SphereTwin(other))
    losses = [row["loss"] for row in twin.curve[1:]]
    assert [row["loss"] for row in qubit.curve[1:]] == pytest.approx(losses, abs=1e-4)


def test_parameter_counts():
    expected = {
        "one_qubit": 263_170,
        "one_qubit_twin_same_angles": 263_170,
        "one_qubit_twin_3_outputs": 263_427,
        "qubits_64": 768 * 128 + 128,
        "classical_128": 768 * 128 + 128,
        "entangled_6x2": 768 * 24 + 24,
        "classical_24": 768 * 24 + 24,
        "anchor_2501_04591": 6_144,
        "anchor_linear_256": 196_864,
    }
    for name, number in expected.items():
        head = make_arm(name, 768).head
        assert sum(p.numel() for p in head.parameters()) == number, name


def test_the_anchor_against_a_density_matrix():
    """One triple, followed with 4×4 density matrices and a partial trace, which the
    head never forms.
    """
    head, x = CompressionAnchor(3, seed=1), torch.tensor([[0.3, -0.7, 0.2]])
    with torch.no_grad():
        head.blocks.mul_(8)
        theta = head(x).flatten()[0].item()

    def unitary(four):
        d, a, b, c = (float(v) for v in four)

        def z(t):
            return np.diag([np.exp(-0.5j * t), np.exp(0.5j * t)])

        cos, sin = math.cos(b / 2), math.sin(b / 2)
        return np.exp(1j * d) * z(a) @ np.array([[cos, -sin], [sin, cos]]) @ z(c)

    def merge(first, second, block):
        u, v, w = (unitary(block[i, 0]) for i in range(3))
        state = np.kron(np.diag([1, 0]), np.eye(2)) + np.kron(np.diag([0, 1]), w)
        state = state @ np.kron(u @ first, v @ second)
        density = np.outer(state, state.conj()).reshape(2, 2, 2, 2)
        reduced = np.trace(density, axis1=0, axis2=2)
        return np.sqrt(np.diag(reduced).real)

    half = (np.tanh(x[0].numpy()) + 1) * np.pi / 4
    a, b, c = np.stack([np.cos(half), np.sin(half)], axis=1)
    blocks = head.blocks.detach().numpy()
    expected = merge(merge(c, b, blocks[0]), a, blocks[1])
    found = [math.cos(theta / 2), math.sin(theta / 2)]
    assert found == pytest.approx(list(expected), abs=1e-5)


def test_document_only_cannot_see_the_query():
    head = DocumentOnly(EquatorialHead(24, Circuit(4), seed=0), seed=0)
    x = embeddings(8, 24)
    values, _ = compared(head, "local_fidelity", x[:3], x)
    assert torch.allclose(values, values[:1].expand(3, 8)) and values[0].std() > 0


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
    x, spread = embeddings(200), {}
    for name in ("one_qubit_untrained", "qubits_64_untrained"):
        head = make_arm(name, 768, seed=0).head
        with torch.no_grad():
            values, _ = compared(head, "local_fidelity", x, x)
            theta, gamma = head(x).flatten(0, -2).unbind(-1)
        spread[name] = values[~torch.eye(200, dtype=bool)].std()
        assert theta.min() >= 0 and theta.max() <= math.pi
        assert gamma.min() >= 0 and gamma.max() <= 2 * math.pi
    assert spread["one_qubit_untrained"] < 0.01 < spread["qubits_64_untrained"]


# refusals


def another_checkpoint(folder):
    path = folder / "run.safetensors"
    quick(small_head(), checkpoint=path, epochs=1)
    quick(small_head(), checkpoint=path, epochs=1, lr=0.5)


def a_checkpoint_of_another_head(folder):
    quick(small_head(), checkpoint=folder / "run.safetensors", epochs=1)
    quick(small_head(5), checkpoint=folder / "run.safetensors", epochs=1)


def a_checkpoint_of_other_data(folder):
    path, qrels = folder / "run.safetensors", COLLECTION.qrels["train"]
    quick(small_head(), checkpoint=path, epochs=1)
    others = dict(zip(qrels, [*list(qrels.values())[1:], *list(qrels.values())[:1]]))
    quick(small_head(), checkpoint=path, epochs=1, train=others)


def half_a_checkpoint(folder):
    (folder / "run.safetensors").write_bytes(b"half")
    quick(small_head(), checkpoint=folder / "run.safetensors")


REFUSED = {
    "absent document": (
        lambda _: quick(small_head(), train={"q0_0": {"elsewhere": 1}}),
        r"1 relevant documents are not in collection 'toy' \(elsewhere",
    ),
    "nothing to learn": (
        lambda _: quick(small_head(), train={"q0_0": {"d0": 0}}),
        "no query of train has a relevant document",
    ),
    "nothing to choose by": (
        lambda _: quick(small_head(), dev={}),
        "no query of dev has a relevant document",
    ),
    "leak": (
        lambda _: quick(small_head(), dev="test_known"),
        "train and dev share 20 relevant documents",
    ),
    "unknown similarity": (
        lambda _: quick(small_head(), similarity="likeness"),
        "unknown similarity 'likeness'; choose one of overlap",
    ),
    "unknown option": (
        lambda _: quick(small_head(), epoch=3),
        "unexpected keyword argument 'epoch'",
    ),
    "other settings": (another_checkpoint, "a training with other settings, data or"),
    "another head": (a_checkpoint_of_another_head, "another head at the start"),
    "other data": (a_checkpoint_of_other_data, "other settings, data"),
    "half a checkpoint": (half_a_checkpoint, "not a readable safetensors file"),
    "anchor of 32": (lambda _: CompressionAnchor(32), "no multiple of 3"),
    "unknown arm": (lambda _: make_arm("magic", 24), "unknown arm 'magic'"),
    "pca without documents": (lambda _: make_arm("pca_128", 24), "needs doc_vectors"),
}


@pytest.mark.parametrize("action, words", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(action, words, tmp_path):
    with pytest.raises((ValueError, TypeError), match=words):
        action(tmp_path)
