"""Diagrams of lesson 14."""

from drawings.canvas import Drawing
from drawings.charts import grid
from drawings.registry import drawing
from drawings.svg import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE

KINDS = [".md", ".html", ".txt", ".csv", ".jsonl", ".docx", ".pdf"]


@drawing(
    372,
    "From a folder to passages, and from a question to an order",
    "Files of seven kinds are cut along sentences into passages that overlap a little. "
    "Of each passage three things are kept: one vector, its words, and 64 bytes for "
    "each token. A question finds candidates by vector and by words; cosine, words and "
    "token states order them.",
)
def own_folder(draw: Drawing) -> None:
    files(draw)
    passages(draw)
    record(draw)
    question(draw)


def files(draw: Drawing) -> None:
    """Files in a folder."""
    draw.text(78, 26, "your folder", 15, bold=True)
    for i, kind in enumerate(KINDS):
        x, y = 26 + 56 * (i % 2), 46 + 42 * (i // 2)
        draw.box(x, y, 50, 34, kind, MUTED, 1.2, 13)
    draw.arrow((142, 124), (176, 124), "read", size=13)


def passages(draw: Drawing) -> None:
    """A long document and the passages that it is cut into."""
    draw.text(282, 26, "one document, cut", 15, bold=True)
    for i in range(10):  # sentences
        draw.box(186 + 20 * i, 48, 17, 20, "", MUTED, 1)
    draw.text(286, 84, "sentences", 13, colour=MUTED)
    for i, (first, last) in enumerate([(0, 4), (3, 7), (6, 10)]):
        x, y, wide = 186 + 20 * first, 104 + 36 * i, 20 * (last - first) - 3
        draw.box(x, y, wide, 26, f"#{i + 1}", BLUE, 1.8, 14)
        if i:
            draw.line([(x, y - 10), (x, y)], ORANGE, 2.2)
            draw.line([(x + 17, y - 10), (x + 17, y)], ORANGE, 2.2)
    draw.text(282, 222, "neighbours share a sentence", 13, colour=ORANGE)
    draw.arrow((394, 124), (434, 124), "embed", size=13)


def record(draw: Drawing) -> None:
    """What the index keeps of one passage."""
    draw.text(574, 26, "kept of each passage", 15, bold=True)
    draw.box(444, 44, 262, 180, "", INK, 1.5)
    draw.text(456, 66, "vector", 14, "start", BLUE, True)
    numbers = [["0.03", "−0.11", "…", "0.02"]]
    grid(draw, 522, 54, numbers, cell=(44, 24), size=13)
    draw.text(456, 110, "words", 14, "start", GREEN, True)
    draw.text(522, 110, "tide: 2, moon: 1, …", 14, "start", mono=True)
    draw.text(456, 154, "states", 14, "start", PURPLE, True)
    for i, token in enumerate(["neap", "tides", "…"]):
        draw.text(548 + 62 * i, 142, token, 13, italic=True)
        if token != "…":
            draw.box(522 + 62 * i, 152, 52, 22, "64 B", PURPLE, 1.2, 13)
    draw.text(456, 204, "title, text, source, your fields", 13, "start", MUTED)


def question(draw: Drawing) -> None:
    """A question's way through the same index."""
    draw.line([(14, 246), (706, 246)], MUTED, 1, dashed=True)
    draw.box(26, 282, 132, 44, "“weakest tides?”", INK, 1.2, 14)
    draw.box(222, 262, 128, 34, "nearest vectors", BLUE, 1.8, 14)
    draw.box(222, 312, 128, 34, "most words", GREEN, 1.8, 14)
    draw.arrow((158, 296), (222, 280))
    draw.arrow((158, 312), (222, 328))
    draw.box(404, 282, 104, 44, "candidates", INK, 1.2, 14)
    draw.arrow((350, 280), (404, 296))
    draw.arrow((350, 328), (404, 312))
    draw.arrow((508, 304), (566, 304), "states", PURPLE, size=13)
    draw.box(566, 272, 140, 64, "1. Neap tides\n2. Slack water\n…", INK, 1.2, 13)
