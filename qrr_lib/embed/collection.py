"""Read a judged test collection: documents, queries and graded judgements (lesson 01).

The layout is BEIR's (Thakur et al. 2021): `corpus.jsonl` and `queries.jsonl` with one
JSON object a line, and `qrels/SPLIT.tsv` with the columns query, document, grade. Any
`*.tsv` in qrels/ is a split.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from qrr_lib.files import data_dir, say, setting


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
            has = ", ".join(sorted(self.qrels)) or "no judgements at all"
            raise ValueError(
                f"collection {self.name!r} has no split {name!r}; it has {has}"
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
        A malformed line (file and line number are named), an empty or duplicate id.

    Judgements of absent documents or queries are left out, and counted on stderr.
    """
    places = [data_dir() / "course" if name == "course" else Path(name)]
    if root := setting("QRR_COLLECTIONS_DIR"):
        places.append(Path(root) / name)
    for folder in places:
        if (folder / "corpus.jsonl").is_file():
            return _read_beir(folder)
    try:
        import ir_datasets
    except ImportError:
        looked = ", ".join(map(str, places))
        raise FileNotFoundError(
            f"no collection {str(name)!r}: looked for corpus.jsonl in {looked}. Give a "
            "folder in BEIR layout, set QRR_COLLECTIONS_DIR, or `pip install "
            "ir_datasets` to use its catalogue"
        ) from None
    return _read_ir_datasets(str(name), ir_datasets.load(name))


def _read_beir(folder: Path) -> Collection:
    docs, queries, info, qrels = {}, {}, {}, {}
    for key, row in _parsed(folder / "corpus.jsonl", _row, docs):
        docs[key] = Document(row.get("title") or "", row.get("text") or "")
    for key, row in _parsed(folder / "queries.jsonl", _query, queries):
        queries[key] = row.pop("text")  # "" where a collection is vectors alone
        info[key] = row
    for path in sorted((folder / "qrels").glob("*.tsv")):
        rows = _parsed(path, _judgement, header=True)
        qrels[path.stem] = _known(rows, queries, docs, path)
    parts = [judged for split, judged in qrels.items() if split.startswith("test_")]
    if parts and "test" not in qrels:
        qrels["test"] = {qid: grades for part in parts for qid, grades in part.items()}
    return Collection(folder.name, docs, queries, qrels, info)


def read_queries(path: str | os.PathLike) -> dict[str, str]:
    """{query id: text} of a queries.jsonl; ValueError names file, line and field."""
    queries: dict[str, str] = {}
    for key, row in _parsed(path, _question, queries):
        queries[key] = row["text"]
    return queries


def read_qrels(path: str | os.PathLike) -> dict[str, dict[str, int]]:
    """{query id: {document id: grade}} of a .tsv, with or without a header; ValueError
    names file and line.
    """
    qrels: dict[str, dict[str, int]] = {}
    for query, document, grade in _parsed(path, _judgement, header=True):
        qrels.setdefault(query, {})[document] = grade
    if not qrels:
        raise ValueError(f"{path} holds no judgements")
    return qrels


def _parsed(path, parse: Callable, *known, header: bool = False) -> Iterator:
    """`parse(line, *known)` of every line that is not blank; its errors name file and
    line. A first line that cannot be parsed may be a `header`.
    """
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                parsed = parse(line, *known)
            except ValueError as error:
                if header and number == 1:
                    continue
                raise ValueError(f"{path}, line {number}: {error}") from None
            yield parsed


def _row(line: bytes, taken: dict) -> tuple[str, dict]:
    """A JSON object's id, and the rest of it."""
    try:
        row = json.loads(line)
        key = row["_id"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"not a JSON object with an '_id' ({error})") from None
    if not isinstance(key, str) or not key.strip():
        raise ValueError(f"ids must be non-empty strings, this is {key!r}")
    if key in taken:
        raise ValueError(f"the id {key!r} occurs twice; ids must be unique")
    for name in ("title", "text"):
        if not isinstance(row.get(name) or "", str):
            raise ValueError(f"the field {name!r} must be text, not {row[name]!r}")
    return row.pop("_id"), row


def _query(line: bytes, taken: dict) -> tuple[str, dict]:
    key, row = _row(line, taken)
    if row.get("text") is None:
        raise ValueError("the field 'text' is missing: a query has one")
    return key, row


def _question(line: bytes, taken: dict) -> tuple[str, dict]:
    key, row = _query(line, taken)
    if not row["text"].strip():
        raise ValueError("the field 'text' is empty: a question has at least one word")
    return key, row


def _judgement(line: bytes) -> tuple[str, str, int]:
    text = line.decode("utf-8-sig")
    try:
        qid, did, grade = text.rstrip("\r\n").split("\t")
        grade = int(grade)
    except ValueError:
        wanted = "expected query, document, grade with tabs between"
        raise ValueError(f"{wanted}, got {text!r}") from None
    return qid, did, grade


def _known(rows: Iterable, queries: dict, docs: dict, source) -> dict[str, dict]:
    """{query: {document: grade}} of what the collection holds; says what it leaves
    out.
    """
    judged, absent = {}, 0
    for qid, did, grade in rows:
        if qid in queries and did in docs:
            judged.setdefault(qid, {})[did] = grade
        else:
            absent += 1
    if absent:
        say(
            f"{source}: left out {absent} judgements of documents or queries that the "
            "collection does not hold; scores count what is there"
        )
    return judged


def _read_ir_datasets(name: str, dataset) -> Collection:
    docs = {}
    for doc in dataset.docs_iter():
        text = doc.text if hasattr(doc, "text") else doc.default_text()
        docs[doc.doc_id] = Document(getattr(doc, "title", "") or "", text)
    queries = {query.query_id: query.default_text() for query in dataset.queries_iter()}
    judged = ((r.query_id, r.doc_id, r.relevance) for r in dataset.qrels_iter())
    qrels = {"test": _known(judged, queries, docs, name)}
    return Collection(name, docs, queries, qrels)


def check_ids(ids: Iterable[str], known: Iterable[str] = (), done="added") -> None:
    """Raise ValueError if an id is no string or blank, or occurs twice or in `known`;
    the message says that nothing was `done`.
    """
    taken, twice = set(known), []
    for key in ids:
        if not isinstance(key, str) or not key.strip():
            raise ValueError(f"ids must be non-empty strings, not {key!r}")
        if key in taken:
            twice.append(key)
        taken.add(key)
    if twice:
        raise ValueError(f"duplicate ids, nothing was {done}: {', '.join(twice[:5])}")


def ids_and_texts(documents: Collection | Mapping[str, str]):
    """(ids, texts) of a Collection, or of a mapping {id: text}."""
    if isinstance(documents, Collection):
        return list(documents.docs), documents.texts()
    return list(documents), list(documents.values())


def documents_of(documents: Collection | Mapping[str, str]) -> Mapping:
    """{id: Document} of a Collection, or a mapping {id: text} as it is."""
    return documents.docs if isinstance(documents, Collection) else documents
