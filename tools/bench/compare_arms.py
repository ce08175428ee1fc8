"""Rivals that `tools.bench.compare` sets beside token states: coarser codes, fewer
tokens, pooled vectors of fewer bytes.
"""

import numpy as np

from tools.bench.tokens_arms import Full, Projected, Quantised, Qubits

SHIPPED = "64 qubits, 4 bits, shipped map"
FITTED = "64 qubits, 4 bits, map of the collection"
FULL = "full token vectors"
CHUNKS = "late chunks of 32 tokens"


class FewerTokens:
    """Token pooling (Clavié, Chaffin & Adams 2024, arXiv:2409.14683): a document's
    tokens are clustered (Ward) down to a half, a cluster is stored as its mean.
    """

    def __init__(self, arm):
        self.arm = arm

    def fit(self, sample):
        self.arm.fit(sample)
        self.bytes = self.arm.bytes / 2  # a token of the text

    def merged(self, tokens: np.ndarray) -> np.ndarray:
        """(T, D) → (⌈T/2⌉, D), rows of norm 1."""
        from scipy.cluster.hierarchy import fcluster, linkage

        wanted = (len(tokens) + 1) // 2
        if wanted < 2:
            return tokens[:wanted]
        label = fcluster(linkage(tokens, "ward"), wanted, "maxclust") - 1
        sums = np.zeros((label.max() + 1, tokens.shape[1]), dtype=np.float32)
        np.add.at(sums, label, tokens)
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)

    def side(self, side):
        """(stored tokens, offsets) of all documents."""
        kept, way = vars(side).setdefault("merged", {}), type(self)
        if way not in kept:  # once for all that store them
            parts = [
                self.merged(side.tokens[a:b].astype(np.float32))
                for a, b in zip(side.offsets, side.offsets[1:])
            ]
            offsets = np.cumsum([0, *map(len, parts)])
            kept[way] = np.concatenate(parts).astype(np.float16), offsets
        tokens, offsets = kept[way]
        blocks = range(0, len(tokens), 65_536)
        made = [self.arm.docs(tokens[i : i + 65_536].astype("f4")) for i in blocks]
        return np.concatenate(made), offsets

    def queries(self, x):
        return self.arm.queries(x)

    def similar(self, q, d):
        return self.arm.similar(q, d)


class LateChunks(FewerTokens):
    """Late chunking (Günther et al. 2024, arXiv:2409.04701): a text is stored as the
    means of `size` tokens each, and the query, one vector, takes the nearest.
    """

    size = 32

    def fit(self, sample):
        self.arm.fit(sample)
        self.bytes = self.arm.bytes / self.size  # a token of the text

    def merged(self, tokens: np.ndarray) -> np.ndarray:
        """(T, D) → (⌈T/size⌉, D), rows of norm 1."""
        starts = np.arange(0, len(tokens), self.size)
        sums = np.add.reduceat(tokens, starts) if len(tokens) else tokens
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)

    def queries(self, x):
        """Every token of the query stands for their mean."""
        mean = x.mean(axis=0)
        return np.broadcast_to(mean / np.linalg.norm(mean), x.shape)


def token_arms(model: str, dim: int) -> dict:
    """{name: way to store a token}; with the default model, whose vectors are twice as
    wide, only the first four.
    """
    arms = {
        SHIPPED: Qubits(64, 0.8, source="shipped", model=model, bits=4),
        FITTED: Qubits(64, 0.8, bits=4),
        FULL: Full(),
        CHUNKS: LateChunks(Full()),
    }
    if dim < 512:
        coded = FewerTokens(Qubits(64, 0.8, bits=4))
        arms |= {
            "128 principal numbers of 4 bits": Projected(128, bits=4),
            "product quantisation, 64 bytes": Quantised(64),
            "256 principal numbers of 2 bits": Projected(256, bits=2),
            f"{dim} principal numbers of 1 bit": Projected(dim, bits=1),
            "full token vectors, half as many": FewerTokens(Full()),
            "64 qubits, 4 bits, half as many": coded,
        }
    return arms


def pooled_arms(docs: np.ndarray, queries: np.ndarray) -> dict[str, tuple]:
    """{name: (scores (Q, N), bytes a text)} of pooled vectors (N, D), as they are and
    as Sentence Transformers quantises them; queries stay as they are.
    """
    from sentence_transformers.util.quantization import quantize_embeddings

    whole = quantize_embeddings(docs, precision="int8").astype(np.float32)
    low, high = docs.min(axis=0), docs.max(axis=0)  # int8: 255 steps between the two
    whole = (whole + 128) * (high - low) / 255 + low
    bits = quantize_embeddings(docs, precision="ubinary")
    signs = np.unpackbits(bits, axis=1).astype(np.float32) * 2 - 1
    dim = docs.shape[1]
    return {
        "cosine": (queries @ docs.T, 4 * dim),
        "cosine, int8": (queries @ whole.T, dim),
        "cosine, 1 bit a number": (queries @ signs.T, dim // 8),
    }
