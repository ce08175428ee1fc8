"""A small language model that runs inside this process: SmolLM2-135M-Instruct (lesson
13).
"""

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qrr_lib.embed.finder import model_folder
from qrr_lib.embed.models import LANGUAGE_MODEL, WEIGHTS, model_spec
from qrr_lib.files import atomic_path, say
from qrr_lib.serve.passages import Passage, chat

# of the weights that `convert` makes
CONVERTED_SHA256 = "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"


class SmallModel:
    """SmolLM2-135M-Instruct on the CPU, greedy: the same question and passages give the
    same words (Allal et al. 2025).

    Its weights come with four bits each; they are widened once to bfloat16 in our cache
    (269 MB) and verified at every load.
    """

    name = LANGUAGE_MODEL

    def __init__(self, max_new_tokens: int = 64):
        import torch
        from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, utils

        utils.logging.disable_progress_bar()
        folder = converted_folder()
        self.max_new_tokens = max_new_tokens
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self.model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
        self.model.eval()
        for layer in self.model.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.forward = functools.partial(widened, layer)

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def __call__(self, question: str, passages: Sequence[Passage]) -> str:
        import torch

        prompt = self.tokenizer.apply_chat_template(
            chat(question, passages),
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        with torch.inference_mode():
            ids = self.model.generate(
                **prompt, max_new_tokens=self.max_new_tokens, do_sample=False
            )
        answer = ids[0, prompt["input_ids"].shape[1] :]
        return self.tokenizer.decode(answer, skip_special_tokens=True).strip()


def widened(layer, x):
    """Apply a linear layer (without bias) that is kept in bfloat16; to several tokens
    at once it is applied in float32, as most laptops lack fast bfloat16 products.
    """
    from torch.nn.functional import linear

    if x.shape[-2] == 1:
        return linear(x, layer.weight)
    return linear(x.float(), layer.weight.float()).to(x.dtype)


def converted_folder() -> Path:
    """Folder with SmolLM2 in bfloat16, made from the verified four-bit file at the
    first call; raises ModelNotFoundError without that file.
    """
    spec = model_spec(LANGUAGE_MODEL)
    source = model_folder(LANGUAGE_MODEL) / spec.weights
    folder = source.parent / "bfloat16"
    converted = replace(spec, weights=WEIGHTS, sha256=CONVERTED_SHA256)
    if (folder / WEIGHTS).is_file() and not converted.fault_in(folder):
        return folder
    say(f"widening {LANGUAGE_MODEL} to bfloat16 (once, some seconds)")
    return convert(source, folder)


def convert(source: Path, folder: Path) -> Path:
    """Write a model of llama.cpp's file format (GGUF) as transformers stores its own:
    settings, tokenizer and bfloat16 weights.

    The weights come last: where they are whole, the rest is there. Transformers reads
    settings and tokenizer itself, up to one rule that it does not know: this model
    spells numbers digit by digit. It would read the weights too, but asks for a package
    (accelerate) that nothing else here needs.
    """
    from safetensors.torch import save_file
    from tokenizers.pre_tokenizers import ByteLevel, Digits
    from tokenizers.pre_tokenizers import Sequence as Both
    from transformers import LlamaConfig, PreTrainedTokenizerFast

    kept = {"pretrained_model_name_or_path": source.parent, "gguf_file": source.name}
    config = LlamaConfig.from_pretrained(**kept)
    config.save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(**kept)
    rules = [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    tokenizer.backend_tokenizer.pre_tokenizer = Both(rules)
    tokenizer.save_pretrained(folder)
    with atomic_path(folder / WEIGHTS) as partial:
        save_file(read_weights(source, config), partial, metadata={"format": "pt"})
    return folder


def read_weights(source: Path, config) -> dict:
    """{name in transformers: bfloat16 tensor}, from a GGUF file of a Llama.

    A rotary embedding turns pairs of a head's numbers. llama.cpp keeps the two of a
    pair side by side, transformers the first ones of all pairs before the second ones:
    the rows of the query and key projections change places.
    """
    import gguf
    import torch
    from transformers import LlamaModel

    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(source).tensors}
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    with torch.device("meta"):  # its names without its numbers
        model = LlamaModel(config)
    weights = {}
    for name, _ in model.named_parameters(prefix="model"):
        tensor = stored[names.get_name(name, (".weight",))]
        values = torch.tensor(gguf.dequantize(tensor.data, tensor.tensor_type))
        layer = name.split(".")[-2]
        if layer in heads:
            pairs = values.unflatten(0, (heads[layer], -1, 2))
            values = pairs.transpose(1, 2).reshape(values.shape)
        weights[name] = values.to(torch.bfloat16)
    return weights
