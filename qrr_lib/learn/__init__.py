"""A head is trained, and judged (lessons 07 and 08).

splits, leaks: what may be compared with what · scores, batches, checkpoint, training ·
choice: α on dev queries · twins, published: rivals and controls · comparison:
differences with intervals
"""

from __future__ import annotations

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "splits": ["carve_dev", "regimes"],
        "leaks": ["audit"],
        "scores": ["pool_similarity", "represent", "similarity_of"],
        "training": ["TrainingResult", "train_head"],
        "choice": ["cautious_gain", "choose_alpha"],
        "twins": ["DocumentOnly", "SphereTwin", "VectorHead"],
        "published": ["CompressionAnchor"],
        "comparison": [
            "Comparison",
            "compare",
            "compare_values",
            "detectable_difference",
            "holm",
        ],
    },
)
