"""Every exercise proves itself: solution passes, untouched stub does not, two seeded
wrong answers fail with a helpful message.
"""

import io
import linecache
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import notebooks
from qrr_lib.course import check

WRONG = Path(__file__).resolve().parent / "wrong_answers"
SOLUTIONS = notebooks.solutions()
BLOCK = re.compile(r'^# %% exercise (\d+), wrong (\d+): must say "(.+)"$', re.MULTILINE)


def wrong_answers(lesson: str) -> dict[int, list[tuple[str, str]]]:
    """{exercise number: [(code, text that the checker must show)]} from
    tests/wrong_answers/NN.py.
    """
    parts = BLOCK.split((WRONG / f"{lesson}.py").read_text(encoding="utf-8"))[1:]
    found = defaultdict(list)
    for number, _, message, code in zip(*[iter(parts)] * 4):
        found[int(number)].append((code, message))
    return found


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.stem)
def test_exercises_prove_themselves(path, capsys, monkeypatch):
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("MPLBACKEND", "agg")
    lesson, number, space = path.stem[:2], 0, {"__name__": "exercise"}
    wrong, waiting = wrong_answers(lesson), None

    def verdict(code: str, check: str) -> str:
        exec(compile(code, f"{path.stem} exercise {number}", "exec"), space)
        capsys.readouterr()
        exec(compile(check, f"{path.stem} check {number}", "exec"), space)
        return capsys.readouterr().out.strip()

    for cell in notebooks.read(path).cells:
        if cell.cell_type != "code":
            continue
        if "exercise" in notebooks.tags(cell):
            assert waiting is None, f"exercise {number} has no check"
            number, waiting = number + 1, cell.source
        elif "check" in notebooks.tags(cell) and waiting is not None:
            stub = notebooks.STUB.sub(r"\1raise NotImplementedError\n", waiting + "\n")
            marks = f"exercise {number} has no BEGIN SOLUTION / END SOLUTION"
            assert stub != waiting + "\n", marks
            assert verdict(stub, cell.source).startswith("⏳")
            assert len(wrong[number]) >= 2, f"exercise {number}: two wrong answers"
            for code, message in wrong[number]:
                said = verdict(code, cell.source)
                assert said.startswith("❌") and message in said, f"{number}: {said}"
            said = verdict(waiting, cell.source)
            assert said.startswith("✅"), f"exercise {number}, solution: {said}"
            waiting = None
        else:
            exec(compile(cell.source, path.stem, "exec"), space)
    assert waiting is None and 3 <= number <= 5, f"{number} exercises"


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.stem)
def test_exercise_notebook_is_the_generated_one(path):
    made = notebooks.exercise_from(notebooks.read(path))
    stale = f"{path.name} is stale: run python tools/notebooks.py exercises"
    assert notebooks.read(notebooks.EXERCISES / path.name) == made, stale


def test_every_lesson_has_a_solution_and_nothing_is_left_over():
    exercises = sorted(notebooks.EXERCISES.glob("*.ipynb"))
    names = [path.name for path in notebooks.lessons()]
    assert names == [p.name for p in SOLUTIONS] == [p.name for p in exercises]


TEST = """
@check("1")
def _():
    got = double(torch.tensor([1.0, 2.0]))
    assert got.tolist() == [2, 4], f"must be [2, 4], you gave {got.tolist()}"
"""


@pytest.mark.parametrize(
    "body, said",
    [
        ("return 2 * x", "✅ 1"),
        ("return 3 * x", "❌ 1: must be [2, 4], you gave [3.0, 6.0]"),
        ("2 * x", "❌ 1: your function returned None: is its `return` missing?"),
        ("return [2, 4]", "❌ 1: the check can't use your answer, a list (Attribute"),
        (
            "y = 2 * x\n    return y.twice",
            "has no attribute 'twice', in double, line 3",
        ),
        ("return torch.cat(x)", "in double, line 2"),
    ],
)
def test_the_checker_names_the_mistake(body, said, capsys):
    space = {"check": check}
    source = f"import torch\ndef double(x):\n    {body}"
    exec(compile(source.partition("\n")[0], "imports", "exec"), space)
    exec(compile(source.partition("\n")[2], "exercise", "exec"), space)
    exec(compile(TEST, "check", "exec"), space)
    assert said in capsys.readouterr().out
    assert space["_"] is said.startswith("✅")


def test_the_checker_shows_the_line_and_sees_none_in_a_message(capsys):
    space = {"check": check}
    lines = ["def half(x):\n", "    return x / 0\n"]
    linecache.cache["cell-1"] = (0, None, lines, "cell-1")
    exec(compile("".join(lines), "cell-1", "exec"), space)
    exec(compile("check('2')(lambda: half(1))", "cell-2", "exec"), space)
    assert "by zero, in half, line 2 (`return x / 0`)" in capsys.readouterr().out
    space["half"] = lambda x: None
    exec(compile("check('3')(lambda: float(half(1)))", "cell-3", "exec"), space)
    assert "returned None" in capsys.readouterr().out


@pytest.mark.parametrize("encoding, said", [("utf-8", "✅ α\n"), ("ascii", "[ok] ?\n")])
def test_the_checker_speaks_to_every_console(monkeypatch, encoding, said):
    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    monkeypatch.setattr(sys, "stdout", console)
    check("α")(lambda: None)
    console.flush()
    assert console.buffer.getvalue().decode(encoding) == said
