"""The first frame of a GIF, found without walking through the others."""

from collections.abc import Iterator

from striate.base.errors import DataError
from striate.data.picture.damage import CONVERT

# A block has at most 255 bytes: 50 million pixels of noise need 300,000.
_BLOCKS, _BLOCKS_AFTER = 400_000, 10_000
_IMAGE, _EXTENSION, _END = 0x2C, 0x21, 0x3B
_CONTROL = b"\x21\xf9\x04"


def first_frame(data: bytes, where: str) -> tuple[bytes, bool]:
    """The file with its first frame alone, and whether others follow; `DataError` where that takes too many blocks.

    Comments and the like are left out: the decoder meets no more blocks than were counted here.
    """
    begin = 13 + _palette(data[10:11])
    kept, found, left = [data[:begin]], False, _BLOCKS
    for kind, start, end, blocks in _parts(data, begin):
        left -= blocks
        if found and (kind == _IMAGE or left < 0):
            return b"".join(kept), True
        if left < 0:
            raise DataError(where, f"more than {_BLOCKS:,} blocks before the end of a GIF's first frame", CONVERT)
        if not found and (kind == _IMAGE or data[start : start + 3] == _CONTROL):
            kept.append(data[start:end])
        if kind == _IMAGE:
            found, left = True, _BLOCKS_AFTER
    return b"".join(kept), False


def _parts(data: bytes, at: int) -> Iterator[tuple[int, int, int, int]]:
    """(kind, start, end, blocks) of images and extensions; any other byte is passed over, as Pillow does."""
    while at < len(data) and data[at] != _END:
        start, kind, blocks = at, data[at], 1
        at += 1
        if kind in (_IMAGE, _EXTENSION):
            at += 10 + _palette(data[at + 8 : at + 9]) if kind == _IMAGE else 1
            while at < len(data) and data[at] and blocks <= _BLOCKS:
                at, blocks = at + 1 + data[at], blocks + 1
            at += 1
        yield kind, start, at, blocks


def _palette(flags: bytes) -> int:
    """Bytes of the table of colours that these flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 128 else 0
