"""Sentence embeddings: text in, unit vectors out, each text paid for once (lesson 01).

A transformer turns a text into one vector per token; their mean, scaled to length 1, is
the sentence embedding (Reimers & Gurevych 2019). sentence-transformers does that; this
module adds the verified model, the cache and clear errors.
"""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import current_thread, main_thread
from typing import NamedTuple

import numpy as np

from qrr_lib.checks import checked_texts, one_of
from qrr_lib.embed.cache import EmbeddingCache, text_key
from qrr_lib.embed.finder import model_folder
from qrr_lib.embed.models import model_spec
from qrr_lib.files import say

PRECISIONS = ("fp32", "bf16", "int8", "auto")


class EncodedText(NamedTuple):
    """A text after one forward pass: `vector` (D,) and `tokens` (T, D), all of norm 1,
    and `token_ids` (T,), the word pieces' numbers.
    """

    vector: np.ndarray
    tokens: np.ndarray
    token_ids: np.ndarray


class TextEmbedder:
    """Embed texts with a verified sentence-transformers model.

    Parameters
    ----------
    model : str or None
        Name in `qrr_lib.embed.MODELS`; None takes `QRR_MODEL`, else all-mpnet-base-v2.
    device : str or None
        "cpu", "cuda", "mps"; None picks a GPU when there is one.
    cache : bool
        Keep embeddings on disk (and use those that come with the course), so that no
        text is embedded twice.
    precision : {"fp32", "bf16", "int8", "auto"}
        Of the arithmetic. "bf16" has 8 bits of mantissa, and is fast where the
        processor has instructions for it, slow elsewhere. "int8" multiplies integers of
        8 bits (on the CPU, by ONNX Runtime; exported once, which takes minutes). "auto"
        is bf16 where it is fast, else fp32. What each costs and saves:
        data/results/precision.json.

    Attributes
    ----------
    dim : int
        Embedding size D (768 for mpnet, 384 for MiniLM).
    precision : str
        The one in use: never "auto".

    The weights are loaded at the first text that is not cached. Derived in lesson 01.
    """

    def __init__(
        self,
        model: str | None = None,
        device: str | None = None,
        cache: bool = True,
        precision: str = "fp32",
    ):
        spec = model_spec(model)
        self.name, self.dim = spec.name, spec.dim
        self.precision = _precision(precision)
        marked = replace(spec, sha256=f"{self.precision}-{spec.sha256}")
        # states and indexes of int8 belong to int8; bf16 differs less than it matters
        self.spec = marked if self.precision == "int8" else spec
        self._device = "cpu" if self.precision == "int8" else device
        own = spec if self.precision == "fp32" else marked
        self._cache = EmbeddingCache(own) if cache else None

    @cached_property
    def model(self):
        """The `SentenceTransformer`, loaded once from a local, verified folder."""
        with ThreadPoolExecutor() as pool:  # verified while packages are imported
            folder = pool.submit(model_folder, self.name)
            import transformers
            from sentence_transformers import SentenceTransformer
        folder = str(folder.result())
        transformers.utils.logging.disable_progress_bar()
        made = SentenceTransformer(folder, device=self._device, local_files_only=True)
        if self.precision == "int8":
            from qrr_lib.embed.int8 import OnnxTransformer, int8_file

            name, theirs = next(made[0].named_children())
            path = int8_file(model_spec(self.name), Path(folder))
            setattr(made[0], name, OnnxTransformer(path, theirs.config))
        return made

    def with_cache(self, cache: bool) -> "TextEmbedder":
        """An embedder with these very weights (loaded now, if they are not yet) that
        keeps embeddings on disk; with False, one that reads and writes none: what the
        clients of a service send belongs to them.
        """
        other = TextEmbedder(self.name, self._device, cache, self.precision)
        other.model = self.model
        return other

    def with_precision(self, precision: str) -> "TextEmbedder":
        """This embedder, or one of another precision."""
        if precision == self.precision:
            return self
        cache = self._cache is not None
        return TextEmbedder(self.name, self._device, cache, precision)

    def encode(
        self, texts: list[str], batch_size: int = 32, progress: bool | None = None
    ) -> np.ndarray:
        """Embed texts.

        Parameters
        ----------
        texts : list of str
            None may be empty or blank.
        batch_size : int
            Texts per forward pass; long and short ones are sorted apart by
            sentence-transformers.
        progress : bool or None
            Show a bar; None shows one only when more than 64 texts must be computed,
            and not in a thread beside the main one (a service's).

        Returns
        -------
        (N, D) float32 array, rows of norm 1. Longer texts than the
        model's limit (384 or 256 tokens) are cut off by the model.
        """
        texts = checked_texts(texts)
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        keys = [text_key(text) for text in texts]
        found = self._cache.get(keys) if self._cache else {}
        missing = {key: text for key, text in zip(keys, texts) if key not in found}
        if progress is None:
            progress = len(missing) > 64 and current_thread() is main_thread()
        if missing:
            vectors = self._forward(
                list(missing.values()),
                batch_size,
                show_progress_bar=progress,
                normalize_embeddings=True,
            )
            fresh = dict(zip(missing, vectors.astype(np.float32)))
            if self._cache:
                self._cache.put(fresh)
            found |= fresh
        return np.stack([found[key] for key in keys])

    def encode_with_tokens(
        self, texts: list[str], batch_size: int = 8, progress: bool = False
    ) -> list[EncodedText]:
        """Embed texts and each of their tokens in one forward pass: one `EncodedText` a
        text. Not cached (lesson 09). A processor is as fast with 8 texts at a time as
        with 32, and needs far less memory.

        A text of T word pieces has T token vectors, at most the model's limit less two;
        special tokens are dropped. A text of characters that the model does not know at
        all (zero-width ones, say) has none.
        """
        texts = checked_texts(texts)
        if not texts:
            return []
        outputs = self._forward(
            texts, batch_size, show_progress_bar=progress, output_value=None
        )
        return [_normalised(output) for output in outputs]

    def _forward(self, texts: list[str], batch_size: int, **options):
        """What the model says, in this precision. In int8 each text goes alone: a scale
        that neighbours and padding took part in would change its vector.
        """
        model, half = self.model, contextlib.nullcontext()
        if self.precision == "bf16":
            import torch

            half = torch.autocast(model.device.type, torch.bfloat16)
        batch_size = 1 if self.precision == "int8" else batch_size
        with half:
            return model.encode(texts, batch_size=batch_size, **options)

    def encode_tokens(
        self, texts: list[str], batch_size: int = 8, progress: bool = False
    ) -> list[np.ndarray]:
        """Embed every token in its context: a list of (T, D) float32 arrays, rows of
        norm 1, special tokens dropped.
        """
        encoded = self.encode_with_tokens(texts, batch_size, progress)
        return [text.tokens for text in encoded]

    def token_strings(self, token_ids) -> list[str]:
        """Word pieces by their numbers, as the tokenizer writes them ("##" continues a
        word).
        """
        return self.model.tokenizer.convert_ids_to_tokens([int(i) for i in token_ids])

    def is_cut(self, text: str) -> bool:
        """True if the text has more word pieces than the model reads."""
        [text] = checked_texts([text])
        pieces = self.model.tokenizer(text, truncation=False, verbose=False)
        return len(pieces["input_ids"]) > self.model.max_seq_length


def _precision(asked: str) -> str:
    """The precision to use; says where bf16 will be slow."""
    one_of("precision", asked, PRECISIONS)
    if asked in ("fp32", "int8"):
        return asked
    import torch

    known = getattr(torch.cpu, "get_capabilities", dict)()
    fast = torch.cuda.is_available() and torch.cuda.is_bf16_supported(False)
    fast = fast or any(here for name, here in known.items() if "bf16" in name)
    if asked == "bf16" and not fast:
        say("no instructions for bf16 were found here: it will be slower than fp32")
    return "bf16" if fast or asked == "bf16" else "fp32"


def _normalised(output: dict) -> EncodedText:
    """What the model says about one text, without padding and special tokens."""
    # first and last are <s> and </s> ([CLS] and [SEP])
    real = slice(1, int(output["attention_mask"].sum()) - 1)
    vector = output["sentence_embedding"].float().cpu().numpy()
    tokens = output["token_embeddings"][real].float().cpu().numpy()
    lengths = np.maximum(np.linalg.norm(tokens, axis=1, keepdims=True), 1e-12)
    token_ids = output["input_ids"][real].cpu().numpy()
    return EncodedText(vector / np.linalg.norm(vector), tokens / lengths, token_ids)
