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

import uuid
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Discriminator, Field, Tag

LABELS = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
UNKNOWN = "sha docker_label model_sha max_input_length max_batch_tokens"
UNKNOWN += " max_batch_requests tokenization_workers"
# what text-embeddings-inference says at /info, and its client insists on
TEI = {"model_dtype": "float32", "model_type": {"reranker": LABELS}}
TEI |= dict.fromkeys(UNKNOWN.split())


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


class TextDocument(BaseModel, extra="allow"):
    """A document as an object; `rank_fields` says which of its fields are read, usually
    its `text`.
    """

    text: str | None = None

    def read(self, fields: list[str]) -> str:
        """The named fields that it has, in that order, a line each."""
        own = self.model_dump()
        found = [own[name] for name in fields if own.get(name) is not None]
        return "\n".join(one if isinstance(one, str) else f"{one}" for one in found)


class Ranked(BaseModel):
    """One document of the request: its place in the list that was sent, from 0, and its
    score. Its text, if asked for, stands in an object (Cohere's and Jina's shape), or
    by itself (Infinity's).
    """

    index: int
    relevance_score: float = Field(ge=0, le=1)
    document: TextDocument | str | None = None


class Usage(BaseModel):
    """How much was read: words between spaces, whatever the model makes of them."""

    prompt_tokens: int
    total_tokens: int


class RerankResponse(BaseModel):
    """Best first; `model` is the mode that answered, and `meta` says how long it worked
    and, in `warnings`, if the request named another one.
    """

    id: str
    object: str = "rerank"
    model: str
    usage: Usage
    results: list[Ranked]
    meta: dict


class RerankRequest(BaseModel):
    """Cohere's and Jina's shape.

    `model` names a mode of this service (see /info); left out, or a name that a client
    sends by itself, the default one answers. `top_k` is Voyage's word for `top_n`.
    Jina's models return documents unless told otherwise, Cohere's do not.
    """

    query: str
    documents: list[str | TextDocument] = Field(min_length=1)
    model: str | None = None
    top_n: int | None = Field(None, ge=1)
    top_k: int | None = Field(None, ge=1)
    return_documents: bool | None = None
    rank_fields: list[str] | None = None
    truncate: ClassVar[bool] = True  # this shape has no other way

    @property
    def texts(self) -> list[str]:
        """The documents, objects opened."""
        fields = self.rank_fields or ["text"]
        return [d if isinstance(d, str) else d.read(fields) for d in self.documents]

    def answer(self, ranked: list[dict], alpha: float, about: dict) -> RerankResponse:
        """What `Reranker.rank` found for `filled(texts)`, in this shape; `about` names
        the mode that answered.
        """
        shown, results = self.return_documents, []
        if shown is None:
            shown = (self.model or "").startswith("jina-")
        for place, score, text in every_place(self.texts, ranked, alpha):
            one = Ranked(index=place, relevance_score=to_unit_interval(score, alpha))
            one.document = TextDocument(text=text) if shown else None
            results.append(one)
        read = sum(len(text.split()) for text in [self.query, *self.texts])
        mode = about["mode"]
        if self.model and self.model != mode:
            said = f"there is no model {self.model!r:.80} here: {mode} answered"
            about = about | {"warnings": [said]}
        return RerankResponse(
            id=str(uuid.uuid4()),
            model=mode,
            usage=Usage(prompt_tokens=read, total_tokens=read),
            results=results[: self.top_n or self.top_k],
            meta=about,
        )


def filled(texts: list[str]) -> list[str]:
    """The texts that have a word; an empty one among others is not ranked, but last."""
    return [text for text in texts if text.strip()]


def every_place(
    texts: list[str], ranked: list[dict], alpha: float
) -> list[tuple[int, float, str]]:
    """(place among all texts, mixed score, text), best first, of what
    `Reranker.rank` found for the texts that have a word; the others come last, with
    the least score there is.
    """
    places = [i for i, text in enumerate(texts) if text.strip()]
    found = [(places[hit["corpus_id"]], hit["score"]) for hit in ranked]
    found += [(i, -alpha) for i, text in enumerate(texts) if not text.strip()]
    return [(i, score, texts[i]) for i, score in found]


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
    raw_scores: bool | None = None
    return_text: bool | None = None
    truncate: bool | None = None

    def answer(self, ranked: list[dict], alpha: float, about: dict) -> list[TextScore]:
        """What `Reranker.rank` found for `filled(texts)`; there is no more to it."""
        results = []
        for place, score, text in every_place(self.texts, ranked, alpha):
            if not self.raw_scores:
                score = to_unit_interval(score, alpha)
            text = text if self.return_text else None
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
    """A question to what is indexed: the `candidates` nearest by cosine are reranked
    (50 unless told otherwise), the best `top_n` returned (10). Of an index of one's own
    documents `where` asks for those that fulfil all of its conditions ("year>2000").
    """

    query: str
    model: str | None = None
    top_n: int | None = Field(None, ge=1, le=100)
    candidates: int | None = Field(None, ge=1, le=200)
    where: list[str] | None = Field(None, max_length=20)


class Found(BaseModel):
    """One passage; `first_rank` is its place by cosine alone. One of an index also has
    a title, where it comes from, its fields, and the signals that were mixed.
    """

    doc_id: str
    relevance_score: float = Field(ge=0, le=1)
    first_rank: int
    text: str
    title: str | None = None
    source: str | None = None
    fields: dict[str, Any] | None = None
    signals: dict[str, float] | None = None


class SearchResponse(BaseModel):
    """Best first."""

    id: str
    results: list[Found]
    meta: dict
