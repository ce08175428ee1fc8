"""Embed and encode files in blocks with Ray Data, on one machine or many (lesson 14;
needs the extra `[scale]`).
"""

import json
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from qrr_lib.encode.fingerprint import fingerprint
from qrr_lib.engine.blocks import plan_blocks, read_parts, read_record
from qrr_lib.engine.extra import EngineError, package
from qrr_lib.files import atomic_path
from qrr_lib.rank.one_inner_product import HybridFeatures

CPU_BATCH, GPU_BATCH = 32, 256  # texts per forward pass


class BlockWorker:
    """Embeds and encodes blocks; each becomes a Parquet file, written atomically: id,
    vector (D numbers), state (width numbers).
    """

    def __init__(self, make_embedder: Callable, scorer, output: Path, batch_size: int):
        self.embedder = make_embedder()
        self.features = HybridFeatures(scorer)
        self.output = output
        self.batch = batch_size

    def __call__(self, batch: dict) -> dict:
        rows = [self.write(json.loads(block)) for block in batch["item"]]
        return {"rows": np.array(rows)}

    def write(self, block: dict) -> int:
        """Do one block; returns its number of documents."""
        arrow, parquet = package("pyarrow"), package("pyarrow.parquet")
        _, lines = next(read_parts(Path(block["file"]), block["rows"], block["place"]))
        good = [line for at, line in enumerate(lines) if at not in block["drop"]]
        records = [record for record in map(read_record, good) if record]
        ids, texts = [key for key, _ in records], [text for _, text in records]
        vectors = self.embedder.encode(texts, batch_size=self.batch, progress=False)
        states = self.features.states(vectors)
        columns = {"id": arrow.array(ids, arrow.string())}
        for name, rows in {"vector": vectors, "state": states}.items():
            flat = arrow.array(rows.ravel())
            columns[name] = arrow.FixedSizeListArray.from_arrays(flat, rows.shape[1])
        with atomic_path(self.output / block["name"]) as partial:
            parquet.write_table(arrow.table(columns), partial)
        return len(ids)


def placement(resources: dict, workers: int | None = None) -> tuple[int, int, int]:
    """A cluster's resources → (workers, GPUs of each, texts per batch): one worker a
    GPU if there are any, else one a CPU.
    """
    if gpus := int(resources.get("GPU", 0)):
        return workers or gpus, 1, GPU_BATCH
    return workers or max(1, int(resources.get("CPU", 1))), 0, CPU_BATCH


def embed_files(
    inputs: list[str],
    output: str | os.PathLike,
    make_embedder: Callable,
    scorer,
    engine: str = "ray",
    rows: int = 1000,
    bad: str = "stop",
    workers: int | None = None,
    address: str | None = None,
) -> dict:
    """Embed and encode JSONL or Parquet files block by block; blocks that OUTPUT holds
    already are skipped, so run it again after a break.

    `engine` is "ray" (a cluster at `address`, or this machine) or "local" (this
    process; the same blocks, the same files). All nodes must see the same input and
    output folders. Returns {"blocks", "done_before", "documents", "skipped": [lines],
    "seconds"}.
    """
    if engine not in ("ray", "local"):
        raise ValueError(f"unknown engine {engine!r}; take 'ray' or 'local'")
    start = time.perf_counter()
    output, embedder = Path(output), make_embedder()
    features = HybridFeatures(scorer)
    settings = {"model": embedder.name, "head": fingerprint(scorer.angles)}
    settings["circuit"] = str(features.codec.circuit)
    settings |= features.about(embedder.dim)
    blocks, skipped = plan_blocks(inputs, settings, rows, bad)
    output.mkdir(parents=True, exist_ok=True)
    todo = missing_blocks(blocks, output)
    documents = 0
    if engine == "local":
        worker = BlockWorker(lambda: embedder, scorer, output, CPU_BATCH)
        documents = sum(map(worker.write, todo))
    elif todo:
        worker = (make_embedder, scorer, output.resolve())
        documents = _on_ray(todo, worker, workers, address)
    return {
        "blocks": len(blocks),
        "done_before": len(blocks) - len(todo),
        "documents": documents,
        "skipped": skipped,
        "seconds": time.perf_counter() - start,
    }


def missing_blocks(blocks: list[dict], output: Path) -> list[dict]:
    """Blocks whose file is not in the folder; ValueError if it holds a file of another
    plan.
    """
    # a killed worker leaves .name.partial-...
    there = {path.name for path in output.glob("[!.]*.parquet")}
    if strange := sorted(there - {block["name"] for block in blocks}):
        raise ValueError(
            f"{output} holds blocks of another input, model, head or block size "
            f"({strange[0]}, ...): take an empty folder"
        )
    return [block for block in blocks if block["name"] not in there]


def _on_ray(todo: list[dict], worker: tuple, workers, address) -> int:
    """Do blocks on the cluster that is running, or on one that is started for them."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = package("ray")
    package("ray.data")
    ours = not ray.is_initialized()
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    dashboard = None if address else False
    try:
        if ours:
            ray.init(address=address, include_dashboard=dashboard, **quiet)
        return _map_blocks(ray, todo, worker, workers)
    except Exception as error:  # Ray raises all kinds, plain if a node does not start
        found = re.search(r"^[\w.]+(Error|Exception): .*", str(error), re.MULTILINE)
        cause = found[0] if found else error
        raise EngineError(
            f"Ray on {address or 'this machine'} failed: {cause}. Start a cluster with "
            "`ray start --head`, or leave the address out. Finished blocks are kept: "
            "run it again to go on"
        ) from error
    finally:
        if ours:
            ray.shutdown()


def _map_blocks(ray, todo: list[dict], worker: tuple, workers: int | None) -> int:
    # errors are raised, once, as EngineError
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    ray.data.DataContext.get_current().enable_progress_bars = False
    count, gpus, batch = placement(ray.cluster_resources(), workers)
    items = [json.dumps(block) for block in todo]
    done = ray.data.from_items(items, override_num_blocks=len(todo)).map_batches(
        BlockWorker,
        batch_size=1,
        fn_constructor_args=(*worker, batch),
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=count),
        **{"num_gpus" if gpus else "num_cpus": 1},
    )
    return int(sum(row["rows"] for row in done.iter_rows()))
