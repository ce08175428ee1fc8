"""qrr_lib: the small library behind the course *Quantum-Inspired Semantic Reranking
with PyTorch*.

Read it in the order of its stages:

    files     settings, folders, atomic writes (beside it: arrays, checks, lazy, tables)
    embed     01         texts -> vectors
    encode    02 03 09   vectors -> angles -> states -> similarity
    rank      05 06 09   candidates -> mixed score -> order
    learn     07 08      a head is trained, and judged
    shots     12         counts instead of amplitudes
    serve     04 13      export, the service, answers
    engine    14         documents of your own, in a folder or on a server
    course    00         the command line, checks, plots: what no lesson derives

Each stage imports only what stands above it (tests/test_house.py). Nothing heavy is
imported until a name is used, so `import qrr_lib` takes milliseconds.
"""

from qrr_lib import files  # first: it sets thread and hub defaults
from qrr_lib.lazy import lazy_names

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "embed": "Collection Document TextEmbedder default_model load_collection "
        "model_folder",
        "encode": "Circuit QubitAnglePredictor QubitMap QubitStates bloch_vectors "
        "encode fidelity "
        "local_fidelity log_fidelity overlap",
        "rank": "BM25 FaissRetriever HybridIndex RankedDocument Reranker Scorer "
        "TokenMatch Union evaluate max_sim per_query",
        "learn": "Comparison TrainingResult compare train_head",
        "shots": "depolarise estimate_variance measure_pairs measure_pairs_pennylane "
        "misread order_agreement qubit_fidelities same_order sample_fidelity "
        "shot_order shots_for_gap spend_by_halving",
        "serve": "OnnxAngles RagPipeline cite export_onnx interleaved_times make_citer "
        "pack predict_in_batches quantize_onnx ranking_error",
    },
)
