"""Embeddings: unit vectors, one payment per text, and a cache that survives damage."""

import contextlib
import sqlite3
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

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
LIGHT = model_spec("all-MiniLM-L6-v2")


class Counting:
    """Replaces the model: embeds by text length and counts what it was asked."""

    def __init__(self):
        self.seen, self.bars = [], []

    def encode(self, texts, **options):
        self.seen += texts
        self.bars.append(options["show_progress_bar"])
        made = [np.random.default_rng(len(t)).normal(size=LIGHT.dim) for t in texts]
        return np.stack(made) / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.fixture
def fresh(empty_cache):
    """Makes an embedder with a model that counts, as in a new process."""

    def make():
        embedder = TextEmbedder(LIGHT.name)
        embedder.model = Counting()
        return embedder

    return make


def test_real_model_gives_unit_vectors_in_order():
    embedder = TextEmbedder(cache=False)
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (3, model_spec(default_model()).dim)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[0], vectors[2]) and vectors[0] @ vectors[1] < 0.5
    tokens = embedder.encode_tokens(TEXTS[:1])[0]
    assert tokens.shape == (8, embedder.dim)  # a, qu, ##bit, is, a, unit, vector, .
    assert np.allclose(np.linalg.norm(tokens, axis=1), 1, atol=1e-5)


def test_each_text_is_computed_once(fresh):
    embedder, second = fresh(), fresh()
    first = embedder.encode(TEXTS)
    assert embedder.model.seen == TEXTS[:2]
    assert np.array_equal(second.encode(TEXTS), first) and second.model.seen == []


def test_a_bar_is_shown_for_many_texts_and_not_beside_the_main_thread(fresh):
    embedder, many = fresh(), [f"text {i}" for i in range(130)]
    embedder.encode(many[:3])
    embedder.encode(many[:65])
    with ThreadPoolExecutor(1) as worker:
        worker.submit(embedder.encode, many).result()
        worker.submit(embedder.encode, ["one more"], progress=True).result()
    assert embedder.model.bars == [False, False, False, True]
    embedder.encode([f"other {i}" for i in range(65)])
    assert embedder.model.bars[-1]


def test_without_its_cache_an_embedder_shares_the_weights_and_leaves_no_trace(fresh):
    embedder, cache = fresh(), EmbeddingCache(LIGHT)
    live = embedder.with_cache(False)
    assert live.model is embedder.model
    live.encode(TEXTS)
    live.encode(TEXTS)
    assert embedder.model.seen == TEXTS[:2] * 2 and not cache.path.exists()
    live.with_cache(True).encode(TEXTS)
    assert embedder.model.seen == TEXTS[:2] * 3 and cache.path.exists()


def test_models_do_not_share_a_cache_file():
    other = model_spec("all-mpnet-base-v2")
    assert EmbeddingCache(LIGHT).path != EmbeddingCache(other).path


REFUSALS = {
    "text 0 is empty: remove it": [""],
    "text 1 is empty": ["fine", "  "],
    "wrap a single one": "one string",
    "text 0 is int, not str": [3],
}


@pytest.mark.parametrize("words", REFUSALS)
def test_refusals_say_what_is_wrong(fresh, words):
    for ask in (fresh().encode, fresh().encode_with_tokens):
        with pytest.raises(ValueError, match=words):
            ask(REFUSALS[words])


def test_nothing_to_embed(fresh):
    assert fresh().encode([]).shape == (0, 384) and fresh().encode_tokens([]) == []


def test_odd_characters(fresh):
    assert fresh().encode(["naïve 量子 \U0001f9ea", "\x00 \ufffd"]).shape == (2, 384)
    with pytest.raises(ValueError, match="text 1 holds half a character"):
        fresh().encode(["fine", "\ud800 alone"])


def test_a_damaged_file_is_rebuilt_and_said_once(fresh, capsys):
    fresh().encode(TEXTS)
    path = EmbeddingCache(LIGHT).path
    path.write_bytes(b"this is no database" * 100)
    second = fresh()
    second.encode(TEXTS)
    second.encode(TEXTS)
    assert capsys.readouterr().err.count("damaged") == 1
    assert second.model.seen == TEXTS[:2]  # computed once more, then cached again
    assert path.with_suffix(".damaged").exists()


def test_a_damaged_row_is_computed_again(fresh, capsys):
    good, second = fresh().encode(TEXTS), fresh()
    with contextlib.closing(sqlite3.connect(EmbeddingCache(LIGHT).path)) as db, db:
        row = "UPDATE vectors SET vector = zeroblob(1536) WHERE key = ?"
        db.execute(row, (text_key(TEXTS[0]),))
    assert np.array_equal(second.encode(TEXTS), good)
    assert "damaged" in capsys.readouterr().err and second.model.seen == TEXTS[:1]


def test_an_unwritable_cache_only_warns(fresh, empty_cache):
    empty_cache.write_text("a file where the cache folder should be")
    embedder = fresh()
    with pytest.warns(UserWarning, match="QRR_CACHE_DIR"):
        assert embedder.encode(TEXTS).shape == (3, 384)
    assert embedder.encode(TEXTS).shape == (3, 384)  # and is quiet from then on


def test_a_kill_in_mid_write_loses_nothing(fresh):
    """Kill a process that is inside a write transaction: what was stored before is
    still there, whole.
    """
    before, second, cache = fresh().encode(TEXTS), fresh(), EmbeddingCache(LIGHT)
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
    command = [sys.executable, "-c", script, str(cache.path)]
    assert subprocess.run(command, check=False).returncode == 9
    assert np.array_equal(second.encode(TEXTS), before) and second.model.seen == []
    assert not cache.get([(5).to_bytes(32, "big")])
