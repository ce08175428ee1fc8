"""Rerank without PyTorch: NumPy, onnxruntime and tokenizers are all that this needs.

    python rerank.py "a question" lines.txt

`qrr export --edge FOLDER` puts this file beside an embedder in 8 bits, its tokenizer
and a map from token vectors to states of qubits (lessons 04 and 09).
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


class EdgeReranker:
    """What a folder of `qrr export --edge` holds, ready to be asked."""

    def __init__(self, folder=None, threads: int = 0):
        folder = Path(folder or Path(__file__).parent)
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        self.levels, self.stretch = 2 ** about["bits"], about["stretch"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(about["max_length"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False  # gives memory back after each text
        self.session = onnxruntime.InferenceSession(
            str(folder / "embedder.onnx"),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],  # faster without
        )
        with np.load(folder / "map.npz") as file:
            self.mean, self.directions = file["mean"], file["directions"]

    def embed(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """A text's vector (D,) and those of its T tokens (T, D), all of norm 1."""
        ids = np.array([self.tokenizer.encode(text).ids])
        rows = self.session.run(None, {"input_ids": ids})[0][0]
        return _unit(rows.mean(axis=0)), _unit(rows[1:-1])

    def states(self, tokens: np.ndarray) -> np.ndarray:
        """Token vectors (T, D) → Bloch vectors of n qubits each, (T, 3n), from angles
        in as few bits as the library keeps.
        """
        u = np.tanh(self.stretch * ((tokens - self.mean) @ self.directions))
        step = np.floor((u + 1) * (self.levels / 2)).clip(0, self.levels - 1) + 0.5
        theta, gamma = np.split(step * np.float32(np.pi / self.levels), 2, axis=1)
        x, y = np.sin(theta) * np.cos(2 * gamma), np.sin(theta) * np.sin(2 * gamma)
        return np.concatenate([x, y, np.cos(theta)], axis=1)

    def rerank(self, query: str, documents: list[str], alpha: float = 0.15):
        """[(position in `documents`, score)], best first; the score is alpha · cosine +
        (1 - alpha) · MaxSim of the tokens' local fidelities.
        """
        vector, tokens = self.embed(query)
        asked = self.states(tokens)
        scored = []
        for place, text in enumerate(documents):
            own, tokens = self.embed(text)
            similar = 0.0
            if len(asked) and len(tokens):
                inner = asked @ self.states(tokens).T / (asked.shape[1] / 3)
                similar = float(((1 + inner) / 2).max(axis=1).mean())
            scored.append((place, alpha * float(own @ vector) + (1 - alpha) * similar))
        return sorted(scored, key=lambda one: -one[1])


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.maximum(lengths, 1e-12)


def main(query: str, path: str) -> None:
    """Print the lines of a text file, best first."""
    text = Path(path).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip()]
    for place, score in EdgeReranker().rerank(query, lines):
        print(f"{score:.4f}  {lines[place]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
