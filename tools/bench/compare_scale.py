"""How much the scale of a map matters, on training and development queries, for
`tools.bench.compare --scale`: lesson 09's recipe was chosen on a grid that ended at
0.8, its best.
"""

from pathlib import Path

import numpy as np

from tools.bench.compare_pool import Pool
from tools.bench.tokens_arms import Qubits

SCALES = (0.4, 0.6, 0.8, 1.0, 1.2, 1.6, 2.0)
TASKS = (("scifact", "train", 400), ("wikiqa", "dev", None))
ALPHA = 0.15


def sweep(tokens: Path, models: tuple[str, ...]) -> dict:
    """{task: {scale: mean score}} of 64 qubits over cosine's candidates."""
    found = {}
    for model in models:
        for name, split, most in TASKS:
            folder = tokens / f"{name}_{model}"
            task = Pool(name, model, folder, split, most)
            found[f"{name} {split}, {model}"] = {
                str(scale): round(mean_at(task, scale), 4) for scale in SCALES
            }
    return {"alpha": ALPHA, "scales": found}


def mean_at(task: Pool, scale: float) -> float:
    """Mean score of a map that is fitted to the collection at a scale."""
    states = task.states(Qubits(64, scale, bits=4))
    mixed = ALPHA * task.candidates.cosine + (1 - ALPHA) * states
    return float(task.score(np.where(task.near, mixed, -np.inf)).mean())
