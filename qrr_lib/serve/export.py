"""A head in other forms: mini-batches, ONNX files, 8-bit weights, and what each does to
a ranking (lesson 04).

ONNX is a file format for tensor programs; ONNX Runtime (ORT) runs such a file without
PyTorch. Neither knows complex numbers, so the head's *angles* are exported, and the
state is computed from them afterwards (or its real form, the Bloch vector, exported
too).
"""

import copy
import hashlib
import json
import logging
import os
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path

import torch

from qrr_lib.embed.int8 import onnx_session
from qrr_lib.encode.angles import check_vectors
from qrr_lib.encode.circuit import Circuit
from qrr_lib.files import atomic_path

# largest difference in radians between a head and its exported file that is taken for
# rounding
AGREEMENT = 1e-3


def export_onnx(head: torch.nn.Module, path: str | os.PathLike) -> Path:
    """Write a head as an ONNX file that takes any batch size: input `embeddings` (B,
    D), output `angles` (B, L, n, 2), float32.

    The file is run once by ONNX Runtime on another batch size than the exporter saw,
    and kept only if both agree. It carries the head's width and circuit, and no paths
    of the exporting machine. Weights of any dtype are exported as float32. Raises
    ValueError if the head has no `embedding_dim`, gives complex numbers, or its file
    disagrees with it.
    """
    dim = getattr(head, "embedding_dim", None)
    if dim is None:
        raise ValueError(
            f"a {type(head).__name__} does not say how wide its embeddings are: give "
            "it the attribute embedding_dim"
        )
    head = copy.deepcopy(head).cpu().float().eval()
    vectors = torch.randn(3, dim, generator=torch.Generator().manual_seed(0))
    vectors = torch.nn.functional.normalize(vectors)
    with torch.no_grad():
        wanted = head(vectors)
    if wanted.is_complex():
        raise ValueError(
            "ONNX has no arithmetic for complex numbers: export the head's angles and "
            "encode the states afterwards, or export their real form, bloch_vectors"
        )
    program = _traced(head, vectors[:2])
    circuit = getattr(head, "circuit", None) or Circuit()
    about = {"kind": "angles", "embedding_dim": dim, "circuit": asdict(circuit)}
    program.model.metadata_props["qrr"] = json.dumps(about)
    with atomic_path(path) as partial:
        program.save(partial)
        got = OnnxAngles(partial)(vectors)
        if got.shape != wanted.shape or (got - wanted).abs().max() > AGREEMENT:
            raise ValueError(
                "the exported file does not compute what the head computes; it was not "
                "kept"
            )
    return Path(path)


def _traced(head: torch.nn.Module, example: torch.Tensor):
    """The head as an ONNX program, without the stack traces (paths of this machine)
    that the exporter adds, and without its remarks about packages that a head does not
    need and about its own internals.
    """
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            program = torch.onnx.export(
                head,
                (example,),
                verbose=False,
                input_names=["embeddings"],
                output_names=["angles"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
    finally:
        logger.setLevel(level)
    graph = program.model.graph
    for part in (*graph, *graph.inputs, *graph.outputs, *graph.initializers.values()):
        part.metadata_props.clear()
    return program


def quantize_onnx(path: str | os.PathLike, target: str | os.PathLike) -> Path:
    """Write a copy of an exported head, a file of `export_onnx`, to another path with
    8-bit weights; activations are quantised as they come ("dynamic").

    Weights are stored as 0 … 255: as -128 … 127 their products, which ONNX Runtime adds
    in 16 bits on x86 processors without the VNNI instructions, could overflow.

    Raises FileNotFoundError, or ValueError: not an ONNX file, quantised already, or
    target and path are one file.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    path, target = Path(path), Path(target)
    if target.resolve() == path.resolve():
        raise ValueError(
            "target must be another file than path, so that the full-precision head "
            "stays"
        )
    onnx_session(path, 1)  # readable, or a clear error
    operators = {node.op_type for node in onnx.load(path).graph.node}
    if operators & {"MatMulInteger", "DynamicQuantizeLinear"}:
        raise ValueError(
            f"{path.name} is quantised already: start from the file that export_onnx "
            "wrote"
        )
    with tempfile.TemporaryDirectory() as work, atomic_path(target) as partial:
        prepared = Path(work) / "prepared.onnx"
        # splits Gemm, infers shapes: needed by the next line
        quant_pre_process(os.fspath(path), os.fspath(prepared))
        quantize_dynamic(prepared, partial, weight_type=QuantType.QUInt8)
    return target


class OnnxAngles:
    """An exported head as an angle source: (B, D) → (B, L, n, 2) float32 tensor,
    computed by ONNX Runtime.

    `path` is a file of `export_onnx` or `quantize_onnx`, run on one thread.
    `embedding_dim` and `circuit` are read from the file, so it can stand wherever a
    `QubitAnglePredictor` can. Raises FileNotFoundError, or ValueError for a file that
    is not an exported head.
    """

    def __init__(self, path: str | os.PathLike):
        self.session = onnx_session(Path(path), 1)
        self.sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        stored = self.session.get_modelmeta().custom_metadata_map
        about = json.loads(stored.get("qrr", "{}"))
        if about.get("kind") != "angles":
            raise ValueError(
                f"{Path(path).name} is an ONNX file, but not one that export_onnx wrote"
            )
        self.embedding_dim = about["embedding_dim"]
        self.circuit = Circuit(**about["circuit"])

    def __call__(self, embeddings) -> torch.Tensor:
        """Map (B, D) embeddings to (B, L, n, 2) angles; raises ValueError on another
        width, NaN or infinity.
        """
        vectors = check_vectors(embeddings, self.embedding_dim).detach().cpu().float()
        angles = self.session.run(None, {"embeddings": vectors.numpy()})[0]
        return torch.from_numpy(angles)
