"""What stands before the service: the bearer token, the size of the body, and the
queue (lesson 13).
"""

import asyncio
import math
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from fastapi import HTTPException
from fastapi.responses import JSONResponse

OPEN = ("/health", "/docs", "/openapi.json")  # without a token


class Gate:
    """Stands before everything else: the bearer token, then the size of the body,
    counted as it arrives.

    Parameters
    ----------
    app : ASGI application
        What is behind the gate.
    token : str or None
        Without it in `Authorization: Bearer …` the answer is 401, but for `OPEN`.
    body_bytes : int
        Most bytes of a body. One more, and nobody reads on: the answer is 413.
    """

    def __init__(self, app, token: str | None, body_bytes: int):
        self.app, self.body_bytes = app, body_bytes
        self.wanted = b"Bearer " + token.encode() if token else b""

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        sent = dict(scope["headers"]).get(b"authorization", b"")
        known = not self.wanted or secrets.compare_digest(sent, self.wanted)
        if not known and scope["path"] not in OPEN:
            said = {"detail": "a bearer token is needed"}
            refusal = JSONResponse(said, 401, {"WWW-Authenticate": "Bearer"})
            return await refusal(scope, receive, send)
        size, most = 0, self.body_bytes

        async def counted():
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise HTTPException(413, f"the body is larger than {most} bytes")
            return message

        await self.app(scope, counted, send)


class Turns:
    """Run tasks one at a time, off the event loop; refuse them where too many wait.

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

    async def run(self, task: Callable[..., Any], *args) -> tuple[Any, float]:
        """Wait for a turn and run `task(*args)`; returns its result and its seconds.

        Raises HTTPException: 429 where too many wait, and 422 for a ValueError: what
        the reranker refuses is the client's mistake.
        """
        if self.waiting >= self.most:
            soon = max(1, math.ceil(self.waiting * self.seconds))
            later = {"Retry-After": str(soon)}
            raise HTTPException(429, "too many requests are waiting", later)
        self.waiting += 1
        try:
            done = self._worker.submit(timed, task, *args)
            result, seconds = await asyncio.wrap_future(done)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        finally:
            self.waiting -= 1
        self.seconds = 0.9 * self.seconds + 0.1 * seconds
        return result, seconds

    @asynccontextmanager
    async def lifespan(self, app):
        """For FastAPI: when the service ends, finish what is at work."""
        yield
        self._worker.shutdown(wait=True)


def timed(task: Callable[..., Any], *args) -> tuple[Any, float]:
    """The result of `task(*args)`, and the seconds it took."""
    start = time.perf_counter()
    return task(*args), time.perf_counter() - start
