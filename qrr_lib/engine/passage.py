"""What an index holds: passages under their ids, and conditions on their fields (lesson
14).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
from types import MappingProxyType
from typing import NamedTuple

from qrr_lib.embed.collection import check_ids

OWN_FIELDS = ("id", "title", "source")  # of every passage; others are the reader's
OPERATORS = ("=", "<", "<=", ">", ">=", "in")
CONDITION = re.compile(r"\s*(.+?)\s*(<=|>=|=|<|>|\s+in\s)\s*(.+?)\s*", re.DOTALL)


class Passage(NamedTuple):
    """A piece of text under an id; `.full` is what gets embedded.

    `fields` are what `where` asks for: {name: text, number, truth value or list}.
    """

    id: str
    title: str
    text: str
    source: str = ""
    fields: dict = MappingProxyType({})

    @property
    def full(self) -> str:
        """Title, a space, text."""
        return f"{self.title} {self.text}".strip()


def point_id(key: str) -> str:
    """The engine's id of a passage: a UUID that follows from the reader's id."""
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
        text = json.dumps(kept, sort_keys=True, ensure_ascii=False)
        digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    except (TypeError, ValueError) as error:
        raise ValueError(f"passage {passage.id!r} cannot be stored: {error}") from None
    return kept | {"hash": digest}


def check_passages(passages: list[Passage], known: set[str]) -> None:
    """ValueError for ids that are no string, blank, or occur twice or in `known`, and
    for passages without a word.
    """
    check_ids([passage.id for passage in passages], known, done="added of this block")
    for passage in passages:
        if not passage.full:
            raise ValueError(f"passage {passage.id!r} is empty: leave it out")


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
    parsed = [_value(part) for part in value.split(",")]
    parsed = parsed if operator == "in" else _value(value)
    return check_condition((field, operator, parsed))


def check_condition(one: tuple[str, str, object]) -> tuple[str, str, object]:
    """The condition, if it can be asked; else ValueError."""
    field, operator, value = one
    if operator not in OPERATORS:
        raise ValueError(f"unknown {operator!r}: use one of {', '.join(OPERATORS)}")
    if not field or re.search(r'["\[\]]', field):
        raise ValueError(f"{field!r} cannot be asked for: it holds quotes or brackets")
    if operator in "<=>=" and operator != "=" and not is_number(value):
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
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if is_number(value) else text
    return text
