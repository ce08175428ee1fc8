"""One line of a report: OK, FAIL, or what is missing and how to get it (lesson 00)."""

import os
import sys
from typing import NamedTuple

from qrr_lib.files import cache_dir, project_dir


class Line(NamedTuple):
    """One answer: `ok`, what was looked at, what was found, and (if not ok)
    what to do.

    A `wish` is what one lesson wants beyond the course's own packages and is not here:
    ok all the same, with what to do.
    """

    ok: bool
    what: str
    found: str
    advice: str = ""
    wish: bool = False

    def __str__(self) -> str:
        sign = "--" if self.wish else "OK" if self.ok else "FAIL"
        text = f"[{sign:^4}] {self.what:<22} {self.found}"
        if self.wish or not self.ok:
            text += f"\n       -> {self.advice}"
        return without_paths(text)


def without_paths(text: str) -> str:
    """The text with this machine's folders replaced by what they are for: nobody's user
    name goes into a bug report.
    """
    places = {
        str(cache_dir()): "<cache folder>",
        str(project_dir()): "<course folder>",
        os.path.expanduser("~"): "~",
    }
    for place in sorted(places, key=len, reverse=True):
        if len(place) > 1:
            text = text.replace(place, places[place])
    return text


def printable(text: str) -> str:
    """The text in characters that this console can show, "?" for the others."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
