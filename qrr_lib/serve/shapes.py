"""What goes over the wire: request and answer shapes of the service, and its limits
(lesson 13).

Two request shapes are in use today, and one address takes both: {query, documents, …}
of Cohere and Jina, and {query, texts, …} of text-embeddings-inference. Pydantic turns
JSON into these classes, or refuses it and says where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Discriminator, Field, Tag


@dataclass(frozen=True)
class Limits:
    """What one client may ask for.

    Beyond `waiting` requests (the one at work included) the answer is 429.
    """

    documents: int = 200
    characters: int = 20_000  # of one text
    body_bytes: int = 2_000_000
    waiting: int = 32


class TextDocument(BaseModel):
    """A document as an object; other fields are ignored."""

    text: str


class RerankRequest(BaseModel):
    """Cohere's and Jina's shape.

    `model` names a mode of this service (see /info); left out, the default one answers.
    """

    query: str
    documents: list[str | TextDocument] = Field(min_length=1)
    model: str | None = None
    top_n: int | None = Field(None, ge=1)
    return_documents: bool = False


class TextsRequest(BaseModel):
    """The shape of text-embeddings-inference.

    Texts beyond the model's limit are cut off, or refused with `truncate: false`.
    """

    query: str
    texts: list[str] = Field(min_length=1)
    model: str | None = None
    raw_scores: bool = False
    return_text: bool = False
    truncate: bool = True


class SearchRequest(BaseModel):
    """A question to the indexed corpus: the `candidates` nearest by cosine are
    reranked, the best `top_n` returned.
    """

    query: str
    model: str | None = None
    top_n: int = Field(10, ge=1, le=100)
    candidates: int = Field(50, ge=1, le=200)


class Ranked(BaseModel):
    """One document of the request: its place in the list that was sent, from 0, and its
    score.
    """

    index: int
    relevance_score: float = Field(ge=0, le=1)
    document: TextDocument | None = None


class RerankResponse(BaseModel):
    """Best first; `meta` says which mode answered and how long it worked."""

    id: str
    results: list[Ranked]
    meta: dict


class TextScore(BaseModel):
    """One text of the request, best first."""

    index: int
    score: float
    text: str | None = None


class Found(BaseModel):
    """One passage of the corpus; `first_rank` is its place by cosine alone."""

    doc_id: str
    relevance_score: float = Field(ge=0, le=1)
    first_rank: int
    text: str


class SearchResponse(BaseModel):
    """Best first."""

    id: str
    results: list[Found]
    meta: dict


AnyRequest = Annotated[
    Annotated[RerankRequest, Tag("documents")] | Annotated[TextsRequest, Tag("texts")],
    Discriminator(
        lambda body: (
            "texts" if isinstance(body, dict) and "texts" in body else "documents"
        )
    ),
]
