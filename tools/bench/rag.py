"""What reranking does for an answer: what reaches the language model, and whether the
citations point to the right passages.

    # some minutes on one core; writes data/results/rag.json
    python -m tools.bench.rag

Definitions, over the course corpus's test queries (grades 0 to 3; a passage with grade
2 or 3 answers):
  context recall       share of queries whose packed context holds at least one passage
                       that answers
  full-answer recall   the same for grade 3
  right                share of extractive answers (the sentence of the context that is
                       most like the question) that stand in a passage that answers
"""

import argparse
import json
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from qrr_lib import TextEmbedder, load_collection
from qrr_lib.learn.comparison import SHARED, compare_values
from qrr_lib.learn.splits import query_groups
from qrr_lib.serve.citing import SUPPORT, make_citer, support
from qrr_lib.serve.course_service import course_modes
from qrr_lib.serve.generators import Extractive
from qrr_lib.serve.passages import split_sentences
from qrr_lib.serve.rag import RagPipeline
from qrr_lib.serve.small_model import SmallModel

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results" / "rag.json"
BUDGET = 300


def calibration(citer, collection, vectors, sentences: int = 60) -> dict:
    """How well the threshold tells a passage that holds a sentence from its three
    nearest neighbours, which do not.
    """
    ids, rng = list(collection.docs), np.random.default_rng(0)
    own, other = {"verbatim": [], "reworded": []}, {"verbatim": [], "reworded": []}
    for i in rng.choice(len(ids), sentences, replace=False):
        every = split_sentences(collection.docs[ids[i]].text)
        words = every[rng.integers(len(every))].split()
        near = [j for j in np.argsort(-vectors @ vectors[i]) if j != i][:3]
        scores = support(
            citer,
            [" ".join(words), " ".join(w for k, w in enumerate(words) if k % 3 != 2)],
            [collection.docs[ids[j]].text for j in (i, *near)],
        )
        for kind, row in zip(own, scores):
            own[kind].append(float(row[0]))
            other[kind].append(float(row[1:].max()))
    table = {
        kind: {
            "own passage accepted": float(np.mean(np.array(own[kind]) >= SUPPORT)),
            "neighbour accepted when the own passage is absent": float(
                np.mean(np.array(other[kind]) >= SUPPORT)
            ),
            "own passage scores above the neighbours": float(
                np.mean(np.array(own[kind]) > np.array(other[kind]))
            ),
            "at other thresholds, own and neighbour": {
                str(t): [
                    float(np.mean(np.array(scores) >= t))
                    for scores in (own[kind], other[kind])
                ]
                for t in (0.75, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.9, 0.95)
            },
        }
        for kind in own
    }
    return {
        "sentences": sentences,
        "threshold": SUPPORT,
        "reworded": "every third word left out",
        "rates": table,
        "rule": "the smallest of these thresholds at which, with either model, at most "
        "15 % get a neighbour cited when their own passage "
        "is absent",
    }


def remember(embedder) -> None:
    """Let an embedder pay for each text's tokens once: the modes share most of their
    passages.
    """
    seen, compute = {}, embedder.encode_with_tokens

    def encode_with_tokens(texts, *args, **options):
        missing = [text for text in dict.fromkeys(texts) if text not in seen]
        seen.update(zip(missing, compute(missing, *args, **options)))
        return [seen[text] for text in texts]

    embedder.encode_with_tokens = encode_with_tokens


def contexts(pipeline, queries, qrels) -> tuple[dict, dict, dict]:
    """Packed passages per query, and per query whether one of them answers, and answers
    in full.
    """
    packed = {q: pipeline.passages(text) for q, text in queries.items()}
    best = {
        q: max((qrels[q].get(p.doc_id, 0) for p in packed[q]), default=0)
        for q in queries
    }
    return (
        packed,
        {q: float(g >= 2) for q, g in best.items()},
        {q: float(g == 3) for q, g in best.items()},
    )


def cited(pipeline, queries, qrels) -> tuple[dict, dict]:
    """Share of answers whose sentence stands in a passage that answers, and the same
    per query; the generator is extractive, one sentence an answer.
    """
    answers = {q: pipeline.answer(text) for q, text in queries.items()}
    right = {
        q: float(any(qrels[q].get(s.doc_id, 0) >= 2 for s in answer.sentences))
        for q, answer in answers.items()
    }
    first = next(iter(answers.values()))
    row = {
        "queries": len(queries),
        "right": round(float(np.mean(list(right.values()))), 3),
        "example": {"question": first.question, "answer": str(first)},
    }
    return row, right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models", nargs="+", default=["all-MiniLM-L6-v2", "all-mpnet-base-v2"]
    )
    parser.add_argument(
        "--extract", type=int, default=140, help="queries with extractive answers"
    )
    args = parser.parse_args()
    collection = load_collection("course")
    queries, qrels = collection.split("test"), collection.qrels["test"]
    results = (
        json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    )
    results |= {
        "how": "python -m tools.bench.rag",
        "definitions": __doc__.split("\n\n", 2)[2],
        "budget in tokens": BUDGET,
        "date": time.strftime("%Y-%m-%d"),
        "versions": {
            p: version(p) for p in ("torch", "transformers", "sentence-transformers")
        },
    }
    results["models"] = {}
    small = SmallModel(max_new_tokens=48)

    def save():
        RESULTS.write_text(
            json.dumps(results, indent=1, ensure_ascii=False) + "\n",
            encoding="utf-8",
            newline="\n",
        )

    def every(n):
        """A fixed sample of n queries, spread evenly."""
        step = max(1, len(queries) // n)
        return dict(list(queries.items())[::step][:n])

    for model in args.models:
        modes, texts, _ = course_modes(model)
        embedder = TextEmbedder(model)  # it knows the embeddings of these queries
        remember(embedder)
        for mode in modes.values():
            mode.embedder = embedder
        citer = make_citer(embedder, texts)
        passages = {key: doc.text for key, doc in collection.docs.items()}
        table = results["models"][model] = {
            "calibration": calibration(citer, collection, modes["cosine"].vectors),
            "modes": {},
        }
        hit, groups = {}, query_groups(qrels, SHARED)
        for name, mode in modes.items():
            pipeline = RagPipeline(mode, passages, citer, small, BUDGET)
            packed, hit[name], full = contexts(pipeline, queries, qrels)
            table["modes"][name] = {
                "queries": len(queries),
                "passages in a context": round(
                    float(np.mean([len(p) for p in packed.values()])), 2
                ),
                "context recall": round(float(np.mean(list(hit[name].values()))), 3),
                "full-answer recall": round(float(np.mean(list(full.values()))), 3),
            }
            print(model, name, table["modes"][name], flush=True)
        for name in modes:
            if name != "cosine":
                table["modes"][name]["context recall less cosine"] = str(
                    compare_values(hit[name], hit["cosine"], clusters=groups)
                )
        save()
        asked, right = every(args.extract), {}
        for name, mode in modes.items():
            pipeline = RagPipeline(mode, passages, citer, small, BUDGET)
            pipeline.generator = Extractive(citer, sentences=1)
            row, right[name] = cited(pipeline, asked, qrels)
            table["modes"][name]["extractive, one sentence"] = row
            print(model, name, row, flush=True)
        for name in modes:
            if name != "cosine":
                table["modes"][name]["right less cosine"] = str(
                    compare_values(right[name], right["cosine"], clusters=groups)
                )
        save()


if __name__ == "__main__":
    main()
