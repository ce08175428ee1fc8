"""Collections: the course's own keeps its promises; malformed ones are refused with
file and line.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qrr_lib import TextEmbedder, evaluate, load_collection
from qrr_lib.course.corpus import check_corpus
from qrr_lib.embed.cache import text_key
from qrr_lib.embed.models import EMBEDDING_MODELS, MODELS, WEIGHTS

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def course():
    return load_collection("course")


@pytest.fixture
def small(tmp_path):
    """A collection of two documents on disk; returns its folder."""
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "a", "title": "T", "text": "one"}\n{"_id": "b", "text": "two"}\n',
        encoding="utf-8",
    )
    (tmp_path / "queries.jsonl").write_text(
        '{"_id": "q", "text": "which?", "kind": "question"}\n', encoding="utf-8"
    )
    (tmp_path / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq\ta\t2\n", encoding="utf-8"
    )
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
    names = EMBEDDING_MODELS
    assert names == [name for name, spec in MODELS.items() if spec.weights == WEIGHTS]
    assert sorted(names) == sorted(
        path.stem for path in (ROOT / "data" / "course" / "embeddings").glob("*.npz")
    )


@pytest.mark.parametrize("model", EMBEDDING_MODELS)
def test_shipped_embeddings_cover_the_corpus(course, model):
    shipped = TextEmbedder(model)._cache.shipped
    missing = [
        text[:50]
        for text in course.texts() + list(course.queries.values())
        if text_key(text) not in shipped
    ]
    assert not missing, (
        f"{len(missing)} texts changed: run python tools/corpus_embeddings.py"
    )


def test_shipped_embeddings_are_what_the_model_computes(course, rng):
    texts = [course.texts()[i] for i in rng.choice(len(course.docs), 6, replace=False)]
    fresh = TextEmbedder(cache=False).encode(texts)
    stored = TextEmbedder().encode(texts)
    assert (
        np.abs(fresh - stored).max() < 1e-3
        and (fresh * stored).sum(axis=1).min() > 0.99999
    )


def test_reads_beir(small):
    got = load_collection(small)
    assert got.docs["a"].full == "T one" and got.docs["b"].full == "two"
    assert (
        got.split("test") == {"q": "which?"}
        and got.qrels["test"]["q"] == {"a": 2}
        and got.query_info["q"] == {"kind": "question"}
    )
    with pytest.raises(ValueError, match="no split 'dev'; it has test"):
        got.split("dev")


def test_collections_directory(small, monkeypatch):
    monkeypatch.setenv("QRR_COLLECTIONS_DIR", str(small.parent))
    assert len(load_collection(small.name).docs) == 2
    with pytest.raises(FileNotFoundError, match="QRR_COLLECTIONS_DIR"):
        load_collection("absent")


@pytest.mark.parametrize(
    "line, message",
    [
        ("{not json", "line 3: not a JSON object"),
        (json.dumps({"text": "no id"}), "line 3"),
        (json.dumps({"_id": "", "text": "x"}), "non-empty"),
        (json.dumps({"_id": "a", "text": "x"}), "occurs twice"),
        (json.dumps({"_id": 7, "text": "x"}), "non-empty strings"),
    ],
)
def test_malformed_lines_are_named(small, line, message):
    with open(small / "corpus.jsonl", "a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match=message):
        load_collection(small)


@pytest.mark.parametrize(
    "row, message",
    [
        ("q\ta", "expected query, document, grade"),
        ("q\ta\thigh", "expected query"),
        ("q\tghost\t1", "does not hold"),
    ],
)
def test_malformed_judgements_are_named(small, row, message):
    with open(small / "qrels" / "test.tsv", "a", encoding="utf-8") as file:
        file.write(row + "\n")
    with pytest.raises(ValueError, match=message):
        load_collection(small)
