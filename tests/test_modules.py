"""QubitStates in models of Sentence Transformers: its similarities are ours, it is
saved and loaded, and the library's evaluators and losses work on it.
"""

import copy
import math
from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.multi_vector_encoder import evaluation as token_evaluation
from sentence_transformers.multi_vector_encoder.losses import (
    MultiVectorMultipleNegativesRankingLoss,
)
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer import evaluation as text_evaluation
from sentence_transformers.sentence_transformer.losses import (
    MultipleNegativesRankingLoss,
)
from sentence_transformers.util import dot_score

from qrr_lib import (
    Circuit,
    QubitAnglePredictor,
    QubitMap,
    Scorer,
    TextEmbedder,
    evaluate,
    load_collection,
)
from qrr_lib.arrays import read_tensors
from qrr_lib.encode import (
    EquatorialHead,
    QubitStates,
    bloch_vectors,
    course_head,
    local_fidelity,
)
from qrr_lib.rank.maxsim import max_sim
from qrr_lib.rank.states import States

NAME, DIM = "all-MiniLM-L6-v2", 384
TEXTS = [
    "What is a qubit?",
    "How long does bread bake?",
    "A qubit is a two-level quantum system; its states are points on a sphere.",
    "Bake the loaf for forty minutes.",
    "Bell pairs",
]


@pytest.fixture(scope="module")
def embedder():
    return TextEmbedder(NAME, cache=False)


@pytest.fixture(scope="module")
def embedded(embedder):
    return embedder.encode(TEXTS)


@pytest.fixture(scope="module")
def text_model(embedder):
    """Function (angles, similarity) -> SentenceTransformer with a state a text."""

    def make(angles, similarity="local_fidelity"):
        modules = [*embedder.model, QubitStates(angles, similarity)]
        return SentenceTransformer(modules=modules, similarity_fn_name="dot")

    return make


@pytest.fixture(scope="module")
def token_model(embedder):
    """Function (angles, similarity) -> MultiVectorEncoder with a state a token."""

    def make(angles, similarity="local_fidelity"):
        tokenizer = embedder.model.tokenizer
        ends = [tokenizer.cls_token, tokenizer.sep_token]
        mask = MultiVectorMask(ends, skiplist_tasks=["query", "document"])
        modules = [embedder.model[0], QubitStates(angles, similarity), mask]
        return MultiVectorEncoder(modules=modules, similarity_fn_name="meanmaxsim")

    return make


def head(circuit=None, dim=DIM):
    """A head whose texts are far apart, also before it is trained."""
    return EquatorialHead(dim, circuit or Circuit(8), seed=0)


ENTANGLED, CHAIN = Circuit(3, 2, "cz_ring", trailing=True), Circuit(4, 3, "cnot_chain")
SOURCES = {  # every kind that can be saved
    "one qubit": lambda: course_head(NAME, "one_qubit")[0],
    "64 qubits": lambda: course_head(NAME, "qubits_64")[0],
    "entangled": lambda: head(ENTANGLED),
    "a chain": lambda: QubitAnglePredictor(DIM, circuit=CHAIN, seed=0),
    "a map": lambda: QubitMap.shipped(NAME),
}
CASES = [
    ("one qubit", "local_fidelity", 0.5, 3),
    ("one qubit", "fidelity", 0.5, 3),
    ("64 qubits", "local_fidelity", 0.5, 192),
    ("entangled", "local_fidelity", 0.5, 9),
    ("entangled", "fidelity", 1 / 8, 63),
    ("a chain", "fidelity", 1 / 16, 255),
    ("a map", "local_fidelity", 0.5, 192),
]


@pytest.mark.parametrize(("source", "similarity", "constant", "width"), CASES)
def test_a_dot_product_is_the_similarity(
    text_model, embedded, source, similarity, constant, width
):
    angles = SOURCES[source]()
    model, scorer = text_model(angles, similarity), Scorer(angles, similarity)
    made, states = model.encode(TEXTS), scorer.encode(embedded)
    got = model.similarity(made, made).numpy() + model[-1].constant
    assert np.abs(got - scorer.score(states, states)).max() < 1e-5
    assert got.std() > 1e-3 or source == "a chain"  # an untrained head of ReLUs
    assert model[-1].constant == constant and made.shape == (len(TEXTS), width)
    assert model.get_embedding_dimension() == width


def test_maxsim_of_tokens_is_ours_before_codes_are_rounded(embedder, token_model):
    angles = QubitMap.shipped(NAME)
    model, scorer = token_model(angles), Scorer(angles, per="token", idf=False)
    queries, texts = model.encode_query(TEXTS[:2]), model.encode_document(TEXTS)
    got = model.similarity(queries, texts).numpy() + model[1].constant
    tokens = embedder.encode_tokens(TEXTS)  # without [CLS] and [SEP]
    assert list(map(len, tokens)) == list(map(len, texts))
    exact = [bloch_vectors(angles(torch.tensor(some))) for some in tokens]
    for i, query in enumerate(exact[:2]):
        for j, text in enumerate(exact):
            pairs = local_fidelity(query, text).numpy()
            assert abs(max_sim(pairs, np.array([0, len(text)]))[0] - got[i, j]) < 1e-5
    offsets = np.cumsum([0, *map(len, tokens)])
    coded = States(scorer.encode(np.concatenate(tokens)), offsets)
    off = np.abs(scorer.score(coded[:2], coded) - got).max()
    assert 1e-5 < off < 0.02  # 4 bits an angle


@pytest.mark.parametrize("source", SOURCES)
def test_states_are_saved_and_loaded(tmp_path, source):
    states = QubitStates(SOURCES[source]())
    states.save(str(tmp_path))
    again = QubitStates.load(str(tmp_path))
    assert torch.equal(outputs(again, vectors()), outputs(states, vectors()))


@pytest.mark.parametrize("kind", ["text", "token"])
def test_a_model_is_saved_and_loaded(request, tmp_path, kind):
    angles = SOURCES[{"text": "64 qubits", "token": "a map"}[kind]]()
    model, folder = request.getfixturevalue(f"{kind}_model")(angles), str(tmp_path)
    model.save_pretrained(folder)
    trusted = {"local_files_only": True, "trust_remote_code": True}
    again = type(model)(folder, **trusted)
    assert again.similarity_fn_name == model.similarity_fn_name
    pairs = zip(again.encode(TEXTS), model.encode(TEXTS), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        type(model)(folder, local_files_only=True)


@pytest.fixture(scope="module")
def judged():
    """A few of the course's documents: (queries, documents, {query: its documents}); of
    a query's own, the first is relevant.
    """
    collection = load_collection("course")
    queries = dict(islice(collection.split("dev").items(), 5))
    grades = collection.qrels["dev"]
    own = {q: sorted(grades[q], key=grades[q].get)[:-4:-1] for q in queries}
    ids = sorted({d for some in own.values() for d in some})
    docs = {d: collection.docs[d].full[:120] for d in ids}
    return queries, docs, own


def text_evaluators(text_model):
    angles = course_head(NAME, "qubits_64")[0]
    rerank = partial(text_evaluation.RerankingEvaluator, similarity_fct=dot_score)
    search = text_evaluation.InformationRetrievalEvaluator
    return text_model(angles), Scorer(angles, "local_fidelity"), search, rerank


def token_evaluators(token_model):
    angles = QubitMap.shipped(NAME)
    angles.bits = 8  # finer codes: theirs are not rounded
    rerank = token_evaluation.MultiVectorRerankingEvaluator
    search = token_evaluation.MultiVectorInformationRetrievalEvaluator
    scorer = Scorer(angles, per="token", idf=False)
    return token_model(angles), scorer, search, rerank


@pytest.mark.parametrize("kind", ["text", "token"])
def test_the_librarys_evaluators_judge_as_ours_does(embedder, request, judged, kind):
    queries, docs, own = judged
    make = {"text": text_evaluators, "token": token_evaluators}[kind]
    model, scorer, search, rerank = make(request.getfixturevalue(f"{kind}_model"))
    encode = partial(scorer.encode_texts, embedder)
    asked, found = (encode(list(t.values()))[1] for t in (queries, docs))
    rows = zip(queries, scorer.score(asked, found).tolist())
    run = {q: dict(zip(docs, row)) for q, row in rows}
    best = {q: {d[0]: 1} for q, d in own.items()}
    ours = evaluate(run, best, ["nDCG@10"])["nDCG@10"]
    relevant = {q: {*some} for q, some in best.items()}
    values = search(queries, docs, relevant, write_csv=False)(model)
    (theirs,) = [value for name, value in values.items() if name.endswith("ndcg@10")]
    assert theirs == pytest.approx(ours, abs=1e-3)

    texts = {q: [docs[d] for d in own[q]] for q in queries}
    samples = [
        {"query": queries[q], "positive": some[:1], "negative": some[1:]}
        for q, some in texts.items()
    ]
    run = {q: {d: run[q][d] for d in own[q]} for q in queries}
    ours = evaluate(run, best, ["nDCG@10"])["nDCG@10"]
    theirs = rerank(samples, write_csv=False)(model)["ndcg@10"]
    assert theirs == pytest.approx(ours, abs=1e-3)


@pytest.mark.parametrize("kind", ["text", "token"])
def test_steps_of_a_loss_train_the_head_alone(request, judged, kind):
    queries, docs, own = judged
    angles = head()
    model = request.getfixturevalue(f"{kind}_model")(angles)
    losses = {
        "text": partial(MultipleNegativesRankingLoss, similarity_fct=dot_score),
        "token": MultiVectorMultipleNegativesRankingLoss,
    }
    loss = losses[kind](model)
    model[0].requires_grad_(False)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    optimiser = torch.optim.Adam(angles.parameters(), lr=1e-3)
    pairs = [list(queries.values()), [docs[own[q][0]] for q in queries]]
    values = []
    for _ in range(2):
        optimiser.zero_grad()
        values.append(loss([model.preprocess(texts) for texts in pairs], None))
        values[-1].backward()
        optimiser.step()
    assert values[0] > values[1]
    changed = {n for n, t in model.state_dict().items() if not t.equal(before[n])}
    ours = {f"angles.linear.{which}" for which in ("weight", "bias")}
    assert {name.split(".", 1)[1] for name in changed} == ours


def vectors(rows=4, dim=DIM):
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(0))


def outputs(states, given, key="sentence_embedding"):
    return states({key: given})[key]


@pytest.mark.parametrize("source", SOURCES)
def test_precision_and_gradients(source):
    states, given = QubitStates(SOURCES[source]()), vectors().requires_grad_()
    exact = outputs(states, given)
    exact[:, 0].sum().backward()
    assert all(t.grad.any() for t in (given, *states.parameters()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(outputs(states, given), exact)
    for dtype, off in ((torch.float16, 5e-3), (torch.bfloat16, 5e-2)):
        for module in (states, copy.deepcopy(states).to(dtype)):
            rough = outputs(module, given.to(dtype))
            assert rough.dtype == dtype
            assert (rough.float() - exact).abs().max() < off
    double = copy.deepcopy(states).double()
    assert torch.allclose(outputs(double, given.double()).float(), exact, atol=1e-5)


def test_only_lengths_are_lost_and_pooled_vectors_come_first():
    states, given = QubitStates(head()), vectors()
    tokens = given.view(2, 2, DIM)
    both = states({"sentence_embedding": 3 * given, "token_embeddings": tokens})
    assert both["token_embeddings"] is tokens
    alone = outputs(states, tokens, "token_embeddings")
    assert alone.shape == (2, 2, 24)
    assert torch.allclose(alone.view(4, 24), both["sentence_embedding"], atol=1e-6)


def damaged(folder):
    QubitStates(head()).save(str(folder))
    weights = {"linear.weight": torch.zeros(16, DIM), "linear.bias": torch.zeros(16)}
    about = read_tensors(folder / "angles.safetensors", checksum=False)[0]
    save_file(weights, folder / "angles.safetensors", about)
    QubitStates.load(str(folder))


REFUSALS = {
    "the overlap": (lambda f: QubitStates(head(), "overlap"), "is the square root of"),
    "5 qubits": (lambda f: QubitStates(head(Circuit(5)), "fidelity"), "at most 4"),
    "no name": (lambda f: QubitStates(head(), "dot"), "choose one of overlap, fid"),
    "a pair": (
        lambda f: QubitStates(course_head(NAME)),
        "not a tuple; .*take the head",
    ),
    "a name": (lambda f: QubitStates(NAME), "takes an angle source .*, not a str"),
    "width": (
        lambda f: outputs(QubitStates(head()), vectors(dim=768)),
        "have 768 numbers, this head was made for 384",
    ),
    "nan": (
        lambda f: outputs(QubitStates(head()), vectors() * math.nan),
        "embedding 0 holds NaN",
    ),
    "a bare map": (
        lambda f: outputs(QubitStates(QubitMap(4)), vectors()),
        "not fitted: call .fit",
    ),
    "to save a bare map": (
        lambda f: QubitStates(QubitMap(4)).save(str(f)),
        "not fitted: there is nothing to save",
    ),
    "damage": (damaged, "damaged or was changed"),
    "an empty folder": (lambda f: QubitStates.load(str(f)), "save the model again"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_say_what_to_do(tmp_path, case):
    act, words = REFUSALS[case]
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        act(tmp_path)
