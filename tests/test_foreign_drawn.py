"""What users bring, drawn at random against the real objects: whatever comes in, a
right result goes out, or one ValueError. 2,000 draws a kind in `make test-all`, few in
`make test`.
"""

import gzip
import math
import os
import string

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qrr_lib import (
    Circuit,
    FaissRetriever,
    QubitAnglePredictor,
    QubitMap,
    Scorer,
    TextEmbedder,
    encode,
    evaluate,
    per_query,
)
from qrr_lib.checks import is_unicode
from qrr_lib.embed.collection import load_collection, read_queries
from qrr_lib.embed.qrels import read_qrels
from qrr_lib.encode.backends.qiskit import bloch_vectors_by_estimator
from qrr_lib.files import flag
from qrr_lib.rank.words import BM25

FEW, MANY = 20, 2000


@pytest.fixture
def draw(request):
    """Call a function with drawn arguments; what it refuses is a ValueError in one
    line.
    """
    count = MANY if request.config.getoption("--all") else FEW
    options = {"max_examples": count, "deadline": None, "database": None}
    options |= {"derandomize": True, "suppress_health_check": list(HealthCheck)}

    def run(act, *strategies, slow=1, some=True):
        taken = 0

        @settings(**options | {"max_examples": max(5, count // slow)})
        @given(st.tuples(*strategies))
        def one(drawn):
            nonlocal taken
            try:
                act(*drawn)
                taken += 1
            except (ValueError, FileNotFoundError) as error:
                assert str(error)

        one()
        assert taken or not some, "nothing was taken"

    return run


ANY_TEXT = st.text(st.characters(codec=None), max_size=8)  # lone surrogates, too
IDS = st.one_of(st.sampled_from(["a", "b", "c"]), ANY_TEXT, st.integers(0, 3))
NUMBERS = st.one_of(
    st.integers(-3, 4),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.none(),
    st.integers(-3, 4).map(np.int64),
    st.floats(width=16).map(np.float16),
    ANY_TEXT,
)
PLAIN = st.sampled_from([0, 1, 2, -2, np.int8(3), 1.0])


def tables(ids, values):
    return st.dictionaries(ids, st.dictionaries(ids, values, max_size=4), max_size=3)


@pytest.mark.parametrize("kind", ["anything", "nearly right"])
def test_grades_scores_and_ids(draw, kind):
    def act(run, qrels):
        found = per_query(run, qrels)
        assert all(set(values) == set(qrels) for values in found.values())
        assert all(0 <= v <= 1 for values in found.values() for v in values.values())
        for qid, judged in qrels.items():
            best = sorted(run.get(qid, {}), key=lambda doc: -run[qid][doc])[:10]
            gains = [max(0, int(judged.get(doc, 0))) for doc in best]
            ideal = sorted((max(0, int(g)) for g in judged.values()), reverse=True)
            wanted = dcg(gains) / (dcg(ideal[:10]) or 1)
            assert found["nDCG@10"][qid] == pytest.approx(wanted, abs=1e-9)

    if kind == "anything":
        draw(act, tables(IDS, NUMBERS), tables(IDS, NUMBERS), some=False)
    else:
        names = st.sampled_from(["a", "b", "a\0b", "a\0c", "é", " x"])
        draw(act, tables(names, st.floats(-9, 9)), tables(names, PLAIN))


def dcg(gains):
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))


def test_measures(draw):
    names = st.sampled_from("nDCG MAP MRR RR Recall P R Success AP Rprec Bpref".split())
    cutoffs = st.one_of(st.just(""), st.integers(-2, 99).map("@{}".format))
    rel = st.one_of(st.just(""), st.integers(-1, 3).map("(rel={})".format))
    written = st.tuples(names, rel, cutoffs).map("".join)

    def act(measure):
        [value] = evaluate({"q": {"x": 1.0}}, {"q": {"x": 2}}, measure).values()
        assert 0 <= value <= 1

    draw(act, st.one_of(written, ANY_TEXT))


def test_texts(draw):
    """The real model: a stand-in would take what it cannot."""
    embedder, words = TextEmbedder("all-MiniLM-L6-v2", cache=False), BM25()

    def act(texts):
        vectors = embedder.encode(texts, progress=False)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(texts)))
        for vector, one in zip(vectors, embedder.encode_with_tokens(texts)):
            assert vector == pytest.approx(one.vector, abs=1e-5)
            assert np.isfinite(one.tokens).all()
        words.search(texts, 1)

    words.add(["a"], texts=["bread"])
    odd = st.one_of(ANY_TEXT, st.none(), st.binary(max_size=3))
    draw(act, st.lists(st.one_of(ANY_TEXT, ANY_TEXT, odd), max_size=2))


KINDS = arrays.array_dtypes() | arrays.scalar_dtypes() | arrays.floating_dtypes()


def layouts():
    shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
    made = arrays.arrays(KINDS, st.one_of(shapes, st.just((6, 4))))
    turned = st.sampled_from([lambda x: x, lambda x: x[::-1], lambda x: x.T])
    return st.tuples(made, turned).map(lambda two: two[1](two[0]) if two[0].ndim else 0)


def test_arrays(draw):
    source, index = QubitAnglePredictor(4, 4, seed=0), FaissRetriever()
    qubits = QubitMap(1).fit(np.random.default_rng(0).normal(size=(9, 4)))
    index.add(list("abc"), np.eye(3, 4, dtype="f4"))

    def act(array):
        array = np.asarray(array)
        scores, ids = index.search(array, 2)
        assert scores.shape == (len(array), 2) and np.isfinite(scores).all()
        for made in (Scorer(source), Scorer(qubits, per="token")):
            rows = made.encode(array)
            assert len(rows) == len(array)
        assert torch.isfinite(source(array)).all()

    draw(
        act,
        st.one_of(
            layouts(), arrays.arrays("f4", (3, 4), elements=st.floats(-9, 9, width=32))
        ),
    )


def test_angles(draw):
    shapes = [(2, 1), (1, 3), (1, 1), (2, 2)]

    def act(batch, shape, kind, turn):
        circuit = Circuit(shape[1], shape[0], "cz_ring")
        angles = np.linspace(0, 3, batch * math.prod(circuit.angle_shape))
        angles = angles.reshape(batch, *circuit.angle_shape).astype(kind)[::turn]
        states = encode(angles, circuit)
        length = states.abs().square().sum(1).double()
        assert torch.allclose(length, torch.ones(batch).double(), atol=1e-4)
        found = bloch_vectors_by_estimator(torch.tensor(angles.astype("f8")), circuit)
        assert found.shape == (batch, shape[1], 3)

    kinds = st.sampled_from(["f2", "f4", "f8", ">f4", "i4"])
    turns = st.sampled_from([1, -1])
    draw(act, st.integers(0, 3), st.sampled_from(shapes), kinds, turns, slow=4)


CELLS = st.sampled_from(
    [
        "1",
        "2",
        "a",
        "é",
        '"x"',
        "\t",
        ",",
        "\n",
        "\r\n",
        "{",
        "}",
        ":",
        "[",
        "]",
        "null",
    ]
    + ['"_id"', '"text"', '"title"', "score", "\0", "\ufeff", "-2", "1.0", " ", '"']
)
LINES = st.sampled_from(
    ['{"_id": "a", "text": "x"}\n', '{"_id": 7, "text": "y"}\n', "1\ta\t1\n", "1,a,2\n"]
    + ["_id,text\n", "query-id\tcorpus-id\tscore\n", '{"_id": "b", "title": null}\n']
)
SOUP = st.lists(st.one_of(CELLS, LINES), max_size=12).map("".join)
BYTES = st.one_of(
    SOUP.map(str.encode),
    SOUP.map(lambda text: text.encode("utf-16")),
    SOUP.map(lambda text: gzip.compress(text.encode())),
    st.binary(max_size=60),
)


@pytest.mark.parametrize("read", [read_queries, read_qrels, load_collection])
def test_files(draw, tmp_path, read):
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "q"}\n')
    others = {load_collection: "corpus"}

    def act(data, kind, packed):
        path = tmp_path / f"{others.get(read, 'q')}{kind}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(data) if packed else data)
        try:
            found = read(tmp_path if read is load_collection else path)
        finally:
            path.unlink()
        if read is read_qrels:
            lines = sum(map(len, found.values()))
            written = list(filter(str.strip, data.decode("utf-8-sig").splitlines()))
            assert 0 < lines <= len(written)
            found = {qid: "x" for qid in found}
        texts = found.docs if read is load_collection else found
        assert all(isinstance(key, str) and key.strip() for key in texts)

    kinds = st.sampled_from([".jsonl", ".csv", ".tsv"])
    good = {
        read_queries: b'{"_id": "a", "text": "x"}\n',
        read_qrels: b"1\ta\t1\n",
        load_collection: b'{"_id": "a", "text": "x"}\n',
    }
    right = st.just(good[read])
    draw(act, st.one_of(BYTES, right), kinds, st.booleans())


def test_conditions_and_ids_in_an_index(draw, tmp_path):
    engine = pytest.importorskip("qrr_lib.engine", reason="needs [engine]")
    embedder = TextEmbedder("all-MiniLM-L6-v2", cache=False)
    mean = string.ascii_letters + "\"'\\[]{}*:.,;%`$ \0\n#é"
    keys = st.text(st.sampled_from(mean), min_size=1, max_size=6)
    try:
        index = engine.Index.create(tmp_path / "i", embedder)
    except engine.EngineError as error:
        pytest.skip(str(error))
    with index:
        index.add([engine.Passage("stays", "", "bread")])

        def act(key, value):
            made = engine.Passage(key, "", "rye", fields={"name": value})
            index.add([made])
            assert index.texts([key])[key].text == "rye"
            found = index.search("rye", where=[("name", "=", value), ("id", "=", key)])
            assert [hit.id for hit in found] == [key]
            assert index.delete([key]) == 1 and index.ids() == ["stays"]

        draw(act, keys, keys, slow=4)

        def ask(text):
            index.search("rye", where=[engine.condition(text)])

        signs = st.sampled_from(["a", "=", "<", " in ", "1", ","])
        parts = st.lists(st.one_of(signs, keys))
        draw(ask, parts.map("".join), slow=4)


def test_settings(draw):
    said = st.one_of(st.sampled_from(["1", "0", "true", "NO", "on "]), ANY_TEXT)

    def act(text):
        os.environ["QRR_OFFLINE"] = text
        assert flag("QRR_OFFLINE") in (True, False)

    before = os.environ.get("QRR_OFFLINE")
    try:
        draw(act, said.filter(lambda text: "\0" not in text and is_unicode(text)))
    finally:
        os.environ.pop("QRR_OFFLINE", None)
        if before is not None:
            os.environ["QRR_OFFLINE"] = before
