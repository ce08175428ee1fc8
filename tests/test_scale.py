"""Milvus Lite against FAISS flat, and blocks embedded by Ray on two nodes against one
process. Skipped where the extra [scale] is missing.
"""

import functools
import importlib.util
import json
import os
import sys
import types
import zlib

import numpy as np
import pytest
import torch

from qrr_lib import Circuit, QubitMap, Scorer, TextEmbedder, load_collection
from qrr_lib.course import cli
from qrr_lib.encode import EquatorialHead
from qrr_lib.engine import milvus
from qrr_lib.engine.blocks import plan_blocks
from qrr_lib.engine.bulk import embed_files, placement
from qrr_lib.engine.extra import EngineError
from qrr_lib.engine.milvus import MilvusIndex
from qrr_lib.rank.hybrid_index import HybridIndex
from qrr_lib.serve import OnnxAngles, export_onnx


def needs(*names):
    absent = not all(map(importlib.util.find_spec, names))
    hint = 'the extra [scale] is not installed: pip install -e ".[scale]"'
    return pytest.mark.skipif(absent, reason=hint)


milvus_lite, arrow = needs("pymilvus", "milvus_lite"), needs("pyarrow")


def ray_data(test):
    """Ray's own processes take two gigabytes and up to a minute to start: these tests
    belong to `make test-all`.
    """
    return pytest.mark.slow(needs("ray", "pyarrow")(test))


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
    similarity = "fidelity" if n == 1 else "local_fidelity"
    return Scorer(EquatorialHead(dim, Circuit(n), seed=2), similarity)


def documents(n=40):
    colours = "red green blue".split()
    return {
        f"d{i}": f"{colours[i % 3]} thing number {i} weighs {i * i % 17}"
        for i in range(n)
    }


def write_jsonl(path, docs, extra=()):
    lines = [json.dumps({"_id": key, "text": text}) for key, text in docs.items()]
    path.write_text("\n".join([*lines, *extra]) + "\n", encoding="utf-8")
    return str(path)


def read_blocks(folder):
    """(ids, vectors (N, D), states (N, width)) of all blocks, in the order of names."""
    from pyarrow import parquet

    table = parquet.read_table(sorted(folder.glob("*.parquet")))
    ids, *numbers = (table[c].to_pylist() for c in ("id", "vector", "state"))
    return ids, *(np.array(rows, dtype="f4") for rows in numbers)


def open_index(folder, embedder=None, states=None, **options):
    uri = str(folder / "q.db")
    return MilvusIndex(embedder or Letters(), states or scorer(), uri, **options)


def ids_of(found):
    return [doc.doc_id for doc in found]


# Milvus


@milvus_lite
@pytest.mark.parametrize("n", [1, 5])
def test_milvus_returns_what_faiss_flat_returns(tmp_path, n):
    collection, embedder = load_collection("course"), TextEmbedder("all-MiniLM-L6-v2")
    states, texts = scorer(384, n), list(collection.queries.values())[:60]
    queries = embedder.encode(texts)
    flat = HybridIndex(embedder, states, alpha=0.6).index(collection)
    index = open_index(tmp_path, embedder, states, alpha=0.6).index(collection)
    assert len(index) == 440
    both = [each.search_vectors(queries, 10) for each in (flat, index)]
    for a, b in zip(*both, strict=True):
        # score, cosine, quantum
        assert np.allclose([d[3:6] for d in a], [d[3:6] for d in b], atol=1e-5)
        if np.diff([d.score for d in a]).max() < -2e-6:  # no ties
            assert ids_of(a) == ids_of(b)
    flat.alpha = index.alpha = 0.05  # no rebuild
    found = ids_of(index.search(texts[0]))
    assert found == ids_of(flat.search(texts[0]))
    assert list(index.run({"q": texts[0]}, k=3)["q"]) == found[:3]


@milvus_lite
def test_milvus_filters_replaces_deletes_and_remembers(tmp_path):
    docs, other = documents(), "a wholly different matter"
    index = open_index(tmp_path)
    years = [{"year": 1990 + i} for i in range(40)]
    index.add(list(docs), Letters().encode(list(docs.values())), years)
    found = index.search("red thing", k=40, where="year >= 2020 and year < 2025")
    assert sorted(ids_of(found)) == ["d30", "d31", "d32", "d33", "d34"]
    assert index.search("red thing", where="year > 3000") == []
    index.add(["d7"], Letters().encode([other]))  # upsert
    assert len(index) == 40 and ids_of(index.search(other, 1)) == ["d7"]
    index.delete(["d7", "never there"])
    assert len(index) == 39 and "d7" not in ids_of(index.search(other, 40))
    before = ids_of(index.search("blue thing"))
    index.client.close()
    assert ids_of(open_index(tmp_path).search("blue thing")) == before


@milvus_lite
def test_a_write_that_breaks_off_can_be_repeated(tmp_path, monkeypatch):
    ids, vectors = list(documents(30)), Letters().encode(list(documents(30).values()))
    index = open_index(tmp_path)
    with pytest.raises(ValueError):
        index.add(["a"] * 30, vectors)
    assert len(index) == 0
    monkeypatch.setattr(milvus, "WRITE_BATCH", 10)
    real, calls = index.client.upsert, []

    def breaks_off(name, rows):
        calls.append(len(rows))
        if len(calls) == 3:
            raise ConnectionResetError("connection reset")
        return real(name, rows)

    monkeypatch.setattr(index.client, "upsert", breaks_off)
    said = r"q.db could not write \(done: 20 of 30 .*run it again.*connection reset"
    with pytest.raises(EngineError, match=said):
        index.add(ids, vectors)
    assert len(index) == 20
    index.add(ids, vectors)  # the rerun
    assert len(index) == 30


def test_a_missing_engine_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    said = r'pymilvus is not installed .*pip install -e "\.\[scale\]"'
    with pytest.raises(EngineError, match=said):
        MilvusIndex(Letters(), scorer())


# blocks

BROKEN = [
    '{"_id": "x", "text": ',
    '{"text": "no id"}',
    '["a list"]',
    '{"_id": "d1", "text": "again"}',
    '{"_id": "y", "text": " "}',
    "",
    '{"_id": "z", "text": "good"}',
]


@arrow
def test_malformed_lines_and_duplicates_are_named(tmp_path):
    name, out = write_jsonl(tmp_path / "docs.jsonl", documents(3), BROKEN), tmp_path
    _, skipped = plan_blocks([str(tmp_path / "*.jsonl")], {}, rows=4, bad="skip")
    lines = [line.split(": ")[0].rsplit(" ", 1)[1] for line in skipped]
    assert lines == ["4", "5", "6", "7", "8"]
    assert "'d1' occurs twice, first in docs.jsonl, line 2" in skipped[3]
    assert "'y' has no text" in skipped[4]
    done = embed_files([name], out, Letters, scorer(), "local", rows=4, bad="skip")
    assert done["documents"] == 4 and done["skipped"] == skipped
    assert read_blocks(out)[0] == ["d0", "d1", "d2", "z"]


@arrow
def test_blocks_jsonl_parquet_and_reruns(tmp_path):
    """One process: any block size and both formats give the same vectors; a rerun does
    nothing; a lost block is done again, alone.
    """
    import pyarrow
    from pyarrow import parquet

    docs, out = documents(), tmp_path / "out"
    name = write_jsonl(tmp_path / "docs.jsonl", docs)
    job = functools.partial(embed_files, make_embedder=Letters, engine="local")
    by_lines = functools.partial(job, [name], out, scorer=scorer(), rows=7)
    first = by_lines()
    assert (first["blocks"], first["done_before"], first["documents"]) == (6, 0, 40)
    ids, vectors, states = read_blocks(out)
    assert ids == list(docs)
    assert np.array_equal(vectors, Letters().encode(list(docs.values())))
    wanted = HybridIndex(Letters(), scorer()).features.states(vectors)
    assert np.abs(states - wanted).max() < 1e-6
    assert by_lines()["documents"] == 0
    sorted(out.glob("*.parquet"))[2].unlink()
    # what a killed worker leaves
    (out / ".docs-000000015-aaaa.parquet.partial-x.parquet").write_bytes(b"half a bl")
    assert by_lines()["documents"] == 7
    table = pyarrow.table({"_id": list(docs), "text": list(docs.values())})
    parquet.write_table(table, tmp_path / "docs.parquet", row_group_size=9)
    rows = [str(tmp_path / "docs.parquet")]
    assert job(rows, tmp_path / "out2", scorer=scorer())["blocks"] == 5
    again = read_blocks(tmp_path / "out2")
    assert again[0] == list(docs) and np.array_equal(again[1], vectors)


def onnx_head(folder, seed):
    head = EquatorialHead(16, Circuit(), seed=seed)
    return OnnxAngles(export_onnx(head, folder / f"{seed}.onnx"))


def map_at(scale):
    vectors = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    return QubitMap(2, scale=scale).fit(vectors)


OTHER_HEADS = {  # two angle sources that give other states
    "onnx files": lambda f: [Scorer(onnx_head(f, s), "fidelity") for s in (1, 2)],
    "scale of a map": lambda f: [Scorer(map_at(s), "fidelity") for s in (0.4, 0.8)],
    "weights": lambda f: [
        Scorer(EquatorialHead(16, Circuit(), seed=s), "fidelity") for s in (1, 2)
    ],
    "circuit": lambda f: [
        Scorer(map_at(0.8), "local_fidelity", circuit=Circuit(2, 1, each, True))
        for each in ("cz_ring", "cnot_chain")
    ],
}


@arrow
@pytest.mark.parametrize("what", OTHER_HEADS)
def test_another_heads_blocks_are_not_taken_for_done(what, tmp_path):
    name = write_jsonl(tmp_path / "docs.jsonl", documents(6))
    job = functools.partial(embed_files, [name], tmp_path / "out", Letters)
    first, second = OTHER_HEADS[what](tmp_path)
    assert job(first, "local")["documents"] == 6
    with pytest.raises(ValueError, match="another input, model, head or block size"):
        job(second, "local")
    assert job(first, "local")["done_before"] == 1


def test_one_worker_a_gpu_or_one_a_core():
    assert placement({"CPU": 16.0, "GPU": 4.0}) == (4, 1, 256)
    assert placement({"CPU": 8.0}) == (8, 0, 32)
    assert placement({"CPU": 8.0}, workers=3) == (3, 0, 32)
    assert placement({}) == (1, 0, 32)


# bad input


def add(folder, ids):
    open_index(folder).add(ids, Letters().encode(["a"] * 3))


def reopened(folder, embedder=None, states=None, **options):
    open_index(folder).client.close()
    return open_index(folder, embedder, states, **options)


def plan(folder, name, **options):
    write_jsonl(folder / "docs.jsonl", documents(3), BROKEN)
    return plan_blocks([str(folder / name)], {}, **options)


WIDE = types.SimpleNamespace(dim=384)
WEB = "http://localhost:1"
SERVER = f"Milvus at {WEB} could not be reached.*Docker Compose"
ALPHA, STATES = "fixed_alpha is None there, 0.5 here", "n_qubits is 1 there, 3 here"
FILTER = "could not search"
REFUSED = [
    ("line", lambda f: plan(f, "docs.jsonl"), ValueError, "docs.jsonl, line 4: .*Mend"),
    ("file", lambda f: plan(f, "absent.jsonl"), FileNotFoundError, "absent"),
    ("bad", lambda f: plan(f, "*", bad="maybe"), ValueError, "unknown choice 'maybe'"),
    ("rows", lambda f: plan(f, "*", rows=0), ValueError, "rows must be a whole number"),
    ("engine", lambda f: embed_files([], f, 0, 0, "spark"), ValueError, "'spark'"),
]
REFUSED_BY_MILVUS = [
    ("twice", lambda f: add(f, ["a"] * 3), ValueError, "duplicate ids, .*written: a"),
    ("blank id", lambda f: add(f, ["", "a", "b"]), ValueError, "non-empty strings"),
    ("lengths", lambda f: add(f, ["a", "b"]), ValueError, "2 ids, 3 vectors"),
    ("states", lambda f: reopened(f, None, scorer(16, 3)), ValueError, STATES),
    ("alpha", lambda f: reopened(f, fixed=True), ValueError, ALPHA),
    ("model", lambda f: reopened(f, WIDE, scorer(384)), ValueError, "dim is 16 there"),
    ("filter", lambda f: open_index(f).search("a", where="y <"), EngineError, FILTER),
    ("folder", lambda f: open_index(f / "no"), EngineError, "no.*could not be reached"),
    ("server", lambda f: MilvusIndex(Letters(), scorer(), WEB), EngineError, SERVER),
]
CASES = [pytest.param(*row, id=name) for name, *row in REFUSED]
for name, *row in REFUSED_BY_MILVUS:
    CASES.append(pytest.param(*row, id=name, marks=milvus_lite))


@pytest.mark.parametrize("call, error, words", CASES)
def test_bad_input_is_named(call, error, words, tmp_path):
    with pytest.raises(error, match=words):
        call(tmp_path)


# Ray


@pytest.fixture(scope="module")
def two_nodes():
    """A Ray cluster of two nodes on this machine, one core each."""
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


@ray_data
def test_two_ray_nodes_give_what_one_process_gives(two_nodes, tmp_path):
    """The real MiniLM on 60 passages of the course: the same ids and, to 1e-5, the same
    vectors and states; both nodes did some of it.
    """
    course = load_collection("course")
    docs = {key: doc.full for key, doc in list(course.docs.items())[:60]}
    name, nodes = write_jsonl(tmp_path / "docs.jsonl", docs), tmp_path / "nodes"
    nodes.mkdir()
    signed = functools.partial(Signed, nodes)
    done = embed_files([name], tmp_path / "out", signed, scorer(384), rows=10)
    assert done["documents"] == 60 and done["blocks"] == 6
    alive = {node["NodeID"] for node in two_nodes.nodes()}
    assert {path.name for path in nodes.iterdir()} == alive and len(alive) == 2
    ids, vectors, states = read_blocks(tmp_path / "out")
    embedder = TextEmbedder("all-MiniLM-L6-v2", cache=False)
    alone = embedder.encode(list(docs.values()), progress=False)
    wanted = HybridIndex(None, scorer(384)).features.states(alone)
    assert ids == list(docs)
    assert np.abs(vectors - alone).max() < 1e-5
    assert np.abs(states - wanted).max() < 1e-4


@ray_data
def test_an_interrupted_ray_job_goes_on_where_it_stopped(two_nodes, tmp_path):
    docs = documents(48) | {"d30": "the poisoned document"}
    name, out = write_jsonl(tmp_path / "docs.jsonl", docs), tmp_path / "out"
    poisoned = functools.partial(Letters, "poisoned")
    said = "the machine went away.*Finished blocks are kept"
    with pytest.raises(EngineError, match=said):
        embed_files([name], out, poisoned, scorer(), rows=4)
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("[!.]*.parquet")}
    assert 0 < len(kept) < 12
    done = embed_files([name], out, Letters, scorer(), rows=4)
    assert done["done_before"] == len(kept) and done["documents"] == 48 - 4 * len(kept)
    # not touched again
    assert all((out / key).stat().st_mtime_ns == time for key, time in kept.items())
    assert read_blocks(out)[0] == list(docs)


# the command line


@arrow
@pytest.mark.slow
def test_commands(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("QRR_MODEL", "all-MiniLM-L6-v2")
    out = str(tmp_path / "out")
    name = write_jsonl(tmp_path / "docs.jsonl", documents(6), ["{broken"])
    embed = f"embed --engine local --rows 4 --bad skip --input {name} --output {out}"
    assert cli.main(embed.split()) == 0 and cli.main(embed.split()) == 0
    said = capsys.readouterr()
    assert "6 documents embedded in 2 blocks" in said.out
    assert "2 blocks were there already" in said.out and "line 7" in said.err
