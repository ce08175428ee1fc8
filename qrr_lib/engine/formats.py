"""What each kind of file holds: of a text its title and text, of a table its rows
(lesson 14).
"""

import csv
import functools
import gzip
import io
import itertools
import json
import logging
import re
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser

from qrr_lib.engine.extra import package

MOST_BYTES = 100_000_000  # of a file that is one document, unpacked
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?")
PLAIN = {"_id", "id", "title", "text"}  # columns that are no numbers
Rows = Iterator[tuple[str, dict | ValueError]]  # where, and the row
UNSEEN = ("script", "style", "template", "title")  # elements not in a page's text
WITHIN = (  # elements that break no line
    "a abbr b big cite code em i kbd mark q s small span strong sub sup tt u".split()
)


def _utf8(data: bytes, line: int = 1) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        wrong = f"byte 0x{data[error.start]:02x} in line {line}"
        raise ValueError(f"it is not UTF-8 ({wrong}): save it as UTF-8") from None
    if "\0" in text:
        raise ValueError("it holds zero bytes: binary, or UTF-16; save it as UTF-8")
    return text


def _plain(data: bytes) -> tuple[str, str]:
    text = _utf8(data)
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)  # Markdown's
    return heading[1] if heading else "", text


class _Page(HTMLParser):
    """Collects title and text of a page as it is read."""

    def __init__(self):
        super().__init__()
        self.title, self.text, self.inside = "", [], None

    def handle_starttag(self, tag, attributes):
        if tag in UNSEEN:
            self.inside = self.inside or tag
        elif tag not in WITHIN:
            self.text.append("\n")

    def handle_endtag(self, tag):
        if tag == self.inside:
            self.inside = None
        elif tag not in WITHIN:
            self.text.append("\n")

    def handle_data(self, data):
        if self.inside is None:
            self.text.append(data)
        elif self.inside == "title":
            self.title = self.title or data  # an SVG may have others


def _html(data: bytes) -> tuple[str, str]:
    page = _Page()
    page.feed(_utf8(data))
    page.close()
    lines = map(str.strip, "".join(page.text).splitlines())
    return page.title, "\n".join(filter(None, lines))


def _pdf(data: bytes) -> tuple[str, str]:
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # we say what is wrong
    pdf = package("pypdf").PdfReader(io.BytesIO(data))
    if pdf.is_encrypted:
        raise ValueError("it is encrypted: save it without a password")
    title = str((pdf.metadata or {}).get("/Title") or "")
    text = "".join(page.extract_text() + "\f" for page in pdf.pages)
    return title, text.encode("utf-8", "replace").decode()


def _docx(data: bytes) -> tuple[str, str]:
    file = io.BytesIO(data)
    if sum(part.file_size for part in zipfile.ZipFile(file).infolist()) > MOST_BYTES:
        raise ValueError(f"it unpacks to more than {MOST_BYTES // 1_000_000} MB")
    document, lines = package("docx").Document(file), []
    for block in document.iter_inner_content():
        if hasattr(block, "rows"):
            lines += ["\t".join(cell.text for cell in row.cells) for row in block.rows]
        else:
            lines.append(block.text)
    return document.core_properties.title, "\n\n".join(lines)


def _json_lines(opened) -> Rows:
    for number, line in enumerate(opened, 1):
        if line.strip():
            try:
                row = json.loads(_utf8(line, number))
            except (ValueError, RecursionError) as error:
                plain = type(error) is ValueError
                row = error if plain else ValueError(f"it is no JSON ({error})")
            yield f"line {number}", row


def _separated(opened, delimiter: str) -> Rows:
    csv.field_size_limit(MOST_BYTES)  # of one cell: it may hold an article
    lines = (_utf8(line, number) for number, line in enumerate(opened, 1))
    table = csv.DictReader(lines, delimiter=delimiter, strict=True)
    names = table.fieldnames or []
    if len(names) > len(set(names)):
        raise ValueError(f"a column stands twice: {', '.join(names)}")
    try:
        for row in table:
            if None in row or None in row.values():
                row = ValueError(f"it has not {len(names)} fields")
            else:
                row = {k: v if k in PLAIN else _number(v) for k, v in row.items()}
            yield f"line {table.line_num}", row
    except csv.Error as error:
        raise ValueError(f"after line {table.line_num}: {error}") from None


def _number(cell: str) -> str | int | float:
    return json.loads(cell) if NUMBER.fullmatch(cell) else cell


def _parquet(opened) -> Rows:
    packed = isinstance(opened, gzip.GzipFile)  # it can't be read from its end
    source = io.BytesIO(opened.read()) if packed else opened
    batches = package("pyarrow.parquet").ParquetFile(source).iter_batches(1000)
    rows = itertools.chain.from_iterable(batch.to_pylist() for batch in batches)
    return ((f"row {number}", row) for number, row in enumerate(rows, 1))


# kind: bytes -> (title, text)
TEXTS = {".txt": _plain, ".md": _plain, ".html": _html, ".htm": _html}
TEXTS |= {".pdf": _pdf, ".docx": _docx}
# kind: open file -> (where, row or what is wrong with it), ...
TABLES = {".jsonl": _json_lines, ".parquet": _parquet}
TABLES[".csv"] = functools.partial(_separated, delimiter=",")
TABLES[".tsv"] = functools.partial(_separated, delimiter="\t")
