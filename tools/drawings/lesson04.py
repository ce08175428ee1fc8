"""Diagrams of lesson 04."""

from drawings.canvas import Drawing
from drawings.charts import grid
from drawings.registry import drawing
from drawings.svg import BLUE, INK, MUTED, ORANGE, PURPLE, RIM, TINTS

FORMATS = (  # name, bits of sign, exponent, fraction
    ("float32", 1, 8, 23),
    ("float16", 1, 5, 10),
    ("bfloat16", 1, 8, 7),
)
PARTS = (("sign", PURPLE), ("exponent", ORANGE), ("fraction", BLUE))


def bar(draw: Drawing, x: float, y: float, width: float, colour: str, words="") -> None:
    """A filled bar 34 high with words in its middle."""
    look = {"fill": TINTS[colour], "stroke": colour, "stroke_width": 1.5}
    draw.add("rect", x=x, y=y, width=width, height=34, **look)
    if words:
        draw.text(x + width / 2, y + 17, words, 14)


@drawing(
    270,
    "Where to save: half of much, or all of little",
    "Three bars on one scale, a question's time of 100. As it is: embedding 99, head "
    "and state 1. With the head for nothing: 99. With the embedder twice as fast: "
    "49.5 and 1, together 50.5.",
)
def where_time_goes(draw: Drawing) -> None:
    rows = (
        ("as it is", 99, 1, "100"),
        ("a head for nothing", 99, 0, "99"),
        ("a 2 × faster embedder", 49.5, 1, "50.5"),
    )
    for i, (name, embedding, rest, total) in enumerate(rows):
        y, wide = 34 + 66 * i, 4.2 * embedding
        draw.text(196, y + 17, name, 15, "end", bold=True)
        bar(draw, 208, y, wide, BLUE, f"embedding {embedding:g}")
        if rest:
            bar(draw, 208 + wide, y, 4.2 * rest, ORANGE)
        end = 208 + wide + 4.2 * rest
        draw.text(end + 10, y + 17, total, 17, "start", bold=True)
    draw.text(360, 244, "the thin part on the right: head and state, 1 of 100", 14)


@drawing(
    270,
    "Three formats, bit by bit",
    "Rows of cells, one a bit. float32: 1 for the sign, 8 exponent, 23 fraction. "
    "float16: 1, 5 and 10. bfloat16: 1, 8 and 7, the upper half of float32.",
)
def number_formats(draw: Drawing) -> None:
    for i, (name, *counts) in enumerate(FORMATS):
        y, x = 60 + 62 * i, 118.0
        draw.text(108, y + 14, name, 15, "end", bold=True)
        for (part, colour), count in zip(PARTS, counts):
            look = {"fill": TINTS[colour], "stroke": colour, "stroke_width": 1}
            for _ in range(count):
                draw.add("rect", x=x, y=y, width=17, height=28, **look)
                x += 17
            middle = x - 8.5 * count
            if part != "sign":
                draw.text(middle, y + 40, str(count), 14, colour=colour, bold=True)
    draw.text(120, 34, "sign", 14, "end", PURPLE, bold=True)
    draw.text(203, 34, "exponent: how far", 14, colour=ORANGE, bold=True)
    draw.text(466, 34, "fraction: how fine", 14, colour=BLUE, bold=True)
    draw.line([(118, 92), (118, 184)], RIM, 1, dashed=True)
    draw.line([(390, 92), (390, 184)], RIM, 1, dashed=True)
    words = "bfloat16 is float32 with its lower half cut off"
    draw.text(360, 248, words, 14, colour=MUTED)


@drawing(
    290,
    "Eight bits on a number line",
    "A line from −1 to 1.55 with 256 marks, a step of 0.01. Four weights lie on it: "
    "−1 becomes 0, 0 becomes 100, 0.103 is moved to 0.10 and becomes 110, 1.55 "
    "becomes 255. Enlarged: 0.103 lies between 0.10 and 0.11 and goes to the nearer.",
)
def int8_line(draw: Drawing) -> None:
    def at(weight: float) -> float:
        return 60 + 600 * (weight + 1) / 2.55

    draw.line([(at(-1), 84), (at(1.55), 84)], INK, 2)
    for k in range(0, 256, 5):
        x = at(-1 + k / 100)
        draw.line([(x, 78), (x, 90)], MUTED, 1)
    marks = ((-1, "−1", "0"), (0, "0", "100"), (0.103, "0.103", "110"))
    for weight, name, code in (*marks, (1.55, "1.55", "255")):
        x, close = at(weight), name == "0.103"
        draw.dot(x, 84, 5.5, ORANGE if close else BLUE)
        shift = 12 if close else -4 if name == "0" else 0
        draw.text(x + shift, 56, name, 15, bold=True)
        draw.text(x + shift, 112, code, 15, colour=BLUE, bold=True)
    draw.text(40, 26, "weight", 14, "start", MUTED)
    draw.text(40, 138, "stored as one byte", 14, "start", MUTED)
    draw.line([(at(0.06), 126), (150, 186)], RIM, 1.2)
    draw.line([(at(0.14), 126), (610, 186)], RIM, 1.2)
    for k, x in ((109, 180), (110, 330), (111, 480)):
        draw.line([(x, 208), (x, 224)], MUTED, 1.5)
        draw.text(x, 242, f"{k / 100 - 1:.2f} → {k}", 14, colour=MUTED)
    draw.line([(150, 216), (610, 216)], INK, 2)
    draw.dot(375, 216, 5.5, ORANGE)
    draw.text(392, 194, "0.103", 15, "start", ORANGE, bold=True)
    draw.arrow((373, 204), (334, 204), colour=ORANGE)
    words = "one step is 0.01, so no weight moves by more than 0.005"
    draw.text(360, 272, words, 14)


@drawing(
    300,
    "What is in memory while a batch passes",
    "Three layers of a head: a row has 768 numbers, then 256, 256 and 2. The batch "
    "itself stays, it is yours. Of the layers' outputs inference keeps two at a time, "
    "at most 512 numbers; training keeps all of them for the way back.",
)
def living_layers(draw: Drawing) -> None:
    names = ("linear 1", "linear 2", "linear 3")
    widths = (768, 256, 256, 2)
    draw.text(176, 30, "inference: two at a time", 15, colour=BLUE, bold=True)
    draw.text(540, 30, "training: all of them", 15, colour=ORANGE, bold=True)
    for side, (x0, colour) in enumerate(((40, BLUE), (404, ORANGE))):
        for i, name in enumerate(names):
            y = 56 + 66 * i
            draw.text(x0, y + 17, name, 14, "start")
            for j, width in enumerate(widths):
                made, needed = j <= i + 1, side == 1 or j >= i or j == 0
                x = x0 + 74 + (0, 92, 144, 196)[j]
                long = {768: 84, 256: 44, 2: 22}[width]
                if made and needed:
                    own = MUTED if width == 768 else colour
                    bar(draw, x, y, long, own, str(width))
                elif made:
                    look = {"fill": "none", "stroke": RIM, "stroke_dasharray": "4 3"}
                    draw.add("rect", x=x, y=y, width=long, height=34, **look)
    draw.text(
        360,
        268,
        "grey: the batch itself · dashed: freed once the next layer has read it",
        14,
    )


@drawing(
    320,
    "Two stages, one after the other and overlapped",
    "Time runs to the right. In turn, four batches of embedding (3) and writing (2) "
    "take 20. Overlapped, the writing of a batch goes on while the next is embedded: "
    "14, four times 3 plus one last 2. The slower stage sets the pace.",
)
def overlapped_stages(draw: Drawing) -> None:
    unit, x0 = 29, 90

    def batch(x: float, y: float, length: int, colour: str, n: int) -> None:
        bar(draw, x0 + unit * x, y, unit * length, colour, str(n))

    draw.text(x0, 26, "in turn", 15, "start", bold=True)
    for n in range(4):
        batch(5 * n, 44, 3, BLUE, n + 1)
        batch(5 * n + 3, 44, 2, ORANGE, n + 1)
    draw.text(x0, 112, "overlapped", 15, "start", bold=True)
    draw.text(x0 - 10, 147, "embed", 14, "end", BLUE)
    draw.text(x0 - 10, 191, "write", 14, "end", ORANGE)
    for n in range(4):
        batch(3 * n, 130, 3, BLUE, n + 1)
        batch(3 * n + 3, 174, 2, ORANGE, n + 1)
    for at, y in ((20, 44), (14, 174)):
        x = x0 + unit * at
        draw.line([(x, y - 6), (x, 232)], MUTED, 1.2, dashed=True)
        draw.text(x, 246, str(at), 15, bold=True)
    draw.line([(x0, 232), (x0 + unit * 20.6, 232)], INK, 1.5)
    draw.text(x0, 246, "0", 15)
    draw.text(x0 - 10, 232, "time", 14, "end", MUTED)
    rows = [["20 / 14 = 1.43", "bound: (3 + 2) / 3 = 1.67"]]
    grid(draw, 110, 272, rows, (250, 30))
