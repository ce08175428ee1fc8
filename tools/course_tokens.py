"""Write data/maps/ (a QubitMap per model, fitted to the token vectors of the course
corpus) and data/course/tokens/ (codes of all its texts).

    # both models; minutes with MiniLM, longer with mpnet
    python tools/course_tokens.py
    python tools/course_tokens.py all-MiniLM-L6-v2

No labels are used: the map is principal component analysis of the corpus's own tokens,
a random rotation (seed 0) and a scale.
"""

import argparse

from qrr_lib.embed.models import EMBEDDING_MODELS


def write(models: list[str]) -> None:
    """Encode, fit, code, write."""
    import numpy as np

    from qrr_lib import TextEmbedder, load_collection
    from qrr_lib.encode.qubit_map import QubitMap
    from qrr_lib.files import data_dir, say
    from qrr_lib.rank.scorer import Scorer
    from qrr_lib.rank.states import States, write_shipped

    collection = load_collection("course")
    texts = collection.texts() + list(collection.queries.values())
    for model in models:
        embedder = TextEmbedder(model)
        encoded = []
        for start in range(0, len(texts), 64):
            encoded += embedder.encode_with_tokens(texts[start : start + 64])
            say(f"{model}: {len(encoded)} of {len(texts)} texts")
        passages = encoded[: len(collection.docs)]
        qubits = QubitMap(64, bits=4).fit(
            np.concatenate([text.tokens for text in passages])
        )
        qubits.save(
            data_dir() / "maps" / f"qubits_64_{model}.safetensors",
            {
                "model": model,
                "model_sha256": embedder.spec.sha256,
                "fitted to": "token vectors of the course corpus's passages",
                "tokens": sum(len(text.tokens) for text in passages),
                "how": "python tools/course_tokens.py",
            },
        )
        scorer = Scorer(qubits, per="token")
        states = States.of(
            [scorer.encode(text.tokens) for text in encoded],
            [text.token_ids for text in encoded],
        )
        write_shipped(
            data_dir() / "course" / "tokens" / f"{model}.npz",
            texts,
            states,
            scorer.codec.belongs_to(embedder),
        )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help=f"one of {', '.join(EMBEDDING_MODELS)} (default: both)",
    )
    models = parser.parse_args().models
    if unknown := set(models) - set(EMBEDDING_MODELS):
        parser.error(
            f"unknown model {', '.join(sorted(unknown))}; choose from "
            f"{', '.join(EMBEDDING_MODELS)}"
        )
    write(models or EMBEDDING_MODELS)


if __name__ == "__main__":
    main()
