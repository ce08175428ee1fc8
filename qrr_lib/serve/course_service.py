"""The course corpus as a service: `qrr serve` (lesson 13)."""

from qrr_lib.embed.collection import load_collection
from qrr_lib.embed.embedder import TextEmbedder
from qrr_lib.encode.angles import course_head
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.rank.reranker import Reranker
from qrr_lib.rank.scorer import Scorer
from qrr_lib.rank.union import Union
from qrr_lib.serve.server import hosts_of, server_of, token_for
from qrr_lib.serve.service import create_app


def course_modes(
    embedder=None,
) -> tuple[dict[str, Reranker], dict[str, str], dict[str, str]]:
    """Rerankers over the course corpus, its texts, and a sentence about each mode: what
    `create_app` wants. Words, vectors and token states together come first.

    `embedder` is a TextEmbedder, the name of a model, or None for the default one. Its
    weights are loaded here, once for all modes.
    """
    collection = load_collection("course")
    if not isinstance(embedder, TextEmbedder):
        embedder = TextEmbedder(embedder)
    head, _ = course_head(embedder.name, "qubits_64")
    one_state = Scorer(head, "local_fidelity")
    tokens = Scorer(QubitMap.shipped(embedder.name), per="token")
    modes = {
        "hybrid": Reranker(embedder, tokens, Union()),
        "late-interaction": Reranker(embedder, tokens),
        "one-state": Reranker(embedder, one_state, alpha=0.5),
        "cosine": Reranker(embedder, one_state, alpha=1.0),
    }
    live = embedder.with_cache(False)  # what clients send is not written to disk
    for mode in modes.values():
        mode.index(collection).embedder = live
    notes = {
        "hybrid": "candidates by words and vectors, ordered by words, cosine and "
        "token states (lesson 09)",
        "late-interaction": "one state of 64 qubits per token, no training (lesson 09)",
        "one-state": "one state of 64 qubits per text, trained head; the development "
        "queries preferred cosine alone (lesson 08)",
        "cosine": "cosine of the pooled embeddings, no states",
    }
    return modes, {key: doc.full for key, doc in collection.docs.items()}, notes


def serve(host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve the course corpus until Ctrl-C or SIGTERM (`qrr serve`).

    A token is read from the environment variable QRR_TOKEN.
    """
    token = token_for(host)
    modes, texts, notes = course_modes()
    app = create_app(modes, texts, token, hosts=hosts_of(host), notes=notes)
    server_of(app, host, port).run()
