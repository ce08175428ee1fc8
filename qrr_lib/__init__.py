"""qrr_lib: the small library behind the course *Quantum-Inspired Semantic Reranking with PyTorch*.

Read it in the order of the lessons:

    01 models, collection, embeddings     02 circuit, angles      03 encoders, similarity
    04 export                             05 retrieval, metrics   06 rerank
    07 pool, heads, training              08 arms, compression, evaluation, audit
    09 qubit_map, token_store, interaction, tokens                10 shots, shot_circuits, noise
    11 service, shapes, rag, generators   12 hybrid_index, scale, blocks

Nothing heavy is imported until a name is used, so `import qrr_lib` takes milliseconds.
"""
from __future__ import annotations

import importlib

from qrr_lib import _runtime  # noqa: F401  (first: it sets thread and hub defaults)

__version__ = "0.1.0"

_HOME = {
    "models": ["default_model", "model_folder"],
    "collection": ["Collection", "Document", "load_collection"],
    "embeddings": ["TextEmbedder"],
    "circuit": ["Circuit"],
    "angles": ["QubitAnglePredictor"],
    "encoders": ["encode"],
    "export": ["OnnxAngles", "export_onnx", "interleaved_times", "predict_in_batches", "quantize_onnx", "ranking_error"],
    "similarity": ["bloch_vectors", "fidelity", "local_fidelity", "log_fidelity", "overlap"],
    "retrieval": ["FaissRetriever"],
    "metrics": ["evaluate", "per_query"],
    "rerank": ["HybridReranker", "RankedDocument", "StateScorer"],
    "training": ["TrainingResult", "train_head"],
    "evaluation": ["Comparison", "compare"],
    "qubit_map": ["QubitMap"],
    "interaction": ["max_sim"],
    "tokens": ["TokenMatch", "TokenScorer", "open_index"],
    "shots": ["estimate_variance", "order_agreement", "sample_fidelity", "sample_local_fidelity", "shot_order", "shots_for_gap", "spend_by_halving",
              "spend_evenly"],
    "shot_circuits": ["measure_pairs", "measure_pairs_pennylane", "noisy_device"],
    "rag": ["RagPipeline", "cite", "make_citer", "pack"],
    "hybrid_index": ["HybridIndex"],
    "noise": ["depolarise", "misread", "qubit_fidelities", "same_order"],
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str):
    if name not in _MODULE_OF:
        raise AttributeError(f"qrr_lib has no {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"qrr_lib.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
