"""Milvus Lite against FAISS flat, and blocks embedded by Ray on two nodes against one
process. Skipped where the extra [scale] is missing.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import sys
import types
import zlib

import numpy as np
import pytest

from qrr_lib import (
    Circuit,
    QubitAnglePredictor,
    StateScorer,
    TextEmbedder,
    load_collection,
)
from qrr_lib.course import commands
from qrr_lib.encode.heads import EquatorialHead
from qrr_lib.engine.blocks import plan_blocks
from qrr_lib.engine.bulk import embed_files, placement
from qrr_lib.engine.extra import EngineError
from qrr_lib.engine.milvus import MilvusIndex
from qrr_lib.rank.hybrid_index import HybridIndex

HINT = 'the extra [scale] is not installed: pip install -e ".[scale]"'
milvus_lite = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("pymilvus", "milvus_lite"))), reason=HINT
)


def ray_data(test):
    """Ray's own processes take two gigabytes and up to a minute to start: these tests
    belong to `make test-all`.
    """
    return pytest.mark.slow(
        pytest.mark.skipif(
            not all(map(importlib.util.find_spec, ("ray", "pyarrow"))), reason=HINT
        )(test)
    )


class Letters:
    """An embedder that needs no model: hashed words.

    `stop_at` fails on a text that holds the word, as a machine that dies would.
    """

    name, dim = "letters", 16

    def __init__(self, stop_at: str | None = None):
        self.stop_at = stop_at

    def encode(self, texts, batch_size=32, progress=None):
        if self.stop_at and any(self.stop_at in text for text in texts):
            raise RuntimeError("the machine went away")
        made = np.full((len(texts), 16), 0.01, dtype="f4")
        for row, text in zip(made, texts):
            for word in text.split():
                row[zlib.crc32(word.encode()) % 16] += 1
        return made / np.linalg.norm(made, axis=1, keepdims=True)


class Signed(TextEmbedder):
    """The real model, which also leaves the name of the Ray node that it runs on."""

    def __init__(self, folder):
        super().__init__("all-MiniLM-L6-v2", cache=False)
        import ray

        if ray.is_initialized():
            (folder / ray.get_runtime_context().get_node_id()).touch()


def scorer(dim=16, n=1):
    return StateScorer(
        EquatorialHead(dim, Circuit(n), seed=2),
        similarity="fidelity" if n == 1 else "local_fidelity",
    )


def documents(n=40):
    return {
        f"d{i}": f"{'red green blue'.split()[i % 3]} thing number {i} weighs "
        f"{i * i % 17}"
        for i in range(n)
    }


def write_jsonl(path, docs, extra=()):
    lines = [json.dumps({"_id": key, "text": text}) for key, text in docs.items()]
    path.write_text("\n".join([*lines, *extra]) + "\n", encoding="utf-8")
    return str(path)


def read_vectors(folder):
    from pyarrow import parquet

    table = parquet.read_table(sorted(folder.glob("*.parquet")))
    return {
        key: (np.array(v, dtype="f4"), np.array(s, dtype="f4"))
        for key, v, s in zip(*(table[c].to_pylist() for c in ("id", "vector", "state")))
    }


@milvus_lite
@pytest.mark.parametrize("n", [1, 5])
def test_milvus_returns_what_faiss_flat_returns(tmp_path, n):
    collection, embedder = load_collection("course"), TextEmbedder("all-MiniLM-L6-v2")
    states = scorer(384, n)
    queries = embedder.encode(list(collection.queries.values())[:60])
    faiss_index = HybridIndex(embedder, states, alpha=0.6).index(collection)
    milvus = MilvusIndex(embedder, states, uri=str(tmp_path / "q.db"), alpha=0.6).index(
        collection
    )
    assert len(milvus) == 440
    for a, b in zip(
        faiss_index.search_vectors(queries, 10),
        milvus.search_vectors(queries, 10),
        strict=True,
    ):
        # score, cosine, quantum
        assert np.allclose([d[3:] for d in a], [d[3:] for d in b], atol=1e-5)
        if np.diff([d.score for d in a]).max() < -2e-6:  # no ties
            assert [d.doc_id for d in a] == [d.doc_id for d in b]
    faiss_index.alpha = milvus.alpha = 0.05  # no rebuild
    query = next(iter(collection.queries.values()))
    assert [d.doc_id for d in milvus.search(query)] == [
        d.doc_id for d in faiss_index.search(query)
    ]
    assert list(milvus.run({"q": query}, k=3)["q"]) == [
        d.doc_id for d in milvus.search(query, 3)
    ]


@milvus_lite
def test_milvus_filters_replaces_deletes_and_remembers(tmp_path):
    uri, docs, embedder = str(tmp_path / "q.db"), documents(), Letters()
    vectors = embedder.encode(list(docs.values()))
    index = MilvusIndex(embedder, scorer(), uri=uri)
    index.add(list(docs), vectors, [{"year": 1990 + i} for i in range(40)])
    found = index.search("red thing", k=40, where="year >= 2020 and year < 2025")
    assert sorted(d.doc_id for d in found) == ["d30", "d31", "d32", "d33", "d34"]
    index.add(["d7"], embedder.encode(["a wholly different matter"]))  # upsert
    assert (
        len(index) == 40
        and index.search("a wholly different matter", 1)[0].doc_id == "d7"
    )
    index.delete(["d7", "never there"])
    assert len(index) == 39 and all(
        d.doc_id != "d7" for d in index.search("a wholly different matter", 40)
    )
    before = index.search("blue thing")
    index.client.close()
    again = MilvusIndex(embedder, scorer(), uri=uri)
    assert [d.doc_id for d in again.search("blue thing")] == [d.doc_id for d in before]
    with pytest.raises(EngineError, match="could not search"):
        again.search("red", where="year <")
    again.client.close()
    with pytest.raises(
        ValueError, match="width is 24 there, 32 here|n_qubits is 1 there, 3 here"
    ):
        MilvusIndex(embedder, scorer(16, 3), uri=uri)
    with pytest.raises(ValueError, match="fixed_alpha is None there, 0.5 here"):
        MilvusIndex(embedder, scorer(), uri=uri, fixed=True)
    with pytest.raises(ValueError, match="dim is 16 there, 384 here"):
        MilvusIndex(TextEmbedder("all-MiniLM-L6-v2"), scorer(384), uri=uri)


@milvus_lite
def test_milvus_bad_input_and_a_write_that_breaks_off(tmp_path, monkeypatch):
    from qrr_lib.engine import milvus as scale

    docs, embedder = documents(30), Letters()
    vectors, ids = embedder.encode(list(docs.values())), list(docs)
    index = MilvusIndex(embedder, scorer(), uri=str(tmp_path / "q.db"))
    wrongs = {
        "duplicate ids, nothing was written: a": ["a"] * 30,
        "non-empty strings": ["", *ids[1:]],
        "29 ids, 30 vectors": ids[1:],
    }
    for message, wrong in wrongs.items():
        with pytest.raises(ValueError, match=message):
            index.add(wrong, vectors)
    assert len(index) == 0
    monkeypatch.setattr(scale, "WRITE_BATCH", 10)
    real, calls = index.client.upsert, []

    def breaks_off(name, rows):
        calls.append(len(rows))
        if len(calls) == 3:
            raise ConnectionResetError("connection reset")
        return real(name, rows)

    monkeypatch.setattr(index.client, "upsert", breaks_off)
    with pytest.raises(
        EngineError,
        match=r"q.db could not write \(done: 20 of 30 documents; run it "
        r"again.*connection reset",
    ):
        index.add(ids, vectors)
    assert len(index) == 20
    index.add(ids, vectors)  # the rerun
    assert len(index) == 30


@milvus_lite
def test_unreachable_milvus_says_where_and_how_to_start_one(tmp_path, capsys):
    with pytest.raises(
        EngineError,
        match="Milvus at http://localhost:1 could not be reached.*Docker Compose",
    ):
        MilvusIndex(Letters(), scorer(), uri="http://localhost:1")
    with pytest.raises(EngineError, match="absent.*could not be reached"):
        MilvusIndex(Letters(), scorer(), uri=str(tmp_path / "absent" / "q.db"))


def test_a_missing_engine_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(
        EngineError, match=r'pymilvus is not installed .*pip install -e "\.\[scale\]"'
    ):
        MilvusIndex(Letters(), scorer())


def test_malformed_lines_and_duplicates_are_named(tmp_path):
    bad = [
        '{"_id": "x", "text": ',
        '{"text": "no id"}',
        '["a list"]',
        '{"_id": "d1", "text": "again"}',
        '{"_id": "y", "text": " "}',
        "",
        '{"_id": "z", "text": "good"}',
    ]
    name = write_jsonl(tmp_path / "docs.jsonl", documents(3), bad)
    with pytest.raises(
        ValueError, match=r"docs.jsonl, line 4: .*Mend it, or ask to skip"
    ):
        plan_blocks([name], {})
    blocks, skipped = plan_blocks([str(tmp_path / "*.jsonl")], {}, rows=4, bad="skip")
    assert [line.split(": ")[0].rsplit(" ", 1)[1] for line in skipped] == [
        "4",
        "5",
        "6",
        "7",
        "8",
    ]
    assert (
        "'d1' occurs twice, first in docs.jsonl, line 2" in skipped[3]
        and "'y' has no text" in skipped[4]
    )
    done = embed_files(
        [name], tmp_path / "out", Letters, scorer(), engine="local", rows=4, bad="skip"
    )
    assert (
        done["documents"] == 4
        and sorted(read_vectors(tmp_path / "out")) == ["d0", "d1", "d2", "z"]
        and done["skipped"] == skipped
    )
    with pytest.raises(FileNotFoundError):
        plan_blocks([str(tmp_path / "absent.jsonl")], {})
    with pytest.raises(ValueError, match="unknown choice 'maybe'"):
        plan_blocks([name], {}, bad="maybe")
    with pytest.raises(ValueError, match="rows must be a whole number"):
        plan_blocks([name], {}, rows=0)


@ray_data
def test_blocks_jsonl_parquet_and_reruns(tmp_path):
    """One process: any block size and both formats give the same vectors; a rerun does
    nothing; a lost block is done again, alone.
    """
    import pyarrow
    from pyarrow import parquet

    docs, out = documents(), tmp_path / "out"
    name = write_jsonl(tmp_path / "docs.jsonl", docs)
    job = functools.partial(
        embed_files, [name], out, Letters, scorer(), "local", rows=7
    )
    first = job()
    assert (first["blocks"], first["done_before"], first["documents"]) == (6, 0, 40)
    made, vectors = read_vectors(out), Letters().encode(list(docs.values()))
    assert list(made) == list(docs)
    assert np.array_equal([v for v, _ in made.values()], vectors)
    assert (
        np.abs(
            np.array([s for _, s in made.values()])
            - HybridIndex(Letters(), scorer()).features.states(vectors)
        ).max()
        < 1e-6
    )
    assert job()["documents"] == 0
    sorted(out.glob("*.parquet"))[2].unlink()
    # what a killed worker leaves
    (out / ".docs-000000015-aaaa.parquet.partial-x.parquet").write_bytes(
        b"half a block"
    )
    assert job()["documents"] == 7
    parquet.write_table(
        pyarrow.table({"_id": list(docs), "text": list(docs.values())}),
        tmp_path / "docs.parquet",
        row_group_size=9,
    )
    embed_files(
        [str(tmp_path / "docs.parquet")],
        tmp_path / "out2",
        Letters,
        scorer(),
        engine="local",
    )
    again = read_vectors(tmp_path / "out2")
    assert list(again) == list(docs) and np.array_equal(
        [v for v, _ in again.values()], vectors
    )
    with pytest.raises(
        ValueError, match="blocks of another input, model, head or block size"
    ):
        embed_files(
            [name],
            out,
            Letters,
            StateScorer(QubitAnglePredictor(16, 8, seed=5), similarity="fidelity"),
            "local",
            rows=7,
        )
    with pytest.raises(ValueError, match="unknown engine 'spark'"):
        embed_files([name], tmp_path / "out3", Letters, scorer(), "spark")


def test_one_worker_a_gpu_or_one_a_core():
    assert placement({"CPU": 16.0, "GPU": 4.0}) == (4, 1, 256)
    assert (
        placement({"CPU": 8.0}) == (8, 0, 32)
        and placement({"CPU": 8.0}, workers=3) == (3, 0, 32)
        and placement({}) == (1, 0, 32)
    )


@pytest.fixture(scope="module")
def two_nodes():
    """A Ray cluster of two nodes on this machine, one core each."""
    import os

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 80_000_000}
    for attempt in range(3):
        try:
            cluster = Cluster(
                initialize_head=True,
                head_node_args={**small, "include_dashboard": False},
            )
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


@ray_data
def test_two_ray_nodes_give_what_one_process_gives(two_nodes, tmp_path):
    """The real MiniLM on 60 passages of the course: the same ids and, to 1e-5, the same
    vectors and states; both nodes did some of it.
    """
    course = load_collection("course")
    docs = {key: doc.full for key, doc in list(course.docs.items())[:60]}
    name, nodes = write_jsonl(tmp_path / "docs.jsonl", docs), tmp_path / "nodes"
    nodes.mkdir()
    done = embed_files(
        [name],
        tmp_path / "out",
        functools.partial(Signed, nodes),
        scorer(384),
        engine="ray",
        rows=10,
    )
    assert done["documents"] == 60 and done["blocks"] == 6
    alive = {node["NodeID"] for node in two_nodes.nodes()}
    assert {path.name for path in nodes.iterdir()} == alive and len(alive) == 2
    made = read_vectors(tmp_path / "out")
    alone = TextEmbedder("all-MiniLM-L6-v2", cache=False).encode(
        list(docs.values()), progress=False
    )
    assert list(made) == list(docs)
    assert np.abs(np.array([v for v, _ in made.values()]) - alone).max() < 1e-5
    assert (
        np.abs(
            np.array([s for _, s in made.values()])
            - HybridIndex(None, scorer(384)).features.states(alone)
        ).max()
        < 1e-4
    )


@ray_data
def test_an_interrupted_ray_job_goes_on_where_it_stopped(two_nodes, tmp_path):
    docs = documents(48) | {"d30": "the poisoned document"}
    name, out = write_jsonl(tmp_path / "docs.jsonl", docs), tmp_path / "out"
    with pytest.raises(
        EngineError, match="the machine went away.*Finished blocks are kept"
    ):
        embed_files(
            [name], out, functools.partial(Letters, "poisoned"), scorer(), rows=4
        )
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("[!.]*.parquet")}
    assert 0 < len(kept) < 12
    done = embed_files([name], out, Letters, scorer(), rows=4)
    assert done["done_before"] == len(kept) and done["documents"] == 48 - 4 * len(kept)
    # not touched again
    assert all((out / key).stat().st_mtime_ns == time for key, time in kept.items())
    assert list(read_vectors(out)) == list(docs)


@milvus_lite
@ray_data
def test_commands(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("QRR_MODEL", "all-MiniLM-L6-v2")
    uri = str(tmp_path / "q.db")
    assert (
        commands.index(
            types.SimpleNamespace(
                collection="course", head=None, uri=uri, query="What is a Bloch sphere?"
            )
        )
        == 0
    )
    out = capsys.readouterr().out.splitlines()
    assert (
        out[0].startswith("440 documents written")
        and out[0].endswith("holds 440")
        and len(out) == 6
    )
    name = write_jsonl(tmp_path / "docs.jsonl", documents(6), ["{broken"])
    args = types.SimpleNamespace(
        input=[name],
        output=str(tmp_path / "out"),
        head=None,
        engine="local",
        rows=4,
        bad="skip",
        workers=None,
        address=None,
    )
    assert commands.embed(args) == 0 and commands.embed(args) == 0
    said = capsys.readouterr()
    assert (
        "6 documents embedded in 2 blocks" in said.out
        and "2 blocks were there already" in said.out
        and "line 7" in said.err
    )
