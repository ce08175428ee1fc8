"""What a reader who does not see, does not see colours, or does not use a mouse can
rely on. Blocking, like every other test.
"""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import classroom
import nbformat
import numpy as np
import pytest
import slides

import notebooks

ROOT = Path(__file__).resolve().parent.parent

LESSONS, SOLUTIONS = notebooks.lessons(), notebooks.solutions()
PAGES = [
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md")
    ),
    *sorted((ROOT / "notebooks").rglob("*.md")),
]
BOOKS = LESSONS + SOLUTIONS + sorted(notebooks.EXERCISES.glob("*.ipynb"))
SAID = re.compile(r"\*What to see: (.+?)\*(?=\n\n|\Z)", re.DOTALL)
COLOURS = (
    r"\b(red|blue|green|orange|purple|violet|yellow|brown|pink|magenta|cyan"
    r"|colou?r(?:s|ed)?)\b"
)
SHAPES = (
    r"\b(left|right|top|bottom|above|below|highest|lowest|marker\w*|dot\w*|circle\w*"
    r"|square\w*|triangle\w*|cross\w*|star\w*|diamond\w*|ring\w*|dash\w*|dotted|solid"
    r"|thick|thin|hatch\w*|label\w*|line\w*|bar\w*|row\w*|column\w*|dark\w*|light\w*"
    r"|bright\w*|pale\w*)\b"
)
STANDARD = {
    "FloatSlider",
    "IntSlider",
    "SelectionSlider",
    "FloatLogSlider",
    "Dropdown",
    "ToggleButtons",
    "RadioButtons",
    "Checkbox",
    "Button",
    "Text",
    "Select",
}


def name(path):
    return str(path.relative_to(ROOT))


def read(path):
    return nbformat.read(path, as_version=4)


def markdown(path: Path) -> str:
    """All prose of a file, code blocks and code spans taken out."""
    text = (
        path.read_text(encoding="utf-8")
        if path.suffix == ".md"
        else "\n\n".join(
            c.source for c in read(path).cells if c.cell_type == "markdown"
        )
    )
    return re.sub(
        r"`[^`\n]*`",
        "code",
        re.sub(r"(?ms)^```.*?^```|(?<=\n\n)(?: {4}[^\n]*\n)+", "", text + "\n"),
    ).rstrip("\n")


def has_picture(cell) -> bool:
    return any(
        "image/png" in output.get("data", {}) for output in cell.get("outputs", [])
    )


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS, ids=name)
def test_every_picture_is_followed_by_what_it_shows(path):
    """In lessons a sentence of its own, long enough to stand in for the picture; in
    solutions the analysis.
    """
    cells = read(path).cells
    for cell, following in zip(cells, cells[1:] + [nbformat.v4.new_code_cell()]):
        if not has_picture(cell):
            continue
        assert following.cell_type == "markdown", (
            f"nothing is said about the picture of:\n{cell.source[-200:]}"
        )
        said = SAID.match(following.source)
        if path in LESSONS:
            assert said, (
                "the cell after a picture begins '*What to see: ...*': "
                f"{following.source[:80]}"
            )
            assert len(said[1].split()) >= 10 and said[1].rstrip().endswith(
                (".", ")")
            ), said[1]
        else:
            assert len(following.source.split()) >= 10, following.source


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS, ids=name)
def test_no_picture_is_explained_by_colour_alone(path):
    """A sentence that names a colour also names a shape, a line style, a place or a
    label.
    """
    for said in SAID.findall(markdown(path)):
        if re.search(COLOURS, said):
            assert re.search(SHAPES, said), said


@pytest.mark.parametrize("path", BOOKS + PAGES, ids=name)
def test_headings_are_in_order_and_one_is_the_title(path):
    heads = re.findall(r"^(#+) +(.*)$", markdown(path), re.MULTILINE)
    levels = [len(mark) for mark, _ in heads]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in zip(levels, levels[1:])), (
        heads
    )
    assert all(text.strip() for _, text in heads)
    second = [text for mark, text in heads if len(mark) == 2]
    assert len(set(second)) == len(second), "two sections have the same name"


@pytest.mark.parametrize("path", BOOKS + PAGES, ids=name)
def test_link_texts_make_sense_alone(path):
    targets: dict[str, set] = {}
    for picture, text, target in re.findall(
        r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)", markdown(path)
    ):
        plain = re.sub(
            r"[*_`]", "", re.sub(r"!\[([^\]]*)\]\([^)]*\)", r"\1", text)
        ).strip()
        assert plain, (
            f"{target} has no text"
            if not picture
            else f"the picture {target} has no alternative text"
        )
        assert not re.fullmatch(
            r"(click )?(here|link|this|this page|more|read more|page|see)",
            plain,
            re.IGNORECASE,
        ), f"[{plain}]({target})"
        assert not plain.startswith(("http", "www.")), (
            f"a bare address as text: {plain}"
        )
        targets.setdefault(plain.lower(), set()).add(target)
    for text, different in targets.items():
        assert len(different) == 1, (
            f"one text, several targets: {text!r} -> {different}"
        )
    bare = re.search(
        r"(?<![(<\"'=])\bhttps?://\S+",
        re.sub(r"\]\([^)]*\)|<[^>]*>", "", markdown(path)),
    )
    assert not bare, f"an address stands in the text without a link text: {bare[0]}"


@pytest.mark.parametrize("path", BOOKS + PAGES, ids=name)
def test_tables_have_headers(path):
    """A header row with words in it.

    The table at the top of a lesson has row headers instead: they are bold.
    """
    for table in re.findall(r"(?:^\|.*\|[ ]*\n?){2,}", markdown(path), re.MULTILINE):
        rows = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
            for line in table.strip().splitlines()
        ]
        assert all(re.fullmatch(r":?-+:?", cell) for cell in rows[1]), (
            f"no line under the header: {rows[0]}"
        )
        assert len({len(row) for row in rows}) == 1, (
            f"rows of different length below {rows[0]}"
        )
        if any(rows[0]):
            assert sum(not cell for cell in rows[0]) <= 1, (
                f"a column without a name: {rows[0]}"
            )
        else:
            assert all(row[0].startswith("**") for row in rows[2:]), (
                f"neither columns nor rows have a name: {rows[2]}"
            )


def luminance(colour) -> float:
    from matplotlib.colors import to_rgb

    channels = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in to_rgb(colour)
    ]
    return float(np.dot(channels, [0.2126, 0.7152, 0.0722]))


def contrast(a, b) -> float:
    """Contrast ratio of WCAG 2.2, from 1 to 21."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def as_seen(colour, kind: str) -> np.ndarray:
    """CIE Lab of a colour for an eye of this kind (Viénot, Brettel and Mollon 1999, in
    linear RGB).
    """
    from matplotlib.colors import to_rgb

    rgb = np.array(
        [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for c in to_rgb(colour)
        ]
    )
    rgb = {
        "full": np.eye(3),
        "protanopia": np.array(
            [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]
        ),
        "deuteranopia": np.array(
            [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]
        ),
    }[kind] @ rgb
    xyz = (
        np.array(
            [
                [0.4124, 0.3576, 0.1805],
                [0.2126, 0.7152, 0.0722],
                [0.0193, 0.1192, 0.9505],
            ]
        )
        @ rgb
        / np.array([0.9505, 1, 1.089])
    )
    f = np.where(xyz > 0.008856, np.cbrt(np.clip(xyz, 0, None)), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_contrast_is_what_we_think_it_is():
    assert contrast("black", "white") == pytest.approx(21) and contrast(
        "0.46", "white"
    ) == pytest.approx(4.54, abs=0.1)


def test_the_palette_works_without_colour_vision_and_never_alone():
    """Every colour of the course's figures comes with a marker of its own, stands out
    from white, and from every other for three kinds of eyes.

    The palette's lightest colours are below WCAG's 3:1 for graphics; that is why the
    marker is not optional.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    from qrr_lib.course.plots import new_figure

    figure, axis = new_figure()
    lines = [axis.plot([0, 1], [0, i])[0] for i in range(6)]
    colours = [line.get_color() for line in lines]
    markers = [line.get_marker() for line in lines]
    words = [
        axis.xaxis.label.get_color(),
        axis.title.get_color(),
        figure.axes[0].get_xticklabels()[0].get_color(),
    ]
    plt.close(figure)
    assert (
        len(set(colours)) == 6
        and len(set(markers)) == 6
        and not set(markers) & {"", "None", None}
    )
    assert min(contrast(word, "white") for word in words) >= 4.5
    assert min(contrast(colour, "white") for colour in colours) >= 2
    assert sum(contrast(colour, "white") >= 3 for colour in colours) >= 4
    for kind in ("full", "protanopia", "deuteranopia"):
        for a, b in itertools.combinations(colours, 2):
            assert np.linalg.norm(as_seen(a, kind) - as_seen(b, kind)) > 10, (
                kind,
                a,
                b,
            )


def test_pages_we_write_ourselves_have_contrast_language_and_titles():
    page = classroom.install_page({"wheels": 1})
    for text in (slides.STYLE, page):
        foreground = set(re.findall(r"[; {]color: (#\w+)", text))
        ground = set(re.findall(r"background: (#\w+)", text))
        assert (
            foreground
            and ground
            and min(contrast(f, g) for f in foreground for g in ground) >= 4.5
        ), (foreground, ground)
    made = slides.slides_html(LESSONS[0])
    for text in (page, made):
        assert '<html lang="en">' in text and re.search(r"<title>.{10,}</title>", text)
    pictures = re.findall(r"<img[^>]*>", made)
    assert pictures and all(
        re.search(r'alt="[^"]{40,}"', picture) for picture in pictures
    )


INTERACTIVE = [
    (path, i)
    for path in BOOKS
    for i, cell in enumerate(read(path).cells)
    if cell.cell_type == "code" and "ipywidgets" in cell.source
]


@pytest.mark.parametrize(
    "path, i", INTERACTIVE, ids=lambda v: name(v) if isinstance(v, Path) else str(v)
)
def test_interactive_pieces_have_a_keyboard_path_and_a_still_version(path, i):
    """Standard widgets (keyboard included), each with a label; prose before says what
    to do without a kernel; the next code cell shows it.
    """
    cells = read(path).cells
    made = [
        node
        for node in ast.walk(ast.parse(cells[i].source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in STANDARD
    ]
    assert made, (
        "use ipywidgets' standard controls by name, so that each can have a label"
    )
    assert all(
        "description" in {keyword.arg for keyword in node.keywords} for node in made
    ), "a control without a description"
    before = next(c.source for c in reversed(cells[:i]) if c.cell_type == "markdown")
    assert re.search(r"\b[Ww]ithout\b", before), (
        "say before it what a reader without a running kernel can look at"
    )
    after = next(c for c in cells[i + 1 :] if c.cell_type == "code")
    if path.parent != notebooks.EXERCISES:
        assert any(o.get("text") or has_picture(after) for o in after.outputs), (
            "the next code cell must show the same as text or as a picture"
        )


def test_interactive_pieces_are_found():
    assert len(INTERACTIVE) >= 2, (
        "lessons 02 and 06 have sliders; if that changed, change this number"
    )


@pytest.mark.parametrize("path", BOOKS, ids=name)
def test_code_fits_a_laptop(path):
    """JupyterLab does not wrap code: beyond 80 characters a line scrolls sideways on a
    screen 1366 pixels wide.
    """
    long = [
        line
        for cell in read(path).cells
        if cell.cell_type == "code"
        for line in cell.source.splitlines()
        if len(line) > 80
    ]
    assert not long, f"{len(long[0])} characters: {long[0]}"


PICTURE = nbformat.v4.new_output("display_data", data={"image/png": "iVBORw0KGgo="})
SLIDER = (
    "from ipywidgets import FloatSlider, interact\ninteract(print, x=FloatSlider({}))"
)


@pytest.mark.parametrize(
    "check, text",
    [
        (test_headings_are_in_order_and_one_is_the_title, "# One\n\n# Two"),
        (test_headings_are_in_order_and_one_is_the_title, "# One\n\n### Three"),
        (test_headings_are_in_order_and_one_is_the_title, "## Two"),
        (test_headings_are_in_order_and_one_is_the_title, "# One\n\n## A\n\n## A"),
        (test_link_texts_make_sense_alone, "see [here](x.md)"),
        (test_link_texts_make_sense_alone, "[a](x.md) and [a](y.md)"),
        (test_link_texts_make_sense_alone, "![](x.png)"),
        (test_link_texts_make_sense_alone, "look at https://example.org now"),
        (
            test_tables_have_headers,
            "| a | |\n|---|---|\n| 1 | 2 |\n\n| | |\n|---|---|\n| 1 | 2 |",
        ),
        (test_tables_have_headers, "| a | b |\n| 1 | 2 |"),
        (
            test_no_picture_is_explained_by_colour_alone,
            "*What to see: red ones are wrong, blue ones are fine.*",
        ),
    ],
)
def test_bad_pages_go_red(check, text, tmp_path):
    path = tmp_path / "bad.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError):
        check(path)


def test_a_long_line_goes_red(tmp_path):
    path = tmp_path / "00_bad.ipynb"
    for blanks, wrong in ((78, False), (79, True)):
        nbformat.write(
            nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_code_cell("x" + blanks * " " + "#")]
            ),
            path,
        )
        if wrong:
            with pytest.raises(AssertionError):
                test_code_fits_a_laptop(path)
        else:
            test_code_fits_a_laptop(path)


@pytest.mark.parametrize(
    "after",
    [
        "",
        "A figure.",
        "*What to see: dots.*",
        "What to see: a long sentence without its stars, nobody finds it.",
    ],
)
def test_a_picture_without_its_sentence_goes_red(after, tmp_path, monkeypatch):
    path = tmp_path / "00_bad.ipynb"
    cells = [
        nbformat.v4.new_code_cell("plot()", outputs=[PICTURE]),
        *([nbformat.v4.new_markdown_cell(after)] if after else []),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    monkeypatch.setitem(globals(), "LESSONS", [path])
    with pytest.raises(AssertionError):
        test_every_picture_is_followed_by_what_it_shows(path)


@pytest.mark.parametrize(
    "before, options, shown",
    [
        ("Move it.", "description='x'", "x"),
        ("Without a kernel, read on.", "", "x"),
        ("Without a kernel, read on.", "description='x'", ""),
    ],
)
def test_a_mute_slider_goes_red(before, options, shown, tmp_path):
    path = tmp_path / "00_bad.ipynb"
    outputs = [nbformat.v4.new_output("stream", text=shown)] if shown else []
    code = nbformat.v4.new_code_cell
    cells = [
        nbformat.v4.new_markdown_cell(before),
        code(SLIDER.format(options)),
        code("x", outputs=outputs),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    with pytest.raises(AssertionError):
        test_interactive_pieces_have_a_keyboard_path_and_a_still_version(path, 1)
