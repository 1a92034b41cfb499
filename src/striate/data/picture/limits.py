"""What a picture may cost to decode: told from its bytes before anything is decoded, so that the same file is a
picture on every machine. Within these limits none takes more than 600 MB or, on one slow core, a few seconds.

Who wants larger ones says `max_pixels`: limits of bytes and samples then grow in proportion, as do time and memory."""

import re
import struct
from collections.abc import Callable
from itertools import islice
from types import MappingProxyType

from striate.base.errors import DataError, Option
from striate.base.words import many
from striate.data.picture import damage, tiff
from striate.data.picture.damage import CONVERT
from striate.data.picture.pixels import LEAST_PIXELS, MOST_PIXELS, PIXELS

BYTES = 200_000_000
LONGEST_SIDE, LONGEST_TO_SHORTEST = 30_000, 50
# Decoders that keep several copies of all pixels, or that take long for each.
FEWER_PIXELS = 25_000_000
_FEWER = MappingProxyType({"WEBP": "a WebP", "AVIF": "an AVIF", "JPEG2000": "a JPEG 2000"})
BYTES_OF_A_PIXEL = 12  # that decoding takes at most, of one picture at a time
# What Pillow decodes in Python, pixel by pixel: text, odd ranges and run lengths.
SLOW_SAMPLES, SLOW_BYTES = 4_000_000, 12_000_000
# A JPEG of several scans keeps all its samples, and goes through them once more for each scan.
KEPT_SAMPLES, VISITED_SAMPLES = 150_000_000, 800_000_000
MOST_BYTES = MappingProxyType({
    "JPEG": 100_000_000, "PNG": 150_000_000, "WEBP": 64_000_000, "AVIF": 64_000_000, "JPEG2000": 100_000_000,
})  # fmt: skip
SCANS, SEVERAL_SCANS_BYTES, ARITHMETIC_BYTES = 500, 50_000_000, 10_000_000
# Chunks, segments, blocks, strips: each costs time, however little is in it.
PARTS, TILES = 100_000, 10_000
METADATA_BYTES = 16_000_000
STRIP_BYTES, LAYER_BYTES = 250_000_000, 25_000_000
# Bytes of a JPEG that belong to nothing: Pillow passes over them one by one, and over fill bytes again and again.
STRAY_BYTES = 1 << 16


def raised(usual: int, max_pixels: int) -> int:
    """A limit, in proportion to how many pixels a picture may have where that is more than usual."""
    return usual * max_pixels // LEAST_PIXELS if max_pixels > PIXELS else usual


def refuse_large(size: int, where: object, max_pixels: int = PIXELS) -> None:
    """A DataError where a picture has more bytes than are read of any."""
    if size > (most := raised(BYTES, max_pixels)):
        raise DataError(where, f"{size:,} bytes, more than the {most:,} that are read", CONVERT)


def check(form: str, data: bytes, where: str, max_pixels: int = PIXELS) -> None:
    """A DataError where the bytes promise more than is decoded."""
    most = raised(MOST_BYTES.get(form, BYTES), max_pixels)
    if len(data) > most:
        raise too_much(where, f"{len(data):,} bytes, more than the {most:,} of a {form}")
    if form in _CHECKS:
        _CHECKS[form](data, where, max_pixels)


def check_size(form: str, mode: str, size: tuple[int, int], where: str, max_pixels: int = PIXELS) -> None:
    """A DataError where the header promises no pixels, or more than are decoded."""
    width, height = size
    if min(size) < 1:
        raise DataError(where, "has no pixels", damage.FETCH)
    told = f"{width:,} x {height:,} pixels"
    if max(size) > LONGEST_SIDE:
        raise DataError(where, f"{told}, a side above {LONGEST_SIDE:,}", SMALLER)
    fewer = "CMYK" if mode == "CMYK" else _FEWER.get(form, "")
    most = raised(FEWER_PIXELS, max_pixels) if fewer else max_pixels
    if width * height > most:
        share = LEAST_PIXELS // FEWER_PIXELS if fewer else 1
        needed = max(share * width * height, PIXELS + 1)
        cause = f"{told}, more than {f'the {most:,} of {fewer}' if fewer else f'{most:,}'} (see --max-pixels)"
        memory = f", which takes about {BYTES_OF_A_PIXEL * needed / 1e9:.1f} GB of memory at a time, or "
        larger = (Option("max_pixels", needed), memory) if needed <= MOST_PIXELS else ()
        raise DataError(where, cause, (*larger, SMALLER))
    if max(size) > LONGEST_TO_SHORTEST * min(size):
        cause = f"{width} x {height} is longer than {LONGEST_TO_SHORTEST} to 1"
        raise DataError(where, cause, "crop it or leave it out")


SMALLER = "make it smaller first"


def too_much(where: str, cause: str) -> DataError:
    return DataError(where, cause, CONVERT)


def _jpeg(data: bytes, where: str, max_pixels: int) -> None:
    segments = list(islice(damage.segments(data), PARTS + 1))
    if len(segments) > PARTS:
        raise too_much(where, f"more than {PARTS:,} segments in one JPEG")
    scans = [data[start + 4 : end] for marker, start, end in segments if marker == damage.SCAN]
    if len(scans) > SCANS:
        raise too_much(where, f"more than {SCANS} scans in one JPEG")
    begin = next((start for marker, start, _ in segments if marker == damage.SCAN), len(data))
    if begin > METADATA_BYTES:
        raise too_much(where, f"more than {METADATA_BYTES:,} bytes before the pixels of a JPEG")
    ends = [2, *(end for _, _, end in segments)]
    stray = sum(start - end for end, (_, start, _) in zip(ends, segments, strict=False) if start <= begin)
    coded = segments[-1][2] if segments and segments[-1][0] == damage.END else len(data)
    if stray > STRAY_BYTES or data.find(b"\xff" * STRAY_BYTES, 0, coded) >= 0:
        raise too_much(where, f"more than {STRAY_BYTES:,} bytes in a JPEG that belong to nothing")
    marker, start, end = next((each for each in segments if each[0] in damage.FRAMES), (0, 0, 0))
    if marker and data[start + 4 : start + 5] not in (b"", b"\x08"):  # Pillow would say that it cannot identify it
        raise DataError(where, f"a {data[start + 4]}-bit JPEG", CONVERT)
    if marker in damage.ARITHMETIC and coded > ARITHMETIC_BYTES:
        raise too_much(where, f"more than {ARITHMETIC_BYTES:,} bytes of arithmetic coding")
    samples = _samples(data[start + 4 : end])
    if marker in damage.PROGRESSIVE or len(scans) > 1:
        kept = sum(samples.values())
        visited = sum(samples.get(name, 0) for scan in scans if scan for name in scan[1 : 1 + 2 * scan[0] : 2])
        for number, usual, what in (
            (coded, SEVERAL_SCANS_BYTES, "bytes"),
            (kept, KEPT_SAMPLES, "samples"),
            (visited, VISITED_SAMPLES, "samples, each counted once for every scan that it is in,"),
        ):
            if number > (most := raised(usual, max_pixels)):
                raise too_much(where, f"{number:,} {what} in a JPEG of several scans, more than {most:,}")


def _samples(frame: bytes) -> dict[int, int]:
    """Samples of each component, in whole blocks (ITU T.81, A.1.1 and B.2.2)."""
    if len(frame) < 6:
        return {}
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    parts = [(frame[at], frame[at + 1] >> 4, frame[at + 1] & 15) for at in range(6, len(frame) - 2, 3)]
    wide, tall = max((each[1] for each in parts), default=1) or 1, max((each[2] for each in parts), default=1) or 1
    return {name: 64 * -(-width * h // (8 * wide)) * -(-height * v // (8 * tall)) for name, h, v in parts}


def _png(data: bytes, where: str, max_pixels: int) -> None:
    at, parts, others = 8, 0, 0
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at, parts = at + 12 + size, parts + 1
        others += 0 if kind in _NEEDED or kind in damage.TEXTS else size
        if parts > PARTS:
            raise too_much(where, f"more than {PARTS:,} chunks in one PNG")
    if others > METADATA_BYTES and at <= len(data):
        raise too_much(where, f"more than {METADATA_BYTES:,} bytes of metadata in a PNG")


_NEEDED = (b"IDAT", b"fdAT")


def _tiff(data: bytes, where: str, max_pixels: int) -> None:
    first = tiff.directory(data)
    if first is None:
        return  # the decoder says what is wrong
    channels = first.number(tiff.CHANNELS, 1)
    if channels > 4:
        raise DataError(where, f"{many(channels, 'channel')}, at most 4 are read", "save the ones you need as RGB")
    kind = first.number(tiff.COMPRESSION, 1)
    if kind not in tiff.READ:
        raise too_much(where, f"a TIFF compressed in a way that is not read ({tiff.NAMES.get(kind, kind)})")
    numbers, texts = first.promised
    if numbers > METADATA_BYTES or texts > LAYER_BYTES:
        most = METADATA_BYTES if numbers > METADATA_BYTES else LAYER_BYTES
        raise DataError(where, f"a TIFF with more than {most:,} bytes of tags", "save it without layers or metadata")
    strip, sizes, starts = first.strips()
    if len(starts) > PARTS:
        raise too_much(where, f"a TIFF of more than {PARTS:,} strips or tiles")
    if strip > (most := raised(STRIP_BYTES, max_pixels)):
        raise too_much(where, f"a TIFF with strips of {strip:,} bytes, more than {most:,}")
    if kind == 1:
        return
    if len(sizes) < len(starts) > 1:
        raise too_much(where, "a compressed TIFF without the lengths of its strips")
    if sum(sizes) > len(data) and len(starts) > 1:
        raise too_much(where, f"a TIFF whose strips overlap: {sum(sizes):,} bytes in {len(data):,}")
    if kind in tiff.JPEG:
        views = (
            [data] if kind == tiff.OLD_JPEG else [data[at : at + size] for at, size in zip(starts, sizes, strict=False)]
        )
        most = 4 * (len(starts) if kind == tiff.OLD_JPEG else 1)
        if any(view.count(b"\xff\xda") > most for view in views):
            raise too_much(where, "a JPEG of several scans inside a TIFF")


def _jpeg2000(data: bytes, where: str, max_pixels: int) -> None:
    """What the coded data say of themselves, whatever the boxes around them do (ISO 15444-1, A.5.1 and I.4)."""
    at = 0
    while data[at : at + 2] != b"\xff\x4f":  # a box: its length, its kind, perhaps a longer length
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        head = 16 if size == 1 else 8
        size = int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size
        if kind != b"jp2c" and size < head:
            return  # the decoder says what is wrong
        at += head if kind == b"jp2c" else size
    if len(data) < at + 42:
        return
    right, bottom, left, top, wide, tall, across, down, parts = struct.unpack_from(">8IH", data, at + 8)
    if parts > 4:
        raise DataError(where, f"{parts} channels, at most 4 are read", "save the ones you need as RGB")
    if right <= left or bottom <= top or not wide or not tall:
        raise DataError(where, "its header cannot be meant", damage.FETCH)
    check_size("JPEG2000", "", (right - left, bottom - top), where, max_pixels)
    if -(-(right - across) // wide) * -(-(bottom - down) // tall) > TILES:
        raise too_much(where, f"more than {TILES:,} tiles in one JPEG 2000")


def _ppm(data: bytes, where: str, max_pixels: int) -> None:
    found = re.match(_PPM, data[:65_536])
    if not found:
        raise DataError(where, "begins as PPM but its header cannot be read", damage.FETCH)
    kind, *said = found.groups()
    width, height, most = (int(word or 1) for word in said)
    samples = width * height * (3 if kind in b"36" else 1)
    slow = kind in b"123" or not (kind == b"4" or most == 255 or (kind, most) == (b"5", 65_535))
    if slow and (samples > SLOW_SAMPLES or len(data) > SLOW_BYTES or data.count(b"#") > _COMMENTS):
        what = "text" if kind in b"123" else "of an odd range"
        raise too_much(where, f"a PPM {what} of {samples:,} samples in {len(data):,} bytes, {_SLOW}")


_SLOW = f"more than {SLOW_SAMPLES:,} in {SLOW_BYTES:,}"
_COMMENTS = 1_000
_WORD = rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,10})"
_PPM = re.compile(rb"P([1-6])" + 2 * _WORD + rb"(?:" + _WORD + rb")?")


def _bmp(data: bytes, where: str, max_pixels: int) -> None:
    """Run lengths, which Pillow decodes in Python."""
    if int.from_bytes(data[14:18], "little") < 40 or int.from_bytes(data[30:34], "little") not in (1, 2):
        return
    width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
    samples = abs(width * height)
    if samples > SLOW_SAMPLES or len(data) > SLOW_BYTES:
        raise too_much(where, f"a BMP in run lengths of {samples:,} pixels in {len(data):,} bytes, {_SLOW}")


_CHECKS: dict[str, Callable[[bytes, str, int], None]] = {
    "JPEG": _jpeg, "PNG": _png, "TIFF": _tiff, "PPM": _ppm, "BMP": _bmp, "JPEG2000": _jpeg2000,
}  # fmt: skip
