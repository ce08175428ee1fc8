"""Read a judged test collection: documents, queries and graded judgements (lesson 01).

The layout is BEIR's (Thakur et al. 2021): `corpus.jsonl` and `queries.jsonl` with one
JSON object a line, and `qrels/SPLIT.tsv` with the columns query, document, grade. Any
`*.tsv` in qrels/ is a split.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from qrr_lib.files import data_dir


class Document(NamedTuple):
    """One document; `.full` is what gets embedded: title and text in one string."""

    title: str
    text: str

    @property
    def full(self) -> str:
        """Title, a space, text."""
        return f"{self.title} {self.text}".strip()


@dataclass(frozen=True)
class Collection:
    """A test collection.

    Attributes
    ----------
    docs : {document id: Document}, in the order of the file
    queries : {query id: text}
    qrels : {split: {query id: {document id: grade}}}; a document that is not listed has
    grade 0
    query_info : {query id: dict} with whatever else the query file says (kind, traits)
    """

    name: str
    docs: dict[str, Document]
    queries: dict[str, str]
    qrels: dict[str, dict[str, dict[str, int]]]
    query_info: dict[str, dict] = field(default_factory=dict, repr=False)

    def split(self, name: str) -> dict[str, str]:
        """Return {query id: text} of the queries that a split judges; `test` is the
        union of `test_*` if it has no file.
        """
        if name not in self.qrels:
            raise ValueError(
                f"collection {self.name!r} has no split {name!r}; it has "
                f"{', '.join(sorted(self.qrels))}"
            )
        return {qid: self.queries[qid] for qid in self.qrels[name]}

    def texts(self) -> list[str]:
        """Full text of every document, in the order of `docs`."""
        return [doc.full for doc in self.docs.values()]


def load_collection(name: str | os.PathLike = "course") -> Collection:
    """Load a collection by name or path.

    Order: `"course"` from data/; a folder; a name inside `QRR_COLLECTIONS_DIR`; else a
    dataset id of `ir_datasets`, the field's catalogue, when that package is installed.

    Raises
    ------
    FileNotFoundError
        Nothing has that name; the message says where it looked.
    ValueError
        A malformed line (file and line number are named), an empty or duplicate id, or
        a judgement of an absent query or document.
    """
    places = [data_dir() / "course"] if name == "course" else [Path(name)]
    if os.environ.get("QRR_COLLECTIONS_DIR"):
        places.append(Path(os.environ["QRR_COLLECTIONS_DIR"]) / name)
    for folder in places:
        if (folder / "corpus.jsonl").is_file():
            return _read_beir(folder)
    try:
        import ir_datasets
    except ImportError:
        looked = ", ".join(str(p) for p in places)
        raise FileNotFoundError(
            f"no collection {str(name)!r}: looked for corpus.jsonl in {looked}. Give a "
            "folder in BEIR layout, set "
            "QRR_COLLECTIONS_DIR, or `pip install ir_datasets` to use its catalogue"
        ) from None
    return _read_ir_datasets(str(name), ir_datasets)


def _json_lines(path: Path):
    seen = set()
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                key = row["_id"]
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}, line {number}: not a JSON object with an '_id' ({error})"
                ) from None
            if not isinstance(key, str) or not key.strip():
                raise ValueError(
                    f"{path}, line {number}: ids must be non-empty strings, this is "
                    f"{key!r}"
                )
            if key in seen:
                raise ValueError(
                    f"{path}, line {number}: the id {key!r} occurs twice; ids must be "
                    "unique"
                )
            seen.add(key)
            yield key, row


def _read_beir(folder: Path) -> Collection:
    docs = {
        key: Document(row.get("title", ""), row.get("text", ""))
        for key, row in _json_lines(folder / "corpus.jsonl")
    }
    queries, info = {}, {}
    for key, row in _json_lines(folder / "queries.jsonl"):
        queries[key] = row["text"]
        info[key] = {k: v for k, v in row.items() if k not in ("_id", "text")}
    qrels: dict = {}
    for path in sorted((folder / "qrels").glob("*.tsv")):
        split = qrels.setdefault(path.stem, {})
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if number == 1 or not line.strip():  # first line: column names
                    continue
                try:
                    qid, did, grade = line.rstrip("\n").split("\t")
                    grade = int(grade)
                except ValueError:
                    raise ValueError(
                        f"{path}, line {number}: expected query, document, grade with "
                        f"tabs between, got {line!r}"
                    ) from None
                if qid not in queries or did not in docs:
                    raise ValueError(
                        f"{path}, line {number}: judges {qid!r}, {did!r}, which the "
                        "collection does not hold"
                    )
                split.setdefault(qid, {})[did] = grade
    parts = [qrels[s] for s in qrels if s.startswith("test_")]
    if parts and "test" not in qrels:
        qrels["test"] = {qid: judged for part in parts for qid, judged in part.items()}
    return Collection(folder.name, docs, queries, qrels, info)


def _read_ir_datasets(name: str, ir_datasets) -> Collection:
    dataset = ir_datasets.load(name)
    docs = {
        d.doc_id: Document(
            getattr(d, "title", "") or "",
            d.default_text() if not hasattr(d, "text") else d.text,
        )
        for d in dataset.docs_iter()
    }
    queries = {q.query_id: q.default_text() for q in dataset.queries_iter()}
    qrels: dict = {}
    for row in dataset.qrels_iter():
        qrels.setdefault(row.query_id, {})[row.doc_id] = row.relevance
    return Collection(name, docs, queries, {"test": qrels})


def check_ids(
    ids: Iterable[str], known: Iterable[str] = (), done: str = "added"
) -> None:
    """Raise ValueError if an id is no string or blank, or occurs twice or in `known`;
    the message says that nothing was `done`.
    """
    taken, twice = set(known), []
    for key in ids:
        if not isinstance(key, str) or not key.strip():
            raise ValueError(f"ids must be non-empty strings, not {key!r}")
        twice += [key] if key in taken else []
        taken.add(key)
    if twice:
        raise ValueError(f"duplicate ids, nothing was {done}: {', '.join(twice[:5])}")
