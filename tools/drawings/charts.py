"""Small pictures of numbers: a grid, bars, axes with a curve."""

from collections.abc import Callable, Sequence

from drawings.canvas import Drawing
from drawings.svg import BLUE, INK, LEAST_SIZE, MUTED, ORANGE, RIM, TINTS


def grid(
    draw: Drawing,
    x: float,
    y: float,
    rows: Sequence[Sequence],
    cell: tuple[float, float] = (52, 28),
    marked: Sequence[tuple[int, int]] = (),
    colour: str = BLUE,
    brackets: bool = False,
    size: float = 14,
) -> tuple[float, float]:
    """Numbers or words in cells, upper left corner at (x, y); returns (width, height).

    Cells named in `marked`, (row, column), are tinted and bold. With `brackets` it is
    a matrix: no rules, one bracket on each side.
    """
    wide, high = cell
    width, height = wide * max(map(len, rows)), high * len(rows)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            left, top, strong = x + j * wide, y + i * high, (i, j) in marked
            look = {"width": wide, "height": high, "stroke_width": 1}
            fill = TINTS[colour] if strong else "#ffffff"
            if strong or not brackets:
                rule = "none" if brackets else RIM
                draw.add("rect", x=left, y=top, fill=fill, stroke=rule, **look)
            middle = left + wide / 2, top + high / 2
            draw.text(*middle, str(value), size, bold=strong, mono=not brackets)
    if brackets:
        for edge, inward in ((x - 4, 7), (x + width + 4, -7)):
            corner = edge + inward
            points = [(corner, y), (edge, y), (edge, y + height), (corner, y + height)]
            draw.line(points, thick=1.8)
    return width, height


def bars(
    draw: Drawing,
    x: float,
    y: float,
    values: dict[str, float],
    width: float = 160,
    step: float = 26,
    most: float = 1,
    marked: Sequence[str] = (),
    form: str = "{:.2f}",
    colour: str = BLUE,
) -> None:
    """Lying bars that start at x, the first with its middle at y: labels to the left,
    values at their ends; those `marked` are filled, the others are outlines.
    """
    for i, (label, value) in enumerate(values.items()):
        middle, length = y + i * step, max(1.0, width * value / most)
        strong = label in marked or not marked
        draw.add(
            "rect",
            x=x,
            y=middle - 0.3 * step,
            width=length,
            height=0.6 * step,
            fill=colour if strong else TINTS[colour],
            stroke=colour,
            stroke_width=1,
        )
        draw.text(x - 8, middle, label, 14, at="end", bold=label in marked)
        draw.text(x + length + 7, middle, form.format(value), 14, at="start")


class Axes:
    """A pair of axes with lower left corner (x, y), to put curves and dots between.

    Parameters
    ----------
    xlim, ylim : (least, most) in units of the data
    xticks, yticks : {value: label}
    """

    def __init__(
        self,
        draw: Drawing,
        x: float,
        y: float,
        width: float,
        height: float,
        xlim: tuple[float, float] = (0, 1),
        ylim: tuple[float, float] = (0, 1),
        xticks: dict[float, str] | None = None,
        yticks: dict[float, str] | None = None,
        xlabel: str = "",
        ylabel: str = "",
    ):
        self.draw, self.x, self.y = draw, x, y
        self.width, self.height = width, height
        self.xlim, self.ylim = xlim, ylim
        draw.line([(x, y - height), (x, y), (x + width, y)], MUTED, 1.5)
        for value, label in (xticks or {}).items():
            at, _ = self.at(value, ylim[0])
            draw.line([(at, y), (at, y + 5)], MUTED, 1.5)
            draw.text(at, y + 16, label, LEAST_SIZE, colour=MUTED)
        for value, label in (yticks or {}).items():
            _, at = self.at(xlim[0], value)
            draw.line([(x - 5, at), (x, at)], MUTED, 1.5)
            draw.text(x - 9, at, label, LEAST_SIZE, "end", MUTED)
        if xlabel:
            draw.text(x + width / 2, y + 36, xlabel, 14)
        if ylabel:
            draw.text(x, y - height - 16, ylabel, 14, "start")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Place of a pair of data on the drawing."""
        right = (x - self.xlim[0]) / (self.xlim[1] - self.xlim[0])
        up = (y - self.ylim[0]) / (self.ylim[1] - self.ylim[0])
        return self.x + right * self.width, self.y - up * self.height

    def curve(
        self,
        height_of: Callable[[float], float],
        colour: str = BLUE,
        thick: float = 3,
        dashed: bool = False,
    ) -> None:
        """The curve of a function over the whole of xlim."""
        low, high = self.xlim
        across = [low + (high - low) * i / 60 for i in range(61)]
        points = [self.at(x, height_of(x)) for x in across]
        self.draw.line(points, colour, thick, dashed)

    def mark(
        self, x: float, y: float, words: str = "", colour: str = ORANGE, **look
    ) -> None:
        """A dot at a pair of data, dashed lines to both axes, words to its right."""
        place = self.at(x, y)
        foot, side = self.at(x, self.ylim[0]), self.at(self.xlim[0], y)
        self.draw.line([side, place, foot], colour, 1.5, dashed=True)
        self.draw.dot(*place, colour=colour, **look)
        if words:
            self.draw.text(
                place[0] + 11, place[1] - 9, words, 14, "start", INK, bold=True
            )
