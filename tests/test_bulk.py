"""Many files at once: every passage once, whatever breaks off, and the same index as
one process makes.
"""

import argparse
import functools
import json
import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_qdrant import fake_qdrant
from test_engine import scores

import qrr_lib
from qrr_lib import TextEmbedder
from qrr_lib.course import cli
from qrr_lib.engine import EngineError, Index, Passage, bulk
from qrr_lib.engine.bulk import Worker, grouped, load_in_bulk
from qrr_lib.engine.parts import part_about, read_part
from qrr_lib.engine.passages import split_id, word_pieces
from qrr_lib.engine.readers import find_files, read_documents

pytest.importorskip("qdrant_edge")
pytest.importorskip("pyarrow")

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


@pytest.fixture
def here(monkeypatch, embedder):
    """Groups are done in this process, by two workers in turn; function: files of a
    folder → what `load_in_bulk` returns.
    """

    def on_ray(groups, arguments, *_):
        two = [Worker(*arguments), Worker(*arguments)]
        return [two[i % 2].do(group) for i, group in enumerate(groups)]

    monkeypatch.setattr(bulk, "on_ray", on_ray)
    monkeypatch.setattr(bulk, "DOCUMENTS", 4)

    def load(folder, place, **settings):
        files = find_files([folder])[0]
        return load_in_bulk(files, place, lambda: embedder, **settings)

    return load


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


# groups


def groups_of(folder: Path, embedder, seen=None) -> list[list[str]]:
    """Ids of the passages in every group."""
    documents = read_documents(find_files([folder])[0], {})
    seen = {} if seen is None else seen
    groups = grouped(documents, word_pieces(embedder), seen)
    return [[passage.id for passage in group] for group in groups]


def test_every_document_is_in_one_group(docs, embedder, monkeypatch):
    for mean in (1, 7, 30, 1000):
        monkeypatch.setattr(bulk, "DOCUMENTS", mean)
        seen = {}
        groups = groups_of(docs, embedder, seen)
        found = [split_id(key)[0] for group in groups for key in group]
        assert len(found) == len(set(found)) == 42 and set(seen) == set(found)
        assert set(seen.values()) == {1}
        assert mean != 1 or len(groups) == 42
        assert mean != 1000 or len(groups) == 1


def test_a_new_text_changes_one_group(docs, embedder, monkeypatch):
    monkeypatch.setattr(bulk, "DOCUMENTS", 5)
    before = groups_of(docs, embedder)
    for name in ("aaa", "new", "zzz"):
        write(docs / f"{name}.txt", "A letter.")
        after = groups_of(docs, embedder)
        assert sum(group not in before for group in after) <= 2
        assert sum(group in before for group in after) >= len(before) - 1 > 3
        before = after


# into a folder


def passages_of(points: list) -> list[Passage]:
    return [Passage(*(p.payload[name] for name in Passage._fields)) for p in points]


@pytest.mark.parametrize("tokens", ["states", "full"])
def test_parts_make_the_index_that_one_process_makes(
    docs, tmp_path, embedder, here, tokens
):
    done = here(docs, tmp_path / "parts", tokens=tokens)
    assert len(done["seen"]) == 42 == done["written"] and not done["skipped"]
    with Index.create(tmp_path / "a", embedder, tokens=tokens) as index:
        for path in (tmp_path / "parts").iterdir():
            points = read_part(path)
            assert index.add_points(points) == len(points)
        assert index.add(passages_of(points)) == 0  # unchanged
        found, hashes = scores(index, QUERIES, k=50), index.hashes()
    with Index.create(tmp_path / "b", embedder, tokens=tokens) as index:
        for path in (tmp_path / "parts").iterdir():
            index.add(passages_of(read_part(path)))
        wanted = scores(index, QUERIES, k=50)
        assert index.hashes() == hashes
    assert found.keys() == wanted.keys()
    for key in wanted:
        np.testing.assert_allclose(found[key], wanted[key], atol=5e-4)


def test_a_damaged_part_is_refused_and_made_anew(docs, tmp_path, here, embedder):
    parts, rng, refused = tmp_path / "parts", random.Random(0), 0
    here(docs, parts)
    path = min(parts.iterdir())
    whole, points, about = path.read_bytes(), read_part(path), part_about(path)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:  # a bit that says nothing of what is kept may change
            assert part_about(path) != about or read_part(path) == points
        except ValueError as error:
            refused += "delete it and give the same `qrr bulk` again" in str(error)
    assert refused > 80  # the others hit what describes the file
    path.unlink()
    here(docs, parts)
    assert read_part(path) == points


def test_a_second_run_does_what_changed(docs, tmp_path, here):
    parts = tmp_path / "parts"
    here(docs, parts)
    before = times(parts)
    assert here(docs, parts)["written"] == 0 and times(parts) == before
    write(docs / "t3.txt", "A different letter.")
    done = here(docs, parts)
    after = times(parts)
    assert len(after.keys() - before.keys()) == len(before.keys() - after.keys()) == 1
    assert len(before.items() & after.items()) == len(before) - 1
    assert 0 < done["written"] < 42
    (docs / "rows.jsonl").unlink()
    here(docs, parts)
    left = [p.payload["id"] for path in parts.iterdir() for p in read_part(path)]
    assert sorted(left) == sorted(f"t{i}.txt#1" for i in range(12))


def test_a_job_that_broke_off_goes_on(docs, tmp_path, here, monkeypatch):
    parts, real, calls = tmp_path / "parts", bulk.write_part, []

    def breaks_off(path, *what):
        calls.append(path)
        if len(calls) == 4:
            raise OSError("the disk is full")
        real(path, *what)

    monkeypatch.setattr(bulk, "write_part", breaks_off)
    with pytest.raises(OSError, match="full"):
        here(docs, parts)
    kept = times(parts)
    assert len(kept) == 3
    monkeypatch.setattr(bulk, "write_part", real)
    done = here(docs, parts)
    assert kept.items() <= times(parts).items()
    assert done["written"] + sum(len(read_part(parts / n)) for n in kept) == 42


def test_what_cannot_be_read_is_said_once(docs, tmp_path, here):
    text = (docs / "rows.jsonl").read_text("utf-8").replace('"id": "r3"', '"i": "r3"')
    write(docs / "rows.jsonl", text)
    (docs / "t0.txt").write_bytes(b"\xff\xff")
    write(docs / "again.csv", "id,text\nr5,A second one.\n")
    done = here(docs, tmp_path / "parts")
    told = {path.name: reasons for path, reasons in done["skipped"].items()}
    assert sorted(told) == ["rows.jsonl", "t0.txt"]
    assert sum("the id 'r5' stands in" in reason for reason in told["rows.jsonl"]) == 1
    assert sum("line 4" in reason for reason in told["rows.jsonl"]) == 1
    assert len(told["t0.txt"]) == 1


def test_a_folder_of_other_files_is_left_alone(docs, tmp_path, here):
    with pytest.raises(ValueError, match="holds other files .*take an empty folder"):
        here(docs, docs)
    assert len(list(docs.iterdir())) == 13


# into a server


def test_two_workers_add_each_passage_once(docs, tmp_path, embedder, here):
    with fake_qdrant() as server:
        place = f"{server.address}/mine"
        done = here(docs, place)
        assert len(done["seen"]) == 42 == done["written"]
        with Index.open(place, embedder) as index:
            assert len(index) == 42
            there, hashes = scores(index, QUERIES, k=50), index.hashes()
        assert here(docs, place)["written"] == 0
        write(docs / "t3.txt", "A different letter.")
        assert here(docs, place)["written"] == 1
        with Index.open(place, embedder) as index:
            after = index.hashes()
    assert [key for key in after if after[key] != hashes[key]] == ["t3.txt#1"]
    assert len(there) > 42


def test_passages_that_a_document_has_no_more_go(docs, embedder, here):
    long = "\n\n".join(f"Sentence {i} tells of a storm {i}." for i in range(120))
    write(docs / "long.txt", long)
    with fake_qdrant() as server:
        here(docs, server.address)
        write(docs / "long.txt", "Short.")
        assert here(docs, server.address)["deleted"] >= 1
        with Index.open(server.address, embedder) as index:
            assert len(index) == 43


# the command line


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, embedder, here):
    monkeypatch.setattr(
        qrr_lib, "TextEmbedder", lambda *_, **__: embedder, raising=False
    )
    monkeypatch.chdir(tmp_path)

    def command(words: str):
        code = cli.main(words.split())
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_commands(docs, run, embedder):
    code, out, _ = run("bulk docs --to parts")
    assert code == 0 and "42 documents, 42 passages: 42 new or changed, 0 there" in out
    code, out, _ = run("index parts --to my.index")
    assert code == 0 and "42 documents, 42 passages: 42 new or changed" in out
    assert "42 unchanged" in run("index parts --to my.index")[1]
    (docs / "rows.jsonl").unlink()
    assert "12 documents" in run("bulk docs --to parts")[1]
    code, out, err = run("search storm --index my.index -k 1")
    assert code == 0 and "storm" in out


def test_parts_of_other_tokens_are_refused(docs, run):
    run("bulk docs --to parts --tokens full")
    run("index docs --to my.index")
    code, _, err = run("index parts --to my.index")
    assert code == 2 and "belongs to another tokens" in err


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r'ray is not installed.*"\.\[cluster\]"'):
        bulk.on_ray([{}], (), None, None)


class Pretended:
    """A worker of Ray in this process: doubles numbers, refuses 13."""

    def __init__(self, log: list):
        self.do, self.log = self, log

    def remote(self, number: int) -> tuple:
        self.log.append(number)
        return self, number


def test_groups_are_read_as_workers_are_free(monkeypatch):
    """Ray's pool, with workers in this process: at most one group waits."""
    ray = pytest.importorskip("ray")
    log, read, killed = [], [], []

    def answer(future):
        if future[1] == 13:
            raise RuntimeError("ValueError: unlucky")
        return 2 * future[1]

    def groups(numbers):
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
    assert sorted(bulk.on_ray(groups(range(9)), (), None, None)) == [*range(0, 18, 2)]
    assert sorted(log) == [*range(9)] and len(killed) == 2
    assert bulk.on_ray(groups([]), (), 1, None) == [] and len(killed) == 3
    read.clear(), log.clear()
    with pytest.raises(EngineError, match="unlucky.*run it again"):
        bulk.on_ray(groups([1, 13, 2]), (), 1, None)
    assert len(killed) == 4


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
def test_ray_does_every_task_once_and_goes_on(two_nodes, docs, tmp_path, embedder):
    files, parts = find_files([docs])[0], tmp_path / "parts"
    good = (docs / "t3.txt").read_text("utf-8")
    write(docs / "t3.txt", "poison")
    poisoned = functools.partial(Poisoned, MODEL, cache=False)
    with pytest.raises(EngineError, match="went away.*What was written is kept"):
        load_in_bulk(files, parts, poisoned)
    kept = times(parts)
    write(docs / "t3.txt", good)
    done = load_in_bulk(files, parts, poisoned)
    assert kept.items() <= times(parts).items()
    assert len(done["seen"]) == 42
    for path in parts.iterdir():
        points = read_part(path)
        vectors = [point.vectors["dense"] for point in points]
        alone = embedder.encode([passage.full for passage in passages_of(points)])
        np.testing.assert_allclose(vectors, alone, atol=1e-5)


@pytest.mark.slow
def test_ray_fills_a_server(two_nodes, docs, embedder):
    make = functools.partial(TextEmbedder, MODEL, cache=False)
    with fake_qdrant() as server:
        done = load_in_bulk(find_files([docs])[0], server.address, make)
        assert len(done["seen"]) == 42
        with Index.open(server.address, embedder) as index:
            assert len(index) == 42 and index.search("a storm at sea")
        again = load_in_bulk(find_files([docs])[0], server.address, make)
        assert again["written"] == 0


def test_a_part_says_what_it_belongs_to(docs, tmp_path, embedder):
    worker = Worker(lambda: embedder, str(tmp_path), "states")
    count, path = worker.do([Passage("a", "", "A storm.", fields={})])
    about = part_about(path)
    assert count == 1 and about["tokens"] == "states" and about["model"] == MODEL
    assert part_about(docs / "rows.jsonl") is None
