"""How commands print: a line of JSON, a table, a number with its interval."""

import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from cyclopts import Group, Parameter

from striate.base import utf8
from striate.base.errors import UsageError, escaped
from striate.base.words import often

if TYPE_CHECKING:
    from striate.runs.run import Run

EVERYWHERE = Group("Everywhere", sort_key=90)
Json = Annotated[
    bool, Parameter(name="--json", negative="", group=EVERYWHERE, help="The last line of output is one JSON object.")
]
Force = Annotated[
    bool, Parameter(negative="", group=EVERYWHERE, help="Write over a file that is there, whosever it is.")
]
Device = Annotated[str, Parameter(group=EVERYWHERE, help="cpu, cuda, cuda:N or mps.")]
# "-3GB" is an amount that is refused, and not another option
Amount = Annotated[str | None, Parameter(allow_leading_hyphen=True)]
Keep = Annotated[bool, Parameter(negative="", help="Keep the pictures in the run's folder too, for its report.")]
SENTENCE = 16  # columns that a folded sentence has at least


def refuse_force(force: bool, *written: Path | None) -> None:
    """A UsageError where no file is written that --force could write over another."""
    if force and not any(written):
        raise UsageError("--force", "it changes nothing: no file is written", "leaving it out")


def tell(text: str = "", *, file: TextIO | None = None) -> None:
    """Print one line, on stdout as a rule; whatever a terminal could obey is escaped."""
    print(escaped(text), file=file)


def tell_lines(text: str, *, file: TextIO | None = None) -> None:
    """Print several lines: line breaks are meant, anything else is escaped."""
    for line in text.split("\n"):
        tell(line, file=file)


def print_result(result: Mapping[str, Any], run: Path) -> None:
    from striate.evaluate import paired
    from striate.evaluate.result import doubts

    for each in result["numbers"]:
        tell(number(each))
    for each in result.get("baselines", ()):
        tell(f"beside it: {number(each)}")
    if rival := paired.strongest(result):
        tell(paired.told(result["numbers"][0], rival))
    for doubt in doubts(result):
        tell(doubt)
    if "openings" in result:
        tell(f"this test set has been opened {often(result['openings'])}")
    if result["subset"] == "held":
        left = f"; the {result['sealed']} test pictures are sealed" if result.get("sealed") else ""
        tell(f"the held-out pictures were neither learned from nor chose the epoch{left}")
    if result["subset"] == "val":
        chosen = "these validation pictures also chose the epoch, so the numbers flatter"
        if not (sealed := result.get("sealed")):
            return tell(f"there is no test set: {chosen}")
        tell(f"{chosen}; no test picture was looked at. To open the test set of {sealed}, which is counted:")
        tell(f"striate evaluate {shlex.quote(str(run))} --open-test")


def print_run(run: "Run", json: bool, first: Sequence[str] = ()) -> None:
    """A run that is done: as one JSON object, or `first`, its numbers and where they lie."""
    report = run.folder / "report.html"
    if json:
        return print_json({"run": str(run.folder), "report": str(report), "result": run.result})
    for line in first:
        tell(line)
    print_result(run.result or {}, run.folder)
    tell(f"run     {run.folder}")
    tell(f"report  {report}")


def number(fields: Mapping[str, Any]) -> str:
    from striate.evaluate.numbers import known

    return str(known(fields))


def print_json(value: Any) -> None:
    """One line, all ASCII, that a strict parser reads."""
    print(json.dumps(utf8.readable(value), allow_nan=False))


def warn_of_rates(faster: Sequence[str]) -> None:
    """Tell which networks took less than their least time: so the machine was busy when its rates were measured."""
    if faster:
        tell(
            f"the rates of this machine are too low, for {' and '.join(faster)} took less than the least time: "
            "measure them again with --again, while nothing else runs",
            file=sys.stderr,
        )


def terminal_width() -> int | None:
    """Columns of the terminal that is written to; None where a file or a program reads."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_table(
    head: Sequence[str], rows: Sequence[Sequence[object]], right: Collection[int] = (), spared: Sequence[str] = ()
) -> None:
    """In a terminal a table, numbers to the `right`; elsewhere tabs between the fields, for other programs.

    Where the terminal is too narrow for the table, columns that are `spared` are left out, the first first; and where
    it still is, each row is a block of lines: no number is ever cut.
    """
    cells = [[escaped(str(field)) for field in row] for row in [head, *rows]]
    width = terminal_width()
    if width is None:
        for row in cells:
            print("\t".join(row))
        return
    widths = _widths(cells, right, width)
    if widths is None and spared:
        gone = head.index(spared[0])
        left, *fewer = ([*row[:gone], *row[gone + 1 :]] for row in (head, *rows))
        print_table(list(map(str, left)), fewer, [at - (at > gone) for at in right if at != gone], spared[1:])
        return
    if widths is None:
        tell_lines("\n\n".join(_block(cells[0], row, width) for row in cells[1:]))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, title in enumerate(cells[0]):
        table.add_column(title, justify="right" if place in right else "left", width=widths[place])
    for row in cells[1:]:
        table.add_row(*row)
    # the height is for rich, which otherwise takes every dumb terminal for one of 80 columns
    Console(width=width, height=len(cells), markup=False, highlight=False).print(table)


def _widths(cells: Sequence[Sequence[str]], right: Collection[int], width: int) -> list[int] | None:
    """Of each column, so that names and numbers stay whole and sentences fold; None where there is no such table."""
    from rich.cells import cell_len

    least, widest = [], []
    for place, (title, *column) in enumerate(zip(*cells, strict=True)):
        longest = max(map(cell_len, column), default=0)
        whole = place in right or not any(" " in cell for cell in column)
        words = [word for cell in (title, *column) for word in cell.split()]
        word = max(map(cell_len, title.split() if whole else words), default=0)
        least.append(max(word, longest if whole else min(longest, SENTENCE)))
        widest.append(max(longest, cell_len(title)))
    room = width - sum(least) - 2 * (len(least) - 1)  # two spaces between columns
    if room < 0:
        return None
    for place in sorted(range(len(least)), key=lambda place: place in right):  # sentences first, then heads
        more = min(room, widest[place] - least[place])
        least[place], room = least[place] + more, room - more
    return least


def _block(head: Sequence[str], row: Sequence[str], width: int) -> str:
    """A row as lines of head and value; only sentences fold."""
    margin = max(map(len, head)) + 2
    lines = []
    for title, cell in zip(head, row, strict=True):
        first = f"{title}:".ljust(margin)
        folded = textwrap.wrap(
            cell, max(width, margin + SENTENCE), initial_indent=first, subsequent_indent=" " * margin,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        lines += folded if cell else []
    return "\n".join(lines)


def print_rows(
    head: Sequence[str], rows: Sequence[Sequence[object]], *, form: str = "text", as_json: bool = False
) -> None:
    """A table whose numbers stand to the right with commas; or Markdown, CSV or one JSON object with bare numbers."""
    from striate.base import tables

    table = tables.Table(tuple(head), rows)
    if as_json:
        print_json({"rows": [dict(zip(head, row, strict=True)) for row in rows]})
    elif form == "text":
        print_table(head, [list(map(tables.shown, row)) for row in rows], table.to_the_right())
    else:
        tell_lines(tables.csv(table).rstrip() if form == "csv" else tables.markdown(table))
