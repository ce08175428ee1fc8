"""Keep the notebooks in order.

    # execute lessons (and their solutions; no number: all) top to bottom, in canonical
    # form
    python tools/notebooks.py run 03 06
    # write notebooks/exercises/ from notebooks/solutions/
    python tools/notebooks.py exercises
    # run every lesson, write data/results/lessons.json and the table in docs/costs.md
    python tools/notebooks.py measure

In a solution notebook a cell tagged `exercise` holds the learner's function; what
stands between the lines `# BEGIN SOLUTION` and `# END SOLUTION` becomes `raise
NotImplementedError`. Cells tagged `solution-only` are left out of the exercise.
"""

import argparse
import copy
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
NUMBERS = [f"{number:02d}" for number in range(16)]  # of the lessons: names that stay
SOLUTIONS, EXERCISES = NOTEBOOKS / "solutions", NOTEBOOKS / "exercises"
STUB = re.compile(
    r"^([ \t]*)# BEGIN SOLUTION\n.*?^[ \t]*# END SOLUTION\n?", re.DOTALL | re.MULTILINE
)


def lessons() -> list[Path]:
    """Lesson notebooks in order, without the copies that `qrr reset` keeps for a
    learner.
    """
    return [
        path
        for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
        if ".mine-" not in path.name
    ]


def solutions() -> list[Path]:
    """Solution notebooks in order."""
    return [
        path
        for path in sorted(SOLUTIONS.glob("[0-9][0-9]_*.ipynb"))
        if ".mine-" not in path.name
    ]


def chosen(paths: list[Path], numbers: list[str]) -> list[Path]:
    """Those of the notebooks whose numbers are asked for, "3" or "03" (none: all);
    SystemExit names the choice if there is no such number.
    """
    known = sorted({path.name[:2] for path in paths})
    for number in numbers:
        if number.zfill(2) not in known:
            raise SystemExit(f"no lesson {number}; choose from {', '.join(known)}")
    return [
        path
        for path in paths
        if not numbers or path.name[:2] in [number.zfill(2) for number in numbers]
    ]


def read(path: Path):
    """A notebook.

    (Jupyter's packages take seconds to import: only what needs them does so, and
    `--help` answers at once.)
    """
    import nbformat

    return nbformat.read(path, as_version=4)


def tags(cell) -> list[str]:
    """Tags of a cell."""
    return cell.get("metadata", {}).get("tags", [])


def alternative(output) -> str:
    """The text alternative of a picture that a cell put out, or ""."""
    return output.get("metadata", {}).get("image/png", {}).get("alt", "")


def canonical(notebook):
    """The one form in which notebooks are kept: numbered cell ids, plain metadata, no
    widget state, no machine paths in it.

    Metadata that stays: tags, pictures' text alternatives, and in lessons, that cells
    tagged `check` are collapsed (an exercise's checker is there to be seen).
    """
    import nbformat

    notebook = copy.deepcopy(notebook)
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {
                "display_name": "Python 3",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    lesson = not any("exercise" in tags(cell) for cell in notebook.cells)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        kept = {"tags": tags(cell)} if tags(cell) else {}
        if lesson and cell.cell_type == "code" and "check" in tags(cell):
            kept["jupyter"] = {"source_hidden": True}
        cell.metadata = nbformat.from_dict(kept)
        cell.source = cell.source.strip("\n")
        if cell.cell_type == "code":
            cell.outputs = [
                o
                for o in cell.outputs
                if "application/vnd.jupyter.widget-view+json" not in o.get("data", {})
            ]
            for output in cell.outputs:
                if "metadata" in output:
                    said = alternative(output)
                    kept = {"image/png": {"alt": said}} if said else {}
                    output.metadata = nbformat.from_dict(kept)
                output.pop("transient", None)
    return notebook


def write(notebook, path: Path) -> None:
    """Write canonical JSON with LF line endings."""
    import nbformat

    text = nbformat.writes(canonical(notebook), indent=1, ensure_ascii=False)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")


def execute(path: Path) -> None:
    """Run one notebook in a fresh kernel and keep its outputs only if every cell
    passed.
    """
    from nbclient import NotebookClient

    notebook = read(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    write(notebook, path)


def exercise_from(solution):
    """The exercise notebook of a solution notebook: answers cut out, outputs
    dropped.
    """
    notebook = copy.deepcopy(solution)
    notebook.cells = [
        cell for cell in notebook.cells if "solution-only" not in tags(cell)
    ]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.source = STUB.sub(
                r"\1raise NotImplementedError\n", cell.source + "\n"
            ).rstrip("\n")
        else:
            cell.source = cell.source.replace(
                "Solutions for lesson", "Exercises for lesson"
            )
    return canonical(notebook)


def write_exercises() -> None:
    """Regenerate every exercise notebook."""
    for path in solutions():
        write(exercise_from(read(path)), EXERCISES / path.name)


def nbval(*arguments, **environment) -> subprocess.CompletedProcess:
    """pytest with nbval alone on notebooks, as the tests' settings have it."""
    plain = "-q -p no:cacheprovider -p no:randomly -rN --nbval-lax --nbval-current-env"
    waits = "--nbval-cell-timeout=180 --nbval-kernel-startup-timeout=120"
    command = [sys.executable, "-m", "pytest", *plain.split(), *waits.split()]
    command += ["-o", "addopts=", "-o", "testpaths=", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def resident_memory(process) -> int:
    """Resident bytes of a process and all its children."""
    import psutil

    total = 0
    for p in [process, *process.children(recursive=True)]:
        try:
            total += p.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def measure_one(path: Path) -> dict:
    """Run a lesson with nbconvert: {"seconds": wall time, "peak_gb": peak resident
    memory of the kernel and its children}.
    """
    import psutil

    start, peak = time.perf_counter(), 0
    command = [
        sys.executable,
        "-m",
        "nbconvert",
        "--to",
        "notebook",
        "--execute",
        "--stdout",
        "--log-level=ERROR",
        str(path),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    watched = psutil.Process(process.pid)
    done = threading.Event()
    threading.Thread(target=lambda: (process.wait(), done.set()), daemon=True).start()
    while not done.wait(0.2):
        try:
            kernels = watched.children(recursive=True)
            peak = max(peak, sum(resident_memory(k) for k in kernels[:1]))
        except psutil.NoSuchProcess:
            break
    if process.returncode:
        raise SystemExit(f"{path.name} failed")
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "peak_gb": round(peak / 1e9, 2),
    }


def measure() -> None:
    """Measure every lesson in both models and write the results and the table."""
    results = {
        "about": "make measure (python tools/notebooks.py measure): wall seconds, and "
        "peak resident memory of the kernel's processes",
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "lessons": {},
    }
    for path in lessons():
        row = {}
        for model in ("all-mpnet-base-v2", "all-MiniLM-L6-v2"):
            os.environ["QRR_MODEL"] = model
            row[model] = measure_one(path)
        results["lessons"][path.stem] = row
        print(path.stem, row, flush=True)
    (ROOT / "data" / "results" / "lessons.json").write_text(
        json.dumps(results, indent=1) + "\n", encoding="utf-8"
    )
    write_table(results["lessons"])


def table(lessons: dict) -> list[str]:
    """Lines of the table of measured times and memory."""
    lines = [
        "| lesson | seconds | peak memory | seconds, light mode | peak memory, light "
        "mode |",
        "|---|---|---|---|---|",
    ]
    for name, row in lessons.items():
        full, light = row["all-mpnet-base-v2"], row["all-MiniLM-L6-v2"]
        lines.append(
            f"| [{name}](../notebooks/{name}.ipynb) | {full['seconds']:.0f} | "
            f"{full['peak_gb']:.2f} GB "
            f"| {light['seconds']:.0f} | {light['peak_gb']:.2f} GB |"
        )
    return lines


def write_table(lessons: dict) -> None:
    """Put the table between its markers in docs/costs.md."""
    lines = table(lessons)
    page = ROOT / "docs" / "costs.md"
    text = page.read_text(encoding="utf-8")
    text = re.sub(
        r"(<!-- measured -->\n).*?(<!-- /measured -->)",
        lambda m: m[1] + "\n".join(lines) + "\n" + m[2],
        text,
        flags=re.DOTALL,
    )
    page.write_text(text, encoding="utf-8", newline="\n")


def main(arguments: list[str]) -> int:
    """Dispatch `run`, `exercises`, `measure`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="execute lessons and solutions").add_argument(
        "lessons", nargs="*", help="numbers of lessons (default: all)"
    )
    commands.add_parser("exercises", help="write exercises from solutions")
    commands.add_parser("measure", help="measure time and memory of every lesson")
    args = parser.parse_args(arguments)
    if args.command == "run":
        for path in chosen(lessons() + solutions(), args.lessons):
            print(f"running {path.relative_to(ROOT)}", flush=True)
            execute(path)
    elif args.command == "exercises":
        write_exercises()
    else:
        measure()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
