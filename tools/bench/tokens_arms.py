"""Token vectors of a collection on disk, and the ways of storing a token that
tools.bench.tokens compares.
"""

import json
from pathlib import Path

import numpy as np
import torch

from qrr_lib.encode.backends import encode
from qrr_lib.encode.circuit import Circuit
from qrr_lib.encode.heads import QubitAnglePredictor
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.files import say
from qrr_lib.rank.codecs import FIT_TOKENS
from qrr_lib.rank.scorer import Scorer
from tools.bench.geometric import GeometricFidelity


def make_cache(
    folder: Path, docs: dict[str, str], queries: dict[str, str], embedder
) -> None:
    """Write the token vectors (float16), token ids and embeddings of documents and
    queries into a folder; what is there already is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for side, texts in (("queries", queries), ("docs", docs)):
        if (folder / f"{side}.npy").exists():
            continue
        names = list(texts)
        order = sorted(texts, key=lambda key: -len(texts[key]))
        done = {}
        for start in range(0, len(order), 256):
            block = order[start : start + 256]
            for key, text in zip(
                block, embedder.encode_with_tokens([texts[key] for key in block])
            ):
                done[key] = text._replace(tokens=text.tokens.astype(np.float16))
            say(f"{folder.name}: {len(done)} of {len(order)} {side}")
        np.save(folder / f"{side}_len.npy", [len(done[key].tokens) for key in names])
        np.save(
            folder / f"{side}_ids.npy",
            np.concatenate([done[key].token_ids for key in names]),
        )
        np.save(
            folder / f"{side}_vec.npy", np.stack([done[key].vector for key in names])
        )
        (folder / f"{side}_keys.json").write_text(json.dumps(names), encoding="utf-8")
        np.save(
            folder / "writing.npy", np.concatenate([done[key].tokens for key in names])
        )
        (folder / "writing.npy").rename(folder / f"{side}.npy")


class Side:
    """Documents or queries of a cache: memory-mapped token vectors (T, D) float16, cut
    at `offsets`.
    """

    def __init__(self, folder: Path, side: str):
        self.tokens = np.load(folder / f"{side}.npy", mmap_mode="r")
        self.offsets = np.concatenate(
            [[0], np.cumsum(np.load(folder / f"{side}_len.npy"))]
        ).astype(np.int64)
        self.token_ids = np.load(folder / f"{side}_ids.npy")
        self.keys = json.loads(
            (folder / f"{side}_keys.json").read_text(encoding="utf-8")
        )
        self.row = {key: i for i, key in enumerate(self.keys)}
        vec = folder / f"{side}_vec.npy"
        self.vectors = (
            dict(zip(self.keys, np.load(vec).astype(np.float32)))
            if vec.exists()
            else None
        )

    def sample(self, most: int = FIT_TOKENS) -> np.ndarray:
        """Tokens of randomly drawn texts, at least `most` if there are so many, as the
        library's scorer draws them: float32.
        """
        rows, parts = np.random.default_rng(0).permutation(len(self.keys)), []
        for row in rows:
            parts.append(
                self.tokens[self.offsets[row] : self.offsets[row + 1]].astype(
                    np.float32
                )
            )
            if sum(map(len, parts)) >= most:
                break
        return np.concatenate(parts)

    def encoded(self, encoder, block: int = 65_536) -> np.ndarray:
        """Every token through an arm's encoder, block by block."""
        parts = [
            encoder(self.tokens[i : i + block].astype(np.float32))
            for i in range(0, len(self.tokens), block)
        ]
        return np.concatenate(parts)


class Full:
    """Token vectors as they are, float16 on disk; similarity (1 + cosine)/2."""

    def fit(self, sample):
        self.bytes = 2 * sample.shape[1]

    def docs(self, x):
        return x.astype(np.float16)

    def queries(self, x):
        return x

    def similar(self, q, d):
        return 0.5 + 0.5 * (q.astype(np.float32) @ d.astype(np.float32).T)


class Projected(Full):
    """Centred, projected to `size` numbers (principal or random directions), scaled to
    length 1; `bits` a number, 16 meaning float16.

    8 bits: 255 levels up to the largest number of each coordinate. 4, 2 and 1 bits: 16,
    4 and 2 levels, as many standard deviations apart as lose least for normally
    distributed numbers (Max 1960, Quantizing for Minimum Distortion).
    """

    APART = {4: 0.3352, 2: 0.9957, 1: 1.5958}

    def __init__(self, size: int, principal: bool = True, bits: int = 16):
        self.size, self.principal, self.bits = size, principal, bits
        self.bytes = size * bits // 8

    def fit(self, sample):
        if self.principal:
            self.mean = sample.mean(axis=0)
            values, directions = np.linalg.eigh(np.cov((sample - self.mean).T))
            self.directions = directions[:, ::-1][:, : self.size].astype(np.float32)
        else:
            self.mean = np.zeros(sample.shape[1], dtype=np.float32)
            self.directions = (
                np.random.default_rng(0)
                .standard_normal((sample.shape[1], self.size))
                .astype(np.float32)
            )
        u = self.queries(sample)
        self.step = (
            np.abs(u).max(axis=0) / 127
            if self.bits == 8
            else np.float32(self.APART.get(self.bits, 1)) * u.std(axis=0)
        )

    def queries(self, x):
        u = (x - self.mean) @ self.directions
        return u / np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1e-12)

    def docs(self, x):
        u = self.queries(x)
        if self.bits == 16:
            return u.astype(np.float16)
        codes = (
            np.rint(u / self.step).clip(-127, 127)
            if self.bits == 8
            else np.floor(u / self.step).clip(
                -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
            )
        )
        return codes.astype(np.int8)

    def similar(self, q, d):
        d = d.astype(np.float32)
        if self.bits < 16:
            # the middle of a step: floor leaves its lower edge, rint the middle
            d = (d + np.float32(0.5 * (self.bits < 8))) * self.step
        return 0.5 + 0.5 * (q @ d.T)


class Quantised(Full):
    """Product quantisation (Jégou, Douze & Schmid 2011) of the full vectors, `size`
    bytes a token; the query stays as it is.
    """

    def __init__(self, size: int):
        self.bytes = size

    def fit(self, sample):
        import faiss

        self.pq = faiss.ProductQuantizer(sample.shape[1], self.bytes, 8)
        self.pq.train(np.ascontiguousarray(sample[:FIT_TOKENS]))

    def docs(self, x):
        return self.pq.compute_codes(np.ascontiguousarray(x))

    def similar(self, q, d):
        return 0.5 + 0.5 * (q @ self.pq.decode(d).T)


class Qubits:
    """Product states as angle codes: the library's own scorer.

    `source` "map", "shipped", "random" (projection) or "mlp" (untrained).
    """

    def __init__(
        self,
        n: int,
        scale: float = 0.6,
        similarity: str = "local_fidelity",
        source: str = "map",
        model: str = "",
        bits: int = 8,
    ):
        self.n = n
        self.scale = scale
        self.similarity = similarity
        self.source = source
        self.model = model
        self.bits = bits
        self.bytes = 2 * n * bits // 8

    def fit(self, sample):
        if self.source == "shipped":
            self.angles = QubitMap.shipped(self.model)
        elif self.source == "mlp":
            self.angles = QubitAnglePredictor(
                sample.shape[1], 256, Circuit(self.n), seed=0
            )
        else:
            self.angles = QubitMap(self.n, self.scale, bits=self.bits).fit(sample)
            if self.source == "random":
                d = (
                    np.random.default_rng(0)
                    .standard_normal((sample.shape[1], 2 * self.n))
                    .astype(np.float32)
                )
                # equal variance in all
                d *= np.sqrt(
                    self.angles_variance(sample)
                    / ((sample - sample.mean(axis=0)) @ d).var(axis=0).sum()
                )
                self.angles.directions = torch.as_tensor(d)
        self.scorer = Scorer(self.angles, self.similarity, per="token")

    def angles_variance(self, sample) -> float:
        """Variance of a map's u, all coordinates together."""
        return float(
            ((sample - sample.mean(axis=0)) @ self.angles.directions.numpy())
            .var(axis=0)
            .sum()
        )

    def docs(self, x):
        return self.scorer.encode(x)

    queries = docs

    def similar(self, q, d):
        return self.scorer.compare(q, d)


class Circuits(Qubits):
    """The angles of a 12-qubit map as a circuit of 6 qubits and 2 data layers,
    entangled or not; similarity F = |<q|d>|².
    """

    def __init__(self, entangler: str, scale: float = 0.6):
        super().__init__(12, scale)
        self.circuit = Circuit(6, 2, entangler)

    @torch.no_grad()
    def docs(self, x):
        return torch.cat(
            [
                encode(self.angles(part).reshape(-1, 2, 6, 2), self.circuit).to(
                    torch.complex64
                )
                for part in torch.as_tensor(x).split(8192)
            ]
        ).numpy()

    queries = docs

    def similar(self, q, d):
        inner = q.conj() @ d.T
        return inner.real**2 + inner.imag**2


OURS = "qubits 64, 4 bits"


def arms(model: str, scale: float = 0.8) -> dict:
    """{name: arm}; OURS is the recipe's own, and unless they say otherwise, names
    without bits mean one byte an angle.
    """
    return {
        OURS: Qubits(64, scale, bits=4),
        "qubits 8": Qubits(8, scale),
        "qubits 16": Qubits(16, scale),
        "qubits 32": Qubits(32, scale),
        "qubits 64": Qubits(64, scale),
        f"{OURS}, geometric mean": Qubits(64, scale, GeometricFidelity.name, bits=4),
        f"{OURS}, map of the course corpus": Qubits(
            64, scale, source="shipped", model=model, bits=4
        ),
        f"{OURS}, random projection": Qubits(64, scale, source="random", bits=4),
        "original head per token, untrained, 32 qubits": Qubits(32, source="mlp"),
        "full vectors": Full(),
        "PCA 128, half a byte a number": Projected(128, bits=4),
        "PCA 64, one byte a number": Projected(64, bits=8),
        "PCA 64, float16": Projected(64),
        "random projection 64, one byte a number": Projected(
            64, principal=False, bits=8
        ),
        "PCA 128, float16 (ColBERT's size)": Projected(128),
        "PQ 64 bytes": Quantised(64),
    }


def ablations(scale: float = 0.8) -> dict:
    """24 angles a token, three ways; for a part of the queries."""
    return {
        "24 angles, 12 product qubits": Qubits(12, scale),
        "24 angles, 6 qubits x 2 layers, no entangler": Circuits("none", scale),
        "24 angles, 6 qubits x 2 layers, cz_ring": Circuits("cz_ring", scale),
    }
