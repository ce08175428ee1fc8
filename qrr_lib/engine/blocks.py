"""Cut files of documents into blocks that can be done apart, in any order, and not
twice (lesson 14).
"""

from __future__ import annotations

import glob
import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path


def read_parts(path: Path, rows: int, place: int = 0) -> Iterator[tuple[int, list]]:
    """Cut a file, from a place on: (place, lines).

    JSONL: `rows` lines, the place is a byte offset. Parquet: a row group and its
    number.
    """
    if path.suffix == ".parquet":
        from pyarrow import parquet

        file = parquet.ParquetFile(path)
        yield from (
            (group, file.read_row_group(group).to_pylist())
            for group in range(place, file.num_row_groups)
        )
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
    for path in [
        Path(name)
        for pattern in inputs
        for name in sorted(glob.glob(str(pattern))) or [pattern]
    ]:
        number = 0
        for place, lines in read_parts(path, rows):
            digest = hashlib.sha256(json.dumps(settings).encode())
            drop = []
            first = number + 1
            for at, line in enumerate(lines):
                number += 1
                try:
                    if (record := read_record(line)) and record[0] in seen:
                        raise ValueError(
                            f"the id {record[0]!r} occurs twice, first in "
                            f"{seen[record[0]]}"
                        )
                    if record:
                        seen[record[0]] = f"{path.name}, line {number}"
                        digest.update(
                            "\0".join(record).encode("utf-8", "surrogatepass")
                        )
                except ValueError as error:  # broken JSON is one, too
                    if bad == "stop":
                        raise ValueError(
                            f"{path}, line {number}: {error}. Mend it, or ask to skip "
                            "bad lines"
                        ) from None
                    skipped.append(f"{path}, line {number}: {error}")
                    drop.append(at)
            mark = digest.hexdigest()[:12]
            blocks.append(
                {
                    "file": str(path.resolve()),
                    "place": place,
                    "rows": rows,
                    "drop": drop,
                    "name": f"{path.stem}-{first:09d}-{mark}.parquet",
                }
            )
    return blocks, skipped
