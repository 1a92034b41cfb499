"""Pictures and malformed files, made on the spot."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def photo(height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    """uint8 (height, width, 3) with the edges, colours and grain of a photograph."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([120 + 90 * np.sin(x / 17) * np.cos(y / 9), 200 * x / width, 250 * y / height], -1)
    grain = np.random.default_rng(seed).normal(0, 8, waves.shape)
    return (waves + grain).clip(0, 255).astype(np.uint8)


def encode(pixels: np.ndarray | Image.Image, form: str = "PNG", **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def fill(root: Path, folders: str, count: int = 3, first: int = 0) -> Path:
    """`count` different small PNG files in each of the folders, which are given with spaces between."""
    for place, folder in enumerate(folders.split()):
        for index in range(count):
            seed = first + 1000 * place + index
            put(root / folder / f"{index}.png", encode(photo(8, 8, seed)))
    return root


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    """Name -> (mtime, bytes or link target) of everything below, to see that nothing changed."""
    seen = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            seen[str(path)] = (path.lstat().st_mtime_ns, bytes(path.readlink()))
        else:
            seen[str(path)] = (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
    return seen


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG from unfiltered rows (each with its leading zero byte); `extra` chunks go before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(tags: dict[int, tuple[int, list[int]]], pixels: bytes, order: str = "<") -> bytes:
    """A TIFF of one strip; tags: number -> (field type 3 or 4, values); the strip's tags are added."""
    tags = {**tags, 273: (4, [8]), 279: (4, [len(pixels)]), 278: (4, tags[257][1])}
    directory = 8 + len(pixels) + len(pixels) % 2
    extra_at, extra = directory + 2 + 12 * len(tags) + 4, b""
    rows = b""
    for number, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        field = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack(f"{order}I", extra_at + len(extra))
        extra += packed if len(packed) > 4 else b""
        rows += struct.pack(f"{order}HHI", number, kind, len(values)) + field
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", directory)
    body = pixels + b"\0" * (len(pixels) % 2)
    return head + body + struct.pack(f"{order}H", len(tags)) + rows + bytes(4) + extra


def grey_tiff(values: np.ndarray, bits: int, *, form: int = 1, black_is_zero: int = 1, order: str = "<") -> bytes:
    """A grey TIFF; `form` is 1 unsigned, 2 signed, 3 floating point (TIFF 6.0, SampleFormat)."""
    height, width = values.shape
    tags = {256: [width], 257: [height], 258: [bits], 259: [1], 262: [black_is_zero], 277: [1], 339: [form]}
    return tiff({number: (3, value) for number, value in tags.items()}, values.tobytes(), order)


def scan_bounds(data: bytes) -> tuple[int, int]:
    """Where the coded data of the last scan of a JPEG begin and end."""
    header = data.rfind(b"\xff\xda")
    return header + 2 + int.from_bytes(data[header + 2 : header + 4], "big"), data.rfind(b"\xff\xd9")


def odd_profile() -> bytes:
    """A CMYK ICC profile (ICC.1:2001-04, lut8Type) on which any ink at all is mid grey (L* 50), paper white.

    Unlike any real ink, so that pixels tell whether the profile was used.
    """
    corners = bytearray()
    for corner in range(16):
        corners += bytes([255 if corner == 0 else 128, 128, 128])
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 if index % 4 == 0 else 0 for index in range(9)))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + bytes(corners) + ramp * 3
    lut += bytes(-len(lut) % 4)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    text = b"text\0\0\0\0test\0\0\0\0"
    name = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(8 + 2 + 1 + 67)
    name += bytes(-len(name) % 4)
    tags = [(b"desc", name), (b"cprt", text), (b"wtpt", white), (b"A2B0", lut)]
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for signature, data in tags:
        table += signature + struct.pack(">II", at + len(body), len(data))
        body += data
    head = b"\0\0\0\0lcms\x02\x10\0\0prtrCMYKLab " + struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    head = head.ljust(128, b"\0")
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def scene(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """uint8 (height, width, 3): waves and discs of any colours, unlike that of every other seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 64
    pixels = np.zeros((height, width, 3)) + random.uniform(60, 200, 3)
    for _ in range(random.integers(1, 4)):
        down, across = random.normal(0, 4, 2)
        pixels += np.sin(down * y + across * x + random.uniform(0, 6.28))[..., None] * random.uniform(10, 60, 3)
    for _ in range(random.integers(1, 6)):
        centre, radius = random.uniform(0, (height / 64, width / 64)), random.uniform(0.1, 0.6)
        pixels[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = random.uniform(0, 255, 3)
    return (pixels + random.normal(0, 8, pixels.shape)).clip(0, 255).astype(np.uint8)
