"""Every exercise proves itself: solution passes, untouched stub does not, two seeded
wrong answers fail with a helpful message.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

import notebooks

ROOT = Path(__file__).resolve().parent.parent

SOLUTIONS = notebooks.solutions()
BLOCK = re.compile(r'^# %% exercise (\d+), wrong (\d+): must say "(.+)"$', re.MULTILINE)


def wrong_answers(lesson: str) -> dict[int, list[tuple[str, str]]]:
    """{exercise number: [(code, text that the checker must show)]} from
    tests/wrong_answers/NN.py.
    """
    text = (ROOT / "tests" / "wrong_answers" / f"{lesson}.py").read_text(
        encoding="utf-8"
    )
    parts = BLOCK.split(text)[1:]
    found: dict[int, list[tuple[str, str]]] = {}
    for number, _, message, code in zip(*[iter(parts)] * 4):
        found.setdefault(int(number), []).append((code, message))
    return found


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.stem)
def test_exercises_prove_themselves(path, capsys, monkeypatch):
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("MPLBACKEND", "agg")
    wrong, number, space = wrong_answers(path.stem[:2]), 0, {"__name__": "exercise"}

    def verdict(code: str, check: str) -> str:
        exec(compile(code, f"{path.stem} exercise {number}", "exec"), space)
        capsys.readouterr()
        exec(compile(check, f"{path.stem} check {number}", "exec"), space)
        return capsys.readouterr().out.strip()

    waiting = None
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        if "exercise" in notebooks.tags(cell):
            assert waiting is None, f"exercise {number} has no check"
            number, waiting = number + 1, cell.source
        elif "check" in notebooks.tags(cell) and waiting is not None:
            stub = notebooks.STUB.sub(r"\1raise NotImplementedError\n", waiting + "\n")
            assert stub != waiting + "\n", (
                f"exercise {number} has no BEGIN SOLUTION / END SOLUTION"
            )
            assert verdict(stub, cell.source).startswith("⏳")
            assert len(wrong.get(number, [])) >= 2, (
                f"exercise {number} needs two wrong answers in "
                f"tests/wrong_answers/{path.stem[:2]}.py"
            )
            for code, message in wrong[number]:
                said = verdict(code, cell.source)
                assert said.startswith("❌") and message in said, (
                    f"exercise {number}: expected {message!r} in {said!r}"
                )
            assert verdict(waiting, cell.source).startswith("✅"), (
                f"exercise {number}: the solution does not pass"
            )
            waiting = None
        else:
            exec(compile(cell.source, path.stem, "exec"), space)
    assert waiting is None and 3 <= number <= 5, f"{number} exercises"


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.stem)
def test_exercise_notebook_is_the_generated_one(path):
    target = notebooks.EXERCISES / path.name
    made = notebooks.exercise_from(nbformat.read(path, as_version=4))
    assert nbformat.read(target, as_version=4) == made, (
        f"{target.name} is stale: run python tools/notebooks.py exercises"
    )


def test_every_lesson_has_a_solution_and_nothing_is_left_over():
    assert (
        [p.name for p in notebooks.lessons()]
        == [p.name for p in SOLUTIONS]
        == [p.name for p in sorted(notebooks.EXERCISES.glob("*.ipynb"))]
    )
