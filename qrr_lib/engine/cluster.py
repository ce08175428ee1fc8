"""Embed on many processors, or machines, with Ray (lesson 14; needs the extra
`[cluster]`).

One process reads files, cuts them into passages and passes over what is there already;
workers embed and encode blocks of them. Into a server they write by themselves; to a
folder, which one process may open, they hand back what is to be written.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator

from qrr_lib.engine.about import kept_kind
from qrr_lib.engine.passage import Point
from qrr_lib.engine.places import is_address, open_store
from qrr_lib.engine.stores import EngineError
from qrr_lib.lazy import package


class Worker:
    """Embeds blocks of passages; Ray makes one in every process.

    Parameters
    ----------
    make_embedder : callable
        () → embedder.
    place, about
        Of the index.
    """

    def __init__(self, make_embedder: Callable, place: str, about: dict):
        self.kind = kept_kind(place, about, make_embedder())
        self.store = open_store(place) if is_address(place) else None

    def do(self, payloads: list[dict]) -> int | list[Point]:
        """How many passages were written; for a folder, the points to write."""
        points = self.kind.points(payloads)
        if self.store is None:
            return points
        self.store.upsert(points)
        return len(points)


class RayPool:
    """Workers for `Index.add`, on one machine or a cluster. Ray starts when it is used,
    unless it runs already, and stops then.

    Parameters
    ----------
    make_embedder : callable
        () → embedder, called in every worker.
    workers : int or None
        At most one for each graphics card, or else for each processor core; None takes
        so many.
    address : str or None
        Of a running Ray cluster; None starts one on this machine.
    """

    def __init__(
        self,
        make_embedder: Callable,
        workers: int | None = None,
        address: str | None = None,
    ):
        self.make_embedder, self.workers = make_embedder, workers
        self.address = address

    def write(self, index, blocks: Iterable[list[dict]]) -> Iterator[int]:
        """Embed and store blocks of payloads; how many passages each was."""
        for done in self.run(blocks, self.make_embedder, f"{index.place}", index.about):
            yield index.put(done) if isinstance(done, list) else done

    def run(self, blocks: Iterable, *arguments) -> Iterator:
        """What workers that are made from the arguments make of each block, in any
        order; a block is asked for when a worker is free.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray = package("ray", "cluster")
        ActorPool = package("ray.util", "cluster").ActorPool
        ours = not ray.is_initialized()
        options, actors = {"logging_level": "ERROR", "log_to_driver": False}, []
        try:
            if ours:
                ray.init(address=self.address, **options)
            there = ray.cluster_resources()
            kind = "GPU" if there.get("GPU") else "CPU"
            most = max(1, int(there.get(kind, 1)))
            make = ray.remote(**{f"num_{kind.lower()}s": 1})(Worker).remote
            actors = [make(*arguments) for _ in range(min(self.workers or most, most))]
            pool = ActorPool(actors)
            for block in blocks:
                if not pool.has_free():
                    yield pool.get_next_unordered()
                pool.submit(lambda actor, own: actor.do.remote(own), block)
            while pool.has_next():
                yield pool.get_next_unordered()
        except Exception as error:  # Ray raises all kinds, a worker's among them
            if type(error) is EngineError:  # of the index, as a block is asked for
                raise
            raise EngineError(self._failure(error)) from error
        finally:
            for actor in actors:
                ray.kill(actor)
            if ours:
                ray.shutdown()

    def _failure(self, error: Exception) -> str:
        found = re.search(r"^[\w.]+(Error|Exception): .*", f"{error}", re.MULTILINE)
        return (
            f"Ray on {self.address or 'this machine'} failed: "
            f"{found[0] if found else error}. Start a cluster with `ray start --head`, "
            "or leave the address out. What was written is kept: run it again to go on"
        )
