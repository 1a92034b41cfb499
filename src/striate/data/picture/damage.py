"""Signs that a picture file is cut, damaged or hostile, which Pillow does not tell: all on bytes."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from typing import Any

import numpy as np

from striate.base.errors import DataError
from striate.data.picture.bands import digest
from striate.data.picture.opened import opened

CONVERT = "convert it to PNG or JPEG first"
FETCH = "fetch the file again"
# JPEG markers, ITU T.81 table B.1.
SCAN, END = 0xDA, 0xD9
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
ARITHMETIC = frozenset(range(0xC9, 0xD0)) - {0xCC}
# The largest JPEG that is decoded twice, and the most restart markers of it that are looked at.
_TWICE, _RESTARTS = 25_000_000, 1_000_000
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_ZERO_RUN = bytes(64)
TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})  # chunks of a PNG
_PIECE = 1 << 14
_INFLATED = 1 << 29  # the most that a PNG within the limits holds
_PADDING = bytes((37 * k + 11) % 255 for k in range(64))  # no 0xFF, no pattern that decodes to nothing
# Of those that stand for something: neither restarts, nor what only begins a picture.
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")


def failure(data: bytes, image: Any, error: Exception) -> str:
    """Why the pixels could not be decoded, and how much of them there is where that can be told."""
    text = re.sub(r" at 0x[0-9a-f]+", "", str(error)) or type(error).__name__
    if "truncat" not in text.lower() and not isinstance(error, EOFError):
        return f"damaged: {text}"
    if image.format in {"JPEG", "MPO"} and not image.info.get("progressive"):
        return truncated(attempt(lambda: _rows_before_grey(data)))
    return truncated(share_of_bytes(image.format, data))


def share_of_bytes(form: str, data: bytes) -> float | None:
    """How much of the length that its header states a file has."""
    if form == "BMP":
        return len(data) / max(1, int.from_bytes(data[2:6], "little"))
    if form == "WEBP":
        return len(data) / (8 + int.from_bytes(data[4:8], "little"))
    return None


def truncated(share: float | None) -> str:
    """How much of a picture there is, where it can be told."""
    return "truncated" if share is None else f"truncated at {min(99, max(0, int(100 * share)))} %"


def checked_png(data: bytes, where: str, notes: list[str]) -> bytes:
    """The PNG without text or broken metadata; `DataError` when a chunk that makes pixels is damaged.

    Pillow skips the checksum of the pixels themselves (IDAT), and gives up on broken metadata.
    """
    kept, at, dropped = [data[:8]], 8, False
    while at + 12 <= len(data):
        (size,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        end = at + 12 + size
        if end > len(data):
            break
        chunk = data[at:end]
        sound = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        if not sound and (kind[:1].isupper() or kind == b"tRNS"):
            name = kind.decode("latin-1")
            raise DataError(where, f"damaged: the checksum of its {name} chunk is wrong", FETCH)
        if not sound:
            notes.append("broken PNG metadata ignored")
        if sound and kind not in TEXTS:
            kept.append(chunk)
        else:
            dropped = True
        at = end
        if kind == b"IEND":
            return b"".join(kept) if dropped else data
    raise DataError(where, _png_cut(data), FETCH)


def doubts(data: bytes, image: Any) -> Callable[[], str | None]:
    """What to ask, once the memory of a loaded JPEG is free, for a sign that libjpeg filled in what it lacks; libjpeg
    warns of that, and Pillow drops the warning.

    A valid coded stream ends with the last block. So: bytes put before the end marker change no pixel unless
    the stream stopped early, and a stream that decodes without its last bytes holds more than is needed.
    Both cost a second decoding and are tried after a cheap sign only; progressive pictures give none, and are
    decoded twice; none of more than `_TWICE` bytes is.
    """
    parts = list(segments(data))
    scans = [(end, after) for (marker, _, end), (_, after, _) in pairwise(parts) if marker == SCAN]
    if not scans or parts[-1][0] != END:
        return lambda: None
    begin, finish = scans[-1]
    again = finish <= _TWICE
    if image.info.get("progressive"):
        signs = _damage_progressive(data, parts)
        if signs or not again:
            return lambda: signs
        pixels = digest(image)
        return lambda: None if _is_whole(data, finish, pixels) else "the end of its last scan is missing"
    resets = islice(_RESTART.finditer(data, begin, finish), _RESTARTS)
    if any(data[found.start() + 1] & 7 != index % 8 for index, found in enumerate(resets)):
        return lambda: "restart markers are missing"
    last = image.getpixel((image.width - 1, image.height - 1))
    grey = set(last if isinstance(last, tuple) else (last,)) <= {127, 128}
    zeros = data.find(_ZERO_RUN, begin, finish) >= 0
    if not (grey or zeros) or not again:
        return lambda: None
    pixels = digest(image)

    def sign() -> str | None:
        if not _is_whole(data, finish, pixels):
            return "the end is missing and shown as grey"
        if zeros and len(scans) == 1 and _decoded(data[: max(begin, finish - 16)]) is not None:
            return "a run of zero bytes inside"
        return None

    return sign


def attempt(what: Any) -> Any:
    """`what()`, or None when a broken file makes Pillow raise whatever it raises."""
    try:
        return what()
    except MemoryError:
        raise
    except Exception:
        return None


def _rows_before_grey(data: bytes) -> float:
    """Share of rows that a cut sequential JPEG holds: libjpeg fills what lacks with mid grey."""
    with opened(data + b"\xff\xd9", "JPEG") as image:
        rows = np.asarray(image).reshape(image.height, -1)
    grey = ((rows == 128) | (rows == 127)).all(axis=1)
    return 1 - float(np.argmin(grey[::-1])) / len(rows) if not grey.all() else 0.0


def _png_cut(data: bytes) -> str:
    """How much of a cut PNG's pixels can still be inflated."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        return truncated(None)
    width, height, bits, colour = struct.unpack(">IIBB", data[16:26])
    whole = height * (1 + (width * bits * {2: 3, 4: 2, 6: 4}.get(colour, 1) + 7) // 8)
    if whole > _INFLATED:
        return truncated(None)
    stream, at, found = zlib.decompressobj(), 33, 0
    try:
        while at + 8 < len(data) and found < whole:
            (size,) = struct.unpack(">I", data[at : at + 4])
            if data[at + 4 : at + 8] == b"IDAT":
                for begin in range(at + 8, min(at + 8 + size, len(data)), _PIECE):
                    rest = data[begin : min(begin + _PIECE, at + 8 + size)]
                    while rest and found < whole:
                        found += len(stream.decompress(rest, 1 << 20))
                        rest = stream.unconsumed_tail
            at += 12 + size
    except zlib.error:
        return truncated(None)
    return truncated(found / max(1, whole))


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each JPEG segment of the first picture; coded data lies between them."""
    at = 2
    while found := _MARKER.search(data, at):
        marker, at = data[found.end() - 1], found.end()
        if marker == END:
            yield marker, found.start(), at
            return
        end = at + int.from_bytes(data[at : at + 2], "big")
        yield marker, found.start(), end
        at = max(end, at + 2)


def _damage_progressive(data: bytes, parts: list[tuple[int, int, int]]) -> str | None:
    """Every coefficient of every component must arrive at full precision (ITU T.81, G.1.1)."""
    missing: set[tuple[int, int]] = set()
    for (marker, start, end), (_, after, _) in pairwise(parts):
        body = data[start + 4 : end]
        if marker in (0xC2, 0xCA):
            missing = {(body[6 + 3 * k], index) for k in range(body[5]) for index in range(64)}
        elif marker == SCAN:
            components = [body[1 + 2 * k] for k in range(body[0])]
            first, last, precision = body[-3], body[-2], body[-1] & 15
            if precision == 0:
                missing -= {(name, index) for name in components for index in range(first, last + 1)}
            # Flat pictures give long runs of zero bits in the scans of the means (first == 0) only.
            if first > 0 and data.find(_ZERO_RUN, end, after) >= 0:
                return "a run of zero bytes inside"
    return "its last scans are missing" if missing else None


def _is_whole(data: bytes, finish: int, pixels: bytes) -> bool:
    """The coded data that end at `finish` leave none of the pixels, whose digest is given, undecided."""
    return pixels == _decoded(b"".join((data[:finish], _PADDING, data[finish:])))


def _decoded(data: bytes) -> bytes | None:
    """The digest of a JPEG's pixels, or None when the decoder asks for more data."""

    def pixels() -> bytes:
        with opened(data, "JPEG") as image:
            image.load()
            return digest(image)

    found: bytes | None = attempt(pixels)
    return found
