"""Many processors at once: every passage once, whatever breaks off, and the same index
as one process makes.
"""

import argparse
import functools
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_qdrant import fake_qdrant
from test_engine import scores

import qrr_lib
from qrr_lib import Scorer, TextEmbedder
from qrr_lib.course import cli
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.engine import EngineError, Index, Passage, RayPool
from qrr_lib.engine.cluster import Worker
from qrr_lib.engine.passages import cut, word_pieces
from qrr_lib.engine.readers import find_files, read_documents

pytest.importorskip("qdrant_edge")

MODEL = "all-MiniLM-L6-v2"
QUERIES = {"q1": "a storm at sea", "q2": "bread", "q3": "number 7"}
WORDS = "storm sea bread jazz trumpet letter message number river lemon".split()


@pytest.fixture(scope="module")
def embedder():
    return TextEmbedder(MODEL, cache=False)


@pytest.fixture
def docs(tmp_path) -> Path:
    """A table of 30 rows and 12 texts."""
    folder = tmp_path / "docs"
    folder.mkdir()
    rows = [
        {"id": f"r{i}", "title": f"T{i}", "text": f"Of the number {i}.", "year": i}
        for i in range(30)
    ]
    write(folder / "rows.jsonl", "\n".join(map(json.dumps, rows)))
    for i in range(12):
        write(folder / f"t{i}.txt", f"A {WORDS[i % 10]} and a {WORDS[(3 * i) % 10]}.")
    return folder


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


class TwoWorkers(RayPool):
    """Workers in this process, in turn."""

    def run(self, blocks, *arguments):
        two = [Worker(*arguments), Worker(*arguments)]
        for number, block in enumerate(blocks):
            yield two[number % 2].do(block)


@pytest.fixture
def pool(monkeypatch, embedder):
    """Blocks of four passages, for two workers."""
    monkeypatch.setattr("qrr_lib.engine.index.TEXTS_A_BLOCK", 4)
    return TwoWorkers(lambda: embedder)


@pytest.fixture(params=["folder", "server"])
def place(request, tmp_path):
    if request.param == "folder":
        yield str(tmp_path / "my.index")
        return
    with fake_qdrant() as server:
        yield f"{server.address}/mine"


def passages(folder: Path, embedder) -> list[Passage]:
    documents = read_documents(find_files([folder])[0], {})
    pieces = word_pieces(embedder)
    return [passage for document in documents for passage in cut(document, *pieces)]


@pytest.mark.parametrize("tokens", ["states", "full"])
def test_workers_make_the_index_that_one_process_makes(
    docs, place, tmp_path, embedder, pool, tokens
):
    every = passages(docs, embedder)
    with Index.create(tmp_path / "alone", embedder, tokens=tokens) as index:
        assert index.add(every) == 42
        wanted, hashes = scores(index, QUERIES, k=50), index.column("hash")
    with Index.create(place, embedder, tokens=tokens) as index:
        assert index.add(every, pool) == 42 == len(index)
        assert index.add(every, pool) == 0 == index.add(every)
        found = scores(index, QUERIES, k=50)
        assert index.column("hash") == hashes and found.keys() == wanted.keys()
    for key in wanted:  # full tokens have 8 bits in a folder
        np.testing.assert_allclose(found[key], wanted[key], atol=0.02)


def test_a_second_run_does_what_changed(docs, place, embedder, pool):
    with Index.create(place, embedder) as index:
        index.add(passages(docs, embedder), pool)
        before = index.column("hash")
        write(docs / "t3.txt", "A different letter.")
        assert index.add(passages(docs, embedder), pool) == 1
        after = index.column("hash")
    assert [key for key in after if after[key] != before[key]] == ["t3.txt#1"]


def test_a_job_that_broke_off_goes_on(docs, place, embedder, pool, monkeypatch):
    every, real, calls = passages(docs, embedder), Worker.do, []

    def breaks_off(worker, payloads):
        calls.append(payloads)
        if len(calls) == 4:
            raise OSError("the machine went away")
        return real(worker, payloads)

    monkeypatch.setattr(Worker, "do", breaks_off)
    with Index.create(place, embedder) as index:
        with pytest.raises(OSError, match="went away"):
            index.add(every, pool)
        assert len(index) == 12
    monkeypatch.setattr(Worker, "do", real)
    with Index.open(place, embedder) as index:
        assert index.add(every, pool) == 30 and len(index) == 42


def test_workers_take_the_map_of_the_index(docs, tmp_path, embedder, pool):
    every = passages(docs, embedder)
    tokens = embedder.encode_tokens([passage.full for passage in every])
    own = Scorer(QubitMap(16).fit(np.concatenate(tokens)), per="token")
    with Index.create(tmp_path / "own", embedder, own) as index:
        index.add(every, pool)
        found = scores(index, QUERIES)
    with Index.create(tmp_path / "alone", embedder, own) as index:
        index.add(every)
        wanted = scores(index, QUERIES)
    assert found.keys() == wanted.keys()
    for key in wanted:
        np.testing.assert_allclose(found[key], wanted[key], atol=1e-5)


# the command line


def test_commands(docs, tmp_path, embedder, pool, monkeypatch, capsys):
    monkeypatch.setattr("qrr_lib.engine.about.TextEmbedder", lambda *_, **__: embedder)
    monkeypatch.setattr(
        qrr_lib, "TextEmbedder", lambda *_, **__: embedder, raising=False
    )
    asked = []
    monkeypatch.setattr(
        "qrr_lib.engine.RayPool",
        lambda make, *settings: asked.append((make(), *settings)) or pool,
        raising=False,
    )
    monkeypatch.chdir(tmp_path)
    line = "index docs --to my.index --sync"
    assert cli.main([*line.split(), "--workers", "2"]) == 0
    assert "42 passages: 42 new or changed, 0 unchanged" in capsys.readouterr().out
    (docs / "rows.jsonl").unlink()
    assert cli.main([*line.split(), "--address", "ray://there"]) == 0
    said = capsys.readouterr().out
    assert "12 documents" in said and "30 deleted; my.index holds 12" in said
    assert asked == [(embedder, 2, None), (embedder, None, "ray://there")]
    assert cli.main(line.split()) == 0 and len(asked) == 2


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r'ray is not installed.*"\.\[cluster\]"'):
        list(RayPool(None).run([]))


class Pretended:
    """A worker of Ray in this process: doubles numbers, refuses 13."""

    def __init__(self, log: list):
        self.do, self.log = self, log

    def remote(self, number: int) -> tuple:
        self.log.append(number)
        return self, number


def test_blocks_are_read_as_workers_are_free(monkeypatch):
    """Ray's pool, with workers in this process: at most one block waits."""
    ray = pytest.importorskip("ray")
    log, read, killed = [], [], []

    def answer(future):
        if future[1] == 13:
            raise RuntimeError("ValueError: unlucky")
        if future[1] == 14:  # as Ray hands on what a worker raised
            raise type("OfTask", (EngineError,), {})("at\nqrr.EngineError: asleep")
        return 2 * future[1]

    def blocks(numbers):
        for number in numbers:
            read.append(number)
            assert len(read) <= len(log) + 1
            yield number

    workers = {"is_initialized": lambda: True, "kill": killed.append}
    workers["cluster_resources"] = lambda: {"CPU": 2.0}
    workers["remote"] = lambda **_: (
        lambda kind: argparse.Namespace(remote=lambda *_: Pretended(log))
    )
    workers["wait"] = lambda futures, **_: (futures[-1:], futures[:-1])
    for name, value in (workers | {"get": answer}).items():
        monkeypatch.setattr(ray, name, value)
    assert sorted(RayPool(None).run(blocks(range(9)))) == [*range(0, 18, 2)]
    assert sorted(log) == [*range(9)] and len(killed) == 2
    assert list(RayPool(None, 1).run(blocks([]))) == [] and len(killed) == 3
    read.clear(), log.clear()
    with pytest.raises(EngineError, match="unlucky.*run it again"):
        list(RayPool(None, 1).run(blocks([1, 13, 2])))
    read.clear(), log.clear()
    with pytest.raises(EngineError, match="failed: qrr.EngineError: asleep. Start"):
        list(RayPool(None, 1).run(blocks([14])))
    assert len(killed) == 5

    def lost():
        yield 1
        raise EngineError("the index is lost")

    with pytest.raises(EngineError, match="^the index is lost$"):
        list(RayPool(None, 1).run(lost()))
    assert len(killed) == 6


# with Ray, in processes of their own


class Poisoned(TextEmbedder):
    """Fails on a text that holds a word, as a machine that dies would."""

    def encode_with_tokens(self, texts, *more, **options):
        if any("poison" in text for text in texts):
            raise RuntimeError("the machine went away")
        return super().encode_with_tokens(texts, *more, **options)


@pytest.fixture(scope="module")
def two_nodes():
    """A Ray cluster of two nodes on this machine, one core each."""
    pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 80_000_000}
    head = {**small, "include_dashboard": False}
    for attempt in range(3):
        try:
            cluster = Cluster(initialize_head=True, head_node_args=head)
            cluster.add_node(**small)
            break
        except Exception:  # Ray gives a node 30 s to start: a busy machine
            if attempt == 2:
                raise
    ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
    # workers cannot import this file
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield ray
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
def test_ray_does_every_block_once_and_goes_on(
    two_nodes, docs, place, embedder, monkeypatch
):
    monkeypatch.setattr("qrr_lib.engine.index.TEXTS_A_BLOCK", 4)
    pool = RayPool(functools.partial(Poisoned, MODEL, cache=False))
    good = (docs / "t3.txt").read_text("utf-8")
    write(docs / "t3.txt", "poison")
    with Index.create(place, embedder) as index:
        with pytest.raises(EngineError, match="went away.*What was written is kept"):
            index.add(passages(docs, embedder), pool)
        kept = len(index)
        write(docs / "t3.txt", good)
        every = passages(docs, embedder)
        assert index.add(every, pool) == 42 - kept and len(index) == 42
        found = scores(index, QUERIES)
    with Index.create(f"{docs}.alone", embedder) as index:
        index.add(every)
        wanted = scores(index, QUERIES)
    assert found.keys() == wanted.keys()
    for key in wanted:
        np.testing.assert_allclose(found[key], wanted[key], atol=1e-4)
