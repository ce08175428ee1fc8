"""Diagrams of lesson 12."""

import math

from drawings.canvas import Drawing
from drawings.charts import Axes, bars, grid
from drawings.registry import drawing
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE


@drawing(
    300,
    "Four times the shots, half the width",
    "Three bell curves around the fidelity 0.75: of 100 shots, wide; of 400 shots, "
    "half as wide and twice as high; of 1,600 shots, half as wide again. Their widths "
    "are 0.043, 0.022 and 0.011.",
)
def shot_widths(draw: Drawing) -> None:
    axes = Axes(
        draw,
        60,
        238,
        400,
        180,
        xlim=(0.6, 0.9),
        ylim=(0, 38),
        xticks={0.6: "0.6", 0.75: "0.75", 0.9: "0.9"},
        xlabel="estimate of F",
        ylabel="how often",
    )
    spreads = {100: 0.0433, 400: 0.0217, 1600: 0.0108}
    for (shots, spread), colour in zip(spreads.items(), (MUTED, BLUE, ORANGE)):
        points = []
        for i in range(121):
            x = 0.6 + 0.3 * i / 120
            height = math.exp(-(((x - 0.75) / spread) ** 2) / 2) / spread / 2.507
            points.append(axes.at(x, height))
        draw.line(points, colour, 3, dashed=shots == 100)
    draw.text(574, 66, "standard deviation", 15, bold=True)
    widths = {f"{shots:,} shots": spread for shots, spread in spreads.items()}
    bars(draw, 560, 110, widths, 80, 40, most=0.0433, form="{:.3f}")
    draw.text(574, 250, "4 × the shots,\n½ the width", 15, colour=MUTED)


@drawing(
    330,
    "Three circuits that turn counts into a fidelity",
    "Compute–uncompute: one wire, b and then a backwards, reads 0 with probability F = "
    "0.75. Swap test: a third wire with two H gates around an exchange of a and b "
    "reads 0 with probability 0.875. Bell basis: a CX from a to b and an H; both read "
    "1 with probability 0.125.",
)
def pair_circuits(draw: Drawing) -> None:
    titles = ("compute–uncompute", "swap test", "Bell basis")
    for x, title in zip((30, 262, 500), titles):
        draw.text(x + 95, 34, title, 16, bold=True)
    wire(draw, 30, 150, "0", [("b", GREEN, 36), ("a back", BLUE, 102)])
    draw.text(125, 266, "P(0) = F\n= 0.75", 16)
    wire(draw, 262, 90, "0", [("H", INK, 50), ("H", INK, 128)])
    wire(draw, 262, 150, "a", [], measured=False)
    wire(draw, 262, 210, "b", [], measured=False)
    draw.line([(368, 90), (368, 210)], ORANGE, 2.5)
    draw.dot(368, 90, 5, ORANGE)
    for y in (150, 210):
        draw.text(368, y, "×", 24, colour=ORANGE, bold=True)
    draw.text(357, 266, "P(0) = (1 + F) / 2\n= 0.875", 16)
    wire(draw, 500, 120, "a", [("H", INK, 118)])
    wire(draw, 500, 180, "b", [])
    draw.line([(575, 120), (575, 191)], ORANGE, 2.5)
    draw.dot(575, 120, 5, ORANGE)
    draw.dot(575, 180, 11, ORANGE, "ring")
    draw.line([(564, 180), (586, 180)], ORANGE, 2)
    draw.line([(575, 169), (575, 191)], ORANGE, 2)
    draw.text(600, 266, "P(11) = (1 − F) / 2\n= 0.125", 16)
    draw.text(360, 310, "a at 40°, b at 100°: F = cos² 30° = 0.75", 14, colour=MUTED)


def wire(draw: Drawing, x: float, y: float, start: str, gates, measured=True) -> None:
    """A wire with named gates on it, measured at its end."""
    draw.line([(x + 22, y), (x + 190, y)], MUTED, 1.5)
    draw.text(x + 10, y, start, 16, bold=True)
    for name, colour, at in gates:
        wide = 22 + 9 * len(name) if len(name) > 1 else 32
        draw.box(x + at - wide / 2 + 16, y - 16, wide, 32, name, colour, size=14)
    if measured:
        draw.box(x + 172, y - 14, 30, 28, "0/1", PURPLE, size=13)


@drawing(
    322,
    "Where 30,000 shots go in seven rounds",
    "Seven rows, one a round. 100 documents get 42 shots each, then 50 get 85, 25 get "
    "171, 13 get 329, 7 get 612, 4 get 1,071, and the last 2 get 2,142 each. The rows "
    "narrow around the line between places 10 and 11.",
)
def halving_rounds(draw: Drawing) -> None:
    line, wide = 250, 3.6
    draw.text(line, 26, "line between places 10 and 11", 14, colour=ORANGE)
    draw.line([(line, 42), (line, 286)], ORANGE, 2, dashed=True)
    draw.text(494, 26, "documents", 14, "end", bold=True)
    draw.text(634, 26, "shots for each", 14, "end", bold=True)
    sizes = (100, 50, 25, 13, 7, 4, 2)
    for i, size in enumerate(sizes):
        y = 62 + 34 * i
        left = line - wide * min(10, size / 2)
        draw.add(
            "rect",
            x=left,
            y=y - 10,
            width=wide * size if size < 100 else 500 - left - 90,
            height=20,
            fill="none",
            stroke=BLUE,
            stroke_width=2,
        )
        draw.text(494, y, f"{size}", 15, "end", mono=True)
        draw.text(634, y, f"{30_000 // 7 // size:,}", 15, "end", mono=True)
    draw.text(360, 306, "each round has a seventh of the budget, for half as many", 14)


@drawing(
    336,
    "Every pair a circuit, or every token measured once",
    "Left: three query tokens and four document tokens make a table of twelve cells, "
    "each a circuit of its own. Right: the three query tokens are measured along X, Y "
    "and Z, nine settings; the four document tokens were measured long ago, and the "
    "twelve products are arithmetic.",
)
def pairs_or_tokens(draw: Drawing) -> None:
    draw.text(180, 30, "every pair a circuit", 16, bold=True)
    draw.text(194, 58, "document tokens", 14, colour=PURPLE)
    draw.text(36, 136, "query\ntokens", 14, colour=GREEN)
    cells = [["run"] * 4 for _ in range(3)]
    every = [(i, j) for i in range(3) for j in range(4)]
    grid(draw, 78, 78, cells, (58, 40), every, ORANGE)
    draw.text(194, 232, "3 × 4 = 12 circuits", 17, colour=ORANGE, bold=True)
    draw.text(194, 258, "for this query, and again for the next", 14, colour=MUTED)
    draw.line([(362, 30), (362, 280)], MUTED, 1, dashed=True)
    draw.text(540, 30, "every token measured", 16, bold=True)
    for j in range(4):
        draw.box(470 + 58 * j, 62, 50, 34, "x y z", PURPLE, size=13)
    draw.text(582, 50, "once, when indexed", 13, colour=PURPLE)
    for i in range(3):
        draw.box(392, 104 + 40 * i, 62, 34, "X Y Z", GREEN, size=14)
        for j in range(4):
            draw.text(495 + 58 * j, 121 + 40 * i, "n · m", 14, colour=MUTED)
    draw.text(540, 248, "3 × 3 = 9 settings", 17, colour=GREEN, bold=True)
    draw.text(540, 274, "the rest is arithmetic", 14, colour=MUTED)
    draw.text(360, 314, "pairs multiply; tokens add up", 15, bold=True)


ROWS = ((0, 13, 1, 14, 2), (3, 15, 4, 16, 5), (6, 17, 7, 18, 8))
LINKS = {9: (0, 3, 0), 10: (14, 16, 3), 11: (15, 17, 1), 12: (5, 8, 4)}
PAIRS = ((14, 1), (10, 16), (13, 0), (4, 15), (9, 3), (8, 12), (17, 6), (7, 18))


@drawing(
    340,
    "Eight pairs of qubits on a chip of heavy hexagons",
    "Nineteen qubits in three rows of five, with four more between the rows, form two "
    "hexagons of twelve qubits. Eight thick edges join eight pairs of neighbours: "
    "qubit i of state a and qubit i of state b. Three qubits stay free.",
)
def heavy_hexagons(draw: Drawing) -> None:
    place = {}
    for i, row in enumerate(ROWS):
        for j, qubit in enumerate(row):
            place[qubit] = (70 + 82 * j, 60 + 104 * i)
    for qubit, (above, below, column) in LINKS.items():
        y = (place[above][1] + place[below][1]) / 2
        place[qubit] = (70 + 82 * column, y)
    edges = [pair for row in ROWS for pair in zip(row, row[1:])]
    for qubit, (above, below, _) in LINKS.items():
        edges += [(above, qubit), (qubit, below)]
    paired = {frozenset(pair) for pair in PAIRS}
    for a, b in edges:
        strong = frozenset((a, b)) in paired
        draw.line([place[a], place[b]], ORANGE if strong else MUTED, 8 if strong else 2)
    roles = {a: (f"a{i}", GREEN) for i, (a, _) in enumerate(PAIRS)}
    roles |= {b: (f"b{i}", PURPLE) for i, (_, b) in enumerate(PAIRS)}
    for qubit, (x, y) in place.items():
        words, colour = roles.get(qubit, ("", MUTED))
        draw.dot(x, y, 17, colour, "ring")
        if words:
            draw.text(x, y, words, 14, colour=colour, bold=True)
    draw.text(580, 92, "Bell basis, 8 qubits a state:", 15, bold=True)
    draw.text(580, 122, "qubit i of a beside\nqubit i of b", 15)
    draw.text(580, 176, "8 gates on 8 edges,\nall at the same time", 15, colour=ORANGE)
    draw.text(580, 236, "no qubit has more than\nthree neighbours", 15, colour=MUTED)
    draw.text(360, 318, "each pair has found two neighbours: nothing to move", 14)
