"""A drawing on a light panel, as SVG text: legible in light and dark themes, the same
bytes on every machine.

Lengths are in pixels of a drawing 720 wide, x to the right, y down. Angles are in
degrees, 0 to the right, counterclockwise. In texts `x_{1}` is lowered, `e^{-n}` raised,
and "\\n" starts a new line.
"""

import math
from html import escape

from drawings.svg import (
    BLUE,
    DASH,
    INK,
    LEAST_SIZE,
    ORANGE,
    PANEL,
    RIM,
    TINTS,
    WIDTH,
    attributes,
    number,
    rich,
)


class Drawing:
    """A panel to draw on; later things lie above earlier ones.

    Parameters are those of `drawing`; `name` makes identifiers unique on a page.
    """

    def __init__(self, height: float, title: str, description: str, name: str):
        self.height, self.title = height, title
        self.description, self.name = description, name
        self.parts: list[str] = []

    def svg(self) -> str:
        """The whole file."""
        size = f'width="{WIDTH}" height="{number(self.height)}"'
        ids = f"{self.name}-title", f"{self.name}-desc"
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
            f'viewBox="0 0 {WIDTH} {number(self.height)}" role="img" '
            f'aria-labelledby="{ids[0]} {ids[1]}" font-family="sans-serif">'
        )
        panel = (
            f'<rect x="1" y="1" width="{WIDTH - 2}" '
            f'height="{number(self.height - 2)}" rx="12" fill="{PANEL}" '
            f'stroke="{RIM}"/>'
        )
        lines = [
            head,
            f'<title id="{ids[0]}">{escape(self.title)}</title>',
            f'<desc id="{ids[1]}">{escape(self.description)}</desc>',
            panel,
            *self.parts,
            "</svg>",
        ]
        return "\n".join(lines) + "\n"

    def add(self, element: str, content: str = "", **pairs) -> None:
        """One SVG element."""
        end = f">{content}</{element}>" if content else "/>"
        self.parts.append(f"<{element}{attributes(**pairs)}{end}")

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 15,
        at: str = "middle",
        colour: str = INK,
        bold: bool = False,
        italic: bool = False,
        mono: bool = False,
    ) -> None:
        """Words around (x, y): y is the middle of the lines; `at` is "start", "middle"
        or "end".
        """
        if size < LEAST_SIZE:
            raise ValueError(f"letters of {size} are too small: take {LEAST_SIZE}")
        look = {
            "fill": colour,
            "font_weight": "bold" if bold else None,
            "font_style": "italic" if italic else None,
            "font_family": "monospace" if mono else None,
        }
        lines, step = words.split("\n"), 1.3 * size
        top = y - step * (len(lines) - 1) / 2 + 0.35 * size
        for i, line in enumerate(lines):
            place = {"x": x, "y": top + i * step, "text_anchor": at}
            self.add("text", rich(line, size), font_size=size, **place, **look)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        words: str = "",
        colour: str = INK,
        thick: float = 1.5,
        size: float = 15,
        bold: bool = False,
    ) -> None:
        """A rounded box with its upper left corner at (x, y) and words in its middle,
        filled with the light tint of its colour.
        """
        place = {"x": x, "y": y, "width": width, "height": height, "rx": 8}
        look = {"fill": TINTS[colour], "stroke": colour, "stroke_width": thick}
        self.add("rect", **place, **look)
        if words:
            self.text(x + width / 2, y + height / 2, words, size, bold=bold)

    def line(
        self,
        points: list[tuple[float, float]],
        colour: str = INK,
        thick: float = 2,
        dashed: bool = False,
        fill: str = "none",
    ) -> None:
        """A line through points; `fill` makes it an area."""
        joined = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        look = {"fill": fill, "stroke": colour, "stroke_width": thick}
        ends = {"stroke_linecap": "round", "stroke_linejoin": "round"}
        dashes = DASH if dashed else None
        self.add("polyline", points=joined, **look, **ends, stroke_dasharray=dashes)

    def arrow(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        words: str = "",
        colour: str = INK,
        thick: float = 2,
        dashed: bool = False,
        bend: float = 0,
        size: float = 14,
    ) -> None:
        """An arrow with words above its middle; `bend` moves the middle to the left of
        its way, in pixels.
        """
        (x0, y0), (x1, y1) = start, end
        length = math.hypot(x1 - x0, y1 - y0)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        middle = (x0 + x1) / 2 + bend * uy, (y0 + y1) / 2 - bend * ux
        # the quadratic curve through `middle` has its control point twice as far out
        cx, cy = middle[0] + bend * uy, middle[1] - bend * ux
        steps = [i / 16 for i in range(17)] if bend else [0, 1]
        points = [
            (
                (1 - t) ** 2 * x0 + 2 * t * (1 - t) * cx + t**2 * x1,
                (1 - t) ** 2 * y0 + 2 * t * (1 - t) * cy + t**2 * y1,
            )
            for t in steps
        ]
        self.path(points, colour, thick, dashed)
        if words:
            lines = words.count("\n") + 1
            self.text(middle[0], middle[1] - 0.65 * size * lines - 4, words, size)

    def path(
        self,
        points: list[tuple[float, float]],
        colour: str = INK,
        thick: float = 2,
        dashed: bool = False,
    ) -> None:
        """A line through points with an arrow's head at its end."""
        (x0, y0), (x1, y1) = points[-2:]
        turn, head = math.atan2(y1 - y0, x1 - x0), 5 + 2.5 * thick
        back = x1 - 0.8 * head * math.cos(turn), y1 - 0.8 * head * math.sin(turn)
        self.line([*points[:-1], back], colour, thick, dashed)
        corners = [(x1, y1)]
        for side in (0.42, -0.42):
            across, down = math.cos(turn + side), math.sin(turn + side)
            corners.append((x1 - head * across, y1 - head * down))
        joined = " ".join(f"{number(x)},{number(y)}" for x, y in corners)
        self.add("polygon", points=joined, fill=colour)

    def dot(
        self,
        x: float,
        y: float,
        radius: float = 5,
        colour: str = BLUE,
        shape: str = "circle",
    ) -> None:
        """A marker: "circle", "ring", "square", "diamond" or "triangle"."""
        if shape in ("circle", "ring"):
            full = shape == "circle"
            fill = {"fill": colour if full else PANEL, "stroke": colour}
            self.add("circle", cx=x, cy=y, r=radius, stroke_width=2, **fill)
            return
        sides = {"square": 4, "diamond": 4, "triangle": 3}[shape]
        first = 45 if shape == "square" else 90
        turns = [math.radians(first + 360 * i / sides) for i in range(sides)]
        far = 1.25 * radius
        corners = [(x + far * math.cos(t), y - far * math.sin(t)) for t in turns]
        joined = " ".join(f"{number(x)},{number(y)}" for x, y in corners)
        self.add("polygon", points=joined, fill=colour)

    def arc(
        self,
        x: float,
        y: float,
        radius: float,
        start: float,
        stop: float,
        words: str = "",
        colour: str = ORANGE,
        thick: float = 2.5,
        size: float = 15,
    ) -> None:
        """Part of a circle around (x, y) from angle `start` to `stop`, with words
        outside its middle.
        """
        turns = [math.radians(start + (stop - start) * i / 24) for i in range(25)]
        points = [(x + radius * math.cos(t), y - radius * math.sin(t)) for t in turns]
        self.line(points, colour, thick)
        if words:
            self.beside(points[12], (x, y), words, colour, size)

    def beside(
        self,
        place: tuple[float, float],
        centre: tuple[float, float],
        words: str,
        colour: str = INK,
        size: float = 15,
    ) -> None:
        """Words beside a place, on the side away from a centre."""
        far = math.dist(place, centre) or 1
        out = [(p - c) / far for p, c in zip(place, centre)]
        half = 0.32 * size * len(words)
        away = 5 + half * abs(out[0]) + 0.6 * size * abs(out[1])
        x, y = (p + away * u for p, u in zip(place, out))
        self.text(x, y, words, size, colour=colour, bold=True)
