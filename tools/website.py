"""The course as a web site, from the committed lessons; nothing is executed, and the
pages need no network.

    python tools/website.py              # build/site/index.html

Its sources are the lessons, the guides beside them and the pages in docs/. They are
laid out once more in build/site-sources, in the form that Sphinx reads: lessons with
their checks collapsed and solutions folded, the glossary as one that can be searched, a
page of the library for each stage.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import badges
from slides import described
from web.export import copy_mathjax

from notebooks import (
    EXERCISES,
    NOTEBOOKS,
    ROOT,
    SOLUTIONS,
    alternative,
    lessons,
    solutions,
    tags,
)

SITE = ROOT / "build" / "site"
SOURCES = ROOT / "build" / "site-sources"
STAGES = ("embed", "encode", "rank", "learn", "shots", "serve", "engine", "course")
GUIDES = (
    "notebooks/then_and_now.md",
    "notebooks/instructor/README.md",
    "notebooks/instructor/plans.md",
    "notebooks/instructor/notes.md",
    "notebooks/instructor/room.md",
    "notebooks/instructor/assessment.md",
    "notebooks/instructor/14_cost.md",
    "data/README.md",
    "data/heads/README.md",
    "data/scifact/README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)
HERE = (ROOT / "notebooks" / "figures", ROOT / "data" / "results")
FOLDED = {  # tag of a cell: what the reader sees in its place
    "check": "Check: what is claimed here holds",
    "exercise": "Solution",
}
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s:]+)\)")
TERM = re.compile(r"- \*\*(.+?)\*\* \(([^)]+)\): (.+)")


def staged(path: Path) -> Path:
    """Where a file of the course lies among the site's sources."""
    target = SOURCES / path.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def texts() -> dict[Path, str]:
    """Pages in Markdown: a file of the course, and its place among the sources."""
    files = [NOTEBOOKS / "glossary.md", *(ROOT / name for name in GUIDES)]
    shown = {path: path.relative_to(ROOT).as_posix() for path in files}
    return shown | {path: path.name for path in (ROOT / "docs").glob("*.md")}


def pages() -> dict[Path, str]:
    """What a link may lead to on the site: a file or folder, and the page for it."""
    shown = texts() | {ROOT / "README.md": "start.md"}
    shown |= {p: p.relative_to(ROOT).as_posix() for p in lessons() + solutions()}
    shown |= {SOLUTIONS: "solutions.md", EXERCISES: "lessons.md"}
    return shown | {ROOT / "qrr_lib" / stage: f"library/{stage}.md" for stage in STAGES}


def relinked(text: str, path: Path) -> str:
    """Markdown of `path` whose links lead to the site's pages, exercises to downloads,
    and all else of the repository to its address (none: to nowhere).
    """
    shown, (repository, branch) = pages(), badges.setting()
    up = "../" * shown[path].count("/")

    def link(match: re.Match) -> str:
        said, (name, _, anchor) = match[1], match[2].partition("#")
        there = (path.parent / name).resolve()
        if not name or not there.exists() or any(p in there.parents for p in HERE):
            return match[0]
        if there.parent == EXERCISES:
            return f"{{download}}`{said} <{up}notebooks/exercises/{there.name}>`"
        if there in shown:
            where = f"{up}{shown[there]}{'#' * bool(anchor)}{anchor}"
            return f"[{said}]({where})"
        if not repository:
            return said
        place = there.relative_to(ROOT).as_posix()
        return f"[{said}](https://github.com/{repository}/blob/{branch}/{place})"

    text = LINK.sub(link, text)
    return text.replace("](../", f"]({up}") if path.parent.name == "docs" else text


def stage_notebook(path: Path) -> None:
    """A lesson or solution, with what the site needs to know in its cells' metadata."""
    import nbformat

    notebook = described(path)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = relinked(cell.source, path)
        for tag, prompt in FOLDED.items():
            if cell.cell_type == "code" and tag in tags(cell):
                cell.metadata.tags = [*tags(cell), "hide-input"]
                cell.metadata.mystnb = {"code_prompt_show": prompt}
        for output in cell.get("outputs", []):
            if said := alternative(output):
                shown = cell.metadata.setdefault("mystnb", {})
                shown["image"] = {"alt": said}
    nbformat.write(notebook, staged(path))


def glossary(text: str) -> str:
    """The glossary with each term as an entry that the site's search and other pages
    know, and its numbers as links to lessons.
    """
    names = {path.name[:2]: path.name for path in lessons()}

    def entry(match: re.Match) -> str:
        term, places, said = match.groups()
        where = re.sub(r"\b\d\d\b", lambda m: f"[lesson {m[0]}]({names[m[0]]})", places)
        return f"{term}\n: {said} ({where})\n"

    return TERM.sub(entry, text)


def stage_page(stage: str) -> str:
    """A page of the library: the public names of one stage, from their docstrings."""
    return (
        f"# qrr_lib.{stage}\n\n```{{eval-rst}}\n.. automodule:: qrr_lib.{stage}\n"
        "   :members:\n```\n"
    )


def stage_sources() -> None:
    """Lay out everything that the site is made from below `SOURCES`."""
    shutil.rmtree(SOURCES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCES)
    for path in lessons() + solutions():
        stage_notebook(path)
    for folder in (EXERCISES, *HERE):
        shutil.copytree(folder, staged(folder), dirs_exist_ok=True)
    for path, place in texts().items():
        text = relinked(path.read_text(encoding="utf-8"), path)
        page = SOURCES / place
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(
            glossary(text) if path.name == "glossary.md" else text,
            encoding="utf-8",
            newline="\n",
        )
    for stage in STAGES:
        page = SOURCES / "library" / f"{stage}.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text(stage_page(stage), encoding="utf-8", newline="\n")


def settings() -> list[str]:
    """Sphinx's options that depend on where the repository lives (none: no buttons)."""
    repository, branch = badges.setting()
    if not repository:
        return []
    theme = {
        "repository_url": f"https://github.com/{repository}",
        "repository_branch": branch,
        "use_repository_button": "1",
        "use_issues_button": "1",
        "launch_buttons.binderhub_url": "https://mybinder.org",
        "launch_buttons.colab_url": "https://colab.research.google.com",
        "launch_buttons.notebook_interface": "jupyterlab",
    }
    return [f"-Dhtml_theme_options.{name}={value}" for name, value in theme.items()]


def build(target: Path = SITE) -> Path:
    """Build the site; returns its first page. SystemExit if a page has a fault."""
    stage_sources()
    copy_mathjax(SOURCES / "_static")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    command += [*settings(), str(SOURCES), str(target)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if subprocess.run(command, env=environment, check=False).returncode:
        raise SystemExit("the site has faults: they are listed above")
    return target / "index.html"


def main(arguments: list[str]) -> int:
    """Build, and say where it lies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(arguments)
    print(build().relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
