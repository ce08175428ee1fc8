"""What stands before the service: the bearer token and the size of the body (lesson
13).
"""

from __future__ import annotations

import secrets

from fastapi.responses import JSONResponse


class Gate:
    """Stands before everything else: the bearer token, then the size of the body,
    counted as it arrives.
    """

    def __init__(self, app, token: str | None, body_bytes: int):
        self.app, self.token, self.body_bytes = app, token, body_bytes

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        sent = dict(scope["headers"]).get(b"authorization", b"")
        if (
            self.token
            and scope["path"] != "/health"
            and not secrets.compare_digest(sent, b"Bearer " + self.token.encode())
        ):
            refusal = JSONResponse(
                {"detail": "a bearer token is needed"},
                401,
                {"WWW-Authenticate": "Bearer"},
            )
            return await refusal(scope, receive, send)
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size, more = size + len(parts[-1]), message.get("more_body", False)
            if size > self.body_bytes:
                return await JSONResponse(
                    {"detail": f"the body is larger than {self.body_bytes} bytes"}, 413
                )(scope, receive, send)
        whole = iter(
            [{"type": "http.request", "body": b"".join(parts), "more_body": False}]
        )

        async def replay():
            return next(whole, None) or await receive()

        return await self.app(scope, replay, send)
