"""The form of a lesson: short, drawn, typeset, with stops to predict and checks out of
the way. A rule answers with what is wrong; every rule is seen to find it in a bad
lesson.
"""

import ast
import re

import nbformat
import pytest

import notebooks

LESSONS = notebooks.lessons()
NO_MATHS = ("00", "04", "05", "13", "14")
CLOSING = ["What we found", "In practice", "Next", "Further reading"]
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
TEX = re.compile(r"\$\$.+?\$\$|(?<![\\$])\$[^$\n]+?\$", re.DOTALL)
CODE = re.compile(r"(?ms)^```.*?^```|`[^`\n]+`")
KET = re.compile(r"[|⟨][^|\s⟩>]{1,8}[⟩>]")


def prose(notebook) -> str:
    """All Markdown, details, comments and appendices included."""
    cells = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    return "\n\n".join(cells)


def code(notebook) -> list:
    """Code cells; that of tools/badges.py is no part of the lesson."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell in cells if "badges" not in notebooks.tags(cell)]


def taught(notebook) -> list:
    """Code cells that the reader reads: all but the checks."""
    return [cell for cell in code(notebook) if "check" not in notebooks.tags(cell)]


def lines_of(cell) -> list[str]:
    return [line for line in cell.source.splitlines() if line.strip()]


def short(notebook, path) -> list[str]:
    """At most 60 cells and 2,200 words (a formula is a word)."""
    text = LINK.sub(r"\1", TEX.sub(" formula ", prose(notebook)))
    words, cells = len(re.findall(r"[^\W_][\w’'-]*", text)), len(notebook.cells)
    wrong = [f"{cells} cells, at most 60"] * (cells > 60)
    return wrong + [f"{words} words, at most 2,200"] * (words > 2200)


def paragraphs(notebook, path) -> list[str]:
    """A paragraph has at most five lines (600 characters)."""
    text = re.sub(r"(?m)^[-|>\d].*(?:\n(?!\n).*)*", "", CODE.sub("", prose(notebook)))
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return [f"{len(p)} characters: {p[:60]} …" for p in parts if len(p) > 600]


def cells_fit(notebook, path) -> list[str]:
    """At most 80 columns; 12 lines a cell, in three of them 14; checks 25."""
    wrong, long = [], 0
    for cell in code(notebook):
        lines = lines_of(cell)
        most = 25 if "check" in notebooks.tags(cell) else 14
        long += most == 14 and len(lines) > 12
        if len(lines) > most:
            wrong.append(f"{len(lines)} lines, at most {most}: {lines[0]}")
        wrong += [f"wider than 80: {line}" for line in lines if len(line) > 80]
    return wrong + [f"{long} cells of more than 12 lines, at most 3"] * (long > 3)


def public(notebook, path) -> list[str]:
    """No private names."""
    found = []
    for cell in code(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            name = getattr(node, "attr", getattr(node, "id", ""))
            if re.match(r"_(?!_|$)", name):
                found.append(f"a private name: {name}")
    return found


def drawn(notebook, path) -> list[str]:
    """A diagram of notebooks/figures before the first code cell; all are there."""
    cells = list(notebook.cells)
    first = cells.index(code(notebook)[0])
    opening = "\n".join(c.source for c in cells[:first] if c.cell_type == "markdown")
    wanted = [target for _, target in IMAGE.findall(prose(notebook))]
    wrong = [f"{t} is not there" for t in wanted if not (path.parent / t).is_file()]
    if not re.search(r"!\[[^\]]+\]\(figures/[\w-]+\.svg\)", opening):
        wrong.append("no diagram (figures/NAME.svg) before the first code cell")
    return wrong


def typeset(notebook, path) -> list[str]:
    """Formulas in TeX: at least one where there is maths, and no ket in plain text."""
    text, wrong = CODE.sub("", IMAGE.sub("", prose(notebook))), []
    if path.name[:2] not in NO_MATHS and not TEX.search(text):
        wrong.append("no formula in TeX")
    plain = KET.findall(TEX.sub("", re.sub(r"<[^<>]+>", "", text)))
    return wrong + [f"write {ket} in TeX" for ket in plain]


def checks_apart(notebook, path) -> list[str]:
    """Asserts stand in cells tagged `check`, but for two one-line derivations."""
    found = [
        (node, cell)
        for cell in taught(notebook)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Assert)
    ]
    wrong = [f"{len(found)} asserts outside checks, at most 2"] * (len(found) > 2)
    wrong += ["no cell tagged check"] * (len(taught(notebook)) == len(code(notebook)))
    several = [node for node, _ in found if node.end_lineno != node.lineno]
    return wrong + [f"an assert of several lines: {ast.unparse(n)}" for n in several]


def linked(notebook, path) -> list[str]:
    """Links to the next lesson, exercises, solution, Binder; all of them lead
    somewhere.
    """
    links = LINK.findall(CODE.sub("", prose(notebook)))
    targets = {target.partition("#")[0] for _, target in links}
    wanted = [f"exercises/{path.name}", f"solutions/{path.name}"]
    names = [lesson.name for lesson in LESSONS]
    wanted += names[names.index(path.name) + 1 :][:1]
    wrong = [f"no link to {target}" for target in wanted if target not in targets]
    if not any("Binder" in text for text, _ in links):
        wrong.append("no link whose text says Binder (../README.md#start)")
    inside = [t for t in targets if t and not t.startswith(("http", "mailto:"))]
    lost = [target for target in inside if not (path.parent / target).exists()]
    return wrong + [f"{target} is not there" for target in lost]


def closing(notebook, path) -> list[str]:
    """It closes with these four sections."""
    heads = re.findall(r"(?m)^## (.+)$", CODE.sub("", prose(notebook)))
    return [] if heads[-4:] == CLOSING else [f"closes with {heads[-4:]}, not {CLOSING}"]


def told(notebook, path) -> list[str]:
    """Every picture has an alternative of five words or more."""
    said = [alt for alt, _ in IMAGE.findall(prose(notebook))]
    for cell in code(notebook):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                said.append(notebooks.alternative(output))
    return [f"a picture without words: {alt!r}" for alt in said if len(alt.split()) < 5]


def stops(notebook, path) -> list[str]:
    """At least two stops to predict."""
    found = len(re.findall(r"(?m)^\*\*Predict", prose(notebook)))
    return [f"{found} stops that begin with **Predict, at least 2"] * (found < 2)


RULES = [
    short,
    paragraphs,
    cells_fit,
    public,
    drawn,
    typeset,
    checks_apart,
    linked,
    closing,
    told,
    stops,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_the_form(path, rule):
    wrong = rule(notebooks.read(path), path)
    assert not wrong, f"{rule.__doc__}\n" + "\n".join(wrong)


# every rule finds what it is for

HERE = notebooks.NOTEBOOKS / "02_angle_head.ipynb"  # where the toy lesson would stand
OPENING = """# A title

![A text becomes a vector, angles and a state.](figures/pipeline_02.svg)"""
MIDDLE = r"""## A section

The fidelity $F = |\langle\psi|\varphi\rangle|^2$ of two states, `|0>` in code.

**Predict.** Is it more?

**Predict.** Is it less?"""
LINKS = """[Exercises](exercises/02_angle_head.ipynb), their
[solutions](solutions/02_angle_head.ipynb), on [Binder](../README.md#start);
[lesson 03](03_qiskit_vs_pennylane.ipynb) is next."""
END = f"""## What we found

## In practice

## Next

{LINKS}

## Further reading"""


def toy(**changed) -> nbformat.NotebookNode:
    """A lesson that breaks no rule, with some of its parts changed."""
    parts = {
        "opening": OPENING,
        "source": "x = 1\nassert x",
        "alt": "A line rises from left to right.",
        "middle": MIDDLE,
        "check": "assert (\n    x == 1\n)",
        "end": END,
        "more": 0,
    } | changed
    prose_cell, code_cell = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    picture = nbformat.v4.new_output(
        "display_data",
        data={"image/png": "iVBORw0KGgo="},
        metadata={"image/png": {"alt": parts["alt"]}},
    )
    about = {"tags": ["check"]} if parts["check"] else {}
    cells = [
        prose_cell(parts["opening"]),
        code_cell(parts["source"], outputs=[picture]),
        prose_cell(parts["middle"]),
        *[prose_cell("<!-- more -->") for _ in range(parts["more"])],
        code_cell(parts["check"], metadata=about),
        prose_cell(parts["end"]),
    ]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_lesson_in_form_passes(rule):
    assert rule(toy(), HERE) == []


BAD = [
    (short, {"more": 56}, "61 cells"),
    (short, {"middle": f"<details>{'word ' * 2200}</details>"}, "words, at most"),
    (short, {"middle": f"<!-- {'word ' * 2200} -->"}, "words, at most"),
    (paragraphs, {"middle": "seven words in a line of text\n" * 21}, "characters"),
    (cells_fit, {"source": "x = 1\n" * 15}, "15 lines, at most 14"),
    (cells_fit, {"check": "x = 1\n" * 26}, "26 lines, at most 25"),
    (cells_fit, {"source": f"x = {'1' * 77}"}, "wider than 80"),
    (public, {"source": "x.parts._hidden()"}, "_hidden"),
    (public, {"check": "_hidden"}, "_hidden"),
    (drawn, {"opening": "# A title"}, "no diagram"),
    (drawn, {"opening": OPENING.replace("02.svg", "99.svg")}, "is not there"),
    (drawn, {"opening": "# A", "middle": OPENING}, "no diagram"),
    (typeset, {"middle": "F = 1"}, "no formula"),
    (typeset, {"middle": f"{MIDDLE} The state |+i⟩."}, "write |+i⟩"),
    (typeset, {"middle": f"{MIDDLE} That is ⟨ψ|φ⟩."}, "in TeX"),
    (checks_apart, {"source": "assert x\n" * 3}, "3 asserts outside"),
    (checks_apart, {"source": "assert (\n    x\n)"}, "of several lines"),
    (checks_apart, {"check": ""}, "no cell tagged check"),
    (linked, {"end": END.replace("exercises/", "")}, "no link to exercises/02"),
    (linked, {"end": END.replace("[solutions]", "solutions")}, "no link to solutions"),
    (linked, {"end": END.replace("Binder", "it")}, "says Binder"),
    (linked, {"end": END.replace("03_q", "05_f")}, "no link to 03_q"),
    (linked, {"end": END.replace("03_q", "05_f")}, "05_fiskit_vs_pennylane.ipynb is"),
    (closing, {"end": END.replace("Next", "Then")}, "closes with"),
    (closing, {"end": END + "\n\n## More"}, "closes with"),
    (told, {"alt": ""}, "without words"),
    (told, {"opening": "![A text.](figures/pipeline_02.svg)"}, "'A text.'"),
    (stops, {"middle": MIDDLE.replace("**Predict.**", "", 1)}, "1 stops"),
]


@pytest.mark.parametrize("rule, changed, message", BAD)
def test_a_lesson_out_of_form_goes_red(rule, changed, message):
    wrong = rule(toy(**changed), HERE)
    assert wrong and message in "\n".join(wrong)


def test_every_rule_is_seen_to_fail():
    assert {rule for rule, *_ in BAD} == set(RULES)


def test_three_cells_may_be_a_little_longer():
    lesson = toy(source="x = 1\n" * 13)
    assert cells_fit(lesson, HERE) == []
    lesson.cells += [lesson.cells[1]] * 3
    assert cells_fit(lesson, HERE) == ["4 cells of more than 12 lines, at most 3"]
