"""What runs in processes of its own, to be killed, starved or attacked.

They are forked from a server process that has imported everything (`start`), so that
a trial costs milliseconds; Windows cannot fork, and the campaign says so there.
"""

import multiprocessing
import os
import socket
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ToyEmbedder

from qrr_lib import FaissRetriever, QubitAnglePredictor, Reranker, Scorer, TextEmbedder
from qrr_lib.embed.cache import EmbeddingCache
from qrr_lib.embed.models import model_spec
from qrr_lib.encode.angles import course_head

try:
    FORKS = multiprocessing.get_context("forkserver")
    FORKS.set_forkserver_preload(["faults.victims", "qrr_lib.serve.server"])
except ValueError:
    FORKS = None
LIGHT = "all-MiniLM-L6-v2"
TESTS = Path(__file__).resolve().parents[1]


def start(job, *arguments):
    """Run a function of this package in a process of its own."""
    process, before = (
        FORKS.Process(target=job, args=arguments, daemon=True),
        sys.path[:],
    )
    with pytest.MonkeyPatch.context() as patch:  # where the server looks for modules
        own = [str(TESTS), str(TESTS.parent), str(TESTS.parent / "tools"), *before]
        patch.setenv("PYTHONPATH", os.pathsep.join(own))
        process.start()
    return process


# what is saved: a number goes in, and comes out again


def save_head(path: Path, number: int) -> None:
    """A head whose weights are `number`."""
    head = QubitAnglePredictor(384, seed=0)
    torch.nn.init.constant_(head.layers[0].bias, number)
    head.save(path)


def load_head(path: Path) -> int:
    return int(QubitAnglePredictor.load(path).layers[0].bias[0])


def save_index(path: Path, number: int) -> None:
    """A FAISS index with an id `number`."""
    retriever = FaissRetriever("flat")
    ids = [f"{number}", *(f"other {i}" for i in range(2000))]
    retriever.add(ids, np.ones((len(ids), 384), dtype=np.float32))
    retriever.save(path)


def load_index(path: Path) -> int:
    return int(FaissRetriever.load(path).ids[0])


KINDS = {"head": (save_head, load_head), "FAISS index": (save_index, load_index)}


def keep_saving(kind: str, path: str, told) -> None:
    """Save 1, 2, … to one path; say what has been saved."""
    torch.set_num_threads(1)
    for number in range(1, 100_000):
        KINDS[kind][0](Path(path), number)
        told.send(number)


def vector_of(number: int) -> np.ndarray:
    return np.full(384, number, dtype=np.float32)


def keep_caching(cache: str, first: int, told) -> None:
    """Store a vector after the other; say which are stored."""
    os.environ["QRR_CACHE_DIR"] = cache
    embeddings = EmbeddingCache(model_spec(LIGHT))
    embeddings.shipped = {}
    for number in range(first, first + 100_000):
        embeddings.put({number.to_bytes(32, "big"): vector_of(number)})
        told.send(number)


# a service


class SlowToy(ToyEmbedder):
    """Takes its time."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def encode(self, texts, batch_size=32, progress=None):
        time.sleep(self.seconds)
        return super().encode(texts)


def serve(port: int, model: str, log: str, options: dict) -> None:
    """A service; each query that is computed is a line in `log`.

    `options`: "seconds" (of a slow toy's work), "head" and "body" (seconds that a
    client has), "stop" (seconds at the end), "handles" (of this process).
    """
    from qrr_lib.serve import gate, server
    from qrr_lib.serve.service import create_app

    torch.set_num_threads(1)
    server.HEAD_SECONDS = options.get("head", server.HEAD_SECONDS)
    gate.BODY_SECONDS = options.get("body", gate.BODY_SECONDS)
    server.STOP_SECONDS = options.get("stop", server.STOP_SECONDS)
    if "handles" in options:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (options["handles"], hard))
    if model == "toy":
        embedder, head = SlowToy(options.get("seconds", 0.0)), QubitAnglePredictor(26)
    else:
        embedder = TextEmbedder(model, cache=False)
        head = course_head(model)[0]
    mode = Reranker(embedder, Scorer(head), alpha=0.5)
    mode.rank("warm", ["up"])
    rank_many = mode.rank_many

    def noted(asked):
        with open(log, "a", encoding="utf-8") as lines:
            lines.writelines(f"{query}\n" for query, _ in asked)
        return rank_many(asked)

    mode.rank_many = noted
    app = create_app({"only": mode})
    with open(f"{log}.stderr", "w", encoding="utf-8") as said:
        os.dup2(said.fileno(), 2)
        os.dup2(said.fileno(), 1)
    server.server_of(app, "127.0.0.1", port, log_level="warning").run()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
