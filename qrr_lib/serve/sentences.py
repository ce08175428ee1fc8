"""Sentences of a text (lesson 11)."""
from __future__ import annotations

import re

NUMBERS = re.compile(r"\[\s*\d+\s*\]")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"”’)]*\s+(?=[\"“‘(]?[A-Z0-9])")


def split_sentences(text: str) -> list[str]:
    """Cut a text after . ! or ? that is followed by a space and a capital or a digit; numbers of citations a model wrote are taken out."""
    text = " ".join(NUMBERS.sub(" ", text).split())
    return [s.strip() for s in SENTENCE_END.split(text) if s.strip()]
