"""Score a run against judgements, with the field's own implementation (lesson 05).

`ir_measures` computes them (trec_eval's code underneath): nDCG with linear gain and a
log2 discount (Järvelin & Kekäläinen 2002), reciprocal rank, average precision, recall.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Run = Mapping[str, Mapping[str, float]]  # {query id: {document id: score}}
Qrels = Mapping[str, Mapping[str, int]]  # {query id: {document id: grade}}
DEFAULT_MEASURES = ("nDCG@10", "RR@10", "AP", "R@100")


def per_query(
    run: Run, qrels: Qrels, measures=DEFAULT_MEASURES
) -> dict[str, dict[str, float]]:
    """Return {measure: {query id: value}} over the queries of `qrels`; a judged query
    that the run lacks counts 0.

    A run is scored by its *order*, ties as the mapping lists them: trec_eval alone
    would break ties by document id.
    """
    import ir_measures

    if not any(qid in run for qid in qrels):
        raise ValueError(
            "the run answers none of the judged queries: are run and judgements of one "
            "collection?"
        )
    ranked = {}
    for qid in qrels:
        # stable: ties keep their order
        order = sorted(run.get(qid, {}).items(), key=lambda item: -item[1])
        ranked[qid] = {
            did: float(len(order) - place) for place, (did, _) in enumerate(order)
        }
    parsed = [ir_measures.parse_measure(m) for m in measures]
    plain = {qid: dict(judged) for qid, judged in qrels.items()}
    values = {m: dict.fromkeys(qrels, 0.0) for m in measures}
    for row in ir_measures.iter_calc(parsed, plain, ranked):
        values[str(row.measure)][row.query_id] = float(row.value)
    return values


def evaluate(run: Run, qrels: Qrels, measures=DEFAULT_MEASURES) -> dict[str, float]:
    """Return {measure: mean over the judged queries}, each in [0, 1]."""
    return {
        m: sum(v.values()) / len(v) for m, v in per_query(run, qrels, measures).items()
    }


def relevant(judged: Mapping[str, int]) -> set[str]:
    """Documents of grade 1 or more."""
    return {doc for doc, grade in judged.items() if grade >= 1}


def unjudged_at(run: Run, qrels: Qrels, k: int = 10) -> float:
    """Share of the first k documents that nobody judged, over the queries of `qrels`: 0
    to 1.
    """
    shares = []
    for qid, judged in qrels.items():
        first = sorted(run.get(qid, {}).items(), key=lambda item: -item[1])[:k]
        shares += (
            [float(np.mean([doc not in judged for doc, _ in first]))] if first else []
        )
    if not shares:
        raise ValueError("the run answers none of the judged queries")
    return float(np.mean(shares))
