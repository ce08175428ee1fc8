"""Tasks on one machine or a cluster, with Ray Data (lesson 14; needs the extra
`[cluster]`).
"""

from __future__ import annotations

import json
import logging
import os
import re

from qrr_lib.engine.extra import EngineError, package


def on_ray(
    worker: type,
    tasks: list[dict],
    arguments: tuple,
    workers: int | None = None,
    address: str | None = None,
) -> list[dict]:
    """Do tasks with Ray Data, on the cluster that is running, or on one that is started
    for them; what became of each, in their order.

    Parameters
    ----------
    worker : class
        Made once in every process from `arguments`; called with {"item": texts}.
    tasks : list of what JSON can hold
    workers, address : as in `load_in_bulk`
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = package("ray", "cluster")
    package("ray.data", "cluster")
    ours = not ray.is_initialized()
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    dashboard = None if address else False
    try:
        if ours:
            ray.init(address=address, include_dashboard=dashboard, **quiet)
        return _map_tasks(ray, worker, tasks, arguments, workers)
    except Exception as error:  # Ray raises all kinds, plain if a node does not start
        found = re.search(r"^[\w.]+(Error|Exception): .*", str(error), re.MULTILINE)
        cause = found[0] if found else error
        raise EngineError(
            f"Ray on {address or 'this machine'} failed: {cause}. Start a cluster with "
            "`ray start --head`, or leave the address out. What was written is kept: "
            "run it again to go on"
        ) from error
    finally:
        if ours:
            ray.shutdown()


def _map_tasks(ray, worker, tasks, arguments, workers) -> list[dict]:
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # errors are raised, once
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars, context.execution_options.preserve_order = False, True
    there = ray.cluster_resources()
    gpus = int(there.get("GPU", 0))
    count = workers or gpus or max(1, int(there.get("CPU", 1)))
    items = [json.dumps(task) for task in tasks]
    done = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        worker,
        batch_size=1,
        fn_constructor_args=arguments,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(count, len(items))),
        **{"num_gpus" if gpus else "num_cpus": 1},
    )
    return [json.loads(row["item"]) for row in done.iter_rows()]
