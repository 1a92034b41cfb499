"""The one table of samples that every later stage reads, whatever it was made from."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final

import numpy as np
import numpy.typing as npt

from striate.base.errors import DataError
from striate.data.picture import decode
from striate.data.picture.laid import Pixels
from striate.data.picture.levels import WHITE
from striate.data.picture.pixels import MOST_PIXELS
from striate.data.targets import Targets

Indices = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Sizes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Skip:
    """A file that is not a sample, and why."""

    name: str
    cause: str


class Read(Protocol):
    """A picture by its place; picklable."""

    def __call__(self, index: int) -> bytes | Pixels:
        """A file's bytes, checked against the digest of the scan, or uint8 pixels (height, width, 1 or 3)."""
        ...

    def where(self, index: int) -> str:
        """How a person finds it."""
        ...


@final
@dataclass(frozen=True)
class Files:
    """Files below one folder."""

    root: Path
    names: Sequence[str]
    digests: Sequence[str]

    def __call__(self, index: int) -> bytes:
        return checked(self.root / self.names[index], self.digests[index])

    def where(self, index: int) -> str:
        return str(self.root / self.names[index])


def checked(path: Path, digest: str) -> bytes:
    """A file's bytes; a DataError when they are not the ones that were scanned, within the limits of then."""
    data = decode.read_bytes(path, MOST_PIXELS)
    if hashlib.sha256(data).hexdigest() != digest:
        raise DataError(path, "changed since the data were scanned", "scan the data again")
    return data


@final
@dataclass(frozen=True, eq=False)
class InMemory:
    """Pictures in memory, one array each or all in one: uint8 (height, width, 1 or 3)."""

    pictures: Sequence[Pixels] | Pixels
    names: Sequence[str]

    def __call__(self, index: int) -> Pixels:
        picture: Pixels = self.pictures[index]
        return picture

    def where(self, index: int) -> str:
        return self.names[index]


@dataclass(frozen=True, eq=False)
class Samples:
    """`names` are relative to `root` with "/"; `digests` are the SHA-256 of each file, or of pixels in memory.

    `source` is the kind of thing they come from: builtin, folder, table, arrays. `subsets` are "train", "val" or
    "test" where the source says so. `sizes` (n, 2) are height and width of each picture, upright and as decoded.
    `grey`: every picture has one channel. `tops` (n,): the highest level of each in a file of 16 bits, else 0.
    """

    name: str
    source: str
    root: Path | None
    names: tuple[str, ...]
    read: Read
    digests: tuple[str, ...]
    targets: Targets
    sizes: Sizes
    subsets: tuple[str, ...] | None = None
    skipped: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()
    grey: bool = False
    tops: Sizes | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def in_memory(self) -> bool:
        return isinstance(self.read, InMemory)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over sorted (name, target, digest, subset): equal for equal data in any order."""
        subsets = self.subsets or ("",) * len(self.names)
        rows = zip(self.names, range(len(self.names)), self.digests, subsets, strict=True)
        lines = sorted(
            b"\0".join((os.fsencode(name), self.targets.content(index), digest.encode(), subset.encode()))
            for name, index, digest, subset in rows
        )
        return hashlib.sha256(b"\0\0".join(lines)).hexdigest()

    def white(self, indices: Indices) -> int:
        """The highest level of so many bits, 8 to 16, that files of 16 bits among these need; 65,535 without any."""
        top = 0 if self.tops is None else int(self.tops[indices].max(initial=0))
        return (1 << max(8, top.bit_length())) - 1 if top else WHITE

    def keys(self, indices: Indices | Keys) -> Keys:
        """A number for each sample that its content alone decides: the first 64 bits of its digest."""
        return np.array([int(self.digests[index][:16], 16) for index in indices], dtype=np.uint64)
