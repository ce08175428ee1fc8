"""MaxSim on codes: where its time goes, and what whole numbers would save and change.

    python -m tools.bench.maxsim [--collections cranfield scifact] [--tokens FOLDER]

The library multiplies Bloch vectors in float32. The rival keeps their numbers in 127ths
and multiplies bytes, which many processors do faster (and the others do not; nothing
else than time depends on it). Both score the same candidates, query by query in turn,
on one thread; times are CPU time, ratios are medians over queries. Token vectors are
those of tools.bench.tokens. Results: data/results/maxsim.json.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from qrr_lib.encode.codes import bloch_table, codes_to_features
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.files import data_dir, say
from qrr_lib.learn import compare
from qrr_lib.rank.codecs import TOKENS_A_PRODUCT, TokenCodec
from qrr_lib.rank.maxsim import max_sim
from tools.bench import write_results
from tools.bench.tokens import Task

MODEL = "all-MiniLM-L6-v2"
BYTES_A_PRODUCT = 16_384  # document tokens: more than all candidates of most queries
WAYS = ("float32", "bytes")


def byte_table() -> torch.Tensor:
    """Bloch vectors in 127ths of two neighbouring qubits, as one number of 8 bytes."""
    rows = np.round(127 * bloch_table(4)).astype(np.int8).view(np.uint32)[:, 0]
    both = np.arange(256**2)
    pairs = np.stack([rows[both & 255], rows[both >> 8]], axis=1)
    return torch.from_numpy(pairs.view(np.int64)[:, 0])


def in_bytes(table: torch.Tensor, codes: np.ndarray) -> torch.Tensor:
    """Codes (T, n) → Bloch vectors in 127ths (T, 4n) int8."""
    pairs = np.ascontiguousarray(codes).view("<u2").astype(np.int32)
    found = table.index_select(0, torch.from_numpy(pairs).flatten())
    return found.view(torch.int8).view(len(codes), -1)


def compared_in_bytes(table: torch.Tensor, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What `TokenCodec.compare` returns, by products of bytes: (A, B)."""
    asked = in_bytes(table, a)
    values = np.empty((len(a), len(b)), dtype=np.float32)
    for start in range(0, len(b), BYTES_A_PRODUCT):
        part = slice(start, start + BYTES_A_PRODUCT)
        values[:, part] = torch._int_mm(asked, in_bytes(table, b[part]).T).numpy()
    values *= np.float32(0.5 / (a.shape[1] * 127**2))
    values += 0.5
    return values


def timed(spent: list[float], work):
    """The result of a call; its CPU milliseconds are appended."""
    before = time.process_time()
    result = work()
    spent.append(1000 * (time.process_time() - before))
    return result


def look_up(codes: np.ndarray) -> None:
    """The float path's look-up alone, block by block."""
    for start in range(0, len(codes), TOKENS_A_PRODUCT):
        codes_to_features(codes[start : start + TOKENS_A_PRODUCT])


def measure(name: str, tokens: Path) -> dict:
    """One collection: times, and how alike the two rankings are."""
    task = Task(name, MODEL, tokens / f"{name}_{MODEL}")
    codec, table = TokenCodec(QubitMap.shipped(MODEL)), byte_table()
    parts = ("looking up, float32", "maxima")
    spent: dict[str, list[float]] = {part: [] for part in WAYS + parts}
    runs: dict[str, dict] = {way: {} for way in WAYS}
    shape, largest = [], 0.0
    for q, found in task.cosine.items():
        asked, offsets, codes, weights = candidates(task, codec, q, list(found))
        ways = {
            "float32": partial(codec.compare, asked, codes),
            "bytes": partial(compared_in_bytes, table, asked, codes),
        }
        scores = {}
        for way, pairs in ways.items():
            similar = timed(spent[way], pairs)
            maxima = partial(max_sim, similar, offsets, weights)
            scores[way] = timed(spent["maxima"], maxima)
            runs[way][q] = dict(zip(found, scores[way].tolist()))
        timed(spent["looking up, float32"], partial(look_up, codes))
        largest = max(largest, float(np.abs(scores["bytes"] - scores["float32"]).max()))
        shape.append((len(asked), len(codes)))
    ratio = np.divide(spent["float32"], spent["bytes"])
    return {
        "queries": len(shape),
        "tokens of a query, of its candidates": np.mean(shape, axis=0).round().tolist(),
        "CPU ms": {
            part: round(float(np.median(own)), 2) for part, own in spent.items()
        },
        "times as fast in bytes": np.quantile(ratio, [0.25, 0.5, 0.75])
        .round(2)
        .tolist(),
        "largest change of a score": round(largest, 5),
    } | agreement(task, runs)


def candidates(task: Task, codec: TokenCodec, q: str, found: list[str]) -> tuple:
    """(codes of the query, offsets and codes of its candidates, weights of tokens)."""
    row = task.asked.row[q]
    span = slice(task.asked.offsets[row], task.asked.offsets[row + 1])
    rows = [task.docs.row[d] for d in found]
    ends = task.docs.offsets
    parts = [task.docs.tokens[ends[r] : ends[r + 1]] for r in rows]
    asked = codec.rows(task.asked.tokens[span].astype(np.float32))
    codes = codec.rows(np.concatenate(parts).astype(np.float32))
    weights = task.rarity.weights(task.asked.token_ids[span])
    return asked, np.cumsum([0, *map(len, parts)]), codes, weights


def agreement(task: Task, runs: dict) -> dict:
    """How often both ways find the same ten in the same order, and nDCG@10."""
    tens = {
        way: [sorted(own, key=own.get, reverse=True)[:10] for own in run.values()]
        for way, run in runs.items()
    }
    gain = compare(runs["bytes"], runs["float32"], task.qrels)
    means = {
        way: np.mean(list(task.values(run)["nDCG@10"].values()))
        for way, run in runs.items()
    }
    return {
        "same ten, same order": sum(a == b for a, b in zip(*tens.values())),
        "same ten": sum(set(a) == set(b) for a, b in zip(*tens.values())),
        "nDCG@10 of states alone": {w: round(float(m), 4) for w, m in means.items()},
        "difference": [round(x, 4) for x in (gain.difference, gain.low, gain.high)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collections", nargs="+", default=["cranfield", "scifact"])
    parser.add_argument("--tokens", type=Path, default=Path("build/tokens"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    known = getattr(torch.cpu, "get_capabilities", dict)()
    found: dict = {
        "reproduce": "python -m tools.bench.maxsim",
        "model": MODEL,
        "products of bytes in hardware": any(
            here for name, here in known.items() if "vnni" in name
        ),
    }
    for name in asked.collections:
        found[name] = measure(name, asked.tokens)
        say(f"{name}: {found[name]}")
    print(write_results(data_dir() / "results" / "maxsim.json", found))


if __name__ == "__main__":
    main()
