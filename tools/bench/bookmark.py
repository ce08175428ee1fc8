"""The bookmark control: no head at all, a bonus for every document that a training
query has found relevant.

    # after tools.bench.quality; writes data/results/bookmark_scifact.json
    python -m tools.bench.bookmark --collection scifact

One bit a document and one number, the bonus, chosen like α: on the dev split of each
setting, by the gain that it vouches for, 0 being allowed. Seeds, dev splits, candidates
and test queries are those of `tools.bench.quality`, whose file must be there: the
trained heads are compared with it.
"""

import argparse
import datetime
import json
from dataclasses import asdict

import numpy as np

from qrr_lib import load_collection
from qrr_lib.files import say
from qrr_lib.learn import cautious_gain, compare_values
from qrr_lib.learn.splits import relevant_documents
from qrr_lib.rank import JudgedCandidates
from tools.bench.quality import RESULTS, Bench, load_vectors

BONUSES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)


def scores(
    bench: Bench, candidates: JudgedCandidates, bonus: float, seed: int
) -> np.ndarray:
    """nDCG@10 of every query when documents that answered a training query of this seed
    get a bonus: (Q,).
    """
    marked = relevant_documents(bench.parts(seed)["train"])
    bit = np.array([doc in marked for doc in bench.c.docs], dtype=float)
    return candidates.ndcg(candidates.cosine + bonus * bit[candidates.rows])


def choose_bonus(bench: Bench, seed: int, setting: str) -> float:
    """The bonus that the dev split of a setting vouches for most."""
    dev = bench.found(bench.parts(seed)[f"dev_{setting}"])
    alone = dev.ndcg(dev.cosine)
    gains = {b: cautious_gain(scores(bench, dev, b, seed), alone) for b in BONUSES}
    return max(BONUSES, key=lambda bonus: (gains[bonus], -bonus))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collection", default="scifact")
    parser.add_argument("--vectors")
    args = parser.parse_args()
    collection = load_collection(args.collection)
    stored = RESULTS / f"quality_{collection.name}.json"
    quality = json.loads(stored.read_text(encoding="utf-8"))
    vectors = load_vectors(collection, args.vectors, quality["model"])
    bench = Bench(collection, vectors, quality["seeds"])
    rivals = quality["per_query_nDCG@10"]
    found = {
        "how": f"python -m tools.bench.bookmark --collection {collection.name}",
        "model": quality["model"],
        "seeds": quality["seeds"],
        "regimes": {name: list(part) for name, part in bench.regime.items()},
        "bonuses": BONUSES,
        "chosen": {},
        "table": {},
        "date": datetime.date.today().isoformat(),
    }
    marked = len(relevant_documents(bench.parts(0)["train"])) / len(collection.docs)
    found["share of documents marked (seed 0)"] = round(marked, 4)
    for setting in ("known", "new"):
        chosen = [choose_bonus(bench, seed, setting) for seed in bench.seeds]
        values = [
            scores(bench, bench.candidates, bonus, seed)
            for seed, bonus in enumerate(chosen)
        ]
        mine = dict(zip(bench.test, np.mean(values, axis=0).tolist()))
        found["chosen"][setting] = chosen
        for regime, queries in {**bench.regime, "all": bench.test}.items():
            cell = {"nDCG@10": round(float(np.mean([mine[q] for q in queries])), 4)}
            for rival in rivals:
                versus = compare_values(
                    {q: mine[q] for q in queries},
                    {q: rivals[rival][setting][q] for q in queries},
                    clusters=bench.groups,
                )
                cell[f"versus_{rival}"] = {
                    k: round(v, 5) for k, v in asdict(versus).items()
                }
            found["table"].setdefault(setting, {})[regime] = cell
    path = RESULTS / f"bookmark_{collection.name}.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")
    say(f"wrote {path.name}")


if __name__ == "__main__":
    main()
