"""The one table of samples that every later stage reads, whatever it was made from."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar, final

import numpy as np
import numpy.typing as npt

from striate.base.errors import DataError
from striate.data.contents import Contents
from striate.data.packed import Digests
from striate.data.picture.laid import Pixels
from striate.data.picture.levels import WHITE
from striate.data.picture.pixels import MOST_PIXELS
from striate.data.picture.sketch import Sketches
from striate.data.targets import Targets

Indices = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Sizes = npt.NDArray[np.int32]
Groups = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Skip:
    """A file that is not a sample, or a doubtful one, and why."""

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
class Checked:
    """What a source holds, as long as it is what was scanned; without `digests`, where nothing was, as it is."""

    contents: Contents
    digests: Sequence[str] | None = None

    def __call__(self, index: int) -> bytes | Pixels:
        held = self.contents(index, MOST_PIXELS)
        return held if self.digests is None else checked(held, self.digests[index], self.where(index))

    def where(self, index: int) -> str:
        return self.contents.where(index)


Held = TypeVar("Held", bytes, Pixels, bytes | Pixels)


def checked(held: Held, digest: str, where: str) -> Held:
    """The same; a DataError when it is not what was scanned, within the limits of then."""
    if digest_of(held) != digest:
        raise DataError(where, "changed since the data were scanned", "scan the data again")
    return held


def digest_of(held: bytes | Pixels) -> str:
    """What tells a picture from others: SHA-256 of a file's bytes, or of the shape and the pixels in memory."""
    data = held if isinstance(held, bytes) else str(held.shape).encode() + held.tobytes()
    return hashlib.sha256(data).hexdigest()


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


# Pictures that are mixed at a time where they lie in shards: more than the 1,000 to 10,000 usual with webdataset.
WINDOW = 20_000


@final
@dataclass(frozen=True, eq=False)
class Shards:
    """Which samples lie together: `of` (n,) is the shard of each; `window` how many shards are mixed at a time."""

    of: Indices
    window: int

    def taken(self, places: Sequence[int]) -> "Shards":
        return Shards(self.of[np.asarray(places, np.int64)], self.window)


def window_of(samples: int, shards: int) -> int:
    """How many of so many shards are mixed at a time: `WINDOW` pictures, whatever the memory of a machine."""
    return min(shards, -(-WINDOW * shards // max(1, samples)))


def met(error: DataError) -> DataError:
    """What is said of a bad picture where none was looked for before."""
    hint = "repairing it or taking it out, in a new run; --check headers finds all that are bad at once"
    return DataError(error.where, error.cause, hint)


@dataclass(frozen=True, eq=False)
class Samples:
    """`names` are relative to `root` with "/"; `digests` are the SHA-256 of each file, or of pixels in memory.

    `source` is the kind of thing they come from: builtin, folder, table, shards, arrays. `subsets` are "train", "val"
    or "test" where the source says so. `groups` (n,): equal numbers for samples that are not independent, such as
    pictures of one patient, the places of `group_names`; None where each is. `shards`: which are read together, None
    where none need be. `sizes` (n, 2) are height and width of each picture, upright and as decoded. `grey`: every
    picture has one channel. `tops` (n,): the highest level of each in a file of 16 bits, else 0. `sketches` are there
    where they were asked for. `damaged`: those that look so, among the usable ones. `split_by` "name": none was
    opened; `digests` are of the names, and sizes are 0 but of some training pictures.
    """

    name: str
    source: str
    root: Path | None
    names: Sequence[str]
    read: Read
    digests: Sequence[str]
    targets: Targets
    sizes: Sizes
    subsets: Sequence[str] | None = None
    groups: Groups | None = None
    group_names: tuple[str, ...] = ()
    shards: Shards | None = None
    skipped: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()
    grey: bool = False
    tops: Sizes | None = None
    sketches: Sketches | None = None
    damaged: tuple[Skip, ...] = ()
    split_by: Literal["content", "name"] = "content"

    def __len__(self) -> int:
        return len(self.names)

    @property
    def where(self) -> Path | str:
        """What an error names."""
        return self.root or self.name

    @property
    def in_memory(self) -> bool:
        return isinstance(self.read, InMemory)

    def groups_of(self, indices: Indices) -> Groups | None:
        """Of these samples, where there are groups."""
        return None if self.groups is None else self.groups[indices]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over sorted (name, target, digest, subset): equal for equal data in any order."""
        whole, last = hashlib.sha256(), b""
        for line in self._lines():  # names are sorted as a rule, and each is there once
            if line <= last:
                return hashlib.sha256(b"\0\0".join(sorted(self._lines()))).hexdigest()
            whole.update(b"\0\0" + line if last else line)
            last = line
        return whole.hexdigest()

    def _lines(self) -> Iterator[bytes]:
        subsets = self.subsets or ("",) * len(self.names)
        code = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()  # as os.fsencode, a million times
        for place, (name, digest, subset) in enumerate(zip(self.names, self.digests, subsets, strict=True)):
            yield b"\0".join((name.encode(*code), self.targets.content(place), digest.encode(), subset.encode()))

    @property
    def order(self) -> str:
        """What decides the order of an epoch besides the seed: "" where nothing does, as when a window holds all."""
        if self.shards is None:
            return ""
        shards, of = np.unique(self.shards.of, return_inverse=True)
        told = f"{self.shards.window}\0".encode() + of.astype("<i8").tobytes()
        return "" if len(shards) <= self.shards.window else hashlib.sha256(told).hexdigest()

    def known_sizes(self, indices: Indices) -> Sizes:
        """Sizes of those of these samples that were looked at."""
        sizes = self.sizes[indices]
        return sizes if self.split_by == "content" else sizes[sizes[:, 0] > 0]

    def white(self, indices: Indices) -> int:
        """The highest level of so many bits, 8 to 16, that files of 16 bits among these need; 65,535 without any."""
        top = 0 if self.tops is None else int(self.tops[indices].max(initial=0))
        return (1 << max(8, top.bit_length())) - 1 if top else WHITE

    def keys(self, indices: Indices | Keys) -> Keys:
        """A number for each sample that its content alone decides: the first 64 bits of its digest."""
        return np.asarray(Digests.of(self.digests).keys[indices])
