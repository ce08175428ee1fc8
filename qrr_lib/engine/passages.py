"""Cut long documents into passages that the embedder reads whole, along sentences and
with some overlap (lesson 14).
"""

import re
from collections.abc import Callable, Iterator

from qrr_lib.engine.passage import Passage
from qrr_lib.engine.readers import WholeDocument

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
        read = tokenizer(texts, add_special_tokens=False, verbose=False)
        return [len(pieces) for pieces in read["input_ids"]]

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
    for number, (start, end) in enumerate(spans, 1):
        page = {"page": 1 + text.count("\f", 0, start)} if "\f" in text else {}
        said = text[start:end].replace("\f", "\n").strip()
        key, fields = f"{document.id}#{number}", page | document.fields
        yield Passage(key, title, said, document.source, fields)


def split_id(passage_id: str) -> tuple[str, int]:
    """(document id, n) of "document id#n"; n is 1 for an id of another form."""
    document, mark, number = passage_id.rpartition("#")
    return (document, int(number)) if number.isdecimal() and mark else (passage_id, 1)


def _pieces(text: str, count: Count, room: int) -> list[tuple[int, int, int]]:
    """(start, end, word pieces) of the sentences, in order; one that is longer than
    `room` is halved, at a space if there is one.
    """
    cuts = [0, *(found.end() for found in BREAK.finditer(text)), len(text)]
    todo, done = list(zip(cuts, cuts[1:])), []
    while todo := [(a, b) for a, b in todo if text[a:b].strip()]:
        halves = []
        for (a, b), size in zip(todo, count([text[a:b] for a, b in todo])):
            size = max(size, (b - a) // CHARACTERS)
            if size <= room or b - a < 2:
                done.append((a, b, size))
            else:
                middle = _middle(text, a, b)
                halves += [(a, middle), (middle, b)]
        todo = halves
    return sorted(done)


def _middle(text: str, a: int, b: int) -> int:
    """The place after the space that is nearest the middle, else the middle."""
    middle = (a + b) // 2
    after = SPACE.search(text, middle, b)
    if after and after.end() < b:
        return after.end()
    before = max(text.rfind(space, a, middle) for space in (" ", "\n"))
    return before + 1 if before > a else middle


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
