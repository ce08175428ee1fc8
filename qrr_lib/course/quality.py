"""Quality against cost: every way in one picture (lessons 09 and 10)."""

import math

import numpy as np

from qrr_lib.course.plots import new_figure, show

# where a number may stand beside its point: distance and direction, the nearest first
MOVES = [
    np.array([r * math.cos(turn * math.pi / 8), r * math.sin(turn * math.pi / 8)])
    for r in range(9, 90, 6)
    for turn in (1, 15, 7, 9, 3, 13, 5, 11, 4, 12)
]


def pareto(
    axis,
    points: dict[str, tuple],
    cost: str,
    measure: str = "nDCG@10",
    alt: str | None = None,
) -> None:
    """Quality against cost on a logarithmic axis: {label: (cost, value, low, high)}.

    Points are numbered in the order given. A line joins those that nothing beats (no
    other is as cheap and better); they alone show their interval.
    """
    edge = [
        (paid, value)
        for paid, value, *_ in points.values()
        if not any(p <= paid and v > value for p, v, *_ in points.values())
    ]
    axis.plot(*zip(*sorted(edge)), color="0.6", linewidth=1, marker="", zorder=0)
    for paid, value, low, high in points.values():
        best = (paid, value) in edge
        look = {"color": "C1" if best else "C0", "marker": "o" if best else "."}
        error = [[value - low], [high - value]] if best else None
        axis.errorbar(paid, value, yerr=error, elinewidth=0.5, linestyle="", **look)
    axis.set(xscale="log", xlabel=cost, ylabel=measure)
    _number(axis, [point[:2] for point in points.values()])
    if alt is not None:
        show(axis.figure, alt)


def _is_free(place, taken: list) -> bool:
    """Is a number at a place, in points, clear of all that are taken?"""
    return all(abs(place[0] - x) > 11 or abs(place[1] - y) > 8 for x, y in taken)


def _number(axis, places: list[tuple]) -> None:
    """Write 1, 2, … beside points, each where no point and no other number is."""
    axis.figure.draw_without_rendering()  # places of everything are settled now
    dots = axis.transData.transform(places) * 72 / axis.figure.dpi  # in points
    taken = list(dots)
    for number, (place, dot) in enumerate(zip(places, dots), 1):
        move = next((one for one in MOVES if _is_free(dot + one, taken)), MOVES[0])
        taken.append(dot + move)
        line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 0}
        axis.annotate(
            str(number),
            place,
            move,
            textcoords="offset points",
            fontsize=7,
            ha="center",
            va="center",
            arrowprops=line if math.hypot(*move) > 10 else None,
        )


def compare_figure(stored: dict, task: str = "scifact, all-MiniLM-L6-v2"):
    """Rivals of `tools.bench.compare` in one picture, (figure, axes): quality against
    bytes a text, vectors and words included, and against milliseconds a query.
    """
    entry, times = stored["collections"][task], stored["speed"]["ms a query"]
    by_bytes, by_time = {}, {}
    for name, row in entry["rivals"].items():
        quality = (row[entry["measure"]], *row["interval"])
        words, late = "BM25" in name or "words" in name, "bytes a token" in row
        mixed = words and "weighted" in name or "words" in name
        size = words * entry["bytes of words a text"]
        paid = words * times["BM25, first stage"]
        paid += mixed * times["words of the candidates"]
        if not name.startswith("BM25"):
            size += row.get("bytes a text", entry["bytes of a vector"])
            paid += times["embedding the query"] + times["cosine, first stage"]
        if late:
            size += row["bytes a token"] * entry["tokens a document"]
            plain = name.removeprefix("cosine + words + ")
            paid += times[plain.removesuffix(", weighted for this collection")]
        by_bytes[name], by_time[name] = (size, *quality), (paid, *quality)
    figure, axes = new_figure(2, height=7.2)
    names = "\n".join(f"{i:>2}  {name}" for i, name in enumerate(by_bytes, 1))
    figure.supxlabel(names, x=0.02, ha="left", fontsize=7, family="monospace")
    axes[1].set_ylabel(entry["measure"])
    pareto(axes[0], by_bytes, "bytes a text")
    pareto(axes[1], by_time, "milliseconds a query")
    return figure, axes
