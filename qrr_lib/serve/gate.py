"""What stands before the service: the bearer token, and the size of the body
(lesson 13).
"""

import asyncio
import secrets

from fastapi import HTTPException
from fastapi.responses import JSONResponse

from qrr_lib.files import is_local

OPEN = ("/health", "/docs", "/openapi.json")  # without a token
BODY_SECONDS = 20  # in which a body must have arrived
SMALL = 64_000  # bytes of a body that there is always room for
CLOSE = {"Connection": "close"}


class Gate:
    """Stands before everything else: the bearer token, then size and time of the body,
    as it arrives.

    Parameters
    ----------
    app : ASGI application
        What is behind the gate.
    token : str or None
        Without it in `Authorization: Bearer …` the answer is 401, but for `OPEN`.
    body_bytes : int
        Most bytes of a body. One more, and nobody reads on: the answer is 413.
    waiting : int
        So many of the largest bodies may be held at a time; beyond, the answer is 503.
    """

    def __init__(self, app, token: str | None, body_bytes: int, waiting: int):
        self.app, self.body_bytes = app, body_bytes
        self.wanted = b"Bearer " + token.encode() if token else b""
        self.held, self.room = 0, waiting * body_bytes

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        sent = dict(scope["headers"]).get(b"authorization", b"")
        known = not self.wanted or secrets.compare_digest(sent, self.wanted)
        if not known and scope["path"] not in OPEN:
            said = {"detail": "a bearer token is needed"}
            refusal = JSONResponse(said, 401, {"WWW-Authenticate": "Bearer"})
            return await refusal(scope, receive, send)
        size, end = 0, asyncio.get_running_loop().time() + BODY_SECONDS

        async def counted():
            nonlocal size, end
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                said = f"the body did not arrive within {BODY_SECONDS} seconds"
                raise HTTPException(408, said, CLOSE) from None
            if not message.get("more_body"):
                end = None  # what follows is the client's leaving
            size += (more := len(message.get("body", b"")))
            self.held += more
            if size > self.body_bytes:
                said = f"the body is larger than {self.body_bytes} bytes"
                raise HTTPException(413, said, CLOSE)
            if size > SMALL and self.held > self.room:
                later = CLOSE | {"Retry-After": str(BODY_SECONDS)}
                raise HTTPException(503, "too many bodies are arriving", later)
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self.held -= size


def check_access(host: str, token: str | None) -> None:
    """ValueError for a token that no client could send, and for a service that others
    can reach without one.
    """
    if token and (not token.isprintable() or token != token.strip()):
        raise ValueError(
            "QRR_TOKEN has a line break, a space at an end, or bytes that are not "
            "UTF-8: set it again (`printf`, not `echo`, writes no line break)"
        )
    if not token and not is_local(host):
        raise ValueError(
            f"everyone who reaches {host} could use this service: set QRR_TOKEN, or "
            "leave --host out and let this machine alone use it"
        )
