"""A head is trained, and judged (lessons 07 and 08).

splits: what may be compared with what · scores, batches, epoch, training · rivals:
twins, a published head, a control · comparison: differences with intervals
"""

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "splits": "audit carve_dev query_groups regimes",
        "scores": "candidate_similarity cautious_gain choose_alpha",
        "batches": "Batches Recipe",
        "epoch": "TrainingResult",
        "training": "train_head",
        "rivals": "CompressionAnchor DocumentOnly SphereTwin VectorHead",
        "comparison": "Comparison compare compare_values detectable_difference holm "
        "shown_p",
    },
)
