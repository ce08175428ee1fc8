"""One request at a time on one worker thread, and a refusal when too many wait
(lesson 13).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from fastapi import HTTPException


class Turns:
    """Run tasks in turn, off the event loop.

    Parameters
    ----------
    most : int
        So many may wait; the next one is refused with status 429 and `Retry-After`.

    Attributes
    ----------
    waiting : int
        Tasks that wait or run.
    seconds : float
        What a task took lately (a moving average).
    """

    def __init__(self, most: int):
        self.most = most
        self.waiting = 0
        self.seconds = 0.05
        self._worker = ThreadPoolExecutor(1, "rerank")

    async def run(self, task: Callable[[], Any]) -> tuple[Any, float]:
        """Wait for a turn and run `task`; returns its result and its seconds."""
        with self._place():
            loop = asyncio.get_running_loop()
            result, seconds = await loop.run_in_executor(self._worker, _timed, task)
            self.seconds = 0.9 * self.seconds + 0.1 * seconds
            return result, seconds

    @contextmanager
    def _place(self):
        """A place among those that wait, or HTTPException 429."""
        if self.waiting >= self.most:
            soon = max(1, math.ceil(self.waiting * self.seconds))
            raise HTTPException(
                429, "too many requests are waiting", {"Retry-After": str(soon)}
            )
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    @asynccontextmanager
    async def lifespan(self, app):
        """For FastAPI: when the service ends, finish what is at work."""
        yield
        self._worker.shutdown(wait=True)


def _timed(task: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    try:
        return task(), time.perf_counter() - start
    except ValueError as error:  # the reranker's own refusal is the client's mistake
        raise HTTPException(422, str(error)) from None
