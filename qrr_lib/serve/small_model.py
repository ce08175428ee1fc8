"""A small language model that runs inside this process: SmolLM2-135M-Instruct (lesson
13).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

from qrr_lib.embed.finder import model_folder
from qrr_lib.embed.models import LANGUAGE_MODEL as SMALL
from qrr_lib.embed.models import model_spec
from qrr_lib.files import atomic_path, say
from qrr_lib.serve.prompt import chat

# of the weights that _convert makes
CONVERTED_SHA256 = "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"


class SmallModel:
    """SmolLM2-135M-Instruct on the CPU, greedy: the same question and passages give the
    same words (Allal et al. 2025).

    Its weights come with four bits each; they are widened once to bfloat16 in our cache
    (269 MB) and verified at every load.
    """

    name = SMALL

    def __init__(self, max_new_tokens: int = 64):
        import torch
        import transformers

        transformers.utils.logging.disable_progress_bar()
        folder = converted_folder()
        self.max_new_tokens = max_new_tokens
        self.tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
        self.model = transformers.LlamaForCausalLM.from_pretrained(
            folder, dtype=torch.bfloat16
        ).eval()
        for layer in self.model.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.forward = functools.partial(_widened, layer)

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def __call__(self, question: str, passages: Sequence) -> str:
        import torch

        prompt = self.tokenizer.apply_chat_template(
            chat(question, passages),
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        with torch.inference_mode():
            ids = self.model.generate(
                **prompt,
                max_new_tokens=self.max_new_tokens,
                do_sample=False,
                pad_token_id=self.tokenizer.eos_token_id,
            )
        return self.tokenizer.decode(
            ids[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True
        ).strip()


def _widened(layer, x):
    """A linear layer kept in bfloat16; for several tokens at once it works in float32,
    as most laptops lack fast bfloat16 products.
    """
    import torch

    if x.shape[-2] == 1:
        return torch.nn.functional.linear(x, layer.weight, layer.bias)
    return torch.nn.functional.linear(x.float(), layer.weight.float()).to(x.dtype)


def converted_folder() -> Path:
    """Folder with SmolLM2 in bfloat16, made from the verified four-bit file at the
    first call; raises ModelNotFoundError without that file.
    """
    source = model_folder(SMALL) / model_spec(SMALL).weights
    folder = source.parent / "bfloat16"
    weights = folder / "model.safetensors"
    if weights.is_file():
        with open(weights, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == CONVERTED_SHA256:
                return folder
    say(f"widening {SMALL} to bfloat16 (once, some seconds)")
    return _convert(source, folder)


def _convert(source: Path, folder: Path) -> Path:
    """Read llama.cpp's file format: settings, byte-pair tokenizer and weights."""
    import torch
    import transformers
    from gguf import GGUFReader, dequantize
    from safetensors.torch import save_file
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    reader = GGUFReader(source)
    get = {
        key: field.contents()
        for key, field in reader.fields.items()
        if not key.startswith("GGUF.")
    }
    heads = get["llama.attention.head_count"]
    groups = get["llama.attention.head_count_kv"]
    config = transformers.LlamaConfig(
        vocab_size=get["llama.vocab_size"],
        hidden_size=get["llama.embedding_length"],
        intermediate_size=get["llama.feed_forward_length"],
        num_hidden_layers=get["llama.block_count"],
        num_attention_heads=heads,
        num_key_value_heads=groups,
        rms_norm_eps=1e-5,
        max_position_embeddings=get["llama.context_length"],
        rope_theta=get["llama.rope.freq_base"],
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        dtype="bfloat16",
        architectures=["LlamaForCausalLM"],
    )
    config.save_pretrained(folder)

    tokens = get["tokenizer.ggml.tokens"]
    bpe = Tokenizer(
        models.BPE(
            {t: i for i, t in enumerate(tokens)},
            [tuple(m.split(" ")) for m in get["tokenizer.ggml.merges"]],
        )
    )
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens(
        [
            AddedToken(t, special=True)
            for t, kind in zip(tokens, get["tokenizer.ggml.token_type"])
            if kind == 3
        ]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        chat_template=get["tokenizer.chat_template"],
    ).save_pretrained(folder)

    names = {
        "token_embd": "embed_tokens",
        "output_norm": "norm",
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    weights = {}
    for tensor in reader.tensors:
        # "blk.3", "attn_q"
        block, part = tensor.name.removesuffix(".weight").rpartition(".")[::2]
        values = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        if part in ("attn_q", "attn_k"):  # llama.cpp interleaves the rotary pairs
            values = (
                values.view(
                    heads if part == "attn_q" else groups, -1, 2, values.shape[1]
                )
                .transpose(1, 2)
                .reshape(values.shape)
            )
        prefix = f"model.layers.{block[4:]}." if block else "model."
        weights[f"{prefix}{names[part]}.weight"] = values.to(
            torch.bfloat16
        ).contiguous()
    with atomic_path(folder / "model.safetensors") as partial:
        save_file(weights, partial, metadata={"format": "pt"})
    return folder
