"""Collections: the course's own keeps its promises; malformed ones are refused with
file and line.
"""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace as Row

import numpy as np
import pytest

from qrr_lib import TextEmbedder, evaluate, load_collection
from qrr_lib.checks import check_ids
from qrr_lib.course.corpus import check_corpus
from qrr_lib.embed.cache import EmbeddingCache, text_key
from qrr_lib.embed.models import EMBEDDING_MODELS, MODELS, WEIGHTS

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def course():
    return load_collection("course")


A = '{"_id": "a", "title": "T", "text": "one"}\n'
FILES = {
    "corpus.jsonl": A + '{"_id": "b", "text": "two"}\n',
    "queries.jsonl": '{"_id": "q", "text": "which?", "kind": "question"}\n',
    "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq\ta\t2\n",
}


@pytest.fixture
def small(tmp_path):
    """A collection of two documents on disk; returns its folder."""
    (tmp_path / "qrels").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_course_corpus_passes_its_own_check(course):
    for line in check_corpus(course):
        assert line.ok, str(line)


def test_the_checker_can_fail(course, small):
    lines = {line.what: line for line in check_corpus(load_collection(small))}
    assert not lines["size"].ok and not lines["lengths"].ok and not lines["splits"].ok
    leaky = load_collection("course")
    leaky.qrels["test_new"].update(dict(list(leaky.qrels["train"].items())[:1]))
    failed = {line.what for line in check_corpus(leaky) if not line.ok}
    assert {"splits", "new documents"} <= failed


def test_cosine_leaves_room_to_improve_and_to_fail(course):
    embedder = TextEmbedder("all-mpnet-base-v2")
    docs, queries = embedder.encode(course.texts()), course.split("test")
    scores = embedder.encode(list(queries.values())) @ docs.T
    ids = list(course.docs)
    run = {
        qid: {ids[j]: float(row[j]) for j in np.argsort(-row)[:100]}
        for qid, row in zip(queries, scores)
    }
    assert 0.55 <= evaluate(run, course.qrels["test"], ["nDCG@10"])["nDCG@10"] <= 0.85


def test_embeddings_are_shipped_for_every_embedding_model_and_no_other():
    """A language model (its weights are a GGUF file) embeds nothing: the tool leaves it
    out.
    """
    names = [name for name, spec in MODELS.items() if spec.weights == WEIGHTS]
    shipped = (ROOT / "data" / "course" / "embeddings").glob("*.npz")
    assert names == EMBEDDING_MODELS
    assert sorted(names) == sorted(path.stem for path in shipped)


@pytest.mark.parametrize("model", EMBEDDING_MODELS)
def test_shipped_embeddings_cover_the_corpus(course, model):
    shipped = EmbeddingCache(MODELS[model]).shipped
    texts = [*course.texts(), *course.queries.values()]
    missing = [text[:50] for text in texts if text_key(text) not in shipped]
    advice = "texts changed: run python tools/corpus_embeddings.py"
    assert not missing, f"{len(missing)} {advice}"


def test_shipped_embeddings_are_what_the_model_computes(course, rng):
    texts = rng.choice(course.texts(), 6, replace=False).tolist()
    fresh = TextEmbedder(cache=False).encode(texts)
    stored = TextEmbedder().encode(texts)
    assert np.abs(fresh - stored).max() < 1e-3
    assert (fresh * stored).sum(axis=1).min() > 0.99999


@pytest.mark.parametrize("newline, encoding", [("\n", "utf-8"), ("\r\n", "utf-8-sig")])
def test_reads_beir(small, newline, encoding, monkeypatch):
    for name, text in FILES.items():
        (small / name).write_text(text, encoding, newline=newline)
    monkeypatch.setenv("QRR_COLLECTIONS_DIR", str(small.parent))
    got = load_collection(small.name)
    assert got.docs["a"].full == "T one" and got.docs["b"].full == "two"
    assert got.split("test") == {"q": "which?"}
    assert got.qrels["test"] == {"q": {"a": 2}}
    assert got.query_info["q"] == {"kind": "question"}
    (small / "qrels" / "test.tsv").rename(small / "qrels" / "test_seen.tsv")
    assert load_collection(small).qrels["test"] == {"q": {"a": 2}}


def test_judgements_without_a_header_lose_no_line(small):
    (small / QRELS).write_bytes(b"\xef\xbb\xbfq\ta\t2\n")
    assert load_collection(small).qrels["test"] == {"q": {"a": 2}}


def test_judgements_of_absent_documents_are_left_out_and_counted(small, capsys):
    broken(QRELS, "q\tghost\t1\nnobody\ta\t1")(small)
    assert "left out 2 judgements" in capsys.readouterr().err
    assert load_collection(small).qrels["test"] == {"q": {"a": 2}}
    shutil.rmtree(small / "qrels")
    with pytest.raises(ValueError, match="it has no judgements at all"):
        load_collection(small).split("test")


def test_reads_what_the_catalogue_of_the_field_has(monkeypatch):
    titled = Row(doc_id="a", title="T", text="one")
    asked = Row(doc_id="b", default_text=lambda: "two")
    query = Row(query_id="q", default_text=lambda: "which?")
    judged = Row(query_id="q", doc_id="a", relevance=2)
    dataset = Row(docs_iter=lambda: [titled, asked], queries_iter=lambda: [query])
    dataset.qrels_iter = lambda: [judged]
    monkeypatch.setitem(sys.modules, "ir_datasets", Row(load=lambda name: dataset))
    got = load_collection("their/name")
    assert got.texts() == ["T one", "two"] and got.split("test") == {"q": "which?"}
    assert got.qrels["test"] == {"q": {"a": 2}}


def broken(file, line):
    """Reads the small collection after a line was added to one of its files."""

    def load(folder):
        with open(folder / file, "ab") as sink:
            sink.write(line if isinstance(line, bytes) else line.encode())
        load_collection(folder)

    return load


CORPUS, QRELS = "corpus.jsonl", "qrels/test.tsv"
REFUSALS = {
    "no JSON": (broken(CORPUS, "{not json"), "corpus.jsonl, line 3: it is no JSON"),
    "a list": (broken(CORPUS, "[1]"), "line 3: it is no object with fields"),
    "no id": (
        broken(CORPUS, '{"text": "x"}'),
        "line 3: the field .id. must",
    ),
    "bytes": (broken(CORPUS, b'{"_id": "\xff"}'), "line 3: it is not UTF-8"),
    "empty id": (broken(CORPUS, '{"_id": ""}'), "line 3: the field '_id' is empty"),
    "number": (broken(CORPUS, '{"_id": 7.5}'), "'_id' must be text, not 7.5"),
    "title": (broken(CORPUS, '{"_id": "c", "title": 5}'), "'title' must be text"),
    "no text": (broken("queries.jsonl", '{"_id": "r"}'), "line 2: the field 'text'"),
    "twice": (broken(CORPUS, '{"_id": "a"}'), "line 3: the id 'a' occurs twice"),
    "query": (broken("queries.jsonl", '\n{"_id": "q"}'), "queries.jsonl, line 3: the"),
    "two columns": (broken(QRELS, "q\ta"), "line 3: expected query, document, grade"),
    "no grade": (broken(QRELS, "q\ta\thigh"), "line 3: expected query"),
    "split": (lambda f: load_collection(f).split("dev"), "no split 'dev'; it has test"),
    "blank id": (lambda f: check_ids(["a", " "]), "non-empty strings, not ' '"),
    "two ids": (
        lambda f: check_ids(["a", "b"], "bc", "written"),
        "nothing was written: b",
    ),
    "absent": (lambda f: load_collection("absent"), "QRR_COLLECTIONS_DIR"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_say_what_is_wrong(small, case):
    act, words = REFUSALS[case]
    kind = FileNotFoundError if case == "absent" else ValueError
    with pytest.raises(kind, match=words):
        act(small)
