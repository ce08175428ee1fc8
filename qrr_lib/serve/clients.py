"""What clients of other services expect beside the shapes: how they send a token, what
they ask first, and a name for each request (lesson 13).
"""

import uuid

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware

from qrr_lib.files import setting

SCHEME = b"bearer "
ID = "X-Request-ID"
JSON = (b"content-type", b"application/json")


class Clients:
    """Reads what a client sends as the service's own gate wants it, before the gate.

    A token may come as `Authorization: Bearer`, in letters of any size, by itself
    (LlamaIndex's TEI), or in `x-api-key`. A body without a content type is JSON. The
    answer carries the request's `X-Request-ID`, or a new one.
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = dict(scope["headers"])
        sent = headers.get(b"authorization") or headers.get(b"x-api-key", b"")
        if sent:
            token = sent[len(SCHEME) :] if sent.lower().startswith(SCHEME) else sent
            headers[b"authorization"] = b"Bearer " + token.strip()
        if scope["method"] == "POST":
            headers.setdefault(*JSON)
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        name = given if given.isascii() and 0 < len(given) <= 128 else f"{uuid.uuid4()}"

        async def named(message):
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[ID] = name
            await send(message)

        await self.app(scope | {"headers": list(headers.items())}, receive, named)


def add_clients(app: FastAPI, service, origins: tuple[str, ...] | None) -> None:
    """Put `Clients` before an application, list its modes at /v1/models, and let pages
    of the web sites in `origins` ask; None takes those in QRR_CORS_ORIGINS.
    """
    if origins is None:
        origins = tuple((setting("QRR_CORS_ORIGINS") or "").replace(",", " ").split())

    async def models() -> dict:
        """The modes, as other services list models."""
        about = {"object": "model", "created": 0, "owned_by": "qrr"}
        return {"object": "list", "data": [{"id": m} | about for m in service.modes]}

    asked = HTTPBearer(auto_error=False, description="QRR_TOKEN, if there is one")
    app.router.dependencies.append(Depends(asked))  # a field for it at /docs
    unknown = {401: {"description": "No or a wrong bearer token"}}
    app.get("/v1/models", responses=unknown)(models)
    app.get("/models", include_in_schema=False)(models)
    app.add_middleware(Clients)
    if origins:
        allowed = {"allow_methods": ["*"], "allow_headers": ["*"]}
        app.add_middleware(CORSMiddleware, allow_origins=list(origins), **allowed)


def tei_info(model: str, limits) -> dict:
    """What text-embeddings-inference says at /info, and its client insists on."""
    labels = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    unknown = ("sha", "docker_label", "model_sha", "max_input_length")
    unknown += ("max_batch_tokens", "max_batch_requests", "tokenization_workers")
    return dict.fromkeys(unknown) | {
        "model_id": model,
        "model_dtype": "float32",
        "model_type": {"reranker": labels},
        "max_concurrent_requests": limits.waiting,
        "max_client_batch_size": limits.documents,
    }
