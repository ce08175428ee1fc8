"""How well the citation check tells a supported sentence from a contradicted one, and
whether checks of numbers and negations help.

    # about two minutes on one core; writes data/results/citations.json
    python -m tools.bench.citations

Pairs of data/citations/pairs.jsonl (its data sheet is in data/README.md): the part
"choose" chooses a threshold, the part "measure" reports. Turned sentences are made here
from the corpus's own: a negation or a number is changed, so that the passage
contradicts them. "agreement" is the share of pairs that a rule cites where the judge
says supported, and leaves where not; "never" is the rule that cites nothing.

Intervals: 95 %, percentile bootstrap over the queries that sentences were written for
(over sentences where they are made here); exact where all are alike.
"""

import argparse
import json
import re
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from qrr_lib import TextEmbedder, load_collection
from qrr_lib.serve.citing import SUPPORT, best_sentences, make_citer, surface_conflict
from qrr_lib.serve.passages import split_sentences

ROOT = Path(__file__).resolve().parents[2]
PAIRS = ROOT / "data" / "citations" / "pairs.jsonl"
RESULTS = ROOT / "data" / "results" / "citations.json"
LABELS = ("supported", "contradicted", "not stated")
VERB = re.compile(r"\b(is|are|was|were|can|may|must|will)\b(?! (?:not|no)\b)")
NUMBER = re.compile(r"\b(two|three|four|ten|hundred|half|\d+)\b")
OTHER = {"two": "five", "three": "seven", "four": "nine", "ten": "six"}


def interval(hits: np.ndarray, groups: np.ndarray, resamples: int = 2000) -> dict:
    """Share of hits with its interval; rows of one group are drawn together."""
    rng, (names, place) = np.random.default_rng(0), np.unique(groups, return_inverse=1)
    sums = np.bincount(place, hits, len(names))
    sizes = np.bincount(place, minlength=len(names))
    drawn = rng.integers(len(names), size=(resamples, len(names)))
    shares = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.percentile(shares, [2.5, 97.5])
    if low == high in (0, 1):  # all alike: exact bound of a binomial, groups as trials
        edge = 0.025 ** (1 / len(names))
        low, high = (edge, 1.0) if low == 1 else (0.0, 1 - edge)
    found = {"share": float(hits.mean()), "low": float(low), "high": float(high)}
    return {k: round(v, 3) for k, v in found.items()} | {"number": len(hits)}


def turned(collection, number: int = 60) -> dict[str, list[tuple[str, str]]]:
    """{"negated", "number changed"}: (turned sentence, its passage) of the corpus."""
    made: dict[str, list] = {"negated": [], "number changed": []}
    rng = np.random.default_rng(0)
    for i in rng.permutation(len(collection.docs)):
        text = list(collection.docs.values())[i].text
        for sentence in split_sentences(text)[1:2]:
            kinds = {
                "negated": VERB.sub(r"\1 not", sentence, count=1),
                "number changed": NUMBER.sub(changed, sentence, count=1),
            }
            for kind, new in kinds.items():
                if new != sentence and len(made[kind]) < number:
                    made[kind].append((new, text))
    return made


def changed(match: re.Match) -> str:
    """Another number in its place."""
    word = match[1]
    return str(int(word) + 7) if word.isdigit() else OTHER.get(word, "a third")


def chosen(scores: np.ndarray, right: np.ndarray) -> float:
    """The threshold with the best mean of both rates: supported sentences cited,
    others not.
    """
    steps = np.unique(scores)
    rates = [((scores[right] >= t).mean() + (scores[~right] < t).mean()) for t in steps]
    return float(steps[int(np.argmax(rates))])


def measured(pairs: list[dict], texts: dict[str, str], citer) -> dict:
    """What is cited and what is flagged, by label, at both thresholds."""
    found = best_sentences(
        citer, [p["sentence"] for p in pairs], [texts[p["passage"]] for p in pairs]
    )
    scores = np.array([score for score, _ in found])
    flags = np.array(
        [
            surface_conflict(p["sentence"], source) is not None
            for p, (_, source) in zip(pairs, found)
        ]
    )
    label = np.array([p["label"] for p in pairs])
    part = np.array([p["part"] for p in pairs])
    query = np.array([p["query"] for p in pairs])
    choose, measure = part == "choose", part == "measure"
    best = chosen(scores[choose], label[choose] == "supported")
    rules = {
        "never": np.zeros(len(pairs), dtype=bool),
        f"cited at {SUPPORT}": scores >= SUPPORT,
        f"cited at {SUPPORT}, unless flagged": (scores >= SUPPORT) & ~flags,
        "cited at the chosen threshold": scores >= best,
        "cited at the chosen threshold, unless flagged": (scores >= best) & ~flags,
        "flagged by numbers and negations": flags,
    }
    table = {"threshold chosen": round(best, 3), "pairs": len(pairs)}
    for name in LABELS:
        rows = measure & (label == name)
        table[name] = {
            rule: interval(said[rows], query[rows])
            for rule, said in rules.items()
            if rule != "never"
        }
        table[name]["mean support"] = round(float(scores[rows].mean()), 3)
    table["agreement"] = {
        rule: interval((said == (label == "supported"))[measure], query[measure])
        for rule, said in rules.items()
        if "flagged by" not in rule
    }
    table["scores"] = [round(float(score), 3) for score in scores]
    return table


def turned_measured(made: dict, citer) -> dict:
    """The same for sentences that were turned here."""
    table = {}
    for kind, rows in made.items():
        found = best_sentences(citer, *zip(*rows))
        cited = np.array([score >= SUPPORT for score, _ in found])
        flags = np.array(
            [
                surface_conflict(sentence, source) is not None
                for (sentence, _), (_, source) in zip(rows, found)
            ]
        )
        each = np.arange(len(rows))
        table[kind] = {
            f"cited at {SUPPORT}": interval(cited, each),
            f"cited at {SUPPORT}, unless flagged": interval(cited & ~flags, each),
            "flagged by numbers and negations": interval(flags, each),
            "example": rows[0][0],
        }
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    models = ["all-mpnet-base-v2", "all-MiniLM-L6-v2"]
    parser.add_argument("--models", nargs="+", default=models)
    args = parser.parse_args()
    collection = load_collection("course")
    texts = {key: doc.text for key, doc in collection.docs.items()}
    lines = PAIRS.read_text(encoding="utf-8").splitlines()
    pairs, made = [json.loads(line) for line in lines], turned(collection)
    results = {
        "how": "python -m tools.bench.citations",
        "date": time.strftime("%Y-%m-%d"),
        "versions": {p: version(p) for p in ("torch", "sentence-transformers")},
        "threshold in use": SUPPORT,
        "models": {},
    }
    full = {key: doc.full for key, doc in collection.docs.items()}
    for model in args.models:
        citer = make_citer(TextEmbedder(model), full)
        table = measured(pairs, texts, citer)
        results["models"][model] = table | {"turned": turned_measured(made, citer)}
        print(model, json.dumps(results["models"][model], indent=1)[:2500], flush=True)
        written = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
        RESULTS.write_text(written, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
