"""How Sphinx builds the site; `make site` (tools/website.py) calls it.

Nothing is executed: the lessons' stored outputs are shown. Nothing is fetched: the
theme, the search and MathJax lie in the built folder.
"""

import re

project = "Quantum-Inspired Semantic Reranking with PyTorch"
author = "the course's authors"
project_copyright = "prose and figures CC BY 4.0, code MIT"
language = "en"

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["_build", "notebooks/exercises", "**/figures"]
nitpicky = False

# lessons: outputs as they were committed
nb_execution_mode = "off"
nb_merge_streams = True
nb_mime_priority_overrides = [
    ("html", "application/vnd.jupyter.widget-view+json", None),
    ("html", "text/html", 10),
    ("html", "image/png", 20),
    ("html", "text/plain", 30),
]
nb_number_source_lines = False
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 4

# the library's docstrings
autodoc_member_order = "groupwise"
autodoc_typehints = "none"
numpydoc_show_class_members = False

# formulas without a network: the copy that the class folder uses
mathjax_path = "mathjax/MathJax.js?config=TeX-AMS-MML_HTMLorMML-full"
mathjax2_config = {
    "tex2jax": {"inlineMath": [["\\(", "\\)"]], "displayMath": [["\\[", "\\]"]]},
    "HTML-CSS": {
        "availableFonts": [],
        "preferredFont": None,
        "webFont": "STIX-Web",
        "imageFont": None,
        # its stand-in for a font that is not there asks for about:blank
        "styles": {
            "@font-face": {"font-family": "MathJax_Blank", "src": "local('none')"}
        },
    },
    "messageStyle": "none",
}
myst_update_mathjax = False

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_copy_source = True  # the download button gives the notebook
html_show_sourcelink = False
html_sourcelink_suffix = ""
html_theme_options = {
    "use_download_button": True,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "navigation_with_keys": True,
    "navbar_persistent": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def kets(app, what, name, obj, options, lines) -> None:
    """Bars of kets and overlaps as they are: reStructuredText takes them for marks."""
    bar = re.compile(r"\|(?=[^\s|]*[⟩⟨])|(?<=⟩)\|")
    lines[:] = [bar.sub(r"\\|", line) for line in lines]


def arrows(app, page, template, context, doctree) -> None:
    """Arrows of the side bar say what they open: the theme gives them no name."""
    made = context["generate_toctree_html"]
    arrow = re.compile(r"(>([^<]+)</a><details[^>]*>)<summary>")

    def named(kind: str, **kwargs):
        found = made(kind, **kwargs)
        if kind != "sidebar":
            return found
        return arrow.sub(r'\1<summary aria-label="Pages below \2">', str(found))

    context["generate_toctree_html"] = named


def setup(app) -> None:
    """Sphinx calls this."""
    app.connect("autodoc-process-docstring", kets)
    app.connect("html-page-context", arrows, priority=900)  # after the theme's own
