"""Tables that show themselves: HTML in a notebook, aligned text elsewhere."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

LEFT, RIGHT = ' style="text-align: left"', ' style="text-align: right"'
BAR = "height: 4px; background: #5790fc"  # seen on white and on black
LONG = 700  # characters of a text that are shown on demand


class Cell(NamedTuple):
    """What a cell says as plain text, as HTML, and whether it is a number."""

    text: str
    html: str
    is_number: bool = False


class Table:
    """A table as a notebook shows it (last line of a cell, or `display`), and as text
    elsewhere (`print`).

    Parameters
    ----------
    rows : rows of text and numbers, or {name: the rest of its row}
        The first cell names the row. Floats are shown with three decimals; write
        f"{value:.1f}" for others.
    headers : str per column
    caption : str
        What the table shows, in a sentence.
    bars : names of columns
        Their values lie in [0, 1] and get a bar each.
    """

    def __init__(
        self,
        rows: Iterable[Sequence] | Mapping[str, Sequence],
        headers: Sequence[str],
        caption: str = "",
        bars: Sequence[str] = (),
    ):
        self.headers, self.caption = list(map(str, headers)), caption
        if unknown := set(bars) - set(self.headers):
            raise ValueError(
                f"no column {unknown.pop()!r} to draw bars in: see headers"
            )
        if isinstance(rows, Mapping):
            several = (list, tuple)
            rows = [
                [name, *(rest if isinstance(rest, several) else [rest])]
                for name, rest in rows.items()
            ]
        shown = [bar if name in bars else cell_of for name in self.headers]
        self.rows = []
        for row in map(list, rows):
            if len(row) != len(shown):
                raise ValueError(
                    f"a row has {len(row)} cells for {len(shown)} headers: give one "
                    "value for each header"
                )
            self.rows.append([show(value) for show, value in zip(shown, row)])

    def _repr_html_(self) -> str:
        sides = [RIGHT if right else LEFT for right in self._right()]
        heads = [
            f'<th scope="col"{side}>{escape(name)}</th>'
            for name, side in zip(self.headers, sides)
        ]
        lines = ["<table>"]
        if self.caption:
            lines.append(f"<caption{LEFT}>{escape(self.caption)}</caption>")
        lines += [f"<thead><tr>{''.join(heads)}</tr></thead>", "<tbody>"]
        for first, *others in self.rows:
            cells = [f'<th scope="row"{sides[0]}>{first.html}</th>']
            cells += [f"<td{s}>{c.html}</td>" for c, s in zip(others, sides[1:])]
            lines.append(f"<tr>{''.join(cells)}</tr>")
        return "\n".join([*lines, "</tbody></table>"])

    def __repr__(self) -> str:
        lines = [self.headers, *([cell.text for cell in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines)]
        right = self._right()
        padded = [
            "  ".join(
                word.rjust(width) if number else word.ljust(width)
                for word, width, number in zip(line, widths, right)
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.caption] * bool(self.caption) + padded)

    def _right(self) -> list[bool]:
        """Columns of numbers alone are aligned to the right."""
        columns = zip(*self.rows) if self.rows else [()] * len(self.headers)
        return [bool(c) and all(cell.is_number for cell in c) for c in columns]


def cell_of(value) -> Cell:
    """Any value as a cell."""
    if isinstance(value, Cell):
        return value
    if isinstance(value, (str, bool)) or not hasattr(value, "__float__"):
        text = "" if value is None else str(value)
        return Cell(text, escape(text))
    text = f"{value:,}" if hasattr(value, "__index__") else f"{value:.3f}"
    return Cell(text, text, True)


def bar(value: float | None) -> Cell:
    """A score in [0, 1] with a bar under it, as long as the score is high."""
    if value is None:
        return Cell("", "")
    wide = round(100 * min(max(float(value), 0), 1))
    drawn = f'<div style="width: {wide}%; {BAR}"></div>'
    drawn = f'<div aria-hidden="true" style="width: 72px">{drawn}</div>'
    return Cell(f"{value:.3f}", f"{value:.3f}{drawn}", True)


def move(rank: int, before: int) -> Cell:
    """How far a document rose or fell, as a word with an arrow."""
    if before == rank:
        return Cell("=", "=")
    arrow, sign = ("▲", "+") if before > rank else ("▼", "-")
    far = abs(before - rank)
    html = f"{arrow}&nbsp;{far} <small>from&nbsp;{before}</small>"
    return Cell(f"{sign}{far} from {before}", html)


def title(words: str, text: str = "") -> Cell:
    """A title under which the text opens on demand."""
    if not text:
        return Cell(words, escape(words))
    shown = text if len(text) <= LONG else text[:LONG].rstrip() + " …"
    head = f"<summary>{escape(words)}</summary>"
    return Cell(words, f"<details>{head}{escape(shown)}</details>")


def ranking_table(ranked: Sequence, named: Callable) -> Table:
    """Ranked documents, best first, as a table: where each stood before, what `named`
    says of it, (title, text), its score, and its signals.
    """
    names = list(dict.fromkeys(name for doc in ranked for name in doc.signals))
    rows = [
        [
            doc.rank,
            move(doc.rank, doc.first_rank),
            title(*named(doc)),
            bar(doc.score),
            *(bar(doc.signals.get(name)) for name in names),
        ]
        for doc in ranked
    ]
    return Table(rows, ["rank", "move", "document", "score", *names])


table = Table
