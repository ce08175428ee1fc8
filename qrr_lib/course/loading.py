"""Files into an index: what is read, left out, replaced and gone (lesson 14)."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from qrr_lib.embed.rows import kind_of
from qrr_lib.engine.about import check_same
from qrr_lib.engine.formats import TEXTS
from qrr_lib.engine.parts import part_about, read_part
from qrr_lib.engine.passage import Passage
from qrr_lib.engine.passages import cut, split_id, stale, word_pieces
from qrr_lib.engine.readers import most_documents, read_documents

# documents are counted in parts: one may be long
LINE = "{l_bar}{bar}| {n:.0f}/{total:.0f} documents [{elapsed}<{remaining}]"
SAME = ("tokens", "model", "model_sha256", "map_sha256")


class Loading:
    """Reads files for an index, and knows what becomes of what the index holds.

    Parameters
    ----------
    index : Index
    files : as `find_files` returns them

    Attributes
    ----------
    passages : int
        Read so far.
    seen : {document id: how many passages it has}
    skipped : {file: reasons}
    """

    def __init__(self, index, files: dict[Path, str]):
        found = {path: part_about(path) for path in files}
        self.parts = {path: about for path, about in found.items() if about}
        self.files = {path: files[path] for path in files if path not in self.parts}
        self.skipped: dict[Path, list[str]] = {}
        self.passages = 0
        self.pieces = word_pieces(index.embedder)
        self.before = index.sources()
        self.places = {split_id(key)[0]: place for key, place in self.before.items()}
        self.names = {place: key for key, place in self.places.items()}
        self.seen: dict[str, int] = {}

    def into(self, index) -> int:
        """Add all passages, under a line that says how far it is; returns how many were
        new or changed.
        """
        from tqdm import tqdm

        wait = 0.5 if sys.stderr.isatty() else 10  # a log wants fewer lines
        options = {"mininterval": wait, "dynamic_ncols": True, "bar_format": LINE}
        total = sum(map(most_documents, self.files))
        with tqdm(total=total, **options) as line:
            return index.add(self.read(line)) + self._parts_into(index)

    def _parts_into(self, index) -> int:
        """Add what `qrr bulk` has encoded: how many passages were new or changed."""
        written = 0
        for path, about in self.parts.items():
            check_same(path, about, {name: index.about[name] for name in SAME})
            points = read_part(path)
            self.passages += len(points)
            self.seen |= Counter(split_id(point.payload["id"])[0] for point in points)
            written += index.add_points(points)
        return written

    def read(self, line) -> Iterator[Passage]:
        """Passages of all documents, one after the other, counted on the line."""
        for document in read_documents(self.files, self.skipped):
            if kind_of(Path(document.source)) in TEXTS:  # one file keeps one id
                name = self.names.get(document.source, document.id)
                document = document._replace(id=name)
            place = self.places.get(document.id, document.source)
            if place != document.source and Path(place).exists():
                reason = f"the id {document.id!r} is in the index already, from {place}"
                self.skipped.setdefault(Path(document.source), []).append(reason)
                line.update()
                continue
            found = list(cut(document, *self.pieces))
            self.seen[document.id] = len(found)
            self.passages += len(found)
            for passage in found:
                yield passage
                line.update(1 / len(found))
        line.total = line.n  # a table has fewer rows than lines

    def stale(self) -> list[str]:
        """Ids in the index of passages that documents have no more."""
        return stale(self.before, self.seen)

    def vanished(self, paths: list[str]) -> list[str]:
        """Ids in the index of what came from these files and folders and is not there
        now. What could not be read is not taken for gone.
        """
        folders = [Path(path).resolve() for path in paths]
        kept = {path.as_posix() for path in self.skipped}
        return [
            key
            for key, source in self.before.items()
            if split_id(key)[0] not in self.seen
            and source not in kept
            and any(Path(source).is_relative_to(folder) for folder in folders)
        ]
