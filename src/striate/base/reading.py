"""What is read from a run folder: plain files of a size that can be meant, and in them strict JSON and tables."""

import csv
import io
import json
import math
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from striate.base import utf8
from striate.base.errors import RunError
from striate.base.words import many

DAMAGED = "another run; this folder is damaged"
DEPTH = 32
# Nothing waits for a pipe, and a link that came in between is not followed.
_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
_KINDS = {
    stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip


def read_bytes(path: Path, most: int, saved: int | None = None) -> bytes:
    """The whole of a plain file of at most `most` bytes; a RunError says what else is there. No link is followed.

    `saved`: as many bytes as it has to have.
    """
    try:
        _refuse_other_kinds(path, os.lstat(path).st_mode)
        handle = os.open(path, _OPEN)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            _refuse_other_kinds(path, status.st_mode)
            if saved is not None and status.st_size != saved:
                raise RunError(path, f"{status.st_size} bytes where {saved} were saved", DAMAGED)
            if status.st_size > most:
                raise RunError(path, f"{status.st_size:,} bytes, and at most {most:,} can be meant", DAMAGED)
            return file.read(status.st_size)
    except FileNotFoundError:
        raise RunError(path, "no such file", "the path of a run folder, as `striate runs` lists them") from None
    except (OSError, ValueError) as error:
        raise RunError(path, f"cannot be read ({error})", DAMAGED) from None


def read_json(path: Path, most: int) -> Any:
    """The parsed file."""
    return parsed(read_bytes(path, most), path)


def parsed(data: bytes, path: Path) -> Any:
    """Strict JSON in UTF-8: no key twice, no number that a float or 64 bits cannot hold."""
    try:
        found = json.loads(
            data.decode("utf-8"), object_pairs_hook=_once, parse_int=_whole, parse_float=_finite, parse_constant=_none
        )
        _refuse_depth(found)
        return found
    except (ValueError, RecursionError) as error:
        raise RunError(path, f"cannot be read ({error})", DAMAGED) from None


def read_table(path: Path, most: int) -> tuple[list[str], list[list[str]]]:
    """The head of comma-separated values, and the other lines, each as long as the head."""
    rows = []
    try:
        lines = csv.reader(io.StringIO(read_bytes(path, most).decode("utf-8"), newline=""), strict=True)
        head = next(lines, [])
        for line in lines:
            if len(line) != len(head):
                raise ValueError(f"line {lines.line_num} has {many(len(line), 'field')}, and the head {len(head)}")
            rows.append(line)
    except (ValueError, csv.Error) as error:
        raise RunError(path, f"cannot be read ({error})", DAMAGED) from None
    return head, rows


def refuse_link(path: Path) -> None:
    """A `RunError` where `path` is a link: nothing behind it is of this run."""
    if path.is_symlink():
        raise RunError(path, "it is a link, and nothing behind a link is read", "a whole copy of the run folder")


def _refuse_other_kinds(path: Path, mode: int) -> None:
    if stat.S_ISLNK(mode):
        refuse_link(path)
    if not stat.S_ISREG(mode):
        raise RunError(path, f"it is {_KINDS.get(stat.S_IFMT(mode), 'something else')} and not a plain file", DAMAGED)


def _refuse_depth(value: Any) -> None:
    """What is written again or walked through may not be nested without end."""
    level = [value]
    for _ in range(DEPTH):
        level = [
            each for outer in level if isinstance(outer, dict | list)
            for each in (outer.values() if isinstance(outer, dict) else outer) if isinstance(each, dict | list)
        ]  # fmt: skip
    if level:
        raise ValueError(f"nested more than {DEPTH} deep")


def _once(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return utf8.restored(found)


def _whole(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise ValueError(f"{text[:20]}... is too large a number")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _none(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
