"""Points and what is asked of them, in the words of neither of Qdrant's two packages;
`edge.EdgeStore` and `client.ClientStore` speak them (lesson 14).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from qrr_lib.engine.passage import field_key, is_number
from qrr_lib.engine.words import Sparse

PAGE = 512  # points read at a time


class Point(NamedTuple):
    """A UUID, {name: list of numbers, list of rows, or Sparse}, and what is kept
    beside.
    """

    id: str
    vectors: dict
    payload: dict


class Ask(NamedTuple):
    """The `limit` points nearest to a vector: of all, of those that fulfil conditions
    (`where`), or of given ones (`within`).
    """

    using: str
    vector: list | Sparse
    limit: int
    where: list = ()
    within: list[str] | None = None


class Store:
    """What both stores share. `q` is the package whose words they speak."""

    def search(self, asks: list[Ask]) -> list[list[tuple[str, float]]]:
        """(id, score) of the nearest points of every `Ask`, best first."""
        found = self.query([self.request(ask) for ask in asks])
        return [[(str(hit.id), hit.score) for hit in hits] for hits in found]

    def retrieve(self, ids: list[str], payload: list[str], vectors=()) -> list[Point]:
        """These points, those that are there, with parts of payload and vectors."""
        # an empty list would read payloads all the same
        return points_of(self.records(ids, payload or False, list(vectors)))

    def scroll(self, payload: list[str], vectors=()) -> Iterator[list[Point]]:
        """All points, page by page, in the order of their ids."""
        offset = None
        while True:
            page, offset = self.page(offset, payload or False, list(vectors))
            yield points_of(page)
            if offset is None:
                return

    def native(self, vectors: dict) -> dict:
        """Vectors in the package's words."""
        made = {}
        for name, vector in vectors.items():
            if isinstance(vector, Sparse):
                vector = self.q.SparseVector(**vector._asdict())
            made[name] = vector
        return made

    def filter(self, ask: Ask):
        """A filter in the package's words, or None."""
        must = [self._condition(*one) for one in ask.where]
        if ask.within is not None:
            must.append(self.one_of(ask.within))
        return self.q.Filter(must=must) if must else None

    def _condition(self, field: str, operator: str, value):
        key, names = field_key(field), {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
        if operator in names:
            return self.between(key, **{names[operator]: value})
        either = []
        for one in value if operator == "in" else [value]:
            if is_number(one):
                either.append(self.between(key, gte=one, lte=one))
            if isinstance(one, bool):
                either.append(self._equal(f'truths."{field}"', f"{one}".lower()))
            # a table's column may hold numbers as text
            either.append(self._equal(key, f"{one}"))
        return self.q.Filter(should=either)

    def _equal(self, key: str, text: str):
        return self.q.FieldCondition(key=key, match=self.q.MatchValue(value=text))


def points_of(records) -> list[Point]:
    """What one of the two packages read, in our words."""
    points = []
    for record in records:
        vectors = {
            name: Sparse(v.indices, v.values) if hasattr(v, "indices") else v
            for name, v in (record.vector or {}).items()
        }
        points.append(Point(str(record.id), vectors, record.payload or {}))
    return points
