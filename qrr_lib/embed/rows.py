"""Rows of a file that holds a table: JSONL, CSV, TSV or Parquet, also packed with gzip
(lessons 01 and 14).

The only reader of such files: collections, queries, judgements, runs and an index'
documents come through it. No encoding is guessed, nothing is dropped or made up: what
is wrong is said with file, line and field.
"""

import csv
import functools
import gzip
import io
import itertools
import json
import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from qrr_lib.checks import is_unicode
from qrr_lib.files import path_of
from qrr_lib.lazy import package

MOST_BYTES = 100_000_000  # of a file that is one document, or of a cell, unpacked
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?")
PLAIN = {"_id", "id", "title", "text"}  # columns that are no numbers
Rows = Iterator[tuple[str, dict | ValueError]]  # where, and the row
BREAKING = (ValueError, RecursionError)  # what a line that is no JSON raises


def kind_of(path: Path) -> str:
    """A file's suffix in small letters, without ".gz"."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def opened(path: Path):
    """The bytes of a file, unpacked if it ends in .gz."""
    return gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb")


def utf8(data: bytes, line: int = 1) -> str:
    """Bytes as text; ValueError names byte and line where they are no UTF-8."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        wrong = f"byte 0x{data[error.start]:02x} in line {line}"
        raise ValueError(f"it is not UTF-8 ({wrong}): save it as UTF-8") from None
    if "\0" in text:
        raise ValueError("it holds zero bytes: binary, or UTF-16; save it as UTF-8")
    return text


def read_rows(path: str | PathLike) -> Rows:
    """(where, row) of every row of a table; ValueError names file, line and what is
    wrong, FileNotFoundError a file that is not there.
    """
    if (kind := kind_of(path_of(path))) not in TABLES:
        raise ValueError(f"{path}: its name must end in {', '.join(TABLES)} (or .gz)")
    for where, row in _said(path, TABLES[kind]):
        if isinstance(row, ValueError):
            raise ValueError(f"{path}, {where}: {row}")
        yield where, row


def read_lines(path: str | PathLike) -> Iterator[tuple[str, list[str]]]:
    """(where, cells) of every line that is not blank: cells of a .csv or .tsv, of
    other files what stands between spaces; errors as in `read_rows`.
    """
    delimiter = {".csv": ",", ".tsv": "\t"}.get(kind_of(Path(path)))
    for where, line in _said(path, _lines):
        if delimiter:
            [cells] = csv.reader([line], delimiter=delimiter)
        else:
            cells = line.split()
        if any(cells):
            yield where, cells


def _said(path, read) -> Iterator:
    """What `read` makes of an open file; its errors name the file."""
    try:
        with opened(path_of(path)) as data:
            yield from read(data)
    except (ValueError, EOFError, gzip.BadGzipFile, csv.Error) as error:
        raise ValueError(f"{path}: {error}") from None


def _lines(data) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(data, 1):
        yield f"line {number}", utf8(line, number).rstrip("\r\n")


def fields_of(row) -> tuple[str, str, str, dict]:
    """(id, title, text, other fields) of a row; ValueError says which field is wrong.

    A title or text that is null or absent is empty. A whole number as id is read as
    its digits: a table of text could not tell the two apart.
    """
    if not isinstance(row, dict):
        raise ValueError("it is no object with fields")
    row = dict(row)
    name = "_id" if "_id" in row else "id"
    if name not in row:
        raise ValueError(f"there is no 'id' among its fields: {', '.join(row)[:80]}")
    key = row.pop(name)
    key = str(key) if type(key) is int else key
    title, text = (row.pop(name, None) for name in ("title", "text"))
    title, text = ("" if value is None else value for value in (title, text))
    for field, value in {name: key, "title": title, "text": text}.items():
        if not isinstance(value, str):
            raise ValueError(f"the field {field!r} must be text, not {value!r:.40}")
        if not is_unicode(value):
            raise ValueError(f"the field {field!r} holds half a character")
    if not key.strip():
        raise ValueError(f"the field {name!r} is empty")
    return key, title, text, row


def _json_lines(data) -> Rows:
    for number, line in enumerate(data, 1):
        if line.strip():
            try:
                row = json.loads(utf8(line, number), object_pairs_hook=_object)
            except BREAKING as error:
                plain = type(error) is ValueError
                row = error if plain else ValueError(f"it is no JSON ({error})")
            yield f"line {number}", row


def _object(pairs: list[tuple]) -> dict:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {twice!r} stands twice")
    return row


def _separated(data, delimiter: str) -> Rows:
    csv.field_size_limit(MOST_BYTES)  # of one cell: it may hold an article
    lines = (utf8(line, number) for number, line in enumerate(data, 1))
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


def _parquet(data) -> Rows:
    arrow, parquet = package("pyarrow"), package("pyarrow.parquet")
    packed = isinstance(data, gzip.GzipFile)  # it can't be read from its end
    source = io.BytesIO(data.read()) if packed else data
    try:
        batches = parquet.ParquetFile(source).iter_batches(1000)
        rows = itertools.chain.from_iterable(b.to_pylist() for b in batches)
        for number, row in enumerate(rows, 1):
            yield f"row {number}", row
    except (arrow.ArrowException, OSError) as error:
        raise ValueError(f"it is damaged ({error})") from None


# kind: open file -> (where, row or what is wrong with it), ...
TABLES = {".jsonl": _json_lines, ".parquet": _parquet}
TABLES[".csv"] = functools.partial(_separated, delimiter=",")
TABLES[".tsv"] = functools.partial(_separated, delimiter="\t")
