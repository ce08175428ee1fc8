"""Diagrams of the lessons: as they are drawn, told to who can't see them, legible."""

import re
import xml.etree.ElementTree as ElementTree

import figures
import pytest
from drawings.canvas import Drawing
from drawings.charts import Axes, grid
from drawings.registry import DRAWINGS, drawing
from drawings.sphere import Sphere, unit
from drawings.svg import LEAST_SIZE, PANEL, TINTS, WIDTH
from test_accessibility import contrast

SVG = "{http://www.w3.org/2000/svg}"
MADE = figures.drawings()


def test_files_are_as_they_are_drawn():
    old = figures.stale(MADE, figures.FOLDER)
    assert not old, f"run python tools/figures.py, and look at {', '.join(old)}"


def test_a_stale_a_missing_and_an_orphaned_file_are_found(tmp_path, monkeypatch):
    for name in ("same", "changed", "orphan"):
        (tmp_path / f"{name}.svg").write_text(name, encoding="utf-8")
    made = {"same": "same", "changed": "new", "missing": "x"}
    assert figures.stale(made, tmp_path) == ["changed", "missing", "orphan"]
    monkeypatch.setattr(figures, "FOLDER", tmp_path)
    assert figures.main(["--check"]) == 1
    with pytest.raises(SystemExit, match="no diagram nonsense; there is .*pipeline_00"):
        figures.main(["nonsense"])


def test_every_lesson_has_its_place_in_the_pipeline():
    assert [name for name in MADE if name.startswith("pipeline_")] == [
        f"pipeline_{number:02d}" for number in range(16)
    ]
    assert len({MADE[f"pipeline_{number:02d}"] for number in range(16)}) == 16


def words_of(root) -> list[tuple[str, float, float, float, str]]:
    """(words, size, x, y, anchor) of every line of text."""
    return [
        (
            "".join(node.itertext()),
            float(node.get("font-size")),
            float(node.get("x")),
            float(node.get("y")),
            node.get("text-anchor"),
        )
        for node in root.iter(f"{SVG}text")
    ]


@pytest.mark.parametrize("name", MADE)
def test_a_diagram_is_told_and_its_letters_can_be_read(name):
    """Title and description inside; letters at least 12.6 px at 700 px of width, none
    outside the panel (in a wide font).
    """
    root = ElementTree.fromstring(MADE[name])
    title, told = root.find(f"{SVG}title").text, root.find(f"{SVG}desc").text
    assert len(title.split()) >= 3 and len(told.split()) >= 12
    assert root.get("role") == "img" and root.get("width") == str(WIDTH)
    assert len(words_of(root)) >= 2, "someone who sees only the picture can say nothing"
    sizes = re.findall(r'font-size="([\d.]+)"', MADE[name])
    assert min(map(float, sizes)) >= LEAST_SIZE
    high = float(root.get("height"))
    for words, size, x, y, anchor in words_of(root):
        wide = 0.56 * size * len(words)
        left = x - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
        inside = 4 <= left and left + wide <= WIDTH - 4
        assert inside and size <= y <= high - 4, f"{words!r} leaves the panel"


def test_colours_stand_out_from_the_panel_and_letters_from_tints():
    for colour, tint in TINTS.items():
        assert contrast(colour, PANEL) >= 4.5 and contrast(colour, tint) >= 4.5


@pytest.fixture
def draw():
    return Drawing(200, "A title", "A description", "test")


def test_a_drawing_refuses_small_letters_and_a_second_name(draw):
    with pytest.raises(ValueError, match="too small: take 13"):
        draw.text(0, 0, "tiny", size=9)
    with pytest.raises(ValueError, match="two drawings are named 'overlap_angle'"):
        drawing(10, "a", "b", "overlap_angle")(print)
    assert "overlap_angle" in DRAWINGS


def test_raised_and_lowered_letters_come_back_to_the_line(draw):
    draw.text(50, 50, "x_{1}^{2} & y", size=20)
    root = ElementTree.fromstring(draw.svg())
    spans = next(root.iter(f"{SVG}text")).findall(f"{SVG}tspan")
    assert [span.text for span in spans] == ["x", "1", "2", " & y"]
    moves = [float(span.get("dy", 0)) for span in spans]
    assert moves[1] > 0 > moves[2] and sum(moves) == pytest.approx(0)


def test_axes_and_grids_put_things_where_they_say(draw):
    axes = Axes(draw, 100, 150, 200, 100, xlim=(0, 180))
    assert axes.at(0, 0) == (100, 150) and axes.at(180, 1) == (300, 50)
    assert grid(draw, 0, 0, [[1, 2, 3], [4, 5, 6]], (40, 20)) == (120, 40)


def test_the_sphere_knows_front_from_back(draw):
    sphere = Sphere(draw, 100, 100, 80)
    front, back = unit(90, 33), unit(90, 213)
    assert sphere.depth(front) > 0.9 and sphere.depth(back) < -0.9
    (x, top), (_, bottom) = sphere.place((0, 0, 1)), sphere.place((0, 0, -1))
    assert x == 100 and top < 100 < bottom
    inside = [sphere.place(unit(t, g)) for t in (0, 60, 120) for g in (0, 100, 200)]
    assert all((x - 100) ** 2 + (y - 100) ** 2 <= 80.1**2 for x, y in inside)
    before = len(draw.parts)
    sphere.dot((90, 213))
    assert f'fill="{PANEL}"' in draw.parts[before], "hollow behind the sphere"
