"""The picture of tools.bench.states: states per second against qubits."""

from tools.bench.states_peers import OURS, WAYS

PANELS = [  # precision, batch, pass, layers
    ("complex64", 1_000, "forward", 2),
    ("complex64", 10_000, "forward", 2),
    ("complex64", 10_000, "forward+backward", 2),
    ("complex128", 1_000, "forward", 2),
]
# Okabe and Ito's colours, and greys
COLOURS = (
    "#000000 #7f7f7f #D55E00 #0072B2 #009E73 #E69F00 #CC79A7 #56B4E9 #8c564b #bcbd22 "
    "#b0b0b0"
).split()


def plot(results: dict, path) -> None:
    """Two layers with a ring: both precisions, two batches, with gradients and
    without.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    size = {"figsize": (13, 5.2), "layout": "constrained"}
    figure, axes = plt.subplots(1, 4, sharey=True, **size)
    for axis, panel in zip(axes, PANELS):
        wanted = [case for case in results["cases"] if shown(case) == panel]
        for name, colour, marker in zip(WAYS, COLOURS, "os^vDPX*<>h"):
            rates = {c["n_qubits"]: c["states_per_second"].get(name) for c in wanted}
            rates = {n: r["median"] for n, r in rates.items() if isinstance(r, dict)}
            width = 2.5 if name == OURS else 1.2
            style = {"color": colour, "marker": marker, "lw": width, "label": name}
            axis.plot(list(rates), list(rates.values()), **style)
        precision, batch, what, _ = panel
        title = f"{what}\n{batch:,} texts, {precision}"
        axis.set(title=title, xlabel="qubits", yscale="log", xticks=[1, 2, 4, 8])
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("states per CPU second")
    handles = axes[-1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def shown(case: dict) -> tuple | None:
    """Which panel a case belongs to."""
    if case["trailing"]:
        return None
    return case["precision"], case["batch"], case["pass"], case["n_layers"]
