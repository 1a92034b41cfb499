"""What lies at each place of a source, before anything is known of it."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol, final

from striate.data.packed import Names
from striate.data.picture import decode
from striate.data.picture.laid import Pixels
from striate.data.picture.pixels import PIXELS

# Nanoseconds: the coarsest clock of a file system, FAT's, counts in steps of two seconds.
_YOUNG = 2_000_000_000
# Folders whose files are held: one, and those around it.
_AT_ONCE = 8


class Contents(Protocol):
    """A picture by its place, unchecked; picklable, and cheap to pickle where it is `taken` for a few places."""

    def __call__(self, index: int, max_pixels: int = PIXELS) -> bytes | Pixels:
        """A file's bytes, within the limits for so many pixels; or uint8 pixels (height, width, 1 or 3)."""
        ...

    def where(self, index: int) -> str:
        """How a person finds it."""
        ...

    def identity(self, index: int) -> tuple[int, ...] | None:
        """What is equal as long as nobody has written there; None where only reading can tell."""
        ...

    def taken(self, places: Sequence[int]) -> "Contents":
        """What lies at these places, in this order."""
        ...


def identity_of(path: Path | str) -> tuple[int, ...] | None:
    """Device, inode, bytes, and nanoseconds of the last change of what is in a file and of what is said of it.

    None where it cannot be had, or is so young that the next change might leave all of these as they are.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - a hundred thousand paths need not be made
    except (OSError, ValueError):
        return None
    if max(status.st_mtime_ns, status.st_ctime_ns) > time.time_ns() - _YOUNG:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def absent_of(root: Path, names: Iterable[str]) -> set[int]:
    """The places of names below a folder where there is no file. No file is opened, and where names are sorted each
    folder is listed once."""
    listed = lru_cache(_AT_ONCE)(lambda folder: _files(root / folder))
    absent = set()
    for place, name in enumerate(names):
        folder, _, own = name.rpartition("/")
        if own not in listed(folder):
            absent.add(place)
    return absent


def _files(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except OSError:
        return frozenset()


@final
@dataclass(frozen=True)
class Files:
    """Files below one folder."""

    root: Path
    names: Sequence[str]

    def __call__(self, index: int, max_pixels: int = PIXELS) -> bytes:
        return decode.read_bytes(self.root / self.names[index], max_pixels)

    def where(self, index: int) -> str:
        return str(self.root / self.names[index])

    def identity(self, index: int) -> tuple[int, ...] | None:
        return identity_of(f"{self.root}{os.sep}{self.names[index]}")

    def taken(self, places: Sequence[int]) -> "Files":
        return Files(self.root, Names.of(self.names).take(places))
