"""Queries and judgements in BEIR's layout, and what an index finds for them (lesson
14).
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from qrr_lib.files import atomic_path
from qrr_lib.rank.metrics import Qrels

HEADER = "query-id\tcorpus-id\tscore"


def read_queries(path: str | os.PathLike) -> dict[str, str]:
    """{query id: text} of a queries.jsonl; ValueError names file and line."""
    queries = {}
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            key, text = row["_id"], row["text"]
            if not (isinstance(key, str) and isinstance(text, str) and text.strip()):
                raise ValueError("they must be text")
        except (ValueError, KeyError, TypeError) as error:
            wanted = 'expected {"_id": …, "text": …}'
            raise ValueError(f"{path}, line {number}: {wanted} ({error})") from None
        queries[key] = text
    return queries


def read_qrels(path: str | os.PathLike) -> dict[str, dict[str, int]]:
    """{query id: {document id: grade}} of a .tsv; ValueError names file and line."""
    qrels: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        try:
            query, document, grade = line.split("\t")
            qrels.setdefault(query, {})[document] = int(grade)
        except ValueError:
            if number > 1:  # the first one is a header
                wanted = "expected query, document, grade with tabs between"
                said = f"{path}, line {number}: {wanted}, got {line!r}"
                raise ValueError(said) from None
    if not qrels:
        raise ValueError(f"{path} holds no judgements")
    return qrels


def _lines(path: str | os.PathLike):
    """(number, line) of those that are not blank."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8: save it as UTF-8") from None
    return [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]


def write_judged(
    folder: str | os.PathLike, queries: Mapping[str, str], qrels: Qrels
) -> None:
    """Write queries.jsonl and qrels/test.tsv into a folder, each whole or not at all.

    ValueError for an id that a line of the table can't hold.
    """
    for key in (name for judged in qrels.items() for name in (judged[0], *judged[1])):
        if set(key) & set("\t\r\n"):
            raise ValueError(f"the id {key!r} holds a tab or a line break: rename it")
    rows = [json.dumps({"_id": key, "text": text}) for key, text in queries.items()]
    _write(Path(folder) / "queries.jsonl", rows)
    table = [
        f"{query}\t{document}\t{grade}"
        for query, judged in qrels.items()
        for document, grade in judged.items()
    ]
    _write(Path(folder) / "qrels" / "test.tsv", [HEADER, *table])


def _write(path: Path, lines: list[str]) -> None:
    with atomic_path(path) as partial:
        partial.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="\n")


def rankings(
    index, queries: Mapping[str, str], k: int = 100
) -> dict[str, dict[str, dict[str, float]]]:
    """What an index finds for queries, ranked by cosine, by words and by the mix of all
    signals: {name: run}, k passages or more for each query.
    """
    found = index.candidates(queries, k)
    alone = ((name, found.run({name: 1})) for name in ("cosine", "words"))
    return {**dict(alone), "mix": found.run(index.weights)}
