"""Find passages for a query and score them by every signal (lesson 14)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qrr_lib.engine.passage import is_number
from qrr_lib.engine.stores import Ask, Point
from qrr_lib.engine.words import Sparse, Statistics, counted, stems
from qrr_lib.rank.mix import Candidates
from qrr_lib.rank.states import States

COUNTED = 200_000  # passages whose words are counted; so many are a fair sample
SHOWN = ["title", "text", "source", "fields"]
MORE = 1.2  # passages found by words for one that is kept: the engine's BM25 is rough


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
    kind : CodeStates, BlochStates or FullTokens
    average : float
        As in `Statistics`.
    about : str
        Id of the one point that is no passage.
    """

    def __init__(self, store, kind, average: float, about: str):
        self.store, self.kind, self.average, self.about = store, kind, average, about
        self._statistics: Statistics | None = None
        self._indexed: set[str] = set()

    @property
    def statistics(self) -> Statistics:
        """How rare words and word pieces are; counted at the first search. Ids are
        hashes, so the first `COUNTED` passages are a random sample.
        """
        if self._statistics is None:
            counts = Statistics(self.average)
            for page in self.store.scroll([], ["words", "pieces"]):
                counts.count([p.vectors for p in page if p.id != self.about])
                if counts.passages >= COUNTED:
                    break
            self._statistics = counts
        return self._statistics

    def count(self, points: list[Point], times: int = 1) -> None:
        """Take passages into the statistics (times=−1: out of them), if they are
        counted already.
        """
        if self._statistics is not None:
            vectors = [p.vectors for p in points if p.id != self.about]
            self._statistics.count(vectors, times)

    def candidates(
        self, queries: dict[str, str], k: int, where: list, keep: list[str]
    ) -> tuple[Candidates, dict[str, dict]]:
        """(the union of the k nearest by cosine and the k best by words with all
        signals, {passage id: payload of the fields in `keep`}).
        """
        vectors, states = self.kind.encode(list(queries.values()))
        words = [counted(own) for own in stems(list(queries.values()))]
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

    def _one(self, vector, states: States, words: dict, k: int, where: list, keep):
        """(points, {signal: their scores}) for one query, the nearest first."""
        dense = Ask("dense", vector.tolist(), k, where)
        asks = [dense]
        if words:
            query = Sparse(list(words), [float(n) for n in words.values()])
            asks.append(Ask("words", query, int(k * MORE) + 1, where))
        near, *by_words = self.store.search(asks)
        cosine, near = dict(near), [key for key, _ in near]
        others = [key for hits in by_words for key, _ in hits if key not in cosine]
        fields = ["id", "words", *self.kind.payload, *keep]
        points = self.store.retrieve([*near, *others], fields)
        points = {p.id: p for p in points if p.id != self.about}
        order = [key for key in [*near, *others] if key in points]
        own = [points[key].payload["words"] for key in order]
        bm25 = dict(zip(order, self.statistics.bm25(words, own)))
        best = [key for hits in by_words for key, _ in hits if key in points]
        best = sorted(best, key=lambda key: -bm25[key])[:k]
        extra = [key for key in best if key not in cosine]
        if extra:
            ask = Ask("dense", vector.tolist(), len(extra), within=extra)
            cosine |= dict(self.store.search([ask])[0])
        kept = [key for key in order if key in cosine]
        kept.sort(key=lambda key: -cosine[key])
        chosen = [points[key] for key in kept]
        weights = self.weights(states)
        return chosen, {
            "cosine": [cosine[key] for key in kept],
            "words": [bm25[key] for key in kept],
            "states": self.kind.score(self.store, chosen, states, weights),
        }

    def weights(self, query: States) -> list[np.ndarray] | None:
        """Weights of a query's tokens by rarity in the passages; None: equal."""
        if not self.kind.scorer.idf:
            return None
        return [self.statistics.pieces.weights(query.token_ids)]


def _table(query_ids: list[str], found: list) -> Candidates:
    """Candidates of many queries, padded to the longest list."""
    place: dict[str, int] = {}
    for points, _ in found:
        for point in points:
            place.setdefault(point.payload["id"], len(place))
    width = max((len(points) for points, _ in found), default=0)
    rows = np.full((len(found), width), -1)
    names = ("cosine", "words", "states")
    signals = {name: np.zeros(rows.shape, dtype=np.float32) for name in names}
    for q, (points, scores) in enumerate(found):
        rows[q, : len(points)] = [place[point.payload["id"]] for point in points]
        for name in names:
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
