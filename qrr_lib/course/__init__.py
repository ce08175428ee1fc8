"""What the course needs and no lesson derives.

cli, commands, engine_commands, loading: the command `qrr` · judgements, judging: does
reranking help on your own documents · machine: is this one ready · reset ·
plots, bloch, quality: pictures · exercise: the checker behind every exercise

Tables are drawn by `qrr_lib.tables`.
"""

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "machine": "Line check_machine",
        "exercise": "check",
        "judging": "Judging",
        ".tables": "table",
        "quality": "compare_figure pareto",
        "plots": "alpha_sweep curve new_figure score_histogram show token_heatmap",
        "bloch": "bloch_angles bloch_arrow bloch_path bloch_points "
        "bloch_sphere new_spheres",
    },
)
