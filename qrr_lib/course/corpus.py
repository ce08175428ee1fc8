"""`qrr corpus check`: is the course corpus what its data sheet says?

(lesson 01 uses the corpus, data/README.md describes it)
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

from qrr_lib.course.lines import Line
from qrr_lib.embed.collection import Collection

KINDS = {"keyword", "question", "scenario", "misconception"}
TRAITS = {"polysemy", "no_overlap", "near_duplicate", "negation", "comparison"}
# least number of queries in each
SPLITS = {
    "train": 80,
    "dev": 20,
    "test_new": 60,
    "test_known": 60,
}


def check_corpus(collection: Collection) -> list[Line]:
    """Check sizes, lengths, duplicates, judgements and splits; one Line per
    question.
    """
    return [
        _sizes(collection),
        _lengths(collection),
        _exact_duplicates(collection),
        _near_duplicates(collection),
        _query_fields(collection),
        _every_query_judged(collection),
        _grades(collection),
        *_splits(collection),
    ]


def words(text: str) -> list[str]:
    """Words as the length limits count them: runs of non-space."""
    return text.split()


def relevant(judged: dict[str, int]) -> set[str]:
    """Documents of grade 1 or more."""
    return {doc for doc, grade in judged.items() if grade >= 1}


def _line(problems: list, what: str, found: str, advice: str) -> Line:
    return Line(
        not problems, what, found, f"{advice}: {', '.join(map(str, problems[:8]))}"
    )


def _sizes(c: Collection) -> Line:
    return Line(
        len(c.docs) >= 400 and len(c.queries) >= 220,
        "size",
        f"{len(c.docs)} passages, {len(c.queries)} queries",
        "at least 400 passages and 220 queries are promised",
    )


def _lengths(c: Collection) -> Line:
    counts = {key: len(words(doc.text)) for key, doc in c.docs.items()}
    bad = [f"{key} ({n} words)" for key, n in counts.items() if not 40 <= n <= 110] + [
        key for key, doc in c.docs.items() if not doc.title.strip()
    ]
    return _line(
        bad,
        "lengths",
        f"{min(counts.values())} to {max(counts.values())} words, mean "
        f"{sum(counts.values()) / len(counts):.0f}",
        "40 to 110 words and a title each",
    )


def _exact_duplicates(c: Collection) -> Line:
    seen = Counter(
        " ".join(words(doc.text.lower())) for doc in c.docs.values()
    ) + Counter(" ".join(words(q.lower())) for q in c.queries.values())
    titles = Counter(doc.title.lower() for doc in c.docs.values())
    bad = [text[:40] for text, n in (seen + titles).items() if n > 1]
    return _line(bad, "exact duplicates", f"{len(bad)}", "remove or rewrite")


def _near_duplicates(c: Collection, limit: float = 0.75) -> Line:
    """Pairs whose word 3-grams overlap too much (Jaccard).

    Siblings that differ in one fact reach about 0.7 on purpose; more would be a copy.
    """
    grams = {}
    for key, doc in c.docs.items():
        tokens = re.findall(r"\w+", doc.text.lower())
        grams[key] = set(zip(tokens, tokens[1:], tokens[2:]))
    worst, bad = 0.0, []
    for a, b in combinations(grams, 2):
        share = len(grams[a] & grams[b]) / max(1, len(grams[a] | grams[b]))
        worst = max(worst, share)
        bad += [f"{a} ~ {b}"] if share > limit else []
    return _line(
        bad,
        "near duplicates",
        f"largest share of 3-word sequences {worst:.2f} (limit {limit})",
        "reword one of each pair",
    )


def _query_fields(c: Collection) -> Line:
    bad = [
        q
        for q, info in c.query_info.items()
        if info.get("kind") not in KINDS or not set(info.get("traits", [])) <= TRAITS
    ]
    kinds = Counter(info.get("kind") for info in c.query_info.values())
    return _line(
        bad,
        "kinds of query",
        ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items(), key=str)),
        "unknown kind or trait",
    )


def _every_query_judged(c: Collection) -> Line:
    judged = {
        q: len(d)
        for split, part in c.qrels.items()
        if split != "test"
        for q, d in part.items()
    }
    answered = {
        q for part in c.qrels.values() for q, d in part.items() if max(d.values()) >= 2
    }
    bad = [q for q in c.queries if q not in judged] + [
        f"{q} (no answer)" for q in judged if q not in answered
    ]
    counts = sorted(judged.values()) or [0]
    return _line(
        bad,
        "judged pairs",
        f"{sum(counts)} in all, {counts[0]} to {counts[-1]} a query, median "
        f"{counts[len(counts) // 2]}",
        "every query needs judgements and a passage of grade 2 or 3",
    )


def _grades(c: Collection) -> Line:
    grades = Counter(
        g
        for split, part in c.qrels.items()
        if split != "test"
        for d in part.values()
        for g in d.values()
    )
    found = ", ".join(f"{n} of grade {g}" for g, n in sorted(grades.items()))
    return _line(
        [g for g in grades if g not in (0, 1, 2, 3)],
        "grades",
        found,
        "grades are 0 to 3",
    )


def _splits(c: Collection) -> list[Line]:
    missing = [s for s in SPLITS if s not in c.qrels]
    if missing:
        return [_line(missing, "splits", ", ".join(c.qrels), "missing")]
    docs = {s: set().union(*map(relevant, c.qrels[s].values())) for s in SPLITS}
    in_two = [
        q for a, b in combinations(SPLITS, 2) for q in c.qrels[a] if q in c.qrels[b]
    ]
    small = [
        f"{s} has {len(c.qrels[s])}"
        for s, least in SPLITS.items()
        if len(c.qrels[s]) < least
    ]
    seen = docs["train"] | docs["dev"]
    leaks = sorted((docs["train"] & docs["dev"]) | (docs["test_new"] & seen))
    strangers = [q for q, d in c.qrels["test_known"].items() if not relevant(d) & seen]
    union = set(c.qrels.get("test", {})) == set(c.qrels["test_new"]) | set(
        c.qrels["test_known"]
    )
    return [
        _line(
            small + in_two,
            "splits",
            ", ".join(f"{s} {len(c.qrels[s])}" for s in SPLITS),
            "too small, or a query in two splits",
        ),
        _line(
            leaks,
            "new documents",
            "train, dev and test_new share no relevant passage",
            "shared passages",
        ),
        _line(
            strangers,
            "known documents",
            "every test_known query shares a relevant passage with train or dev",
            "queries that do not",
        ),
        Line(
            union,
            "test",
            "the union of test_new and test_known",
            "qrels/test.tsv must not exist beside them",
        ),
    ]
