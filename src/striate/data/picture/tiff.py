"""The first directory of a TIFF, read without a decoder: what it promises, before anything is made of it."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import TiffTags

# Bytes of one value by its type, TIFF 6.0 section 2 and BigTIFF; of whole numbers also how they are written.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_TEXT = (1, 2, 7)  # Pillow keeps these as bytes, and every other value as a Python number
_MOST_TAGS = 65_535
_BELOW = tuple(TiffTags.TAGS_V2_GROUPS)  # directories that Pillow loads whenever it loads a TIFF
BITS, COMPRESSION, CHANNELS = 258, 259, 277
OLD_JPEG = 6
JPEG = (OLD_JPEG, 7)
# Compressions that are read; others are rare, and cost what nothing in the file tells.
READ = frozenset({1, 2, 3, 4, 5, *JPEG, 8, 32773, 32946, 50000})
NAMES = {32766: "NeXT", 32771: "raw 16", 32809: "ThunderScan", 34676: "SGI LogLuv", 34677: "SGI LogLuv", 34925: "LZMA"}


@dataclass(frozen=True)
class Directory:
    """`tags`: number -> (type, count, where its values begin). `more`: another directory follows."""

    data: bytes
    order: str
    tags: Mapping[int, tuple[int, int, int]]
    more: bool

    def numbers(self, tag: int) -> Sequence[int]:
        """A tag's whole numbers, those that lie in the file; none where it is absent or of another kind."""
        kind, count, at = self.tags.get(tag, (0, 0, 0))
        if kind not in _WHOLE:
            return ()
        count = min(count, (len(self.data) - at) // _SIZES[kind])
        return () if count <= 0 else struct.unpack_from(f"{self.order}{count}{_WHOLE[kind]}", self.data, at)

    def number(self, tag: int, otherwise: int) -> int:
        return next(iter(self.numbers(tag)[:1]), otherwise)

    def strips(self) -> tuple[int, Sequence[int], Sequence[int]]:
        """Bytes of one strip or tile once it is decoded; how long each is in the file, and where it begins."""
        width, height = self.number(256, 0), self.number(257, 0)
        tiled = 324 in self.tags
        across, down = (
            (self.number(322, width), self.number(323, height)) if tiled else (width, self.number(278, height))
        )
        channels = self.number(CHANNELS, 1) if self.number(284, 1) == 1 else 1
        row = -(-across * channels * self.number(BITS, 1) // 8)
        sizes, starts = (325, 324) if tiled else (279, 273)
        return row * (down if tiled else min(down, height)), self.numbers(sizes), self.numbers(starts)

    @property
    def promised(self) -> tuple[int, int]:
        """Bytes of all values that are numbers, and of those that are bytes or text, in directories below as well."""
        numbers = texts = 0
        below = [directory(self.data, self.number(tag, 0)) for tag in _BELOW if tag in self.tags]
        for each in (self, *filter(None, below)):
            for kind, count, _ in each.tags.values():
                size = min(_SIZES.get(kind, 0) * count, len(self.data))
                numbers, texts = numbers + size * (kind not in _TEXT), texts + size * (kind in _TEXT)
        return numbers, texts


def directory(data: bytes, at: int | None = None) -> Directory | None:
    """The first directory of a TIFF, or the one at a place; None where it cannot be read."""
    order = "<" if data[:1] == b"I" else ">"
    big = b"+" in data[2:4]
    entry, room = ("HHQ", 8) if big else ("HHI", 4)
    width = struct.calcsize(f"{order}{entry}") + room
    try:
        if at is None:
            (at,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, 8 if big else 4)
        (count,) = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, at)
        at += 8 if big else 2
        count = min(count, _MOST_TAGS, (len(data) - at) // width)
        tags: dict[int, tuple[int, int, int]] = {}
        for _ in range(count):
            tag, kind, values = struct.unpack_from(f"{order}{entry}", data, at)
            inside = at + width - room
            if _SIZES.get(kind, 1) * values > room:
                (inside,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, inside)
            tags.setdefault(tag, (kind, values, inside))
            at += width
        after = data[at : at + room]
    except (struct.error, OverflowError):
        return None
    return Directory(data, order, tags, len(after) == room and any(after))
