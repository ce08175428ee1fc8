"""The queue of a service: requests that wait together are computed together, and those
whose clients have left are not computed at all (lesson 13).
"""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException, Request

TOGETHER = 12_000  # characters of the requests that are computed together
PAUSE = 0.05  # seconds, at most, for clients that were answered to ask again


@dataclass(eq=False)
class Job:
    """One request: `work` is given the `item`s of several and returns as many results.

    `size` is in characters; `answer` holds (result, seconds).
    """

    work: Callable[[list], list]
    item: Any
    size: int
    answer: asyncio.Future


class Turns:
    """Run requests off the event loop, in one thread; refuse them where too many wait.

    Those with the same `work` that wait together are given to it together, in the order
    in which they came, up to `TOGETHER` characters.

    Parameters
    ----------
    most : int
        So many may wait; the next one is refused with status 429 and `Retry-After`.

    Attributes
    ----------
    seconds : float
        What a request took lately (a moving average).
    """

    def __init__(self, most: int):
        self.most = most
        self.seconds = 0.05
        self._queue: list[Job] = []
        self._working: list[Job] = []
        self._expected = 0  # requests that end a pause
        self._enough = asyncio.Event()  # so many are there
        self._task: asyncio.Task | None = None
        self._worker = ThreadPoolExecutor(1, "rerank")

    @property
    def waiting(self) -> int:
        """Requests that wait or are computed."""
        return len(self._queue) + len(self._working)

    async def run(
        self, request: Request, work: Callable[[list], list], item=None, size: int = 0
    ) -> tuple[Any, float]:
        """Wait for a turn; returns the result for `item` and the seconds it took.

        Raises HTTPException: 429 where too many wait, 422 for a ValueError (what the
        reranker refuses is the client's mistake), 503 where the service is stopped.
        """
        if self.waiting >= self.most:
            soon = max(1, math.ceil(self.waiting * self.seconds))
            later = {"Retry-After": str(soon)}
            raise HTTPException(429, "too many requests are waiting", later)
        loop = asyncio.get_running_loop()
        job = Job(work, item, size, loop.create_future())
        self._queue.append(job)
        if len(self._queue) >= self._expected:
            self._enough.set()
        if not self._task or self._task.done():
            self._task = loop.create_task(self._work())
        watch = loop.create_task(_until_gone(request))
        watch.add_done_callback(lambda _: job.answer.cancel())
        try:
            return await job.answer
        except ValueError as error:
            said = str(error).encode("utf-8", "replace").decode()
            raise HTTPException(422, said) from None
        except asyncio.CancelledError:  # the client left, or the server stops
            raise HTTPException(503, "the service is stopping") from None
        finally:
            watch.cancel()
            if job in self._queue:
                self._queue.remove(job)

    async def _work(self) -> None:
        """Give the worker what waits and hand out results, until nothing waits."""
        loop = asyncio.get_running_loop()
        while self._queue:
            batch = self._working = self._together()
            task = timed, batch[0].work, [job.item for job in batch]
            results, seconds = await loop.run_in_executor(self._worker, *task)
            self._working = []
            self.seconds = 0.9 * self.seconds + 0.1 * seconds / len(batch)
            for job, result in zip(batch, results):
                if job.answer.done():  # the client left
                    continue
                if isinstance(result, Exception):
                    job.answer.set_exception(result)
                else:
                    job.answer.set_result((result, seconds))
            self._expected = len(self._queue) + len(batch)
            if self._expected > 1:  # clients that were answered may ask again at once
                self._enough.clear()
                pause = min(PAUSE, seconds / 8)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._enough.wait(), pause)

    def _together(self) -> list[Job]:
        """Take what came first from the queue, and what can be computed with it."""
        first, *others = self._queue
        batch, room = [first], TOGETHER - first.size
        for job in others:
            if job.work == first.work and 0 < job.size <= room:
                batch.append(job)
                room -= job.size
        self._queue = [job for job in self._queue if job not in batch]
        return batch

    @asynccontextmanager
    async def lifespan(self, app):
        """For FastAPI: when the service ends, finish what is at work."""
        yield
        self._worker.shutdown(wait=True)


async def _until_gone(request: Request) -> None:
    """Return when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def alone(task: Callable, *arguments) -> Callable[[list], list]:
    """Work for one request that cannot be computed together with others."""
    return lambda _: [task(*arguments)]


def timed(work: Callable[[list], list], items: list) -> tuple[list, float]:
    """A result for each of `items`, and the seconds that all of them took together. An
    error of one is its own result.
    """
    start = time.perf_counter()
    try:
        results = work(items)
    except Exception as error:
        results = [error]
        if len(items) > 1:  # find out whose it is
            results = [timed(work, [item])[0][0] for item in items]
    return results, time.perf_counter() - start
