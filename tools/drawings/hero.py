"""The picture on the front pages: one query of the course corpus, two lists.

Numbers and titles are those of `qrr demo` with the default model; a test compares them.
"""

from drawings.canvas import Drawing
from drawings.registry import drawing
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE

QUERY = "extra state for each weight"
RIGHT = "Adam's per-parameter step sizes"
BEFORE = {  # rank by cosine: title
    1: "One matrix, many recipes",
    2: "Density matrix of the plus state",
    3: "Memory for pure-state simulation",
    64: RIGHT,
}
AFTER = {
    1: RIGHT,
    2: "Memory for pure-state simulation",
    3: "Measuring twice in two bases",
}
MET = ("extra", "state", "weight")  # words of the query: words of the passage
SENTENCE = (
    "… the optimiser",
    "state",
    "therefore holds two",
    "extra",
    "numbers for every trainable",
    "weight",
    "…",
)
STARTS = (28, 154, 206, 354, 404, 618, 682)


def column(draw: Drawing, x: float, heading: str, places: dict[int, str]) -> None:
    """A ranking under its heading; the right passage stands out."""
    draw.text(x, 80, heading, 15, "start", MUTED)
    for row, (rank, title) in enumerate(places.items()):
        y = 104 + 34 * row + 16 * (rank > row + 1)
        if rank > row + 1:
            draw.text(x + 17, y - 10, "⋮", 15, colour=MUTED)
        colour = GREEN if title == RIGHT else MUTED
        draw.box(x, y, 306, 28, "", colour, 2.5 if title == RIGHT else 1)
        draw.text(x + 17, y + 14, str(rank), 15, bold=True)
        draw.text(x + 36, y + 14, title, 14, "start", INK, title == RIGHT)


@drawing(
    372,
    "One query, two lists, and why",
    "The query 'extra state for each weight'. By one vector a text, passages on "
    "quantum states come first and the right one, on the optimiser Adam, is 64th. "
    "With a state for every word beside words and cosine, it is first: its words "
    "extra, state and weight each met their partner in the query.",
)
def hero(draw: Drawing) -> None:
    draw.text(28, 34, "Somebody types", 15, "start", MUTED)
    draw.box(160, 18, 300, 32, f"“{QUERY}”", BLUE, size=16, bold=True)
    column(draw, 28, "one vector a text: cosine", BEFORE)
    column(draw, 386, "with a state for every word", AFTER)
    # the way from the 64th place to the first
    draw.arrow((334, 236), (386, 118), "", GREEN, 3)
    draw.text(28, 280, "Why? Each word looks for its best partner:", 15, "start", MUTED)
    places = dict(zip(SENTENCE, STARTS))
    for piece, x in places.items():
        bold = piece in MET
        draw.text(x, 346, piece, 14, "start", ORANGE if bold else INK, bold)
    for word, x in zip(MET, (372, 428, 636)):
        draw.text(x, 298, word, 15, colour=BLUE, bold=True)
        middle = places[word] + 4 * len(word)
        draw.path([(x, 310), (middle, 333)], ORANGE, 2)
