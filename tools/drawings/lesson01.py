"""Diagrams of lesson 01."""

import math

from drawings.canvas import Drawing
from drawings.charts import Axes, grid
from drawings.registry import drawing
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE, RIM, TINTS

TOKENS = [(1, 2, 1), (3, 4, 1), (9, 3, 0)]  # two numbers and the mask


@drawing(
    330,
    "A masked mean of token vectors",
    "A table of three token vectors: (1, 2) and (3, 4) with mask 1, padding (9, 3) "
    "with mask 0. The masked rows add up to (4, 6); divided by 2 they give (2, 3). "
    "Beside it, in the plane, (2, 3) lies halfway between the two real tokens; the "
    "plain mean (4.3, 3) is drawn towards the padding.",
)
def mean_pooling(draw: Drawing) -> None:
    heads = {77: "token", 165: "vector", 225: "mask", 305: "mask · vector"}
    for x, words in heads.items():
        draw.text(x, 36, words, 14, colour=MUTED)
    for i, (a, b, real) in enumerate(TOKENS):
        y = 56 + 44 * i
        name = ("steam", "bursts", "padding")[i]
        colour = BLUE if real else MUTED
        draw.box(30, y, 94, 32, name, colour=colour, size=14)
        grid(draw, 134, y, [[a, b]], cell=(31, 32), marked=[(0, 0), (0, 1)] * real)
        draw.text(225, y + 16, str(real), 18, bold=bool(real), colour=colour)
        draw.arrow((238, y + 16), (268, y + 16), colour=MUTED, thick=1.6)
        grid(draw, 274, y, [[a * real, b * real]], cell=(31, 32))
    draw.line([(270, 188), (340, 188)], MUTED, 1.5)
    sums = {208: ("add up", 4, 6), 262: ("divide by 2", 2, 3)}
    for middle, (words, a, b) in sums.items():
        draw.text(262, middle, words, 14, "end")
        marked = [(0, 0), (0, 1)] if middle > 210 else []
        grid(draw, 274, middle - 16, [[a, b]], (31, 32), marked, ORANGE)
    draw.text(190, 304, "2 = number of real tokens", 14, colour=MUTED)
    plane(draw)


def plane(draw: Drawing) -> None:
    """The same three tokens and both means as points."""
    ticks = {n: str(n) for n in (0, 3, 6, 9)}
    axes = Axes(draw, 420, 262, 270, 189, (0, 10), (0, 7), ticks, {3: "3", 6: "6"})
    real, padding = [axes.at(1, 2), axes.at(3, 4)], axes.at(9, 3)
    right, wrong = axes.at(2, 3), axes.at(13 / 3, 3)
    draw.line(real, BLUE, 1.5, dashed=True)
    draw.path([right, (wrong[0] - 9, wrong[1])], MUTED, 1.2, dashed=True)
    draw.line([wrong, padding], MUTED, 1.2, dashed=True)
    draw.line([axes.at(2, 2.7), axes.at(2.7, 1.3)], ORANGE, 1.2)
    for place in real:
        draw.dot(*place, colour=BLUE)
    draw.text(*axes.at(1, 1.4), "(1, 2)", 14, colour=BLUE)
    draw.text(*axes.at(3, 4.6), "(3, 4)", 14, colour=BLUE)
    draw.dot(*padding, colour=MUTED, shape="ring")
    draw.text(*axes.at(8.7, 3.7), "padding (9, 3)", 14, colour=MUTED)
    draw.dot(*right, 6, ORANGE, "diamond")
    draw.text(*axes.at(2.4, 0.8), "masked mean (2, 3)", 14, "start", INK, True)
    draw.dot(*wrong, 6, MUTED, "triangle")
    draw.text(*axes.at(4.4, 2.1), "plain mean (4.3, 3)", 14, "start", MUTED)


@drawing(
    300,
    "Cosine is where an arrow's tip falls",
    "A half circle of radius 1. The query q points right. Document a = (4, 3), scaled "
    "to length 1, ends at (0.8, 0.6), above 0.8 on the axis: its cosine with q is 0.8. "
    "b points straight up, cosine 0. c points up and left, above minus 0.6.",
)
def cosine_shadows(draw: Drawing) -> None:
    x, y, radius = 270, 226, 150

    def at(across: float, up: float) -> tuple[float, float]:
        return x + radius * across, y - radius * up

    turns = [math.radians(3 * i) for i in range(61)]
    draw.line([at(math.cos(t), math.sin(t)) for t in turns], RIM, 2)
    draw.line([at(-1.15, 0), at(1.5, 0)], MUTED, 1.2)
    draw.line([at(0.8, 0.6), at(1.2, 0.9)], GREEN, 2, dashed=True)
    draw.text(*at(1.25, 0.95), "a = (4, 3) before scaling", 14, "start")
    draw.text(140, 40, "b = (0, 2) and c = (−3, 4)\nbefore scaling", 14)
    documents = {"a": (0.8, 0.6, GREEN), "b": (0, 1, INK), "c": (-0.6, 0.8, ORANGE)}
    for name, (across, up, colour) in documents.items():
        draw.line([at(across, up), at(across, 0)], colour, 1.6, dashed=True)
        draw.arrow(at(0, 0), at(across, up), colour=colour, thick=2.8)
        end = at(1.08 * across - 0.05 * (across > 0), 1.1 * up + 0.04 * (across > 0))
        draw.text(*end, name, 17, colour=colour, bold=True)
        draw.dot(*at(across, 0), 4, colour)
        draw.text(at(across, 0)[0], y + 20, f"{across:g}".replace("-", "−"), 15)
    draw.arrow(at(0, 0), at(1, 0), colour=BLUE, thick=3.5)
    draw.text(*at(1.09, 0.08), "q", 17, colour=BLUE, bold=True)
    draw.arc(*at(0, 0), 48, 0, 36.9)
    draw.text(*at(0.42, 0.14), "φ", 15, colour=ORANGE, bold=True)
    draw.text(270, 280, "below each tip: its cosine with q", 14, colour=MUTED)
    draw.text(455, 170, "cos φ = 0.8", 17, "start", ORANGE, True)


@drawing(
    306,
    "Padding before and after sorting by length",
    "Texts of 5, 1, 4 and 2 tokens go through the model two at a time. As they come, "
    "the batches are 5 and 4 cells wide and hold 6 cells of padding. Sorted by length, "
    "they are 2 and 5 wide and hold 2.",
)
def padding_cells(draw: Drawing) -> None:
    for x, words, lengths in (
        (40, "as they come: 6 cells of padding", (5, 1, 4, 2)),
        (390, "sorted by length: 2 cells of padding", (1, 2, 4, 5)),
    ):
        draw.text(x, 30, words, 15, "start", bold=True)
        for i, length in enumerate(lengths):
            batch = lengths[i - i % 2 : i - i % 2 + 2]
            y = 58 + 44 * i + 18 * (i > 1)
            for j in range(max(batch)):
                cell(draw, x + 90 + 34 * j, y, j < length)
            if i % 2 == 0:
                draw.text(x, y + 37, f"batch {i // 2 + 1}", 14, "start", MUTED)
    cell(draw, 232, 264, True)
    draw.text(270, 279, "token", 14, "start")
    cell(draw, 352, 264, False)
    draw.text(390, 279, "padding, computed for nothing", 14, "start")


def cell(draw: Drawing, x: float, y: float, real: bool) -> None:
    """A place in a batch."""
    look = {"x": x, "y": y, "width": 30, "height": 30, "rx": 4}
    if real:
        draw.add("rect", **look, fill=TINTS[BLUE], stroke=BLUE, stroke_width=2)
        draw.dot(x + 15, y + 15, 4, BLUE)
        return
    dashes = {"stroke": MUTED, "stroke_width": 1.2, "stroke_dasharray": "4 3"}
    draw.add("rect", **look, fill="none", **dashes)
    draw.line([(x + 9, y + 21), (x + 21, y + 9)], MUTED, 1.2)
