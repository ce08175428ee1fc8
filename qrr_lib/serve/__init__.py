"""A head in other forms, the reranker behind HTTP, answers from passages (lessons 04 and 11).

export, measure · shapes, gate, service, course_service · sentences, rag, prompt, generators, small_model
"""
from __future__ import annotations

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, {
    "export": ["OnnxAngles", "export_onnx", "quantize_onnx"],
    "measure": ["interleaved_times", "predict_in_batches", "ranking_error"],
    "shapes": ["Limits"],
    "service": ["create_app", "running", "to_unit_interval"],
    "course_service": ["course_modes"],
    "sentences": ["split_sentences"],
    "rag": ["Answer", "Passage", "RagPipeline", "SUPPORT", "cite", "clean", "make_citer", "pack", "support"],
    "generators": ["Extractive", "default_generator"],
    "prompt": ["chat"],
    "small_model": ["SmallModel"],
})
