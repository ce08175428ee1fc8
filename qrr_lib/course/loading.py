"""Files into an index: what is read, left out, replaced and gone (lesson 14)."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from qrr_lib.embed.rows import kind_of
from qrr_lib.engine.formats import TEXTS
from qrr_lib.engine.passage import Passage
from qrr_lib.engine.passages import cut, split_id, word_pieces
from qrr_lib.engine.readers import most_documents, read_documents

# documents are counted in parts: one may be long
LINE = "{l_bar}{bar}| {n:.0f}/{total:.0f} documents [{elapsed}<{remaining}]"


class Loading:
    """Reads files for an index, and knows what becomes of what the index holds.

    Parameters
    ----------
    index : Index
    files : as `find_files` returns them

    Attributes
    ----------
    seen : {document id: how many passages it has}
    skipped : {file: reasons}
    """

    def __init__(self, index, files: dict[Path, str]):
        self.files = files
        self.skipped: dict[Path, list[str]] = {}
        self.pieces = word_pieces(index.embedder)
        self.before = index.column("source")
        self.places = {split_id(key)[0]: place for key, place in self.before.items()}
        self.names = {place: key for key, place in self.places.items()}
        self.seen: dict[str, int] = {}

    def into(self, index, pool=None) -> int:
        """Add all passages, under a line that says how far it is; returns how many were
        new or changed. `pool` as in `Index.add`.
        """
        from tqdm import tqdm

        wait = 0.5 if sys.stderr.isatty() else 10  # a log wants fewer lines
        options = {"mininterval": wait, "dynamic_ncols": True, "bar_format": LINE}
        total = sum(map(most_documents, self.files))
        with tqdm(total=total, **options) as line:
            return index.add(self.read(line), pool)

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
            for passage in found:
                yield passage
                line.update(1 / len(found))
        line.total = line.n  # a table has fewer rows than lines

    def gone(self, paths: Iterable[str] = ()) -> list[str]:
        """Ids in the index of passages that shorter documents have no more, and of what
        came from these files and folders and is not there now. What could not be read
        is not taken for gone.
        """
        folders = [Path(path).resolve() for path in paths]
        unread, gone = {path.as_posix() for path in self.skipped}, []
        for key, source in self.before.items():
            document, number = split_id(key)
            if document in self.seen:
                absent = number > self.seen[document]
            else:
                absent = source not in unread and any(
                    Path(source).is_relative_to(folder) for folder in folders
                )
            if absent:
                gone.append(key)
        return gone
