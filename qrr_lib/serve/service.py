"""The reranker behind HTTP, in the shapes that clients already speak (lesson 11).

    POST /rerank (also /v1/rerank, /v2/rerank)    Cohere's and Jina's shape, or that of text-embeddings-inference
    POST /search                                  the indexed corpus
    GET  /health, /info, /docs                    is it up; what it is; the OpenAPI page

Scores. Every mode ranks by x = α·cosine + (1−α)·similarity, which lies in [−α, 1]; what is sent is (x + α)/(1 + α). That is a
straight line upwards, so it changes no order, and it lies in [0, 1]. It is no probability. "raw_scores" sends x itself.
"""
from __future__ import annotations

import asyncio
import math
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from typing import Annotated

import uvicorn
from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from qrr_lib import __version__
from qrr_lib.rank.reranker import HybridReranker
from qrr_lib.serve.gate import Gate
from qrr_lib.serve.shapes import (
    AnyRequest,
    Found,
    Limits,
    Ranked,
    RerankResponse,
    SearchRequest,
    SearchResponse,
    TextDocument,
    TextScore,
    TextsRequest,
)


def create_app(modes: Mapping[str, HybridReranker], texts: Mapping[str, str] | None = None, token: str | None = None,
               limits: Limits | None = None, hosts: tuple[str, ...] = ("*",), notes: Mapping[str, str] | None = None) -> FastAPI:
    """Make the service around rerankers that are ready.

    Parameters
    ----------
    modes : {name: HybridReranker}
        The first is the default. For /search each must have indexed the documents of `texts`.
    texts : {document id: text} or None
        Without it /search answers 404.
    token : str or None
        Clients must send `Authorization: Bearer TOKEN`; /health stays open.
    hosts : tuple of str
        Names by which the service may be addressed (the Host header); "*" allows any.
    notes : {mode: sentence} for /info.
    """
    modes, notes, limits = dict(modes), dict(notes or {}), limits or Limits()
    default, worker, work = next(iter(modes)), ThreadPoolExecutor(1, "rerank"), {"waiting": 0, "seconds": 0.05}

    @asynccontextmanager
    async def lifespan(app):
        yield
        worker.shutdown(wait=True)

    app = FastAPI(title="qrr: quantum-inspired reranking", version=__version__, lifespan=lifespan)
    app.add_middleware(Gate, token=token, body_bytes=limits.body_bytes)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    errors = {code: {"description": text} for code, text in {
        400: "The body is no JSON", 401: "No or a wrong bearer token", 404: "No such mode, or no corpus", 413: "Body too large",
        422: "The request does not have one of the shapes, or breaks a limit", 429: "Too many requests are waiting: see Retry-After"}.items()}

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError):     # never echo the input: NaN and lone surrogates are no JSON
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:10]]
        return JSONResponse({"detail": [line.encode("ascii", "replace").decode() for line in lines]}, 422)

    def mode_of(name: str | None) -> str:
        if name not in (None, *modes):
            raise HTTPException(404, f"no model of that name here; there is {', '.join(modes)}")
        return name or default

    def check(query: str, documents: list[str]) -> None:
        if len(documents) > limits.documents:
            raise HTTPException(422, f"{len(documents)} documents; the limit is {limits.documents}")
        for i, text in enumerate([query, *documents]):
            name = f"document {i - 1}" if i else "the query"
            if not text.strip():
                raise HTTPException(422, f"{name} is empty")
            if len(text) > limits.characters:
                raise HTTPException(422, f"{name} has {len(text)} characters; the limit is {limits.characters}")

    async def in_turn(task):
        """Run `task` on the one worker thread, off the event loop; refuse when too many wait."""
        if work["waiting"] >= limits.waiting:
            seconds = math.ceil(work["waiting"] * work["seconds"])
            raise HTTPException(429, "too many requests are waiting", {"Retry-After": str(max(1, seconds))})
        work["waiting"] += 1
        try:
            result, seconds = await asyncio.get_running_loop().run_in_executor(worker, _timed, task)
            work["seconds"] = 0.9 * work["seconds"] + 0.1 * seconds
            return result, seconds
        finally:
            work["waiting"] -= 1

    @app.post("/rerank", responses=errors)
    @app.post("/v1/rerank", include_in_schema=False)
    @app.post("/v2/rerank", include_in_schema=False)
    async def rerank(request: Annotated[AnyRequest, Body()]) -> RerankResponse | list[TextScore]:
        """Order the documents of the request, best first."""
        name = mode_of(request.model)
        if isinstance(request, TextsRequest):
            check(request.query, request.texts)
            longest = None if request.truncate else modes[name].embedder
            ranked, _ = await in_turn(lambda: _rank(modes[name], request.query, request.texts, longest))
            return [TextScore(index=i, score=raw if request.raw_scores else unit, text=request.texts[i] if request.return_text else None)
                    for i, raw, unit in ranked]
        documents = [d if isinstance(d, str) else d.text for d in request.documents]
        check(request.query, documents)
        ranked, seconds = await in_turn(lambda: _rank(modes[name], request.query, documents))
        results = [Ranked(index=i, relevance_score=unit, document=TextDocument(text=documents[i]) if request.return_documents else None)
                   for i, _, unit in ranked[:request.top_n]]
        return RerankResponse(id=str(uuid.uuid4()), results=results, meta={"mode": name, "documents": len(documents), "seconds": round(seconds, 4)})

    @app.post("/search", responses=errors)
    async def search(request: SearchRequest) -> SearchResponse:
        """Answer from the indexed corpus."""
        if not texts:
            raise HTTPException(404, "this service has no corpus; send documents to /rerank")
        name = mode_of(request.model)
        check(request.query, [])
        found, seconds = await in_turn(lambda: modes[name].search(request.query, request.top_n, request.candidates))
        results = [Found(doc_id=d.doc_id, relevance_score=to_unit_interval(d.score, modes[name].alpha), first_rank=d.first_rank, text=texts[d.doc_id])
                   for d in found]
        return SearchResponse(id=str(uuid.uuid4()), results=results, meta={"mode": name, "seconds": round(seconds, 4)})

    @app.get("/health")
    async def health() -> dict:
        """Is it up, and how many requests wait."""
        return {"status": "ok", "waiting": work["waiting"]}

    @app.get("/info", responses={401: errors[401]})
    async def info() -> dict:
        """What runs here."""
        return {"service": "qrr", "version": __version__, "embedding_model": modes[default].embedder.name, "default_mode": default,
                "modes": {name: {"alpha": m.alpha, "note": notes.get(name, "")} for name, m in modes.items()},
                "documents_indexed": len(texts or ()), "limits": asdict(limits)}

    return app


def _timed(task):
    start = time.perf_counter()
    try:
        return task(), time.perf_counter() - start
    except ValueError as error:                         # the reranker's own refusal is the client's mistake
        raise HTTPException(422, str(error)) from None


def to_unit_interval(score: float, alpha: float) -> float:
    """Map a mixed score from [−α, 1] to [0, 1] by a rising straight line (rounding may leave it 1e-7 outside: clipped)."""
    return min(1.0, max(0.0, (score + alpha) / (1 + alpha)))


def _rank(mode: HybridReranker, query: str, documents: list[str], check_length=None) -> list[tuple[int, float, float]]:
    """[(index, raw score, score in [0, 1])], best first; with an embedder as `check_length`, refuse texts that it would cut off."""
    if check_length is not None:
        lengths = [len(ids) for ids in check_length.model.tokenizer([query, *documents])["input_ids"]]
        if max(lengths) > check_length.model.max_seq_length:
            raise ValueError(f"a text has {max(lengths)} tokens, the model reads {check_length.model.max_seq_length}: shorten it or allow truncate")
    return [(int(d.doc_id), d.score, to_unit_interval(d.score, mode.alpha)) for d in mode.rerank(query, documents)]


@contextmanager
def running(app: FastAPI, host: str = "127.0.0.1", port: int = 0):
    """Serve `app` from a thread of this process; yields its address. Port 0 takes a free one; on leaving, requests at work are finished."""
    server = uvicorn.Server(uvicorn.Config(app, host, port, log_level="error", timeout_graceful_shutdown=10))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise OSError(f"the service could not start on {host}:{port}; is the port taken?")
            time.sleep(0.01)
        yield f"http://{host}:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
