"""Embed and encode files in blocks with Ray Data, on one machine or many (lesson 14;
needs the extra `[scale]`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

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
        self.batch_size = batch_size

    def __call__(self, batch: dict) -> dict:
        return {
            "rows": np.array([self.write(json.loads(block)) for block in batch["item"]])
        }

    def write(self, block: dict) -> int:
        """Do one block; returns its number of documents."""
        arrow, parquet = package("pyarrow"), package("pyarrow.parquet")
        _, lines = next(read_parts(Path(block["file"]), block["rows"], block["place"]))
        records = filter(
            None,
            (
                read_record(line)
                for at, line in enumerate(lines)
                if at not in block["drop"]
            ),
        )
        ids, texts = zip(*records) if (records := list(records)) else ((), ())
        vectors = self.embedder.encode(
            list(texts), batch_size=self.batch_size, progress=False
        )
        columns = {"id": arrow.array(ids, arrow.string())}
        for name, values in (
            ("vector", vectors),
            ("state", self.features.states(vectors)),
        ):
            columns[name] = arrow.FixedSizeListArray.from_arrays(
                arrow.array(values.ravel()), values.shape[1]
            )
        with atomic_path(self.output / block["name"]) as partial:
            parquet.write_table(arrow.table(columns), partial)
        return len(ids)


def placement(resources: dict, workers: int | None = None) -> tuple[int, int, int]:
    """A cluster's resources → (workers, GPUs of each, texts per batch): one worker a
    GPU if there are any, else one a CPU.
    """
    gpus = int(resources.get("GPU", 0))
    return (
        workers or gpus or max(1, int(resources.get("CPU", 1))),
        int(gpus > 0),
        GPU_BATCH if gpus else CPU_BATCH,
    )


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
    start, output, embedder = time.perf_counter(), Path(output), make_embedder()
    weights = hashlib.sha256(
        b"".join(
            v.numpy().tobytes()
            for v in getattr(scorer.angles, "state_dict", dict)().values()
        )
    ).hexdigest()
    settings = {
        "model": embedder.name,
        "head": weights,
        **HybridFeatures(scorer).about(embedder.dim),
    }
    blocks, skipped = plan_blocks(inputs, settings, rows, bad)
    output.mkdir(parents=True, exist_ok=True)
    # a killed worker leaves .name.partial-...
    there = {path.name for path in output.glob("[!.]*.parquet")}
    if strange := sorted(there - {block["name"] for block in blocks}):
        raise ValueError(
            f"{output} holds blocks of another input, model, head or block size "
            f"({strange[0]}, ...): take an empty folder"
        )
    todo = [block for block in blocks if block["name"] not in there]
    report = {
        "blocks": len(blocks),
        "done_before": len(there),
        "documents": 0,
        "skipped": skipped,
    }
    if engine == "local":
        worker = BlockWorker(lambda: embedder, scorer, output, CPU_BATCH)
        report["documents"] = sum(worker.write(block) for block in todo)
    elif todo:
        report["documents"] = _on_ray(
            todo, (make_embedder, scorer, output.resolve()), workers, address
        )
    return report | {"seconds": time.perf_counter() - start}


def _on_ray(
    todo: list[dict], worker: tuple, workers: int | None, address: str | None
) -> int:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = package("ray")
    data = package("ray.data")
    ours = not package("ray").is_initialized()
    try:
        if ours:
            ray.init(
                address=address,
                logging_level="ERROR",
                log_to_driver=False,
                include_dashboard=None if address else False,
            )
        count, gpus, batch = placement(ray.cluster_resources(), workers)
        # errors are raised, once, as EngineError
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        data.DataContext.get_current().enable_progress_bars = False
        blocks = data.from_items(
            [json.dumps(block) for block in todo], override_num_blocks=len(todo)
        )
        needs = {"num_gpus": 1} if gpus else {"num_cpus": 1}
        done = blocks.map_batches(
            BlockWorker,
            batch_size=1,
            fn_constructor_args=(*worker, batch),
            **needs,
            compute=data.ActorPoolStrategy(min_size=1, max_size=count),
        )
        return int(sum(row["rows"] for row in done.iter_rows()))
    except (
        Exception
    ) as error:  # Ray raises all kinds, a plain Exception if a node does not start
        causes = [
            line
            for line in str(error).splitlines()
            if re.match(r"[\w.]+(Error|Exception): ", line)
        ] or [str(error)]
        raise EngineError(
            f"Ray on {address or 'this machine'} failed: {causes[0]}. Start a cluster "
            "with `ray start --head`, or leave the "
            "address out. Finished blocks are kept: run it again to go on"
        ) from error
    finally:
        if ours:
            ray.shutdown()
