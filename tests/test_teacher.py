"""The teacher's pages: minutes of sections, stops with their answers, boards, plans,
assessment. Each follows from the lessons and is compared with them.
"""

import json
import re
from pathlib import Path

import nbformat
import pytest

import notebooks

FOLDER = notebooks.NOTEBOOKS / "instructor"
LESSONS = notebooks.lessons()
EACH = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
CLOSING = ("What we found", "In practice", "Next", "Further reading", "Check")
NUMBER = re.compile(r"(?<![\w.,])[+-]?\d+(?:,\d{3})*(?:\.\d+)?%?|(?<!\w)\.\d+")


def page(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def plain(text: str) -> str:
    """Without emphasis and line breaks."""
    return " ".join(text.replace("*", "").split())


def sections(path: Path) -> list[tuple[str, str]]:
    """(heading, its Markdown) of a lesson; what closes it is one section."""
    cells = nbformat.read(path, as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found: list[tuple[str, str]] = []
    for marks, title, body in re.findall(
        r"(?ms)^(##?) ([^\n]+)\n(.*?)(?=^##? |\Z)", text
    ):
        name = "Opening" if marks == "#" else title.strip()
        name = "Closing" if name in CLOSING else plain(name)
        if found and found[-1][0] == name:
            body = found.pop()[1] + "\n\n" + body
        found.append((name, body))
    return found


def known(path: Path) -> set[str]:
    """Numbers that a lesson's text, code or outputs contain, as written."""
    book = nbformat.read(path, as_version=4)
    text = "\n".join(cell.source for cell in book.cells)
    for cell in book.cells:
        for output in cell.get("outputs", []):
            text += "\n" + output.get("text", "")
            text += "\n" + output.get("data", {}).get("text/plain", "")
    return set(NUMBER.findall(text.replace("−", "-")))


def notes(path: Path) -> str:
    """What the notes say of a lesson."""
    pieces = re.split(r"(?m)^### Lesson (\d\d): ", page("notes"))
    return dict(zip(pieces[1::2], pieces[2::2]))[path.name[:2]]


def rows(text: str, first: str) -> list[list[str]]:
    """Cells of the table whose first heading is `first`; no such table, no rows."""
    found = re.search(rf"(?m)^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)*)", text)
    lines = found[1].splitlines() if found else []
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines
    ]


def minutes(path: Path) -> dict[str, int]:
    """{section: minutes} of the notes."""
    found = rows(notes(path), "minutes")
    return {plain(name): int(length) for length, name, _ in found}


def table_of(path: Path) -> dict[str, int]:
    """Minutes to read and to do, from the lesson's own table."""
    words = r"\| \*\*Minutes\*\* \| (\d+) to read, (\d+) to do"
    found = re.search(words, sections(path)[0][1]).groups()
    return {"read": int(found[0]), "do": int(found[1])}


def exercises(path: Path) -> list[int]:
    """Minutes of exercise 1, 2, ...: each says 'About N minutes.' once."""
    found = []
    for cell in notebooks.read(notebooks.EXERCISES / path.name).cells:
        if cell.source.startswith("## Exercise "):
            estimate = re.findall(r"\bAbout (\d+) minutes?\b", cell.source)
            assert len(estimate) == 1, cell.source.splitlines()[0]
            found.append(int(estimate[0]))
    return found


@EACH
def test_minutes_of_exercises_add_up_to_those_of_the_lesson(path):
    """What a learner reads at each exercise and what the lesson's table promises is one
    estimate, not two.
    """
    assert sum(exercises(path)) == table_of(path)["do"], exercises(path)


@EACH
def test_minutes_of_sections_add_up_to_those_of_the_lesson(path):
    assert list(minutes(path)) == [name for name, _ in sections(path)]
    assert min(minutes(path).values()) > 0
    assert sum(minutes(path).values()) == table_of(path)["read"]


def stops(path: Path) -> list[tuple[str, str]]:
    """(section, paragraph) of each stop to predict."""
    return [
        (name, plain(stop))
        for name, text in sections(path)
        for stop in re.findall(r"(?ms)^\*\*Predict.*?(?=\n\n|\Z)", text)
    ]


@EACH
def test_every_stop_has_its_answer_and_the_likely_wrong_ones(path):
    """In order; the words asked are the lesson's, and so is every number."""
    found = rows(notes(path), "stop in")
    assert [plain(row[0]) for row in found] == [section for section, _ in stops(path)]
    for (_, asked, answer, wrong), (_, stop) in zip(found, stops(path), strict=True):
        words = re.fullmatch(r'"(.{9,})"', asked)[1]
        assert words in stop, f"the lesson does not ask {words!r}: {stop}"
        assert len(answer.split()) > 3 and re.search(r"\*.+?\*.*\w{3}", wrong)


@EACH
def test_numbers_of_the_answers_are_those_of_the_lesson(path):
    answers = " ".join(row[2] for row in rows(notes(path), "stop in"))
    loose = set(NUMBER.findall(answers.replace("−", "-"))) - known(path)
    loose = {word for word in loose if f"+{word}" not in known(path)}
    assert not {word for word in loose if len(word.strip("+-%")) > 1}


@EACH
def test_every_drawing_of_a_lesson_is_on_the_board(path):
    board = {plain(row[1]): row[2] for row in rows(notes(path), "minutes")}
    for name, text in sections(path):
        shown = re.findall(r"figures/(\w+\.svg)", text)
        linked = re.findall(r"\(\.\./figures/(\w+\.svg)\)", board[name])
        assert linked == shown, name


@EACH
def test_exercises_are_listed_with_their_minutes(path):
    line = re.search(r"(?m)^- \*\*Exercises\*\*.*$", notes(path))[0]
    book = notebooks.read(notebooks.EXERCISES / path.name)
    text = "\n\n".join(cell.source for cell in book.cells)
    wanted = re.findall(
        r"(?s)^## Exercise (\d): ([^\n]+).*?\bAbout (\d+) minute", text, re.M
    )
    found = re.findall(r"(\d) \*(.+?)\* \((\d+)(?:, judgement)?\)", line)
    assert found == [(number, title, length) for number, title, length in wanted]


def test_the_seconds_of_cells_fit_into_the_minutes():
    """A lesson's cells take at most two of its minutes."""
    results = notebooks.ROOT / "data" / "results" / "lessons.json"
    measured = json.loads(results.read_text(encoding="utf-8"))["lessons"]
    for path in LESSONS:
        slowest = max(model["seconds"] for model in measured[path.stem].values())
        words = sum(len(plain(text).split()) for _, text in sections(path))
        clock = words / 200 + len(stops(path)) + slowest / 60
        assert clock <= table_of(path)["read"], f"{path.stem}: {clock:.1f} minutes"


PLANS = {
    title: rows(body, "start")
    for title, body in re.findall(
        r"(?ms)^## Plan: (.+?)\n(.*?)(?=^## |\Z)", page("plans")
    )
}
OF_NUMBER = {path.name[:2]: path for path in LESSONS}


def test_there_are_five_plans():
    """Three of two hours, among them lesson 08, and lessons 09 and 13; half a day, and
    a day.
    """
    lengths = [int(re.search(r"(\d+) minutes", title)[1]) for title in PLANS]
    assert lengths == [120, 120, 120, 240, 480]
    _, leak, service, *_ = PLANS.values()
    assert {number_of(row[3]) for row in leak} == {"", "06", "07", "08"}
    assert {number_of(row[3]) for row in service} == {"", "09", "13"}


def test_the_first_page_is_read_in_five_minutes():
    """Its table names each plan with its minutes, its lessons, and the minutes that the
    teacher reads them in; 220 words a minute.
    """
    found = rows(page("README"), "plan")
    assert len(page("README").split()) <= 5 * 220
    for (link, length, _, lessons, reading), title in zip(found, PLANS, strict=True):
        name, anchor = re.fullmatch(r"\[(.+)\]\(plans\.md#(.+)\)", link).groups()
        assert title == f"{name[0].lower()}{name[1:]}, {length} minutes"
        assert anchor == "plan-" + title.replace(",", "").replace(" ", "-")
        opened = sorted({number_of(row[3]) for row in PLANS[title]} - {""})
        assert lessons in (", ".join(opened), f"{opened[0]} to {opened[-1]}"), title
        assert int(reading) == sum(table_of(OF_NUMBER[n])["read"] for n in opened)


def number_of(cell: str) -> str:
    """The lesson that a row links."""
    if not cell:
        return ""
    number, file = re.fullmatch(r"\[(\d\d)\]\(\.\./(.+)\)", cell).groups()
    assert file == OF_NUMBER[number].name
    return number


def chosen(path: Path, what: str) -> list[str]:
    """The sections in italics, "*A*" or "*A* to *B*"."""
    order, found = list(minutes(path)), []
    for first, last in re.findall(r"\*([^*]+)\*(?: to \*([^*]+)\*)?", what):
        assert {first, last or first} <= set(order), f"{path.stem}: {first} {last}"
        found += order[order.index(first) : order.index(last or first) + 1]
    return found


def named(path: Path, what: str) -> int:
    """Minutes of the sections that a row names."""
    return sum(minutes(path)[name] for name in chosen(path, what))


def picked(path: Path, what: str) -> int:
    """Minutes of "Exercises 1 to 3", "Exercises 1, 3 and 5"; what follows a semicolon
    is homework.
    """
    spans = re.findall(r"(\d+)(?: to (\d+))?", what.split(";")[0])
    each = exercises(path)
    return sum(sum(each[int(first) - 1 : int(last or first)]) for first, last in spans)


def needed(number: str, what: str, part: str) -> tuple[int, int]:
    """Fewest and most minutes of a row."""
    if part in ("break", "frame"):
        return 5, 60
    path = OF_NUMBER[number]
    if not part.startswith("part of "):
        total = sum(table_of(path)[key] for key in part.split(" and "))
        return total, total
    measure = {"part of read": named, "part of do": picked}[part]
    want = measure(path, what)
    assert 0 < want < table_of(path)[part.split()[-1]], f"{what}: is that a part?"
    return want, want + 5


@pytest.mark.parametrize("title", PLANS)
def test_plans_add_up(title):
    """Times follow from minutes, minutes from sections and exercises; breaks come in
    time; the sum is the title's.
    """
    clock = since_break = breaks = 0
    for start, length, what, lesson, part in PLANS[title]:
        assert start == f"{clock // 60}:{clock % 60:02d}", f"{what} starts then"
        fewest, most = needed(number_of(lesson), what, part)
        assert fewest <= int(length) <= most, f"{what}: {fewest} to {most} minutes"
        since_break = 0 if part == "break" else since_break + int(length)
        assert since_break <= 95, f"{since_break} minutes without a break at {what}"
        breaks += part == "break"
        clock += int(length)
    assert clock == int(re.search(r"(\d+) minutes", title)[1])
    assert breaks >= {120: 1, 240: 2, 480: 4}[clock]


@pytest.mark.parametrize("title", list(PLANS)[-2:])
def test_no_lesson_is_forgotten(title):
    """Half a day and a day open a lesson or leave it to be read at home."""
    body = page("plans").split(f"## Plan: {title}")[1].split("\n## ")[0]
    at_home = re.search(r"\*At home\*: ([\d, ]+)\.", body)[1].split(", ")
    opened = {number_of(row[3]) for row in PLANS[title]} - {""}
    assert sorted([*opened, *at_home]) == notebooks.NUMBERS


@EACH
def test_every_lesson_has_questions_and_one_of_judgement(path):
    """Numbered through; each with an answer of more than a few words."""
    text = page("assessment")
    numbers = re.findall(r"(?m)^\*\*(\d+)\. ", text)
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    body = text.split(f"## Lesson {path.name[:2]}\n")[1].split("\n## ")[0]
    asked = re.findall(r"(?m)^\*\*\d+\. (.+)\*\*\n(.+)$", body)
    assert len(asked) == body.count("**\n") >= 2
    assert sum(question.startswith("*(judgement)*") for question, _ in asked) == 1
    assert all(len(answer.split()) >= 3 for _, answer in asked)


@pytest.mark.parametrize("title", PLANS)
def test_a_clock_beside_each_row_does_not_run_out(title):
    """Prose at 200 words a minute, two minutes a stop, and all cells of the lesson once
    when it is opened.
    """
    results = notebooks.ROOT / "data" / "results" / "lessons.json"
    measured = json.loads(results.read_text(encoding="utf-8"))["lessons"]
    opened = {""}
    for _, length, what, lesson, part in PLANS[title]:
        if "read" not in part:
            continue
        path = OF_NUMBER[number_of(lesson)]
        names = chosen(path, what) if part == "part of read" else list(minutes(path))
        text = dict(sections(path))
        clock = sum(len(plain(text[name]).split()) for name in names) / 200
        clock += 2 * sum(section in names for section, _ in stops(path))
        if lesson not in opened and "stored" not in what:
            both = measured[path.stem].values()
            clock += max(model["seconds"] for model in both) / 60
        opened.add(lesson)
        assert clock <= int(length), f"{what}: {clock:.1f} minutes"
