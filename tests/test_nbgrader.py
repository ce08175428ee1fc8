"""Exercises in nbgrader's form: what the tool writes, and (slow tier) what nbgrader
makes of it: full points for the solution, none for the stub, and for a learner who has
solved one exercise, that one's.
"""

import csv
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import nbformat
import nbgrader as tool
import pytest

import notebooks

SOLUTIONS = notebooks.solutions()
LESSONS = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def about(cell) -> dict:
    return cell.metadata.nbgrader


def points(cells) -> list[int]:
    return [about(cell).points for cell in cells if about(cell).grade]


@LESSONS
def test_an_assignment_has_a_place_for_each_answer_and_points_for_each_test(path):
    """Points are the minutes of the lesson's exercises; all but answers is locked."""
    cells = tool.assignment(notebooks.read(path)).cells
    kinds = [(about(cell).solution, about(cell).grade) for cell in cells]
    assert kinds.count((True, False)) == kinds.count((False, True)) >= 3
    assert (True, True) not in kinds
    lesson = notebooks.read(notebooks.NOTEBOOKS / path.name).cells[0].source
    assert f", {sum(points(cells))} to do" in lesson
    assert all(about(cell).locked != about(cell).solution for cell in cells)
    names = [about(cell).grade_id for cell in cells]
    assert len(set(names)) == len(names)
    for cell in cells:
        regions = cell.source.count("### BEGIN SOLUTION\n")
        assert regions == cell.source.count("### END SOLUTION") == about(cell).solution
        assert not cell.get("outputs") and "# # BEGIN" not in cell.source


def test_a_hidden_test_is_hidden_whole():
    for hidden in (False, True):
        made = tool.assignment(notebooks.read(SOLUTIONS[8]), hidden).cells
        tests = [cell.source for cell in made if about(cell).grade]
        for source in tests:
            assert source.startswith("### BEGIN HIDDEN TESTS") == hidden
            assert source.endswith("### END HIDDEN TESTS") == hidden


def test_an_exercise_without_minutes_is_refused():
    book = notebooks.read(SOLUTIONS[0])
    for cell in book.cells:
        cell.source = cell.source.replace("About 3 minutes", "Soon")
    with pytest.raises(SystemExit, match="exercise 1 says no"):
        tool.assignment(book)


def with_nbgrader(folder: Path) -> Path:
    """Python of a new environment that sees this one's packages and has nbgrader.

    In this one nbgrader would put its buttons into every JupyterLab, also into the one
    that tests/test_browser.py looks at as a visitor.
    """
    venv.create(folder, with_pip=True)
    paths = sysconfig.get_paths("venv", vars={"base": str(folder)})
    python = Path(paths["scripts"]) / Path(sys.executable).name
    here = sysconfig.get_paths()["purelib"]
    link = Path(paths["purelib"]) / "parent.pth"
    link.write_text(f"import site; site.addsitedir({here!r})\n", encoding="utf-8")
    project = tomllib.loads((notebooks.ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = project["project"]["optional-dependencies"]["classroom"]
    pins = notebooks.ROOT / "constraints.txt"
    command = [python, "-m", "pip", "install", "-q", "-c", pins, *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nbgrader can't be installed: {done.stderr.strip()[-300:]}")
    return python


@pytest.fixture(scope="module")
def grader(tmp_path_factory):
    """Function (words) -> None that runs nbgrader in a folder, and that folder."""
    python = with_nbgrader(tmp_path_factory.mktemp("nbgrader"))
    folder = tmp_path_factory.mktemp("graded")
    # nbgrader calls `alembic`, and its kernel `python`, by name
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"

    def run(*words: str) -> None:
        command = [python, "-m", "nbgrader", *words]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stderr[-3000:]}"

    return run, folder


def solve_only(number: int, released: Path, source: Path) -> None:
    """Put the solution of one exercise into a released notebook."""
    book, solved = notebooks.read(released), notebooks.read(source)
    for cell, model in zip(book.cells, solved.cells, strict=True):
        if about(cell).grade_id == f"exercise-{number}":
            cell.source = model.source
    nbformat.write(book, released)


def scores(folder: Path) -> dict[str, tuple[float, float]]:
    """{learner: (points, of how many)} in the exported table."""
    with open(folder / "grades.csv", encoding="utf-8", newline="") as file:
        return {
            row["student_id"]: (float(row["score"]), float(row["max_score"]))
            for row in csv.DictReader(file)
        }


@pytest.mark.slow
@LESSONS
def test_nbgrader_gives_full_points_no_points_and_some(path, grader):
    run, folder = grader
    shutil.rmtree(folder)
    [source] = tool.write_course(folder, [path])
    run("generate_assignment", path.stem)
    released = folder / "release" / path.stem / path.name
    handed = folder / "submitted"
    for learner, made in {"all": source, "none": released, "one": released}.items():
        shutil.copytree(made.parent, handed / learner / path.stem)
    assert "BEGIN SOLUTION" not in released.read_text(encoding="utf-8")
    solve_only(2, handed / "one" / path.stem / path.name, source)
    run("autograde", path.stem)
    run("export")
    worth = points(notebooks.read(source).cells)
    full = sum(worth)
    wanted = {"all": (full, full), "none": (0, full), "one": (worth[1], full)}
    assert scores(folder) == wanted
    print(f"{path.stem}: {scores(folder)}")
