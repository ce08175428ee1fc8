"""Train the heads that come with the course corpus: data/heads/*.safetensors, each with
its origin in the file.

    # both models, one qubit and 64 qubits; about a minute in all
    python tools/course_heads.py

Trained on the train split; the dev split, which shares no relevant passage with it,
chooses α. The weights are those of the last epoch: 28 dev queries cannot tell epochs
apart, and where dev prefers cosine alone (α = 1) the file says so. Test queries choose
nothing.
"""

import argparse
import datetime
import hashlib
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {"epochs": 20, "batch_size": 16, "lr": 1e-3, "patience": 20, "seed": 0}
ALPHAS_SHOWN = (0.5, 0.9)


def corpus_hash() -> str:
    """SHA-256 over the corpus's texts, queries and judgements."""
    files = sorted((ROOT / "data" / "course").glob("*.jsonl")) + sorted(
        (ROOT / "data" / "course" / "qrels").glob("*.tsv")
    )
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()


def train_one(name: str, embedder, collection) -> None:
    """Train one head, measure it on both test splits, save it."""
    from qrr_lib.learn import candidate_similarity, compare, train_head
    from qrr_lib.rank import embed_collection, judged_candidates
    from tools.bench.arms import make_arm

    vectors = embed_collection(embedder, collection)
    arm = make_arm(name, embedder.dim, SETTINGS["seed"])
    result = train_head(
        arm.head,
        vectors,
        collection,
        similarity=arm.similarity,
        scale=arm.scale,
        **SETTINGS,
    )
    alpha, figures = result.use("last"), {}
    for split in ("test_known", "test_new"):
        judged = collection.qrels[split]
        found = judged_candidates(vectors, collection, judged)
        states = candidate_similarity(arm.head, arm.similarity, vectors, found)
        both, alone = found.with_signal("states", states), found.run(1.0)
        figures[split] = {"cosine": round(float(found.ndcg(found.cosine).mean()), 4)}
        for a in sorted({alpha, *ALPHAS_SHOWN}):
            difference = compare(both.run(a), alone, judged)
            figures[split][f"alpha {a} less cosine"] = str(difference)
    about = {
        "arm": name,
        "similarity": arm.similarity,
        "model": embedder.name,
        "sha256_of_model": embedder.spec.sha256,
        "sha256_of_corpus": corpus_hash(),
        "training_queries": len(collection.qrels["train"]),
        **SETTINGS,
        "alpha_chosen_on_dev": alpha,
        "seconds_of_training": round(result.seconds, 1),
        "nDCG@10": figures,
        "date": datetime.date.today().isoformat(),
        "torch": version("torch"),
        "how": "python tools/course_heads.py",
    }
    path = ROOT / "data" / "heads" / f"course_{name}_{embedder.name}.safetensors"
    arm.head.save(path, about)
    path.chmod(0o644)
    print(path.name, path.stat().st_size, alpha, figures, f"{result.seconds:.1f} s")


def main() -> None:
    """Train all four."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    import torch

    from qrr_lib import TextEmbedder, load_collection

    torch.set_num_threads(1)
    collection = load_collection("course")
    for model in ("all-mpnet-base-v2", "all-MiniLM-L6-v2"):
        for name in ("one_qubit", "qubits_64"):
            train_one(name, TextEmbedder(model), collection)


if __name__ == "__main__":
    main()
