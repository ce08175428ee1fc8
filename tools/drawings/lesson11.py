"""Diagrams of lesson 11."""

import math

from drawings.canvas import Drawing
from drawings.charts import Axes, bars, grid
from drawings.registry import drawing
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, TINTS


@drawing(
    336,
    "One turned sign changes where the second layer leads",
    "The four amplitudes of a passage in two rows. Without CZ: 1 0 0 0, then one half "
    "four times, then 0 0 0 1. With CZ after the first layer the last half becomes "
    "minus one half, and the second layer leads to minus a half, a half, a half, a "
    "half: half of it lies on 00, where the question is.",
)
def entangler_toy(draw: Drawing) -> None:
    steps = {
        "without\nCZ": (["1", "0", "0", "0"], ["½"] * 4, None, ["0", "0", "0", "1"]),
        "CZ\nbetween": (
            ["1", "0", "0", "0"],
            ["½"] * 4,
            ["½", "½", "½", "−½"],
            ["−½", "½", "½", "½"],
        ),
    }
    places = (150, 290, 430, 570)
    for top, (name, columns) in zip((44, 190), steps.items()):
        draw.text(60, top + 52, name, 15, bold=True)
        for row, label in enumerate(("00", "01", "10", "11")):
            draw.text(132, top + 13 + 26 * row, label, 13, "end", MUTED)
        drawn = [(x, c) for x, c in zip(places, columns) if c]
        for (x, column), after in zip(drawn, [*drawn[1:], None]):
            last = after is None
            marked = [(0, 0)] if last else [(3, 0)] if "−½" in column else []
            colour = GREEN if last else ORANGE
            cells = [[value] for value in column]
            grid(draw, x, top, cells, (52, 26), marked, colour)
            if after:
                word = "CZ" if after[1] is columns[2] else "layer"
                draw.arrow((x + 58, top + 52), (after[0] - 6, top + 52), word)
        overlap = "0" if columns[2] is None else "½"
        draw.text(672, top + 52, f"overlap\n{overlap}", 15, colour=GREEN, bold=True)
    draw.text(
        360, 318, "the question stays at 00: its overlap is the size of row 00", 14
    )


@drawing(
    350,
    "Most pairs lie below the average fidelity",
    "A unit square: across the first factor, up the second. A curve marks where their "
    "product is one quarter, the average. The area below it is shaded: 60 percent of "
    "all pairs. Beside it, average and typical fidelity: 0.25 and 0.14 for two qubits, "
    "0.06 and 0.02 for four, 0.004 and 0.0003 for eight.",
)
def typical_fidelity(draw: Drawing) -> None:
    axes = Axes(
        draw,
        70,
        286,
        230,
        230,
        xticks={0: "0", 0.25: "¼", 1: "1"},
        yticks={0.25: "¼", 1: "1"},
        xlabel="factor of qubit 0",
        ylabel="factor of qubit 1",
    )
    curve = [(x / 60, 0.25 / (x / 60)) for x in range(15, 61)]
    outline = [(0, 0), (0, 1), *curve, (1, 0)]
    draw.line([axes.at(*p) for p in outline], TINTS[BLUE], 1, fill=TINTS[BLUE])
    draw.line([axes.at(*p) for p in curve], BLUE, 3)
    share = 0.25 * (1 + math.log(4))
    draw.text(*axes.at(0.27, 0.3), f"{share:.0%} of pairs:\nF < ¼", 15, bold=True)
    draw.text(*axes.at(0.76, 0.75), "F > ¼", 15)
    draw.text(530, 40, "fidelity of two random texts", 15, bold=True)
    for y, n, form in ((104, 2, "{:.2f}"), (180, 4, "{:.2f}"), (256, 8, "{:.4f}")):
        values = {f"average 2^{{-{n}}}": 0.5**n, f"typical e^{{-{n}}}": math.exp(-n)}
        look = {"width": 150, "most": 0.25, "form": form, "marked": [list(values)[1]]}
        draw.text(400, y - 26, f"{n} qubits", 14, "start", MUTED)
        bars(draw, 480, y, values, colour=PURPLE, **look)
    draw.text(530, 318, "each qubit more widens the gap", 14, colour=MUTED)


@drawing(
    370,
    "The geometric difference is a blow-up of an ellipse",
    "Two ellipses around one centre, long axis at 45 degrees. The classical one has "
    "half axes 1.34 and 0.45, the quantum one 1.22 and 0.71, so it sticks out on the "
    "narrow side. Blown up by g = 1.58, dashed, the classical one just holds it.",
)
def geometric_difference(draw: Drawing) -> None:
    middle, unit = (225, 182), 78

    def ellipse(long, short, colour, dashed=False, fill="none"):
        points = []
        for i in range(97):
            turn = 2 * math.pi * i / 96
            u, v = long * math.cos(turn), short * math.sin(turn)
            x, y = (u - v) / math.sqrt(2), (u + v) / math.sqrt(2)
            points.append((middle[0] + unit * x, middle[1] - unit * y))
        draw.line(points, colour, 3, dashed, fill)

    classical, quantum = (
        [math.sqrt(1 + s * 0.8) for s in (1, -1)],
        [math.sqrt(1 + s * 0.5) for s in (1, -1)],
    )
    g = quantum[1] / classical[1]
    ellipse(*quantum, PURPLE, fill=TINTS[PURPLE])
    ellipse(*classical, BLUE)
    ellipse(classical[0] * g, classical[1] * g, BLUE, dashed=True)
    side = 1 / math.sqrt(2)
    for short, colour in ((quantum[1], PURPLE), (classical[1], BLUE)):
        end = middle[0] + unit * short * side, middle[1] + unit * short * side
        draw.line([middle, end], colour, 2)
        draw.dot(*end, 4, colour)
    draw.text(414, 60, "quantum kernel, similarity 0.5", 15, "start", PURPLE, True)
    draw.text(414, 84, "half axes √1.5 = 1.22 and √0.5 = 0.71", 14, "start")
    draw.text(414, 136, "classical kernel, similarity 0.8", 15, "start", BLUE, True)
    draw.text(414, 160, "half axes √1.8 = 1.34 and √0.2 = 0.45", 14, "start")
    draw.text(414, 212, "dashed: classical, blown up", 15, "start", BLUE, True)
    draw.text(414, 236, "by g = 0.71 / 0.45 = 1.58", 14, "start")
    draw.text(
        414,
        300,
        "on the narrow side the quantum\nellipse sticks out: there lies g",
        14,
        "start",
        INK,
    )
