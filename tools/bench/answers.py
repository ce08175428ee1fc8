"""Does reranking change what a language model answers? Its answers, judged.

    # some minutes on one core; writes data/answers/answers.jsonl without labels
    python -m tools.bench.answers --write

    # what a judge reads: neither mode nor score, answers in a drawn order
    python -m tools.bench.answers --sheet

    # with the judge's labels in the file: adds the shares to data/results/rag.json
    python -m tools.bench.answers

Every second test query of the course corpus is answered by the small model twice, from
what cosine packs and from what token states pack. Labels, by the query's passages of
the highest grade: "right" says what they answer; "part" says some of it, or the right
verdict alone (yes, no, a name), whatever follows; "wrong" is the rest.
"""

import argparse
import json

import numpy as np

from qrr_lib import TextEmbedder, load_collection
from qrr_lib.files import atomic_path
from qrr_lib.learn.comparison import SHARED, compare_values
from qrr_lib.learn.splits import query_groups
from qrr_lib.serve.citing import make_citer
from qrr_lib.serve.course_service import course_modes
from qrr_lib.serve.rag import RagPipeline
from qrr_lib.serve.small_model import SmallModel
from tools.bench import write_results
from tools.bench.citations import interval
from tools.bench.rag import BUDGET, RESULTS

ANSWERS = RESULTS.parents[1] / "answers" / "answers.jsonl"
MODES = ("cosine", "late-interaction")
MODEL = "all-mpnet-base-v2"


def written(collection) -> list[dict]:
    """One row for each query and each of its different answers: `modes` gave it."""
    modes, texts, _ = course_modes(MODEL)
    embedder, small = TextEmbedder(MODEL), SmallModel()
    citer = make_citer(embedder, texts)
    passages = {key: doc.text for key, doc in collection.docs.items()}
    rows = []
    for query, question in list(collection.split("test").items())[::2]:
        found: dict[str, dict] = {}
        for name in MODES:
            modes[name].embedder = embedder
            line = RagPipeline(modes[name], passages, citer, small, BUDGET)
            packed = line.passages(question)
            shown = [passage.doc_id for passage in packed]
            same = [row for row in found.values() if row["passages"] == shown]
            answer = same[0]["answer"] if same else small(question, packed)
            row = {"query": query, "modes": [], "passages": shown, "answer": answer}
            found.setdefault(answer, row)["modes"].append(name)
        rows += found.values()
        print(len(rows), query, flush=True)
    return rows


def sheet(collection, rows: list[dict]) -> str:
    """What the judge reads: question, best passages, answers in a drawn order."""
    lines, rng = [], np.random.default_rng(0)
    grades, questions = collection.qrels["test"], collection.split("test")
    for i in rng.permutation(len(rows)):
        query = rows[i]["query"]
        best = max(grades[query].values())
        lines.append(f"#{i} {questions[query]}")
        for key, grade in grades[query].items():
            if grade == best:
                lines.append(f"  ({grade}) {collection.docs[key].text}")
        lines.append(f"  => {rows[i]['answer']}\n")
    return "\n".join(lines)


def judged(rows: list[dict], qrels) -> dict:
    """Share of queries with a right, or at least partly right, answer, by mode, with
    the difference of the modes; queries that share documents are drawn together.
    """
    queries = list(dict.fromkeys(row["query"] for row in rows))
    label = {(row["query"], m): row["label"] for row in rows for m in row["modes"]}
    groups = query_groups(qrels, SHARED)
    own = np.array([groups[query] for query in queries])
    packs = {(row["query"], m): row["passages"] for row in rows for m in row["modes"]}
    table: dict = {"queries": len(queries)}
    for what, good in {
        "right": ("right",),
        "right or in part": ("right", "part"),
    }.items():
        hits = {
            mode: {q: float(label[q, mode] in good) for q in queries} for mode in MODES
        }
        table[what] = {
            mode: interval(np.array(list(one.values())), own)
            for mode, one in hits.items()
        }
        table[what]["difference"] = str(
            compare_values(hits[MODES[1]], hits[MODES[0]], clusters=groups)
        )
    differ = [packs[q, MODES[0]] != packs[q, MODES[1]] for q in queries]
    table["queries with other passages"] = sum(differ)
    table["queries with another answer"] = len(rows) - len(queries)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="let the model answer")
    parser.add_argument("--sheet", action="store_true", help="print what is judged")
    args = parser.parse_args()
    collection = load_collection("course")
    if args.write:
        lines = [json.dumps(r, ensure_ascii=False) for r in written(collection)]
        ANSWERS.parent.mkdir(exist_ok=True)
        with atomic_path(ANSWERS) as partial:
            partial.write_text("\n".join(lines) + "\n", "utf-8", newline="\n")
        return None
    rows = [json.loads(r) for r in ANSWERS.read_text(encoding="utf-8").splitlines()]
    if args.sheet:
        return print(sheet(collection, rows))
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    results["answers of the small model"] = judged(rows, collection.qrels["test"])
    write_results(RESULTS, results)
    return None


if __name__ == "__main__":
    main()
