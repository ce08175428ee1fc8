"""Draw the diagrams of the lessons into notebooks/figures/, as SVG.

    python tools/figures.py                  # all of them
    python tools/figures.py overlap_angle    # some
    python tools/figures.py --check          # exit 1 if a file is not as it is drawn

A diagram is a function in a file of tools/drawings/, decorated with `drawing`; its name
is the file's. `drawings.canvas`, `charts` and `sphere` have what it draws with.
"""

import argparse
import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "notebooks" / "figures"


def drawings() -> dict[str, str]:
    """{file name without its ending: text of the SVG} of every diagram."""
    from drawings.registry import DRAWINGS

    for path in sorted(Path(__file__).with_name("drawings").glob("*.py")):
        if path.stem != "__init__":
            importlib.import_module(f"drawings.{path.stem}")
    return {name: make() for name, make in sorted(DRAWINGS.items())}


def stale(made: dict[str, str], folder: Path) -> list[str]:
    """Names of files that are missing, not as they are drawn, or drawn by nothing."""
    there = {path.stem: path.read_text("utf-8") for path in folder.glob("*.svg")}
    return sorted(
        name for name in made | there if made.get(name) != there.get(name, "")
    )


def main(arguments: list[str]) -> int:
    """Draw, or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="diagrams to draw (default: all)")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file is stale"
    )
    args = parser.parse_args(arguments)
    made = drawings()
    if unknown := set(args.names) - set(made):
        raise SystemExit(
            f"no diagram {', '.join(sorted(unknown))}; there is {', '.join(made)}"
        )
    if args.check:
        old = stale(made, FOLDER)
        print(f"stale: {', '.join(old)}: run python tools/figures.py" if old else "ok")
        return 1 if old else 0
    FOLDER.mkdir(exist_ok=True)
    for name in args.names or made:
        path = FOLDER / f"{name}.svg"
        path.write_text(made[name], encoding="utf-8", newline="\n")
        print(f"notebooks/figures/{path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
