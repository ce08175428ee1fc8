"""`qrr corpus check`: is the course corpus what its data sheet says?

(lesson 01 uses the corpus, data/README.md describes it)
"""

import re
from collections import Counter
from itertools import combinations

from qrr_lib.course.lines import Line
from qrr_lib.embed.collection import Collection
from qrr_lib.rank.metrics import relevant

KINDS = {"keyword", "question", "scenario", "misconception"}
TRAITS = {"polysemy", "no_overlap", "near_duplicate", "negation", "comparison"}
SPLITS = {"train": 80, "dev": 20, "test_new": 60, "test_known": 60}  # least queries


def check_corpus(collection: Collection) -> list[Line]:
    """Check sizes, lengths, duplicates, judgements and splits; one Line per
    question.
    """
    documents = (_sizes, _lengths, _exact_duplicates, _near_duplicates)
    queries = (_query_fields, _every_query_judged, _grades)
    lines = [check(collection) for check in (*documents, *queries)]
    return lines + _splits(collection)


def _line(problems: list, what: str, found: str, advice: str) -> Line:
    named = ", ".join(map(str, problems[:8]))
    return Line(not problems, what, found, f"{advice}: {named}")


def _sizes(c: Collection) -> Line:
    ok = len(c.docs) >= 400 and len(c.queries) >= 220
    found = f"{len(c.docs)} passages, {len(c.queries)} queries"
    return Line(ok, "size", found, "at least 400 passages and 220 queries are promised")


def _lengths(c: Collection) -> Line:
    words = {key: len(doc.text.split()) for key, doc in c.docs.items()}
    bad = [f"{key} ({n} words)" for key, n in words.items() if not 40 <= n <= 110]
    bad += [key for key, doc in c.docs.items() if not doc.title.strip()]
    counts = words.values()
    mean = sum(counts) / len(counts)
    found = f"{min(counts)} to {max(counts)} words, mean {mean:.0f}"
    return _line(bad, "lengths", found, "40 to 110 words and a title each")


def _exact_duplicates(c: Collection) -> Line:
    texts = [doc.text for doc in c.docs.values()] + list(c.queries.values())
    texts += [doc.title for doc in c.docs.values()]
    seen = Counter(" ".join(text.lower().split()) for text in texts)
    bad = [text[:40] for text, n in seen.items() if n > 1]
    return _line(bad, "exact duplicates", f"{len(bad)}", "remove or rewrite")


def _near_duplicates(c: Collection, limit: float = 0.75) -> Line:
    """Pairs whose word 3-grams overlap too much (Jaccard).

    Siblings that differ in one fact reach about 0.7 on purpose; more would be a copy.
    """
    grams = {}
    for key, doc in c.docs.items():
        words = re.findall(r"\w+", doc.text.lower())
        grams[key] = set(zip(words, words[1:], words[2:]))
    worst, bad = 0.0, []
    for a, b in combinations(grams, 2):
        share = len(grams[a] & grams[b]) / max(1, len(grams[a] | grams[b]))
        worst = max(worst, share)
        if share > limit:
            bad.append(f"{a} ~ {b}")
    found = f"largest share of 3-word sequences {worst:.2f} (limit {limit})"
    return _line(bad, "near duplicates", found, "reword one of each pair")


def _query_fields(c: Collection) -> Line:
    kinds = Counter(info.get("kind") for info in c.query_info.values())
    bad = [
        q
        for q, info in c.query_info.items()
        if info.get("kind") not in KINDS or not set(info.get("traits", [])) <= TRAITS
    ]
    found = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items(), key=str))
    return _line(bad, "kinds of query", found, "unknown kind or trait")


def _judgements(c: Collection) -> dict[str, dict[str, int]]:
    """{query: {document: grade}} of every split but test, which repeats two others."""
    parts = [part for split, part in c.qrels.items() if split != "test"]
    return {q: judged for part in parts for q, judged in part.items()}


def _every_query_judged(c: Collection) -> Line:
    judged = _judgements(c)
    bad = [q for q in c.queries if q not in judged]
    bad += [f"{q} (no answer)" for q, d in judged.items() if max(d.values()) < 2]
    counts = sorted(map(len, judged.values())) or [0]
    found = (
        f"{sum(counts)} in all, {counts[0]} to {counts[-1]} a query, median "
        f"{counts[len(counts) // 2]}"
    )
    advice = "every query needs judgements and a passage of grade 2 or 3"
    return _line(bad, "judged pairs", found, advice)


def _grades(c: Collection) -> Line:
    grades = Counter(g for judged in _judgements(c).values() for g in judged.values())
    found = ", ".join(f"{n} of grade {g}" for g, n in sorted(grades.items()))
    return _line(
        [*(grades.keys() - {0, 1, 2, 3})], "grades", found, "grades are 0 to 3"
    )


def _splits(c: Collection) -> list[Line]:
    missing = [split for split in SPLITS if split not in c.qrels]
    if missing:
        return [_line(missing, "splits", ", ".join(c.qrels), "missing")]
    parts = {split: c.qrels[split] for split in SPLITS}
    docs = {s: set().union(*map(relevant, part.values())) for s, part in parts.items()}
    seen = docs["train"] | docs["dev"]
    leaks = sorted((docs["train"] & docs["dev"]) | (docs["test_new"] & seen))
    new = "train, dev and test_new share no relevant passage"
    strangers = [q for q, d in parts["test_known"].items() if not relevant(d) & seen]
    known = "every test_known query shares a relevant passage with train or dev"
    union = parts["test_new"].keys() | parts["test_known"].keys()
    ok = c.qrels.get("test", {}).keys() == union
    advice = "qrels/test.tsv must not exist beside them"
    return [
        _split_sizes(parts),
        _line(leaks, "new documents", new, "shared passages"),
        _line(strangers, "known documents", known, "queries that do not"),
        Line(ok, "test", "the union of test_new and test_known", advice),
    ]


def _split_sizes(parts: dict[str, dict]) -> Line:
    sizes = {split: len(part) for split, part in parts.items()}
    bad = [f"{split} has {n}" for split, n in sizes.items() if n < SPLITS[split]]
    bad += [q for a, b in combinations(parts, 2) for q in parts[a] if q in parts[b]]
    found = ", ".join(f"{split} {n}" for split, n in sizes.items())
    return _line(bad, "splits", found, "too small, or a query in two splits")
