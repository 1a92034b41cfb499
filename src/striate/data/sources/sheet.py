"""What a file of rows and columns says, as texts: CSV, TSV or Parquet."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from striate.base.errors import DataError
from striate.data.contents import Contents
from striate.data.picture import decode


@final
@dataclass(frozen=True)
class Sheet:
    """`rows`: cells beside their number, from which `unit`, "line" or "row", a person finds them again.

    `contents`: the pictures of the rows, where the table holds them; then its paths are no more than their names.
    """

    head: Sequence[str]
    rows: Sequence[tuple[int, Sequence[str]]]
    unit: str = "line"
    notes: tuple[str, ...] = ()
    contents: Contents | None = None

    @property
    def seen(self) -> str:
        """What the head is, for whoever misses a column."""
        shown = ", ".join(map(repr, self.head[:10])) + (" ..." if len(self.head) > 10 else "")
        return f"the first line is {shown}" if self.unit == "line" else f"the columns are {shown}"


def read_text(path: Path) -> Sheet:
    """A CSV or TSV file: the rows that are not empty. The separator is what its first line has most of."""
    data, notes = decode.read_bytes(path), list[str]()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
        notes.append(f"{path.name} is not UTF-8: read as Windows-1252")
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",;\t", key=first.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(path, f"not a table ({error})", "lines of fields between commas") from None
    if not rows:
        raise DataError(path, "an empty table", "a first line such as path,label, then one line for each picture")
    return Sheet([cell.strip() for cell in rows[0][1]], rows[1:], notes=tuple(notes))
