"""Where BM25, MiniLM and mpnet go wrong on the course corpus: nDCG@10 by split, kind and trait of query.

    python -m tests.benchmarks.bench_corpus        # writes data/results/corpus.json and the table in data/README.md
"""
from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np

from qrr_lib import TextEmbedder, load_collection, per_query

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("BM25", "all-MiniLM-L6-v2", "all-mpnet-base-v2")


def scores(collection, queries: list[str]) -> dict[str, np.ndarray]:
    """{method: (queries, documents) scores}."""
    import bm25s

    index = bm25s.BM25()
    index.index(bm25s.tokenize(collection.texts(), stopwords="en", show_progress=False), show_progress=False)
    words = bm25s.tokenize(queries, stopwords="en", show_progress=False, return_ids=False)
    found = {"BM25": np.stack([index.get_scores(w) for w in words])}
    for name in METHODS[1:]:
        embedder = TextEmbedder(name)
        found[name] = embedder.encode(queries) @ embedder.encode(collection.texts()).T
    return found


def main() -> None:
    """Score every split; group the test queries by kind and by trait."""
    collection = load_collection("course")
    ids, table, unjudged = list(collection.docs), {}, {}
    for split in ("train", "dev", "test_new", "test_known", "test"):
        queries, qrels = collection.split(split), collection.qrels[split]
        values = {}
        for method, matrix in scores(collection, list(queries.values())).items():
            run = {q: {ids[j]: float(row[j]) for j in np.argsort(-row, kind="stable")[:100]} for q, row in zip(queries, matrix)}
            values[method] = per_query(run, qrels, ["nDCG@10"])["nDCG@10"]
            unjudged[f"{split} {method}"] = float(np.mean([d not in qrels[q] for q, found in run.items() for d in list(found)[:10]]))
        groups = {f"split: {split}": list(queries)}
        if split == "test":
            info = collection.query_info
            for kind in sorted({i["kind"] for i in info.values()}):
                groups[f"kind: {kind}"] = [q for q in queries if info[q]["kind"] == kind]
            for trait in sorted({t for i in info.values() for t in i["traits"]}):
                groups[f"trait: {trait}"] = [q for q in queries if trait in info[q]["traits"]]
        for name, members in groups.items():
            table[name] = {"queries": len(members), **{m: round(float(np.mean([values[m][q] for q in members])), 3) for m in METHODS}}
    results = {"how": "python -m tests.benchmarks.bench_corpus", "measure": "nDCG@10, linear gain", "table": table,
               "unjudged@10, largest": max(unjudged.values()),
               "versions": {p: version(p) for p in ("torch", "sentence-transformers", "bm25s", "ir-measures")}}
    (ROOT / "data" / "results" / "corpus.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8", newline="\n")
    lines = ["| test queries | number | BM25 | all-MiniLM-L6-v2 | all-mpnet-base-v2 |", "|---|---|---|---|---|"]
    for name, row in table.items():
        if not name.startswith("split: ") or "test" in name:
            lines.append(f"| {name} | {row['queries']} | " + " | ".join(f"{row[m]:.3f}" for m in METHODS) + " |")
    readme = ROOT / "data" / "README.md"
    text = re.sub(r"(<!-- measured -->\n).*?(<!-- /measured -->)", lambda m: m[1] + "\n".join(lines) + "\n" + m[2],
                  readme.read_text(encoding="utf-8"), flags=re.DOTALL)
    readme.write_text(text, encoding="utf-8", newline="\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
