"""Diagrams of lesson 13."""

from drawings.canvas import Drawing
from drawings.charts import Axes, bars
from drawings.registry import drawing
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE


@drawing(
    306,
    "The way of a request through the service",
    "Clients send requests to the event loop, which checks them. Good ones wait in a "
    "line; one worker takes those that wait together through the model at once, and "
    "every client gets its own answer. Bad ones get a 4xx at once, and if 32 wait "
    "already, the next one gets 429.",
)
def request_way(draw: Drawing) -> None:
    draw.text(360, 32, "many clients, one line, one worker", 16, bold=True)
    for i in range(3):
        draw.box(16, 66 + 52 * i, 84, 38, f"client {i + 1}", BLUE)
        draw.arrow((100, 85 + 52 * i), (162, 124 + 6 * i), colour=MUTED)
    draw.box(162, 84, 128, 92, "event loop:\nreads, checks,\nanswers", INK)
    draw.arrow((290, 130), (322, 130))
    for i in range(3):
        draw.box(324 + 24 * i, 108, 20, 44, colour=ORANGE)
    draw.text(358, 82, "32 at most", 14, colour=ORANGE, bold=True)
    draw.box(398, 98, 86, 64, colour=GREEN)
    for i in range(3):
        draw.box(405 + 26 * i, 108, 20, 44, colour=GREEN, thick=2.2)
    draw.text(446, 82, "a batch", 14, colour=GREEN, bold=True)
    draw.arrow((484, 130), (514, 130), colour=GREEN)
    draw.box(514, 92, 84, 76, "one\nworker", GREEN, bold=True)
    draw.arrow((598, 130), (626, 130))
    draw.box(626, 92, 80, 76, "model", PURPLE, bold=True)
    draw.path([(556, 168), (556, 206), (264, 206), (264, 178)], GREEN, 2)
    draw.text(412, 224, "to each client its own answer", 14, colour=GREEN)
    draw.arrow((196, 176), (196, 250), colour=ORANGE)
    draw.text(30, 264, "4xx: the request is wrong", 14, "start")
    draw.text(30, 286, "429: the line is full, come back later", 14, "start")


@drawing(
    300,
    "What eight texts cost, sent in three ways",
    "Each pass through the model costs 3 ticks, and each text 1 tick. Eight requests "
    "one after the other take eight passes, 32 ticks; eight at once take two passes, "
    "14 ticks; one request of eight texts takes one pass, 11 ticks.",
)
def batch_times(draw: Drawing) -> None:
    draw.text(360, 30, "a pass costs 3 ticks, a text 1 tick", 16, bold=True)
    ways = {
        "8 requests,\none by one": [1] * 8,
        "8 requests\nat once": [1, 7],
        "1 request\nof 8 texts": [8],
    }
    left, tick = 132, 16.4
    for row, (name, passes) in enumerate(ways.items()):
        y, x = 62 + 62 * row, left
        draw.text(left - 14, y + 17, name, 14, "end", bold=True)
        for texts in passes:
            block(draw, x, y, 3 * tick, ORANGE)
            for i in range(texts):
                block(draw, x + (3 + i) * tick, y, tick, BLUE)
            x += (3 + texts) * tick
        total = 3 * len(passes) + 8
        draw.text(x + 8, y + 17, f"{total}", 15, "start", bold=True)
    ticks = {value: str(value) for value in (0, 8, 16, 24, 32)}
    Axes(draw, left, 250, 32 * tick, 0, (0, 32), xticks=ticks, xlabel="ticks")


def block(draw: Drawing, x: float, y: float, width: float, colour: str) -> None:
    """A stretch of time."""
    tints = {ORANGE: "#f3c08f", BLUE: "#9fc5e8"}
    place = {"x": x, "y": y, "width": width, "height": 34}
    draw.add("rect", **place, fill=tints[colour], stroke=colour, stroke_width=1)


@drawing(
    272,
    "From a question to an answer whose citations are checked",
    "A question meets 440 passages; the best are packed into a budget of 300 tokens, "
    "which holds about three; a language model writes two sentences; then code "
    "compares each sentence with each passage, and adds a number or the words no "
    "source found.",
)
def cited_answer(draw: Drawing) -> None:
    draw.text(360, 30, "the model writes, code cites", 16, bold=True)
    steps = [
        ("search and\nrerank", BLUE, "440 passages\nbecome 10"),
        ("pack", ORANGE, "10 become 3:\n300 tokens"),
        ("write", PURPLE, "3 become\n2 sentences"),
        ("check", GREEN, "each sentence\nwith each passage"),
    ]
    draw.text(52, 92, "question", 15, bold=True)
    for i, (name, colour, words) in enumerate(steps):
        x = 118 + 148 * i
        draw.arrow((x - 30 if i else 90, 92), (x, 92))
        draw.box(x, 60, 118, 64, name, colour, bold=True)
        draw.text(x + 59, 154, words, 14, colour=MUTED)
    draw.path([(621, 180), (621, 214), (596, 214)], GREEN, 2)
    said = "“All others stand still. [1]  It is a bug. [no source found]”"
    draw.text(588, 214, said, 15, "end")
    draw.text(360, 246, "the model has no say in its citations", 14, colour=MUTED)


@drawing(
    326,
    "One word turns a sentence, and hardly its support",
    "The words of a sentence, each with its best partner in the passage: eight find "
    "themselves, 1.00; the words do and not take partners at 0.90 and 0.80. The "
    "mean, the support, is 0.97, though the meaning is turned.",
)
def one_word_turns(draw: Drawing) -> None:
    words = "others do not stand still until the call comes back".split()
    source = "others stand still until the call comes back".split()
    places = {word: 116 + 78 * i for i, word in enumerate(source)}
    tops = {word: 112 + 62 * i for i, word in enumerate(words)}
    draw.text(14, 48, "answer", 14, "start", MUTED)
    draw.text(14, 178, "passage", 14, "start", MUTED)
    for word, x in places.items():
        draw.text(x, 178, word, 15, bold=True)
    partners = {"do": "stand", "not": "until"}
    for word, x in tops.items():
        odd = word in partners
        colour = ORANGE if odd else BLUE
        draw.text(x, 48, word, 15, colour=colour, bold=True)
        end = places[partners.get(word, word)]
        draw.arrow((x, 62), (end, 162), colour=colour, thick=1.6, dashed=odd)
    scores = {"eight words": 1.0, "do": 0.9, "not": 0.8}
    bars(draw, 130, 232, scores, 200, 28, marked=["not"], colour=ORANGE)
    draw.text(566, 246, "support, the mean of ten:", 15, bold=True)
    draw.text(566, 272, "(8 · 1 + 0.9 + 0.8) / 10 = 0.97", 15)
