"""A head in other forms, the reranker behind HTTP, answers from passages (lessons 04
and 13).

export, edge, edge_script, measure · shapes, gate, turns, service, server,
course_service, index_service · passages, generators, small_model, citing, rag
"""

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "export": "OnnxAngles export_onnx quantize_onnx",
        "edge": "export_edge",
        "measure": "interleaved_times predict_in_batches ranking_error",
        "shapes": "Limits to_unit_interval",
        "server": "running",
        "service": "create_app",
        "course_service": "course_modes",
        "index_service": "index_app",
        "passages": "Passage chat clean pack split_sentences",
        "citing": "SUPPORT best_sentences cite make_citer support surface_conflict",
        "rag": "Answer RagPipeline",
        "generators": "Extractive default_generator",
        "small_model": "SmallModel",
    },
)
