"""The commands of an index of one's own, and the service in front of it, as a user
types them.
"""

import csv
import json
from pathlib import Path

import httpx
import pytest
from test_readers import write_parquet, write_pdf

import qrr_lib
from qrr_lib import TextEmbedder
from qrr_lib.course import cli

pytest.importorskip("qdrant_edge")

from qrr_lib.engine import Index

RANKINGS = ["cosine", "words", "cosine + words", "mix"]
TEXTS = {
    "bread.md": "# Bread\n\nKnead the dough, wait an hour, and bake it.",
    "deep/qubit.txt": "A qubit is turned by two angles.",
    "deep/page.html": "<title>Jazz</title><p>A trumpet plays the blues.",
}
ROWS = [
    {"id": "r1", "title": "Old", "text": "Letters about the sea.", "year": 1900},
    {"id": "r2", "title": "New", "text": "Messages about the sea.", "year": 2020},
]
LONG = " ".join(
    f"Sentence {i} tells of the number {i} and of a storm." for i in range(60)
)


@pytest.fixture(scope="module")
def embedder():
    return TextEmbedder("all-MiniLM-L6-v2", cache=False)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, embedder):
    """Function: words of a command → (exit code, stdout, stderr), in a folder of its
    own with the documents in "docs".
    """
    for place in ("qrr_lib.TextEmbedder", "qrr_lib.engine.about.TextEmbedder"):
        monkeypatch.setattr(place, lambda *_, **__: embedder, raising=False)
    monkeypatch.chdir(tmp_path)
    for name, text in TEXTS.items():
        write(Path("docs") / name, text)
    write(Path("docs/rows.jsonl"), "\n".join(map(json.dumps, ROWS)))

    def command(words: str, *more: str):
        code = cli.main([*words.split(), *more])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def held(embedder, place="my.index") -> dict[str, str]:
    with Index.open(place, embedder) as index:
        return index.column("hash")


def test_three_commands(run, embedder):
    code, out, err = run("index docs --to my.index")
    assert code == 0 and "5 documents, 5 passages: 5 new or changed" in out
    assert "4 files to read" in err and "5/" in err
    keys = {f"{name}#1" for name in [*TEXTS, "r1", "r2"]}
    assert set(held(embedder)) == keys
    code, out, _ = run("search --index my.index -k 2", "music with a trumpet")
    assert code == 0 and out.startswith(" 1. Jazz  (deep/page.html#1)\n")
    assert "A trumpet plays the blues." in out and out.count("by cosine") == 2
    code, out, _ = run("info --index my.index")
    assert code == 0 and "passages     5" in out and "all-MiniLM-L6-v2" in out


def test_the_same_command_again_goes_on(run, embedder):
    run("index docs/bread.md --to my.index")
    before = held(embedder)
    assert list(before) == ["bread.md#1"]
    assert "4 new or changed, 1 unchanged" in run("index docs --to my.index")[1]
    write(Path("docs/bread.md"), "# Bread\n\nBuy it.")
    assert "1 new or changed, 4 unchanged" in run("index docs --to my.index")[1]
    assert held(embedder)["bread.md#1"] != before["bread.md#1"]


def test_a_run_that_was_broken_off_is_taken_up(run, embedder, monkeypatch):
    rows = [{"id": f"n{i}", "text": f"Number {i}."} for i in range(300)]
    write(Path("many.jsonl"), "\n".join(map(json.dumps, rows)))
    real, calls = Index._write, []

    def breaks_off(self, block):
        calls.append(len(block))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, block)

    monkeypatch.setattr(Index, "_write", breaks_off)
    code, _, err = run("index many.jsonl --to my.index")
    assert code == 130 and err.endswith("qrr: stopped\n")
    kept = len(held(embedder))
    assert 0 < kept < 300
    monkeypatch.setattr(Index, "_write", real)
    _, out, _ = run("index many.jsonl --to my.index")
    assert f"{300 - kept} new or changed, {kept} unchanged" in out
    assert len(held(embedder)) == 300


def test_sync_deletes_what_is_gone_from_these_paths_only(run, embedder):
    write(Path("other/note.txt"), "Another folder.")
    run("index docs other --to my.index")
    Path("docs/bread.md").unlink()
    write(Path("docs/rows.jsonl"), json.dumps(ROWS[0]))
    Path("docs/deep/qubit.txt").write_bytes(b"\xff\xff")  # there, but not readable
    Path("other/note.txt").unlink()
    write(Path("other/new.txt"), "New.")
    assert "0 deleted" in run("index docs --to my.index")[1]
    code, out, err = run("index docs --to my.index --sync")
    assert code == 3 and "2 deleted" in out and "deep/qubit.txt: it is not UTF-8" in err
    names = {"deep/qubit.txt", "deep/page.html", "r1", "note.txt"}
    assert set(held(embedder)) == {f"{name}#1" for name in names}


def test_sync_of_an_empty_folder_deletes_nothing(run, embedder):
    run("index docs --to my.index")
    Path("empty").mkdir()
    code, _, err = run("index empty --to my.index --sync")
    assert code == 2 and "nothing to read in empty" in err
    assert run("index nowhere --to my.index --sync")[0] == 2
    assert len(held(embedder)) == 5


def test_a_document_that_became_shorter_leaves_nothing_behind(run, embedder):
    write(Path("docs/long.txt"), LONG)
    run("index docs --to my.index")
    parts = {key for key in held(embedder) if key.startswith("long.txt#")}
    assert len(parts) > 2
    write(Path("docs/long.txt"), "Short.")
    out = run("index docs --to my.index")[1]
    assert f"1 new or changed, 5 unchanged, {len(parts) - 1} deleted" in out
    assert "long.txt#1" in held(embedder) and "long.txt#2" not in held(embedder)


def test_one_id_from_two_places_is_said_and_a_moved_folder_is_no_conflict(run):
    write(Path("other/bread.md"), "Other bread.")
    run("index docs --to my.index")
    code, out, err = run("index other --to my.index")
    assert code == 3 and "0 documents" in out
    assert "'bread.md' is in the index already, from" in err and "docs/bread.md" in err
    Path("docs").rename("moved")
    code, out, _ = run("index moved --to my.index --sync")
    assert code == 0 and "holds 5" in out


def test_a_file_keeps_its_id_from_whichever_folder_it_is_read(run, embedder):
    run("index docs --to my.index")
    before = set(held(embedder))
    write(Path("docs/deep/qubit.txt"), "Other words.")
    assert "1 new or changed" in run("index docs/deep/qubit.txt --to my.index")[1]
    assert "0 new or changed" in run("index docs/deep --to my.index --sync")[1]
    assert set(held(embedder)) == before


def test_bad_files_are_listed_at_the_end_and_the_exit_code_says_so(run):
    Path("docs/broken.pdf").write_bytes(b"%PDF-")
    write(Path("docs/rows2.csv"), "id,text\n" + "x\n" * 9)
    code, out, err = run("index docs --to my.index")
    assert code == 3 and "5 new or changed" in out
    last = err[err.index("skipped in 2 files") :].splitlines()
    assert "broken.pdf: it is broken" in last[1]
    assert "rows2.csv: line 2: it has not 2 fields" in last[2]
    assert last[-1].endswith("rows2.csv: 4 more of this kind") and len(last) == 8


def test_the_index_may_lie_in_the_folder_that_is_indexed(run):
    assert run("index . --to my.index")[0] == 0
    assert "0 new or changed" in run("index . --to my.index")[1]


def test_search_with_conditions_words_and_json(run):
    run("index docs --to my.index")
    asked = "search --index my.index --json", "letters about the sea"
    first = json.loads(run(*asked)[1])[0]
    assert first["id"] == "r1#1" and first["fields"] == {"year": 1900}
    assert set(first["signals"]) == {"cosine", "words", "states"}
    assert first["source"] == Path("docs/rows.jsonl").resolve().as_posix()
    late = json.loads(run(*asked, "--where", "year>2000", "--where", "year<2030")[1])
    assert [hit["id"] for hit in late] == ["r2#1"] and "matches" not in late[0]
    matches = json.loads(run(*asked, "--explain")[1])[0]["matches"]
    pairs = {match["query_token"]: match["document_token"] for match in matches}
    assert pairs["sea"] == "sea"
    assert "sea ~ sea" in run("search --index my.index --explain", "the sea")[1]
    code, out, err = run("search x --index my.index --where", "year>3000")
    assert (code, out) == (0, "") and "nothing was found with year>3000" in err


def test_a_text_cannot_steer_the_terminal(run):
    write(Path("docs/evil.txt"), "Evil \x1b[31mred\x1b]0;title\x07 text")
    run("index docs --to my.index")
    out = run("search --index my.index", "evil red text")[1]
    assert "evil" in out and "\x1b" not in out and "\x07" not in out


def test_delete_takes_documents_and_passages(run, embedder):
    write(Path("docs/long.txt"), LONG)
    run("index docs --to my.index")
    count = len(held(embedder))
    code, out, err = run("delete --index my.index r1 long.txt#2 nothing")
    assert code == 3 and "2 passages deleted" in out and "'nothing' is not in" in err
    code, out, _ = run("delete --index my.index long.txt")
    assert code == 0 and f"{count - 2 - 4} passages deleted" in out
    assert set(held(embedder)) == {f"{name}#1" for name in [*TEXTS, "r2"]}


@pytest.mark.parametrize(
    "words, said",
    [
        ("search x --index nowhere", "no index"),
        ("info --index docs", "no index"),
        ("search x --index my.index --where year", "no condition"),
        ("search x --index my.index --mode trained", "--mode has no meaning"),
        ("search x --where year>1", "--where has no meaning"),
        ("index nowhere --to new.index", "no file or folder nowhere"),
        ("index docs --to docs", "holds other files"),
        ("index docs --to my.index --tokens full", "keeps tokens as states"),
        ("evaluate --index my.index --qrels none.tsv", "none.tsv"),
    ],
)
def test_a_mistake_is_answered_with_one_clear_line(run, words, said):
    run("index docs/bread.md --to my.index")
    code, out, err = run(words)
    assert code == 2 and not out
    line = err.splitlines()[-1]
    assert line.startswith("qrr: ") and said in line


def test_evaluate_judges_documents_or_passages(run):
    write(Path("docs/long.txt"), LONG)
    run("index docs --to my.index")
    queries = {"q1": "baking bread", "q2": "the storm", "q3": "not judged"}
    rows = [json.dumps({"_id": key, "text": text}) for key, text in queries.items()]
    write(Path("judged/queries.jsonl"), "\n".join(rows))
    header = "query-id\tcorpus-id\tscore\n"
    table = Path("judged/qrels/test.tsv")
    write(table, header + "q1\tbread.md\t2\nq2\tlong.txt\t1\nq2\tr1\t0\n")
    code, out, _ = run(f"evaluate --index my.index --qrels {table}")
    assert code == 0 and out.startswith("2 queries, judged by document")
    rows = (line.rsplit(maxsplit=3) for line in out.splitlines()[2:])
    rows = {name.strip(): values for name, *values in rows}
    assert rows == dict.fromkeys(RANKINGS, ["1.0000"] * 3)
    write(table, header + "q1\tr1#1\t1\n")
    code, out, _ = run(f"evaluate --index my.index --qrels {table}")
    assert "judged by passage" in out and float(out.split()[-3]) < 1
    write(table, header + "q1\tabsent\t1\n")
    assert run(f"evaluate --index my.index --qrels {table}")[0] == 2
    write(table, header + "q9\tr1\t1\n")
    assert "'q9'" in run(f"evaluate --index my.index --qrels {table}")[2]
    write(table, header + "q1\tr1\n")
    assert "line 2" in run(f"evaluate --index my.index --qrels {table}")[2]


def test_the_same_commands_with_an_address(run, monkeypatch):
    """qdrant-client's local mode stands in for a server."""
    import qdrant_client

    server = qdrant_client.QdrantClient(":memory:")
    monkeypatch.setattr(server, "close", lambda: None)
    monkeypatch.setattr(qdrant_client, "QdrantClient", lambda *_, **__: server)
    place = "http://engine:6333/mine"
    code, out, _ = run(f"index docs --to {place}")
    assert code == 0 and f"{place} holds 5" in out
    assert "0 new or changed" in run(f"index docs --to {place}")[1]
    assert "Jazz" in run(f"search --index {place} -k 1", "music with a trumpet")[1]
    where = ("--where", "year>2000")
    out = run(f"search --index {place}", "letters about the sea", *where)[1]
    assert "r2#1" in out and "r1#1" not in out
    Path("docs/bread.md").unlink()
    assert "1 deleted" in run(f"index docs --to {place} --sync")[1]
    assert "1 passages deleted" in run(f"delete --index {place} r1")[1]
    assert "passages     3" in run(f"info --index {place}")[1]


def mixed_folder(folder: Path) -> dict[str, int]:
    """Files of every kind, of sentences from the course corpus: {kind: documents}."""
    corpus = qrr_lib.load_collection("course")
    said = [s for doc in corpus.docs.values() for s in doc.text.split(". ") if s]
    texts = [f"{a}. {said[7 * i % len(said)]}. No. {i}" for i, a in enumerate(said)]
    counts = {"txt": 250, "md": 250, "html": 250, "docx": 40, "pdf": 40}
    counts |= {"jsonl": 500, "csv": 500, "parquet": 400}
    numbers = iter(range(sum(counts.values())))
    for kind, count in counts.items():
        own = [(n, texts[n % len(texts)]) for _, n in zip(range(count), numbers)]
        (folder / kind).mkdir(parents=True)
        if kind in ("jsonl", "csv", "parquet"):
            rows = [{"id": f"{kind}{n}", "title": f"T{n}", "text": t} for n, t in own]
            write_table(folder / kind / f"table.{kind}", rows)
        else:
            for n, text in own:
                write_text(folder / kind / f"{n}.{kind}", text)
    return counts


def write_table(path: Path, rows: list[dict]) -> None:
    if path.suffix == ".parquet":
        write_parquet(path, rows)
    elif path.suffix == ".jsonl":
        write(path, "\n".join(map(json.dumps, rows)))
    else:
        with open(path, "w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)


def write_text(path: Path, text: str) -> None:
    if path.suffix == ".pdf":
        write_pdf(path, [text[:90]])
    elif path.suffix == ".docx":
        import docx

        document = docx.Document()
        document.add_paragraph(text)
        document.save(path)
    else:
        write(path, f"<p>{text}</p>" if path.suffix == ".html" else text)


@pytest.mark.slow
def test_a_folder_of_two_thousand_documents_of_every_kind(run, tmp_path):
    counts = mixed_folder(tmp_path / "mixed")
    needle = "The lighthouse keeper of Skagen counted forty grey seals at dawn."
    write_text(tmp_path / "mixed" / "docx" / "needle.docx", needle)
    code, out, _ = run("index mixed --to my.index")
    total = sum(counts.values()) + 1
    assert total >= 2000
    assert code == 0 and f"{total} documents, {total} passages: {total} new" in out
    code, out, _ = run("search --index my.index -k 3", "who counted the seals?")
    assert code == 0 and out.startswith(" 1. needle  (docx/needle.docx#1)\n")
    assert f"{total} unchanged" in run("index mixed --to my.index")[1]
    found = json.loads(run("search --index my.index --json", "qubit gate")[1])
    assert len(found) == 8


def test_an_index_is_judged_and_evaluated(run, embedder):
    from qrr_lib.course import Judging

    run("index docs --to my.index")
    queries = ["how is bread baked?", "letters about the sea"]
    with Index.open("my.index", embedder) as index:
        judging = Judging("judged", queries, index, depth=2)
    assert list(judging.runs) == RANKINGS
    while judging.now:
        judging.grade(3 if "bread" in judging.now[1] else 0)
    assert judging.compare("mix", "cosine").n == 2
    code, out, _ = run("evaluate --index my.index --qrels judged/qrels/test.tsv")
    assert code == 0 and out.startswith("2 queries, judged by passage")


# the service


@pytest.fixture
def served(tmp_path, embedder):
    """Function: token → a client of a running service around a small index."""
    import contextlib

    from qrr_lib.engine import Passage
    from qrr_lib.serve import running
    from qrr_lib.serve.index_service import index_app

    with contextlib.ExitStack() as stack:

        def start(token: str | None) -> httpx.Client:
            index = stack.enter_context(Index.create(tmp_path / "i", embedder))
            rows = ({**row} for row in ROWS)
            index.add(
                Passage(
                    row["id"] + "#1",
                    row["title"],
                    row["text"],
                    "",
                    {"year": row["year"]},
                )
                for row in rows
            )
            url = stack.enter_context(running(index_app(index, token)))
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            client = httpx.Client(base_url=url, headers=headers, trust_env=False)
            return stack.enter_context(client)

        yield start


def found(client, query: str, **more) -> list[str]:
    answer = client.post("/search", json={"query": query, **more}, timeout=30)
    assert answer.status_code == 200, answer.text
    return [one["doc_id"] for one in answer.json()["results"]]


def test_the_service_searches_reranks_and_takes_documents(served):
    client = served("secret")
    assert found(client, "letters") == ["r1#1", "r2#1"]
    assert found(client, "letters", where=["year>2000"]) == ["r2#1"]
    first = client.post("/search", json={"query": "letters"}).json()["results"][0]
    assert first["title"] == "Old" and first["fields"] == {"year": 1900}
    assert 0 <= first["relevance_score"] <= 1 and "states" in first["signals"]
    asked = {"query": "bread", "documents": ["a ship", "a loaf of bread"]}
    assert client.post("/rerank", json=asked).json()["results"][0]["index"] == 1
    new = {"id": "ä/1", "title": "Storms", "text": LONG, "fields": {"year": 2021}}
    answer = client.post("/upsert", json={"documents": [new]}, timeout=60).json()
    assert answer["passages"] == answer["written"] > 2
    assert found(client, "a storm")[0].startswith("ä/1#")
    short = new | {"text": "A storm."}
    again = client.post("/upsert", json={"documents": [short]}, timeout=60).json()
    assert again == {"passages": 1, "written": 1, "deleted": answer["passages"] - 1}
    assert client.get("/info").json()["documents_indexed"] == 3
    gone = client.post("/delete", json={"ids": ["ä/1", "r2#1", "absent"]}).json()
    assert gone == {"deleted": 2} and found(client, "a storm") == ["r1#1"]


def test_without_a_token_nobody_writes(served):
    client = served(None)
    for path, body in {
        "/upsert": {"documents": [{"id": "a", "text": "x"}]},
        "/delete": {"ids": ["r1"]},
    }.items():
        answer = client.post(path, json=body)
        assert answer.status_code == 403 and "QRR_TOKEN" in answer.text
    assert len(found(client, "letters")) == 2


def test_the_service_refuses_what_it_cannot_index(served):
    client = served("secret")
    bad = [
        {"documents": []},
        {"documents": [{"id": " ", "text": "x"}]},
        {"documents": [{"id": "a", "text": " "}]},
        {"documents": [{"id": "a", "text": "x"}] * 2},
        {"documents": [{"id": f"{i}", "text": "x"} for i in range(201)]},
    ]
    for body in bad:
        assert client.post("/upsert", json=body).status_code == 422, body
    surrogate = b'{"documents": [{"id": "a", "text": "\\ud800"}]}'
    sent = {"content": surrogate, "headers": {"Content-Type": "application/json"}}
    assert client.post("/upsert", **sent).status_code == 422
    sent["content"] = b'{"query": "\\ud800"}'
    assert client.post("/search", **sent).status_code == 422
    for where in (["year"], ["year>x"]):
        answer = client.post("/search", json={"query": "x", "where": where})
        assert answer.status_code == 422
    client.headers.pop("Authorization")
    assert client.post("/search", json={"query": "x"}).status_code == 401
