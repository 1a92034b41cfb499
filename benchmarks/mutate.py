"""Decode pictures that were changed at random: each gives pixels or a sentence, within memory and time, twice alike.

    python benchmarks/mutate.py --write              30,000 of them, in two processes
    python benchmarks/mutate.py --count 600 --seed 7

Real small pictures of every format and mode are changed by bit flips, cuts, zeroed, doubled and exchanged spans, other
numbers in the header, pieces of other pictures and debris at the end; of a PNG the checksums are made right half the
time. Prints one JSON object; the exit code is 1 when a picture raised anything but the one error, was answered
differently the second time, killed its process, took more than 600 MB or more than 5 seconds. `--write` keeps it.
"""

import argparse
import datetime
import hashlib
import io
import json
import platform
import random
import re
import resource
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features
from PIL import __version__ as pillow_version

from striate.base.errors import DataError
from striate.data.picture import decode

MEGABYTES, SECONDS = 600, 5.0
HANGS = 60  # seconds after which a process is killed
ADDRESSES = 4 << 30  # bytes of address space that decoding may ask for
# What fields of sizes, counts and lengths are set to.
NUMBERS = (0, 1, 2, 7, 8, 16, 255, 256, 4_000, 6_999, 30_000, 32_767, 65_535, 1 << 20, (1 << 31) - 1, (1 << 32) - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--part", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        _child(arguments.seed, *arguments.part)
        return
    began = time.monotonic()
    half = arguments.count // 2
    with ThreadPoolExecutor(2) as pool:
        halves = pool.map(partial(_watched, arguments.seed), (0, half), (half, arguments.count))
        found = [line for lines in halves for line in lines]
    report = _report(found) | {"seed": arguments.seed, "minutes": round((time.monotonic() - began) / 60, 1)}
    print(json.dumps(report))
    if arguments.write:
        _write(report)
    sys.exit(1 if report["failed"] or report["pictures"] != arguments.count else 0)


def tried(seed: int, index: int) -> dict[str, Any]:
    """What one mutant does: its answer, and why it fails where it does."""
    name, data = mutant(seed, index)
    began = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line: dict[str, Any] = {"index": index, "of": name, "failed": ""}
    try:
        answers = [_answer(data, at_least) for at_least in (None, 20, None)]
        line["answer"] = answers[0][0]
        if answers[0] != answers[2]:
            line["failed"] = f"two answers: {answers[0]} and {answers[2]}"
    except Exception as error:
        line["failed"] = f"{type(error).__name__}: {error}"
    line["seconds"] = (time.monotonic() - began) / 3
    line["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line["raised"] = line["peak"] > before
    return line


def _answer(data: bytes, at_least: int | None) -> tuple[str, ...]:
    try:
        picture = decode.read(data, at_least=at_least)
    except DataError as error:
        return "sentence", str(error)
    pixels = picture.pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or not pixels.size:
        raise TypeError(f"{pixels.dtype} {pixels.shape}")
    return "pixels", hashlib.sha256(pixels.tobytes()).hexdigest(), str(pixels.shape), *picture.notes


def mutant(seed: int, index: int) -> tuple[str, bytes]:
    """The picture that was changed, and what became of it."""
    chance = random.Random(f"{seed} {index}")
    originals = _originals()
    name = chance.choice(sorted(originals))
    data = bytearray(originals[name])
    for _ in range(chance.choice((1, 1, 2, 3))):
        chance.choice(CHANGES)(data, chance)
    if data[:4] == b"\x89PNG" and chance.random() < 0.5:
        return name, _right_checksums(bytes(data))
    return name, bytes(data)


@cache
def _originals() -> dict[str, bytes]:
    return seeds()


def _flips(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 3, 20))):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _span(data: bytearray, chance: random.Random) -> tuple[int, int]:
    begin = chance.randrange(len(data) + 1)
    return begin, min(len(data), begin + chance.choice((1, 4, 12, 64, 512, 4096)))


def _zeroed(data: bytearray, chance: random.Random) -> None:
    begin, end = _span(data, chance)
    data[begin:end] = bytes(end - begin)


def _doubled(data: bytearray, chance: random.Random) -> None:
    begin, end = _span(data, chance)
    data[begin:begin] = data[begin:end] * chance.choice((1, 1, 2, 30, 300))


def _repeated_part(data: bytearray, chance: random.Random) -> None:
    """What stands between two signs of a format: scans, segments, frames, chunks."""
    sign = chance.choice((b"\xff\xda", b"\xff\xc4", b"\xff\xe1", b"IDAT", b"fdAT", b"fcTL", b"ANMF", b"!\xf9", b",\0"))
    places = [found.start() - (4 if sign[-1:] == b"T" else 0) for found in re.finditer(re.escape(sign), data)]
    if places:
        begin = chance.choice(places)
        end = next((place for place in places if place > begin), len(data))
        data[begin:begin] = data[begin:end] * chance.choice((1, 5, 50, 600))


def _exchanged(data: bytearray, chance: random.Random) -> None:
    (begin, end), (other, last) = _span(data, chance), _span(data, chance)
    data[begin:end], data[other:last] = data[other:last], data[begin:end]


def _numbers(data: bytearray, chance: random.Random) -> None:
    """Fields of the header, or of the directory at a TIFF's end, and those behind the marker of a frame."""
    frames = [found.end() for found in re.finditer(rb"\xff[\xc0-\xc2]..|IHDR|acTL|fcTL|VP8[X L]|ANMF|\x2c", data)]
    for _ in range(chance.choice((1, 1, 2, 4))):
        areas = [(0, 64), (len(data) - 250, len(data)), (0, len(data)), *((at, at + 12) for at in frames[:3])]
        first, last = chance.choice(areas)
        at, room, order = chance.randrange(max(0, first), max(1, last)), chance.choice((1, 2, 4)), chance.choice("<>")
        value = chance.choice(NUMBERS) & ((1 << 8 * room) - 1)
        data[at : at + room] = struct.pack(order + {1: "B", 2: "H", 4: "I"}[room], value)


def _joined(data: bytearray, chance: random.Random) -> None:
    other = chance.choice(sorted(_originals().values()))
    begin = chance.randrange(len(other))
    at = chance.choice((len(data), chance.randrange(len(data) + 1)))
    data[at:at] = other[begin:] if chance.random() < 0.5 else other


def _debris(data: bytearray, chance: random.Random) -> None:
    data += chance.choice((bytes, chance.randbytes))(chance.choice((1, 100, 70_000)))


CHANGES = (_flips, _cut, _zeroed, _doubled, _repeated_part, _exchanged, _numbers, _numbers, _joined, _debris)


def _right_checksums(data: bytes) -> bytes:
    at, kept = 8, [data[:8]]
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            break
        kept.append(_chunk(data[at + 4 : at + 8], data[at + 8 : end - 4]))
        at = end
    return b"".join([*kept, data[at:]])


def _child(seed: int, first: int, last: int) -> None:
    """A line before each mutant and one after it, so that the other process knows which one killed this."""
    for data in _originals().values():
        decode.read(data)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESSES, -1))
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for index in range(first, last):
        print(json.dumps({"begun": index}), flush=True)
        signal.alarm(HANGS)
        line = tried(seed, index)
        signal.alarm(0)
        print(json.dumps(line | {"megabytes": (line["peak"] - start) / 1024}), flush=True)


def _watched(seed: int, first: int, last: int) -> list[dict[str, Any]]:
    """All of them, in as many processes as it takes."""
    found: list[dict[str, Any]] = []
    while first < last:
        command = [sys.executable, __file__, "--seed", str(seed), "--part", str(first), str(last)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        found += [line for line in lines if "begun" not in line]
        begun = max((line["begun"] for line in lines if "begun" in line), default=first)
        if done.returncode == 0:
            return found
        found.append({"index": begun, "of": mutant(seed, begun)[0], "failed": f"its process died ({done.returncode})"})
        first = begun + 1
    return found


def _report(found: list[dict[str, Any]]) -> dict[str, Any]:
    slow = max(found, key=lambda line: line.get("seconds", 0))
    large = max(found, key=lambda line: (line.get("megabytes", 0), line.get("raised", False)))
    failed = [line for line in found if line["failed"] or line["seconds"] > SECONDS or line["megabytes"] > MEGABYTES]
    return {
        "pictures": len(found),
        "answers": Counter(line.get("answer", "none") for line in found),
        "failed": [{key: line.get(key) for key in ("index", "of", "failed", "seconds")} for line in failed[:20]],
        "slowest": {key: slow.get(key) for key in ("index", "of", "seconds")},
        "most_megabytes": round(large.get("megabytes", 0)),
    }


def _write(report: dict[str, Any]) -> None:
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    path = Path(__file__).parent / "results" / f"mutate-{today}.md"
    jpeg, python = features.version("libjpeg_turbo"), platform.python_version()
    libraries = f"Pillow {pillow_version}, libjpeg-turbo {jpeg}, Python {python}"
    path.write_text(
        f"# Pictures changed at random, {today}\n\n"
        f"`python benchmarks/mutate.py --count {report['pictures']} --seed {report['seed']} --write`\n\n"
        f"Machine: 2 cores AMD EPYC, 24 GiB. {libraries}.\n\n"
        f"```json\n{json.dumps(report, indent=1)}\n```\n"
    )


def seeds(height: int = 24, width: int = 29) -> dict[str, bytes]:
    """A picture of every format and mode that is read, by its name."""
    chance = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    waves = np.stack([120 + 90 * np.sin(x / 7) * np.cos(y / 5), 200 * x / width, 250 * y / height], -1)
    rgb = Image.fromarray((waves + chance.normal(0, 8, waves.shape)).clip(0, 255).astype(np.uint8))
    grey, palette, ink, bits = rgb.convert("L"), rgb.convert("P"), rgb.convert("CMYK"), rgb.convert("1")
    alpha = Image.fromarray(chance.integers(0, 256, (height, width), dtype=np.uint8))
    rgba, la = rgb.copy(), grey.copy()
    rgba.putalpha(alpha)
    la.putalpha(alpha)
    deep = Image.fromarray(chance.integers(0, 65536, (height, width), dtype=np.uint16))
    others = [Image.fromarray(chance.integers(0, 256, (height, width, 3), dtype=np.uint8)) for _ in range(2)]
    exif = Image.Exif()
    exif[0x0112] = 6
    made = {f"{mode.mode} {form}": _encoded(mode, form) for form, modes in {
        "JPEG": (rgb, grey, ink), "PNG": (rgb, grey, palette, bits, rgba, la, deep), "WEBP": (rgb, rgba),
        "BMP": (rgb, rgba, grey, palette, bits), "PPM": (rgb, grey, bits, deep), "GIF": (grey, palette),
        "AVIF": (rgb, rgba, grey), "JPEG2000": (rgb, rgba, grey, la, deep, ink),
        "TIFF": (rgb, rgba, grey, la, palette, bits, ink, deep, rgb.convert("YCbCr")),
    }.items() for mode in modes}  # fmt: skip
    for kind in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd"):
        made[f"TIFF {kind}"] = _encoded(rgb, "TIFF", compression=kind)
    for kind in ("group3", "group4"):
        made[f"TIFF {kind}"] = _encoded(bits, "TIFF", compression=kind)
    srgb = _profile()
    several = {"save_all": True, "append_images": others}
    made |= {
        "JPEG progressive": _encoded(rgb, "JPEG", progressive=True),
        "JPEG progressive grey": _encoded(grey, "JPEG", progressive=True),
        "JPEG progressive CMYK": _encoded(ink, "JPEG", progressive=True),
        "JPEG restarts": _encoded(rgb, "JPEG", restart_marker_blocks=2, subsampling=0),
        "JPEG turned": _encoded(rgb, "JPEG", exif=exif),
        "JPEG with a profile": _encoded(rgb, "JPEG", icc_profile=srgb),
        "CMYK JPEG with a profile": _encoded(ink, "JPEG", icc_profile=srgb),
        "MPO": _encoded(rgb, "MPO", **several),
        "PNG turned": _encoded(rgb, "PNG", exif=exif, icc_profile=srgb),
        "PNG transparent colour": _encoded(palette, "PNG", transparency=3),
        "PNG transparent palette": _encoded(palette, "PNG", transparency=bytes(range(256))),
        "PNG transparent grey": _encoded(grey, "PNG", transparency=100),
        "PNG 16-bit colour": _png(width, height, 16, 2, chance.bytes(6 * width * height)),
        "PNG interlaced": _interlaced(chance),
        "APNG": _encoded(rgb, "PNG", **several),
        "WEBP lossless": _encoded(rgba, "WEBP", lossless=True, exif=exif),
        "WEBP animated": _encoded(rgb, "WEBP", **several),
        "AVIF animated": _encoded(rgb, "AVIF", **several),
        "AVIF turned": _encoded(rgb, "AVIF", exif=exif),
        "JPEG 2000 tiles": _encoded(rgb, "JPEG2000", tile_size=(16, 16), no_jp2=True),
        "GIF animated": _encoded(palette, "GIF", **several),
        "GIF transparent": _encoded(palette, "GIF", transparency=2, comment=b"hello"),
        "TIFF big": _encoded(rgb, "TIFF", big_tiff=True),
        "TIFF big-endian": _encoded(Image.fromarray(np.asarray(deep).astype(">u2")), "TIFF"),
        "TIFF turned": _encoded(rgb, "TIFF", exif=exif),
        "TIFF pages": _encoded(rgb, "TIFF", **several),
        "TIFF strips": _encoded(rgb, "TIFF", tiffinfo={278: 3}, compression="tiff_lzw"),
        "TIFF tiles": _tiles(chance),
        "PPM text": b"P3\n# words\n3 2\n255\n" + b" ".join(b"%d" % (40 * n % 256) for n in range(18)) + b"\n",
        "PPM odd": b"P6\n3 2\n100\n" + bytes(range(18)),
        "BMP run lengths": _run_lengths(),
    }  # fmt: skip
    return made


def _encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    file, more = io.BytesIO(), [each.copy() for each in options.pop("append_images", ())]
    image.copy().save(file, form, append_images=more, **options)  # copies, for saving leaves settings behind
    return file.getvalue()


def _profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, bits: int, colour: int, pixels: bytes, interlaced: int = 0) -> bytes:
    step = len(pixels) // height
    rows = pixels if interlaced else b"".join(b"\0" + pixels[at : at + step] for at in range(0, len(pixels), step))
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    body = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _interlaced(chance: np.random.Generator, side: int = 16) -> bytes:
    """Adam7, PNG 1.2 section 8.2: each pass as a picture of its own."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b""
    for left, top, across, down in passes:
        wide, tall = -(-(side - left) // across), -(-(side - top) // down)
        rows += b"".join(b"\0" + chance.bytes(3 * wide) for _ in range(tall))
    return _png(side, side, 8, 2, rows, 1)


def _tiles(chance: np.random.Generator) -> bytes:
    """A TIFF of 2 x 2 tiles of 16 x 16 grey pixels, deflated."""
    tiles = [zlib.compress(chance.bytes(256)) for _ in range(4)]
    starts = [8 + sum(map(len, tiles[:place])) for place in range(4)]
    directory = starts[3] + len(tiles[3])
    tags = [(256, 3, [29]), (257, 3, [24]), (258, 3, [8]), (259, 3, [8]), (262, 3, [1]), (277, 3, [1]),
            (322, 3, [16]), (323, 3, [16]), (324, 4, starts), (325, 4, list(map(len, tiles)))]  # fmt: skip
    extra, at = b"", directory + 2 + 12 * len(tags) + 4
    rows = b""
    for number, kind, values in tags:
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        rows += struct.pack("<HHI", number, kind, len(values))
        rows += packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", at + len(extra))
        extra += packed if len(packed) > 4 else b""
    return (
        b"II*\0"
        + struct.pack("<I", directory)
        + b"".join(tiles)
        + struct.pack("<H", len(tags))
        + rows
        + bytes(4)
        + extra
    )


def _run_lengths(side: int = 16) -> bytes:
    body = b"".join(bytes((side, 9 * row % 256)) + b"\0\0" for row in range(side)) + b"\0\1"
    palette = b"".join(bytes((n, 255 - n, n // 2, 0)) for n in range(256))
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(body), 0, 0, 256, 256)
    at = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(body), 0, 0, at) + head + palette + body


if __name__ == "__main__":
    main()
