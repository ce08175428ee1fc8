"""Diagrams of lesson 09."""

import math
import random

from drawings.canvas import Drawing
from drawings.charts import Axes, grid
from drawings.registry import drawing
from drawings.sphere import Sphere
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE


@drawing(
    320,
    "Two texts with one pooled vector",
    "Two panels with the axes animals and money. In text A, cat points along animals "
    "and bond along money; in text B, cash cow points twice along the diagonal. The "
    "pooled vector, (0.71, 0.71), is the same arrow in both panels.",
)
def pooled_forgets(draw: Drawing) -> None:
    half = math.sqrt(0.5)
    texts = {
        "text A": {"cat": (1, 0), "bond": (0, 1)},
        "text B": {"cash cow, twice": (half, half)},
    }
    for x, (title, tokens) in zip((90, 430), texts.items()):
        axes = Axes(
            draw,
            x,
            262,
            200,
            200,
            (0, 1.15),
            (0, 1.15),
            {1: "1"},
            {1: "1"},
            "animals",
            "money",
        )
        draw.text(x + 150, 46, title, 16, bold=True)
        zero = axes.at(0, 0)
        for name, place in tokens.items():
            draw.path([zero, axes.at(*place)], BLUE, 3)
            right = place[0] > 0.5
            label = axes.at(*place)
            shift = (14, -16) if right else (26, 12)
            draw.text(label[0] + shift[0], label[1] + shift[1], name, 15, colour=BLUE)
        tip = axes.at(half, half)
        draw.path([zero, tip], ORANGE, 2.5, dashed=True)
        draw.dot(*tip, 6, ORANGE, "diamond")
        draw.text(tip[0] + 14, tip[1] + 12, "(0.71, 0.71)", 14, "start", ORANGE, True)
    draw.text(350, 100, "the same\npooled vector", 15, colour=ORANGE, bold=True)


@drawing(
    372,
    "Late interaction: tokens meet when the query comes",
    "Above, a document's tokens and a query's tokens pass the same encoder apart from "
    "each other. Below, a table of similarities: the row penalty has 0.9, 0.2, 0.1, "
    "the row tiny has 0.3, 0.4, 0.8. Each row's best, 0.9 and 0.8, is marked; their "
    "mean, 0.85, is the score.",
)
def late_interaction(draw: Drawing) -> None:
    draw.text(190, 30, "once, long before", 14, colour=MUTED)
    draw.text(540, 30, "when somebody asks", 14, colour=MUTED)
    lanes = ((40, "document", GREEN), (420, "query", BLUE))
    for x, name, colour in lanes:
        draw.box(x, 48, 92, 40, name, colour)
        draw.arrow((x + 92, 68), (x + 130, 68), colour=MUTED)
        draw.box(x + 130, 48, 80, 40, "encoder", MUTED)
    draw.arrow((250, 68), (288, 68), colour=MUTED)
    draw.text(296, 68, "token\nvectors", 14, "start")
    draw.arrow((630, 68), (652, 68), colour=MUTED)
    draw.text(658, 68, "token\nvectors", 13, "start")
    draw.arrow((318, 98), (318, 146), colour=GREEN)
    draw.path([(684, 98), (684, 116), (60, 116), (60, 236), (104, 236)], BLUE, 2)
    for j, word in enumerate(("penalties", "added", "small")):
        draw.text(248 + 92 * j, 166, word, 15, colour=GREEN, bold=True)
    for i, word in enumerate(("penalty", "tiny")):
        draw.text(190, 206 + 56 * i, word, 15, "end", BLUE, True)
    rows = [["0.9", "0.2", "0.1"], ["0.3", "0.4", "0.8"]]
    grid(draw, 202, 178, rows, (92, 56), [(0, 0), (1, 2)], ORANGE, size=17)
    for i, value in enumerate(("0.9", "0.8")):
        y = 206 + 56 * i
        draw.arrow((482, y), (536, y), colour=ORANGE)
        draw.text(560, y, value, 18, colour=ORANGE, bold=True)
    draw.text(572, 160, "best of the row", 14, colour=ORANGE)
    draw.arrow((584, 234), (622, 234), colour=MUTED)
    draw.text(660, 234, "0.85", 22, bold=True)
    draw.text(660, 262, "their mean", 14, colour=MUTED)
    draw.text(
        360, 330, "each query token looks for its best partner; the mean is the score"
    )


def cloud(number: int = 46) -> list[tuple[float, float]]:
    """A flat cloud, long in one direction: the same points every time."""
    draws = random.Random(4)
    points = []
    for _ in range(number):
        a, b = draws.gauss(0, 1), draws.gauss(0, 0.3)
        points.append((max(-2.0, min(2.0, a)), b))
    return points


def turned(points, degrees: float, shift=(0.0, 0.0)) -> list[tuple[float, float]]:
    """Points turned about 0, then moved."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [(c * x - s * y + shift[0], s * x + c * y + shift[1]) for x, y in points]


@drawing(
    330,
    "From a token vector to a qubit in four steps",
    "Four panels. First a slanted cloud of points off the middle is moved to the "
    "middle. Second it lies along its longest direction, which becomes the horizontal "
    "axis. Third it is turned by 45°, so that both axes share its width. Fourth the "
    "two numbers of a point are bent into θ and γ, a place on a Bloch sphere.",
)
def map_steps(draw: Drawing) -> None:
    points = cloud()
    clouds = [
        turned(points, 25, (0.9, 0.6)),
        points,
        turned(points, 45),
    ]
    names = ["1  centre", "2  longest first", "3  share evenly", "4  bend"]
    for x, name in zip((98, 268, 438, 616), names):
        draw.text(x, 36, name, 16, bold=True)
    for x, places in zip((98, 268, 438), clouds):
        draw.line([(x - 70, 150), (x + 70, 150)], MUTED, 1)
        draw.line([(x, 80), (x, 220)], MUTED, 1)
        for a, b in places:
            draw.dot(x + 27 * a, 150 - 27 * b, 2.5, BLUE)
    draw.path([(98 + 26, 150 - 17), (101, 148)], ORANGE, 2.5)
    draw.path([(268, 150), (268 + 62, 150)], ORANGE, 2.5)
    draw.arc(438, 150, 44, 0, 45, "", ORANGE)
    draw.text(498, 118, "45°", 14, colour=ORANGE, bold=True)
    sphere = Sphere(draw, 616, 150, 70, False)
    for a, b in clouds[2]:
        bent = math.tanh(0.8 * a), math.tanh(0.8 * b)
        sphere.dot((90 * (1 + bent[0]), 180 * (1 + bent[1])), BLUE, radius=2.6)
    words = {
        98: "subtract the\nmean",
        268: "keep the 2n widest\ndirections",
        438: "turn at random",
        616: "two numbers become\nθ and γ",
    }
    for x, line in words.items():
        draw.text(x, 252, line, 14)
    draw.text(
        360, 306, "drawn with two numbers a token instead of 768", 14, colour=MUTED
    )


@drawing(
    300,
    "One qubit in one byte",
    "A scale of θ from 0 to 180 degrees cut into 16 steps: 98 degrees falls into step "
    "8, read back as 95.6. A scale of γ from 0 to 360 degrees: 250 degrees falls into "
    "step 11, read back as 258.8. The two four-bit numbers 1000 and 1011 fill a byte.",
)
def half_byte(draw: Drawing) -> None:
    for y, name, top, value, colour in (
        (90, "θ", 180, 98, BLUE),
        (186, "γ", 360, 250, PURPLE),
    ):
        left, wide = 60, 26
        step = int(value / top * 16)
        draw.text(34, y, name, 20, colour=colour, bold=True)
        for i in range(16):
            look = ORANGE if i == step else INK
            box = {"x": left + wide * i, "y": y - 15, "width": wide, "height": 30}
            fill = "#fde9d9" if i == step else "#ffffff"
            draw.add("rect", **box, fill=fill, stroke="#98a3bd", stroke_width=1)
            draw.text(left + wide * (i + 0.5), y, str(i), 13, colour=look)
        at = left + wide * 16 * value / top
        middle = left + wide * (step + 0.5)
        draw.path([(at, y - 44), (at, y - 17)], colour, 2)
        draw.text(at + 8, y - 40, f"{value}°", 14, "start", colour, True)
        draw.path([(middle, y + 17), (middle, y + 36)], ORANGE, 2)
        back = f"read back: {(step + 0.5) * top / 16:.1f}°"
        draw.text(middle + 10, y + 32, back, 14, "start", ORANGE, True)
        draw.arrow((left + wide * 16 + 6, y), (522, 138), colour=MUTED, thick=1.6)
    bits = f"{int(98 / 180 * 16):04b}", f"{int(250 / 360 * 16):04b}"
    for i, digits in enumerate(bits):
        marked = [(0, j) for j in range(4)]
        colour = (BLUE, PURPLE)[i]
        grid(draw, 530 + 84 * i, 122, [list(digits)], (21, 32), marked, colour)
    draw.text(614, 104, "one byte", 15, bold=True)
    draw.text(614, 176, "θ's step, γ's step", 14, colour=MUTED)
    draw.text(360, 272, "the middle of a step is at most half a step away", 14)


@drawing(
    318,
    "Different tokens, one mixture",
    "Left, a text with the tokens ket 0 and ket 1, arrows up and down; right, a text "
    "with the tokens ket plus and ket minus, arrows front and back. The mean of each "
    "pair is the centre of the sphere.",
)
def same_mixture(draw: Drawing) -> None:
    left, right = Sphere(draw, 170, 142, 96), Sphere(draw, 550, 142, 96)
    for sphere, pair in ((left, ((0, 0), (180, 0))), (right, ((90, 0), (90, 180)))):
        for state in pair:
            sphere.arrow(state)
        draw.dot(sphere.x, sphere.y, 7, ORANGE, "diamond")
    draw.text(170, 272, "text X: one token up, one down", 15)
    draw.text(550, 272, "text Y: one token front, one back", 15)
    draw.text(360, 142, "both means:\nthe centre", 15, colour=ORANGE, bold=True)
    draw.text(
        360,
        300,
        "what a mean keeps is the same, whatever the tokens were",
        14,
        "middle",
        MUTED,
    )
