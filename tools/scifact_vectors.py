"""Write data/scifact/: ids, judgements and float16 embeddings of SciFact, none of its
text.

    python -m tools.scifact_vectors FOLDER

FOLDER holds SciFact in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/*.tsv. The
same texts and weights give the same bytes, up to rounding on another processor.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from qrr_lib.embed.models import MODELS

MODEL = "all-MiniLM-L6-v2"


def write_vectors(folder: Path, collection, docs, queries, model: str = MODEL) -> None:
    """Write what `load_vectors` reads: documents and queries without text, judgements,
    and the vectors (N, D) and (Q, D), rounded to float16.
    """
    from safetensors.numpy import save_file

    from qrr_lib.files import atomic_path
    from qrr_lib.rank.judged import vectors_digest

    rows = {"docs": docs.astype("float16"), "queries": queries.astype("float16")}
    for name, lines in listed(collection):
        with atomic_path(folder / name) as partial:
            partial.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="\n")
    # one entry: safetensors writes several in an order that changes
    about = {"sha256": vectors_digest(collection, **rows)}
    with atomic_path(folder / f"{model}.safetensors") as partial:
        save_file(rows, partial, about)


def listed(collection) -> Iterator[tuple[str, Iterable[str]]]:
    """(name, lines) of every text file."""
    yield "corpus.jsonl", (json.dumps({"_id": key}) for key in collection.docs)
    queries = ({"_id": key, "text": ""} for key in collection.queries)
    yield "queries.jsonl", map(json.dumps, queries)
    for split, qrels in collection.qrels.items():
        lines = ["query-id\tcorpus-id\tscore"]
        for qid, judged in qrels.items():
            lines += [f"{qid}\t{doc}\t{grade}" for doc, grade in judged.items()]
        yield f"qrels/{split}.tsv", lines


def main(arguments: list[str] | None = None) -> None:
    """Embed SciFact's abstracts and claims, and write what may be shipped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", choices=MODELS, default=MODEL)
    parser.add_argument("--out", type=Path, help="default: data/scifact")
    asked = parser.parse_args(arguments)

    from qrr_lib import TextEmbedder, load_collection
    from qrr_lib.files import data_dir

    collection = load_collection(asked.folder)
    embedder = TextEmbedder(asked.model)
    docs = embedder.encode(collection.texts(), progress=True)
    queries = embedder.encode(list(collection.queries.values()), progress=True)
    out = asked.out or data_dir() / "scifact"
    write_vectors(out, collection, docs, queries, asked.model)
    print(f"{out}: {len(docs)} documents, {len(queries)} queries")


if __name__ == "__main__":
    main()
