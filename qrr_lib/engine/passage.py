"""What an index holds: passages under their ids, the points that keep them, and
conditions on their fields (lesson 14).
"""

import base64
import functools
import hashlib
import itertools
import json
import math
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from qrr_lib.checks import check_ids, checked_text
from qrr_lib.embed.collection import Document
from qrr_lib.lazy import package
from qrr_lib.rank.words import K1, B

OWN_FIELDS = ("id", "title", "source")  # of every passage; others are the reader's
BOUNDS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
OPERATORS = ("=", *BOUNDS, "in")
# words of a passage, by which the engine weighs lengths: recall@100 was that of the
# true average, or up to .013 above it, on four collections with 53 to 157 words
AVERAGE = 64
CONDITION = re.compile(r"\s*(.+?)\s*(<=|>=|=|<|>|\s+in\s)\s*(.+?)\s*", re.DOTALL)


class Passage(NamedTuple):
    """A text under an id: a piece of a document, or a document before it is cut; there
    a form feed ends a page. `.full` is what gets embedded.

    `fields` are what `where` asks for: {name: text, number, truth value or list}.
    """

    id: str
    title: str
    text: str
    source: str = ""
    fields: dict = MappingProxyType({})

    full = Document.full


def point_id(key: str) -> str:
    """The engine's id of a passage: a UUID that follows from the reader's id."""
    [key] = check_ids([key])
    return str(uuid.uuid5(uuid.NAMESPACE_URL, key))


def payload_of(passage: Passage) -> dict:
    """What the engine keeps of a passage beside its vectors, with a hash of it all.

    ValueError for what cannot be written down as JSON.
    """
    try:
        fields = json.loads(
            json.dumps(dict(passage.fields), allow_nan=False, default=str)
        )
        kept = passage._asdict() | {"fields": fields}
        truths = {name: one for name, one in fields.items() if isinstance(one, bool)}
        if truths:  # Edge 0.9 takes a truth value that is asked for for a number
            kept["truths"] = {name: f"{one}".lower() for name, one in truths.items()}
        return kept | {"hash": digest(kept)}
    except (TypeError, ValueError) as error:
        raise ValueError(f"passage {passage.id!r} cannot be stored: {error}") from None


def digest(content) -> str:
    """Hash of anything that JSON can hold: 32 characters."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def blocks_of(passages: Iterable[Passage], size: int) -> Iterator[list[Passage]]:
    """Passages in lists of at most `size`; ValueError for ids that are no string, blank
    or come twice, and for passages without a word.
    """
    known: set[str] = set()
    passages = iter(passages)
    while block := list(itertools.islice(passages, size)):
        if strange := [one for one in block if not isinstance(one, Passage)]:
            raise ValueError(f"an index takes passages, not {strange[0]!r:.60}")
        check_ids([passage.id for passage in block], known, "added of this block")
        for passage in block:
            texts = (passage.title, passage.text, passage.source)
            if not all(isinstance(one, str) for one in texts):
                raise ValueError(
                    f"passage {passage.id!r} holds what is no str: {texts}"
                )
            checked_text(f"passage {passage.id!r}", passage.full, "leave it out")
        yield block
        known.update(passage.id for passage in block)


class Point(NamedTuple):
    """A UUID, {name: list of numbers, list of rows, or {index: value} of what is not
    0}, and what is kept beside.
    """

    id: str
    vectors: dict
    payload: dict


def word_vector(words: list[int]) -> dict[int, float]:
    """The sparse vector of a passage: tf/(tf + k₁(1 − b + b·length/average)) for every
    word; the engine multiplies by how rare a word is.
    """
    drag = K1 * (1 - B + B * len(words) / AVERAGE)
    return {word: count / (count + drag) for word, count in Counter(words).items()}


def packed(rows: np.ndarray) -> str:
    """Numbers as text, to be kept in a payload."""
    return base64.b64encode(np.ascontiguousarray(rows)).decode()


def unpacked(text: str, kind: str = "<u4") -> np.ndarray:
    """What was `packed`, in one row: words, or bytes ("u1")."""
    return np.frombuffer(_decoder()(text), dtype=kind)


@functools.cache
def _decoder():
    """Six times as fast as the standard library's."""
    return package("pybase64").b64decode


def condition(text: str) -> tuple[str, str, object]:
    """Read a condition: "year>2000" → ("year", ">", 2000); "lang in de,en" → ("lang",
    "in", ["de", "en"]).

    A value is a number or true/false if it looks like one, unless it stands in double
    quotes.
    """
    found = CONDITION.fullmatch(text)
    if not found:
        raise ValueError(
            f"{text!r} is no condition: write field=value, field<value, field>=value "
            'or "field in a,b,c"'
        )
    field, operator, value = found[1], found[2].strip(), found[3]
    if operator == "in":
        return check_condition((field, operator, list(map(_value, value.split(",")))))
    return check_condition((field, operator, _value(value)))


def check_condition(one: tuple[str, str, object]) -> tuple[str, str, object]:
    """The condition, if it can be asked; else ValueError."""
    if not isinstance(one, tuple) or len(one) != 3 or not isinstance(one[0], str):
        raise ValueError(f"a condition is (field, operator, value), not {one!r:.60}")
    field, operator, value = one
    if operator not in OPERATORS:
        raise ValueError(f"unknown {operator!r}: use one of {', '.join(OPERATORS)}")
    if not field or re.search(r'["\[\]]', field):
        raise ValueError(f"{field!r} cannot be asked for: it holds quotes or brackets")
    if operator in BOUNDS and not is_number(value):
        raise ValueError(f"{field}{operator} takes a number, not {value!r}")
    if operator == "in" and not (isinstance(value, list) and value):
        raise ValueError(f"{field} in … takes a list of values, not {value!r}")
    return one


def field_key(field: str) -> str:
    """Where a field lies in the payload."""
    return field if field in OWN_FIELDS else f'fields."{field}"'


def is_number(value) -> bool:
    """True for a finite number; truth values are none."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _value(text: str):
    text = text.strip()
    try:
        value = json.loads(text.lower() if text[:1] != '"' else text)
    except ValueError:
        return text
    return value if isinstance(value, (str, bool)) or is_number(value) else text
