"""Diagrams of lesson 02."""

import math

from drawings.canvas import Drawing
from drawings.charts import Axes, bars, grid
from drawings.registry import drawing
from drawings.sphere import Sphere
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, TINTS

HEAD = {  # layer of the head: (numbers that leave it, height of its column, parameters)
    "embedding": (768, 190, ""),
    "hidden 1": (256, 110, "196,864"),
    "hidden 2": (256, 110, "65,792"),
    "raw": (2, 40, "514"),
}


def around(x: float, y: float, radius: float, degrees: float) -> tuple[float, float]:
    """The place on a circle at an angle, counterclockwise from the right."""
    turn = math.radians(degrees)
    return x + radius * math.cos(turn), y - radius * math.sin(turn)


def circle(draw: Drawing, x: float, y: float, radius: float) -> None:
    """A thin empty circle."""
    rim = {"stroke": MUTED, "stroke_width": 1.2}
    draw.add("circle", cx=x, cy=y, r=radius, fill="#ffffff", **rim)


@drawing(
    316,
    "What a sphere offers a text, and its price",
    "Four small pictures. Bounded: two opposite points of a sphere, 180° apart, the "
    "farthest there is. Periodic: on a circle 6° and 354° are 12° apart. One length: "
    "arrows of length 1 in all directions. A score: two arrows score 1 if they agree, "
    "one half at 90°, 0 if opposite. Below, the price: 768 numbers become two.",
)
def why_a_sphere(draw: Drawing) -> None:
    heads = ["bounded", "periodic", "one length", "a score in [0, 1]"]
    for i, head in enumerate(heads):
        draw.text(95 + 176 * i, 26, head, 16, colour=BLUE, bold=True)
    ball = Sphere(draw, 95, 116, 62, poles=False)
    for state, colour in (((40, 123), BLUE), ((140, 303), PURPLE)):
        ball.arrow(state, colour=colour)
    draw.text(95, 205, "180° is the farthest", 14)
    circle(draw, 271, 116, 62)
    draw.arc(271, 116, 62, -6, 6, colour=ORANGE, thick=5)
    for turn, name, y in ((6, "6°", 104), (354, "354°", 128)):
        draw.dot(*around(271, 116, 62, turn), radius=4)
        draw.text(325, y, name, 13, "end")
    draw.text(271, 205, "12° apart, not 348°", 14)
    circle(draw, 447, 116, 62)
    for turn in (20, 75, 140, 200, 290):
        draw.arrow((447, 116), around(447, 116, 62, turn), colour=BLUE)
    draw.text(447, 205, "only direction counts", 14)
    for i, (turn, score) in enumerate(((12, "1"), (90, "½"), (180, "0"))):
        y = 66 + 52 * i
        start = (590, y + 14)
        draw.arrow(start, (start[0] + 38, start[1]), colour=BLUE)
        end = around(*start, 38, turn) if turn != 90 else (start[0], start[1] - 34)
        draw.arrow(start, end, colour=PURPLE)
        draw.text(668, y + 8, score, 18, bold=True)
    draw.text(623, 205, "agree, 90°, opposite", 14)
    draw.line([(30, 230), (690, 230)], MUTED, 1)
    draw.text(95, 274, "the price", 16, colour=ORANGE, bold=True)
    look = {"fill": TINTS[BLUE], "stroke": BLUE, "stroke_width": 1}
    for i in range(48):
        draw.add("rect", x=160 + 6 * i, y=256, width=6, height=24, **look)
    draw.text(304, 296, "768 numbers", 14)
    draw.arrow((462, 268), (560, 268), "angle head")
    grid(draw, 580, 256, [["θ", "γ"]], cell=(36, 24), marked=[(0, 0), (0, 1)])
    draw.text(616, 296, "2 angles", 14)


@drawing(
    300,
    "A complex number is an arrow in a plane",
    "A plane with a real and an imaginary axis. The arrow a = 0.6 + 0.8i has length 1 "
    "and phase 53°. Multiplied by i it has turned by 90° to −0.8 + 0.6i. Its "
    "conjugate 0.6 − 0.8i, dashed, is its mirror image below the real axis.",
)
def complex_arrows(draw: Drawing) -> None:
    x, y, unit = 200, 150, 108
    circle(draw, x, y, unit)
    draw.path([(x - 145, y), (x + 150, y)], MUTED, 1.2)
    draw.path([(x, y + 135), (x, y - 135)], MUTED, 1.2)
    draw.text(x + 152, y + 16, "real", 13, "end", MUTED)
    draw.text(x + 10, y - 132, "imaginary", 13, "start", MUTED)
    draw.arc(x, y, 28, 0, 53.13)
    draw.text(x + 46, y - 18, "53°", 14, colour=ORANGE, bold=True)
    arrows = [
        (53.13, "a", BLUE, False, (14, -10)),
        (143.13, "i · a", PURPLE, False, (-20, -12)),
        (-53.13, "ā", GREEN, True, (15, 10)),
    ]
    for turn, words, colour, dashed, (right, down) in arrows:
        tip = around(x, y, unit, turn)
        draw.arrow((x, y), tip, colour=colour, thick=3, dashed=dashed)
        draw.text(tip[0] + right, tip[1] + down, words, 17, colour=colour, bold=True)
    foot = around(x, y, unit, 53.13)
    draw.line([(foot[0], y), foot], INK, 1.2, dashed=True)
    rows = [
        ["", "number", "length", "phase"],
        ["a", "0.6+0.8i", "1", "53°"],
        ["i · a", "−0.8+0.6i", "1", "143°"],
        ["ā", "0.6−0.8i", "1", "−53°"],
    ]
    named = [(0, j) for j in range(4)] + [(i, 0) for i in range(4)]
    grid(draw, 366, 82, rows, cell=(82, 32), marked=named)
    words = "times i: turned by 90°, as long as before"
    draw.text(530, 236, words, 14, colour=MUTED)


@drawing(
    316,
    "Amplitudes live at half the angle",
    "Left, a plane whose axes are |0⟩ and |1⟩: an arrow of length 1 at 30° to |0⟩ has "
    "the shadows 0.87 and 0.50, its amplitudes. Middle, their squares as bars: "
    "probability 0.75 of reading 0 and 0.25 of reading 1. Right, the Bloch sphere cut "
    "from pole to pole: the same state at 60° from |0⟩, the north pole.",
)
def half_angle(draw: Drawing) -> None:
    x, y, unit = 62, 230, 150
    corner = around(x, y, unit, 30)
    draw.path([(x, y), (x + 175, y)], MUTED, 1.4)
    draw.path([(x, y), (x, y - 175)], MUTED, 1.4)
    draw.text(x + 182, y + 16, "|0⟩", 15, "end")
    draw.text(x + 12, y - 172, "|1⟩", 15, "start")
    quarter = [around(x, y, unit, turn) for turn in range(0, 91, 3)]
    draw.line(quarter, MUTED, 1)
    draw.line([(corner[0], y), corner, (x, corner[1])], INK, 1.2, dashed=True)
    draw.arc(x, y, 58, 0, 30)
    draw.text(x + 84, y - 18, "30°", 15, colour=ORANGE, bold=True)
    draw.arrow((x, y), corner, colour=BLUE, thick=3)
    draw.text(corner[0] + 14, corner[1] - 10, "ψ", 17, colour=BLUE, bold=True)
    draw.text(corner[0], y + 16, "0.87", 14)
    draw.text(x - 6, corner[1], "0.50", 14, "end")
    draw.text(360, 96, "squared:\nprobabilities", 14)
    bars(draw, 330, 150, {"0": 0.75, "1": 0.25}, 90, 34)
    x, y, unit = 590, 150, 96
    circle(draw, x, y, unit)
    draw.line([(x, y - unit), (x, y + unit)], MUTED, 1)
    draw.line([(x - unit, y), (x + unit, y)], MUTED, 1)
    draw.text(x, y - unit - 14, "|0⟩", 15)
    draw.text(x, y + unit + 14, "|1⟩", 15)
    draw.arc(x, y, 42, 30, 90)
    draw.text(x + 33, y - 52, "60°", 15, colour=ORANGE, bold=True)
    tip = around(x, y, unit, 30)
    draw.arrow((x, y), tip, colour=BLUE, thick=3)
    draw.text(tip[0] + 15, tip[1] - 8, "ψ", 17, colour=BLUE, bold=True)
    draw.text(140, 290, "amplitudes: half the angle", 14, colour=MUTED)
    draw.text(590, 290, "the sphere, cut in half", 14, colour=MUTED)


@drawing(
    330,
    "The angle head, with the shape of what flows",
    "Columns as high as their numbers are many: an embedding of 768, two hidden "
    "columns of 256, two raw outputs, two angles, an arrow on a sphere. Linear layers "
    "with 196,864, 65,792 and 514 parameters lead from one to the next, the first "
    "two with ReLU; a sigmoid turns raw outputs into θ and γ.",
)
def angle_head(draw: Drawing) -> None:
    middle, left, corners = 150, 34, []
    for name, (count, height, parameters) in HEAD.items():
        top = middle - height / 2
        draw.box(left, top, 46, height, str(count), colour=BLUE, bold=True)
        draw.text(left + 23, 268, name, 14)
        draw.text(left + 23, 288, f"(B, {count})", 13, colour=MUTED, mono=True)
        if corners:
            edges = [(corners[0], (left, top)), (corners[1], (left, top + height))]
            for start, end in edges:
                draw.line([start, end], MUTED, 1, dashed=True)
            between = (corners[0][0] + left) / 2
            kind = "linear" if name == "raw" else "linear\nReLU"
            last = name == "raw"
            draw.text(between, 140 if last else 132, kind, 14)
            draw.text(
                between, 162 if last else 174, parameters, 14, colour=ORANGE, bold=True
            )
        corners = [(left + 46, top), (left + 46, top + height)]
        left += 130
    draw.arrow((474, middle), (530, middle), "sigmoid")
    grid(draw, 534, 118, [["θ"], ["γ"]], cell=(46, 32), marked=[(0, 0), (1, 0)])
    draw.text(557, 268, "angles", 14)
    draw.text(557, 288, "(B, 1, 1, 2)", 13, colour=MUTED, mono=True)
    ball = Sphere(draw, 654, middle, 48, poles=False)
    ball.arrow((55, 70))
    draw.text(654, 268, "state", 14)
    words = (
        "B texts at once · below the name of a layer, its parameters: 263,170 in all"
    )
    draw.text(360, 314, words, 14, colour=MUTED)


@drawing(
    300,
    "The seam of γ: neighbours on the circle, far apart for the network",
    "Left, the equator seen from above: γ = 6° and γ = 354° are 12° apart, on either "
    "side of 0°. Right, γ as a sigmoid of the raw output: the same two angles need "
    "raw outputs of −4.1 and 4.1, at opposite ends of the curve.",
)
def gamma_seam(draw: Drawing) -> None:
    x, y, radius = 150, 142, 96
    circle(draw, x, y, radius)
    for turn, name in ((0, ""), (90, "90°"), (180, "180°"), (270, "270°")):
        near, far = around(x, y, radius - 5, turn), around(x, y, radius + 5, turn)
        draw.line([near, far], MUTED, 1.5)
        place = around(x, y, radius - 24, turn)
        draw.text(*place, name, 13, colour=MUTED)
    draw.arc(x, y, radius, -6, 6, thick=6)
    for turn, name, shape, colour in (
        (6, "6°", "square", BLUE),
        (-6, "354°", "triangle", PURPLE),
    ):
        place = around(x, y, radius, turn)
        draw.dot(*place, radius=6, colour=colour, shape=shape)
        tall = place[1] + (-12 if turn > 0 else 12)
        draw.text(place[0] + 14, tall, name, 15, "start", colour, bold=True)
    draw.text(x, 276, "on the sphere: 12° apart", 14, colour=MUTED)
    axes = Axes(
        draw,
        400,
        226,
        270,
        170,
        xlim=(-6, 6),
        ylim=(0, 360),
        xticks={-4.1: "−4.1", 0: "0", 4.1: "4.1"},
        yticks={0: "0°", 180: "180°", 360: "360°"},
        xlabel="raw output z (8.2 apart)",
        ylabel="γ = 2π σ(z)",
    )
    axes.curve(lambda z: 360 / (1 + math.exp(-z)))
    for z, gamma, shape, colour in (
        (-4.08, 6, "square", BLUE),
        (4.08, 354, "triangle", PURPLE),
    ):
        draw.dot(*axes.at(z, gamma), radius=6, colour=colour, shape=shape)
    draw.text(axes.at(-3.4, 0)[0], 196, "γ = 6°", 14, colour=BLUE, bold=True)
    draw.text(axes.at(4.0, 0)[0], 84, "γ = 354°", 14, colour=PURPLE, bold=True)
