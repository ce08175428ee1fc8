"""Slides from the lessons, from their stored outputs: nothing is
executed, and the pages need no network (formulas are set by a copy of MathJax beside
them).

    python tools/slides.py 05            # build/slides/05_faiss_retrieval.html
    python tools/slides.py               # slides of every lesson

Slides: right and left arrow keys, space, Home and End; `p` prints them all. A section
of a lesson becomes one slide for each of its steps (a piece of text and the code under
it).
"""

import argparse
import html
import re
import sys
from pathlib import Path

from web.export import copy_mathjax, exported, maths

from notebooks import (
    ROOT,
    alternative,
    chosen,
    lessons,
    read,
    tags,
)

BUILD = ROOT / "build"
STOP = re.compile(r"(?m)^\*\*Predict")
STYLE = """
body { margin: 0; font: 20px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
section { visibility: hidden; position: absolute; top: 0; box-sizing: border-box; width: 100%; height: 100vh; overflow: auto; padding: 3vh 6vw 6vh; }
section.now { visibility: visible; }
h1 { font-size: 1.9em; } h2 { font-size: 1.4em; border-bottom: 2px solid #1845fb; padding-bottom: .2em; }
pre, code { font: 16px/1.4 ui-monospace, Menlo, Consolas, monospace; }
.jp-InputArea pre, .highlight pre { background: #f3f4f6; padding: .7em 1em; overflow: auto; margin: .4em 0; }
.jp-OutputArea pre { border-left: 4px solid #9aa0a6; padding: .2em 1em; margin: .4em 0; overflow: auto; }
.prompt, .jp-InputPrompt, .jp-OutputPrompt, .jp-InputCollapser, .jp-OutputCollapser, .jp-Collapser, .anchor-link { display: none; }
img { max-width: 100%; max-height: 62vh; } table { border-collapse: collapse; font-size: .85em; }
th, td { border: 1px solid #9aa0a6; padding: .25em .7em; text-align: left; } a { color: #0b3fb3; }
footer { position: fixed; bottom: 0; right: 0; padding: .3em 1em; font-size: 14px; color: #444; background: #fff; }
@media print { section { visibility: visible; position: static; height: auto; page-break-after: always; } footer { display: none; } }
"""
SCRIPT = """
const slides = [...document.querySelectorAll('section')], place = document.querySelector('footer');
let now = Math.min(Math.max(parseInt(location.hash.slice(1)) || 1, 1), slides.length) - 1;
function show(number) {
  now = Math.min(Math.max(number, 0), slides.length - 1);
  slides.forEach((slide, i) => slide.classList.toggle('now', i === now));
  place.textContent = `${now + 1} / ${slides.length}`; location.hash = now + 1; slides[now].focus();
}
document.addEventListener('keydown', event => {
  const step = {ArrowRight: 1, ArrowLeft: -1, PageDown: 1, PageUp: -1, ' ': 1}[event.key];
  if (step) { event.preventDefault(); show(now + step); }
  if (event.key === 'Home') show(0);
  if (event.key === 'End') show(slides.length - 1);
  if (event.key === 'p') window.print();
});
show(now);
"""


def described(path: Path):
    """The notebook; a figure without a text alternative of its own takes the sentence
    under it (the exporter reads it from the metadata).

    The cells of tools/badges.py, which need a network, are left out.
    """
    import nbformat

    notebook = read(path)
    notebook.cells = [cell for cell in notebook.cells if "badges" not in tags(cell)]
    for cell, following in zip(notebook.cells, notebook.cells[1:]):
        sentence = re.match(
            r"\*What to see: (.+?)\*(?:\n\n|\Z)", following.source, re.DOTALL
        )
        for output in cell.get("outputs", []):
            picture = "image/png" in output.get("data", {})
            if picture and sentence and not alternative(output):
                output.metadata = nbformat.from_dict(
                    {"image/png": {"alt": " ".join(sentence[1].split())}}
                )
    return notebook


def steps(notebook) -> list[list]:
    """Cells of a lesson grouped into slides: each markdown piece opens one, and a
    section's heading is repeated on its later ones. A stop to predict ends its slide,
    so that the answer is on the next one.
    """
    import nbformat

    slides, heading = [], ""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            if not slides or STOP.search(slides[-1][-1].source):
                title = nbformat.v4.new_markdown_cell(f"## {heading} (continued)")
                slides.append([title])
            slides[-1].append(cell)
            continue
        # a figure keeps its sentence
        if re.match(r"\*(?!\*)", cell.source) and slides:
            slides[-1].append(cell)
            continue
        for piece in re.split(r"(?m)^(?=##? )", cell.source):
            if not piece.strip():
                continue
            if match := re.match(r"##? (.+)", piece):
                heading = match[1]
            else:
                piece = f"## {heading} (continued)\n\n{piece}"
            slides.append([nbformat.v4.new_markdown_cell(piece)])
    return slides


def slides_html(path: Path) -> str:
    """One self-contained page of slides."""
    import nbformat

    notebook = described(path)
    title = re.match(r"# (.+)", notebook.cells[0].source)[1]
    parts = []
    for cells in steps(notebook):
        piece = nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)
        body = exported(piece, path, "basic")
        parts.append(f'<section tabindex="-1">{body}</section>')
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta '
        f'charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" '
        f'content="width=device-width"><style>{STYLE}</style>\n{maths("../")}</head>\n'
        "<body>\n"
        + "\n".join(parts)
        + f"\n<footer></footer>\n<script>{SCRIPT}</script>\n</body></html>\n"
    )


def write_slides(folder: Path, paths: list[Path] | None = None) -> list[Path]:
    """Write the slides of some lessons (None: all) into `folder`; returns the files.

    They look for `mathjax/` beside that folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for path in lessons() if paths is None else paths:
        made.append(folder / path.with_suffix(".html").name)
        made[-1].write_text(slides_html(path), encoding="utf-8", newline="\n")
    return made


def main(arguments: list[str]) -> int:
    """Write slides of the lessons named, or of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lessons", nargs="*", help="numbers of lessons (default: all)")
    args = parser.parse_args(arguments)
    copy_mathjax(BUILD)
    for path in write_slides(BUILD / "slides", chosen(lessons(), args.lessons)):
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
