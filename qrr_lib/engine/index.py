"""An index of passages that may grow, shrink and be asked, in a folder or on a server
(lesson 14).
"""

from collections.abc import Iterable, Iterator
from typing import Self

from qrr_lib.checks import checked_queries, listed
from qrr_lib.engine.about import ABOUT, kept_kind, new_about, read_about
from qrr_lib.engine.finder import Finder
from qrr_lib.engine.passage import Passage, Point, blocks_of, payload_of, point_id
from qrr_lib.engine.places import open_store
from qrr_lib.engine.tokens import tokens_named
from qrr_lib.rank.codecs import TEXTS_A_BLOCK
from qrr_lib.rank.explain import TokenMatch, matches
from qrr_lib.rank.scorer import Scorer


class Index(Finder):
    """Passages in a folder (Qdrant Edge, in this process) or on a Qdrant server.

    Made by `Index.create` or `Index.open`; closed by `close`, or at the end of a `with`
    block. `weights` of the mix may be changed at any time, as in `Candidates.mix`.
    """

    def __init__(self, place, store, kind, about: dict):
        super().__init__(store, kind)
        self.place, self.about = place, about

    @classmethod
    def create(
        cls, place, embedder, scorer: Scorer | None = None, tokens: str = "states"
    ) -> Self:
        """Make an empty index.

        Parameters
        ----------
        place : path, address or QdrantClient
            "my.index" is a folder, "http://host:6333/name" a collection of a server.
        embedder : TextEmbedder
        scorer : Scorer or None
            Of tokens, with a fitted map; None takes the map that the course ships.
        tokens : {"states", "full"}
            How tokens are kept: `qrr_lib.engine.tokens`.

        Raises ValueError if something is there already.
        """
        kind = tokens_named(tokens, embedder, scorer)
        about = new_about(tokens, kind)
        layout = {"dense": embedder.dim, "tokens": kind.width}
        first = Point(ABOUT, {}, {"about": about})
        return cls(place, open_store(place, layout, first), kind, about)

    @classmethod
    def open(cls, place, embedder=None, scorer: Scorer | None = None) -> Self:
        """Open an index. Without an embedder it gets one of the model with which it was
        made; `scorer` is only needed if its angle source could not be kept.

        An index made in int8 is asked and filled in int8, which is said.
        FileNotFoundError if there is none, ValueError if it belongs to another model or
        map.
        """
        store = open_store(place)
        try:
            about = read_about(place, store)
            kind = kept_kind(place, about, embedder, scorer)
        except Exception:
            store.close()
            raise
        return cls(place, store, kind, about)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Write what is left; another process may open the index then."""
        self.store.close()

    def __len__(self) -> int:
        return self.store.count() - 1

    def ids(self) -> list[str]:
        """The ids of all passages."""
        return list(self.column("id"))

    def column(self, name: str) -> dict[str, str]:
        """{id: one thing that is kept} of all passages: "source", "title", "text", or
        the "hash" of its content.
        """
        pages = self.store.scroll(["id", name])
        points = (point for page in pages for point in page if point.id != ABOUT)
        return {point.payload["id"]: point.payload[name] for point in points}

    def info(self) -> dict:
        """What the index is, how many passages it holds, and bytes on disk (None for a
        server).
        """
        shown = {name: value for name, value in self.about.items() if name != "map"}
        return {
            "place": str(self.place),
            "passages": len(self),
            "bytes": self.store.size(),
        } | shown

    def add(self, passages: Iterable[Passage], pool=None) -> int:
        """Embed and store passages, block by block; those that are there unchanged are
        passed over, changed ones replaced. Returns how many were written.

        A `RayPool` embeds on many processors. Without one, a block is on disk when the
        next one begins. ValueError for a bad passage or an id that comes twice: blocks
        before it are kept.
        """
        blocks = self._changed(passages)
        done = pool.write(self, blocks) if pool else map(self._write, blocks)
        if written := sum(done):
            self.store.optimise()
        return written

    def _changed(self, passages: Iterable[Passage]) -> Iterator[list[dict]]:
        """Payloads of passages that are new or changed, block by block."""
        for block in blocks_of(passages, TEXTS_A_BLOCK):
            payloads = {point_id(one.id): payload_of(one) for one in block}
            there = self.store.retrieve([*payloads], ["hash"])
            kept = {point.id: point.payload["hash"] for point in there}
            new = [one for key, one in payloads.items() if kept.get(key) != one["hash"]]
            if new:
                yield new

    def _write(self, payloads: list[dict]) -> int:
        return self.put(self.kind.points(payloads))

    def put(self, points: list[Point]) -> int:
        """Store points of this index' model and map, in place of those with the same
        ids; returns how many.
        """
        old = self.store.retrieve([point.id for point in points], [], ["pieces"])
        self.store.upsert(points)
        self.count(old, -1)
        self.count(points)
        return len(points)

    def delete(self, ids: Iterable[str]) -> int:
        """Take passages out; returns how many were there."""
        keys = list(dict.fromkeys(map(point_id, listed("ids", ids))))
        there = self.store.retrieve(keys, [], ["pieces"]) if keys else []
        if there:
            self.store.delete([point.id for point in there])
            self.count(there, -1)
            self.store.optimise()
        return len(there)

    def explain(self, query: str, key: str) -> list[TokenMatch]:
        """Say which token of the query met which token of a passage; with "states",
        weight · similarity adds up to its score.
        """
        found = self.texts([key])
        if not found:
            raise ValueError(f"no passage {key!r} is in the index at {self.place}")
        texts = checked_queries({"": query}) + [found[key].full]
        _, states = self.kind.encode(texts)
        asked, document = states[:1], states[1:]
        weights = self.token_weights(asked)
        return matches(self.kind, self.embedder, asked, document, weights)
