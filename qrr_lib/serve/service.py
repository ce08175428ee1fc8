"""The reranker behind HTTP, in the shapes that clients already speak (lesson 13).

    POST /rerank (also /v1/rerank, /v2/rerank)
                                  Cohere's and Jina's shape, or that of
                                  text-embeddings-inference
    POST /search                  the indexed corpus
    GET  /health, /info, /docs    is it up; what it is; the OpenAPI page

Scores. Every mode ranks by x = α·cosine + (1−α)·similarity, which lies in [−α, 1]; what
is sent is (x + α)/(1 + α). That is a straight line upwards, so it changes no order, and
it lies in [0, 1]. It is no probability. "raw_scores" sends x itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from qrr_lib import __version__
from qrr_lib.rank.reranker import HybridReranker, RankedDocument
from qrr_lib.serve.gate import Gate
from qrr_lib.serve.shapes import (
    AnyRequest,
    Found,
    Limits,
    Ranked,
    RerankRequest,
    RerankResponse,
    SearchRequest,
    SearchResponse,
    TextDocument,
    TextScore,
    TextsRequest,
)
from qrr_lib.serve.turns import Turns

ERRORS = {
    400: {"description": "The body is no JSON"},
    401: {"description": "No or a wrong bearer token"},
    404: {"description": "No such mode, or no corpus"},
    413: {"description": "Body too large"},
    422: {
        "description": "The request does not have one of the shapes, or breaks a limit"
    },
    429: {"description": "Too many requests are waiting: see Retry-After"},
}


def create_app(
    modes: Mapping[str, HybridReranker],
    texts: Mapping[str, str] | None = None,
    token: str | None = None,
    limits: Limits | None = None,
    hosts: tuple[str, ...] = ("*",),
    notes: Mapping[str, str] | None = None,
) -> FastAPI:
    """Make the service around rerankers that are ready.

    Parameters
    ----------
    modes : {name: HybridReranker}
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
    limits = limits or Limits()
    service = RerankService(modes, texts or {}, limits, notes or {})
    app = FastAPI(
        title="qrr: quantum-inspired reranking",
        version=__version__,
        lifespan=service.turns.lifespan,
    )
    app.add_middleware(Gate, token=token, body_bytes=limits.body_bytes)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.post("/rerank", responses=ERRORS)(service.rerank)
    app.post("/v1/rerank", include_in_schema=False)(service.rerank)
    app.post("/v2/rerank", include_in_schema=False)(service.rerank)
    app.post("/search", responses=ERRORS)(service.search)
    app.get("/health")(service.health)
    app.get("/info", responses={401: ERRORS[401]})(service.info)
    return app


class RerankService:
    """What the addresses of `create_app` answer."""

    def __init__(self, modes, texts, limits: Limits, notes):
        self.modes = dict(modes)
        self.default = next(iter(self.modes))
        self.texts, self.limits, self.notes = texts, limits, notes
        self.turns = Turns(limits.waiting)

    async def rerank(
        self, request: Annotated[AnyRequest, Body()]
    ) -> RerankResponse | list[TextScore]:
        """Order the documents of the request, best first."""
        if isinstance(request, TextsRequest):
            return await self._rerank_texts(request)
        return await self._rerank_documents(request)

    async def _rerank_documents(self, request: RerankRequest) -> RerankResponse:
        """Cohere's and Jina's shape."""
        name, mode = self._mode(request.model)
        texts = [d if isinstance(d, str) else d.text for d in request.documents]
        self._check(request.query, texts)
        ranked, seconds = await self.turns.run(
            lambda: mode.rerank(request.query, texts)
        )
        results = [
            Ranked(
                index=(i := int(doc.doc_id)),
                relevance_score=to_unit_interval(doc.score, mode.alpha),
                document=TextDocument(text=texts[i])
                if request.return_documents
                else None,
            )
            for doc in ranked[: request.top_n]
        ]
        about = {"mode": name, "documents": len(texts), "seconds": round(seconds, 4)}
        return RerankResponse(id=str(uuid.uuid4()), results=results, meta=about)

    async def _rerank_texts(self, request: TextsRequest) -> list[TextScore]:
        """The shape of text-embeddings-inference."""
        _, mode = self._mode(request.model)
        self._check(request.query, request.texts)

        def task() -> list[RankedDocument]:
            if not request.truncate:
                check_length(mode.embedder, [request.query, *request.texts])
            return mode.rerank(request.query, request.texts)

        ranked, _ = await self.turns.run(task)
        return [
            TextScore(
                index=(i := int(doc.doc_id)),
                score=doc.score
                if request.raw_scores
                else to_unit_interval(doc.score, mode.alpha),
                text=request.texts[i] if request.return_text else None,
            )
            for doc in ranked
        ]

    async def search(self, request: SearchRequest) -> SearchResponse:
        """Answer from the indexed corpus."""
        if not self.texts:
            raise HTTPException(
                404, "this service has no corpus; send documents to /rerank"
            )
        name, mode = self._mode(request.model)
        self._check(request.query, [])
        found, seconds = await self.turns.run(
            lambda: mode.search(request.query, request.top_n, request.candidates)
        )
        results = [
            Found(
                doc_id=doc.doc_id,
                relevance_score=to_unit_interval(doc.score, mode.alpha),
                first_rank=doc.first_rank,
                text=self.texts[doc.doc_id],
            )
            for doc in found
        ]
        about = {"mode": name, "seconds": round(seconds, 4)}
        return SearchResponse(id=str(uuid.uuid4()), results=results, meta=about)

    async def health(self) -> dict:
        """Is it up, and how many requests wait."""
        return {"status": "ok", "waiting": self.turns.waiting}

    async def info(self) -> dict:
        """What runs here."""
        modes = {
            name: {"alpha": mode.alpha, "note": self.notes.get(name, "")}
            for name, mode in self.modes.items()
        }
        return {
            "service": "qrr",
            "version": __version__,
            "embedding_model": self.modes[self.default].embedder.name,
            "default_mode": self.default,
            "modes": modes,
            "documents_indexed": len(self.texts),
            "limits": asdict(self.limits),
        }

    def _mode(self, name: str | None) -> tuple[str, HybridReranker]:
        name = name or self.default
        if name not in self.modes:
            raise HTTPException(
                404, f"no model of that name here; there is {', '.join(self.modes)}"
            )
        return name, self.modes[name]

    def _check(self, query: str, documents: list[str]) -> None:
        """Raise HTTPException 422 for too many, too long or empty texts."""
        most, longest = self.limits.documents, self.limits.characters
        if len(documents) > most:
            raise HTTPException(422, f"{len(documents)} documents; the limit is {most}")
        for i, text in enumerate([query, *documents]):
            name = f"document {i - 1}" if i else "the query"
            if not text.strip():
                raise HTTPException(422, f"{name} is empty")
            if len(text) > longest:
                raise HTTPException(
                    422, f"{name} has {len(text)} characters; the limit is {longest}"
                )


async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Say what is wrong, never echo the input: NaN, lone surrogates are no JSON."""
    lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:10]]
    plain = [line.encode("ascii", "replace").decode() for line in lines]
    return JSONResponse({"detail": plain}, 422)


def to_unit_interval(score: float, alpha: float) -> float:
    """Map a mixed score from [−α, 1] to [0, 1] by a rising straight line.

    Rounding may leave a score 1e-7 outside: it is clipped.
    """
    return min(1.0, max(0.0, (score + alpha) / (1 + alpha)))


def check_length(embedder, texts: list[str]) -> None:
    """Raise ValueError for a text that the embedder's model would cut off."""
    longest = max(len(ids) for ids in embedder.model.tokenizer(texts)["input_ids"])
    if longest > embedder.model.max_seq_length:
        raise ValueError(
            f"a text has {longest} tokens, the model reads "
            f"{embedder.model.max_seq_length}: shorten it or allow truncate"
        )
