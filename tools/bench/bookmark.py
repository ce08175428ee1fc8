"""The bookmark control: no head at all, a bonus for every document that a training
query has found relevant.

    # after tools.bench.quality; writes data/results/bookmark_scifact.json
    python -m tools.bench.bookmark --collection scifact

One bit a document and one number, the bonus, chosen like α: on the dev split of each
setting, by the gain that it vouches for, 0 being allowed. Seeds, dev splits, candidates
and test queries are those of `tools.bench.quality`, whose file must be there: the
trained heads are compared with it.
"""

from __future__ import annotations

import argparse
import datetime
import json
from dataclasses import asdict

import numpy as np

from qrr_lib import load_collection
from qrr_lib.files import say
from qrr_lib.learn.choice import cautious_gain
from qrr_lib.learn.comparison import compare_values
from qrr_lib.rank.candidates import Pool, make_pool
from qrr_lib.rank.metrics import relevant
from tools.bench.quality import RESULTS, Bench, load_vectors

BONUSES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)


def scores(bench: Bench, pool: Pool, bonus: float, seed: int) -> np.ndarray:
    """nDCG@10 of every query when documents that answered a training query of this seed
    get a bonus: (Q,).
    """
    marked = set().union(*map(relevant, bench.parts(seed)["train"].values()))
    bit = np.array([doc in marked for doc in bench.c.docs], dtype=float)
    return pool.ndcg(pool.cosine + bonus * bit[pool.rows])


def choose_bonus(bench: Bench, seed: int, setting: str) -> float:
    """The bonus that the dev split of a setting vouches for most."""
    dev = make_pool(bench.v, bench.c, bench.parts(seed)[f"dev_{setting}"])
    gains = {
        bonus: cautious_gain(scores(bench, dev, bonus, seed), dev.ndcg(dev.cosine))
        for bonus in BONUSES
    }
    return max(BONUSES, key=lambda bonus: (gains[bonus], -bonus))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collection", default="scifact")
    parser.add_argument("--vectors")
    args = parser.parse_args()
    collection = load_collection(args.collection)
    quality = json.loads(
        (RESULTS / f"quality_{collection.name}.json").read_text(encoding="utf-8")
    )
    bench = Bench(
        collection,
        load_vectors(collection, args.vectors, quality["model"]),
        quality["seeds"],
    )
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
    marked = set().union(*map(relevant, bench.parts(0)["train"].values()))
    found["share of documents marked (seed 0)"] = round(
        len(marked) / len(collection.docs), 4
    )
    for setting in ("known", "new"):
        chosen = [choose_bonus(bench, seed, setting) for seed in bench.seeds]
        values = np.mean(
            [
                scores(bench, bench.pool, bonus, seed)
                for seed, bonus in enumerate(chosen)
            ],
            axis=0,
        )
        mine = dict(zip(bench.test, values.tolist()))
        found["chosen"][setting] = chosen
        for regime, queries in {**bench.regime, "all": bench.test}.items():
            cell = {"nDCG@10": round(float(np.mean([mine[q] for q in queries])), 4)}
            for rival in rivals:
                versus = compare_values(
                    {q: mine[q] for q in queries},
                    {q: rivals[rival][setting][q] for q in queries},
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
