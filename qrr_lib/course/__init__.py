"""What the course needs and no lesson derives.

cli, commands: the command `qrr` · machine, lines: is this machine ready · corpus: is a
collection what its data sheet promises · reset · plots, bloch: pictures · tables ·
exercise: the checker behind every exercise
"""

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "lines": "Line",
        "machine": "check_machine",
        "corpus": "check_corpus",
        "exercise": "check",
        "tables": "table",
        "plots": "alpha_sweep compare_figure curve new_figure pareto score_histogram "
        "show token_heatmap",
        "bloch": "bloch_angles bloch_arc bloch_arrow bloch_path bloch_points "
        "bloch_sphere new_spheres",
    },
)
