"""Launch badges in README and lesson 00, and a cell for Colab in every lesson, from the
one setting that says where the repository lives.

    # write them (or take them out, if the setting is empty)
    python tools/badges.py
    # exit 1 if a file does not agree with the setting (a test calls this too)
    python tools/badges.py --check

The setting is in pyproject.toml and is empty until the repository has an address:

    [tool.qrr]
    repository = ""        # for example "github.com/OWNER/NAME"; without https://
    branch = "main"

README gets a line between `<!-- badges -->` and `<!-- /badges -->`; lesson 00 gets the
same line. Every lesson gets a cell that installs the course on Colab, where each
notebook has a machine of its own, and shows the lesson's drawings, which Colab leaves
out of the text. These cells are tagged `badges`. A new code cell needs a fresh run of
the lesson: the script says so.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import quote

from notebooks import ROOT, lessons, read, tags, write

LANDING = "notebooks/00_welcome.ipynb"
MARKS = re.compile(r"(<!-- badges -->\n).*?(<!-- /badges -->)", re.DOTALL)
COLAB = """import sys

if "google.colab" in sys.modules:  # on Colab only: get the course and install it
    import os
    import subprocess

    address = "{address}"
    subprocess.run(["git", "clone", "--depth", "1", address, "course"], check=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "-e", "course[serve]"]
    subprocess.run(pip, check=True)
    # what was installed while Python runs is not found otherwise
    sys.path.insert(0, os.path.abspath("course"))
    os.chdir("course/notebooks")"""
DRAWINGS = """
    # Colab's pages can't show files of the course: its drawings, in their order
    from IPython.display import SVG, display

    for name in \"\"\"
        {names}
    \"\"\".split():
        display(SVG(filename=f"figures/{{name}}.svg"))"""


def setting(text: str | None = None) -> tuple[str, str]:
    """(repository as "OWNER/NAME", branch) from pyproject.toml; the first is empty if
    no address is set. ValueError if it has another form.
    """
    text = (
        (ROOT / "pyproject.toml").read_text(encoding="utf-8") if text is None else text
    )
    table = tomllib.loads(text).get("tool", {}).get("qrr", {})
    address = table.get("repository", "")
    if address and not re.fullmatch(r"github\.com/[\w.-]+/[\w.-]+", address):
        raise ValueError(
            'tool.qrr.repository must look like "github.com/OWNER/NAME", not '
            f"{address!r}"
        )
    return address.removeprefix("github.com/").removesuffix(".git"), table.get(
        "branch", "main"
    )


def targets(repository: str, branch: str) -> dict[str, tuple[str, str]]:
    """{text: (address, picture)} of the badges: Binder opens lesson 00 in JupyterLab,
    Colab opens it in its own editor.
    """
    return {
        "Open the course on Binder": (
            f"https://mybinder.org/v2/gh/{repository}/{branch}"
            f"?urlpath={quote('lab/tree/' + LANDING, safe='')}",
            "https://mybinder.org/badge_logo.svg",
        ),
        "Open lesson 00 on Colab": (
            f"https://colab.research.google.com/github/{repository}/blob/{branch}/"
            f"{LANDING}",
            "https://colab.research.google.com/assets/colab-badge.svg",
        ),
        "State of the weekly tests": (
            f"https://github.com/{repository}/actions/workflows/tests.yml",
            f"https://github.com/{repository}/actions/workflows/tests.yml/badge.svg",
        ),
    }


def line(repository: str, branch: str) -> str:
    """All badges as one line of Markdown; empty without an address."""
    return (
        " ".join(
            f"[![{text}]({picture})]({address})"
            for text, (address, picture) in targets(repository, branch).items()
        )
        if repository
        else ""
    )


def readme_with(text: str, badges: str) -> str:
    """README's text with the line of badges between its marks (or none); ValueError if
    the marks are missing and there is something to write.
    """
    if not MARKS.search(text):
        if badges:
            raise ValueError(
                "README.md has no <!-- badges --> and <!-- /badges -->: put both, each "
                "on a line, below the title"
            )
        return text
    return MARKS.sub(lambda m: m[1] + (badges + "\n" if badges else "") + m[2], text)


def lesson_with(notebook, repository: str, badges: str):
    """A lesson with (or without a repository, without) its cell for Colab, and the
    badges if any, after the table and before everything else.
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell

    cells = [cell for cell in notebook.cells if "badges" not in tags(cell)]
    about = {"tags": ["badges"]}
    if repository:
        code = COLAB.format(address=f"https://github.com/{repository}")
        prose = "".join(c.source for c in cells if c.cell_type == "markdown")
        if names := re.findall(r"\]\(figures/([\w-]+)\.svg\)", prose):
            code += DRAWINGS.format(names="\n        ".join(names))
        cells.insert(1, new_code_cell(code, metadata=about))
    if badges:
        cells.insert(1, new_markdown_cell(badges, metadata=about))
    notebook.cells = cells
    return notebook


def changed_lessons(repository: str, badges: str) -> dict[Path, object]:
    """{path: notebook as it should be} of the lessons that do not agree with the
    setting; only lesson 00 shows the badges.
    """
    changed = {}
    for path in lessons():
        notebook = read(path)
        before = [cell.source for cell in notebook.cells]
        lesson_with(
            notebook, repository, badges if path.name == Path(LANDING).name else ""
        )
        if [cell.source for cell in notebook.cells] != before:
            changed[path] = notebook
    return changed


def main() -> int:
    """Write, or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit 1 if a file does not agree with the setting",
    )
    args = parser.parse_args()
    repository, branch = setting()
    badges = line(repository, branch)
    readme, changed = ROOT / "README.md", changed_lessons(repository, badges)
    text = readme.read_text(encoding="utf-8")
    wanted = readme_with(text, badges)
    if args.check:
        stale = [readme.name] * (wanted != text) + [path.name for path in changed]
        print(
            f"stale: {', '.join(stale)}: run python tools/badges.py"
            if stale
            else "badges agree with pyproject.toml"
        )
        return 1 if stale else 0
    readme.write_text(wanted, encoding="utf-8", newline="\n")
    for path, notebook in changed.items():
        write(notebook, path)
    if changed:
        print(
            "changed: run `python tools/notebooks.py run "
            f"{' '.join(path.name[:2] for path in changed)}`"
        )
    print(
        badges
        or "no address is set in pyproject.toml ([tool.qrr] repository): no badges"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
