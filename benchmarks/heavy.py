"""Decode the heaviest pictures that are read, each in a process of its own: processor seconds, megabytes.

    python benchmarks/heavy.py --write

Each picture stands at one of the limits of `data/picture/limits.py`. It is read from disk, decoded as the scan does,
with signs of damage looked for, and laid on a canvas. Exits with 1 when one is refused, or takes more than 600 MB or
5 seconds; the processor's, for those of the clock tell what else runs.
"""

import argparse
import datetime
import io
import json
import platform
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageFile

MEGABYTES, SECONDS = 600, 5.0
HEIGHT, WIDTH = 7000, 7142  # 50 million pixels
SIDE = 5000  # 25 million


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_read(arguments.one)))
        return
    ImageFile.MAXBLOCK = 1 << 28  # a progressive JPEG is written in one piece
    lines, failed = (
        ["| picture | MB of file | seconds of processor | MB above the start |", "| --- | ---: | ---: | ---: |"],
        False,
    )
    with tempfile.TemporaryDirectory() as scratch:
        for name, make in _pictures().items():
            path = Path(scratch, "picture")
            path.write_bytes(make())
            command = [sys.executable, __file__, "--one", str(path)]
            found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            lines.append(
                f"| {name} | {path.stat().st_size / 1e6:,.1f} | {found['seconds']:.1f} | {found['megabytes']:,} |"
            )
            print(lines[-1], found["cause"], flush=True)
            failed |= bool(found["cause"]) or found["seconds"] > SECONDS or found["megabytes"] > MEGABYTES
    if arguments.write:
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        head = f"# The heaviest pictures, {today}\n\n`python benchmarks/heavy.py --write`\n\n"
        machine = (
            f"Machine: 2 cores AMD EPYC, 24 GiB. Pillow {Image.__version__}, Python {platform.python_version()}.\n\n"
        )
        path = Path(__file__).parent / "results" / f"heavy-{today}.md"
        path.write_text(head + machine + "\n".join(lines) + "\n")
    sys.exit(failed)


def _read(path: Path) -> dict[str, Any]:
    from striate.base.errors import DataError
    from striate.data.picture import canvas, decode

    for form in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM"):  # what is imported once, is
        decode.read(_encoded(Image.new("RGB", (64, 64)), form))
    start, began, cause = _peak(), time.process_time(), ""
    try:
        canvas.canvas_of(decode.read(decode.read_bytes(path)).pixels, 3, 224, "squash")
    except DataError as error:
        cause = error.cause
    return {"seconds": time.process_time() - began, "megabytes": _peak() - start, "cause": cause}


def _peak() -> int:
    """Megabytes; what is inherited from the process that started this one does not count."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)


def _encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _noise(height: int, width: int, mode: str = "RGB") -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (height, width, len(mode)), dtype=np.uint8)
    return Image.fromarray(levels[..., 0] if mode == "L" else levels, mode if mode == "CMYK" else None)


def _png(bits: int, colour: int, channels: int, noise: bool = False, interlaced: int = 0) -> bytes:
    """Of 50 million pixels, in rows of zeros or of noise."""
    width = (WIDTH * bits * channels + 7) // 8
    rows, chance = zlib.compressobj(1), np.random.default_rng(0)
    row = chance.bytes(width) if noise else bytes(width)
    if interlaced:
        passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
        sizes = [(-(-(WIDTH - x) // across), -(-(HEIGHT - y) // down)) for x, y, across, down in passes]
        parts = [rows.compress(bytes(1 + (wide * bits * channels + 7) // 8) * tall) for wide, tall in sizes]
    else:
        parts = [rows.compress(b"\4" + row) for _ in range(HEIGHT)]  # Paeth, the dearest filter
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour, 0, 0, interlaced)
    palette = [_chunk(b"PLTE", bytes(768)), _chunk(b"tRNS", bytes(range(256)))] if colour == 3 else []
    body = [_chunk(b"IHDR", head), *palette, _chunk(b"IDAT", b"".join([*parts, rows.flush()])), _chunk(b"IEND", b"")]
    return b"".join([b"\x89PNG\r\n\x1a\n", *body])


def _stored(side: int = 7000) -> bytes:
    rows = zlib.compress(bytes((3 * side + 1) * side), 0)
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"tEXt", b"a\0b") + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _many_scans() -> bytes:
    """A flat progressive JPEG with its last scan again until no more is allowed."""
    data = _encoded(Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128)), "JPEG", progressive=True)
    begin, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[begin:end] * 7 + data[end:]


def _ink(**options: Any) -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return _encoded(_noise(SIDE, SIDE, "CMYK"), "JPEG", icc_profile=profile, **options)


def _run_lengths(side: int = 2000) -> bytes:
    """Codes of one pixel, and others that add none."""
    body = (b"\1\7" * side + b"\0\0") * side + b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(body), 0, 0, 256, 256) + bytes(1024)
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(body), 0, 0, 14 + len(head)) + head + body


def _pictures() -> dict[str, Callable[[], bytes]]:
    large = partial(_noise, HEIGHT, WIDTH)
    return {
        "JPEG": lambda: _encoded(large(), "JPEG", quality=90),
        "JPEG, grey": lambda: _encoded(large("L"), "JPEG", quality=98),
        "JPEG, progressive": lambda: _encoded(large(), "JPEG", quality=90, progressive=True),
        "JPEG, progressive, 34 million pixels of 4:4:4": lambda: _encoded(
            _noise(5800, 5800), "JPEG", quality=60, progressive=True, subsampling=0
        ),
        "JPEG, progressive, 17 scans": _many_scans,
        "JPEG, CMYK with a profile, 25 million": lambda: _ink(quality=90),
        "JPEG, CMYK, progressive, 25 million": lambda: _ink(quality=60, progressive=True),
        "PNG, RGB": lambda: _png(8, 2, 3),
        "PNG, RGB of 16 bits": lambda: _png(16, 2, 3),
        "PNG, not compressed, with a text that is left out": _stored,
        "PNG, RGBA": lambda: _png(8, 6, 4),
        "PNG, RGBA, noise": lambda: _png(8, 6, 4, noise=True),
        "PNG, RGBA of 16 bits": lambda: _png(16, 6, 4),
        "PNG, RGBA of 16 bits, interlaced": lambda: _png(16, 6, 4, interlaced=1),
        "PNG, grey of 16 bits": lambda: _png(16, 0, 1),
        "PNG, grey with alpha of 16 bits": lambda: _png(16, 4, 2),
        "PNG, palette with alpha": lambda: _png(8, 3, 1),
        "WebP, 25 million": lambda: _encoded(_noise(SIDE, SIDE), "WEBP", quality=60, method=0),
        "WebP, lossless with alpha, 25 million": lambda: _encoded(
            Image.fromarray(np.tile(np.asarray(_noise(500, 500, "RGBA")), (10, 10, 1))), "WEBP", lossless=True, method=0
        ),
        "GIF": lambda: _encoded(large("L"), "GIF"),
        "BMP of 32 bits": lambda: _encoded(large("RGBA"), "BMP"),
        "BMP in run lengths, 4 million": _run_lengths,
        "TIFF": lambda: _encoded(large(), "TIFF"),
        "TIFF, deflated, one strip": lambda: _encoded(
            large("L").convert("RGB"), "TIFF", compression="tiff_adobe_deflate", tiffinfo={278: HEIGHT}
        ),
        "TIFF, LZW, RGBA": lambda: _encoded(
            Image.new("RGBA", (WIDTH, HEIGHT), (1, 2, 3, 4)), "TIFF", compression="tiff_lzw"
        ),
        "TIFF, JPEG": lambda: _encoded(large(), "TIFF", compression="jpeg"),
        "TIFF, grey of 16 bits": lambda: _encoded(
            Image.fromarray(np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)), "TIFF"
        ),
        "PPM": lambda: _encoded(large(), "PPM"),
        "PPM as text, 4 million samples": lambda: b"P3\n1150 1150\n255\n" + b"7 " * (3 * 1150**2),
        "PPM of an odd range, 4 million samples": lambda: b"P5\n2000 2000\n1000\n" + bytes(2 * 2000**2),
    }


if __name__ == "__main__":
    main()
