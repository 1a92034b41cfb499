"""A table as a value, and its writers: text, Markdown, HTML and CSV. They know nothing of what it tells."""

import html
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from striate.base.durable import to_csv
from striate.base.errors import escaped
from striate.base.words import decimal


@dataclass(frozen=True)
class Table:
    """A head and rows of plain values; numbers are written with commas.

    - `otherwise`: what is said where there are no rows.
    - `totals`: a last row, told apart; none where it is empty. `notes`: a line each, below.
    - `right`: places of the columns that stand to the right; where it is None, those that hold numbers.
    - `spared`: heads of columns that `text` may leave out, the first first; `elsewhere` says where they are then.
    """

    head: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    caption: str = ""
    otherwise: str = "None."
    totals: Sequence[Any] = ()
    notes: Sequence[str] = ()
    right: Collection[int] | None = None
    spared: Sequence[str] = ()
    elsewhere: str = ""

    def to_the_right(self) -> Collection[int]:
        """Places of the columns that stand to the right."""
        if self.right is not None:
            return self.right
        columns = enumerate(zip(*self.rows, *([self.totals] if self.totals else []), strict=True))
        return {place for place, column in columns if any(isinstance(cell, int | float) for cell in column)}


def shown(cell: object) -> str:
    """A cell as a person reads it."""
    if isinstance(cell, float):
        return decimal(cell, 3)
    return f"{cell:,}" if isinstance(cell, int) else escaped(str(cell))


def text(table: Table, width: int | None = None) -> str:
    """Aligned columns between rules; those that a terminal of `width` has no room for are named below."""
    right, missing = table.to_the_right(), []
    columns = list(enumerate(zip(table.head, *_lines(table), strict=True)))
    for name in table.spared:
        if width is not None and _width(columns) > width:
            columns = [each for each in columns if each[1][0] != name]
            missing.append(name)
    padded = []
    for place, column in columns:
        most = max(map(len, column))
        padded.append([cell.rjust(most) if place in right else cell.ljust(most) for cell in column])
    head, *lines = ("  ".join(line).rstrip() for line in zip(*padded, strict=True))
    rule = "-" * _width(columns)
    if table.totals:
        lines.insert(-1, rule)
    notes = [*table.notes]
    if missing:
        notes.append(f"left out, for the terminal is narrow: {', '.join(missing)}; {table.elsewhere}")
    return "\n".join([*([table.caption] if table.caption else []), head, rule, *lines, *notes])


def markdown(table: Table) -> str:
    """A table that GitHub and notebooks show."""
    right = table.to_the_right()
    marks = ["---:" if place in right else "---" for place in range(len(table.head))]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in _lines(table)]
    head = ["| " + " | ".join(line) + " |" for line in (table.head, marks)]
    notes = ["", *(f"- {note}" for note in table.notes)] if table.notes else []
    return "\n".join([*([table.caption, ""] if table.caption else []), *head, *lines, *notes])


def html_table(table: Table) -> str:
    """For a notebook: one escaped table without style sheets or scripts of its own."""
    right = table.to_the_right()

    def line(cells: Sequence[str], tag: str) -> str:
        sides = ("right" if place in right else "left" for place in range(len(cells)))
        return "<tr>" + "".join(
            f'<{tag} style="text-align:{side};white-space:nowrap">{html.escape(escaped(cell))}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        ) + "</tr>"  # fmt: skip

    rows = "".join(line(row, "td") for row in _lines(replace(table, totals=())))
    foot = f"<tfoot>{line(list(map(shown, table.totals)), 'th')}</tfoot>" if table.totals else ""
    return (
        f"<table><caption>{html.escape(table.caption)}</caption><thead>{line(table.head, 'th')}</thead>"
        f"<tbody>{rows}</tbody>{foot}</table><p>{'<br>'.join(map(html.escape, table.notes))}</p>"
    )


def csv(table: Table) -> str:
    """A head line and one line a row with bare numbers, without totals, so that columns can be added up."""
    return to_csv(table.head, table.rows)


def _lines(table: Table) -> list[list[str]]:
    """The rows and, last, the totals, as they are read."""
    return [list(map(shown, row)) for row in (*table.rows, *([table.totals] if table.totals else []))]


def _width(columns: Sequence[tuple[int, Sequence[str]]]) -> int:
    return sum(max(map(len, column)) for _, column in columns) + 2 * (len(columns) - 1)
