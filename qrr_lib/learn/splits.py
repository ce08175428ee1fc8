"""Split judged queries so that nothing leaks, or say what they share (lessons 07 and
08).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping

from qrr_lib.rank.metrics import Qrels, relevant


def carve_dev(qrels: Mapping, share: float = 0.15, seed: int = 0) -> dict[str, dict]:
    """Split training queries into "train", "dev_new" and "dev_known", each dev split
    about `share` of them.

    dev_new takes whole groups of queries that are linked by relevant documents, so
    nothing in it shares a relevant document with the rest: it stands for queries about
    *new* documents. dev_known takes queries whose relevant documents another training
    query has, too, one of a document, so that the document stays known: it stands for
    new questions to a corpus whose query log you have.
    """
    by_doc = defaultdict(set)
    for qid, judged in qrels.items():
        for doc in relevant(judged):
            by_doc[doc].add(qid)
    order = random.Random(seed).sample(sorted(qrels), len(qrels))
    parts: dict[str, dict] = {"train": {}, "dev_new": {}, "dev_known": {}}
    wanted = round(share * len(qrels))
    for qid in order:  # whole groups
        if len(parts["dev_new"]) >= wanted:
            break
        if qid not in parts["dev_new"]:
            group = _linked(qid, qrels, by_doc)
            parts["dev_new"].update({q: qrels[q] for q in order if q in group})
    # single queries, whose documents another one keeps known
    for qid in (q for q in order if q not in parts["dev_new"]):
        sharers = [by_doc[doc] - {qid} for doc in relevant(qrels[qid])]
        free = (
            sharers
            and all(sharers)
            and not set().union(*sharers) & set(parts["dev_known"])
        )
        parts["dev_known" if free and len(parts["dev_known"]) < wanted else "train"][
            qid
        ] = qrels[qid]
    return parts


def _linked(qid: str, qrels: Mapping, by_doc: Mapping) -> set[str]:
    group, queue = set(), [qid]
    while queue:
        q = queue.pop()
        if q not in group:
            group.add(q)
            queue += [other for doc in relevant(qrels[q]) for other in by_doc[doc]]
    return group


def regimes(train: Qrels, test: Qrels) -> dict[str, dict]:
    """Part test queries in two: "known" share a relevant document with a training
    query, "new" share none.
    """
    seen = set().union(*map(relevant, train.values()))
    parts: dict[str, dict] = {"known": {}, "new": {}}
    for qid, judged in test.items():
        parts["known" if relevant(judged) & seen else "new"][qid] = judged
    return parts
