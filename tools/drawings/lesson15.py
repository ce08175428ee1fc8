"""Diagrams of lesson 15."""

from drawings.canvas import Drawing
from drawings.charts import grid
from drawings.registry import drawing
from drawings.svg import BLUE, GREEN, MUTED, ORANGE, PURPLE


@drawing(
    340,
    "A state is a product of small tables",
    "A table of two by two numbers for qubit 0, rows s, columns x: 0.5, −0.5 over 0.5, "
    "0.5. One for qubit 1, rows x, columns t: 0, 1 over 1, 0. Their matrix product is "
    "the state: −0.5, 0.5 over 0.5, 0.5. Below, a chain of five tables whose "
    "neighbours share bonds of size 2.",
)
def matrix_product(draw: Drawing) -> None:
    draw.text(128, 30, "table of qubit 0", 15, colour=BLUE, bold=True)
    draw.text(350, 30, "table of qubit 1", 15, colour=ORANGE, bold=True)
    draw.text(592, 30, "the state", 15, colour=GREEN, bold=True)
    look = {"cell": (62, 32), "brackets": True}
    grid(draw, 66, 66, [["0.5", "−0.5"], ["0.5", "0.5"]], **look)
    grid(draw, 288, 66, [["0", "1"], ["1", "0"]], **look)
    grid(draw, 530, 66, [["−0.5", "0.5"], ["0.5", "0.5"]], **look)
    draw.text(240, 98, "·", 26)
    draw.text(470, 98, "=", 22)
    for x, row, column in ((66, "s", "x"), (288, "x", "t"), (530, "s", "t")):
        draw.text(x - 20, 98, row, 15, colour=MUTED, italic=True)
        draw.text(x + 62, 146, column, 15, colour=MUTED, italic=True)
    draw.text(
        360,
        182,
        "x is summed: the bond, one bit wide for one CZ between the layers",
        14,
    )
    for i in range(5):
        x, colour = 84 + 126 * i, (BLUE, ORANGE, PURPLE, BLUE, ORANGE)[i]
        draw.box(x, 222, 52, 44, "", colour)
        draw.text(x + 26, 244, f"{i}", 16, colour=colour, bold=True)
        draw.line([(x + 26, 266), (x + 26, 288)], MUTED, 2)
        if i:
            draw.line([(x - 74, 244), (x, 244)], MUTED, 3)
            draw.text(x - 37, 230, "2", 14, colour=MUTED)
    draw.text(360, 314, "n qubits: n tables; each layer more doubles every bond", 14)
