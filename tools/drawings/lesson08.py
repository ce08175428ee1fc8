"""Diagrams of lesson 08."""

from collections import Counter
from itertools import product

from drawings.canvas import Drawing
from drawings.charts import Axes
from drawings.registry import drawing
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE

GAINS = (0.3, 0.1, 0.2, -0.1)


@drawing(
    330,
    "Sixteen ways to flip four signs",
    "Four gains, 0.3, 0.1, 0.2 and −0.1, have the mean 0.125. With all sixteen "
    "patterns of signs their means lie between −0.175 and 0.175. Six of them, marked, "
    "are at least 0.125 away from 0, three on each side.",
)
def sign_flips(draw: Drawing) -> None:
    draw.text(110, 40, "four gains", 15, bold=True)
    for i, gain in enumerate(GAINS):
        y = 80 + 34 * i
        draw.text(48, y, f"query {i + 1}", 14, colour=MUTED)
        draw.text(134, y, f"± {abs(gain)}", 15, bold=True)
    draw.text(110, 232, "2 · 2 · 2 · 2 = 16 patterns", 14)
    draw.text(110, 256, "ours: + + + −", 14, colour=ORANGE, bold=True)
    ticks = {-0.125: "−0.125", 0: "0", 0.125: "0.125"}
    place = {"xlim": (-0.2, 0.2), "ylim": (0, 3), "xticks": ticks}
    axes = Axes(draw, 250, 240, 420, 150, xlabel="mean of the four", **place)
    flips = product((1, -1), repeat=4)
    means = (sum(s * g for s, g in zip(signs, GAINS)) / 4 for signs in flips)
    for mean, times in Counter(round(m, 3) for m in means).items():
        far = abs(mean) >= 0.125
        for height in range(times):
            colour, shape = (ORANGE, "circle") if far else (BLUE, "ring")
            draw.dot(*axes.at(mean, 0.5 + height), 9, colour, shape)
    for edge in (-0.125, 0.125):
        x, top = axes.at(edge, 3)
        draw.line([(x, top), (x, 240)], MUTED, 1.2, dashed=True)
    draw.text(460, 40, "6 of 16 lie as far out as ours: p = 6/16", 15, bold=True)
    draw.text(460, 64, "full circles: at least 0.125 from 0", 14, colour=ORANGE)
    draw.text(460, 310, "all patterns are equally likely if neither is better", 14)


@drawing(
    340,
    "A path through an abstract is a leak",
    "Training claims t1 and t2 on the left, abstracts A, B, C and D in the middle, "
    "test claims s1, s2 and s3 on the right. Two paths cross from left to right: t1, "
    "A, s1 and t2, C, s3. B is judged for t1 with grade 0, so s2 has no path.",
)
def leak_graph(draw: Drawing) -> None:
    heads = {130: "training claims", 360: "abstracts", 590: "test claims"}
    for x, words in heads.items():
        draw.text(x, 30, words, 15, bold=True)
    y = {"t1": 95, "t2": 205, "A": 75, "B": 135, "C": 200, "D": 260}
    y |= {"s1": 75, "s2": 135, "s3": 230}
    for claim, doc in (("t1", "A"), ("t2", "C")):
        draw.line([(158, y[claim]), (334, y[doc])], ORANGE, 3.5)
    draw.line([(158, y["t1"]), (334, y["B"])], MUTED, 1.5, dashed=True)
    draw.text(246, 136, "grade 0", 14, colour=MUTED)
    for doc, claim, leaks in (
        ("A", "s1", True),
        ("B", "s2", False),
        ("C", "s3", True),
        ("D", "s3", False),
    ):
        colour, thick = (ORANGE, 3.5) if leaks else (GREEN, 2)
        draw.line([(386, y[doc]), (562, y[claim])], colour, thick)
    for name, at in y.items():
        x = {"t": 130, "s": 590}.get(name[0], 360)
        leaks = name in ("t1", "t2", "A", "C", "s1", "s3")
        width = 52 if x == 360 else 56
        colour = ORANGE if leaks else INK if x == 360 else GREEN
        draw.box(x - width / 2, at - 19, width, 38, name, colour, bold=True)
    for name, words in (("s1", "known"), ("s2", "new"), ("s3", "known")):
        colour = GREEN if words == "new" else ORANGE
        draw.text(632, y[name], words, 15, "start", colour, bold=True)
    draw.text(360, 312, "orange: a path from a training claim to a test claim", 14)
