"""Write the exercises in the form of nbgrader, for courses that give marks: source
assignments from notebooks/solutions, one for each lesson.

    python tools/nbgrader.py            # build/nbgrader/source, every lesson
    python tools/nbgrader.py 08 09      # these lessons
    python tools/nbgrader.py --hidden   # learners don't see the tests

In an assignment the learner's function is a solution region, the check under it an
autograded test that is worth as many points as the exercise takes minutes, and
everything else is locked. Then, in build/nbgrader and with nbgrader installed (`pip
install -c constraints.txt -e ".[classroom]"`):

    nbgrader generate_assignment 08_does_it_help
    nbgrader autograde 08_does_it_help

(This file has the name of the package, and doesn't import it.)
"""

import argparse
import re
import sys
from pathlib import Path

from notebooks import ROOT, canonical, chosen, read, solutions, tags

BUILD = ROOT / "build" / "nbgrader"
CONFIG = """c = get_config()
c.CourseDirectory.course_id = "qrr"
c.ExecutePreprocessor.timeout = 300
"""
TEST = """{begin}from qrr_lib.course import check


{source}


assert _, "no points yet for exercise {number}: the line above says why"{end}"""
HIDDEN = {
    "begin": "### BEGIN HIDDEN TESTS\n",
    "end": "\n### END HIDDEN TESTS",
}


def marked(cell, name: str, points: int = 0, answer: bool = False) -> None:
    """Write nbgrader's metadata (schema 3) into a cell: an answer is the learner's, a
    cell with points is a test, and all but answers are locked.
    """
    about = {"schema_version": 3, "grade_id": name, "task": False}
    about |= {"grade": points > 0, "solution": answer, "locked": not answer}
    cell.metadata["nbgrader"] = about | ({"points": points} if points else {})


def assignment(solution, hidden: bool = False):
    """The source assignment of a solution notebook; SystemExit where an exercise says
    no minutes, which are its points.
    """
    solution.cells = [c for c in solution.cells if "solution-only" not in tags(c)]
    notebook = canonical(solution)
    exercise = points = 0
    for number, cell in enumerate(notebook.cells):
        marked(cell, f"cell-{number:02d}")
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("Solutions for", "Exercises for")
            if minutes := re.search(r"\bAbout (\d+) minutes?\b", cell.source):
                points = int(minutes[1])
            continue
        cell.outputs, cell.execution_count = [], None
        if "exercise" in tags(cell):
            exercise += 1
            cell.source = re.sub(
                r"# (BEGIN|END) SOLUTION", r"### \1 SOLUTION", cell.source
            )
            marked(cell, f"exercise-{exercise}", answer=True)
        elif "check" in tags(cell):
            if not points:
                raise SystemExit(f"exercise {exercise} says no 'About N minutes.'")
            words = HIDDEN if hidden else {"begin": "", "end": ""}
            cell.source = TEST.format(source=cell.source, number=exercise, **words)
            marked(cell, f"check-{exercise}", points)
            points = 0
    return notebook


def write_course(folder: Path, paths: list[Path], hidden: bool = False) -> list[Path]:
    """Write assignments and nbgrader_config.py into `folder`; returns the notebooks."""
    import nbformat

    made = []
    for path in paths:
        made.append(folder / "source" / path.stem / path.name)
        made[-1].parent.mkdir(parents=True, exist_ok=True)
        text = nbformat.writes(assignment(read(path), hidden), indent=1) + "\n"
        made[-1].write_text(text, encoding="utf-8", newline="\n")
    (folder / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8", newline="\n")
    return made


def main(arguments: list[str]) -> int:
    """Write the assignments of the lessons named, or of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lessons", nargs="*", help="numbers of lessons (default: all)")
    parser.add_argument("--hidden", action="store_true", help="hide the tests")
    args = parser.parse_args(arguments)
    for path in write_course(BUILD, chosen(solutions(), args.lessons), args.hidden):
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
