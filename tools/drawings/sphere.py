"""The Bloch sphere in projection: a shaded ball, axes, poles, arrows, arcs, points with
depth.

States are pairs (theta, gamma) in degrees: theta down from |0⟩, gamma around from |+⟩
towards |+i⟩.
"""

import math

from drawings.canvas import Drawing
from drawings.svg import BLUE, INK, MUTED, ORANGE

TURNED, TILTED = (
    33,
    18,
)  # degrees: where the viewer stands, around and above the equator


def unit(theta: float, gamma: float) -> tuple[float, float, float]:
    """Bloch vector of a state."""
    t, g = math.radians(theta), math.radians(gamma)
    return math.sin(t) * math.cos(g), math.sin(t) * math.sin(g), math.cos(t)


class Sphere:
    """A Bloch sphere around (x, y), drawn at once.

    Parameters
    ----------
    poles : bool
        Whether to name |0⟩, |1⟩, |+⟩ and |+i⟩ and to draw the three axes.
    """

    def __init__(
        self, draw: Drawing, x: float, y: float, radius: float, poles: bool = True
    ):
        self.draw, self.x, self.y, self.radius = draw, x, y, radius
        self._ball()
        self._circle([unit(90, g) for g in range(0, 361, 6)])
        if poles:
            self._poles()

    def place(self, vector) -> tuple[float, float]:
        """Where a vector inside the sphere is drawn."""
        a, b, up = *self._turned(vector), vector[2]
        tilt = math.radians(TILTED)
        height = up * math.cos(tilt) - b * math.sin(tilt)
        return self.x + self.radius * a, self.y - self.radius * height

    def depth(self, vector) -> float:
        """How near the viewer a vector is, from −1 (far) to 1."""
        _, b = self._turned(vector)
        tilt = math.radians(TILTED)
        return b * math.cos(tilt) + vector[2] * math.sin(tilt)

    def _turned(self, vector) -> tuple[float, float]:
        turn = math.radians(TURNED)
        x, y, _ = vector
        right = -x * math.sin(turn) + y * math.cos(turn)
        return right, x * math.cos(turn) + y * math.sin(turn)

    def _ball(self) -> None:
        name = f"{self.draw.name}-ball"
        if not any(name in part for part in self.draw.parts):
            stops = ((0, "#ffffff"), (0.6, "#edf1fa"), (1, "#c7d0e6"))
            shades = "".join(
                f'<stop offset="{at}" stop-color="{colour}"/>' for at, colour in stops
            )
            look = 'cx="0.38" cy="0.32" r="0.72"'
            shade = f'<radialGradient id="{name}" {look}>{shades}</radialGradient>'
            self.draw.add("defs", shade)
        ball = {"fill": f"url(#{name})", "stroke": "#98a3bd", "stroke_width": 1.2}
        self.draw.add("circle", cx=self.x, cy=self.y, r=self.radius, **ball)

    def _circle(self, vectors) -> None:
        """A closed curve on the sphere, dashed where it is behind."""
        for front in (False, True):
            run = []
            for vector in [*vectors, None]:
                if vector is not None and (self.depth(vector) >= 0) == front:
                    run.append(self.place(vector))
                    continue
                if len(run) > 1:
                    self.draw.line(run, "#98a3bd", 1.1, dashed=not front)
                run = []

    def _poles(self) -> None:
        ends = {"|0⟩": (0, 0), "|1⟩": (180, 0), "|+⟩": (90, 0), "|+i⟩": (90, 90)}
        for name, state in ends.items():
            tip = self.place(unit(*state))
            self.draw.line([(self.x, self.y), tip], "#98a3bd", 1.1)
            away = 1 + 17 / max(12, math.dist(tip, (self.x, self.y)))
            x, y = (c + away * (t - c) for t, c in zip(tip, (self.x, self.y)))
            self.draw.text(x, y, name, 14, colour=MUTED)

    def arrow(
        self,
        state: tuple[float, float],
        words: str = "",
        colour: str = BLUE,
        shift: tuple[float, float] = (0, -14),
    ) -> None:
        """An arrow from the centre to a state, with words `shift` away from its tip."""
        tip = self.place(unit(*state))
        self.draw.path([(self.x, self.y), tip], colour, 3)
        if words:
            place = tip[0] + shift[0], tip[1] + shift[1]
            self.draw.text(*place, words, 16, colour=colour, bold=True)

    def dot(
        self,
        state: tuple[float, float],
        colour: str = BLUE,
        shape: str = "circle",
        radius: float = 5,
    ) -> None:
        """A marker on the sphere: smaller the farther away, hollow behind."""
        vector = unit(*state)
        depth = self.depth(vector)
        if depth < 0 and shape == "circle":
            shape = "ring"
        self.draw.dot(*self.place(vector), radius * (1 + 0.3 * depth), colour, shape)

    def arc(
        self,
        start: tuple[float, float],
        stop: tuple[float, float],
        words: str = "",
        colour: str = ORANGE,
        reach: float = 1,
        head: bool = False,
    ) -> None:
        """The shortest way between two states, `reach` radii from the centre, with
        words beside its middle; `head` makes it an arrow.
        """
        a, b = unit(*start), unit(*stop)
        angle = math.acos(max(-1, min(1, sum(p * q for p, q in zip(a, b)))))
        vectors = []
        for i in range(25):
            p = math.sin((1 - i / 24) * angle) / math.sin(angle)
            q = math.sin(i / 24 * angle) / math.sin(angle)
            vectors.append([reach * (p * u + q * v) for u, v in zip(a, b)])
        points = [self.place(vector) for vector in vectors]
        (self.draw.path if head else self.draw.line)(points, colour, 2.5)
        if words:
            self.draw.beside(points[12], self.centre, words, colour, 17)

    @property
    def centre(self) -> tuple[float, float]:
        """Where the origin is drawn."""
        return self.x, self.y

    def turn(self, theta: float, start: float, stop: float, words: str = "") -> None:
        """An arrow around the z axis from gamma `start` to `stop`, at height theta."""
        steps = [start + (stop - start) * i / 24 for i in range(25)]
        points = [self.place(unit(theta, g)) for g in steps]
        self.draw.path(points, ORANGE, 2.5)
        if words:
            x, y = points[12]
            self.draw.text(x, y + 16, words, 17, colour=ORANGE, bold=True)


def angles(sphere: Sphere, theta: float, gamma: float) -> None:
    """The two angles of a state: θ down from |0⟩, γ around from |+⟩."""
    sphere.arrow((theta, gamma), "ψ", shift=(14, -8))
    sphere.arc((0, gamma), (theta, gamma), "θ", reach=0.45)
    flat = unit(90, gamma)
    shadow = [math.sin(math.radians(theta)) * part for part in flat]
    places = [sphere.centre, sphere.place(shadow), sphere.place(unit(theta, gamma))]
    sphere.draw.line(places, INK, 1.2, dashed=True)
    sphere.arc((90, 0), (90, gamma), "γ", reach=0.45)
