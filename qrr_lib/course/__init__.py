"""What the course needs and no lesson derives.

cli, commands, engine_commands, loading: the command `qrr` · judgements, judging: does
reranking help on your own documents · machine, lines: is this machine ready · corpus:
is a collection what its data sheet promises · reset · plots · exercise: the checker
behind every exercise
"""

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "lines": "Line",
        "machine": "check_machine",
        "corpus": "check_corpus",
        "exercise": "check",
        "judging": "Judging",
        "plots": "alpha_sweep bloch_points bloch_sphere compare_figure new_figure "
        "pareto score_histogram token_heatmap",
    },
)
