"""Canvases kept on disk, so that a picture is decoded once and not in every epoch.

A file holds those of one preprocessing of one source, a row each. Who reads a picture writes its row: worker
processes, and other trainings as well, for they write the same bytes at the same place. A row begins with a number that
its bytes and the picture's digest make: what a kill or a full disk left half written, or what is of another picture, is
no row, and is read and written again. Rows are read by copying, so that a file that is cut meanwhile is only missed.
"""

import dataclasses
import hashlib
import os
import shutil
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, final

import numpy as np

from striate.base.units import readable_bytes
from striate.data import picture, shrink
from striate.data import preprocess as preprocessing
from striate.data.cache import written_by
from striate.data.picture import decode
from striate.data.picture.laid import Laid, Pixels
from striate.data.preprocess import Preprocess
from striate.data.units import Units

Say = Callable[[str], None]
_SUFFIX = ".canvases"
_FORMAT = 1
# Share of the free disk that is not filled: checkpoints, and whatever else is written there, come first.
_SPARED = 0.1
_FLAGS = sum(getattr(os, name, 0) for name in ("O_RDWR", "O_CREAT", "O_CLOEXEC", "O_NOFOLLOW"))


@final
class Kept:
    """The rows of one file, of the units below `rows`; picklable."""

    def __init__(self, path: Path, preprocess: Preprocess, rows: int) -> None:
        self.path, self.rows, self._preprocess = path, rows, preprocess
        self._shape = (preprocess.channels, *preprocess.sides)
        self._type = np.uint16 if preprocess.depth == 16 else np.uint8
        self._open()

    def _open(self) -> None:
        self.handle = os.open(self.path, _FLAGS, 0o600)
        self._full = False
        weakref.finalize(self, os.close, self.handle)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "handle"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()

    def take(self, unit: int, key: int, tile: int | None) -> tuple[Pixels, Laid] | None:
        """The canvas of a unit whose picture's content is `key`, and how it lies; None where it is not kept."""
        if unit >= self.rows:
            return None
        row: Any = np.empty(words(self._preprocess), np.uint64)
        try:
            found = os.preadv(self.handle, [row], unit * row.nbytes)
        except OSError:
            return None
        if found != row.nbytes or int(row[0]) != _check(row, key):
            return None
        height, width = divmod(int(row[1]), 1 << 32)
        values = row[2:].view(self._type)
        canvas = values[: int(np.prod(self._shape))].reshape(self._shape)
        return canvas, self._preprocess.lies(height, width, tile)

    def put(self, unit: int, key: int, canvas: Pixels, laid: Laid) -> None:
        """Keep it. Where it cannot be written nothing more is, by this process."""
        if unit >= self.rows or self._full:
            return
        row: Any = np.zeros(words(self._preprocess), np.uint64)
        row[1] = laid.picture[0] << 32 | laid.picture[1]
        row[2:].view(self._type)[: canvas.size] = canvas.reshape(-1)
        row[0] = _check(row, key)
        try:
            self._full = os.pwritev(self.handle, [row], unit * row.nbytes) != row.nbytes
        except OSError:
            self._full = True


def words(preprocess: Preprocess) -> int:
    """Of 8 bytes in a row: its check, the picture's size, its canvas."""
    height, width = preprocess.sides
    return 2 - (-preprocess.channels * height * width * preprocess.depth // 64)


def _check(row: Any, key: int) -> int:
    """Any one word that is another makes another number, for odd factors can be undone; no row is all zero."""
    return (int(np.dot(row[1:], _factors(len(row) - 1))) + key) % (1 << 64) or 1


@cache
def _factors(count: int) -> Any:
    return np.random.Generator(np.random.Philox(0)).integers(0, 1 << 64, count, np.uint64) | np.uint64(1)


@final
class Shelf:
    """The folder of kept canvases, inside that of what is cached: all files in it together stay within `budget` bytes,
    and those go first that were not used for longest. Without a folder, or where the system cannot read at a place,
    nothing is kept, which is said."""

    def __init__(self, cache_folder: Path | None, budget: int, say: Say) -> None:
        if cache_folder is None or not hasattr(os, "preadv"):
            say("no canvases are kept on disk: there is no cache folder for them (--no-cache, STRIATE_CACHE)")
            self._folder = None
        else:
            self._folder = cache_folder / "canvases"
        self._left, self._say, self._own = budget, say, dict[Path, Kept | None]()

    def kept(self, units: Units, preprocess: Preprocess) -> Kept | None:
        """Where their canvases are kept, as many as fit; None where none is."""
        if (
            self._folder is None
            or not (code := written_by(picture, preprocessing, shrink))
            or preprocess.views != "one"
        ):
            return None
        path = self._folder / f"{_name(units, preprocess, code)}{_SUFFIX}"
        if path not in self._own:
            try:
                self._own[path] = self._opened(path, len(units), preprocess)
            except OSError as error:
                self._own[path] = None
                self._say(f"decoded pictures cannot be kept in {self._folder} ({error.strerror})")
        return self._own[path]

    def _opened(self, path: Path, count: int, preprocess: Preprocess) -> Kept | None:
        size = 8 * words(preprocess)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = path.stat().st_blocks * 512 if path.exists() else 0
        self._make_room(min(count * size, self._left), path)
        free = int((shutil.disk_usage(path.parent).free + there) * (1 - _SPARED))
        rows = min(count, self._left // size, free // size)
        if rows < count:
            short = "the disk has no room for more" if free < self._left else "--canvases allows no more"
            self._say(f"{rows:,} of {count:,} canvases are kept in {path.parent}, the others read each time: {short}")
        else:
            self._say(f"canvases are kept in {path.parent}, {readable_bytes(count * size)} at most")
        if not rows:
            return None
        self._left -= rows * size
        found = Kept(path, preprocess, rows)
        if os.fstat(found.handle).st_size > rows * size:
            os.truncate(found.handle, rows * size)
        os.utime(found.handle)
        return found

    def _make_room(self, needed: int, own: Path) -> None:
        """Within the budget, without the files that were not used for longest."""
        others = [each for each in own.parent.glob(f"*{_SUFFIX}") if each != own and each not in self._own]
        aged = sorted((each.stat().st_mtime_ns, each.stat().st_blocks * 512, each) for each in others)
        total = sum(size for _, size, _ in aged)
        for _, size, path in aged:
            if total + needed <= self._left:
                return
            path.unlink(missing_ok=True)
            total -= size


def _name(units: Units, preprocess: Preprocess, code: str) -> str:
    """What decides the place and the shape of rows: whose picture each is of stands in the row."""
    samples, looks = units.samples, dataclasses.replace(preprocess, mean=(), deviation=())
    root = samples.root and samples.root.resolve()
    facts = (_FORMAT, samples.source, samples.name, root, len(units), looks, decode.DECODER, code)
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
