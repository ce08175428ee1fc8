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
# the cheapest strong rival of reranking; weights: "choice" in data/results/compare.json
PLAIN_MIX = {"cosine": 0.6, "words": 0.4}


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
    """What an index finds for queries, ranked by cosine, by words, by both without
    states, and by the mix of all signals: {name: run}, k passages or more for each
    query.
    """
    found = index.candidates(queries, k)
    weights = {"cosine": {"cosine": 1}, "words": {"words": 1}}
    weights |= {"cosine + words": PLAIN_MIX, "mix": index.weights}
    return {name: found.run(own) for name, own in weights.items()}
