"""Two kinds of collection that are not at hand, made from what is: code to be found by
a sentence (functions of SciPy by the first sentence of their docstrings, which is taken
out of them), and short entries (SciFact's titles without their abstracts).

They stand in for such collections when weights are chosen (tools.bench.compare): each
is one split, "train".
"""

import ast
import importlib
import inspect
import json
import re
import textwrap
import warnings
from pathlib import Path

from qrr_lib import load_collection

PARTS = (
    "cluster fft integrate interpolate io linalg ndimage optimize signal sparse "
    "spatial special stats"
).split()


def write(folder: Path, docs: dict, queries: dict, qrels: dict) -> Path:
    """A collection in BEIR's layout: {id: (title, text)}, {id: text}, judgements."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    corpus = [{"_id": k, "title": t, "text": x} for k, (t, x) in docs.items()]
    asked = [{"_id": k, "text": x} for k, x in queries.items()]
    for name, rows in (("corpus", corpus), ("queries", asked)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    lines = [f"{q}\t{d}\t{g}" for q, judged in qrels.items() for d, g in judged.items()]
    table = "\n".join(["query\tdocument\tgrade", *lines])
    (folder / "qrels" / "train.tsv").write_text(table, encoding="utf-8")
    return folder


def titles(root: Path) -> Path:
    """SciFact's training claims against titles alone."""
    c = load_collection("scifact")
    qrels = c.qrels["train"]
    docs = {key: (doc.title, "") for key, doc in c.docs.items()}
    return write(root / "titles", docs, {q: c.queries[q] for q in qrels}, qrels)


def code(root: Path) -> Path:
    """SciPy's public functions, their docstrings taken out, by first sentences."""
    found = {}
    for part in PARTS:
        module = importlib.import_module(f"scipy.{part}")
        for name in sorted(module.__all__):
            pair = _without_docstring(getattr(module, name, None))
            if pair:
                found[f"scipy.{part}.{name}"] = pair
    docs = {key: ("", text) for key, (_, text) in found.items()}
    queries = {key: summary for key, (summary, _) in found.items()}
    return write(root / "code", docs, queries, {key: {key: 1} for key in found})


def _without_docstring(function) -> tuple[str, str] | None:
    """(first sentence of the docstring, the code without it), if there is enough of
    both and it is written in Python.
    """
    if not inspect.isfunction(function) or not function.__doc__:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, SyntaxError, TypeError):  # compiled, or made at run time
        return None
    first = re.split(r"\n\s*\n", inspect.getdoc(function))[0]
    summary = re.sub(r"[`*]", "", first.replace("\n", " ")).strip()
    if len(summary.split()) < 4 or "deprecated" in summary.lower():
        return None
    if ast.get_docstring(node):
        node.body = node.body[1:] or [ast.Pass()]
    node.decorator_list = []
    text = ast.unparse(node)
    return (summary, text) if len(text.split()) >= 15 else None
