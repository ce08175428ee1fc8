"""What an index asks of Qdrant, in the words of its two packages: `edge.EdgeStore` and
`client.ClientStore` say the rest (lesson 14).
"""

from collections.abc import Iterator

from qrr_lib.engine.passage import BOUNDS, Point, field_key, is_number

PAGE = 512  # points read at a time


class EngineError(ValueError):
    """An engine is unreachable or refuses; the message says which one, where, and what
    to do.
    """


class Store:
    """Points of an index. `q` is the package whose classes are used, `range` its class
    of numeric ranges.
    """

    def find(
        self, asked: dict, k: int, where: list, by: tuple, payload: list[str]
    ) -> list[tuple[Point, float]]:
        """The k nearest points by each of some vectors, {name: vector}, of those that
        fulfil the conditions; their union, best first by one vector, (name, vector).
        """
        must = [self._condition(*one) for one in where]
        wanted = self.q.Filter(must=must) if must else None
        found = self.query(self.native(asked), k, wanted, by, payload)
        return [(point, hit.score) for point, hit in zip(points_of(found), found)]

    def retrieve(self, ids: list[str], payload: list[str], vectors=()) -> list[Point]:
        """These points, those that are there, with parts of payload and vectors."""
        # an empty list would read payloads all the same
        return points_of(self.records(ids, payload or False, list(vectors)))

    def scroll(self, payload: list[str], vectors=()) -> Iterator[list[Point]]:
        """All points, page by page, in the order of their ids."""
        offset, more = None, True
        while more:
            page, offset = self.page(offset, payload or False, list(vectors))
            yield points_of(page)
            more = offset is not None

    def native(self, vectors: dict) -> dict:
        """{name: vector} in the package's words."""
        made = dict(vectors)
        for name, vector in made.items():
            if isinstance(vector, dict):
                both = {"indices": list(vector), "values": list(vector.values())}
                made[name] = self.q.SparseVector(**both)
        return made

    def _condition(self, field: str, operator: str, value):
        if operator in BOUNDS:
            return self._between(field, **{BOUNDS[operator]: value})
        either = []
        for one in value if operator == "in" else [value]:
            if is_number(one):
                either.append(self._between(field, gte=one, lte=one))
            if isinstance(one, bool):
                either.append(self._equal(f'truths."{field}"', f"{one}".lower()))
            # a table's column may hold numbers as text
            either.append(self._equal(field_key(field), f"{one}"))
        return self.q.Filter(should=either)

    def _between(self, field: str, **bounds):
        return self.q.FieldCondition(key=field_key(field), range=self.range(**bounds))

    def _equal(self, key: str, text: str):
        return self.q.FieldCondition(key=key, match=self.q.MatchValue(value=text))


def points_of(records) -> list[Point]:
    """What one of the two packages read, in our words."""
    return [Point(str(r.id), r.vector or {}, r.payload or {}) for r in records]
