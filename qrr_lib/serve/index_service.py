"""An index of one's own documents as a service: `qrr serve --index` (lesson 14).

Beside what every service answers: conditions in POST /search, and, if the service has a
token, POST /upsert and POST /delete.
"""

import json
from collections import Counter
from typing import Annotated, Any

from fastapi import Body, Depends, HTTPException, Request
from pydantic import BaseModel, Field

from qrr_lib.checks import is_unicode
from qrr_lib.engine.index import Index
from qrr_lib.engine.passage import Passage, condition
from qrr_lib.engine.passages import cut, split_id, word_pieces
from qrr_lib.rank.mix import checked_weights
from qrr_lib.rank.reranker import Reranker
from qrr_lib.serve import shapes
from qrr_lib.serve.server import hosts_of, server_of, token_for
from qrr_lib.serve.service import ERRORS, RerankService, app_of
from qrr_lib.serve.turns import alone

NAME = "index"  # of the one mode
AT_ONCE = 100  # passages of a document that are looked for at once
Key = Annotated[str, Field(pattern=r"\S")]
KEYS = Body(embed=True, min_length=1, max_length=1000)


class NewDocument(BaseModel):
    """A document to be indexed, in place of one with the same id; a long one is cut
    into passages with the ids "id#1", "id#2", …
    """

    id: Key
    title: str = ""
    text: str = ""
    source: str = ""
    fields: dict[str, Any] = {}


class IndexService(RerankService):
    """What the addresses answer when an index stands behind them.

    Parameters
    ----------
    index : Index
        Open; nobody else may use it meanwhile.
    limits : Limits or None
    """

    def __init__(self, index: Index, limits: shapes.Limits | None):
        weights = checked_weights(index.weights)
        cosine, states = (weights.get(name, 0.0) for name in ("cosine", "states"))
        alpha = cosine / (cosine + states) if cosine + states else 1.0
        reranker = Reranker(index.embedder, index.scorer, alpha=alpha)
        notes = {NAME: "the passages of this index"}
        super().__init__({NAME: reranker}, {}, limits, notes)
        self.index, self.pieces = index, word_pieces(index.embedder)

    def find(self, request: shapes.SearchRequest, mode: Reranker) -> list[dict]:
        """What a search finds, with the mixed scores."""
        where = [condition(one) for one in request.where or []]
        most = request.top_n or 10, where, request.candidates or 50
        found = self.index.search(request.query, *most)
        return [{"doc_id": hit.id} | hit._asdict() for hit in found]

    async def upsert(
        self,
        documents: Annotated[list[NewDocument], Body(embed=True, min_length=1)],
        http: Request,
    ) -> dict:
        """Index documents; what they replace is gone when the answer comes."""
        if len(documents) > self.limits.documents:
            raise HTTPException(422, f"the limit is {self.limits.documents} documents")
        return (await self.turns.run(http, alone(self._upsert, documents)))[0]

    async def delete(self, ids: Annotated[list[Key], KEYS], http: Request) -> dict:
        """Take documents, or single passages, out of the index."""
        return (await self.turns.run(http, alone(self._delete, ids)))[0]

    async def info(self, http: Request) -> dict:
        """What runs here, and what the index is."""
        said, _ = await self.turns.run(http, alone(self.index.info))
        about = {"documents_indexed": said["passages"], "index": said}
        return await super().info(http) | about

    def _upsert(self, documents: list[NewDocument]) -> dict:
        passages, deleted = [], 0
        for one in documents:
            if not is_unicode(json.dumps(one.model_dump(), ensure_ascii=False)):
                raise ValueError("a document holds half a character")
            whole = Passage(one.id, one.title, one.text, one.source, one.fields)
            passages += cut(whole, *self.pieces)
        written = self.index.add(passages)
        for key, count in Counter(split_id(one.id)[0] for one in passages).items():
            deleted += self._delete_from(key, count + 1)
        return {"passages": len(passages), "written": written, "deleted": deleted}

    def _delete(self, ids: list[str]) -> dict:
        alone = self.index.delete(ids)
        return {"deleted": alone + sum(self._delete_from(key, 1) for key in ids)}

    def _delete_from(self, document: str, first: int) -> int:
        """Delete passages of a document from a number on."""
        deleted = 0
        while True:
            numbers = range(first, first + AT_ONCE)
            found = self.index.delete(f"{document}#{n}" for n in numbers)
            if not found:
                return deleted
            deleted += found
            first += AT_ONCE


def index_app(
    index: Index,
    token: str | None = None,
    limits: shapes.Limits | None = None,
    hosts: tuple[str, ...] = ("*",),
):
    """Make the service around an open index; arguments as in `create_app`. Without a
    token nothing can be written.
    """
    service = IndexService(index, limits)
    app = app_of(service, token, hosts)
    refusals = ERRORS | {403: {"description": "This service has no token"}}
    closed = [] if token else [Depends(refuse_writing)]
    said = {"responses": refusals, "dependencies": closed}
    app.post("/upsert", **said)(service.upsert)
    app.post("/delete", **said)(service.delete)
    return app


async def refuse_writing() -> None:
    """What stands before writing where no token does."""
    raise HTTPException(
        403, "writing needs a token: start the service with QRR_TOKEN set"
    )


def serve(place: str, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve an index until Ctrl-C or SIGTERM (`qrr serve --index`).

    A token is read from the environment variable QRR_TOKEN.
    """
    token = token_for(host)
    with Index.open(place) as index:
        app = index_app(index, token, hosts=hosts_of(host))
        server_of(app, host, port).run()
