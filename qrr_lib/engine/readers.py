"""Read files into documents: a text is one, a table holds one a row (lesson 14; needs
the extra `[engine]`).

What can't be read is skipped and said, with its reason. No encoding is guessed.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from qrr_lib.checks import listed
from qrr_lib.embed.rows import MOST_BYTES, TABLES, Rows, fields_of, kind_of, opened
from qrr_lib.engine.formats import TEXTS
from qrr_lib.engine.passage import Passage, payload_of
from qrr_lib.files import path_of


def find_files(
    paths: Iterable[str | os.PathLike], leave_out: str | os.PathLike | None = None
) -> tuple[dict[Path, str], Counter]:
    """Find what can be read in folders, and files that are named.

    Hidden files and folders are passed over, and so is the folder `leave_out` (an
    index). In a folder in BEIR layout only corpus.jsonl is taken. Returns {file: its
    path below the folder that was given}, and {suffix: count} of the files of other
    kinds. FileNotFoundError for a path that isn't there, ValueError for a named file of
    another kind.
    """
    files, others = {}, Counter()
    for given in map(path_of, listed("paths", paths)):
        if not given.exists():
            raise FileNotFoundError(f"there is no file or folder {given}")
        base = given if given.is_dir() else given.parent
        for path in _inside(given, leave_out) if given.is_dir() else [given]:
            kind = kind_of(path)
            if kind in TEXTS or kind in TABLES:
                real = path.resolve() if path.exists() else path.absolute()
                files.setdefault(real, path.relative_to(base).as_posix())
            elif path == given:
                known = ", ".join([*TEXTS, *TABLES])
                raise ValueError(f"{path} is of no kind that is read: {known}")
            else:
                others[kind or "no suffix"] += 1
    return files, others


def _inside(folder: Path, leave_out) -> list[Path]:
    if (folder / "corpus.jsonl").is_file():
        return [folder / "corpus.jsonl"]
    found, closed = [], Path(leave_out).resolve() if leave_out else None
    for root, folders, names in os.walk(folder):
        near = [name for name in sorted(folders) if name[0] != "."]
        folders[:] = [name for name in near if Path(root, name).resolve() != closed]
        # Word keeps ~$name.docx while name.docx is open
        own = (name for name in sorted(names) if not name.startswith((".", "~$")))
        found += [Path(root, name) for name in own]
    return found


def most_documents(path: Path) -> int:
    """How many documents a file holds, a table at most: it has so many lines (of a
    .parquet: about one a kilobyte). 0 if it can't be read.
    """
    if kind_of(path) not in TABLES:
        return 1
    try:
        if kind_of(path) == ".parquet":
            return path.stat().st_size // 1000 + 1
        with opened(path) as data:
            return sum(1 for _ in data)
    except (OSError, EOFError):
        return 0


def read_documents(
    files: dict[Path, str], skipped: dict[Path, list[str]]
) -> Iterator[Passage]:
    """Every document of the files that `find_files` found; `source` is its file.

    What can't be read goes into `skipped`, {file: reasons}: a file that is broken,
    empty, encrypted, too large or not UTF-8, that vanished or changed meanwhile; a row
    without id or text; an id that was there before.
    """
    places: dict[str, str] = {}
    for path, name in files.items():
        try:
            for where, row in _rows(path, name):
                try:
                    document = _document(row, path)
                    if document.id in places:
                        there = f"{document.id!r} stands in {places[document.id]}, too"
                        raise ValueError(f"the id {there}: ids must be unique")
                except ValueError as error:
                    skipped.setdefault(path, []).append(f"{where}: {error}")
                else:
                    places[document.id] = f"{path} ({where})"
                    yield document
        except Exception as error:  # readers raise all kinds when a file is broken
            reason = getattr(error, "strerror", None) or str(error)
            if not isinstance(error, (OSError, ValueError)):
                reason = f"it is broken ({type(error).__name__}: {error})"
            skipped.setdefault(path, []).append(reason)


def _rows(path: Path, name: str) -> Rows:
    """(where, row or what is wrong with it) of a file that stays as it is."""
    before, kind = os.stat(path), kind_of(path)
    if not stat.S_ISREG(before.st_mode):
        raise ValueError("it is no ordinary file")
    with opened(path) as data:
        for row in TABLES[kind](data) if kind in TABLES else [_text(data, name)]:
            now = os.stat(path)
            if (before.st_size, before.st_mtime) != (now.st_size, now.st_mtime):
                raise ValueError("it changed while it was read: run the command again")
            yield row


def _text(opened, name: str) -> tuple[str, dict]:
    data = opened.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"it holds more than {MOST_BYTES // 1_000_000} MB")
    title, text = TEXTS[kind_of(Path(name))](data)
    if not text.strip():
        raise ValueError("it holds no text")
    title = " ".join(title.split()) or Path(name.removesuffix(".gz")).stem
    return "the whole file", {"id": name, "title": title, "text": text}


def _document(row, path: Path) -> Passage:
    """The document of a row; ValueError says which field is wrong."""
    if isinstance(row, ValueError):
        raise row
    key, title, text, row = fields_of(row)
    if not (title + text).strip():
        raise ValueError(f"the fields 'title' and 'text' of {key!r} are empty")
    kept = {k: v for k, v in row.items() if v not in (None, "", [], {}) and v == v}
    document = Passage(key, title, text, path.as_posix(), kept)
    return document._replace(fields=payload_of(document)["fields"])
