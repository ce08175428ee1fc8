"""What goes over the wire: request and answer shapes of the service, and its limits
(lesson 13).

Two request shapes are in use today, and one address takes both: {query, documents, …}
of Cohere and Jina, and {query, texts, …} of text-embeddings-inference. Pydantic turns
JSON into these classes, or refuses it and says where. Each of the two knows its `texts`
and how its results look.

Scores. Every mode ranks by x = α·cosine + (1−α)·similarity, which lies in [−α, 1]; what
is sent is (x + α)/(1 + α). That is a straight line upwards, so it changes no order, and
it lies in [0, 1]. It is no probability. "raw_scores" sends x itself.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

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


def to_unit_interval(score: float, alpha: float) -> float:
    """Map a mixed score from [−α, 1] to [0, 1] by a rising straight line.

    Rounding may leave a score 1e-7 outside: it is clipped.
    """
    return min(1.0, max(0.0, (score + alpha) / (1 + alpha)))


class TextDocument(BaseModel):
    """A document as an object; other fields are ignored."""

    text: str


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


class RerankRequest(BaseModel):
    """Cohere's and Jina's shape.

    `model` names a mode of this service (see /info); left out, the default one answers.
    """

    query: str
    documents: list[str | TextDocument] = Field(min_length=1)
    model: str | None = None
    top_n: int | None = Field(None, ge=1)
    return_documents: bool = False
    truncate: ClassVar[bool] = True  # this shape has no other way

    @property
    def texts(self) -> list[str]:
        """The documents, objects opened."""
        return [d if isinstance(d, str) else d.text for d in self.documents]

    def results(self, ranked: list[dict], alpha: float) -> list[Ranked]:
        """What `Reranker.rank` found, texts included, in this shape."""
        results = []
        for hit in ranked[: self.top_n]:
            place, score = hit["corpus_id"], to_unit_interval(hit["score"], alpha)
            shown = TextDocument(text=hit["text"]) if self.return_documents else None
            results.append(Ranked(index=place, relevance_score=score, document=shown))
        return results


class TextScore(BaseModel):
    """One text of the request, best first."""

    index: int
    score: float
    text: str | None = None


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

    def results(self, ranked: list[dict], alpha: float) -> list[TextScore]:
        """What `Reranker.rank` found, texts included, in this shape."""
        results = []
        for hit in ranked:
            place, score = hit["corpus_id"], hit["score"]
            if not self.raw_scores:
                score = to_unit_interval(score, alpha)
            text = hit["text"] if self.return_text else None
            results.append(TextScore(index=place, score=score, text=text))
        return results


def _shape(body) -> str:
    """Which of the two a body is meant to be."""
    return "texts" if isinstance(body, dict) and "texts" in body else "documents"


AnyRequest = Annotated[
    Annotated[RerankRequest, Tag("documents")] | Annotated[TextsRequest, Tag("texts")],
    Discriminator(_shape),
]


class SearchRequest(BaseModel):
    """A question to the indexed corpus: the `candidates` nearest by cosine are
    reranked, the best `top_n` returned.
    """

    query: str
    model: str | None = None
    top_n: int = Field(10, ge=1, le=100)
    candidates: int = Field(50, ge=1, le=200)


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
