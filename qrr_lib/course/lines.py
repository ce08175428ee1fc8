"""One line of a report: OK, FAIL, or what is missing and how to get it (lesson 00)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from qrr_lib.files import cache_dir, project_dir


class Line(NamedTuple):
    """One answer: `ok`, what was looked at, what was found, and (if not ok)
    what to do.
    """

    ok: bool
    what: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        text = f"[{' OK ' if self.ok else 'FAIL'}] {self.what:<22} {self.found}"
        return without_paths(text if self.ok else f"{text}\n       -> {self.advice}")


class Wish(Line):
    """Something that one lesson wants beyond the course's own packages and is not here:
    ok all the same, with what to do.
    """

    def __str__(self) -> str:
        return without_paths(
            f"[ -- ] {self.what:<22} {self.found}\n       -> {self.advice}"
        )


def without_paths(text: str) -> str:
    """The text with this machine's folders replaced by what they are for: nobody's user
    name goes into a bug report.
    """
    places = {
        str(cache_dir()): "<cache folder>",
        str(project_dir()): "<course folder>",
        str(Path.home()): "~",
    }
    for place in sorted(places, key=len, reverse=True):
        if len(place) > 1:
            text = text.replace(place, places[place])
    return text
