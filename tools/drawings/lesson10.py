"""Diagrams of lesson 10."""

from drawings.canvas import Drawing
from drawings.charts import Axes, grid
from drawings.registry import drawing
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, TINTS

SIGNALS = {  # document: cosine, words, states
    "A": (0.60, 0.30, 0.70),
    "B": (0.55, 0.00, 0.66),
    "C": (0.50, 0.45, 0.74),
    "D": (0.20, 0.50, 0.68),
}
WEIGHTS = (0.15, 0.15, 0.70)


@drawing(
    330,
    "Two lists become one, three signals one score",
    "Cosine finds A, B and C; words find C, D and A. Their union has A, B, C and D. A "
    "table gives each a cosine, a words and a states signal; weighted 0.15, 0.15 and "
    "0.70 they make 0.625, 0.544, 0.661 and 0.581, so C comes first.",
)
def union_of_lists(draw: Drawing) -> None:
    lists = (
        (30, 70, "cosine finds", "ABC", BLUE),
        (30, 200, "words find", "CDA", GREEN),
    )
    for x, y, name, found, colour in lists:
        draw.text(x + 60, y - 22, name, 15, colour=colour, bold=True)
        for i, letter in enumerate(found):
            draw.box(x + 42 * i, y, 36, 36, letter, colour)
        draw.arrow((x + 130, y + 18), (206, 170), colour=colour)
    draw.text(236, 62, "union", 15, bold=True)
    heads = ("cosine", "words", "states", "score")
    for j, name in enumerate(heads):
        draw.text(320 + 92 * j, 62, name, 15, bold=True)
    for j, weight in enumerate(WEIGHTS):
        draw.text(320 + 92 * j, 86, f"× {weight:.2f}", 14, colour=MUTED)
    rows = []
    for values in SIGNALS.values():
        score = sum(w * v for w, v in zip(WEIGHTS, values))
        shown = f"{score + 1e-9:.3f}"  # a half goes up, however Python adds
        rows.append([*(f"{v:.2f}" for v in values), shown])
    best = max(range(4), key=lambda i: rows[i][3])
    for i, name in enumerate(SIGNALS):
        draw.box(218, 108 + 40 * i, 36, 32, name, INK)
    grid(draw, 274, 104, rows, (92, 40), [(best, 3)], ORANGE, size=15)
    draw.text(690, 124 + 40 * best, "1st", 15, colour=ORANGE, bold=True)
    draw.text(
        360, 300, "only words had found D; the weights decide who comes first", 14
    )


@drawing(
    318,
    "Four ways to spend the bytes of a token",
    "Strips of the first 24 bits of a token. Qubits: each takes four bits for θ and "
    "four for γ, 64 of them in 64 bytes. Plain numbers: 128 of four bits, 256 of two "
    "bits, both 64 bytes, or 384 of one bit in 48 bytes.",
)
def same_bytes(draw: Drawing) -> None:
    ways = (
        ("64 qubits, 2 × 4 bits", (4, 4), (BLUE, PURPLE), "64 bytes"),
        ("128 numbers, 4 bits", (4,), (GREEN, MUTED), "64 bytes"),
        ("256 numbers, 2 bits", (2,), (GREEN, MUTED), "64 bytes"),
        ("384 numbers, 1 bit", (1,), (GREEN, MUTED), "48 bytes"),
    )
    for i, (name, sizes, colours, size) in enumerate(ways):
        y, left, number = 56 + 58 * i, 232, 0
        draw.text(216, y + 14, name, 15, "end")
        while left < 232 + 24 * 15:
            wide = 15 * sizes[number % len(sizes)]
            colour = colours[number % 2]
            box = {"x": left, "y": y, "width": wide, "height": 28}
            draw.add("rect", **box, fill=TINTS[colour], stroke=colour, stroke_width=1)
            if len(sizes) == 2:
                draw.text(left + wide / 2, y + 14, "θγ"[number % 2], 15, colour=colour)
            left, number = left + wide, number + 1
        draw.text(606, y + 14, "… " + size, 15, "start", INK, True)
    draw.text(412, 34, "the first 24 bits of a token", 14, colour=MUTED)
    draw.text(360, 292, "the fewer bits a number takes, the more numbers fit", 14)


@drawing(
    330,
    "What nothing beats",
    "Quality against bytes. Four dots, cosine, cosine and words, one-bit tokens, full "
    "tokens, rise from left to right and are joined by a line. A fifth dot lies below "
    "the line: another way is as cheap and better, so it is beaten.",
)
def not_beaten(draw: Drawing) -> None:
    axes = Axes(
        draw,
        90,
        262,
        400,
        196,
        (0, 10),
        (0, 10),
        xlabel="price: bytes a text",
        ylabel="quality",
    )
    line = ((1, 2.2, "a"), (2.4, 6.4, "b"), (5.4, 7.6, "c"), (9, 8.6, "d"))
    draw.line([axes.at(x, y) for x, y, _ in line], MUTED, 1.5)
    for x, y, name in line:
        place = axes.at(x, y)
        draw.dot(*place, 7, ORANGE)
        draw.text(place[0] - 4, place[1] - 18, name, 16, colour=ORANGE, bold=True)
    beaten, better = axes.at(6.6, 5), axes.at(5.4, 7.6)
    draw.dot(*beaten, 7, BLUE, "square")
    draw.text(beaten[0] + 16, beaten[1], "e", 16, colour=BLUE, bold=True)
    draw.arrow((beaten[0] - 6, beaten[1] - 8), (better[0] + 6, better[1] + 10))
    draw.text(600, 110, "e is beaten:\nc costs less\nand is better", 15)
    draw.text(600, 200, "a, b, c, d:\nnothing is both\nas cheap and better", 15)


@drawing(
    336,
    "MaxSim as one inner product, approximately",
    "Left, two lines cut the plane into four regions; query tokens lie as dots in two "
    "of them, document tokens as squares in three. Right, each side becomes one vector "
    "with a slot a region: sums of query tokens, means of document tokens. Their inner "
    "product compares only what fell into the same region.",
)
def one_product(draw: Drawing) -> None:
    centre, far = (170, 160), 118
    draw.line([(centre[0] - far, 190), (centre[0] + far, 130)], MUTED, 1.5)
    draw.line([(140, centre[1] - far), (200, centre[1] + far)], MUTED, 1.5)
    regions = {"1": (92, 62), "2": (266, 62), "3": (78, 262), "4": (258, 262)}
    for name, place in regions.items():
        draw.text(*place, name, 18, colour=MUTED, bold=True)
    for x, y in ((214, 84), (244, 102), (110, 222)):
        draw.dot(x, y, 6, BLUE)
    for x, y in ((232, 76), (214, 112), (122, 236), (90, 112), (110, 128)):
        draw.dot(x, y, 5, GREEN, "square")
    draw.arrow((300, 160), (356, 160), colour=MUTED)
    heads = ("1", "2", "3", "4")
    for j, name in enumerate(heads):
        draw.text(470 + 60 * j, 78, name, 16, colour=MUTED, bold=True)
    slots = {
        "query: sums": (112, ["0", "q+q", "q", "0"], BLUE),
        "document: means": (190, ["d", "d", "d", "(d)"], GREEN),
    }
    for name, (y, row, colour) in slots.items():
        draw.text(434, y, name.replace(": ", ":\n"), 14, "end", colour, True)
        grid(draw, 440, y - 22, [row], (60, 44), [(0, 1), (0, 2)], colour, size=15)
    for j in (1, 2):
        draw.line([(470 + 60 * j, 136), (470 + 60 * j, 166)], ORANGE, 3)
    draw.text(560, 244, "an empty slot (4) borrows the\nnearest document token", 14)
    draw.text(
        360,
        312,
        "whoever falls into the same region is likely to be the best partner",
        14,
    )
