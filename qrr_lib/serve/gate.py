"""What stands before the service: a name for each request, the bearer token, and the
size of the body (lesson 13).
"""

import asyncio
import secrets
import uuid

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders

OPEN = ("/health", "/docs", "/openapi.json")  # without a token
BODY_SECONDS = 20  # in which a body must have arrived
SMALL = 64_000  # bytes of a body that there is always room for
CLOSE = {"Connection": "close"}
SCHEME = b"bearer "
ID = "X-Request-ID"
JSON = (b"content-type", b"application/json")


class Gate:
    """Stands before everything else: the bearer token, then size and time of the body,
    as it arrives. A body without a content type is JSON. The answer carries the
    request's `X-Request-ID`, or a new one.

    Parameters
    ----------
    app : ASGI application
        What is behind the gate.
    token : str or None
        Without it the answer is 401, but for `OPEN`.
    body_bytes : int
        Most bytes of a body. One more, and nobody reads on: the answer is 413.
    waiting : int
        So many of the largest bodies may be held at a time; beyond, the answer is 503.
    """

    def __init__(self, app, token: str | None, body_bytes: int, waiting: int):
        self.app, self.body_bytes = app, body_bytes
        self.token = (token or "").encode()
        self.held, self.room = 0, waiting * body_bytes

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = dict(scope["headers"])
        send = with_name(send, headers.get(b"x-request-id", b"").decode("latin-1"))
        known = not self.token or secrets.compare_digest(token_in(headers), self.token)
        if not known and scope["path"] not in OPEN:
            said = {"detail": "a bearer token is needed"}
            refusal = JSONResponse(said, 401, {"WWW-Authenticate": "Bearer"})
            return await refusal(scope, receive, send)
        if scope["method"] == "POST":
            headers.setdefault(*JSON)
        await self._behind(scope | {"headers": list(headers.items())}, receive, send)

    async def _behind(self, scope, receive, send) -> None:
        """Let a request through, and count its body."""
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


def token_in(headers: dict[bytes, bytes]) -> bytes:
    """The token that a client sent: as `Authorization: Bearer`, in letters of any size,
    by itself (LlamaIndex's TEI), or in `x-api-key`.
    """
    sent = headers.get(b"authorization") or headers.get(b"x-api-key", b"")
    return (sent[len(SCHEME) :] if sent.lower().startswith(SCHEME) else sent).strip()


def with_name(send, given: str):
    """`send`, which names the request in the answer: as the client did, or anew."""
    name = given if given.isascii() and 0 < len(given) <= 128 else f"{uuid.uuid4()}"

    async def named(message):
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)[ID] = name
        await send(message)

    return named


def checked_token(token: str | None) -> str | None:
    """The token; ValueError for one that no client could send."""
    if token and (not token.isprintable() or token != token.strip()):
        raise ValueError(
            "QRR_TOKEN has a line break, a space at an end, or bytes that are not "
            "UTF-8: set it again (`printf`, not `echo`, writes no line break)"
        )
    return token
