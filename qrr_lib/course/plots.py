"""Every picture of the course that more than one lesson draws (`bloch` has the sphere).

Colours come from a colour-blind-safe palette. Functions that draw on an axis also take
`alt`: with it, they show the axis's figure at once, as `show` does.
"""

from itertools import zip_longest

import numpy as np

WIDTH = 7.2  # inches: fits a laptop's notebook column
STYLE = {
    "figure.dpi": 90,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
}


def new_figure(columns: int = 1, height: float = 3.4, **options):
    """Return (figure, axes) in the course's style: petroff6 colours, light grid, room
    for labels.
    """
    import matplotlib.pyplot as plt
    from cycler import cycler

    plt.style.use(["petroff6", STYLE])
    markers = cycler(marker=list("os^Dv*"))
    plt.rcParams["axes.prop_cycle"] = plt.rcParams["axes.prop_cycle"] + markers
    size = (WIDTH, height)
    return plt.subplots(1, columns, figsize=size, layout="constrained", **options)


def show(figure, alt: str) -> None:
    """Display a figure now, with what a reader who can't see it is told.

    `alt`, a sentence or two, is stored with the picture (in the output's metadata,
    where nbconvert looks for it) and is what a terminal prints. ValueError if it is
    missing.
    """
    import matplotlib.pyplot as plt
    from IPython.core.pylabtools import print_figure
    from IPython.display import publish_display_data

    if not isinstance(alt, str) or len(alt.split()) < 5:
        raise ValueError(
            "alt must say in a sentence what the figure shows, for a reader who can't "
            f"see it, not {alt!r}"
        )
    picture = print_figure(figure, base64=True)
    plt.close(figure)  # or Jupyter shows it once more at the end of the cell
    shown = {"image/png": picture, "text/plain": alt}
    publish_display_data(shown, metadata={"image/png": {"alt": alt}})


def curve(x, y, xlabel: str, ylabel: str, alt: str, labels=(), height: float = 2.8):
    """Show y against x as a line, or several: rows of y (L, N), with `labels`."""
    figure, axis = new_figure(height=height)
    for row, label in zip_longest(np.atleast_2d(y), labels):
        axis.plot(x, row, label=label, markevery=max(1, len(row) // 8))
    axis.set(xlabel=xlabel, ylabel=ylabel)
    if labels:
        axis.legend()
    show(figure, alt)


def lines(
    curves: dict[str, tuple], xlabel: str, ylabel: str, alt: str, log: str = ""
) -> None:
    """Show several lines, {label: (x, y)}; `log` names logarithmic axes: "x", "xy"."""
    figure, axis = new_figure(height=3.2)
    for label, (x, y) in curves.items():
        axis.plot(x, y, label=label)
    axis.set(xlabel=xlabel, ylabel=ylabel, **{f"{one}scale": "log" for one in log})
    axis.legend()
    show(figure, alt)


def cells(axis, points, centres, query, opened, alt: str | None = None) -> None:
    """Points (N, 2) of the unit square in the cells of their nearest centres: those in
    the cells `opened` are looked at, a ring is on the one nearest to the query.
    """
    corners = np.linspace(0, 1, 300)
    places = np.stack(np.meshgrid(corners, corners), axis=-1)  # (300, 300, 2)
    near, home = (
        ((xy[..., None, :] - centres) ** 2).sum(-1).argmin(-1)
        for xy in (places, points)
    )
    _plane(axis, points, query, "other points")
    axis.pcolormesh(*places.T, np.isin(near, opened).T, cmap="Blues", vmax=5, zorder=0)
    for cell in range(len(centres)):
        border = near == cell
        axis.contour(corners, corners, border, [0.5], colors="0.6", linewidths=0.8)
    seen = points[np.isin(home, opened)]
    best = seen[((seen - query) ** 2).sum(-1).argmin()]
    axis.scatter(*seen.T, s=14, color="black", marker="o", label="looked at")
    axis.scatter(*centres.T, s=40, color="C1", marker="x", label="centres")
    ring = {"s": 120, "facecolor": "none", "edgecolor": "C2", "linewidth": 2}
    axis.scatter(*best, marker="o", label="answer", zorder=4, **ring)
    _finish(axis, alt)


def walk(axis, points, links, query, path, alt: str | None = None) -> None:
    """Points (N, 2), each linked to those in its set of `links`, and the `path` of a
    search (rows, in order) towards the query.
    """
    _plane(axis, points, query, "points")
    for one, others in enumerate(links):
        for other in others:
            look = {"color": "0.85", "linewidth": 0.7, "zorder": 1}
            axis.plot(*points[[one, other]].T, marker="", **look)
    look = {"color": "C0", "linewidth": 1.8, "markersize": 5, "label": "visited"}
    axis.plot(*points[path].T, marker="o", **look)
    axis.scatter(*points[path[0]], s=90, color="C1", marker="s", label="start")
    _finish(axis, alt)


def _plane(axis, points, query, label: str) -> None:
    """Points of the unit square in grey, the query as a star, no ticks."""
    axis.scatter(*points.T, s=9, color="0.6", marker="o", label=label)
    star = {"s": 140, "color": "C2", "edgecolor": "black", "zorder": 5}
    axis.scatter(*query, marker="*", label="query", **star)
    axis.set(xticks=[], yticks=[], aspect="equal")
    axis.grid(False)


def score_histogram(
    axis, scores: dict[str, np.ndarray], bins: int = 40, alt: str | None = None
) -> None:
    """Histograms of scores {label: values} as outlines with different line styles, on
    one axis.
    """
    every = np.concatenate([np.ravel(values) for values in scores.values()])
    edges = np.histogram_bin_edges(every, bins)
    for (label, values), style in zip(scores.items(), ("-", "--", ":", "-.")):
        look = {"histtype": "step", "linewidth": 1.6, "linestyle": style}
        axis.hist(np.ravel(values), bins=edges, label=label, **look)
    axis.set(xlabel="score", ylabel="pairs")
    axis.legend()
    _finish(axis, alt)


def alpha_sweep(
    axis,
    curves: dict[str, dict[float, float]],
    baseline: float,
    alt: str | None = None,
) -> None:
    """nDCG@10 against α: {label: {α: value}}; a dashed line at `baseline` marks cosine
    alone.
    """
    for label, curve in curves.items():
        axis.plot(list(curve), list(curve.values()), label=label, markersize=4)
    look = {"color": "0.4", "linestyle": "--", "linewidth": 1}
    axis.axhline(baseline, label="cosine alone", **look)
    axis.set(xlabel="α (weight of cosine)", ylabel="nDCG@10", ylim=(0, None))
    axis.legend()
    _finish(axis, alt)


def token_heatmap(
    axis,
    query_tokens: list[str],
    document_tokens: list[str],
    matrix,
    most: int = 24,
    alt: str | None = None,
) -> None:
    """Fidelity of every query token (rows) with every document token (columns), a ring
    on each row's best.

    Takes what `Reranker.token_matrix` returns. Of a longer document the `most`
    columns with the largest values are shown, in reading order, the best of every row
    among them; dark is alike.
    """
    matrix = np.asarray(matrix)  # (Tq, Td)
    if not matrix.size:
        raise ValueError(
            "the query or the document has no tokens: there is nothing to draw"
        )
    best = matrix.argmax(axis=1)
    # the rows' best come first
    chosen = np.isin(np.arange(matrix.shape[1]), best)
    order = np.argsort(-matrix.max(axis=0) - chosen, kind="stable")
    columns = np.sort(order[: max(most, len(set(best)))])
    image = axis.imshow(matrix[:, columns], cmap="cividis_r", aspect="auto")
    # a black ring with a white rim stands out on light and dark cells
    ring = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "linestyle": ""}
    at = np.searchsorted(columns, best), np.arange(len(best))
    for color, width in (("white", 3.5), ("black", 1.5)):
        axis.plot(*at, markeredgecolor=color, markeredgewidth=width, **ring)
    shown = [document_tokens[j] for j in columns]
    axis.set_xticks(range(len(columns)), shown, rotation=90)
    axis.set_yticks(range(len(query_tokens)), query_tokens)
    axis.set(xlabel="document tokens", ylabel="query tokens")
    axis.grid(False)
    axis.figure.colorbar(image, ax=axis, label="fidelity")
    _finish(axis, alt)


def forest(axis, differences: dict, alt: str | None = None) -> None:
    """Differences with their intervals, one line each: {label: `Comparison`, or a
    mapping with its fields `difference`, `low` and `high`}.

    A circle lies wholly above 0, a square wholly below, a diamond straddles it.
    """
    fields = "difference", "low", "high"
    for place, found in enumerate(differences.values()):
        values = found if isinstance(found, dict) else vars(found)
        middle, low, high = (values[name] for name in fields)
        look = {"color": "C0", "capsize": 3}
        look["marker"] = "o" if low > 0 else "s" if high < 0 else "D"
        axis.errorbar(middle, place, xerr=[[middle - low], [high - middle]], **look)
    axis.axvline(0, color="0.4", linestyle="--", linewidth=1)
    axis.set_yticks(range(len(differences)), list(differences))
    axis.set_ylim(len(differences) - 0.5, -0.5)
    _finish(axis, alt)


def _finish(axis, alt: str | None) -> None:
    if alt is not None:
        show(axis.figure, alt)
