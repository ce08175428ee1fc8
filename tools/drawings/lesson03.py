"""Diagrams of lesson 03."""

import math

from drawings.canvas import Drawing
from drawings.charts import Axes
from drawings.registry import drawing
from drawings.sphere import Sphere
from drawings.svg import MUTED, PURPLE


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
