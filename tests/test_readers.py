"""Files in: every kind is read, nothing is lost in silence, passages fit the model."""

import gzip
import io
import json
import os
import re

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("pypdf")

from qrr_lib.engine import formats
from qrr_lib.engine.passage import Passage
from qrr_lib.engine.passages import cut
from qrr_lib.engine.readers import find_files, read_documents

ROWS = [
    {"id": "a", "title": "Phase", "text": "A phase turns.", "year": 1999, "zip": "042"},
    {"id": "b/ü #1", "title": "", "text": "Noise, and\nmore noise.", "year": 2024},
]


def read(*paths, **options):
    """(documents by id, reasons by file name, files of other kinds)."""
    skipped = {}
    files, others = find_files(paths, **options)
    documents = {doc.id: doc for doc in read_documents(files, skipped)}
    return documents, {path.name: why for path, why in skipped.items()}, others


def write_pdf(path, pages, password=None, title="") -> None:
    import matplotlib.figure
    import pypdf
    from matplotlib.backends.backend_pdf import PdfPages

    with PdfPages(path, metadata={"Title": title} if title else None) as pdf:
        for page in pages:
            figure = matplotlib.figure.Figure()
            figure.text(0.1, 0.5, page)
            pdf.savefig(figure)
    if password:
        writer = pypdf.PdfWriter(clone_from=str(path))
        writer.encrypt(password, algorithm="RC4-128")
        writer.write(str(path))


def write_docx(path) -> None:
    import docx

    document = docx.Document()
    document.add_paragraph("First things first.")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
    document.add_paragraph("Last things last.")
    document.core_properties.title = "Minutes"
    document.save(path)


def write_parquet(path, rows) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


# what is read


def test_a_folder_of_mixed_files(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "plain.txt").write_bytes(b"\xef\xbb\xbfJust text.")
    (tmp_path / "deep" / "notes.md").write_bytes("# On *phase*\r\n\nÜber.".encode())
    page = "<title>A  page</title><p>one <b>qu</b>bit<p>two<script>no</script></p>"
    page += "<div>three</div>four<ul><li>five<!-- no --><li>six</ul>"
    (tmp_path / "page.HTML").write_text(page, encoding="utf-8")
    write_pdf(tmp_path / "paper.pdf", ["page one", "page two"], title="A paper")
    write_docx(tmp_path / "minutes.docx")
    (tmp_path / "picture.png").write_bytes(b"x")
    documents, skipped, others = read(tmp_path)
    assert not skipped and others == {".png": 1}
    titles = {key: doc.title for key, doc in documents.items()}
    assert titles == {
        "minutes.docx": "Minutes",
        "page.HTML": "A page",
        "paper.pdf": "A paper",
        "plain.txt": "plain",
        "deep/notes.md": "On *phase*",
    }
    assert documents["plain.txt"].text == "Just text."
    assert documents["deep/notes.md"].text.endswith("Über.")
    assert documents["page.HTML"].text.split("\n") == [
        "one qubit",
        "two",
        "three",
        "four",
        "five",
        "six",
    ]
    assert documents["paper.pdf"].text.split("\f") == ["page one", "page two", ""]
    minutes = documents["minutes.docx"].text.split("\n\n")
    assert minutes == ["First things first.", "left\tright", "Last things last."]
    source = documents["deep/notes.md"].source
    assert source == (tmp_path / "deep" / "notes.md").resolve().as_posix()


def test_hidden_files_a_lock_and_the_index_itself_are_passed_over(tmp_path):
    for name in (".git/a.txt", ".b.txt", "my.index/c.txt", "~$e.docx", "d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text", encoding="utf-8")
    assert list(read(tmp_path, leave_out=tmp_path / "my.index")[0]) == ["d.txt"]


def as_csv(rows, delimiter: str) -> bytes:
    import csv

    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(ROWS[0]), delimiter=delimiter)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def table_bytes(kind: str, tmp_path) -> bytes:
    if kind == "jsonl":
        return b"\n\n".join(json.dumps(row).encode() for row in ROWS)
    if kind == "parquet":
        write_parquet(tmp_path / "x", ROWS)
        return (tmp_path / "x").read_bytes()
    return as_csv(ROWS, "," if kind == "csv" else "\t")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "parquet"])
def test_all_tables_give_the_same_documents(tmp_path, kind, packed):
    path = tmp_path / f"table.{kind}{'.gz' if packed else ''}"
    data = table_bytes(kind, tmp_path)
    path.write_bytes(gzip.compress(data) if packed else data)
    documents, skipped, _ = read(path)
    source = path.resolve().as_posix()
    fields = [{"year": 1999, "zip": "042"}, {"year": 2024}]
    assert not skipped
    assert list(documents.values()) == [
        Passage(row["id"], row["title"], row["text"], source, more)
        for row, more in zip(ROWS, fields)
    ]


def test_a_page_of_any_depth_is_read(tmp_path):
    (tmp_path / "a.html").write_text("<p><b>a&amp;b" * 9000, encoding="utf-8")
    assert read(tmp_path)[0]["a.html"].text == "\n".join(["a&b"] * 9000)


def test_a_text_may_be_packed(tmp_path):
    (tmp_path / "a.md.gz").write_bytes(gzip.compress(b"words"))
    document = read(tmp_path)[0]["a.md.gz"]
    assert (document.title, document.text) == ("a", "words")


def test_of_a_beir_folder_only_the_corpus_is_taken(tmp_path):
    row = {"_id": "7", "title": "T", "text": "x", "metadata": {}}
    (tmp_path / "corpus.jsonl").write_text(json.dumps(row), encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text(json.dumps(row), encoding="utf-8")
    (tmp_path / "readme.txt").write_text("hello", encoding="utf-8")
    documents, skipped, _ = read(tmp_path)
    assert list(documents) == ["7"] and not skipped and documents["7"].fields == {}


def test_fields_are_what_json_can_hold(tmp_path):
    import datetime

    row = {"id": 3, "text": "x", "day": datetime.date(2024, 5, 1), "none": None}
    row |= {"nan": float("nan"), "tags": ["a", "b"], "ok": True}
    write_parquet(tmp_path / "t.parquet", [row])
    fields = read(tmp_path)[0]["3"].fields
    assert fields == {"day": "2024-05-01", "tags": ["a", "b"], "ok": True}


# what is not


def test_a_path_that_is_not_there_and_a_kind_that_is_not_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        find_files([tmp_path / "nothing"])
    (tmp_path / "a.xlsx").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"a\.xlsx is of no kind that is read: \.txt"):
        find_files([tmp_path / "a.xlsx"])


NASTY = {
    "empty.txt": (b"", "no text"),
    "blank.md": (b" \n\t\n", "no text"),
    "latin.txt": ("Zeile\nMüll".encode("latin-1"), "not UTF-8.*0xfc in line 2"),
    "utf16.txt": ("text".encode("utf-16-le"), "zero bytes"),
    "utf16bom.txt": ("text".encode("utf-16"), "not UTF-8"),
    "binary.txt": (bytes(range(256)), "not UTF-8"),
    "latin.html": ("<p>Müll".encode("latin-1"), "not UTF-8"),
    "empty.pdf": (b"", "broken"),
    "html.pdf": (b"<html>", "broken"),
    "cut.pdf": (b"%PDF-1.4\n1 0 obj <<", "broken"),
    "empty.docx": (b"", "broken"),
    "text.docx": (b"words", "broken"),
    "text.gz.txt.gz": (b"words", "[Gg]zip"),
    "half.txt.gz": (gzip.compress(os.urandom(5000))[:2000], "broken"),
    "text.parquet": (b"words", "Parquet"),
    "twice.csv": (b"id,text,text\n1,a,b", "stands twice: id, text, text"),
}


def test_bad_files_are_skipped_with_the_reason_and_the_others_read(tmp_path):
    for name, (data, _) in NASTY.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "good.txt").write_bytes(b"good")
    documents, skipped, _ = read(tmp_path)
    assert list(documents) == ["good.txt"] and set(skipped) == set(NASTY)
    for name, (_, reason) in NASTY.items():
        assert len(skipped[name]) == 1
        assert re.search(reason, skipped[name][0]), (name, skipped[name])


def test_an_encrypted_and_an_empty_pdf(tmp_path):
    write_pdf(tmp_path / "secret.pdf", ["words"], password="hush")
    write_pdf(tmp_path / "scan.pdf", [""])
    documents, skipped, _ = read(tmp_path)
    assert not documents and "encrypted" in skipped["secret.pdf"][0]
    assert "no text" in skipped["scan.pdf"][0]


def test_a_pdf_that_opens_without_a_password_is_read(tmp_path, monkeypatch):
    """Only its owner may change or print it; by AES it takes one more package."""
    import pypdf

    write_pdf(tmp_path / "a.pdf", ["only words"])
    writer = pypdf.PdfWriter(clone_from=str(tmp_path / "a.pdf"))
    writer.encrypt("", "the owner's", algorithm="RC4-128")
    writer.write(str(tmp_path / "a.pdf"))
    documents, skipped, _ = read(tmp_path)
    assert "only words" in documents["a.pdf"].text and not skipped

    def no_aes(*_):
        raise pypdf.errors.DependencyError

    monkeypatch.setattr(pypdf.PdfReader, "_handle_encryption", no_aes)
    documents, skipped, _ = read(tmp_path)
    assert not documents and "pip install cryptography" in skipped["a.pdf"][0]


def test_a_large_text_and_one_that_unpacks_to_a_large_one(tmp_path, monkeypatch):
    (tmp_path / "large.txt").write_bytes(b"x" * 3_000_001)
    (tmp_path / "bomb.txt.gz").write_bytes(gzip.compress(b"x" * 30_000_000))
    write_docx(tmp_path / "fine.docx")
    monkeypatch.setattr("qrr_lib.engine.readers.MOST_BYTES", 3_000_000)
    documents, skipped, _ = read(tmp_path)
    assert list(documents) == ["fine.docx"] and len(skipped) == 2
    assert all("more than 3 MB" in reason for (reason,) in skipped.values())
    monkeypatch.setattr(formats, "MOST_BYTES", 10_000)
    assert "unpacks to more" in read(tmp_path / "fine.docx")[1]["fine.docx"][0]


BAD_ROWS = {
    "t.jsonl": (
        b'{"id": "a", "text": "x"}\n{"id": "b"\n[1]\n{"id": true, "text": "x"}\n'
        b'{"id": "c", "text": 5}\n{"id": "d"}\n{"id": "e", "text": "\\ud800"}\n\xff\n'
        b'{"id": "z", "text": "x"}\n{"text": "x"}\n{"id": "a", "text": "y"}',
        {
            2: "no JSON .*delimiter",
            3: "no object",
            4: "'id' must be text, not True",
            5: "'text' must be text, not 5",
            6: "empty",
            7: "half a character",
            8: "not UTF-8.*line 8",
            10: "no 'id' among its fields: text",
            11: r"'a' stands in .*t\.jsonl \(line 1\), too",
        },
    ),
    "t.csv": (
        b'id,text\na,x\nb\nc,"x\ny",z\n,x\nz,x',
        {3: "has not 2 fields", 5: "has not 2 fields", 6: "empty"},
    ),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_bad_rows_are_said_with_line_and_field(tmp_path, name):
    data, reasons = BAD_ROWS[name]
    (tmp_path / name).write_bytes(data)
    documents, skipped, _ = read(tmp_path)
    assert list(documents) == ["a", "z"]
    said = dict(line.split(": ", 1) for line in skipped[name])
    assert list(said) == [f"line {number}" for number in reasons]
    for number, reason in reasons.items():
        assert re.search(reason, said[f"line {number}"]), said


@pytest.mark.parametrize("end", [b'c,"never closed\nd,x', b"c,\xfc\nd,x"])
def test_a_table_that_breaks_off_says_where(tmp_path, end):
    (tmp_path / "t.csv").write_bytes(b"id,text\na,x\n" + end)
    documents, skipped, _ = read(tmp_path)
    assert list(documents) == ["a"]
    assert re.search(r"after line 2|in line 3", skipped["t.csv"][0])


def test_one_id_in_two_files_is_refused_with_both_places(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_bytes(name.encode())
    documents, skipped, _ = read(tmp_path / "one", tmp_path / "two")
    assert documents["a.txt"].text == "one"
    assert str(tmp_path / "one" / "a.txt") in skipped["a.txt"][0]
    # the same file given twice is one file
    assert not read(tmp_path / "one", tmp_path / "one" / "a.txt")[1]


def test_files_that_vanish_or_change_while_they_are_read(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.txt").write_bytes(b"words")
    rows = b"".join(b'{"id": "%d", "text": "x"}\n' % i for i in range(9))
    (tmp_path / "d.jsonl").write_bytes(rows)
    skipped, files = {}, find_files([tmp_path])[0]
    documents = read_documents(files, skipped)
    assert next(documents).id == "a.txt"
    (tmp_path / "b.txt").unlink()
    assert [next(documents).id for _ in range(3)] == ["c.txt", "0", "1"]
    (tmp_path / "d.jsonl").write_bytes(rows + rows)
    assert not list(documents)
    reasons = {path.name: why for path, (why,) in skipped.items()}
    assert "changed while it was read" in reasons["d.jsonl"]
    assert list(reasons) == ["b.txt", "d.jsonl"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing")
    _, skipped, _ = read(tmp_path)
    assert "no ordinary file" in skipped["pipe.txt"][0]
    assert set(skipped) == {"pipe.txt", "gone.txt"}


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no such permissions here")
def test_what_may_not_be_read_is_skipped(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"words")
    (tmp_path / "a.txt").chmod(0)
    user, skipped = os.geteuid(), {}
    files = find_files([tmp_path])[0]
    if user == 0:  # who may read everything
        os.seteuid(65534)
    try:
        assert not list(read_documents(files, skipped))
    finally:
        os.seteuid(user)
    assert [why for (why,) in skipped.values()] == ["Permission denied"]


def test_many_characters_in_few_word_pieces_are_many_passages():
    found = list(cut(Passage("d", "", "x" * 30_000, ""), count, 50))
    assert all(len(passage.text) <= 50 * 25 for passage in found)
    assert sum(len(passage.text) for passage in found) == 30_000


# passages


def count(texts: list[str]) -> list[int]:
    return [len(re.findall(r"\w+|[^\w\s]", text)) for text in texts]


def passages(text: str, limit: int = 12, title: str = "", **more):
    return list(cut(Passage("doc", title, text, "file", **more), count, limit))


def test_a_short_document_is_one_passage():
    (one,) = passages("Short text.", title="Title", fields={"year": 1999})
    assert one.id == "doc#1" and one.full == "Title Short text."
    assert one.fields == {"year": 1999} and one.source == "file"
    (bare,) = passages("", title="Only a title")
    assert bare.full == "Only a title"


SENTENCES = [f"Sentence number {i} ends." for i in range(9)]  # five pieces each


def test_sentences_stay_whole_and_passages_overlap():
    text = " ".join(SENTENCES)
    found = passages(text, 27)  # five sentences fit; a fifth of 27 is one sentence
    assert [p.id for p in found] == ["doc#1", "doc#2"]
    assert found[0].text == " ".join(SENTENCES[:5])
    assert found[1].text == " ".join(SENTENCES[4:])
    assert passages(text, 27) == found


TEXTS = {
    "sentences": " ".join(SENTENCES),
    "words": " ".join(f"word{i}" for i in range(200)),
    "lines": "\n".join(f"line{i}" for i in range(200)),
    "one long word": "".join(f"x{i}" for i in range(1500)),
    "no spaces": "".join(chr(0x4E00 + i) + "。" * (i % 5 == 0) for i in range(90)),
    "lists": "\n\n".join(f"- {i}.{i + 1}.\n- {i}!" for i in range(50)),
    "pages": "\f".join(SENTENCES),
    "one word and spaces": "".join(f"y{i}" for i in range(90)) + " " * 900,
}


@pytest.mark.parametrize("title", ["", "A title", "Long"])
@pytest.mark.parametrize("kind", TEXTS)
def test_every_passage_fits_and_nothing_is_left_out(kind, title):
    whole = TEXTS[kind]
    if title == "Long":
        title = " ".join(f"Title{i}" for i in range(30))
        whole = f"{title} {whole}"
    found = passages(TEXTS[kind], 16, title)
    assert max(count([passage.full for passage in found])) <= 16
    letters, place = re.sub(r"\s", "", whole), 0
    for passage in found:  # each begins within what came before, or right after it
        own = re.sub(r"\s", "", passage.text)
        start = letters.find(own)
        assert 0 <= start <= place < start + len(own), passage
        place = start + len(own)
    assert place == len(letters)


def test_a_passage_knows_its_page():
    pages = ["".join(f"{s} " for s in SENTENCES[i : i + 3]) for i in (0, 3, 6)]
    found = passages("".join(page + "\f" for page in pages), 11)
    assert [p.fields["page"] for p in found][:2] == [1, 1]
    for passage in found:
        first = int(re.search(r"\d", passage.text)[0])
        assert passage.fields["page"] == 1 + first // 3
        assert "\f" not in passage.text


def test_word_pieces_are_the_models_own():
    from qrr_lib import TextEmbedder
    from qrr_lib.engine.passages import word_pieces

    embedder = TextEmbedder("all-MiniLM-L6-v2")
    counter, limit = word_pieces(embedder)
    text = "Superposition of entangled photons; étalons & waveguides. " * 60
    document = Passage("d", "Optics", text, "")
    found = list(cut(document, counter, limit))
    assert limit == 254 and len(found) > 3
    assert not any(embedder.is_cut(passage.full) for passage in found)
    assert all(sum(counter([p.full])) > 200 for p in found[:-1])
