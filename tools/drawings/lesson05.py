"""Diagrams of lesson 05."""

import math

from drawings.canvas import Drawing
from drawings.charts import Axes, bars
from drawings.registry import drawing
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, RIM, TINTS

CODEWORDS = (0.125, 0.375, 0.625, 0.875)  # of each part in the toy product quantiser
POINTS = [(0.08, 0.2), (0.3, 0.42), (0.7, 0.8), (0.93, 0.55), (0.7, 0.01)]


@drawing(
    300,
    "What exact search reads for one question",
    "A question's vector of 768 numbers beside a matrix of 100,000 rows, one a "
    "document. Each row is 768 numbers of 4 bytes, 3,072 bytes. All rows are read, "
    "307 MB; at 10 GB a second that takes 31 ms. Twice the rows, twice the time.",
)
def exact_cost(draw: Drawing) -> None:
    draw.text(70, 34, "question", 15, colour=PURPLE, bold=True)
    column = {"stroke": PURPLE, "stroke_width": 1, "fill": TINTS[PURPLE]}
    for i in range(8):
        draw.add("rect", x=56, y=56 + 20 * i, width=28, height=20, **column)
    draw.text(70, 236, "768", 14, colour=MUTED)
    draw.text(280, 34, "documents", 15, colour=BLUE, bold=True)
    row = {"stroke": RIM, "stroke_width": 1}
    for i in range(8):
        look = row | {"fill": TINTS[BLUE] if i == 0 else "#ffffff"}
        draw.add("rect", x=150, y=56 + 20 * i, width=260, height=20, **look)
    draw.text(280, 66, "768 numbers × 4 bytes = 3,072 bytes", 13)
    draw.text(280, 146, "⋮", 20)
    draw.line([(136, 58), (130, 58), (130, 214), (136, 214)], MUTED, 1.5)
    draw.text(280, 236, "100,000 rows", 14, colour=MUTED)
    draw.text(107, 136, "·", 26, bold=True)
    draw.arrow((420, 136), (474, 136), colour=MUTED)
    lines = [
        (62, "100,000 × 3,072 bytes", INK, False),
        (90, "= 307 MB to read", BLUE, True),
        (136, "÷ 10 GB a second", INK, False),
        (164, "= 31 ms a question", ORANGE, True),
    ]
    for y, words, colour, bold in lines:
        draw.text(490, y, words, 16, "start", colour, bold=bold)
    draw.text(490, 210, "twice the rows: 62 ms", 14, "start", MUTED)
    words = "nothing is skipped, so nothing is missed; the price grows with every row"
    draw.text(360, 274, words, 14, colour=MUTED)


@drawing(
    310,
    "Gains, discounted by their places",
    "Two rows of bars over the places 1 to 5. As returned: gains 3, 0, 1, 0, 2 become "
    "3, 0, 0.5, 0 and 0.77 after dividing by 1, 1.58, 2, 2.32 and 2.58; their sum is "
    "4.27. In the ideal order 3, 2, 2, 1 become 3, 1.26, 1 and 0.43, sum 5.69.",
)
def discounted_gains(draw: Drawing) -> None:
    rows = (
        ("as returned", (3, 0, 1, 0, 2), BLUE),
        ("ideal order", (3, 2, 2, 1, 0), GREEN),
    )
    draw.text(118, 34, "place", 14, "end", MUTED)
    draw.text(118, 56, "discount", 14, "end", MUTED)
    for place in range(1, 6):
        x = 72 + 92 * place
        draw.text(x, 34, str(place), 15, bold=True)
        draw.text(x, 56, f"{math.log2(place + 1):.2f}", 14, colour=MUTED)
    draw.text(648, 34, "sum", 15, bold=True)
    for i, (name, gains, colour) in enumerate(rows):
        floor, total = 168 + 110 * i, 0.0
        draw.text(118, floor - 30, name, 15, "end", colour, bold=True)
        draw.line([(128, floor), (590, floor)], MUTED, 1.2)
        for place, gain in enumerate(gains, 1):
            x, left = 72 + 92 * place, gain / math.log2(place + 1)
            total += left
            outline = {"fill": "none", "stroke": colour, "stroke_dasharray": "4 3"}
            filled = {"fill": TINTS[colour], "stroke": colour, "stroke_width": 1.5}
            for height, look in ((gain, outline), (left, filled)):
                if height:
                    box = {"y": floor - 22 * height, "height": 22 * height}
                    draw.add("rect", x=x - 20, width=40, **box, **look)
            words = f"{left:.2f}".rstrip("0").rstrip(".")
            draw.text(x, floor + 14, words, 14, bold=bool(gain))
        draw.text(648, floor - 24, f"{total:.2f}", 18, colour=colour, bold=True)


@drawing(
    300,
    "BM25: how rare a word is, times how often it stands there",
    "Left, bars: in three documents, the rarity of a word that one of them has is "
    "0.98, of one that two have 0.47, of one that all have 0.13. Right, a curve over "
    "the count of a word in a document of mean length: 0.4 for one, 0.57 for two, "
    "0.87 for ten, never more than 1.",
)
def rare_and_often(draw: Drawing) -> None:
    draw.text(180, 34, "rarity of a word", 16, colour=BLUE, bold=True)
    rarity = {f"{n} of 3": math.log(1 + (3 - n + 0.5) / (n + 0.5)) for n in (1, 2, 3)}
    draw.text(180, 62, "documents that have it", 14, colour=MUTED)
    bars(draw, 110, 104, rarity, 170, 44)
    draw.text(180, 236, "a word that all have\ntells none of them apart", 14)
    draw.text(345, 130, "×", 30, bold=True)
    draw.text(536, 34, "how often it stands there", 16, colour=ORANGE, bold=True)
    axes = Axes(
        draw,
        410,
        216,
        270,
        136,
        (0, 10),
        (0, 1.05),
        {n: str(n) for n in (0, 1, 2, 5, 10)},
        {0.5: "0.5", 1: "1"},
        "times in the document",
    )
    axes.curve(lambda n: n / (n + 1.5), ORANGE)
    draw.line([axes.at(0, 1), axes.at(10, 1)], MUTED, 1.2, dashed=True)
    for count, (right, down) in {1: (12, 10), 2: (12, 10), 10: (-10, 22)}.items():
        x, y = axes.at(count, count / (count + 1.5))
        draw.dot(x, y, colour=ORANGE)
        at, words = ("start" if right > 0 else "end"), f"{count / (count + 1.5):.2f}"
        draw.text(x + right, y + down, words, 14, at, bold=True)
    draw.text(360, 284, "longer than the mean: the curve rises more slowly", 14)


@drawing(
    318,
    "One vector, three ways to store it",
    "Left, three strips as long as their bytes: 768 numbers of four bytes are 3,072 "
    "bytes, one byte a number 768, one byte for every eight numbers 96. Right, a "
    "square: four codewords for x and four for y meet in 16 places; each of five "
    "points is drawn to the nearest place, which stands for it.",
)
def fewer_bytes(draw: Drawing) -> None:
    draw.text(36, 32, "bytes of 768 numbers", 16, "start", BLUE, bold=True)
    strips = (
        ("as they are: 4 bytes each", 3072, BLUE),
        ("SQ8: 1 byte each", 768, GREEN),
        ("PQ: 1 byte for 8 of them", 96, ORANGE),
    )
    for i, (name, size, colour) in enumerate(strips):
        y, width = 66 + 74 * i, 330 * size / 3072
        draw.text(36, y, name, 14, "start")
        look = {"fill": TINTS[colour], "stroke": colour, "stroke_width": 1.5}
        draw.add("rect", x=36, y=y + 14, width=width, height=24, **look)
        right = 36 + width / 2 if i == 0 else 44 + width
        where = "middle" if i == 0 else "start"
        draw.text(right, y + 26, f"{size:,}", 15, where, colour, bold=True)
    draw.text(540, 32, "what 2 + 2 bits can say", 16, colour=ORANGE, bold=True)
    ticks = dict(zip(CODEWORDS, ("0", "1", "2", "3")))
    axes = Axes(draw, 440, 258, 200, 200, (0, 1), (0, 1), ticks, ticks)
    for word in CODEWORDS:
        draw.line([axes.at(word, 0), axes.at(word, 1)], RIM, 1)
        draw.line([axes.at(0, word), axes.at(1, word)], RIM, 1)
    for x in CODEWORDS:
        for y in CODEWORDS:
            draw.dot(*axes.at(x, y), 4, MUTED, "square")
    for point in POINTS:
        place = [min(CODEWORDS, key=lambda w, p=p: abs(w - p)) for p in point]
        draw.path([axes.at(*point), axes.at(*place)], ORANGE, 2)
        draw.dot(*axes.at(*point), 4.5, BLUE)
    draw.text(540, 294, "codeword of part 1 (across), part 2 (up)", 14, colour=MUTED)


@drawing(
    330,
    "How many vectors fit into 8 GB",
    "Both axes logarithmic: vectors, from 100 thousand to 1 billion, against "
    "gigabytes. Three rising lines: 3,072 bytes a vector, 768, and 96. They cross a "
    "dashed line at 8 GB at 2.6 million, 10 million and 83 million vectors.",
)
def room_for_vectors(draw: Drawing) -> None:
    axes = Axes(
        draw,
        90,
        268,
        560,
        218,
        (5, 9),
        (-2, 3),
        dict(zip(range(5, 10), ("100,000", "1 million", "10", "100", "1 billion"))),
        {-2: "0.01", -1: "0.1", 0: "1", 1: "10", 2: "100", 3: "1,000"},
        "vectors of 768 numbers",
        "GB",
    )
    room = math.log10(8)
    draw.line([axes.at(5, room), axes.at(9, room)], MUTED, 1.8, dashed=True)
    draw.text(*axes.at(5.05, room - 0.32), "8 GB: a laptop", 14, "start", MUTED)
    ways = ((3072, "flat", BLUE, "circle"), (768, "SQ8", GREEN, "square"))
    ways += ((96, "PQ", ORANGE, "triangle"),)
    for size, name, colour, shape in ways:

        def gigabytes(exponent: float, size=size) -> float:
            return exponent + math.log10(size) - 9

        last = min(9, 12 - math.log10(size))
        draw.line([axes.at(5, gigabytes(5)), axes.at(last, gigabytes(last))], colour, 3)
        most = 9 + room - math.log10(size)
        x, y = axes.at(most, room)
        draw.dot(x, y, 6, colour, shape)
        millions = f"{10**most / 1e6:.2g}".replace("1e+01", "10")
        words = f"{millions} million"
        up = name == "flat"
        right, down, at = (-8, -14, "end") if up else (-6, 17, "start")
        draw.text(x + right, y + down, words, 14, at, colour, bold=True)
        right, y = axes.at(last, gigabytes(last))
        draw.text(right + 6, y + 2, name, 14, "start", colour, bold=True)
    draw.text(540, 26, "room, not time, asks for codes first", 14, "end", MUTED)
