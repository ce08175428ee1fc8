"""The queue of a service: requests that wait together are computed together, and those
whose clients have left are not computed at all (lesson 13).
"""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
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
        self._pause: asyncio.TimerHandle | None = None
        self._expected = 0  # requests that end the pause
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
        if not self._pause:
            self._next()
        elif len(self._queue) >= self._expected:
            self._go_on()
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

    def _next(self) -> None:
        """Give the worker what waits, unless it is at work."""
        if self._working or not self._queue:
            return
        first, *others = self._queue
        batch, room = [first], TOGETHER - first.size
        for job in others:
            if job.work == first.work and 0 < job.size <= room:
                batch.append(job)
                room -= job.size
        self._queue = [job for job in self._queue if job not in batch]
        self._working = batch
        items = [job.item for job in batch]
        done = asyncio.wrap_future(self._worker.submit(timed, first.work, items))
        done.add_done_callback(self._finish)

    def _finish(self, done: asyncio.Future) -> None:
        """Hand out results, and go on."""
        (results, seconds), batch = done.result(), self._working
        self._working = []
        self.seconds = 0.9 * self.seconds + 0.1 * seconds / len(batch)
        for job, result in zip(batch, results):
            if job.answer.done():
                continue
            if isinstance(result, Exception):
                job.answer.set_exception(result)
            else:
                job.answer.set_result((result, seconds))
        self._expected = len(self._queue) + len(batch)
        if self._expected > 1:  # clients that were answered may ask again at once
            pause = min(PAUSE, seconds / 8)
            loop = asyncio.get_running_loop()
            self._pause = loop.call_later(pause, self._go_on)

    def _go_on(self) -> None:
        self._pause.cancel()
        self._pause = None
        self._next()

    @asynccontextmanager
    async def lifespan(self, app):
        """For FastAPI: when the service ends, finish what is at work."""
        yield
        self._worker.shutdown(wait=True)


async def _until_gone(request: Request) -> None:
    """Return when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


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
