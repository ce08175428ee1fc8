"""Notebooks as HTML that asks no other server for anything: pictures inside, formulas
set by a copy of MathJax beside the pages, checks of a lesson collapsed.
"""

import importlib.util
import shutil
from functools import cache
from pathlib import Path

MATHJAX = "mathjax/MathJax.js?config=TeX-AMS-MML_HTMLorMML-full"
MATHS = """<script>window.MathJax = {
  tex2jax: { inlineMath: [["$", "$"]], processEscapes: true },
  "HTML-CSS": {
    availableFonts: [], preferredFont: null, webFont: "STIX-Web", imageFont: null
  },
  messageStyle: "none"
};</script>
<script src="UP"></script>
"""
COLLAPSED = """{% extends "index.html.j2" %}
{% block input_group %}
{% if cell.metadata.get("jupyter", {}).get("source_hidden") %}
<details><summary>Check: what is claimed here holds</summary>{{ super() }}</details>
{% else %}
{{ super() }}
{% endif %}
{% endblock %}"""


def maths(up: str) -> str:
    """What sets the formulas of a page, `up` ("../") from the folder with mathjax/."""
    return MATHS.replace("UP", up + MATHJAX)


def copy_mathjax(folder: Path) -> None:
    """Put MathJax and its fonts (12 MB) below a folder; SystemExit says what to
    install, if it is not there.
    """
    found = importlib.util.find_spec("jupyter_server_mathjax")
    if found is None:
        raise SystemExit(
            'formulas need a package that is not here: pip install -e ".[site]"'
        )
    static = Path(found.submodule_search_locations[0]) / "static"
    shutil.copytree(static, folder / "mathjax", dirs_exist_ok=True)


@cache
def exporter(template: str):
    """An HTML exporter of one of nbconvert's templates."""
    from jinja2 import DictLoader
    from nbconvert import HTMLExporter

    made = HTMLExporter(
        template_name=template,
        template_file="collapsed.html.j2",
        extra_loaders=[DictLoader({"collapsed.html.j2": COLLAPSED})],
        mathjax_url="",
        require_js_url="",
        jquery_url="",
        mermaid_js_url="",
        widget_renderer_url="",
        embed_images=True,
        exclude_anchor_links=True,
    )
    # it warns of missing text alternatives, which are put in afterwards
    made.log.setLevel("ERROR")
    return made


def exported(notebook, path: Path, template: str) -> str:
    """HTML of a notebook, or of a part of it, whose pictures lie beside `path`."""
    about = {"metadata": {"name": path.stem, "path": str(path.parent)}}
    return exporter(template).from_notebook_node(notebook, about)[0]
