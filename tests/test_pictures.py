"""Pictures of the lessons: told to who can't see them; and the Bloch sphere."""

import matplotlib
import nbformat
import numpy as np
import pytest

matplotlib.use("agg")

import matplotlib.pyplot as plt
import slides

import notebooks
from qrr_lib.course import bloch, plots
from qrr_lib.learn import compare_values

TOLD = "A line rises from 0 on the left to 1 on the right."


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A notebook that shows a figure, after a run in a kernel, as it is stored."""
    cell = (
        "from qrr_lib.course import plots\n"
        f"plots.curve([0, 1], [0, 1], 'x', 'y', alt={TOLD!r})"
    )
    path = tmp_path_factory.mktemp("shown") / "00_shown.ipynb"
    made = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell(cell)]
    made.append(nbformat.v4.new_markdown_cell("*The more, the higher.*"))
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    notebooks.execute(path)
    return path


def test_a_shown_figure_is_stored_once_with_its_alternative(shown):
    (output,) = notebooks.read(shown).cells[1].outputs
    assert output.output_type == "display_data" and "image/png" in output.data
    assert output.metadata == {"image/png": {"alt": TOLD}}
    assert output.data["text/plain"] == TOLD


def test_slides_tell_the_alternative(shown):
    text = slides.slides_html(shown)
    assert f'alt="{TOLD}"' in text and "No description has been" not in text
    assert text.count("<section") == 1, "a figure keeps its words"


@pytest.mark.parametrize("alt", ["", "a plot", None])
def test_a_figure_without_words_is_refused(alt):
    figure, _ = plots.new_figure()
    with pytest.raises(ValueError, match="alt must say in a sentence"):
        plots.show(figure, alt)
    plt.close(figure)


def test_outside_jupyter_the_alternative_is_printed(capsys):
    figure, axis = plots.new_figure()
    plots.alpha_sweep(axis, {"dev": {0.0: 0.1, 1.0: 0.6}}, 0.5, alt=TOLD)
    assert TOLD in capsys.readouterr().out
    assert not plt.fignum_exists(figure.number), "closed, or it would be shown twice"


def test_what_is_stored_of_a_cell():
    """Only the alternative is kept of a picture's metadata; in lessons, checks are
    collapsed, in exercises they are not.
    """
    code, output = nbformat.v4.new_code_cell, nbformat.v4.new_output
    noise = {"image/png": {"alt": TOLD, "width": 3}, "needs_background": "light"}
    picture = output("display_data", data={"image/png": "iVBORw0KGgo="}, metadata=noise)
    check = {"tags": ["check"], "jupyter": {"outputs_hidden": True}, "scrolled": True}
    cells = [code("x", outputs=[picture]), code("assert x", metadata=check)]
    stored = notebooks.canonical(nbformat.v4.new_notebook(cells=cells))
    assert stored.cells[0].outputs[0].metadata == {"image/png": {"alt": TOLD}}
    kept = {"tags": ["check"], "jupyter": {"source_hidden": True}}
    assert stored.cells[1].metadata == kept
    cells.append(code("def f(): ...", metadata={"tags": ["exercise"]}))
    stored = notebooks.canonical(nbformat.v4.new_notebook(cells=cells))
    assert stored.cells[1].metadata == {"tags": ["check"]}


# the sphere


@pytest.fixture
def sphere():
    figure, axis = bloch.new_spheres()
    yield axis
    plt.close(figure)


def words(axis) -> set[str]:
    return {text.get_text() for text in axis.texts} - {""}


def test_a_sphere_names_its_poles_and_its_angles(sphere):
    assert words(sphere) == {"|0⟩", "|1⟩", "|+⟩", "|+i⟩"}
    bloch.bloch_angles(sphere, 1.0, 1.8)
    assert {"θ", "γ", "ψ"} < words(sphere)


def test_points_in_front_are_larger_and_darker(sphere):
    up, around = np.radians([sphere.elev, sphere.azim])
    near = [np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)]
    bloch.bloch_points(sphere, [near, np.negative(near)], "both")
    dots = sphere.collections[-1]
    (front, behind), (dark, pale) = sorted(dots.get_sizes())[::-1], dots.get_alpha()
    assert front > 2 * behind and dark > 2 * pale
    assert dots.get_label() == "both"


def drawn(axis) -> list[tuple[str, np.ndarray]]:
    """(line style, points without gaps (N, 3)) of every line."""
    lines = [
        (line.get_linestyle(), np.array(line.get_data_3d())) for line in axis.lines
    ]
    return [(style, xyz.T[~np.isnan(xyz).any(0)]) for style, xyz in lines]


def test_a_path_is_dashed_where_it_is_behind(sphere):
    turn = np.linspace(0, 2 * np.pi, 41)
    before = len(sphere.lines)
    bloch.bloch_path(sphere, np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1), "RZ")
    (solid, front), (dashed, behind), *_ = drawn(sphere)[before:]
    assert solid == "-" and dashed != "-" and "RZ" in words(sphere)
    viewer = np.radians(sphere.azim)
    assert (front[1:-1] @ [np.cos(viewer), np.sin(viewer), 0]).min() > -0.2
    assert len(front) + len(behind) >= 41


def test_several_spheres_share_a_figure():
    figure, axes = bloch.new_spheres(2, titles=["left", "right"])
    assert [axis.get_title() for axis in axes] == ["left", "right"]
    plt.close(figure)


def test_a_forest_says_by_its_marker_which_side_of_zero_an_interval_lies():
    """Comparisons and stored mappings alike; the first stands on top."""
    gain = dict(enumerate([0.3, 0.2, 0.4, 0.1] * 5))
    won = compare_values(gain, dict.fromkeys(gain, 0.0))
    rows = {"won": won, "open": {"difference": 0.0, "low": -0.1, "high": 0.1}}
    rows["lost"] = {"difference": -0.2, "low": -0.3, "high": -0.1}
    figure, axis = plots.new_figure()
    plots.forest(axis, rows)
    middles = [bars.lines[0] for bars in axis.containers]
    assert [line.get_marker() for line in middles] == ["o", "D", "s"]
    ends = axis.containers[0].lines[2][0].get_segments()[0][:, 0]
    assert ends == pytest.approx([won.low, won.high])
    assert [label.get_text() for label in axis.get_yticklabels()] == list(rows)
    assert axis.transData.transform((0, 0))[1] > axis.transData.transform((0, 2))[1]
    plt.close(figure)
