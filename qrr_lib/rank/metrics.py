"""Score a run against judgements, with the field's own implementation (lesson 05).

`ir_measures` computes them (trec_eval's code underneath): nDCG with linear gain and a
log2 discount (Järvelin & Kekäläinen 2002), reciprocal rank, average precision, recall.
"""

import math
import os
from collections.abc import Mapping

from qrr_lib.checks import check_ids, grade, listed, whole_number

Run = Mapping[str, Mapping[str, float]]  # {query id: {document id: score}}
Qrels = Mapping[str, Mapping[str, int]]  # {query id: {document id: grade}}
DEFAULT_MEASURES = ("nDCG@10", "RR@10", "AP", "R@100")


def per_query(
    run: Run, qrels: Qrels, measures=DEFAULT_MEASURES
) -> dict[str, dict[str, float]]:
    """Return {measure: {query id: value}} over the queries of `qrels`; a judged query
    that the run lacks counts 0.

    A run is scored by its *order*, ties as the mapping lists them: trec_eval alone
    would break ties by document id. `measures` are names or objects of `ir_measures`
    (a single one will do); the result has them as they were written, so that "MAP" is
    found under "MAP". ValueError for an unknown one, for ids that are no str, scores
    that are no numbers, and grades that are not whole (a negative one counts as 0).
    """
    import ir_measures

    asked = _parsed(measures)
    check_ids(list(qrels), done="scored")
    if not any(qid in run for qid in qrels):
        raise ValueError(
            "the run answers none of the judged queries: are run and judgements of one "
            "collection?"
        )
    ranked, judged = {}, {}
    for number, (qid, grades) in enumerate(qrels.items()):
        found, grades = best_first(run.get(qid, {})), checked_grades(grades)
        # by number: trec_eval is C, and its ids end at a zero byte
        name = {doc: str(i) for i, doc in enumerate(dict.fromkeys([*found, *grades]))}
        scores = {name[doc]: float(len(found) - i) for i, doc in enumerate(found)}
        ranked[str(number)] = scores
        judged[str(number)] = {name[doc]: one for doc, one in grades.items()}
    values = {name: dict.fromkeys(qrels, 0.0) for name in asked}
    query_ids, todo = list(qrels), set(asked.values())
    try:
        for row in ir_measures.iter_calc(todo, judged, ranked) if todo else ():
            for name in (name for name, one in asked.items() if one == row.measure):
                values[name][query_ids[int(row.query_id)]] = float(row.value)
    except Exception as error:  # ir_measures raises all kinds for wrong parameters
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"{', '.join(asked)} cannot be computed ({why})") from None
    return values


def _parsed(measures) -> dict:
    """{as it was written: measure of ir_measures}."""
    import ir_measures
    from ir_measures.measures import Measure

    single = isinstance(measures, (str, Measure))
    parsed = {}
    for one in [measures] if single else listed("measures", measures):
        try:
            made = ir_measures.parse_measure(str(one))
            hash(made)  # fails for parameters that this measure does not have
            parsed[str(one)] = made
        except Exception as error:  # the package raises all kinds
            raise ValueError(
                f"unknown measure {one!r} ({error}): write nDCG@10, MRR@10, MAP, "
                "Recall@100 or another name of ir_measures"
            ) from None
        for name in made.params.keys() & {"cutoff", "rel", "max_rel"}:
            whole_number(f"{name} of {one}", made.params[name])
    return parsed


def checked_grades(grades: Mapping[str, int]) -> dict[str, int]:
    """{document id: grade} of one query, every grade as `checks.grade` gives it."""
    if not isinstance(grades, Mapping):
        raise ValueError(f"judgements must be {{document id: grade}}, not {grades!r}")
    ids = check_ids(list(grades), done="scored")
    return dict(zip(ids, map(grade, grades.values())))


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
    """Documents of one query from best to worst; ties as the mapping lists them.

    ValueError for scores that are no numbers, and for ids that are no str.
    """
    try:
        scores = {doc: -float(score) for doc, score in found.items()}
    except (TypeError, ValueError, AttributeError):
        scores = {"": math.nan}
    if any(map(math.isnan, scores.values())):
        raise ValueError(
            f"a run holds {{document id: number}} of a query, not {str(found):.60}"
        )
    return sorted(check_ids(list(scores), done="scored"), key=scores.get)


def relevant(judged: Mapping[str, int]) -> set[str]:
    """Documents of grade 1 or more."""
    return {doc for doc, one in checked_grades(judged).items() if one >= 1}
