"""Where BM25, MiniLM and mpnet go wrong on the course corpus: nDCG@10 by split, kind
and trait of query.

python -m tools.bench.corpus        # writes data/results/corpus.json and the table in
                                    data/README.md
"""

import json
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np

from qrr_lib import TextEmbedder, load_collection, per_query
from qrr_lib.rank import bm25_run, embed_collection, judged_candidates, unjudged_at

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("BM25", "all-MiniLM-L6-v2", "all-mpnet-base-v2")


def first_stages(collection, qrels) -> dict[str, dict]:
    """{method: run of the best 100}."""
    runs = {"BM25": bm25_run(collection, {q: collection.queries[q] for q in qrels})}
    for name in METHODS[1:]:
        vectors = embed_collection(TextEmbedder(name), collection)
        runs[name] = judged_candidates(vectors, collection, qrels).run(1.0)
    return runs


def main() -> None:
    """Score every split; group the test queries by kind and by trait."""
    collection = load_collection("course")
    table, unjudged = {}, {}
    for split in ("train", "dev", "test_new", "test_known", "test"):
        queries, qrels = collection.split(split), collection.qrels[split]
        values = {}
        for method, run in first_stages(collection, qrels).items():
            values[method] = per_query(run, qrels, ["nDCG@10"])["nDCG@10"]
            unjudged[f"{split} {method}"] = unjudged_at(run, qrels)
        groups = {f"split: {split}": list(queries)}
        if split == "test":
            info = collection.query_info
            for kind in sorted({i["kind"] for i in info.values()}):
                groups[f"kind: {kind}"] = [
                    q for q in queries if info[q]["kind"] == kind
                ]
            for trait in sorted({t for i in info.values() for t in i["traits"]}):
                groups[f"trait: {trait}"] = [
                    q for q in queries if trait in info[q]["traits"]
                ]
        for name, members in groups.items():
            table[name] = {
                "queries": len(members),
                **{
                    m: round(float(np.mean([values[m][q] for q in members])), 3)
                    for m in METHODS
                },
            }
    results = {
        "how": "python -m tools.bench.corpus",
        "measure": "nDCG@10, linear gain",
        "table": table,
        "unjudged@10, largest": max(unjudged.values()),
        "versions": {
            p: version(p)
            for p in ("torch", "sentence-transformers", "bm25s", "ir-measures")
        },
    }
    (ROOT / "data" / "results" / "corpus.json").write_text(
        json.dumps(results, indent=1) + "\n", encoding="utf-8", newline="\n"
    )
    lines = [
        "| test queries | number | BM25 | all-MiniLM-L6-v2 | all-mpnet-base-v2 |",
        "|---|---|---|---|---|",
    ]
    for name, row in table.items():
        if not name.startswith("split: ") or "test" in name:
            lines.append(
                f"| {name} | {row['queries']} | "
                + " | ".join(f"{row[m]:.3f}" for m in METHODS)
                + " |"
            )
    readme = ROOT / "data" / "README.md"
    text = re.sub(
        r"(<!-- measured -->\n).*?(<!-- /measured -->)",
        lambda m: m[1] + "\n".join(lines) + "\n" + m[2],
        readme.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    readme.write_text(text, encoding="utf-8", newline="\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
