"""States inside Sentence Transformers: with one module more, its models, evaluators and
losses work on states (lessons 06, 07 and 09).

A dot product of two outputs is the similarity of two states, but for a constant:
`Similarity.fold` has the numbers, and lesson 14 derives them.

Sentence Transformers is Reimers & Gurevych's (2019), MaxSim Khattab & Zaharia's (2020).
"""

from itertools import chain
from pathlib import Path
from typing import Self

import torch
from sentence_transformers.base.modules import Module
from torch.nn.functional import normalize

from qrr_lib.encode.angles import check_vectors, load_source, save_source
from qrr_lib.encode.similarity import similarity_named

ANGLES_FILE = "angles.safetensors"
WHERE = ("subfolder", "token", "cache_folder", "revision", "local_files_only")


class QubitStates(Module):
    """Vectors → states, written as vectors for a dot product: (…, D) → (…, width).

    An output is o = √(1 − c)·φ, at most √(1 − c) long, and o·o' + c is the similarity
    of two states, in [0, 1]. Behind Pooling, a text's vector becomes one state
    (`sentence_embedding`). Straight behind the Transformer, where texts have no vector
    of their own yet, every token's becomes one (`token_embeddings`). Vectors are scaled
    to length 1 first.

    Parameters
    ----------
    angles : AngleSource
        A head or a map for vectors as wide as the Transformer's. Gradients reach a
        head's weights; `model[0].requires_grad_(False)` leaves the Transformer as it
        is.
    similarity : str
        "local_fidelity" for any circuit: width 3n, c = ½. "fidelity" for at most four
        qubits: width 4ⁿ − 1, c = 2⁻ⁿ.

    Attributes
    ----------
    constant : float
        c.
    width : int
        Numbers in an output.

    Examples
    --------
    One state a text. Take "dot" here, and `similarity_fct=dot_score` where an evaluator
    or a loss has one: the library's default is cosine, which stretches states that are
    shorter because their qubits are entangled::

        embedder = TextEmbedder("all-MiniLM-L6-v2")
        states = QubitStates(course_head(embedder.name, "qubits_64")[0])
        modules = [*embedder.model, states]  # Transformer, Pooling, Normalize, ours
        model = SentenceTransformer(modules=modules, similarity_fn_name="dot")
        queries, texts = model.encode(["What is a qubit?"]), model.encode(["A spin."])
        model.similarity(queries, texts) + states.constant  # (1, 1), as a Scorer says

    One state a token. The mask drops what `TextEmbedder` drops, and similarity + c is
    that of a Scorer with per="token" and idf=False before it rounds angles to codes. (A
    Scorer gives 0 where a text has no tokens; the library gives such a document −10⁹,
    such a query c.)::

        states = QubitStates(QubitMap.shipped(embedder.name))
        tokenizer = embedder.model.tokenizer
        ends = [tokenizer.cls_token, tokenizer.sep_token]  # [CLS] [SEP], or <s> </s>
        mask = MultiVectorMask(ends, skiplist_tasks=["query", "document"])
        modules = [embedder.model[0], states, mask]
        model = MultiVectorEncoder(modules=modules, similarity_fn_name="meanmaxsim")

    `model.save_pretrained(folder)` keeps all of it. A folder names this class, and
    Sentence Transformers imports none of another package's unless the reader trusts the
    folder: `SentenceTransformer(folder, trust_remote_code=True)`, with this package
    installed.

    Arithmetic is float32, also under autocast; float16 and bfloat16 come out as they
    came in. `model.half()` rounds a head's weights as well: similarities are then off
    by up to 0.002, in bfloat16 by 0.014. Raises ValueError for what is no angle source,
    for a similarity that is no inner product (the overlap) or too long a one, and, when
    called, for a map that is not fitted, another width, NaN or infinity.
    """

    config_keys = ["similarity"]

    def __init__(self, angles, similarity: str = "local_fidelity"):
        super().__init__()
        if not hasattr(angles, "circuit"):
            raise ValueError(
                "QubitStates takes an angle source (a head or a QubitMap), not a "
                f"{type(angles).__name__}; of what course_head and load_source return, "
                "(head, provenance), take the head"
            )
        kind = similarity_named(similarity)
        self.angles, self.similarity = angles, similarity
        self.constant, self.width = kind.fold(angles.circuit.n_qubits)

    def forward(self, features: dict) -> dict:
        """Rewrite `sentence_embedding` (B, D) as (B, width); where there is none,
        `token_embeddings` (B, T, D) as (B, T, width).
        """
        pooled = "sentence_embedding" in features
        key = "sentence_embedding" if pooled else "token_embeddings"
        vectors = features[key]
        units = normalize(vectors.float(), dim=-1).flatten(0, -2)  # (rows, D)
        units = check_vectors(units, getattr(self.angles, "embedding_dim", None))
        weight = next(chain(self.parameters(), self.buffers()), units)
        kind = similarity_named(self.similarity)
        with torch.autocast(vectors.device.type, enabled=False):
            angles = self.angles(units.to(weight.dtype)).float()  # (rows, L, n, 2)
            rows = kind.rows(angles, self.angles.circuit, "torch")
            outputs = (1 - self.constant) ** 0.5 * kind.features(rows)  # (rows, width)
        outputs = outputs.view(*vectors.shape[:-1], self.width)
        features[key] = outputs.to(vectors.dtype)
        return features

    def get_embedding_dimension(self) -> int:
        """Numbers in an output."""
        return self.width

    def save(self, output_path: str, *args, **kwargs) -> None:
        """Write the similarity's name and the angle source, which has to be one that
        `save_source` takes.
        """
        self.save_config(output_path)
        save_source(self.angles, Path(output_path) / ANGLES_FILE)

    @classmethod
    def load(cls, model_name_or_path: str, **options) -> Self:
        """Read what `save` wrote, in a folder or on the Hub; errors as in
        `load_source`.
        """
        where = {name: options[name] for name in WHERE if name in options}
        path = cls.load_file_path(model_name_or_path, ANGLES_FILE, **where)
        if path is None:
            raise FileNotFoundError(
                f"{model_name_or_path} has no {ANGLES_FILE} for its QubitStates: save "
                "the model again with save_pretrained"
            )
        config = cls.load_config(model_name_or_path, **where)
        return cls(load_source(path)[0], **config)
