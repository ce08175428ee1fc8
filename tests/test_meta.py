"""The course as a whole: every notebook is registered, every number in prose is tied to
code, spelling, sizes, links.

Numbers in prose. A number that looks measured or computed (a decimal, one with a
thousands comma, or one before %, ×, °, a unit of time or memory) in the prose of a
lesson or solution must occur in the same notebook

- in an `assert`, or as a literal in the code (a setting or a bound), or
- in what a cell printed (rounded as the prose rounds it).

What no code can know (a rule of thumb, history, arithmetic spelled out) is declared
where it stands, in the same cell: `<!-- fixed: 45, 0.25: arithmetic spelled out -->`. A
declared number that the cell does not contain, or that code does know, fails as well.
"""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import classroom
import nbformat
import pytest

import notebooks

ROOT = Path(__file__).resolve().parent.parent

LESSONS, SOLUTIONS = notebooks.lessons(), notebooks.solutions()
EXERCISES = sorted(notebooks.EXERCISES.glob("*.ipynb"))
NOTES = ROOT / "notebooks" / "instructor" / "notes.md"
UNIT = (
    r"\s?(?:%|×|°|per cent\b|percent\b|times\b|fold\b|GB\b|MB\b|KB\b|ms\b|µs\b"
    r"|seconds?\b|minutes?\b|hours?\b)"
)
NUMBER = re.compile(
    rf"(?<![\w.:/,-])(\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+\.\d+|\d+(?={UNIT}))"
    r"(?![\d.]*\.\d)"
)
FIXED = re.compile(r"<!-- fixed: ([\d., ]+): (\S.{5,}?) -->")
AMERICAN = re.compile(
    r"\b(color\w*|behavior\w*|favor\w*|center\w*|gray\w*|model(?:ing|ed)"
    r"|label(?:ing|ed)|travel(?:ing|ed)|analyze[ds]?|fulfill|catalog"
    r"|neighbor\w*|artifacts?)\b"
)


def name(path):
    return str(path.relative_to(ROOT))


def cells(path, kind):
    return [
        cell
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == kind
    ]


def prose(text: str) -> str:
    """Markdown without code, link targets, paper numbers, comments, the lesson's and
    exercises' minutes, and the name "95 % interval".
    """
    for pattern in (
        r"(?ms)^```.*?^```",
        r"(?<=\n\n)(?: {4}[^\n]*(?:\n|\Z))+",
        r"`[^`]*`",
        r"(?s)<!--.*?-->",
        r"(?<=\])\([^)]*\)",
        r"arXiv:\S+",
        r"(?m)^\| \*\*Minutes\*\*.*$",
        r"\bAbout \d+ minutes?\b",
        r"\b95 ?% (?:confidence )?intervals?\b",
    ):
        text = re.sub(pattern, " ", text)
    return text


def numbers_of_code(path) -> tuple[set[float], set[float]]:
    """Values written in the code (asserts included, strings of printed text too), and
    values printed.
    """
    written, printed = set(), set()
    for cell in cells(path, "code"):
        for node in ast.walk(ast.parse(cell.source)):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, (int, float))
                and not isinstance(node.value, bool)
            ):
                written.add(float(node.value))
        for output in cell.outputs:
            text = output.get("text", "") + "".join(
                output.get("data", {}).get("text/plain", "")
            )
            printed |= {
                float(found.replace(",", ""))
                for found in re.findall(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?", text)
            }
    return written, printed


def bound(text: str, written: set[float], printed: set[float]) -> bool:
    value, places = float(text.replace(",", "")), len(text.partition(".")[2])
    return (
        value in written
        or round(value / 100, places + 2) in written
        or any(round(number, places) == value for number in printed)
    )


def loose_numbers(
    markdown_sources: list[str], written: set[float], printed: set[float]
) -> list[str]:
    """What is wrong with the numbers of some prose; empty if every one is bound or
    rightly declared.
    """
    wrong = []
    for source in markdown_sources:
        declared = {
            number.strip()
            for listed, _ in FIXED.findall(source)
            for number in listed.split(", ")
        }
        wrong += [
            f"a marker in another form than '<!-- fixed: 1.5, 20: reason -->': {marker}"
            for marker in re.findall(r"<!-- ?fixed.*?-->", source)
            if not FIXED.fullmatch(marker)
        ]
        text = prose(source)
        found = {
            match[1]: text[max(0, match.start() - 50) : match.end() + 30].replace(
                "\n", " "
            )
            for match in NUMBER.finditer(text)
        }
        wrong += [
            f"{number}: in no assert, literal or output: …{where}…"
            for number, where in found.items()
            if number not in declared and not bound(number, written, printed)
        ]
        wrong += [
            f"{number} is declared fixed but not in the prose"
            for number in declared - set(found)
        ]
        wrong += [
            f"{number} is declared fixed, though the code knows it"
            for number in declared & set(found)
            if bound(number, written, printed)
        ]
    return wrong


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS, ids=name)
def test_every_number_in_prose_is_tied_to_code(path):
    wrong = loose_numbers(
        [cell.source for cell in cells(path, "markdown")], *numbers_of_code(path)
    )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "source, complaint",
    [
        ("It is 7.25 times faster.", "7.25: in no assert"),
        ("Half of it, 49 %.", "49: in no assert"),
        ("There are 12,345.", "12,345: in no assert"),
        (
            "A rule of thumb: 30 %. <!-- fixed: 31: rule of thumb -->",
            "31 is declared fixed but not",
        ),
        ("The bound 0.5. <!-- fixed: 0.5: rule of thumb -->", "though the code knows"),
        ("A rule: 30 %. <!-- fixed: 30 -->", "another form"),
    ],
)
def test_loose_numbers_are_found(source, complaint):
    assert any(
        complaint in line for line in loose_numbers([source], {0.5, 0.25}, {3.14159})
    )


@pytest.mark.parametrize(
    "source",
    [
        "The bound 0.5 holds, that is 50 % and 25 %.",
        "About 3.14, or 3.1.",
        "arXiv:1908.10084 has it.",
        "In lesson 06, since 2019, `0.77` and [0.5](x_9.9.md).",
        "1,024.5 <!-- fixed: 1,024.5: arithmetic -->",
        "A rule: 30 % or 0.77. <!-- fixed: 30, 0.77: rule of thumb -->",
    ],
)
def test_bound_numbers_are_accepted(source):
    assert loose_numbers([source], {0.5, 0.25}, {3.14159}) == []


def test_every_notebook_is_in_the_registry():
    """Lessons have the numbers of `tools/notebooks.py`, each has a solution and an
    exercise, the canaries are five, and there is no other notebook.
    """
    assert [path.name[:2] for path in LESSONS] == notebooks.NUMBERS
    assert (
        [p.name for p in LESSONS]
        == [p.name for p in SOLUTIONS]
        == [p.name for p in EXERCISES]
    )
    canaries = [
        ROOT / "tests" / "canaries" / f"{stem}.ipynb"
        for stem in ("dead_kernel", "healthy", "missing_file", "raises", "wrong_output")
    ]
    known = {*LESSONS, *SOLUTIONS, *EXERCISES, *canaries}
    present = {path for path in classroom.project_files() if path.suffix == ".ipynb"}
    assert present - known == set() and known - present == set()


def test_every_lesson_is_on_the_maps():
    """README, the map in lesson 00 and the teacher's page name every lesson; lesson 00
    may leave itself a plain row.
    """
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    notes = NOTES.read_text(encoding="utf-8")
    welcome = "\n".join(cell.source for cell in cells(LESSONS[0], "markdown"))
    for path in LESSONS:
        number = path.name[:2]
        target = f"[{number}]: notebooks/{path.name}"
        assert target in readme, f"README does not link {path.name}"
        assert re.search(rf"^\| \[?{number} ", welcome, re.MULTILINE), (
            f"the map in lesson 00 leaves out {number}"
        )
        assert re.search(rf"^### Lesson {number}:", notes, re.MULTILINE), (
            f"the teacher's page has no notes for {number}"
        )


@pytest.mark.parametrize("path", EXERCISES, ids=name)
def test_exercises_hold_no_outputs(path):
    assert all(
        not cell.outputs and cell.execution_count is None
        for cell in cells(path, "code")
    )


def pages() -> list[Path]:
    return [
        path for path in classroom.project_files() if path.suffix == ".md"
    ] + sorted((ROOT / ".github").rglob("*.md"))


def text_of(path: Path) -> str:
    return (
        path.read_text(encoding="utf-8")
        if path.suffix != ".ipynb"
        else "\n\n".join(cell.source for cell in cells(path, "markdown"))
    )


def test_spelling(tmp_path):
    """codespell over all prose, notebooks included; words it takes for mistakes are
    listed in tests/spelling_ignore.txt.
    """
    for path in pages() + LESSONS + SOLUTIONS + EXERCISES:
        target = tmp_path / name(path).replace("/", "__").replace(".ipynb", ".md")
        target.write_text(
            re.sub(r"`[^`\n]*`|\]\([^)]*\)", " ", text_of(path)), encoding="utf-8"
        )
    command = [
        sys.executable,
        "-m",
        "codespell_lib",
        "-I",
        ROOT / "tests" / "spelling_ignore.txt",
        tmp_path,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.replace(str(tmp_path), "")
    (tmp_path / "canary.md").write_text("teh speling", encoding="utf-8")
    assert (
        subprocess.run(
            [sys.executable, "-m", "codespell_lib", tmp_path / "canary.md"],
            capture_output=True,
            check=False,
        ).returncode
        != 0
    )


@pytest.mark.parametrize("path", pages() + LESSONS + SOLUTIONS, ids=name)
def test_british_spelling(path):
    text = re.sub(
        r"(?ms)^```.*?^```|`[^`]*`|\]\([^)]*\)|<[^>]*>|https?://\S+|^- "
        r"[A-Z].*(?:19|20)\d\d.*$",
        " ",
        text_of(path),
    )
    assert not (found := AMERICAN.findall(text)), found


@pytest.mark.parametrize("path", pages() + SOLUTIONS + EXERCISES, ids=name)
def test_links_inside_the_repository_resolve(path):
    """Lessons are looked at in test_notebooks.

    A link to a section must name a heading of the page it leads to.
    """
    text = re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", text_of(path))
    for target, section in re.findall(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", text):
        if target.startswith(("http", "mailto:")):
            continue
        place = path if not target else path.parent / target
        assert place.exists(), f"{name(path)}: {target}"
        if section and place.suffix == ".md":
            heads = re.findall(
                r"^#+ +(.*)$", place.read_text(encoding="utf-8"), re.MULTILINE
            )
            assert section[1:] in {
                re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
                for head in heads
            }, f"{name(path)}: {target}{section}"


@pytest.mark.parametrize("path", pages() + LESSONS + SOLUTIONS, ids=name)
def test_files_and_modules_that_prose_names_are_there(path):
    if path.name == "CHANGELOG.md":  # it names what was
        return
    text = text_of(path).replace("NN_name", "00_welcome").replace("NN.py", "00.py")
    folders = "qrr_lib|tools|tests|data|notebooks|binder"
    for found in re.findall(rf"`((?:{folders})/[\w./-]+)`", text):
        assert (ROOT / found).exists(), found
    for module, attribute in re.findall(r"`(qrr_lib(?:\.\w+)*)\.(\w+)`", text):
        assert hasattr(importlib.import_module(module), attribute), (module, attribute)


def test_files_stay_small():
    """A clone on conference Wi-Fi: no file over 5 MB, all of it under 40 MB, text files
    other than notebooks and data under 200 KB.
    """
    sizes = {path: path.stat().st_size for path in classroom.project_files()}
    assert max(sizes.values()) < 5e6, max(sizes, key=sizes.get)
    assert sum(sizes.values()) < 40e6
    for path, size in sizes.items():
        if path.suffix in (".py", ".md", ".toml", ".yml", ".txt"):
            assert size < 200_000, name(path)


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS, ids=name)
def test_outputs_carry_nothing_of_a_machine(path):
    """No home or temporary folders, no addresses of processes or objects, no tracebacks
    in what cells printed.
    """
    for cell in cells(path, "code"):
        for output in cell.outputs:
            text = output.get("text", "") + json.dumps(
                {
                    k: v
                    for k, v in output.get("data", {}).items()
                    if not k.startswith("image/")
                }
            )
            found = re.search(
                r"/home/\w+|/Users/\w+|[A-Z]:\\\\|/var/folders|ipykernel_\d+|\bat "
                r"0x[0-9a-f]{6,}|site-packages"
                r"|Traceback \(most recent",
                text,
            )
            assert not found, f"{found[0]}: {cell.source[:80]}"


GLOSSARY = ROOT / "notebooks" / "glossary.md"
TERM = r"(?m)^- \*\*(.+?)\*\* \((\d\d)\): (.+)$"


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_terms_of_the_glossary_stand_where_it_says(path):
    """In the lesson that a term names, or in its exercises, a word of the term is
    there.
    """
    books = [notebooks.read(path), notebooks.read(notebooks.SOLUTIONS / path.name)]
    text = " ".join(cell.source for book in books for cell in book.cells)
    text = re.sub(r"[$_{}]", "", text).lower()
    for term, number, meaning in re.findall(TERM, GLOSSARY.read_text("utf-8")):
        if number == path.name[:2]:
            words = re.findall(r"[^\W\d_]{2,}", term.lower())
            assert any(word[:6] in text for word in words or [term.lower()]), term
            assert len(meaning.split()) > 2, term


def test_the_glossary_explains_each_term_once():
    terms = [term.lower() for term, *_ in re.findall(TERM, GLOSSARY.read_text("utf-8"))]
    assert len(set(terms)) == len(terms) > 200
