"""Collections: the course's own keeps its promises; malformed ones are refused with
file and line.
"""

import re
import shutil
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace as Row

import numpy as np
import pytest

from qrr_lib import TextEmbedder, evaluate, load_collection
from qrr_lib.checks import check_ids
from qrr_lib.embed.cache import EmbeddingCache, text_key
from qrr_lib.embed.models import EMBEDDING_MODELS, MODELS, WEIGHTS
from qrr_lib.rank.metrics import relevant

ROOT = Path(__file__).resolve().parent.parent
KINDS = {"keyword", "question", "scenario", "misconception"}
TRAITS = {"polysemy", "no_overlap", "near_duplicate", "negation", "comparison"}
LEAST = {"train": 80, "dev": 20, "test_new": 60, "test_known": 60}  # queries


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


# the course corpus is what its data sheet says (data/README.md)


def test_passages_have_the_promised_number_and_length(course):
    assert len(course.docs) >= 400 and len(course.queries) >= 220
    for key, doc in course.docs.items():
        assert doc.title.strip() and 40 <= len(doc.text.split()) <= 110, key


def test_no_text_repeats_another(course):
    """Siblings that differ in one fact share up to 0.7 of their sequences of three
    words on purpose; more would be a copy.
    """
    texts = [text for doc in course.docs.values() for text in doc]
    seen = Counter(
        " ".join(t.lower().split()) for t in [*texts, *course.queries.values()]
    )
    assert seen.most_common(1)[0][1] == 1
    grams = {}
    for key, doc in course.docs.items():
        words = re.findall(r"\w+", doc.text.lower())
        grams[key] = set(zip(words, words[1:], words[2:]))
    for a, b in combinations(grams, 2):
        common = len(grams[a] & grams[b])
        assert common <= 0.75 * len(grams[a] | grams[b]), f"{a} and {b}: reword one"


def test_queries_are_of_known_kinds_and_have_an_answer(course):
    judged = {q: grades for part in course.qrels.values() for q, grades in part.items()}
    for query, info in course.query_info.items():
        assert info["kind"] in KINDS and set(info.get("traits", [])) <= TRAITS, query
        grades = set(judged[query].values())
        assert grades <= {0, 1, 2, 3} and max(grades) >= 2, query


def test_splits_share_what_they_should_and_nothing_else(course):
    parts = {split: course.qrels[split] for split in LEAST}
    assert all(len(parts[split]) >= least for split, least in LEAST.items())
    assert not any(a.keys() & b.keys() for a, b in combinations(parts.values(), 2))
    docs = {s: set().union(*map(relevant, part.values())) for s, part in parts.items()}
    seen = docs["train"] | docs["dev"]
    assert not docs["train"] & docs["dev"] and not docs["test_new"] & seen
    assert all(relevant(grades) & seen for grades in parts["test_known"].values())
    both = parts["test_new"].keys() | parts["test_known"].keys()
    assert course.qrels["test"].keys() == both


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
    dataset = Row(docs_iter=lambda: [titled, asked], queries_iter=lambda: [query])
    dataset.qrels_dict = lambda: {"q": {"a": 2}}
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
