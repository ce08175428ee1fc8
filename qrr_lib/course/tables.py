"""Tables in lessons: headed and captioned, readable with and without a notebook."""

from collections.abc import Iterable, Mapping, Sequence

from qrr_lib.tables import Table, bar


def table(
    rows: Iterable[Sequence] | Mapping[str, Sequence],
    headers: Sequence[str],
    caption: str = "",
    bars: Sequence[str] = (),
) -> Table:
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
    if isinstance(rows, Mapping):
        rows = [[name, *_several(rest)] for name, rest in rows.items()]
    if unknown := set(bars) - set(headers):
        raise ValueError(f"no column {unknown.pop()!r} to draw bars in: see headers")
    drawn = [name in bars for name in headers]
    given = [list(row) for row in rows]
    for row in given:
        row[:] = [bar(v) if d else v for v, d in zip(row, drawn)] + row[len(drawn) :]
    return Table(given, headers, caption)


def _several(rest) -> Sequence:
    return rest if isinstance(rest, (list, tuple)) else [rest]
