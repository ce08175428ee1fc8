"""What a reader who does not see, does not see colours, or does not use a mouse can
rely on. Blocking, like every other test.
"""

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
TEXTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md")
PAGES = [ROOT / name for name in TEXTS] + sorted((ROOT / "notebooks").rglob("*.md"))
BOOKS = LESSONS + SOLUTIONS + sorted(notebooks.EXERCISES.glob("*.ipynb"))
SAID = re.compile(r"\*What to see: (.+?)\*(?=\n\n|\Z)", re.DOTALL)
# what a picture means, where it carries what it shows as its alternative
MEANS = re.compile(r"\*(?!\*)(.+?)\*(?=\n\n|\Z)", re.DOTALL)
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
STANDARD = set(
    "FloatSlider IntSlider SelectionSlider FloatLogSlider Dropdown ToggleButtons "
    "RadioButtons Checkbox Button Text Select".split()
)


def name(path):
    return str(path.relative_to(ROOT))


def markdown(path: Path) -> str:
    """All prose of a file, code blocks and code spans taken out."""
    if path.suffix == ".md":
        text = path.read_text(encoding="utf-8")
    else:
        prose = [c for c in notebooks.read(path).cells if c.cell_type == "markdown"]
        text = "\n\n".join(cell.source for cell in prose)
    blocks = r"(?ms)^```.*?^```|(?<=\n\n)(?: {4}[^\n]*\n)+"
    text = re.sub(blocks, "", text + "\n")
    return re.sub(r"`[^`\n]*`", "code", text).rstrip("\n")


def pictures(cell) -> list:
    return [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]


def alternatives(path: Path) -> list[str]:
    """What the pictures of a notebook say to who can't see them."""
    cells = [] if path.suffix == ".md" else notebooks.read(path).cells
    return [notebooks.alternative(o) for cell in cells for o in pictures(cell)]


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS, ids=name)
def test_every_picture_is_followed_by_what_it_shows(path):
    """In lessons a sentence of its own: what it means, or, of a picture without an
    alternative, what to see, long enough to stand in for it; in solutions the analysis.
    """
    cells = [*notebooks.read(path).cells, nbformat.v4.new_code_cell()]
    for cell, following in zip(cells, cells[1:]):
        if not pictures(cell):
            continue
        silent = f"nothing is said about the picture of:\n{cell.source[-200:]}"
        assert following.cell_type == "markdown", silent
        text = following.source
        if path in LESSONS:
            told = all(map(notebooks.alternative, pictures(cell)))
            said = SAID.match(text) or (told and MEANS.match(text))
            assert said, f"after a picture: '*What it means.*', not {text[:80]}"
            assert said[1].rstrip().endswith((".", ")")), said[1]
            text = said[1] + " and what its alternative says" * told
        assert len(text.split()) >= 10, text


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS, ids=name)
def test_no_picture_is_explained_by_colour_alone(path):
    """A sentence that names a colour also names a shape, a line style, a place or a
    label.
    """
    for said in SAID.findall(markdown(path)) + alternatives(path):
        if re.search(COLOURS, said):
            assert re.search(SHAPES, said), said


@pytest.mark.parametrize("path", BOOKS + PAGES, ids=name)
def test_headings_are_in_order_and_one_is_the_title(path):
    heads = re.findall(r"^(#+) +(.*)$", markdown(path), re.MULTILINE)
    levels = [len(mark) for mark, _ in heads]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:])), heads
    assert all(text.strip() for _, text in heads)
    second = [text for mark, text in heads if len(mark) == 2]
    assert len(set(second)) == len(second), "two sections have the same name"


LINK = r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)"
SAYS_NOTHING = r"(click )?(here|link|this|this page|more|read more|page|see)"


@pytest.mark.parametrize("path", BOOKS + PAGES, ids=name)
def test_link_texts_make_sense_alone(path):
    targets: dict[str, set] = {}
    for _, text, target in re.findall(LINK, markdown(path)):
        text = re.sub(r"!\[([^\]]*)\]\([^)]*\)", r"\1", text)
        plain = re.sub(r"[*_`]", "", text).strip().lower()
        assert plain, f"{target} has no text, or no alternative text"
        assert not re.fullmatch(SAYS_NOTHING, plain), f"[{plain}]({target})"
        assert not plain.startswith(("http", "www.")), f"a bare address: {plain}"
        targets.setdefault(plain, set()).add(target)
    for text, several in targets.items():
        assert len(several) == 1, f"one text, several targets: {text!r} -> {several}"
    rest = re.sub(r"\]\([^)]*\)|<[^>]*>", "", markdown(path))
    bare = re.search(r"(?<![(<\"'=])\bhttps?://\S+", rest)
    assert not bare, f"an address stands in the text without a link text: {bare[0]}"


@pytest.mark.parametrize("path", BOOKS + PAGES, ids=name)
def test_tables_have_headers(path):
    """A header row with words in it.

    The table at the top of a lesson has row headers instead: they are bold.
    """
    for table in re.findall(r"(?:^\|.*\|[ ]*\n?){2,}", markdown(path), re.MULTILINE):
        lines = [line.strip() for line in table.strip().splitlines()]
        cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
        head, rule, *rows = [[cell.strip() for cell in row] for row in cells]
        assert all(re.fullmatch(r":?-+:?", cell) for cell in rule), f"no rule: {head}"
        assert {len(row) for row in (rule, *rows)} == {len(head)}, f"ragged: {head}"
        if any(head):
            assert head.count("") <= 1, f"a column without a name: {head}"
        else:
            assert all(row[0].startswith("**") for row in rows), f"no names: {rows[0]}"


def linear(colour) -> np.ndarray:
    """Linear RGB of a colour."""
    from matplotlib.colors import to_rgb

    c = np.array(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def luminance(colour) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(a, b) -> float:
    """Contrast ratio of WCAG 2.2, from 1 to 21."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


EYES = {  # Viénot, Brettel and Mollon 1999, in linear RGB
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]
    ),
    "deuteranopia": np.array(
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]
    ),
}
XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)


def as_seen(colour, kind: str) -> np.ndarray:
    """CIE Lab of a colour for an eye of this kind."""
    white = np.array([0.9505, 1, 1.089])
    xyz = XYZ @ EYES[kind] @ linear(colour) / white
    f = np.where(xyz > 0.008856, np.cbrt(np.clip(xyz, 0, None)), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_contrast_is_what_we_think_it_is():
    assert contrast("black", "white") == pytest.approx(21)
    assert contrast("0.46", "white") == pytest.approx(4.54, abs=0.1)


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
    markers = {line.get_marker() for line in lines}
    words = [axis.xaxis.label, axis.title, *axis.get_xticklabels()]
    plt.close(figure)
    assert len(set(colours)) == len(markers) == 6 and not markers & {"", "None", None}
    assert min(contrast(word.get_color(), "white") for word in words) >= 4.5
    assert min(contrast(colour, "white") for colour in colours) >= 2
    assert sum(contrast(colour, "white") >= 3 for colour in colours) >= 4
    for kind, (a, b) in itertools.product(EYES, itertools.combinations(colours, 2)):
        assert np.linalg.norm(as_seen(a, kind) - as_seen(b, kind)) > 10, (kind, a, b)


def test_pages_we_write_ourselves_have_contrast_language_and_titles():
    page = classroom.install_page({"wheels": 1})
    for text in (slides.STYLE, page):
        foreground = re.findall(r"[; {]color: (#\w+)", text)
        ground = re.findall(r"background: (#\w+)", text)
        pairs = itertools.product(foreground, ground)
        assert min(contrast(*pair) for pair in pairs) >= 4.5, (foreground, ground)
    made = slides.slides_html(LESSONS[0])
    for text in (page, made):
        assert '<html lang="en">' in text and re.search(r"<title>.{10,}</title>", text)
    images = re.findall(r"<img[^>]*>", made)
    assert images
    assert all(re.search(r'alt="[^"]{40,}"', image) for image in images)


INTERACTIVE = [
    (path, i)
    for path in BOOKS
    for i, cell in enumerate(notebooks.read(path).cells)
    if cell.cell_type == "code" and "ipywidgets" in cell.source
]


@pytest.mark.parametrize(
    "path, i", INTERACTIVE, ids=lambda v: name(v) if isinstance(v, Path) else str(v)
)
def test_interactive_pieces_have_a_keyboard_path_and_a_still_version(path, i):
    """Standard widgets (keyboard included), each with a label; prose before says what
    to do without a kernel; the next code cell shows it.
    """
    cells = notebooks.read(path).cells
    calls = [n for n in ast.walk(ast.parse(cells[i].source)) if isinstance(n, ast.Call)]
    made = [call for call in calls if getattr(call.func, "id", "") in STANDARD]
    assert made, "call ipywidgets' standard controls by name: each can have a label"
    for call in made:
        assert "description" in {keyword.arg for keyword in call.keywords}
    before = next(c.source for c in reversed(cells[:i]) if c.cell_type == "markdown")
    still = "say before it what a reader without a running kernel can look at"
    assert re.search(r"\b[Ww]ithout\b", before), still
    after = next(c for c in cells[i + 1 :] if c.cell_type == "code")
    if path.parent != notebooks.EXERCISES:
        shown = pictures(after) or any(o.get("text") for o in after.outputs)
        assert shown, "the next code cell must show the same as text or as a picture"


def test_interactive_pieces_are_found():
    assert INTERACTIVE, "lesson 02 has sliders"


@pytest.mark.parametrize("path", BOOKS, ids=name)
def test_code_fits_a_laptop(path):
    """JupyterLab does not wrap code: beyond 80 characters a line scrolls sideways on a
    screen 1366 pixels wide.
    """
    cells = [c for c in notebooks.read(path).cells if c.cell_type == "code"]
    lines = [line for cell in cells for line in cell.source.splitlines()]
    longest = max(lines, key=len, default="")
    assert len(longest) <= 80, f"{len(longest)} characters: {longest}"


PICTURE = nbformat.v4.new_output("display_data", data={"image/png": "iVBORw0KGgo="})
SLIDER = (
    "from ipywidgets import FloatSlider, interact\ninteract(print, x=FloatSlider({}))"
)
headings = test_headings_are_in_order_and_one_is_the_title
links = test_link_texts_make_sense_alone
tables = test_tables_have_headers
colours = test_no_picture_is_explained_by_colour_alone
ROW = "|---|---|\n| 1 | 2 |"


@pytest.mark.parametrize(
    "check, text",
    [
        (headings, "# One\n\n# Two"),
        (headings, "# One\n\n### Three"),
        (headings, "## Two"),
        (headings, "# One\n\n## A\n\n## A"),
        (links, "see [here](x.md)"),
        (links, "[a](x.md) and [a](y.md)"),
        (links, "![](x.png)"),
        (links, "look at https://example.org now"),
        (tables, f"| a | |\n{ROW}\n\n| | |\n{ROW}"),
        (tables, "| a | b |\n| 1 | 2 |"),
        (colours, "*What to see: red ones are wrong, blue ones are fine.*"),
    ],
)
def test_bad_pages_go_red(check, text, tmp_path):
    path = tmp_path / "bad.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError):
        check(path)


@pytest.fixture
def bad(tmp_path):
    """Function (cells) -> path of a notebook that holds them."""

    def write(*cells) -> Path:
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "00_bad.ipynb")
        return tmp_path / "00_bad.ipynb"

    return write


code, prose = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell


def test_a_long_line_goes_red(bad):
    test_code_fits_a_laptop(bad(code("x" + 78 * " " + "#")))
    with pytest.raises(AssertionError):
        test_code_fits_a_laptop(bad(code("x" + 79 * " " + "#")))


@pytest.mark.parametrize(
    "after",
    [
        "",
        "A figure.",
        "*What to see: dots.*",
        "What to see: a long sentence without its stars, nobody finds it.",
    ],
)
def test_a_picture_without_its_sentence_goes_red(after, bad, monkeypatch):
    following = [prose(after)] if after else []
    path = bad(code("plot()", outputs=[PICTURE]), *following)
    monkeypatch.setitem(globals(), "LESSONS", [path])
    with pytest.raises(AssertionError):
        test_every_picture_is_followed_by_what_it_shows(path)


TOLD = nbformat.v4.new_output(
    "display_data",
    data=PICTURE.data,
    metadata={"image/png": {"alt": "Red ones are wrong, blue ones fine."}},
)


def test_a_picture_that_carries_its_words_needs_what_it_means(bad, monkeypatch):
    path = bad(
        code("plot()", outputs=[TOLD]), prose("*The wider, the worse it is.*\n\nMore")
    )
    monkeypatch.setitem(globals(), "LESSONS", [path])
    test_every_picture_is_followed_by_what_it_shows(path)
    with pytest.raises(AssertionError, match="Red ones"):
        test_no_picture_is_explained_by_colour_alone(path)
    for after in ("The wider, the worse it is.", "**The wider, the worse.**"):
        bad(code("plot()", outputs=[TOLD]), prose(after))
        with pytest.raises(AssertionError, match="What it means"):
            test_every_picture_is_followed_by_what_it_shows(path)


@pytest.mark.parametrize(
    "before, options, shown",
    [
        ("Move it.", "description='x'", "x"),
        ("Without a kernel, read on.", "", "x"),
        ("Without a kernel, read on.", "description='x'", ""),
    ],
)
def test_a_mute_slider_goes_red(before, options, shown, bad):
    outputs = [nbformat.v4.new_output("stream", text=shown)] if shown else []
    slider = code(SLIDER.format(options))
    path = bad(prose(before), slider, code("x", outputs=outputs))
    with pytest.raises(AssertionError):
        test_interactive_pieces_have_a_keyboard_path_and_a_still_version(path, 1)
