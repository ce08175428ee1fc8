"""Find passages for a query and score them by every signal (lesson 14)."""

import functools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from qrr_lib.checks import checked_queries, listed, whole_number
from qrr_lib.engine.about import ABOUT
from qrr_lib.engine.passage import (
    Passage,
    Point,
    check_condition,
    is_number,
    point_id,
    unpacked,
)
from qrr_lib.rank.maxsim import TokenRarity
from qrr_lib.rank.mix import SIGNALS, Candidates
from qrr_lib.rank.ranking import Ranking
from qrr_lib.rank.states import States, offsets_of
from qrr_lib.rank.words import word_numbers, words_signal

COUNTED = 50_000  # passages whose word pieces are counted: enough for a fair sample


class Hit(NamedTuple):
    """One line of a result: `rank` after and `first_rank` (by cosine) before mixing,
    both from 1; `signals` are the scores that were mixed, in their own units.
    """

    id: str
    rank: int
    first_rank: int
    score: float
    signals: dict[str, float]
    title: str
    text: str
    source: str
    fields: dict


class Hits(Ranking):
    """Hits, best first: a list that a notebook shows as a table."""

    def named(self, doc: Hit) -> tuple[str, str]:
        """(title, text) to show of a hit."""
        return doc.title or doc.id, doc.text


class Finder:
    """What an index is asked: passages for a query, by vector and by words, with every
    signal of what either finds.

    Parameters
    ----------
    store : EdgeStore or ClientStore
    kind : CodeStates or FullTokens
    """

    def __init__(self, store, kind):
        self.store, self.kind = store, kind
        self.embedder, self.scorer = kind.embedder, kind.scorer
        self.weights: float | Mapping = kind.scorer.default_weights(words=True)
        self._indexed: set[str] = set()

    def search(
        self, query: str, k: int = 10, where: list | None = None, candidates: int = 100
    ) -> Hits:
        """The best k passages by the mixed score (fewer if fewer are found): a list of
        `Hit` that a notebook shows as a table.
        """
        most = max(whole_number("k", k), whole_number("candidates", candidates))
        found = self.candidates({"": query}, most, where)
        best = list(found.lines(self.weights, k))
        shown = self.texts(key for key, *_ in best)
        # a hit ends as a passage does, from its title on
        return Hits(Hit(*line, *shown[line[0]][1:]) for line in best)

    def texts(self, ids: Iterable[str]) -> dict[str, Passage]:
        """{id: passage} of those that are there."""
        keys = [point_id(key) for key in listed("ids", ids)]
        found = self.store.retrieve(keys, list(Passage._fields))
        return {p.payload["id"]: Passage(**p.payload) for p in found}

    def candidates(
        self, queries: Mapping[str, str], k: int = 100, where: list | None = None
    ) -> Candidates:
        """Find and score: the union of the k nearest by cosine and the k best by words
        of each query, with the signals "cosine", "words" and "states".

        `where` are conditions (field, operator, value) that passages must fulfil; see
        `condition`.
        """
        texts, k = checked_queries(queries), whole_number("k", k)
        where = [check_condition(one) for one in listed("where", where or [])]
        for field, _, value in where:
            self._index_field(field, value)
        (vectors, states), words = self.kind.encode(texts), word_numbers(texts)
        found = [
            self._one(vector, states[i : i + 1], words[i], k, where)
            for i, vector in enumerate(vectors.tolist())
        ]
        return _table(list(queries), found)

    def _index_field(self, field: str, value) -> None:
        first = value[0] if isinstance(value, list) else value
        if field not in self._indexed and not isinstance(first, bool):
            self._indexed.add(field)
            self.store.index_field(field, number=is_number(first))

    def _one(self, vector, query: States, words: list, k: int, where: list):
        """(passage ids, {signal: scores}) for one query, nearest first."""
        asked = {"dense": vector}
        if words:
            asked["words"] = {word: float(words.count(word)) for word in words}
        find = functools.partial(self.store.find, asked, k, where)
        fields = ["id", "words", *self.kind.payload]
        found = find(by=("dense", vector), payload=fields)
        points = [point for point, _ in found]
        own = [unpacked(point.payload["words"]) for point in points]
        return [point.payload["id"] for point in points], {
            "cosine": [score for _, score in found],
            "words": words_signal(words, own),
            "states": self.kind.score(points, query, self.token_weights(query), find),
        }

    def token_weights(self, query: States) -> list[np.ndarray] | None:
        """Weights of a query's tokens by rarity in the passages; None: equal."""
        if not self.scorer.idf:
            return None
        return [self.rarity.weights(query.token_ids)]

    @functools.cached_property
    def rarity(self) -> TokenRarity:
        """How rare word pieces are; counted at the first search. Ids are hashes, so the
        first `COUNTED` passages are a random sample.
        """
        counts = TokenRarity()
        for page in self.store.scroll([], ["pieces"]):
            counts.count(_pieces(page))
            if counts.documents >= COUNTED:
                break
        return counts

    def count(self, points: list[Point], times: int = 1) -> None:
        """Take passages into the counts (times=−1: out of them), if there are counts
        already.
        """
        if "rarity" in self.__dict__:
            self.rarity.count(_pieces(points), times)


def _pieces(points: list[Point]) -> States:
    """Word pieces of passages, each once; they come as {piece: 1} or as the engine's
    sparse vectors.
    """
    vectors = [p.vectors.get("pieces", {}) for p in points if p.id != ABOUT]
    own = [getattr(vector, "indices", vector) for vector in vectors]
    ids = np.array([piece for pieces in own for piece in pieces], dtype=np.uint32)
    return States(ids, offsets_of(map(len, own)), ids)


def _table(query_ids: list[str], found: list[tuple]) -> Candidates:
    """Candidates of many queries, padded to the longest list."""
    place: dict[str, int] = {}
    rows = np.full((len(found), max((len(ids) for ids, _ in found), default=0)), -1)
    signals = {name: np.zeros(rows.shape, dtype=np.float32) for name in SIGNALS}
    for q, (ids, scores) in enumerate(found):
        rows[q, : len(ids)] = [place.setdefault(key, len(place)) for key in ids]
        for name in SIGNALS:
            signals[name][q, : len(ids)] = scores[name]
    return Candidates(query_ids, list(place), rows, signals)
