"""Read a judged test collection: documents, queries and graded judgements (lesson 01).

The layout is BEIR's (Thakur et al. 2021): `corpus.jsonl` and `queries.jsonl` with one
JSON object a line, and `qrels/SPLIT.tsv` with the columns query, document, grade. Any
`*.tsv` in qrels/ is a split.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from qrr_lib.checks import check_ids, checked_texts
from qrr_lib.embed.qrels import read_qrels
from qrr_lib.embed.rows import TABLES, fields_of, kind_of, read_rows
from qrr_lib.files import data_dir, folder, path_of, say


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
    places = [data_dir() / "course" if name == "course" else path_of(name)]
    if root := folder("QRR_COLLECTIONS_DIR"):
        places.append(root / name)
    for place in places:
        if _table(place, "corpus").is_file():
            return _read_beir(place)
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


def _table(place: Path, name: str) -> Path:
    """The table of this name in a folder, of whatever kind; NAME.jsonl if none."""
    names = [f"{name}{kind}{packed}" for kind in TABLES for packed in ("", ".gz")]
    found = (place / one for one in names if (place / one).is_file())
    return next(found, place / f"{name}.jsonl")


def _read_beir(place: Path) -> Collection:
    queries, info, qrels = {}, {}, {}
    corpus = _table(place, "corpus")
    docs = {key: Document(*texts) for key, *texts, _ in _documents(corpus)}
    if not docs:
        raise ValueError(f"{corpus} holds no documents")
    for key, title, text, row in _documents(_table(place, "queries"), queries=True):
        queries[key] = text  # "" where a collection is vectors alone
        info[key] = ({"title": title} if title else {}) | row
    for path in sorted((place / "qrels").glob("[!.]*")):
        if kind_of(path) in TABLES:
            split = Path(path.name.removesuffix(".gz")).stem
            qrels[split] = _known(read_qrels(path), queries, docs, path)
    parts = [judged for split, judged in qrels.items() if split.startswith("test_")]
    if parts and "test" not in qrels:
        qrels["test"] = {qid: grades for part in parts for qid, grades in part.items()}
    return Collection(place.name, docs, queries, qrels, info)


def read_queries(path: str | os.PathLike) -> dict[str, str]:
    """{query id: text} of a queries.jsonl; ValueError names file, line and field."""
    queries = {}
    for key, _, text, _ in _documents(path_of(path), queries=True):
        if not text.strip():
            raise ValueError(f"{path}: the field 'text' of query {key!r} is empty")
        queries[key] = text
    return queries


def _documents(
    path: Path, queries: bool = False
) -> Iterator[tuple[str, str, str, dict]]:
    """(id, title, text, other fields) of every row. ValueError names file, line and
    field; an id must not occur twice, and queries must have a text.
    """
    taken: set[str] = set()
    for where, row in read_rows(path):
        try:
            found = fields_of(row)
            if queries and row.get("text") is None:
                raise ValueError("the field 'text' is missing: a query has one")
            if found[0] in taken:
                raise ValueError(f"the id {found[0]!r} occurs twice: ids are unique")
        except ValueError as error:
            raise ValueError(f"{path}, {where}: {error}") from None
        taken.add(found[0])
        yield found


def _known(qrels: dict, queries: dict, docs: dict, source) -> dict[str, dict]:
    """Judgements of what the collection holds; says how many it leaves out."""
    known = {}
    for qid, judged in qrels.items():
        kept = {did: grade for did, grade in judged.items() if did in docs}
        if kept and qid in queries:
            known[qid] = kept
    absent = sum(map(len, qrels.values())) - sum(map(len, known.values()))
    if absent:
        say(
            f"{source}: left out {absent} judgements of documents or queries that the "
            "collection does not hold; scores count what is there"
        )
    return known


def _read_ir_datasets(name: str, dataset) -> Collection:
    docs = {}
    for doc in dataset.docs_iter():
        text = doc.text if hasattr(doc, "text") else doc.default_text()
        docs[doc.doc_id] = Document(getattr(doc, "title", "") or "", text)
    queries = {query.query_id: query.default_text() for query in dataset.queries_iter()}
    qrels = {"test": _known(dataset.qrels_dict(), queries, docs, name)}
    return Collection(name, docs, queries, qrels)


def checked_documents(
    documents: Collection | Mapping[str, str], skip_empty: bool = False
) -> tuple[list[str], list[str], Mapping]:
    """(ids, texts, {id: what is shown of it}) of a Collection, or of a mapping {id:
    text}; ValueError names the document that has no text, or (`skip_empty`) it is left
    out, and listed on stderr.
    """
    shown = documents
    if isinstance(documents, Collection):
        shown, documents = documents.docs, dict(zip(documents.docs, documents.texts()))
    if not isinstance(documents, Mapping):
        raise ValueError(
            "documents must be a Collection or {id: text}, not "
            f"{type(documents).__name__}"
        )
    empty = {k for k, t in documents.items() if isinstance(t, str) and not t.strip()}
    if skip_empty and empty:
        named = ", ".join(repr(key) for key in documents if key in empty)
        say(f"left out {len(empty)} documents without text: {named}")
        documents = {key: documents[key] for key in documents if key not in empty}
    ids = check_ids(list(documents))
    return ids, checked_texts(documents.values(), ids), shown
