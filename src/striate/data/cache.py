"""What was found out before and still holds: arrays in files of the user's cache folder.

A file holds what is known under one key, which says all that decides it: how pictures are looked at, and by which code.
Files are replaced at once and read with their checks, so that two scans, or a kill, lose at most time.
"""

import hashlib
import io
import json
import os
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, final

import numpy as np

from striate.base import durable
from striate.base.errors import StriateError
from striate.base.units import roughly

VARIABLE = "STRIATE_CACHE"
# Bytes of all files together, of which those go first that were not used for longest.
BUDGET = 512_000_000
_FORMAT = 1
Say = Callable[[str], None]


def cache_folder() -> Path | None:
    """Where things are kept that can be found out again; None where STRIATE_CACHE is empty: nothing is kept."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named).absolute() if named else None
    base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117 - XDG: a relative one is to be ignored
        base = os.path.expanduser("~/.cache")  # noqa: PTH111 - Path's own raises where nobody has a home
    return Path(base) / "striate"


@cache
def written_by(*modules: ModuleType) -> str:
    """What tells their code, that of a package with all in it, from any other; nothing where its text is nowhere."""
    whole = hashlib.sha256()
    for each in modules:
        path = Path(str(each.__file__))
        for text in sorted(path.parent.glob("*.py")) if path.name == "__init__.py" else [path]:
            if not text.is_file():
                return ""
            whole.update(text.read_bytes())
    return whole.hexdigest()


@final
class Known:
    """By key of a few bytes what is known, as bytes; nothing, and nothing is kept, where there is no folder.

    `what` is a word for the file's name, `of` all that decides what is kept there. `say` is told, once, where it
    cannot be written.
    """

    def __init__(self, folder: Path | None, what: str, of: Sequence[object], say: Say) -> None:
        told = json.dumps([_FORMAT, *of], sort_keys=True, default=str)
        name = f"{what}-{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.npz"
        self._path, self._say = None if folder is None else folder / name, say
        self.entries: Mapping[bytes, bytes] = {} if self._path is None else self._read(self._path)

    def keep(self, entries: Mapping[bytes, bytes]) -> None:
        """All that is known from now on, in place of what was."""
        if self._path is None or entries == self.entries:
            return
        self.entries = dict(entries)
        data = _written(entries)
        if len(data) > BUDGET:
            self._stop(f"{roughly(len(data), 'B')} of what was found out are more than the {roughly(BUDGET, 'B')} kept")
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.write(self._path, data)
            _make_room(self._path)
        except (StriateError, OSError) as error:
            self._stop(f"what was found out cannot be kept in {self._path.parent} ({error})")

    def _stop(self, why: str) -> None:
        self._path = None
        self._say(f"{why}: it will be found out again")

    def _read(self, path: Path) -> Mapping[bytes, bytes]:
        """What the file holds; one that is not whole is put aside."""
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return {}  # there is none yet, or it may not be read: writing will tell
        try:
            return _entries(data)
        except (ValueError, KeyError, OSError, zipfile.BadZipFile, EOFError, NotImplementedError):
            aside = path.with_suffix(".damaged")
            try:
                path.replace(aside)
            except OSError:
                self._path = None
            self._say(f"{path} is damaged and put aside: what it held is found out again")
            return {}


def _written(entries: Mapping[bytes, bytes]) -> bytes:
    file, arrays = io.BytesIO(), dict[str, Any]()
    for name, parts in (("keys", list(entries)), ("values", list(entries.values()))):
        arrays[name] = np.frombuffer(b"".join(parts), np.uint8)
        arrays[f"{name}_end"] = np.cumsum(list(map(len, parts)), dtype=np.int64)
    np.savez(file, **arrays)
    return file.getvalue()


def _entries(data: bytes) -> dict[bytes, bytes]:
    """A zip file's members have checks, which are made when they are read."""
    with np.load(io.BytesIO(data)) as file:
        keys, values = (_parts(file[name].tobytes(), file[f"{name}_end"].tolist()) for name in ("keys", "values"))
    return dict(zip(keys, values, strict=True))


def _parts(data: bytes, ends: Sequence[int]) -> list[bytes]:
    if ends and ends[-1] != len(data):
        raise ValueError("cut")
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _make_room(kept: Path) -> None:
    """Within the budget, without what was not used for longest."""
    files = sorted(((each.stat(), each) for each in kept.parent.glob("*-*.*")), key=lambda each: each[0].st_mtime_ns)
    total = sum(status.st_size for status, _ in files)
    for status, path in files:
        if total <= BUDGET or path == kept:
            break
        path.unlink(missing_ok=True)
        total -= status.st_size
