"""A file that was asked for, and what it may replace: nothing but what striate itself wrote there before."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from striate.base import durable
from striate.base.errors import MachineError, Option, UsageError

ENDS = 65_536  # bytes at either end from which a file is known
MARK = "<!-- drawn by striate -->"


@final
@dataclass(frozen=True)
class Output:
    """A file that was asked for, as `asked` tells: "--csv answers.csv".

    `own` knows a file of striate's by its first and last bytes. `inputs` are files and folders that are read, each with
    what it is called: "the pictures". `force`: whatever lies there is replaced.
    """

    asked: str
    path: Path
    own: Callable[[bytes], bool]
    inputs: Sequence[tuple[str, Path]] = ()
    force: bool = False

    def check(self) -> None:
        """A `UsageError` where the file is not striate's, a `MachineError` where none can be: before any work."""
        real = durable.meant_by(self.path)
        if not os.access(real.parent, os.W_OK | os.X_OK):
            raise MachineError(self.path, "no file can be written there", "a folder that exists and that is yours")
        cause = None if self.force else self._whose(real)
        if cause is not None:
            raise UsageError(self.asked, cause, ("another name, or ", Option("force", True)))

    def write(self, data: bytes) -> None:
        """Whole or not at all; checked again, for work takes time."""
        self.check()
        durable.write(self.path, data)

    def _whose(self, real: Path) -> str | None:
        """Why the file that is there is not to be replaced. Files are told by their number: names have many forms."""
        if not real.exists():
            return None
        itself, above, folders = _number(real), set(map(_number, real.parents)), []
        for name, path in self.inputs:
            number = _number(path)
            if number is not None and number == itself:
                return f"it is one of {name}"
            if number is not None and number in above:
                folders.append(name)
        ends = _ends(real)
        if self.own(ends) or not (ends or folders or real.stat().st_size):  # an empty file is nobody's
            return None
        return f"it lies among {folders[0]}" if folders else "it is there, and striate did not write it"


def known_by(mark: str) -> Callable[[bytes], bool]:
    """Knows a file that has `mark` among its first or last bytes."""
    return lambda head: mark.encode() in head


def marked(svg: str) -> bytes:
    """An SVG file that is known again: with a comment before its picture."""
    return svg.replace("<svg", f"{MARK}\n<svg", 1).encode()


def _number(path: Path) -> tuple[int, int] | None:
    """Disk and number of a file that is there."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _ends(path: Path) -> bytes:
    """The first bytes of a file, and the last where there are more."""
    try:
        with path.open("rb") as file:
            first = file.read(ENDS)
            file.seek(max(len(first), path.stat().st_size - ENDS))
            return first + file.read(ENDS)
    except OSError:  # what cannot be read is not known
        return b""
