"""`qrr audit COLLECTION`: what the splits of a collection share, before anybody trains
on it (lesson 08).

A test query whose relevant document answered a training query, or that nearly repeats
one, rewards memory. Neither is an error of the collection; both decide what a result on
it can mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from qrr_lib.embed.collection import Collection
from qrr_lib.rank.metrics import relevant

# share of common words (Jaccard) from which two queries count as near-duplicates
NEAR = 0.5


@dataclass(frozen=True)
class SplitPair:
    """What queries of split `b` share with split `a`.

    `shared_documents` are relevant in both; `sharing_queries` of b have at least one of
    them; `near_duplicates` of b have a query of a with at least half of their words in
    common; `sharing_and_near` are both. `examples` are (query of a, query of b) pairs,
    closest first.
    """

    a: str
    b: str
    queries: int
    answerable: int
    shared_documents: int
    sharing_queries: int
    near_duplicates: int
    sharing_and_near: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Audit:
    """The report of `audit`; `str(report)` is what `qrr audit` prints."""

    collection: str
    pairs: tuple[SplitPair, ...]

    def __str__(self) -> str:
        lines = [f"{self.collection}: what each split shares with another"]
        if not self.pairs:
            lines.append(
                "  only one split: nothing can leak between splits, and nothing can be "
                "trained without cross-validation"
            )
        for p in self.pairs:
            share = p.sharing_queries / max(1, p.answerable)
            lines += [
                f"  {p.b} ({p.queries} queries, {p.answerable} with a relevant "
                f"document) against {p.a}:",
                f"    relevant documents in common      {p.shared_documents}",
                f"    queries that need one of them     {p.sharing_queries} "
                f"({share:.0%})",
                f"    near-duplicate queries            {p.near_duplicates} "
                f"({p.near_duplicates / max(1, p.queries):.0%})"
                f", {p.sharing_and_near} of them need a shared document",
            ]
            lines += [f'      "{first}" / "{second}"' for first, second in p.examples]
            if share > 0.05:
                lines.append(
                    "    -> report these queries apart: a trained head may simply "
                    "remember their documents"
                )
        return "\n".join(lines)


def audit(collection: Collection, near: float = NEAR, examples: int = 2) -> Audit:
    """Compare every two splits of a collection; a split that is the union of others
    (`test` of `test_*`) is left out.

    Near-duplicates are found by the Jaccard overlap of lower-case words, so a claim and
    its negation count, a paraphrase does not.
    """
    splits = [
        s
        for s in collection.qrels
        if not (s == "test" and any(o.startswith("test_") for o in collection.qrels))
    ]
    order = {"train": 0, "dev": 1}
    splits.sort(key=lambda s: (order.get(s, 2), s))
    return Audit(
        collection.name,
        tuple(
            _pair(collection, a, b, near, examples) for a, b in combinations(splits, 2)
        ),
    )


def _pair(c: Collection, a: str, b: str, near: float, examples: int) -> SplitPair:
    docs_a = set().union(*map(relevant, c.qrels[a].values()))
    docs_b = set().union(*map(relevant, c.qrels[b].values()))
    sharing = {qid for qid, judged in c.qrels[b].items() if relevant(judged) & docs_a}
    ids_a, ids_b = list(c.qrels[a]), list(c.qrels[b])
    # (A, B)
    overlap = _jaccard([c.queries[q] for q in ids_a], [c.queries[q] for q in ids_b])
    nearest = overlap.max(axis=0)
    twins = {qid for qid, value in zip(ids_b, nearest) if value >= near}
    closest = [
        j for j in np.argsort(-nearest, kind="stable")[:examples] if nearest[j] >= near
    ]
    pairs = tuple(
        (c.queries[ids_a[int(overlap[:, j].argmax())]], c.queries[ids_b[j]])
        for j in closest
    )
    answerable = sum(bool(relevant(judged)) for judged in c.qrels[b].values())
    return SplitPair(
        a,
        b,
        len(ids_b),
        answerable,
        len(docs_a & docs_b),
        len(sharing),
        len(twins),
        len(sharing & twins),
        pairs,
    )


def _jaccard(first: list[str], second: list[str]) -> np.ndarray:
    """Common words over all words of every pair of texts: (A, B) in [0, 1]."""
    from scipy.sparse import csr_array

    bags = [set(re.findall(r"\w+", text.lower())) for text in first + second]
    column = {word: i for i, word in enumerate(sorted(set().union(*bags)))}
    entries = [(row, column[word]) for row, bag in enumerate(bags) for word in bag]
    rows, columns = zip(*entries) if entries else ((), ())
    table = csr_array(
        (np.ones(len(entries)), (rows, columns)), shape=(len(bags), max(1, len(column)))
    )
    a, b = table[: len(first)], table[len(first) :]
    common = (a @ b.T).toarray()
    union = a.sum(axis=1)[:, None] + b.sum(axis=1)[None, :] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)
