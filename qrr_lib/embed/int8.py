"""An embedder in 8 bits: exported to ONNX once, run by ONNX Runtime (lesson 04).

Weights become integers of 8 bits when the file is made, activations when it runs, with
one scale a tensor. A few channels of a transformer are a hundred times as large as the
others, and such a scale would leave those others no steps at all. They are cut into
equal shares first (outlier channel splitting, Zhao et al. 2019), which changes nothing
in exact arithmetic.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import nn

from qrr_lib.embed.collection import load_collection
from qrr_lib.embed.models import ModelSpec, sha256_of
from qrr_lib.files import atomic_path, cache_dir, project_dir, say

RECIPE = "2"  # of the export: another one makes another file
AGREEMENT = 0.98  # least cosine between a text's vectors before and after
LARGE = 0.99  # the quantile of channels above which they are cut
SLOW = ["SkipLayerNormFusion"]  # of the runtime's: a tenth of the time goes with it
SAMPLE = 8  # passages of the course that show which channels are large


def int8_file(spec: ModelSpec, folder: Path) -> Path:
    """The ONNX file with 8-bit weights of the model in a folder: from our cache, or
    exported now, in a process of its own; a file is whole, or not there.

    Raises ValueError if the export fails or strays too far.
    """
    home = cache_dir() / "onnx"
    stem = f"{spec.name}-int8-{RECIPE}-{spec.sha256[-12:]}"
    for path in home.glob(f"{stem}-*.onnx"):
        if path.stem.endswith(sha256_of(path)[:12]):
            return path
        say(f"the exported embedder {path.name} is damaged; exporting it again")
        path.unlink()
    say(f"exporting {spec.name} in 8 bits (minutes, once)")
    with atomic_path(home / f"{stem}.onnx") as partial:
        command = [sys.executable, "-m", "qrr_lib.embed.int8", folder, partial]
        options = {"capture_output": True, "text": True, "encoding": "utf-8"}
        done = subprocess.run(command, cwd=project_dir(), check=False, **options)
        if done.returncode:
            last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()
            raise ValueError(
                f"the export of {spec.name} in 8 bits failed ({last[-1]}); nothing was "
                'kept: use precision="fp32"'
            )
        name = f"{stem}-{sha256_of(partial)[:12]}.onnx"
    return (home / f"{stem}.onnx").replace(home / name)


def onnx_session(path: Path, threads: int, **options):
    """ONNX Runtime's session of a file, on the CPU; ValueError if it can't read it."""
    import onnxruntime

    # from memory: no open file that Windows would refuse to replace
    data = path.read_bytes()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    try:
        cpu = ["CPUExecutionProvider"]
        return onnxruntime.InferenceSession(data, settings, providers=cpu, **options)
    except Exception as error:  # the runtime raises classes of its own
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{path.name} is not a readable ONNX file ({reason})"
        ) from None


class OnnxTransformer(nn.Module):
    """Stands in for the transformer of a `SentenceTransformer`; computes the last
    layer's vectors (1, T, D) of one text by ONNX Runtime.
    """

    def __init__(self, path: Path, config):
        super().__init__()
        threads = torch.get_num_threads()
        self.session = onnx_session(path, threads, disabled_optimizers=SLOW)
        self.config, self.device = config, torch.device("cpu")

    def forward(self, input_ids, **_):
        from transformers.modeling_outputs import BaseModelOutput

        found = self.session.run(None, {"input_ids": input_ids.numpy()})
        return BaseModelOutput(last_hidden_state=torch.from_numpy(found[0]))


class SplitLinear(nn.Module):
    """A linear layer (K → M) with input channel k in `copies[k]` equal shares."""

    def __init__(self, linear: nn.Linear, copies: torch.Tensor):
        super().__init__()
        again = torch.arange(len(copies)).repeat_interleave(copies - 1)
        weight = torch.cat([linear.weight, linear.weight[:, again]], dim=1)
        self.weight, self.bias = nn.Parameter(weight), linear.bias
        self.register_buffer("again", again)
        self.register_buffer("share", 1 / copies)

    def forward(self, x):
        x = x * self.share
        x = torch.cat([x, x.index_select(-1, self.again)], dim=-1)
        return nn.functional.linear(x, self.weight, self.bias)


class LastLayer(nn.Module):
    """A transformer that returns its last layer's vectors and nothing else, of a text
    alone: without padding nothing needs a mask.
    """

    def __init__(self, transformer: nn.Module):
        super().__init__()
        self.transformer = transformer

    def forward(self, input_ids):
        return self.transformer(input_ids=input_ids).last_hidden_state


@torch.inference_mode()
def split_outliers(model, transformer: nn.Module, texts: list[str]) -> None:
    """Replace the feed-forward layers of a transformer by `SplitLinear`, where a text
    shows channels beyond the usual range.
    """
    largest = {}

    def watch(linear, inputs, _):
        top = inputs[0].abs().flatten(0, -2).amax(0)
        largest[linear] = torch.maximum(largest.get(linear, top), top)

    linears = [m for m in transformer.modules() if isinstance(m, nn.Linear)]
    hooks = [linear.register_forward_hook(watch) for linear in linears]
    model.encode(texts, batch_size=1)
    for hook in hooks:
        hook.remove()
    for parent in list(transformer.modules()):
        for name, child in list(parent.named_children()):
            if child in largest and "dense" in name:
                top = largest[child]
                copies = (top / top.quantile(LARGE)).ceil().clamp(min=1).long()
                setattr(parent, name, SplitLinear(child, copies))


def export(folder: str, target: str) -> None:
    """Write the model in a folder as an ONNX file of 8 bits (in a process of its own:
    exporter and quantiser take gigabytes, and leave settings behind).
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu", local_files_only=True)
    name, transformer = next(model[0].named_children())
    texts = load_collection("course").texts()[: 2 * SAMPLE]
    before = torch.from_numpy(model.encode(texts[SAMPLE:], normalize_embeddings=True))
    split_outliers(model, transformer, texts[:SAMPLE])
    tokens = model.tokenizer(texts[:1], return_tensors="pt")
    with tempfile.TemporaryDirectory(dir=Path(target).parent) as work:
        whole, prepared = (os.path.join(work, f"{n}.onnx") for n in ("whole", "ready"))
        torch.onnx.export(
            LastLayer(transformer).eval(),
            kwargs={"input_ids": tokens["input_ids"]},
            f=whole,
            output_names=["token_embeddings"],
            dynamic_shapes={"input_ids": {1: torch.export.Dim("length", max=512)}},
            external_data=True,
            verbose=False,
        )
        quant_pre_process(
            whole, prepared, skip_symbolic_shape=True, save_as_external_data=True
        )
        options = {"per_channel": True, "weight_type": QuantType.QInt8}
        quantize_dynamic(prepared, target, **options)
    setattr(model[0], name, OnnxTransformer(Path(target), transformer.config))
    after = model.encode(texts[SAMPLE:], batch_size=1, normalize_embeddings=True)
    least = (before * torch.from_numpy(after)).sum(dim=1).min()
    if least < AGREEMENT:
        raise ValueError(f"a text's cosine to its vector in fp32 is {least:.3f}")


if __name__ == "__main__":
    export(*sys.argv[1:])
