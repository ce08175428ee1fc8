"""Judgements: which document answers which query, and how well (lesson 01). Tables with
or without a header, and TREC's format.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from qrr_lib.embed.rows import kind_of, read_lines, read_rows
from qrr_lib.files import path_of

GRADE = re.compile(r"[+-]?[0-9]{1,9}(\.0+)?")
# what a header calls the last column of judgements
GRADE_COLUMNS = {"score", "grade", "relevance", "rel", "label", "judgement", "judgment"}


def read_qrels(path: str | os.PathLike) -> dict[str, dict[str, int]]:
    """{query id: {document id: grade}} of a table, with or without a first line that
    names the columns, or of a file in TREC's format; ValueError names file and line.
    """
    qrels: dict[str, dict[str, int]] = {}
    for number, (where, cells) in enumerate(_cells(path_of(path))):
        if number == 0 and str(cells[-1]).strip().lower() in GRADE_COLUMNS:
            continue
        try:
            query, *rest, document, judged = cells
            if len(rest) > 1 or not GRADE.fullmatch(str(judged).strip()):
                raise ValueError
        except ValueError:
            raise ValueError(
                f"{path}, {where}: expected query, document, grade (a whole number), "
                f"got {cells!r:.80}; a header calls its last column 'score'"
            ) from None
        pair, grade = (str(query), str(document)), int(float(judged))
        if not all(map(str.strip, pair)):
            raise ValueError(f"{path}, {where}: the id of query or document is empty")
        if qrels.setdefault(pair[0], {}).setdefault(pair[1], grade) != grade:
            raise ValueError(f"{path}, {where}: {pair} was judged otherwise before")
    if not qrels:
        raise ValueError(f"{path} holds no judgements")
    return qrels


def _cells(path: Path) -> Iterator[tuple[str, list]]:
    if kind_of(path) in (".parquet", ".jsonl"):
        rows = read_rows(path)
        return ((w, list(r.values()) if isinstance(r, dict) else [r]) for w, r in rows)
    return read_lines(path)
