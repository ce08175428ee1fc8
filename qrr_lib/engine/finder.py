"""Find passages for a query and score them by every signal (lesson 14)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qrr_lib.engine.about import ABOUT
from qrr_lib.engine.passage import is_number
from qrr_lib.engine.stores import Ask, Point
from qrr_lib.engine.words import numbers, query_vector, unpacked
from qrr_lib.rank.maxsim import TokenRarity
from qrr_lib.rank.mix import SIGNALS, Candidates
from qrr_lib.rank.states import States, offsets_of
from qrr_lib.rank.words import words_signal

COUNTED = 50_000  # passages whose word pieces are counted: enough for a fair sample
SHOWN = ["title", "text", "source", "fields"]


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


class Finder:
    """Dense and word search in a store, all signals for what either finds.

    Parameters
    ----------
    store : EdgeStore or ClientStore
    kind : CodeStates or FullTokens
    """

    def __init__(self, store, kind):
        self.store, self.kind = store, kind
        self._rarity: TokenRarity | None = None
        self._indexed: set[str] = set()

    @property
    def rarity(self) -> TokenRarity:
        """How rare word pieces are; counted at the first search. Ids are hashes, so the
        first `COUNTED` passages are a random sample.
        """
        if self._rarity is None:
            counts = TokenRarity()
            for page in self.store.scroll([], ["pieces"]):
                counts.count(_pieces(page))
                if counts.documents >= COUNTED:
                    break
            self._rarity = counts
        return self._rarity

    def count(self, points: list[Point], times: int = 1) -> None:
        """Take passages into the counts (times=−1: out of them), if there are counts
        already.
        """
        if self._rarity is not None:
            self._rarity.count(_pieces(points), times)

    def candidates(
        self, queries: dict[str, str], k: int, where: list, keep: list[str]
    ) -> tuple[Candidates, dict[str, dict]]:
        """(the union of the k nearest by cosine and the k best by words with all
        signals, {passage id: payload of the fields in `keep`}).
        """
        vectors, states = self.kind.encode(list(queries.values()))
        words = numbers(list(queries.values()))
        for field, _, value in where:
            self._index_field(field, value)
        found, payloads = [], {}
        for i in range(len(queries)):
            one = self._one(vectors[i], states[i : i + 1], words[i], k, where, keep)
            found.append(one)
            payloads |= {point.payload["id"]: point.payload for point in one[0]}
        return _table(list(queries), found), payloads

    def _index_field(self, field: str, value) -> None:
        first = value[0] if isinstance(value, list) else value
        if field not in self._indexed and not isinstance(first, bool):
            self._indexed.add(field)
            self.store.index_field(field, number=is_number(first))

    def _one(self, vector, states: States, words: list, k: int, where: list, keep):
        """(points, {signal: their scores}) for one query: the nearest, then those that
        only words find.
        """
        asks = [Ask("dense", vector.tolist(), k, where)]
        if words:
            asks.append(Ask("words", query_vector(words), k, where))
        near, *worded = self.store.search(asks)
        cosine = dict(near)
        others = [key for found in worded for key, _ in found if key not in cosine]
        if others:
            ask = Ask("dense", vector.tolist(), len(others), within=others)
            cosine |= dict(self.store.search([ask])[0])
        fields = ["id", "words", *self.kind.payload, *keep]
        points = {p.id: p for p in self.store.retrieve(list(cosine), fields)}
        order = [key for key in [*dict(near), *others] if key in points]
        chosen, weights = [points[key] for key in order], self.weights(states)
        own = [unpacked(point.payload["words"]) for point in chosen]
        return chosen, {
            "cosine": [cosine[key] for key in order],
            "words": words_signal(words, own),
            "states": self.kind.score(self.store, chosen, states, weights),
        }

    def weights(self, query: States) -> list[np.ndarray] | None:
        """Weights of a query's tokens by rarity in the passages; None: equal."""
        if not self.kind.scorer.idf:
            return None
        return [self.rarity.weights(query.token_ids)]


def _pieces(points: list[Point]) -> States:
    """Word pieces of passages, each once."""
    vectors = [p.vectors.get("pieces", ([], [])) for p in points if p.id != ABOUT]
    ids = np.array([i for indices, _ in vectors for i in indices], dtype=np.uint32)
    lengths = [len(indices) for indices, _ in vectors]
    return States(ids, offsets_of(lengths), ids)


def _table(query_ids: list[str], found: list) -> Candidates:
    """Candidates of many queries, padded to the longest list."""
    place: dict[str, int] = {}
    for points, _ in found:
        for point in points:
            place.setdefault(point.payload["id"], len(place))
    width = max((len(points) for points, _ in found), default=0)
    rows = np.full((len(found), width), -1)
    signals = {name: np.zeros(rows.shape, dtype=np.float32) for name in SIGNALS}
    for q, (points, scores) in enumerate(found):
        rows[q, : len(points)] = [place[point.payload["id"]] for point in points]
        for name in SIGNALS:
            signals[name][q, : len(points)] = scores[name]
    return Candidates(query_ids, list(place), rows, signals)


def hits(found: Candidates, payloads: dict, weights, k: int) -> list[Hit]:
    """The best k of one query's candidates."""
    if not found.doc_ids:
        return []
    mixed, lines = found.mix(weights), []
    for rank, i in enumerate(found.order(mixed)[0][:k], 1):
        key = found.doc_ids[found.rows[0, i]]
        signals = {name: float(s[0, i]) for name, s in found.signals.items()}
        shown = [payloads[key][name] for name in SHOWN]
        lines.append(Hit(key, rank, int(i) + 1, float(mixed[0, i]), signals, *shown))
    return lines
