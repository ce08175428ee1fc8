"""Split judged queries so that nothing leaks, and report what splits share (lessons 07
and 08).

A test query whose relevant document answered a training query, or that nearly repeats
one, rewards memory. Neither is an error of a collection; both decide what a result on
it can mean.
"""

import random
import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from qrr_lib.embed.collection import Collection
from qrr_lib.rank.metrics import Qrels, relevant

NEAR = 0.5  # share of common words from which two queries count as near-duplicates
REPORT = """\
  {b} ({queries} queries, {answerable} with a relevant document) against {a}:
    relevant documents in common      {shared_documents}
    queries that need one of them     {sharing_queries} ({sharing:.0%})
    near-duplicate queries            {near}"""
NEAR_FOUND = (
    "{near_duplicates} ({:.0%}), {sharing_and_near} of them need a shared document"
)


def relevant_documents(qrels: Qrels) -> set[str]:
    """The documents that are relevant for some query."""
    return set().union(*map(relevant, qrels.values()))


def carve_dev(qrels: Qrels, share: float = 0.15, seed: int = 0) -> dict[str, dict]:
    """Split training queries into "train", "dev_new" and "dev_known", each dev split
    about `share` of them.

    dev_new takes whole groups of queries that are linked by relevant documents, so
    nothing in it shares a relevant document with the rest: it stands for queries about
    *new* documents. dev_known takes queries whose relevant documents another training
    query has, too, one of a document, so that the document stays known: it stands for
    new questions to a corpus whose query log you have.
    """
    askers = defaultdict(set)  # document → queries that it is relevant for
    for qid, judged in qrels.items():
        for doc in relevant(judged):
            askers[doc].add(qid)
    groups = query_groups(qrels)
    order = random.Random(seed).sample(sorted(qrels), len(qrels))
    wanted = round(share * len(qrels))
    parts: dict[str, dict] = {"train": {}, "dev_new": {}, "dev_known": {}}
    for qid in order:
        if len(parts["dev_new"]) < wanted and qid not in parts["dev_new"]:
            group = [q for q in order if groups[q] == groups[qid]]
            parts["dev_new"] |= {q: qrels[q] for q in group}
    for qid in order:
        if qid in parts["dev_new"]:
            continue
        others = [askers[doc] - {qid} for doc in relevant(qrels[qid])]
        known = others and all(others)
        taken = parts["dev_known"].keys() & set().union(*others)
        is_dev = known and not taken and len(parts["dev_known"]) < wanted
        parts["dev_known" if is_dev else "train"][qid] = qrels[qid]
    return parts


def query_groups(qrels: Qrels, share: float = 0.0) -> dict[str, str]:
    """The group of every query, {query id: first query id of its group}: queries that
    have a relevant document in common are linked, and so are all that a chain of links
    connects (lessons 07 and 08).

    `share` in [0, 1] asks for more: two queries are linked when their common relevant
    documents are at least that share of all that are relevant for either.
    """
    from scipy.sparse.csgraph import connected_components

    table = _membership([relevant(judged) for judged in qrels.values()])  # (Q, items)
    common = (table @ table.T).tocoo()
    sizes = table.sum(axis=1)
    union = sizes[common.row] + sizes[common.col] - common.data
    common.data = np.where(common.data + 1e-9 >= share * union, common.data, 0)
    common.eliminate_zeros()
    _, labels = connected_components(common, directed=False)
    first: dict[int, str] = {}
    return {qid: first.setdefault(n, qid) for qid, n in zip(qrels, labels.tolist())}


def regimes(train: Qrels, test: Qrels) -> dict[str, dict]:
    """Part test queries in two: "known" share a relevant document with a training
    query, "new" share none.
    """
    seen = relevant_documents(train)
    parts: dict[str, dict] = {"known": {}, "new": {}}
    for qid, judged in test.items():
        parts["known" if relevant(judged) & seen else "new"][qid] = judged
    return parts


@dataclass(frozen=True)
class SplitPair:
    """What queries of split `b` share with split `a`.

    `shared_documents` are relevant in both; `sharing_queries` of b have at least one of
    them; `near_duplicates` of b have a query of a with at least half of their words in
    common; `sharing_and_near` are both. `examples` are (query of a, query of b) pairs,
    closest first. Without texts near-duplicates are None.
    """

    a: str
    b: str
    queries: int
    answerable: int
    shared_documents: int
    sharing_queries: int
    near_duplicates: int | None
    sharing_and_near: int
    examples: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        sharing = self.sharing_queries / max(1, self.answerable)
        if self.near_duplicates is None:
            near = "not looked for: there are no texts"
        else:
            share = self.near_duplicates / max(1, self.queries)
            near = NEAR_FOUND.format(share, **vars(self))
        lines = [REPORT.format(**vars(self), sharing=sharing, near=near)]
        lines += [f'      "{first}" / "{second}"' for first, second in self.examples]
        if sharing > 0.05:
            lines.append(
                "    -> report these queries apart: a trained head may simply remember "
                "their documents"
            )
        return "\n".join(lines)


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
        return "\n".join(lines + [str(pair) for pair in self.pairs])


def audit(collection: Collection, near: float = NEAR) -> Audit:
    """Compare every two splits of a collection; a split that is the union of others
    (`test` of `test_*`) is left out.

    Near-duplicates are found by the Jaccard overlap of lower-case words, so a claim and
    its negation count, a paraphrase does not.
    """
    order = {"train": 0, "dev": 1}
    splits = sorted(collection.qrels, key=lambda name: (order.get(name, 2), name))
    if any(name.startswith("test_") for name in splits):
        splits = [name for name in splits if name != "test"]
    pairs = combinations(splits, 2)
    found = [_pair(collection, a, b, near) for a, b in pairs]
    return Audit(collection.name, tuple(found))


def _pair(c: Collection, a: str, b: str, near: float) -> SplitPair:
    train, test = c.qrels[a], c.qrels[b]
    asked, asking = ([c.queries[qid] for qid in part] for part in (train, test))
    common = common_words(asked, asking)  # (A, B)
    nearest, rows = common.max(axis=0), common.argmax(axis=0)  # (B,) each
    twins = {qid for qid, share in zip(test, nearest) if share >= near}
    closest = np.argsort(-nearest, kind="stable")[:2]
    pairs = [(asked[rows[j]], asking[j]) for j in closest if nearest[j] >= near]
    sharing = regimes(train, test)["known"]
    return SplitPair(
        a,
        b,
        queries=len(test),
        answerable=sum(bool(relevant(judged)) for judged in test.values()),
        shared_documents=len(relevant_documents(train) & relevant_documents(test)),
        sharing_queries=len(sharing),
        near_duplicates=len(twins) if any(asked + asking) else None,
        sharing_and_near=len(twins & sharing.keys()),
        examples=tuple(pairs),
    )


def common_words(first: list[str], second: list[str]) -> np.ndarray:
    """Common words over all words of every pair of texts: (A, B) in [0, 1]."""
    table = _membership(
        [set(re.findall(r"\w+", text.lower())) for text in first + second]
    )
    n, sizes = len(first), table.sum(axis=1)
    common = (table[:n] @ table[n:].T).toarray()
    return common / np.maximum(1, sizes[:n, None] + sizes[n:] - common)


def _membership(bags: list[set]):
    """Which bag holds what: a sparse (bags, items) table of 0 and 1."""
    from scipy.sparse import csr_array

    column = {item: i for i, item in enumerate(set().union(*bags))}
    columns = [column[item] for bag in bags for item in bag]
    starts = np.cumsum([0, *map(len, bags)])
    shape = (len(bags), max(1, len(column)))
    return csr_array((np.ones(len(columns)), columns, starts), shape=shape)
