"""Score a run against judgements, with the field's own implementation (lesson 05).

`ir_measures` computes them (trec_eval's code underneath): nDCG with linear gain and a
log2 discount (Järvelin & Kekäläinen 2002), reciprocal rank, average precision, recall.
"""

import os
from collections.abc import Mapping

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
        found = best_first(run.get(qid, {}))
        ranked[qid] = {doc: float(len(found) - i) for i, doc in enumerate(found)}
    parsed = [ir_measures.parse_measure(measure) for measure in measures]
    plain = {qid: dict(judged) for qid, judged in qrels.items()}
    values = {measure: dict.fromkeys(qrels, 0.0) for measure in measures}
    for row in ir_measures.iter_calc(parsed, plain, ranked):
        values[str(row.measure)][row.query_id] = float(row.value)
    return values


def evaluate(run: Run, qrels: Qrels, measures=DEFAULT_MEASURES) -> dict[str, float]:
    """Return {measure: mean over the judged queries}, each in [0, 1]."""
    values = per_query(run, qrels, measures)
    return {m: sum(v.values()) / len(v) for m, v in values.items()}


def unjudged_at(run: Run, qrels: Qrels, k: int = 10) -> float:
    """Share of the first k documents that nobody judged, over the queries of `qrels`
    that the run answers: 0 to 1.
    """
    answered = {qid: judged for qid, judged in qrels.items() if run.get(qid)}
    return 1 - evaluate(run, answered, [f"Judged@{k}"])[f"Judged@{k}"]


def read_run(path: str | os.PathLike) -> dict[str, dict[str, float]]:
    """A run in TREC's format (query, Q0, document, rank, score, name a line): {query
    id: {document id: score}}. ValueError for another file.
    """
    import ir_measures

    run: dict[str, dict[str, float]] = {}
    try:
        for row in ir_measures.read_trec_run(os.fspath(path)):
            run.setdefault(row.query_id, {})[row.doc_id] = row.score
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path} is no run in TREC's format: {error}") from None
    return run


def best_first(found: Mapping[str, float]) -> list[str]:
    """Documents of one query from best to worst; ties as the mapping lists them."""
    return sorted(found, key=lambda doc: -found[doc])


def relevant(judged: Mapping[str, int]) -> set[str]:
    """Documents of grade 1 or more."""
    return {doc for doc, grade in judged.items() if grade >= 1}
