"""The judging widget: blind, saved as it goes, and a comparison at the end."""

import html
import re
from collections import Counter

import numpy as np
import pytest

from qrr_lib.course import Judging
from qrr_lib.course.judgements import write_judged
from qrr_lib.embed.collection import Document, read_queries
from qrr_lib.embed.qrels import read_qrels
from qrr_lib.rank.mix import Candidates

QUERIES = [f"question {i}" for i in range(6)]
WIDTH = 8


class ToyIndex:
    """Eight passages; words rank them one way, cosine the other."""

    weights = {"cosine": 0.9, "words": 0.1}

    def __init__(self, width: int = WIDTH):
        texts = {f"<d{i}>#1": (f"Title {i}", f"<b>Text</b> {i}") for i in range(width)}
        self.documents = {key: Document(*text) for key, text in texts.items()}

    def texts(self, ids):
        return {key: self.documents[key] for key in ids}

    def candidates(self, queries, k):
        rows = np.tile(np.arange(len(self.documents)), (len(queries), 1))
        signals = {"cosine": -rows, "words": rows, "states": 0 * rows}
        signals = {name: scores / 10 for name, scores in signals.items()}
        return Candidates(list(queries), list(self.documents), rows, signals)


@pytest.fixture
def start(tmp_path):
    """Function that opens the judging in one folder, as a notebook would, again."""

    def make(queries=QUERIES, **more) -> Judging:
        return Judging(tmp_path / "judged", queries, ToyIndex(), **{"depth": 2, **more})

    return make


def grade_all(judging: Judging, grade) -> None:
    while judging.now:
        judging.grade(grade(*judging.now))


def test_the_pool_is_what_the_rankings_have_among_their_first(start):
    judging, seen = start(), []
    grade_all(judging, lambda *pair: seen.append(pair) or 1)
    counts = Counter(query for query, _ in seen)
    assert counts == dict.fromkeys(judging.queries, 4)  # the first two, the last two
    pooled = {f"<d{i}>#1" for i in (0, 1, WIDTH - 2, WIDTH - 1)}
    assert {key for _, key in seen} == pooled and len(set(seen)) == 24


def test_the_order_tells_nothing_but_stays_when_it_is_opened_again(start):
    orders = []
    for _ in range(2):
        judging = start()
        orders.append([judging.pool[i : i + 4] for i in range(0, 24, 4)])
    assert orders[0] == orders[1]
    assert len({tuple(key for _, key in part) for part in orders[0]}) > 1


def test_each_grade_is_saved_and_taken_up_where_it_stopped(start, tmp_path):
    judging = start()
    given = {}
    for grade in (3, 0, 2, 1, 3):
        given.setdefault(judging.now[0], {})[judging.now[1]] = grade
        judging.grade(grade)
        assert read_qrels(tmp_path / "judged" / "qrels" / "test.tsv") == given
    again = start()
    assert again.now == judging.now and again.grades == given
    assert "5 of 24 passages judged, all of 1 of 6 queries" in str(again)
    assert list(again.qrels()) == ["q1"]  # a half-judged query counts for nothing
    assert read_queries(tmp_path / "judged" / "queries.jsonl") == again.queries


def test_a_new_query_leaves_the_others_as_they_were(start):
    grade_all(start(QUERIES[:2]), lambda *_: 2)
    judging = start(["a new one", *QUERIES[:2]])
    assert judging.queries == {"q1": QUERIES[0], "q2": QUERIES[1], "q3": "a new one"}
    assert {query for query, _ in judging.pool[8:]} == {"q3"} and judging.now[0] == "q3"


def test_back_and_a_grade_is_changed(start):
    judging = start()
    first = judging.now
    judging.grade(0)
    second = judging.now
    judging.back()
    judging.back()
    assert judging.now == first
    judging.grade(3)
    assert judging.now == second and judging.grades[first[0]][first[1]] == 3


@pytest.mark.parametrize("grade", [4, -1, 1.5, "2", None])
def test_other_grades_are_refused(start, grade):
    judging = start()
    with pytest.raises(ValueError, match="0, 1, 2 or 3"):
        judging.grade(grade)
    grade_all(judging, lambda *_: 1)
    with pytest.raises(ValueError, match="all passages are judged"):
        judging.grade(1)


def test_it_hands_on_to_compare(start):
    judging = start()

    def grade(query: str, key: str) -> int:  # two groups: about <d0>, about <d1>
        return 2 * (key == f"<d{int(query in ('q4', 'q5', 'q6'))}>#1")

    grade_all(judging, grade)
    found = judging.compare("cosine", "words")
    second = 1 / np.log2(3)  # nDCG of what stands second
    assert found.difference == pytest.approx((1 + second) / 2)
    assert (found.n, found.groups) == (6, 2)
    assert judging.compare("mix", "cosine").difference == 0


def test_buttons_and_keys(start):
    import ipywidgets

    judging = start()
    shown, buttons, field = judging.widget().children
    assert isinstance(shown, ipywidgets.HTML)
    buttons = {button.description[0]: button for button in buttons.children}
    assert set(buttons) == set("0123b")
    assert all(button.tooltip for button in buttons.values())
    assert re.search(r"0.*3.*b", field.description)
    first, before = judging.now, shown.value
    buttons["2"].click()
    assert judging.grades[first[0]] == {first[1]: 2} and shown.value != before
    second = judging.now
    field.value = "3"
    assert judging.grades[second[0]][second[1]] == 3 and field.value == ""
    field.value = "b"
    assert judging.now == second
    field.value = "1x 0"  # typed fast; what is no key does nothing
    assert judging.grades[second[0]][second[1]] == 1
    assert sum(map(len, judging.grades.values())) == 3
    field.value = "3" * 40
    assert judging.now is None and "Done" in shown.value
    field.value = "2"
    buttons["b"].click()
    assert judging.now == judging.pool[-1]


def test_what_is_shown_is_text_and_says_who_found_it_to_nobody(start):
    judging = start()
    place = int(re.search(r"\d", judging.now[1])[0])
    assert html.escape(f"<b>Text</b> {place}") in judging.text()
    assert "<b>" not in judging.text() and f"Title {place}" in judging.text()
    assert QUERIES[0] in judging.text() and "cosine" not in judging.text()


def test_an_id_that_the_table_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="tab or a line break"):
        write_judged(tmp_path, {"q1": "x"}, {"q1": {"a\tb": 1}})
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(
    "read, text, said",
    [
        (
            read_qrels,
            "query-id\tcorpus-id\tscore\nq1\td1\n",
            "line 2: expected query, document",
        ),
        (read_qrels, "query-id\tcorpus-id\tscore\nq1\td1\thigh\n", "line 2"),
        (read_qrels, "query-id\tcorpus-id\tscore\n", "no judgements"),
        (read_queries, '{"_id": "q1", "text": "x"}\n{"_id": "q2"}', "line 2"),
        (read_queries, '{"_id": "q1", "text": " "}', "the field 'text' of query 'q1'"),
        (read_queries, '{"_id": "q1", "text": 5}', "'text' must be text, not 5"),
        (read_queries, '{"_id": "q1"}', "line 1: the field 'text'"),
        (read_queries, "[]", "line 1"),
        (read_queries, "{", "line 1"),
    ],
)
def test_a_broken_file_is_said_with_its_line(tmp_path, read, text, said):
    path = tmp_path / ("file.tsv" if read is read_qrels else "file.jsonl")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        read(path)


def test_queries_in_a_file_of_no_known_kind_are_refused(tmp_path):
    (tmp_path / "queries.txt").write_text("q1 what", encoding="utf-8")
    with pytest.raises(ValueError, match=r"must end in \.jsonl, "):
        read_queries(tmp_path / "queries.txt")


def test_qrels_without_a_header_lose_no_line(tmp_path):
    (tmp_path / "q.tsv").write_bytes(b"\xef\xbb\xbfq1\td1\t2\r\nq1\td 2\t0\r\n")
    assert read_qrels(tmp_path / "q.tsv") == {"q1": {"d1": 2, "d 2": 0}}
