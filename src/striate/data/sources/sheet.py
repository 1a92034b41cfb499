"""What a file of rows and columns says, as texts: CSV, TSV or Parquet."""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
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
    They may be read as they are gone through, once. `contents`: the pictures of the rows, where the table holds them;
    then its paths are no more than their names.
    """

    head: Sequence[str]
    rows: Iterable[tuple[int, Sequence[str]]]
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
    code = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        data.decode(code)
    except UnicodeDecodeError:
        code = "cp1252"
    if code != "utf-8-sig":
        notes.append(f"{path.name} is not UTF-8: read as {'UTF-16' if code == 'utf-16' else 'Windows-1252'}")
    rows = _rows(path, data, code)
    head = next(rows, None)
    if head is None:
        raise DataError(path, "an empty table", "a first line such as path,label, then one line for each picture")
    return Sheet([cell.strip() for cell in head[1]], rows, notes=tuple(notes))


def _rows(path: Path, data: bytes, code: str) -> Iterator[tuple[int, Sequence[str]]]:
    """One after the other: of a million rows only the bytes are held."""
    lines = _text(data, code)
    first = next((line for line in lines if line.strip()), "")
    reader = csv.reader(_text(data, code), delimiter=max(",;\t", key=first.count))
    try:
        yield from ((reader.line_num, row) for row in reader if any(map(str.strip, row)))
    except csv.Error as error:
        raise DataError(path, f"not a table ({error})", "lines of fields between commas") from None


def _text(data: bytes, code: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), code, "replace", newline="")
