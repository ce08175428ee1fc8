"""Cut long documents into passages that the embedder reads whole, along sentences and
with some overlap (lesson 14).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from qrr_lib.engine.passage import Passage
from qrr_lib.engine.readers import WholeDocument

AT_ONCE = 100  # texts whose word pieces are counted in one call
OVERLAP = 0.2  # of a passage that the next one says again, at most
CHARACTERS = 20  # of a text count as a word piece, at least: "xxxxxxx…" may be one
# after a blank line, after . ! ? before anything but a small letter, after 。！？
BREAK = re.compile(r"\n\s*\n|(?<=[.!?…])[\"”’)\]]*\s+(?=[^\sa-z])|(?<=[。！？])")
SPACE = re.compile(r"\s+")
Count = Callable[[list[str]], list[int]]


def word_pieces(embedder) -> tuple[Count, int]:
    """A function that counts the word pieces of texts, and how many the embedder's
    model reads of one text.
    """
    tokenizer = embedder.model.tokenizer
    limit = embedder.model.max_seq_length - tokenizer.num_special_tokens_to_add()

    def count(texts: list[str]) -> list[int]:
        counts = []
        for i in range(0, len(texts), AT_ONCE):
            some = texts[i : i + AT_ONCE]
            read = tokenizer(some, add_special_tokens=False, verbose=False)
            counts += map(len, read["input_ids"])
        return counts

    return count, limit


def cut(document: WholeDocument, count: Count, limit: int) -> Iterator[Passage]:
    """Cut a document into passages of at most `limit` word pieces, title included.

    Passage n of a document has the id "document id#n", from 1. Sentences stay whole if
    they fit; nothing is left out. Where a form feed ends each page, the field "page" is
    where the passage begins.
    """
    title, text = document.title, document.text
    if title and count([title])[0] > limit // 4:  # it is a text itself
        text = f"{title}\n\n{text}"
        a, b, _ = _pieces(title, count, limit // 4)[0]
        title = title[a:b].strip()
    room = max(limit - sum(count([title])), 1)
    spans = _passages(_pieces(text, count, room), room) or [(0, 0)]
    paged, page, place = "\f" in text, 1, 0
    for number, (start, end) in enumerate(spans, 1):
        page, place = page + text.count("\f", place, start), start
        fields = document.fields | ({"page": page} if paged else {})
        said = text[start:end].replace("\f", "\n").strip()
        yield Passage(f"{document.id}#{number}", title, said, document.source, fields)


def split_id(passage_id: str) -> tuple[str, int]:
    """(document id, n) of "document id#n"; n is 1 for an id of another form."""
    document, mark, number = passage_id.rpartition("#")
    return (document, int(number)) if number.isdecimal() and mark else (passage_id, 1)


def stale(ids: Iterable[str], seen: Mapping[str, int]) -> list[str]:
    """Ids of passages that documents have no more: they are shorter. `seen` are
    {document id: how many passages it has}.
    """
    found = ((key, *split_id(key)) for key in ids)
    return [key for key, document, n in found if n > seen.get(document, n)]


def _pieces(text: str, count: Count, room: int) -> list[tuple[int, int, int]]:
    """(start, end, word pieces) of the sentences, in order; one that is longer than
    `room` is cut at spaces, if there are any.
    """
    most = room * CHARACTERS
    cuts = [0, *(found.end() for found in BREAK.finditer(text)), len(text)]
    todo, done = list(zip(cuts, cuts[1:])), []
    while todo := [(a, b) for a, b in todo if text[a:b].strip()]:
        short = [(a, b) for a, b in todo if b - a <= most]
        sizes = dict(zip(short, count([text[a:b] for a, b in short])))
        again = []
        for a, b in todo:
            size = max(sizes.get((a, b), 0), (b - a) // CHARACTERS)
            if b - a < 2 or (size <= room and b - a <= most):
                done.append((a, b, size))
            else:
                again += _parts(text, a, b, 1 + max(1, round(1.1 * size / room)))
        todo = again
    return sorted(done)


def _parts(text: str, a: int, b: int, parts: int) -> list[tuple[int, int]]:
    """(start, end) of so many parts, about equal, each after a space where one is
    near.
    """
    cuts, step = [a], (b - a) / parts
    for i in range(1, parts):
        place = a + max(1, int(i * step))
        space = SPACE.search(text, place, int(place + step))
        place = space.end() if space and space.end() < b else place
        if cuts[-1] < place < b:
            cuts.append(place)
    return list(zip(cuts, [*cuts[1:], b]))


def _passages(pieces: list[tuple[int, int, int]], room: int) -> list[tuple[int, int]]:
    """(start, end) of runs of pieces that fill the room, each beginning with what ends
    the one before, at most a fifth of it.
    """
    found, first = [], 0
    while first < len(pieces):
        last, size = first, 0
        while last < len(pieces) and (last == first or size + pieces[last][2] <= room):
            size += pieces[last][2]
            last += 1
        found.append((pieces[first][0], pieces[last - 1][1]))
        if last == len(pieces):
            break
        began, first = first, last
        spare = min(OVERLAP * room, room - pieces[last][2])
        while first - 1 > began and pieces[first - 1][2] <= spare:
            first -= 1
            spare -= pieces[first][2]
    return found
