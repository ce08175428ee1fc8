"""Diagrams of lesson 00."""

import math

from drawings.canvas import Drawing
from drawings.charts import bars
from drawings.registry import drawing
from drawings.sphere import Sphere
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, TINTS

ASKED = [40, 100]  # the toy: words of the question, in degrees
IMMUNE = {"memory": 40, "cells": 100, "antibodies": 154, "germ": 166}
LISTS = {"remember": 60, "list": 80}
RADIUS = 118


@drawing(
    312,
    "One arrow a text, or one arrow a word",
    "Two half circles. Left, the averages: the question and the passage on lists point "
    "the same way, 70°; the passage on immunity points 49° away. Right, the words: "
    "both words of the question meet themselves in the passage on immunity; in the "
    "passage on lists the nearest words are 20° away.",
)
def two_looks(draw: Drawing) -> None:
    left, right = (168, 210), (528, 210)
    for centre in (left, right):
        rim = [around(centre, degrees) for degrees in range(0, 181, 4)]
        draw.line([*rim, rim[0]], "#98a3bd", 1.3, fill="#ffffff")
    draw.text(left[0], 24, "first look: one arrow a text", 16, bold=True)
    draw.text(right[0], 24, "second look: one arrow a word", 16, bold=True)
    averages(draw, left)
    words_apart(draw, right)
    draw.text(left[0], 238, "lists: 0° away, cosine 1.00", 15, colour=ORANGE)
    draw.text(left[0], 262, "immunity: 49° away, cosine 0.66", 15, colour=PURPLE)
    draw.text(right[0], 238, "lists: 20° and 20°, mean 0.94", 15, colour=ORANGE)
    draw.text(right[0], 262, "immunity: 0° and 0°, mean 1.00", 15, colour=PURPLE)
    draw.text(left[0], 288, "the passage on lists comes first", 14, colour=MUTED)
    draw.text(right[0], 288, "the passage on immunity comes first", 14, colour=MUTED)


def around(
    centre: tuple[float, float], degrees: float, far: float = RADIUS
) -> tuple[float, float]:
    """A place `far` from a centre in a direction."""
    turn = math.radians(degrees)
    return centre[0] + far * math.cos(turn), centre[1] - far * math.sin(turn)


def averages(draw: Drawing, centre: tuple[float, float]) -> None:
    """The texts of the toy as directions of their averages."""
    draw.arc(*centre, 62, 70, 119, "49°", PURPLE)
    draw.path([centre, around(centre, 70)], BLUE, 3)
    draw.text(*around(centre, 50, 44), "question", 15, "start", BLUE, True)
    mark(draw, centre, "immunity", 119, PURPLE, "end")
    mark(draw, centre, "lists", 70, ORANGE, "start")


def words_apart(draw: Drawing, centre: tuple[float, float]) -> None:
    """The words of the toy: the question's as arrows, the passages' as marks."""
    for start, stop in ((40, 60), (80, 100)):
        draw.arc(*centre, 84, start, stop, "20°")
    for degrees in ASKED:
        draw.path([centre, around(centre, degrees)], BLUE, 3)
    for word, degrees in LISTS.items():
        mark(draw, centre, word, degrees, ORANGE, "start")
    for word, degrees in IMMUNE.items():
        side = "end" if degrees > 90 else "start"
        mark(draw, centre, word, degrees, PURPLE, side)


def mark(draw: Drawing, centre, word: str, degrees: float, colour: str, side) -> None:
    """A passage, or a word of it, on the rim; its name outside."""
    shape = "triangle" if colour == ORANGE else "square"
    draw.dot(*around(centre, degrees, RADIUS + 3), 5, colour, shape)
    x, y = around(centre, degrees, RADIUS + 17)
    draw.text(x, y, word, 15, side, colour, True)


@drawing(
    268,
    "A word is many small arrows, compared one by one",
    "Three Bloch spheres stand for 64. In each, the word of the question and the word "
    "of a passage are two arrows, 20°, 60° and 100° apart; their likeness is 0.97, "
    "0.75 and 0.41, and the mean of the three is 0.71.",
)
def word_states(draw: Drawing) -> None:
    pairs = [((38, -52), (58, -52)), ((30, 50), (90, 50)), ((20, -60), (120, -60))]
    for i, (asked, read) in enumerate(pairs):
        x, away = 100 + 184 * i, read[0] - asked[0]
        sphere = Sphere(draw, x, 128, 74, poles=False)
        sphere.arc(asked, read, reach=0.5)
        sphere.arrow(asked)
        sphere.arrow(read, colour=PURPLE)
        likeness = (1 + math.cos(math.radians(away))) / 2
        draw.text(x, 24, f"qubit {i + 1}" if i < 2 else "qubit 64", 15, bold=True)
        draw.text(x, 222, f"{away}° apart: {likeness:.2f}", 15, bold=True)
    draw.text(376, 24, "…", 18)
    draw.text(586, 222, "mean: 0.71", 16, "start", GREEN, True)
    draw.text(594, 100, "cells,\nasked", 15, "start", BLUE, True)
    draw.text(594, 150, "cells,\nin a passage", 15, "start", PURPLE, True)
    draw.text(284, 250, "likeness: 1 for equal arrows, 0 for opposite ones", 14)


@drawing(
    330,
    "The first look sees all, the second sees a hundred",
    "440 small squares are the passages; the first look picks 100 of them with 768 "
    "multiplications each; the second look spends 93,692 on each of the 100 and "
    "makes a list of ten. Two bars compare the price of one passage: the second is "
    "122 times as long.",
)
def second_look_cost(draw: Drawing) -> None:
    squares(draw, 24, 52, 440, 22, kept=100)
    squares(draw, 378, 92, 100, 10, kept=100)
    for i in range(10):
        wide = 84 - 5 * i
        look = {"fill": TINTS[GREEN], "stroke": GREEN}
        draw.add("rect", x=602, y=92 + 12 * i, width=wide, height=8, **look)
    draw.text(134, 26, "440 passages", 15, bold=True)
    draw.text(438, 66, "100 candidates", 15, bold=True)
    draw.text(644, 66, "the best ten", 15, bold=True)
    draw.arrow((258, 152), (368, 152), "first look", BLUE)
    draw.arrow((510, 152), (592, 152), "second\nlook", PURPLE)
    draw.text(360, 262, "multiplications for one passage", 14, colour=MUTED)
    prices = {"first look": 768, "second look": 93_692}
    bars(draw, 130, 286, prices, 440, most=93_692, form="{:,.0f}")


def squares(
    draw: Drawing, x: float, y: float, number: int, across: int, kept: int
) -> None:
    """A block of squares, of which `kept` are filled, here and there."""
    step = 10 if across > 10 else 12
    for i in range(number):
        full = (167 * i) % number < kept
        look = {"fill": BLUE if full else TINTS[INK], "stroke": "#98a3bd"}
        place = {"x": x + step * (i % across), "y": y + step * (i // across)}
        draw.add(
            "rect", width=step - 3, height=step - 3, stroke_width=0.6, **place, **look
        )
