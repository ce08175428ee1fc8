"""SciFact's vectors, ids and judgements: whole, without text, and enough to search,
train and judge.
"""

import json
import shutil

import numpy as np
import pytest

import qrr_lib
from qrr_lib import Circuit, evaluate
from qrr_lib.encode import EquatorialHead
from qrr_lib.files import data_dir
from qrr_lib.learn import carve_dev, query_groups, regimes, train_head
from qrr_lib.rank import judged_candidates, load_vectors
from tools import scifact_vectors

FOLDER = data_dir() / "scifact"


@pytest.fixture(scope="module")
def scifact():
    return load_vectors("scifact")


def test_what_is_there(scifact):
    collection, vectors = scifact
    assert vectors.docs.shape == (len(collection.docs), 384) == (5183, 384)
    assert list(vectors.queries) == list(collection.queries)
    assert {s: len(q) for s, q in collection.qrels.items()} == {
        "train": 809,
        "test": 300,
    }
    assert vectors.docs.dtype == np.float32
    norms = np.linalg.norm(vectors.of(collection.queries), axis=1)
    assert norms == pytest.approx(1, abs=1e-6)
    parts = regimes(collection.qrels["train"], collection.qrels["test"])
    assert {name: len(part) for name, part in parts.items()} == {
        "known": 196,
        "new": 104,
    }
    groups = list(query_groups(collection.qrels["test"]).values())
    assert sum(groups.count(g) > 1 for g in groups) == 95


def test_cosine_is_as_good_as_published(scifact):
    """0.645 before rounding to float16."""
    collection, vectors = scifact
    judged = collection.qrels["test"]
    found = judged_candidates(vectors, collection, judged)
    value = evaluate(found.run(1.0), judged, ["nDCG@10"])["nDCG@10"]
    assert value == pytest.approx(0.6451, abs=0.001)
    assert found.ndcg(found.cosine).mean() == pytest.approx(value)


def test_a_head_of_64_qubits_learns_from_it(scifact):
    collection, vectors = scifact
    parts = carve_dev(collection.qrels["train"])
    result = train_head(
        EquatorialHead(384, Circuit(64), seed=0),
        vectors,
        collection,
        train=dict(list(parts["train"].items())[:128]),
        dev=dict(list(parts["dev_new"].items())[:20]),
        similarity="local_fidelity",
        epochs=1,
        progress=False,
    )
    assert len(result.curve) == 2 and np.isfinite(result.curve[1]["loss"])


def test_no_text_is_shipped():
    """Ids and numbers: publishers allow no more."""
    for name, least in {
        "corpus.jsonl": {"_id"},
        "queries.jsonl": {"_id", "text"},
    }.items():
        lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
        for row in map(json.loads, lines):
            assert row.keys() == least and row["_id"].isdigit() and not row.get("text")
    for path in (FOLDER / "qrels").iterdir():
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            assert all(cell.isdigit() for cell in line.split("\t"))
    names = {p.relative_to(FOLDER).as_posix() for p in FOLDER.rglob("*") if p.is_file()}
    assert names == {
        "README.md",
        "all-MiniLM-L6-v2.safetensors",
        "corpus.jsonl",
        "queries.jsonl",
        "qrels/train.tsv",
        "qrels/test.tsv",
    }
    sizes = [path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(sizes) <= 6e6


LICENCES = ("CC BY 4.0", "ODC-By 1.0", "2004.14974", "Wadden")


@pytest.mark.parametrize(
    "page", ["data/scifact/README.md", "data/README.md", "LICENSE-CONTENT"]
)
def test_whose_it_is(page):
    text = (data_dir().parent / page).read_text(encoding="utf-8")
    assert [words for words in LICENCES if words not in text] == []


# writing and reading


ROWS = {
    "corpus.jsonl": ["one two", "three", "four"],
    "queries.jsonl": ["one?", "four?"],
}


@pytest.fixture
def written(tmp_path, monkeypatch, toy_embedder):
    """A small collection with texts goes through the tool; returns what it wrote."""
    source = tmp_path / "source"
    (source / "qrels").mkdir(parents=True)
    for name, texts in ROWS.items():
        lines = [json.dumps({"_id": f"{i}é", "text": t}) for i, t in enumerate(texts)]
        (source / name).write_text("\n".join(lines), encoding="utf-8")
    (source / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\n0é\t0é\t1\n1é\t2é\t2\n1é\t0é\t0\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(qrr_lib, "TextEmbedder", lambda model: toy_embedder)
    for out in ("first", "second"):
        folder = tmp_path / out
        scifact_vectors.main([str(source), "--out", str(folder)])
    return tmp_path / "first"


def test_the_tool_writes_what_the_loader_reads(written, toy_embedder):
    collection, vectors = load_vectors(written)
    assert list(collection.docs) == ["0é", "1é", "2é"] and not any(collection.texts())
    assert collection.queries == {"0é": "", "1é": ""}
    assert collection.qrels == {"test": {"0é": {"0é": 1}, "1é": {"2é": 2, "0é": 0}}}
    fresh = toy_embedder.encode(ROWS["corpus.jsonl"])
    assert np.abs(vectors.docs - fresh).max() < 1e-3
    assert np.abs(vectors.queries["1é"] - toy_embedder.encode(["four?"])).max() < 1e-3


def test_two_runs_write_the_same_bytes(written):
    for path in (p for p in written.rglob("*") if p.is_file()):
        again = written.with_name("second") / path.relative_to(written)
        assert path.read_bytes() == again.read_bytes()


def edit(folder, name, old: bytes, new: bytes):
    path = folder / name
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))


def rows_changed(folder):
    path = folder / "all-MiniLM-L6-v2.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


DAMAGED = {
    "a judgement": lambda f: edit(f, "qrels/test.tsv", b"\t1\n", b"\t2\n"),
    "an id": lambda f: edit(f, "queries.jsonl", b'"0\\u00e9"', b'"00\\u00e9"'),
    "a number": rows_changed,
    "a file cut short": lambda f: (f / "all-MiniLM-L6-v2.safetensors").write_bytes(
        b"x"
    ),
    "a line": lambda f: (f / "corpus.jsonl").write_text("{", encoding="utf-8"),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_what_was_changed_is_refused(written, damage):
    damage(written)
    with pytest.raises(ValueError, match="`git restore first`.*tools.scifact_vectors"):
        load_vectors(written)


def test_line_ends_are_no_damage(written):
    """A checkout on Windows may turn them."""
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        edit(written, name, b"\n", b"\r\n")
    assert len(load_vectors(written)[0].docs) == 3


@pytest.mark.parametrize("name", ["corpus.jsonl", "all-MiniLM-L6-v2.safetensors"])
def test_what_is_missing_is_named(written, name):
    (written / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name}: `git restore"):
        load_vectors(written)
    shutil.rmtree(written)
    with pytest.raises(FileNotFoundError, match="corpus.jsonl"):
        load_vectors(written)


def test_vectors_of_another_model_are_not_there():
    with pytest.raises(FileNotFoundError, match="all-mpnet-base-v2.safetensors"):
        load_vectors("scifact", "all-mpnet-base-v2")
