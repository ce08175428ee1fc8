"""Embeddings: unit vectors, one payment per text, and a cache that survives damage."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from qrr_lib import TextEmbedder
from qrr_lib.embed.cache import EmbeddingCache, text_key
from qrr_lib.embed.models import default_model, model_spec

TEXTS = [
    "A qubit is a unit vector.",
    "Bread rises overnight in a cool kitchen.",
    "A qubit is a unit vector.",
]


class Counting:
    """Replaces the model: embeds by text length and counts what it was asked."""

    def __init__(self, dim):
        self.dim, self.seen = dim, []

    def encode(self, texts, **options):
        self.seen += texts
        vectors = np.stack(
            [np.random.default_rng(len(t)).normal(size=self.dim) for t in texts]
        )
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def embedder(monkeypatch, tmp_path):
    monkeypatch.setenv("QRR_CACHE_DIR", str(tmp_path))
    made = TextEmbedder("all-MiniLM-L6-v2")
    made._model = Counting(made.dim)
    return made


def again(embedder):
    fresh = TextEmbedder("all-MiniLM-L6-v2")
    fresh._model = Counting(fresh.dim)
    return fresh


def test_real_model_gives_unit_vectors_in_order():
    embedder = TextEmbedder(cache=False)
    vectors = embedder.encode(TEXTS)
    assert (
        vectors.shape == (3, model_spec(default_model()).dim)
        and vectors.dtype == np.float32
    )
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[0], vectors[2]) and vectors[0] @ vectors[1] < 0.5
    tokens = embedder.encode_tokens(TEXTS[:1])[0]
    assert tokens.shape == (8, embedder.dim)  # a, qu, ##bit, is, a, unit, vector, .
    assert np.allclose(np.linalg.norm(tokens, axis=1), 1, atol=1e-5)


def test_each_text_is_computed_once(embedder):
    first = embedder.encode(TEXTS)
    assert embedder._model.seen == TEXTS[:2]
    second = again(embedder)
    assert np.array_equal(second.encode(TEXTS), first) and second._model.seen == []


def test_models_do_not_share_a_cache_file():
    assert (
        EmbeddingCache(model_spec("all-MiniLM-L6-v2")).path
        != EmbeddingCache(model_spec("all-mpnet-base-v2")).path
    )


@pytest.mark.parametrize(
    "texts, message",
    [
        ([""], "text 0 is empty"),
        (["fine", "  "], "text 1 is empty"),
        ("one string", "wrap"),
        ([3], "not str"),
    ],
)
def test_bad_texts(embedder, texts, message):
    with pytest.raises(ValueError, match=message):
        embedder.encode(texts)


def test_nothing_to_embed(embedder):
    assert embedder.encode([]).shape == (0, 384)


def test_odd_characters(embedder):
    assert embedder.encode(["naïve 量子 \U0001f9ea", "\ud800 alone"]).shape == (2, 384)


def test_a_damaged_file_is_rebuilt_and_said_once(embedder, capsys):
    embedder.encode(TEXTS)
    path = embedder._cache.path
    path.write_bytes(b"this is no database" * 100)
    second = again(embedder)
    second.encode(TEXTS)
    second.encode(TEXTS)
    assert capsys.readouterr().err.count("damaged") == 1
    assert second._model.seen == TEXTS[:2]  # computed once more, then cached again
    assert path.with_suffix(".damaged").exists()


def test_a_damaged_row_is_computed_again(embedder, capsys):
    good = embedder.encode(TEXTS)
    with sqlite3.connect(embedder._cache.path) as db:
        db.execute(
            "UPDATE vectors SET vector = zeroblob(1536) WHERE key = ?",
            (text_key(TEXTS[0]),),
        )
    db.close()
    second = again(embedder)
    assert np.array_equal(second.encode(TEXTS), good)
    assert "damaged" in capsys.readouterr().err and second._model.seen == TEXTS[:1]


def test_an_unwritable_cache_only_warns(monkeypatch, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("a file where the cache folder should be")
    monkeypatch.setenv("QRR_CACHE_DIR", str(blocker))
    embedder = TextEmbedder("all-MiniLM-L6-v2")
    embedder._model = Counting(embedder.dim)
    with pytest.warns(UserWarning, match="QRR_CACHE_DIR"):
        assert embedder.encode(TEXTS).shape == (3, 384)
    assert embedder.encode(TEXTS).shape == (3, 384)  # and is quiet from then on


def test_a_kill_in_mid_write_loses_nothing(embedder, tmp_path):
    """Kill a process that is inside a write transaction: what was stored before is
    still there, whole.
    """
    before = embedder.encode(TEXTS)
    script = textwrap.dedent("""
        import os, sqlite3, sys
        db = sqlite3.connect(sys.argv[1], isolation_level=None)
        db.execute("PRAGMA cache_size = 1")
        db.execute("BEGIN")
        for i in range(3000):
            key = i.to_bytes(32, "big")
            db.execute("INSERT INTO vectors VALUES (?, zeroblob(1536), 0)", (key,))
        os._exit(9)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, str(embedder._cache.path)], check=False
    )
    assert done.returncode == 9
    second = again(embedder)
    assert np.array_equal(second.encode(TEXTS), before) and second._model.seen == []
    assert not second._cache.get([(5).to_bytes(32, "big")])
