"""Cut long documents into passages that the embedder reads whole, along sentences and
with some overlap (lesson 14).
"""

import re
from collections.abc import Callable, Iterator

from qrr_lib.engine.passage import Passage

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


def cut(document: Passage, count: Count, limit: int) -> Iterator[Passage]:
    """Cut a document into passages of at most `limit` word pieces, title included.

    Passage n of a document has the id "document id#n", from 1. Sentences stay whole if
    they fit; nothing is left out. Where a form feed ends each page, the field "page" is
    where the passage begins.
    """
    title, text = document.title, document.text
    if title and count([title])[0] > limit // 4:  # it is a text itself
        text = f"{title}\n\n{text}"
        a, b, _ = _sentences(title, count, limit // 4)[0]
        title = title[a:b].strip()
    room = max(limit - sum(count([title])), 1)
    spans = _runs(_sentences(text, count, room), room) or [(0, 0)]
    for number, (start, end) in enumerate(spans, 1):
        fields = dict(document.fields)
        if "\f" in text:
            fields["page"] = 1 + text.count("\f", 0, start)
        yield document._replace(
            id=f"{document.id}#{number}",
            title=title,
            text=text[start:end].replace("\f", "\n").strip(),
            fields=fields,
        )


def split_id(passage_id: str) -> tuple[str, int]:
    """(document id, n) of "document id#n"; n is 1 for an id of another form."""
    document, mark, number = passage_id.rpartition("#")
    return (document, int(number)) if number.isdecimal() and mark else (passage_id, 1)


def _sentences(text: str, count: Count, room: int) -> list[tuple[int, int, int]]:
    """(start, end, word pieces) of the sentences, in order; one that is longer than
    `room` is halved, and its halves, at a space if there is one.
    """
    cuts = [0, *(found.end() for found in BREAK.finditer(text)), len(text)]
    todo, done = list(zip(cuts, cuts[1:])), []
    while todo := [(a, b) for a, b in todo if text[a:b].strip()]:
        short = [(a, b) for a, b in todo if b - a <= room * CHARACTERS]
        sizes = dict(zip(short, count([text[a:b] for a, b in short])))
        again = []
        for a, b in todo:
            size = max(sizes.get((a, b), 0), (b - a) // CHARACTERS)
            if b - a < 2 or (size <= room and (a, b) in sizes):
                done.append((a, b, size))
            else:
                middle = _middle(text, a, b)
                again += [(a, middle), (middle, b)]
        todo = again
    return sorted(done)


def _middle(text: str, a: int, b: int) -> int:
    """The end of the first space in the second half of text[a:b], or the middle."""
    middle = (a + b) // 2
    space = SPACE.search(text, middle, b)
    return space.end() if space and space.end() < b else middle


def _runs(sentences: list[tuple[int, int, int]], room: int) -> list[tuple[int, int]]:
    """(start, end) of runs of sentences that fill the room, each beginning with what
    ends the one before, at most a fifth of it.
    """
    found, first = [], 0
    while first < len(sentences):
        last, size = first + 1, sentences[first][2]
        while last < len(sentences) and size + sentences[last][2] <= room:
            size += sentences[last][2]
            last += 1
        found.append((sentences[first][0], sentences[last - 1][1]))
        if last == len(sentences):
            break
        began, first = first, last
        spare = min(OVERLAP * room, room - sentences[last][2])
        while first - 1 > began and sentences[first - 1][2] <= spare:
            first -= 1
            spare -= sentences[first][2]
    return found
