"""Cut files of documents into blocks that can be done apart, in any order, and not
twice (lesson 14).
"""

import glob
import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

from qrr_lib.engine.extra import package


def read_parts(path: Path, rows: int, place: int = 0) -> Iterator[tuple[int, list]]:
    """Cut a file, from a place on: (place, lines).

    JSONL: `rows` lines, the place is a byte offset. Parquet: a row group and its
    number.
    """
    if path.suffix == ".parquet":
        file = package("pyarrow.parquet").ParquetFile(path)
        for group in range(place, file.num_row_groups):
            yield group, file.read_row_group(group).to_pylist()
        return
    with open(path, "rb") as file:
        file.seek(place)
        while lines := list(itertools.islice(file, rows)):
            yield place, lines
            place += sum(map(len, lines))


def read_record(line) -> tuple[str, str] | None:
    """(id, text) of a JSONL line or Parquet row, None for a blank line; ValueError says
    what is wrong.
    """
    if isinstance(line, bytes) and not line.strip():
        return None
    row = json.loads(line) if isinstance(line, bytes) else line
    key = row.get("_id", row.get("id")) if isinstance(row, dict) else None
    if not isinstance(key, str) or not key.strip():
        raise ValueError("no object with a non-empty string '_id'")
    if not (text := f"{row.get('title') or ''} {row.get('text') or ''}".strip()):
        raise ValueError(f"the document {key!r} has no text")
    return key, text


def new_record(line, seen: dict[str, str], where: str) -> bytes:
    """What a line adds to its block's digest, nothing if it is blank; notes in `seen`
    where its id stands. ValueError for a malformed line or an id that was there before.
    """
    record = read_record(line)
    if record is None:
        return b""
    key = record[0]
    if key in seen:
        raise ValueError(f"the id {key!r} occurs twice, first in {seen[key]}")
    seen[key] = where
    return "\0".join(record).encode("utf-8", "surrogatepass")


def plan_blocks(
    inputs: list[str], settings: dict, rows: int = 1000, bad: str = "stop"
) -> tuple[list[dict], list[str]]:
    """Read all inputs once and cut them into blocks: (blocks, list of what was
    skipped).

    Parameters
    ----------
    inputs : list of str
        File names or patterns such as "docs/*.jsonl"; *.parquet is read as Parquet, all
        else as JSON lines.
    settings : dict
        What the result depends on besides the text (model, head). It goes into the
        names: other settings, other blocks.
    rows : int
        Documents in a block, at most; of Parquet, a block is a row group.
    bad : {"stop", "skip"}
        A malformed line or a duplicate id raises ValueError with file and line before
        any work begins, or is left out and listed.

    The names hold a digest of the texts, so a block whose file is there need not be
    done again, and one whose text changed is a new block. All ids are kept in memory
    while the inputs are read.
    """
    if bad not in ("stop", "skip"):
        raise ValueError(f"unknown choice {bad!r} for bad lines; take 'stop' or 'skip'")
    if not isinstance(rows, int) or rows < 1:
        raise ValueError(f"rows must be a whole number from 1 up, not {rows!r}")
    blocks, skipped, seen = [], [], {}
    found = [sorted(glob.glob(str(pattern))) or [pattern] for pattern in inputs]
    for path in map(Path, itertools.chain(*found)):
        first = 1  # number of a part's first line
        for place, lines in read_parts(path, rows):
            digest = hashlib.sha256(json.dumps(settings).encode())
            drop = []
            for number, line in enumerate(lines, first):
                try:
                    digest.update(new_record(line, seen, f"{path.name}, line {number}"))
                except ValueError as error:  # broken JSON is one, too
                    wrong = f"{path}, line {number}: {error}"
                    if bad == "stop":
                        hint = "Mend it, or ask to skip bad lines"
                        raise ValueError(f"{wrong}. {hint}") from None
                    skipped.append(wrong)
                    drop.append(number - first)
            name = f"{path.stem}-{first:09d}-{digest.hexdigest()[:12]}.parquet"
            block = {"file": str(path.resolve()), "place": place, "rows": rows}
            blocks.append(block | {"drop": drop, "name": name})
            first += len(lines)
    return blocks, skipped
