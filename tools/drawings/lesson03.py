"""Diagrams of lesson 03."""

import math

from drawings.canvas import Drawing
from drawings.charts import Axes, bars, grid
from drawings.registry import drawing
from drawings.sphere import Sphere
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE


@drawing(
    330,
    "Two states 60° apart share three quarters",
    "Two arrows from the centre of a Bloch sphere end 60° apart; the arc between them "
    "is marked δ. Beside it, fidelity falls from 1 at δ = 0° through one half at 90° "
    "to 0 at 180°; at 60° it is 0.75.",
)
def overlap_angle(draw: Drawing) -> None:
    sphere = Sphere(draw, 180, 170, 112)
    first, second = (22, -57), (82, -57)
    sphere.arc(first, second, "δ = 60°", reach=0.45)
    sphere.arrow(first, "ψ", shift=(-14, -14))
    sphere.arrow(second, "φ", PURPLE, shift=(-16, 0))
    axes = Axes(
        draw,
        400,
        250,
        270,
        170,
        xlim=(0, 180),
        xticks={0: "0°", 60: "60°", 90: "90°", 180: "180°"},
        yticks={0: "0", 0.5: "½", 0.75: "0.75", 1: "1"},
        xlabel="angle δ between the arrows",
        ylabel="fidelity F = (1 + cos δ) / 2",
    )
    axes.curve(lambda angle: (1 + math.cos(math.radians(angle))) / 2)
    axes.mark(60, 0.75, "F = 0.75")
    draw.text(180, 310, "the wider the arc, the less they share", 14, colour=MUTED)


@drawing(
    316,
    "RY turns a state down, RZ turns it around",
    "Three Bloch spheres. On the first the arrow points to the north pole, amplitudes "
    "1 and 0. RY by 60° turns it down a meridian: amplitudes 0.866 and 0.5. RZ by 90° "
    "turns it around the vertical axis: amplitudes 0.612 − 0.612i and 0.354 + 0.354i.",
)
def two_gates(draw: Drawing) -> None:
    first, second, third = (Sphere(draw, x, 122, 84) for x in (120, 360, 600))
    first.arrow((0, 0), shift=(14, -12))
    second.arrow((60, 0), shift=(-14, 4))
    second.arc((0, 0), (60, 0), head=True)
    draw.text(308, 66, "60°", 16, colour=ORANGE, bold=True)
    third.arrow((60, 90), shift=(16, -8))
    third.turn(60, 0, 90)
    draw.text(607, 134, "90°", 16, colour=ORANGE, bold=True)
    draw.arrow((212, 122), (262, 122), "R_{Y}", size=17)
    draw.arrow((452, 122), (502, 122), "R_{Z}", size=17)
    columns = [["1", "0"], ["0.866", "0.5"], ["0.612 − 0.612i", "0.354 + 0.354i"]]
    for x, wide, column in zip((120, 360, 600), (52, 70, 132), columns):
        grid(
            draw,
            x - wide / 2,
            232,
            [[value] for value in column],
            cell=(wide, 28),
            brackets=True,
        )


@drawing(
    300,
    "One state of two qubits, read in two orders",
    "Qubit 0 is turned to 1, qubit 1 stays 0. PennyLane writes qubit 0 first, reads "
    "10, and puts the amplitude 1 into row 2 of four. Qiskit writes qubit 0 last, "
    "reads 01, and puts it into row 1. Rows 0 and 3 are the same in both.",
)
def bit_order(draw: Drawing) -> None:
    draw.text(112, 40, "the circuit", 15, bold=True)
    for y, name, end, colour in (
        (110, "qubit 0", "1", ORANGE),
        (180, "qubit 1", "0", BLUE),
    ):
        draw.text(52, y, name, 15, colour=colour, bold=True)
        draw.line([(86, y), (176, y)], INK, 1.5)
        draw.text(192, y, end, 18, colour=colour, bold=True)
    draw.box(104, 90, 54, 40, "flip", ORANGE)
    rows = {
        "PennyLane": (2, "qubit 0 first:", 312),
        "Qiskit": (1, "qubit 0 last:", 512),
    }
    for name, (row, order, x) in rows.items():
        draw.text(x + 62, 40, name, 15, bold=True)
        draw.text(x + 50, 66, order, 14, colour=MUTED)
        digits = [("1", ORANGE), ("0", BLUE)]
        for i, (digit, colour) in enumerate(digits if row == 2 else digits[::-1]):
            draw.text(x + 104 + 11 * i, 66, digit, 18, colour=colour, bold=True)
        column = [[f"|{i:02b}⟩", "1" if i == row else "0"] for i in range(4)]
        grid(draw, x, 90, column, (62, 40), [(row, 0), (row, 1)], ORANGE)
        for i in range(4):
            draw.text(x - 16, 110 + 40 * i, str(i), 14, colour=MUTED)
    draw.arrow((440, 190), (484, 150), thick=2.5, colour=ORANGE)
    draw.arrow((484, 190), (440, 150), thick=1.6, colour=MUTED, dashed=True)
    draw.text(360, 276, "01 and 10 change places; 00 and 11 stay where they are", 14)


@drawing(
    330,
    "A turn of both states leaves the arc between them",
    "Left: two arrows on a Bloch sphere, 60° apart. An arrow marked U leads to a "
    "second sphere where both arrows have been turned alike and are still 60° apart. "
    "Right: in text then U, the U is crossed out; in text, U, text it is kept.",
)
def fixed_entangler(draw: Drawing) -> None:
    before, after = Sphere(draw, 104, 138, 84, False), Sphere(draw, 342, 138, 84, False)
    places = [((22, -57), (82, -57)), ((120, 123), (60, 123))]
    shifts = [((-12, -12), (6, -16)), ((0, 18), (-2, -16))]
    for sphere, mark, turned, moved in zip((before, after), ("", "U"), places, shifts):
        sphere.arc(*turned, reach=0.55)
        sphere.arrow(turned[0], f"{mark}ψ", shift=moved[0])
        sphere.arrow(turned[1], f"{mark}φ", PURPLE, shift=moved[1])
    draw.text(104, 244, "δ = 60°", 15, colour=ORANGE, bold=True)
    draw.text(342, 244, "δ = 60°", 15, colour=ORANGE, bold=True)
    draw.arrow((196, 138), (250, 138), "U", size=17)
    strips(draw, 484)
    draw.text(
        360, 304, "what turns both states alike cannot change how far apart they are"
    )


def strips(draw: Drawing, x: float) -> None:
    """Data then U, crossed out; data, U, data, kept."""
    for y, blocks in ((70, "text U"), (180, "text U text")):
        draw.line([(x - 10, y + 22), (x + 218, y + 22)], MUTED, 1.5)
        for i, words in enumerate(blocks.split()):
            colour = INK if words == "U" else GREEN
            draw.box(x + 72 * i, y, 62, 44, words, colour)
    draw.line([(x + 76, 62), (x + 130, 122)], ORANGE, 2.5)
    draw.line([(x + 130, 62), (x + 76, 122)], ORANGE, 2.5)
    draw.text(x + 104, 136, "U at the end: no effect", 14, colour=ORANGE, bold=True)
    draw.text(x + 104, 246, "U between: it counts", 14, colour=GREEN, bold=True)


@drawing(
    324,
    "A sphere has room for six directions",
    "Six arrows along the axes of a Bloch sphere, each at least 90° from the others. A "
    "seventh, as far from all of them as it can be, has fidelity 0.79 with the nearest "
    "three and 0.21 with the other three.",
)
def six_directions(draw: Drawing) -> None:
    sphere = Sphere(draw, 190, 148, 112)
    for state in ((0, 0), (180, 0), (90, 0), (90, 180), (90, 90), (90, 270)):
        sphere.arrow(state)
    seventh = math.degrees(math.acos(1 / math.sqrt(3)))
    sphere.arrow((seventh, 45), "7th", PURPLE, shift=(20, -10))
    near, far = ((1 + sign / math.sqrt(3)) / 2 for sign in (1, -1))
    values = {
        "|0⟩": near,
        "|+⟩": near,
        "|+i⟩": near,
        "|1⟩": far,
        "|−⟩": far,
        "|−i⟩": far,
    }
    draw.text(530, 46, "fidelity of the 7th with each", 15, bold=True)
    marked = list(values)[:3]
    bars(draw, 450, 84, values, 180, 30, marked=marked, colour=PURPLE)
    draw.text(190, 303, "no seventh is far from all six", 14, colour=MUTED)
