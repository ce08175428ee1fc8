"""The course corpus as a service: `qrr serve` (lesson 13)."""

from __future__ import annotations

import os

import uvicorn

from qrr_lib.embed.collection import load_collection
from qrr_lib.embed.embedder import TextEmbedder
from qrr_lib.encode.heads import course_head
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.rank.reranker import HybridReranker
from qrr_lib.rank.scorer import StateScorer
from qrr_lib.rank.token_scorer import TokenScorer
from qrr_lib.serve.service import create_app


def course_modes(
    embedder=None,
) -> tuple[dict[str, HybridReranker], dict[str, str], dict[str, str]]:
    """Rerankers over the course corpus, its texts, and a sentence about each mode: what
    `create_app` wants. Late interaction comes first.

    `embedder` is a TextEmbedder, the name of a model, or None for the default one. Its
    weights are loaded here, once for all modes.
    """
    collection = load_collection("course")
    embedder = (
        embedder if isinstance(embedder, TextEmbedder) else TextEmbedder(embedder)
    )
    head, _ = course_head(embedder.name, "qubits_64")
    one_state = StateScorer(head, similarity="local_fidelity")
    modes = {
        "late-interaction": HybridReranker(
            embedder, TokenScorer(QubitMap.shipped(embedder.name))
        ),
        "one-state": HybridReranker(embedder, one_state, alpha=0.5),
        "cosine": HybridReranker(embedder, one_state, alpha=1.0),
    }
    # what clients send is not written to disk
    live = TextEmbedder(embedder.name, cache=False)
    live._model = embedder.model  # one copy of the weights
    for mode in modes.values():
        mode.index(collection).embedder = live
    notes = {
        "late-interaction": "one state of 64 qubits per token, no training (lesson 09)",
        "one-state": "one state of 64 qubits per text, trained head; the development "
        "queries preferred cosine alone (lesson 08)",
        "cosine": "cosine of the pooled embeddings, no states",
    }
    return modes, {key: doc.full for key, doc in collection.docs.items()}, notes


def serve(host: str = "127.0.0.1", port: int = 8000, model: str | None = None) -> None:
    """Serve the course corpus until Ctrl-C or SIGTERM (`qrr serve`).

    A token is read from the environment variable QRR_TOKEN.
    """
    modes, texts, notes = course_modes(model)
    local = host in ("127.0.0.1", "localhost", "::1")
    app = create_app(
        modes,
        texts,
        os.environ.get("QRR_TOKEN"),
        hosts=("127.0.0.1", "localhost") if local else ("*",),
        notes=notes,
    )
    uvicorn.run(app, host=host, port=port, timeout_graceful_shutdown=10)
