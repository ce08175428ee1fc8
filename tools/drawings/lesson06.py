"""Diagrams of lesson 06."""

import math

from drawings.canvas import Drawing
from drawings.charts import Axes, bars, grid
from drawings.registry import drawing
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, TINTS


@drawing(
    300,
    "A funnel of two stages",
    "A funnel narrows from 440 passages to 100 candidates and then to ten that are "
    "shown. The first stage compares vectors and drops 340 passages for good; the "
    "second compares states and vectors and only changes the order of the hundred.",
)
def two_stage_funnel(draw: Drawing) -> None:
    heights = [(40, 200), (250, 90), (460, 90), (650, 34)]  # x, how wide the funnel is
    middle = 142
    for (x0, high0), (x1, high1), colour in zip(
        heights, heights[1:], (BLUE, PURPLE, GREEN)
    ):
        corners = [
            (x0, middle - high0 / 2),
            (x1, middle - high1 / 2),
            (x1, middle + high1 / 2),
            (x0, middle + high0 / 2),
        ]
        draw.line([*corners, corners[0]], colour, 2, fill=TINTS[colour])
    draw.text(145, 120, "first stage\ncosine of vectors\nsees all", 15, bold=True)
    draw.text(355, 142, "second stage\nα · cosine +\n(1−α) · overlap", 15, bold=True)
    draw.text(555, 142, "show\nthe best", 15, bold=True)
    draw.text(66, 26, "440 passages", 15, at="start", colour=BLUE, bold=True)
    draw.text(355, 78, "100 candidates", 15, colour=PURPLE, bold=True)
    draw.text(652, 106, "10", 16, colour=GREEN, bold=True)
    draw.arrow((150, 186), (150, 252), colour=ORANGE, dashed=True)
    draw.text(160, 264, "340 are gone, whatever the second stage thinks", 14, "start")
    draw.text(355, 208, "a new order of the same 100", 14, colour=MUTED)


@drawing(
    330,
    "nDCG adds up grades, each worth less the lower it stands",
    "Left, the weights of the first five places: 1, 0.63, 0.5, 0.43, 0.39. Middle, a "
    "list with grades 0, 1 and 3 collects 0, 0.63 and 1.5, together 2.13. Right, the "
    "best order 3, 1, 0 would collect 3 and 0.63, together 3.63. nDCG is 0.59.",
)
def ndcg_bars(draw: Drawing) -> None:
    panels = {
        "what a place is worth": (50, [1] * 5, MUTED),
        "our list: 0, 1, 3": (300, [0, 1, 3], BLUE),
        "the best list: 3, 1, 0": (520, [3, 1, 0], GREEN),
    }
    base, unit = 240, 58
    for name, (x, grades, colour) in panels.items():
        draw.text(x + 70, 30, name, 15, colour=colour, bold=True)
        wide = 30 if len(grades) == 5 else 44
        for i, grade in enumerate(grades):
            weight = 1 / math.log2(i + 2)
            left, high = x + i * (wide + 6), grade * weight * unit
            look = {"fill": TINTS[colour], "stroke": colour, "stroke_width": 1.5}
            draw.add("rect", x=left, y=base - high, width=wide, height=high, **look)
            words = f"{grade * weight:.2f}".rstrip("0").rstrip(".")
            draw.text(left + wide / 2, base - high - 12, words, 14, bold=grade > 0)
            draw.text(left + wide / 2, base + 16, str(i + 1), 14, colour=MUTED)
        draw.line([(x - 6, base), (x + 176 - 20 * (wide > 30), base)], MUTED, 1.5)
    draw.text(140, 280, "place", 14, colour=MUTED)
    draw.text(370, 282, "sum 2.13", 16, colour=BLUE, bold=True)
    draw.text(590, 282, "sum 3.63", 16, colour=GREEN, bold=True)
    draw.text(480, 312, "nDCG = 2.13 / 3.63 = 0.59", 16, bold=True)


@drawing(
    330,
    "Two leads cross at a very small α",
    "Two lines against α from 0 to 0.02. The lead of A in cosine, 0.03 times α, rises "
    "from 0. The lead of B in overlap, 0.0002 times one minus α, stays nearly level. "
    "They cross at α = 0.0066: left of it B comes first, right of it A.",
)
def leads_cross(draw: Drawing) -> None:
    axes = Axes(
        draw,
        110,
        250,
        380,
        190,
        xlim=(0, 0.02),
        ylim=(0, 0.0006),
        xticks={0: "0", 0.0066: "0.0066", 0.02: "0.02"},
        yticks={0: "0", 0.0002: "0.0002", 0.0006: "0.0006"},
        xlabel="α",
        ylabel="lead in the final score",
    )
    axes.curve(lambda a: 0.03 * a)
    axes.curve(lambda a: 0.0002 * (1 - a), PURPLE)
    axes.mark(0.0066, 0.0002)
    draw.text(506, 66, "A by cosine:\nα · 0.03", 15, "start", BLUE, True)
    draw.text(506, 190, "B by overlap:\n(1 − α) · 0.0002", 15, "start", PURPLE, True)
    draw.text(171, 100, "B first", 15, colour=PURPLE, bold=True)
    draw.text(378, 228, "A first, up to α = 1", 15, colour=BLUE, bold=True)
    words = "α = 1 lies fifty such pictures to the right"
    draw.text(300, 312, words, 14, colour=MUTED)


@drawing(
    316,
    "Sixteen sums of four terms",
    "Sixteen sign patterns of four weights, stacked by their sum. With coordinates of "
    "one half, one sum is −2, four are −1, six are 0, four are 1, one is 2; the mean "
    "of their squares is 1. With coordinates of 1 all sums double, and it is 4.",
)
def sixteen_sums(draw: Drawing) -> None:
    counts = {-2: 1, -1: 4, 0: 6, 1: 4, 2: 1}
    base, side, step = 222, 26, 64
    for i, (total, count) in enumerate(counts.items()):
        x = 60 + step * i
        for j in range(count):
            look = {"fill": TINTS[BLUE], "stroke": BLUE, "stroke_width": 1.2}
            place = {"x": x, "y": base - side * (j + 1), "width": 48, "height": side}
            draw.add("rect", **place, **look)
        draw.text(x + 24, base + 16, signed(total), 15, bold=True)
        draw.text(x + 24, base + 46, signed(2 * total), 15, colour=ORANGE, bold=True)
    draw.line([(50, base), (374, base)], MUTED, 1.5)
    draw.text(390, base + 16, "sum, coordinates ½: mean square 1", 14, "start")
    draw.text(390, base + 46, "sum, coordinates 1: mean square 4", 14, "start", ORANGE)
    draw.text(212, 32, "all 16 choices of signs", 15, bold=True)
    rows = [["½", "½", "½", "½"], ["+", "−", "−", "+"]]
    grid(draw, 440, 66, rows, cell=(44, 32))
    draw.text(528, 48, "one of them", 14, colour=MUTED)
    draw.text(528, 150, "½ − ½ − ½ + ½ = 0", 16, bold=True)
    draw.text(360, 296, "the longer the input, the wider the outputs", 14, colour=MUTED)


def signed(total: int) -> str:
    """A sum with its sign, as in print."""
    return f"{total:+d}".replace("+0", "0").replace("-", "−")


@drawing(
    352,
    "The size of numbers on their way through the head",
    "Bars for the size of the numbers after each step, for 768 coordinates. As the "
    "recipe has it: 0.036, 0.044, 0.031, 0.031, 0.022, 0.031, so θ strays 1.4° from "
    "90°. With inputs times 27.7: 1, 1.22, 0.87, 0.87, 0.61, 0.86, so θ strays 39°.",
)
def size_through_head(draw: Drawing) -> None:
    squares = {
        "embedding": 1 / 768,
        "layer 1": 2 / 1024,
        "ReLU": 1 / 1024,
        "layer 2": 1 / 1024,
        "ReLU ": 1 / 2048,
        "layer 3": 256 * (2 / 258) / 2048,
    }
    draw.text(220, 28, "as the recipe has it", 16, colour=BLUE, bold=True)
    draw.text(545, 28, "inputs times √768", 16, colour=ORANGE, bold=True)
    recipe = {name: math.sqrt(square) for name, square in squares.items()}
    wide = {" " * i: math.sqrt(768) * size for i, size in enumerate(recipe.values(), 1)}
    bars(draw, 130, 66, recipe, 160, 34, most=1.23, form="{:.3f}")
    bars(draw, 455, 66, wide, 160, 34, most=1.23, colour=ORANGE)
    draw.text(220, 274, "θ strays about 1.4° from 90°", 15, colour=BLUE, bold=True)
    draw.text(545, 274, "θ strays about 39° from 90°", 15, colour=ORANGE, bold=True)
    draw.text(
        360,
        326,
        "the same weights: only the input is longer, and every bar with it",
        14,
        colour=MUTED,
    )
    draw.line([(390, 50), (390, 290)], INK, 1, dashed=True)
