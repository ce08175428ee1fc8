"""The Bloch sphere of every lesson: shaded, with axes, poles, angles, paths and points
that have depth (first in lesson 02).

Vectors are (x, y, z) of length 1 or less, z up; angles are in radians. All functions
draw on an axis that `bloch_sphere` has prepared.
"""

import numpy as np

RULES = "#8f9ab3"
POLES = {"|0⟩": (0, 0, 1), "|1⟩": (0, 0, -1), "|+⟩": (1, 0, 0), "|+i⟩": (0, 1, 0)}


def new_spheres(columns: int = 1, height: float = 3.6, titles=None, azim: float = 33):
    """Return (figure, axes) with a Bloch sphere on each axis, all drawn already, seen
    from `azim` degrees around the equator.

    Axes are an array if there are several, as `new_figure` returns them.
    """
    from qrr_lib.course.plots import new_figure

    flat = {"subplot_kw": {"projection": "3d"}}
    figure, axes = new_figure(columns, height, **flat)
    for axis, title in zip(np.ravel(axes), titles or [""] * columns):
        bloch_sphere(axis, title, azim)
    return figure, axes


def bloch_sphere(axis, title: str = "", azim: float = 33) -> None:
    """Draw an empty Bloch sphere on a 3-D axis: a shaded ball, the equator and two
    meridians (dashed behind), three axes and the names of four poles.
    """
    axis.view_init(elev=18, azim=azim)
    axis.set_proj_type("ortho")
    axis.computed_zorder = False  # what is drawn later lies above
    axis.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1), title=title)
    axis.set_box_aspect((1, 1, 1), zoom=1.3)
    axis.set_axis_off()
    _ball(axis)
    turn = np.linspace(0, 2 * np.pi, 121)
    x, y, zero = np.cos(turn), np.sin(turn), np.zeros_like(turn)
    for circle in ((x, y, zero), (x, zero, y), (zero, x, y)):
        _curve(axis, np.stack(circle, 1), color=RULES, linewidth=0.8)
    for name, place in POLES.items():
        end = np.array(place, dtype=float)
        axis.plot(*zip(0 * end, end), color=RULES, linewidth=0.8, marker="")
        _label(axis, end, name, color="0.3")


def bloch_points(
    axis, vectors, label: str | None = None, marker="o", size: float = 14, **options
) -> None:
    """Put Bloch vectors (N, 3) on a sphere; the farther from the viewer, the smaller
    and paler.
    """
    vectors = np.asarray(vectors, dtype=float).reshape(-1, 3)
    near = (1 + _depth(axis, vectors)) / 2  # 0 behind, 1 in front
    alpha = options.pop("alpha", 1) * (0.25 + 0.75 * near)
    options = {"edgecolors": "white", "linewidths": 0.4, "zorder": 5} | options
    look = {"s": size * (0.5 + 0.8 * near), "marker": marker, "depthshade": False}
    axis.scatter(*vectors.T, alpha=alpha, label=label, **look, **options)


def bloch_arrow(axis, vector, label: str = "", color="C0") -> None:
    """An arrow from the centre to a Bloch vector, with a label beyond its tip."""
    tip = np.asarray(vector, dtype=float)
    _arrow(axis, np.stack([0 * tip, tip]), color, linewidth=2.2)
    _label(axis, tip, label)


def bloch_angles(axis, theta: float, gamma: float, color="C1") -> None:
    """The two angles of a state: the arc of θ down from |0⟩ and the arc of γ around
    from |+⟩, with the state's arrow and its shadow on the equator's plane.
    """
    state = _vector(theta, gamma)
    bloch_arrow(axis, state, "ψ")
    shadow = state * [1, 1, 0]
    dashes = {"color": "0.35", "linewidth": 1, "linestyle": "--", "marker": ""}
    axis.plot(*np.stack([0 * state, shadow, state], 1), zorder=4, **dashes)
    steps = np.linspace(0, 1, 40)[:, None]
    arcs = {"θ": _vector(theta * steps, gamma), "γ": _vector(np.pi / 2, gamma * steps)}
    for name, arc in arcs.items():
        _arrow(axis, 0.45 * arc, color, linewidth=1.8)
        _label(axis, 0.45 * arc[len(arc) // 2], name)


def bloch_path(axis, vectors, label: str = "", color="C2") -> None:
    """The way that a gate takes a state, through Bloch vectors (N, 3) in order: a line
    on the sphere, dashed behind, with an arrow's head at its end.
    """
    vectors = np.asarray(vectors, dtype=float).reshape(-1, 3)
    _curve(axis, vectors, color=color, linewidth=1.8, zorder=4)
    _arrow(axis, vectors[-2:], color, linewidth=1.8)
    _label(axis, vectors[len(vectors) // 2], label)


def _vector(theta, gamma) -> np.ndarray:
    """Bloch vectors (…, 3) of angles, which are broadcast."""
    theta, gamma = np.broadcast_arrays(theta, gamma)
    x, y = np.sin(theta) * np.cos(gamma), np.sin(theta) * np.sin(gamma)
    return np.stack([x, y, np.cos(theta)], -1).squeeze()


def _towards_viewer(axis) -> np.ndarray:
    up, around = np.radians([axis.elev, axis.azim])
    flat = np.cos(up)
    return np.array([flat * np.cos(around), flat * np.sin(around), np.sin(up)])


def _depth(axis, vectors) -> np.ndarray:
    """How near the viewer vectors (N, 3) are: −1 behind the sphere, 1 in front."""
    return np.asarray(vectors) @ _towards_viewer(axis)


def _ball(axis) -> None:
    """The half of the sphere that faces the viewer, lit from the upper left."""
    from matplotlib.colors import LinearSegmentedColormap

    theta, gamma = np.mgrid[0 : np.pi : 49j, 0 : 2 * np.pi : 97j]
    surface = _vector(theta, gamma)  # (49, 97, 3)
    light = np.array([0.75, -0.25, 0.75])
    lit = np.clip(surface @ light / np.linalg.norm(light), -0.3, 1)
    shades = LinearSegmentedColormap.from_list("ball", ["#c3cce2", "#eef2fa", "white"])
    colours = shades((lit + 0.3) / 1.3)
    colours[_depth(axis, surface) < -0.05] = 0  # transparent: behind
    smooth = {"linewidth": 0, "antialiased": False, "shade": False, "zorder": 0}
    axis.plot_surface(*np.moveaxis(surface, -1, 0), facecolors=colours, **smooth)
    # the outline: all directions at a right angle to the viewer's
    turn = np.linspace(0, 2 * np.pi, 121)[:, None]
    around = np.radians(axis.azim)
    right = np.array([-np.sin(around), np.cos(around), 0])
    rim = np.cos(turn) * right + np.sin(turn) * np.cross(right, _towards_viewer(axis))
    axis.plot(*rim.T, color=RULES, linewidth=0.8, marker="")


def _curve(axis, vectors, **look) -> None:
    """A line through Bloch vectors (N, 3), dashed where it is behind."""
    front = _depth(axis, vectors) >= -1e-9
    for shown, style in ((front, "-"), (~front, (0, (3, 3)))):
        # one point more on each side, so that the two kinds of pieces meet
        wide = shown | np.r_[shown[1:], False] if style != "-" else shown
        piece = np.where(wide[:, None], vectors, np.nan)
        axis.plot(*piece.T, linestyle=style, marker="", **look)


def _arrow(axis, vectors, color, **look) -> None:
    """A line through vectors (N, 3) with a head at its end, flat on the screen."""
    axis.plot(*vectors[:-1].T, color=color, marker="", zorder=6, **look)
    start, end = (_on_screen(axis, vector) for vector in vectors[-2:])
    head = {"arrowstyle": "-|>", "mutation_scale": 13, "shrinkA": 0, "shrinkB": 0}
    head |= {"color": color, **look}
    axis.annotate("", end, start, arrowprops=head, zorder=6, annotation_clip=False)


def _label(axis, vector, text: str, color="0.1") -> None:
    """A text beside a vector, on the side away from the centre of the sphere."""
    place, centre = _on_screen(axis, vector), _on_screen(axis, np.zeros(3))
    out = place - centre
    out = out / (np.linalg.norm(out) or 1)
    weight = "bold" if color == "0.1" else "normal"
    look = {"color": color, "fontweight": weight, "zorder": 7, "annotation_clip": False}
    # half the text's width in points, where it goes to the side
    away = out * [7 + 3 * len(text), 9]
    centred = {"ha": "center", "va": "center", "textcoords": "offset points"}
    axis.annotate(text, place, away, **centred, **look)


def _on_screen(axis, vector) -> np.ndarray:
    """Where a vector is drawn, in the axis's own plane: (2,)."""
    from mpl_toolkits.mplot3d.proj3d import proj_transform

    return np.array(proj_transform(*vector, axis.get_proj())[:2])
