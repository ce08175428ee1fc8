"""Write data/course/embeddings/MODEL.npz for both embedding models, so that a class
starts in seconds.

    python tools/corpus_embeddings.py

Each file holds `keys` (SHA-256 of a text), `vectors` (float16, unit length before
rounding) and `weights` (the model's SHA-256). `TextEmbedder` uses a vector only if both
hashes match: an edited passage is simply computed anew.
"""

import argparse

from qrr_lib.embed.models import EMBEDDING_MODELS, MODELS


def main() -> None:
    """Embed every passage and query of the course corpus with every embedding model."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    import numpy as np

    from qrr_lib import TextEmbedder, load_collection
    from qrr_lib.embed.cache import text_key
    from qrr_lib.files import atomic_path, data_dir

    collection = load_collection("course")
    texts = collection.texts() + list(collection.queries.values())
    for name in EMBEDDING_MODELS:
        vectors = (
            TextEmbedder(name, cache=False)
            .encode(texts, progress=True)
            .astype(np.float16)
        )
        with atomic_path(
            data_dir() / "course" / "embeddings" / f"{name}.npz"
        ) as partial:
            np.savez_compressed(
                partial,
                keys=np.array([text_key(t) for t in texts], dtype="V32"),
                vectors=vectors,
                weights=MODELS[name].sha256,
            )
        print(f"{name}: {len(texts)} texts")


if __name__ == "__main__":
    main()
