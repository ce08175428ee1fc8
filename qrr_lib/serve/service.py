"""The reranker behind HTTP, in the shapes that clients already speak (lesson 13).

POST /rerank (also /v1/rerank, /v2/rerank)
                              Cohere's and Jina's shape, or that of
                              text-embeddings-inference
POST /infinity/rerank         the same, documents in the answer as plain text
POST /search                  the indexed corpus
GET  /health, /info, /v1/models, /docs
                              is it up; what it is; its modes; the OpenAPI page
"""

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from qrr_lib import __version__
from qrr_lib.checks import is_unicode
from qrr_lib.files import setting
from qrr_lib.rank.reranker import Reranker
from qrr_lib.serve import shapes
from qrr_lib.serve.gate import Gate, checked_token
from qrr_lib.serve.turns import Turns, alone

TITLE = "qrr: quantum-inspired reranking"
MEANINGS = {
    400: "The body is no JSON",
    401: "No or a wrong bearer token",
    404: "No corpus",
    408: "The body came too slowly",
    413: "Body too large",
    422: "The request does not have one of the shapes, or breaks a limit",
    429: "Too many requests are waiting: see Retry-After",
    503: "Too many bodies are arriving, or the service is stopping",
}
ERRORS = {status: {"description": text} for status, text in MEANINGS.items()}


def create_app(
    modes: Mapping[str, Reranker],
    texts: Mapping[str, str] | None = None,
    token: str | None = None,
    limits: shapes.Limits | None = None,
    hosts: tuple[str, ...] = ("*",),
    notes: Mapping[str, str] | None = None,
) -> FastAPI:
    """Make the service around rerankers that are ready. Pages of the web sites in
    QRR_CORS_ORIGINS ("https://example.org") may ask it.

    Parameters
    ----------
    modes : {name: Reranker}
        The first is the default. For /search each must have indexed the documents of
        `texts`.
    texts : {document id: text} or None
        Without it /search answers 404.
    token : str or None
        Clients must send `Authorization: Bearer TOKEN`; /health stays open.
    hosts : tuple of str
        Names by which the service may be addressed (the Host header); "*" allows any.
    notes : {mode: sentence} for /info.
    """
    service = RerankService(modes, texts or {}, limits, notes or {})
    return app_of(service, token, hosts)


def app_of(service: "RerankService", token: str | None, hosts: tuple[str, ...]):
    """Put a service behind its addresses; arguments as in `create_app`."""
    asked = HTTPBearer(auto_error=False, description="QRR_TOKEN, if there is one")
    app = FastAPI(
        title=TITLE,
        version=__version__,
        lifespan=service.turns.lifespan,
        dependencies=[Depends(asked)],  # a field for it at /docs
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    limits = service.limits
    held = {"body_bytes": limits.body_bytes, "waiting": limits.waiting}
    app.add_middleware(Gate, token=checked_token(token), **held)
    app.add_exception_handler(RequestValidationError, _invalid)
    if origins := (setting("QRR_CORS_ORIGINS") or "").replace(",", " ").split():
        allowed = {"allow_methods": ["*"], "allow_headers": ["*"]}
        app.add_middleware(CORSMiddleware, allow_origins=origins, **allowed)
    said = {"responses": ERRORS, "response_model_exclude_none": True}
    app.post("/rerank", **said)(service.rerank)
    for path in ("/v1/rerank", "/v2/rerank"):
        app.post(path, include_in_schema=False, **said)(service.rerank)
    app.post("/infinity/rerank", **said)(service.rerank_plain)
    app.post("/search", **said)(service.search)
    app.get("/health")(service.health)
    app.head("/health", include_in_schema=False)(service.health)
    unknown = {401: ERRORS[401]}
    app.get("/info", responses=unknown)(service.info)
    app.get("/v1/models", responses=unknown)(service.models)
    app.get("/models", include_in_schema=False)(service.models)
    return app


class RerankService:
    """What the addresses of `create_app` answer."""

    def __init__(self, modes, texts, limits: shapes.Limits | None, notes):
        self.modes = dict(modes)
        self.default = next(iter(self.modes))
        self.texts, self.limits, self.notes = texts, limits or shapes.Limits(), notes
        self.turns = Turns(self.limits.waiting)
        self.works = {name: partial(rank_all, mode) for name, mode in modes.items()}

    async def rerank(
        self, request: Annotated[shapes.AnyRequest, Body()], http: Request
    ) -> shapes.RerankResponse | list[shapes.TextScore]:
        """Order the documents of the request, best first."""
        name, mode = self.mode(request.model)
        query, texts = request.query, shapes.filled(request.texts)
        self.check(query, request.texts)
        size = sum(map(len, texts), len(query))
        asked = query, texts, request.truncate
        ranked, seconds = await self.turns.run(http, self.works[name], asked, size)
        about = {"mode": name, "documents": len(texts), "seconds": round(seconds, 4)}
        return request.answer(ranked, mode.alpha, about)

    async def rerank_plain(
        self, request: shapes.RerankRequest, http: Request
    ) -> shapes.RerankResponse:
        """The same in the shape of infinity: a document in an answer is its text."""
        answer = await self.rerank(request, http)
        for one in answer.results:
            one.document = one.document and one.document.text
        return answer

    async def search(
        self, request: shapes.SearchRequest, http: Request
    ) -> shapes.SearchResponse:
        """Answer from the indexed corpus."""
        name, mode = self.mode(request.model)
        self.check(request.query, [])
        found, seconds = await self.turns.run(http, alone(self.find, request, mode))
        for one in found:
            one["relevance_score"] = shapes.to_unit_interval(one["score"], mode.alpha)
        about = {"mode": name, "seconds": round(seconds, 4)}
        return {"id": str(uuid.uuid4()), "results": found, "meta": about}

    def find(self, request: shapes.SearchRequest, mode: Reranker) -> list[dict]:
        """What a search finds, with the mixed scores."""
        if not self.texts:
            raise HTTPException(
                404, "this service has no corpus; send documents to /rerank"
            )
        if request.where:
            raise HTTPException(422, "this corpus has no fields: leave `where` out")
        most = request.top_n or 10, request.candidates or 50
        found = mode.search(request.query, *most)
        return [{"text": self.texts[doc.doc_id]} | doc._asdict() for doc in found]

    async def health(self) -> dict:
        """Is it up, and how many requests wait."""
        return {"status": "ok", "waiting": self.turns.waiting}

    async def models(self) -> dict:
        """The modes, as other services list models."""
        about = {"object": "model", "created": 0, "owned_by": "qrr"}
        return {"object": "list", "data": [{"id": m} | about for m in self.modes]}

    async def info(self, http: Request) -> dict:
        """What runs here."""
        modes = {
            name: {"weights": mode.weights, "note": self.notes.get(name, "")}
            for name, mode in self.modes.items()
        }
        model = self.modes[self.default].embedder.name
        return shapes.TEI | {
            "service": "qrr",
            "version": __version__,
            "embedding_model": model,
            "model_id": model,
            "default_mode": self.default,
            "modes": modes,
            "documents_indexed": len(self.texts),
            "limits": self.limits,
            "max_concurrent_requests": self.limits.waiting,
            "max_client_batch_size": self.limits.documents,
        }

    def mode(self, name: str | None) -> tuple[str, Reranker]:
        """(name, reranker) that answers a request: what it names, or the default one
        for a name of another service, which clients send by themselves.
        """
        name = name if name in self.modes else self.default
        return name, self.modes[name]

    def check(self, query: str, documents: list[str]) -> None:
        """Raise HTTPException 422 for too many, too long or empty texts."""
        most, longest = self.limits.documents, self.limits.characters
        if len(documents) > most:
            raise HTTPException(422, f"{len(documents)} documents; the limit is {most}")
        if not query.strip():
            raise HTTPException(422, "the query is empty")
        if documents and not shapes.filled(documents):
            raise HTTPException(422, "all documents are empty")
        for i, text in enumerate([query, *documents]):
            name = f"document {i - 1}" if i else "the query"
            if not is_unicode(text):
                raise HTTPException(422, f"{name} holds half a character")
            if len(text) > longest:
                raise HTTPException(
                    422, f"{name} has {len(text)} characters; the limit is {longest}"
                )


async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Say what is wrong, never echo the input: NaN, lone surrogates are no JSON."""
    lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:10]]
    plain = [line.encode("ascii", "replace").decode() for line in lines]
    return JSONResponse({"detail": plain}, 422)


def rank_all(mode: Reranker, asked: list[tuple]) -> list:
    """Rank for several requests at once: (query, texts, may they be cut off? False)."""
    for query, texts, truncate in asked:
        if truncate is False:
            check_length(mode.embedder, [query, *texts])
    return mode.rank_many([(query, texts) for query, texts, _ in asked])


def check_length(embedder, texts: list[str]) -> None:
    """Raise ValueError for a text that the embedder's model would cut off."""
    longest = max(len(ids) for ids in embedder.model.tokenizer(texts)["input_ids"])
    if longest > embedder.model.max_seq_length:
        raise ValueError(
            f"a text has {longest} tokens, the model reads "
            f"{embedder.model.max_seq_length}: shorten it or allow truncate"
        )
