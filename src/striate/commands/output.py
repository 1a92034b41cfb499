"""How commands print: a line of JSON, a table, a number with its interval."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Group, Parameter

from striate.errors import printable

EVERYWHERE = Group("Everywhere", sort_key=90)
Json = Annotated[bool, Parameter(name="--json", negative="", group=EVERYWHERE)]
Device = Annotated[str, Parameter(group=EVERYWHERE)]


def print_result(result: Mapping[str, Any]) -> None:
    for each in result["numbers"]:
        print(number(each))
    for each in result.get("baselines", ()):
        print(f"beside it: {number(each)}")
    if "openings" in result:
        times = "once" if result["openings"] == 1 else f"{result['openings']} times"
        print(f"this test set has been opened {times}")
    if result["subset"] == "val":
        print("there is no test set: these validation pictures also chose the epoch, so the numbers flatter")


def number(fields: Mapping[str, Any]) -> str:
    from striate.evaluate.numbers import Number

    return str(Number(**fields))


def print_json(value: Any) -> None:
    print(json.dumps(value, allow_nan=False))


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> None:
    """In a terminal a table, numbers to the `right`; elsewhere tabs between the fields, for other programs."""
    if not sys.stdout.isatty():
        for row in [head, *rows]:
            print("\t".join(printable(str(field)) for field in row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for place, title in enumerate(head):  # names and numbers stay whole, sentences fold
        whole = place == 0 or place in right
        table.add_column(title, overflow="fold", justify="right" if place in right else "left", no_wrap=whole)
    for row in rows:
        table.add_row(*(printable(str(field)) for field in row))
    Console().print(table)


def print_rows(head: Sequence[str], rows: Sequence[Sequence[object]], *, as_json: bool) -> None:
    """A table whose numbers stand to the right with commas, or one JSON object with the bare numbers."""
    if as_json:
        print_json({"rows": [dict(zip(head, row, strict=True)) for row in rows]})
        return
    right = [place for place in range(len(head)) if any(isinstance(row[place], int | float) for row in rows)]
    print_table(head, [[_shown(cell) for cell in row] for row in rows], right)


def _shown(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.3f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
