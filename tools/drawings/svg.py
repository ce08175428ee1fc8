"""Colours, numbers and letters of the drawings, as SVG writes them."""

import re
from html import escape

WIDTH = 720
LEAST_SIZE = 13  # of letters: 12.6 px where a lesson is shown 700 px wide
PANEL, RIM = "#fbfbfd", "#c9ced8"
INK, MUTED = "#1a1f2b", "#565e6c"
BLUE, ORANGE, PURPLE, GREEN = "#1d4ed8", "#b1480a", "#7a21dd", "#0f6e63"
TINTS = {
    BLUE: "#e3ebff",
    ORANGE: "#fde9d9",
    PURPLE: "#f0e4fd",
    GREEN: "#dcf2ee",
    INK: "#eceef2",
    MUTED: "#f2f3f6",
}
DASH = "5 4"
RAISED = re.compile(r"([_^])\{([^}]*)\}")


def number(value: float) -> str:
    """A coordinate, one decimal, without "-0" or ".0"."""
    return f"{round(value, 1) + 0:.1f}".removesuffix(".0")


def attributes(**pairs) -> str:
    """SVG attributes of the pairs that are not None; `_` in a name stands for "-"."""
    return "".join(
        f' {key.replace("_", "-")}="'
        f'{number(value) if isinstance(value, (int, float)) else value}"'
        for key, value in pairs.items()
        if value is not None
    )


def rich(line: str, size: float) -> str:
    """A line of text with its lowered and raised parts."""
    pieces, last = [], 0
    for found in RAISED.finditer(line):
        move = (0.25 if found[1] == "_" else -0.35) * size
        small = max(LEAST_SIZE, 0.75 * size)
        pieces.append((line[last : found.start()], 0, size))
        pieces.append((found[2], move, small))
        last = found.end()
    if not pieces:
        return escape(line)
    made, now = [], 0.0
    for words, move, letters in [*pieces, (line[last:], 0, size)]:
        if words:
            pairs = attributes(dy=move - now or None, font_size=letters)
            made.append(f"<tspan{pairs}>{escape(words)}</tspan>")
            now = move
    return "".join(made)
