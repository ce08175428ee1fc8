"""Diagrams of lesson 07."""

import math

from drawings.canvas import Drawing
from drawings.charts import Axes, grid
from drawings.registry import drawing
from drawings.sphere import Sphere
from drawings.svg import BLUE, GREEN, MUTED, ORANGE, PURPLE


@drawing(
    270,
    "From scores to a loss, by hand",
    "Two queries, three passages. The exponentials of the scores are 6, 2, 2 and 1, "
    "3, 1. Divided by the sums of their rows, 10 and 5, they are 0.6, 0.2, 0.2 and "
    "0.2, 0.6, 0.2. The loss is minus log 0.6 for each query.",
)
def ranking_loss(draw: Drawing) -> None:
    own, cell = [(0, 0), (1, 1)], (56, 44)
    draw.text(178, 34, "exponentials of the scores", 15, bold=True)
    draw.text(476, 34, "probabilities", 15, bold=True)
    for x in (94, 392):
        for j in range(3):
            draw.text(x + 56 * j + 28, 66, f"passage {j}"[-1], 14, colour=MUTED)
    draw.text(54, 66, "passage", 14, colour=MUTED)
    draw.text(290, 66, "sum", 14, colour=MUTED)
    grid(draw, 94, 84, [["6", "2", "2"], ["1", "3", "1"]], cell, own, GREEN)
    shares = [["0.6", "0.2", "0.2"], ["0.2", "0.6", "0.2"]]
    grid(draw, 392, 84, shares, cell, own, GREEN)
    for i, total in enumerate(("10", "5")):
        y = 106 + 44 * i
        draw.text(54, y, f"query {i}", 14, colour=MUTED)
        draw.text(290, y, total, 15)
        draw.arrow((312, y), (378, y), "divide")
        draw.text(644, y, "−log 0.6 = 0.51", 15, colour=ORANGE, bold=True)
    draw.text(644, 34, "loss", 15, bold=True)
    draw.text(360, 212, "green: each query's own passage", 14, colour=GREEN, bold=True)
    draw.text(360, 240, "passage 2 is nobody's own, and has its share all the same", 14)


@drawing(
    320,
    "One step downhill turns a state",
    "On a Bloch sphere the passage stands at the north pole and the query on the "
    "equator, 90° away. One step turns the query 17° up, to 73°. Beside it the curve "
    "of the loss, minus log F, against the angle: 0.69 at 90° and 0.43 at 73°.",
)
def one_step(draw: Drawing) -> None:
    sphere = Sphere(draw, 176, 160, 114)
    before, after = (90, -57), (72.8, -57)
    sphere.arrow((0, 0), "passage", GREEN, shift=(50, 14))
    sphere.arrow(before, "query", BLUE, shift=(-6, 20))
    sphere.arrow(after, "a step later", PURPLE, shift=(-8, -18))
    axes = Axes(
        draw,
        420,
        248,
        250,
        170,
        xlim=(0, 120),
        ylim=(0, 1.4),
        xticks={0: "0°", 73: "73°", 90: "90°", 120: "120°"},
        yticks={0: "0", 0.43: "0.43", 0.69: "0.69", 1.4: "1.4"},
        xlabel="angle δ between query and passage",
        ylabel="loss −log F",
    )
    axes.curve(lambda d: -math.log((1 + math.cos(math.radians(d))) / 2))
    axes.mark(90, 0.693, colour=BLUE)
    axes.mark(72.8, 0.434, colour=PURPLE)
    draw.text(176, 304, "17° towards the passage, along the slope", 14, colour=MUTED)


@drawing(
    330,
    "A narrow start and a wide one",
    "The curve from a head's output u to the angle theta, 90° times one plus tanh u. "
    "Left, outputs of a collapsed start crowd at u = 0, all at 90°. Right, outputs "
    "from −0.6 to 0.6 reach angles from 42° to 138°.",
)
def two_starts(draw: Drawing) -> None:
    for x, title, reach, colour in (
        (90, "collapsed start", 0.02, ORANGE),
        (430, "spread start", 0.6, GREEN),
    ):
        low, high = (90 * (1 + math.tanh(side * reach)) for side in (-1, 1))
        ticks = {0: "0°", 90: "90°", 180: "180°"}
        if reach > 0.1:
            ticks |= {low: f"{low:.0f}°", high: f"{high:.0f}°"}
        draw.text(x + 110, 26, title, 15, bold=True, colour=colour)
        axes = Axes(
            draw,
            x,
            262,
            220,
            186,
            xlim=(-2, 2),
            ylim=(0, 180),
            xticks={-2: "−2", -0.6: "−0.6", 0.6: "0.6", 2: "2"},
            yticks=ticks,
            xlabel="output u of the head",
            ylabel="angle θ",
        )
        axes.curve(lambda u: 90 * (1 + math.tanh(u)), MUTED, 2)
        for i in range(-4, 5):
            u = reach * i / 4
            at = axes.at(u, 90 * (1 + math.tanh(u)))
            draw.line([at, (x, at[1])], colour, 1, dashed=True)
            draw.dot(*at, 5, colour)
