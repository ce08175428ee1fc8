"""What users bring: files, settings, and what fails around us (see test_foreign.py)."""

import gzip
import http.server
import json
import random
import threading

import pytest
from conftest import ToyEmbedder

from qrr_lib import (
    QubitAnglePredictor,
    Reranker,
    Scorer,
    load_collection,
)
from qrr_lib.course import cli, commands
from qrr_lib.embed import finder
from qrr_lib.embed.collection import read_queries
from qrr_lib.embed.qrels import read_qrels
from qrr_lib.embed.rows import read_rows
from qrr_lib.files import cache_dir, flag, is_local, path_of, secret
from qrr_lib.serve.generators import ServedModel
from qrr_lib.serve.passages import Passage

# B. files

CORPUS = '{"_id": "a", "title": null, "text": "x"}\n{"_id": "b", "text": "é"}\n'
QUERIES = '{"_id": "1", "text": "q"}\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(CORPUS, encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text(QUERIES)
    (tmp_path / "qrels" / "test.tsv").write_text("1\ta\t1\n1\tb\t1\n")
    return tmp_path


def test_every_kind_of_table_is_the_same_collection(folder):
    plain = load_collection(folder)
    assert plain.docs["a"].full == "x" and plain.qrels["test"] == {
        "1": {"a": 1, "b": 1}
    }
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        path = folder / name
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert load_collection(folder) == plain
    (folder / "corpus.jsonl.gz").unlink()
    table = "\ufeff_id,title,text\r\na,,x\r\nb,,é\r\n"
    (folder / "corpus.csv").write_bytes(table.encode())
    assert load_collection(folder).docs == plain.docs


BAD = {
    "no text": ("queries", '{"_id": "2"}', "queries.jsonl, line 2: the field 'text'"),
    "text null": ("queries", '{"_id": "2", "text": null}', "line 2: the field 'text'"),
    "a list": ("corpus", '{"_id": "c", "text": ["x"]}', "'text' must be text, not .*x"),
    "0": ("corpus", '{"_id": "c", "text": 0}', "line 3: the field 'text' must be text"),
    "false": ("corpus", '{"_id": "c", "title": false}', "the field 'title' must be"),
    "half": ("corpus", '{"_id": "c", "text": "\\ud83d"}', "'text' holds half a char"),
    "twice": (
        "corpus",
        '{"_id": "c", "text": "x", "text": "y"}',
        "'text' stands twice",
    ),
    "deep": ("corpus", "[" * 100_000, "line 3: it is no JSON"),
    "cp1252": ("corpus", '{"_id": "é"}'.encode("cp1252"), "line 3: it is not UTF-8"),
    "UTF-16": ("queries", QUERIES.encode("utf-16"), "line 2: it is not UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows_say_file_line_and_field(folder, case):
    name, line, says = BAD[case]
    line = line.encode() if isinstance(line, str) else line
    with open(folder / f"{name}.jsonl", "ab") as sink:
        sink.write(line)
    with pytest.raises(ValueError, match=says):
        load_collection(folder)


JUDGED = {
    "TREC's format": ("qrels.txt", b"1 0 a 1\n1 0 b -2\n", {"1": {"a": 1, "b": -2}}),
    "a header": ("q.tsv", b"query-id\tcorpus-id\tscore\n1\ta\t1\n", {"1": {"a": 1}}),
    "a BOM": ("q.tsv", b"\xef\xbb\xbf1\ta\t1.0\n", {"1": {"a": 1}}),
    "commas": ("q.csv", b"query,doc,score\n1,a,1\n", {"1": {"a": 1}}),
    "packed": ("q.tsv.gz", gzip.compress(b"1\ta\t1\n"), {"1": {"a": 1}}),
    "brackets": ("q[1].tsv", b"1\ta\t1\n", {"1": {"a": 1}}),
    "an unreadable first line": ("q.tsv", b"1\ta\tone\n1\tb\t1\n", "line 1: expected"),
    "half a grade": ("q.tsv", b"1\ta\t1.5\n", "line 1: expected"),
    "other digits": ("q.tsv", "1\ta\t٢\n".encode(), "line 1: expected"),
    "an underscore": ("q.tsv", b"1\ta\t1_0\n", "line 1: expected"),
    "two grades": ("q.tsv", b"1\ta\t1\n1\ta\t2\n", "line 2: .*judged otherwise"),
    "no id": ("q.tsv", b"\ta\t1\n", "line 1: the id"),
    "a number a line": ("q.jsonl", b"1\n", "line 1: expected"),
    "nothing": ("q.tsv", b"\n", "holds no judgements"),
    "no gzip": ("q.tsv.gz", b"1\ta\t1\n", "q.tsv.gz: Not a gzipped file"),
}


@pytest.mark.parametrize("case", JUDGED)
def test_judgements_lose_no_line(tmp_path, case):
    name, data, wanted = JUDGED[case]
    (tmp_path / "q1.tsv").write_text("9\tz\t9\n")  # not this one
    (tmp_path / name).write_bytes(data)
    if isinstance(wanted, str):
        with pytest.raises(ValueError, match=wanted):
            read_qrels(tmp_path / name)
    else:
        assert read_qrels(tmp_path / name) == wanted


def test_no_documents_and_a_folder_for_a_file(folder):
    (folder / "corpus.jsonl").write_text("\n")
    with pytest.raises(ValueError, match="holds no documents"):
        load_collection(folder)
    with pytest.raises(ValueError, match="its name must end in .jsonl"):
        read_queries(folder)


def test_an_empty_document_among_many_is_named_or_left_out(capsys):
    docs = {f"d{i}": "" if i == 300 else f"text {i}" for i in range(400)}
    reranker = Reranker(ToyEmbedder(), Scorer(QubitAnglePredictor(26)))
    with pytest.raises(ValueError, match="document 'd300' is empty"):
        reranker.index(docs)
    assert len(reranker.index(docs, skip_empty=True).doc_ids) == 399
    assert "left out 1 documents without text: 'd300'" in capsys.readouterr().err


# E. settings


@pytest.mark.parametrize("said", ["1", "true", "TRUE", "yes", "on", " 1 "])
def test_offline_is_offline(monkeypatch, empty_cache, said):
    monkeypatch.setenv("QRR_OFFLINE", said)
    monkeypatch.setattr(finder, "_download", lambda _: pytest.fail("it went online"))
    with pytest.raises(FileNotFoundError, match="QRR_OFFLINE is set"):
        finder.model_folder("all-MiniLM-L6-v2")


def test_flags_secrets_and_paths(monkeypatch, tmp_path):
    for off in ("0", "false", "No", "off", ""):
        monkeypatch.setenv("QRR_OFFLINE", off)
        assert flag("QRR_OFFLINE") is False
    monkeypatch.setenv("QRR_OFFLINE", "maybe")
    with pytest.raises(ValueError, match="QRR_OFFLINE is 'maybe'"):
        finder.model_folder()
    for empty in ("", " "):
        monkeypatch.setenv("QRR_TOKEN", empty)
        with pytest.raises(ValueError, match="QRR_TOKEN is set but empty"):
            secret("QRR_TOKEN")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("QRR_CACHE_DIR", "~/x")
    assert cache_dir() == tmp_path / "x" == path_of("~/x")


def test_a_user_without_a_home(monkeypatch):
    def nobody(path):
        raise RuntimeError("Could not determine home directory.")

    for name in ("QRR_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("qrr_lib.files.Path.expanduser", nobody)
    with pytest.raises(FileNotFoundError, match="set QRR_CACHE_DIR"):
        cache_dir()


# G. failures outside


class Model(http.server.BaseHTTPRequestHandler):
    status, body = 200, b""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody is
    with http.server.HTTPServer(("127.0.0.1", 0), Model) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield ServedModel(f"http://127.0.0.1:{made.server_port}/v1", timeout=20)
        made.shutdown()


def said(content):
    return json.dumps({"choices": [{"message": {"content": content}}]}).encode()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, said(None)),
        (200, said([{"text": "a"}])),
        (200, b"null"),
        (200, b""),
        (200, b"<html>"),
        (200, b'{"error": {"message": "no model"}}'),
        (200, b'{"choices": []}'),
        (404, b'{"error": "nope"}'),
        (500, b"oops"),
    ],
)
def test_a_language_model_that_says_something_else(server, monkeypatch, status, body):
    monkeypatch.setattr(Model, "status", status)
    monkeypatch.setattr(Model, "body", body)
    with pytest.raises(ConnectionError, match="did not answer .*QRR_LLM_URL"):
        server("q", [Passage(1, "a", "x")])


def test_no_proxy_stands_before_this_machine(server, monkeypatch):
    monkeypatch.setattr(Model, "body", said(" yes "))
    assert server("q", [Passage(1, "a", "x")]) == "yes"
    assert is_local("http://[::1]:1") and not is_local("http://example.org")


@pytest.mark.parametrize("port", ["0", "-1", "65536", "x"])
def test_a_port_out_of_range(capsys, port):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["serve", "--port", port])
    assert stopped.value.code == 2 and "--port" in capsys.readouterr().err


def test_an_address_where_nobody_can_listen(capsys, monkeypatch):
    monkeypatch.setattr(
        commands, "package", lambda *_: pytest.fail("a model was loaded")
    )
    assert cli.main(["serve", "--host", "999.1.1.1"]) == 2
    assert "take another --host or --port" in capsys.readouterr().err


def test_half_a_character_on_the_command_line(capsys, monkeypatch):
    monkeypatch.setenv("QRR_MODEL", "all-MiniLM-L6-v2")
    assert cli.main(["search", "\udcff"]) == 2
    assert "half a character" in capsys.readouterr().err


def test_a_damaged_parquet_file_is_named(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet, rng = pytest.importorskip("pyarrow.parquet"), random.Random(0)
    rows = {
        "id": [f"d{i}" for i in range(50)],
        "text": [f"text {i}" for i in range(50)],
    }
    path, refused = tmp_path / "corpus.parquet", 0
    parquet.write_table(arrow.table(rows), path)
    whole = path.read_bytes()
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            list(read_rows(path))  # Parquet's own layout has no checksum of all
        except ValueError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 100
