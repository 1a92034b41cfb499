"""Bytes to pixels: the one decoder for training, evaluation, prediction and export checks."""

import errno
import io
import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin, features
from PIL import __version__ as pillow_version

from striate.base.errors import DataError
from striate.data.picture.damage import (
    CONVERT,
    FETCH,
    attempt,
    check_jpeg,
    checked_png,
    failure,
    jpeg_damage,
    percent,
    share_of_bytes,
)

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
SUFFIXES = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".mpo": "JPEG", ".png": "PNG",
    ".apng": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".dib": "BMP", ".tif": "TIFF", ".tiff": "TIFF",
    ".gif": "GIF", ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM",
}  # fmt: skip
# Many camera raw files are TIFF inside and would open as their thumbnail: only the name tells them apart.
RAW = frozenset({".nef", ".nrw", ".dng", ".arw", ".cr2", ".cr3", ".orf", ".raf", ".rw2", ".pef", ".srw"})
DECODER = f"pillow {pillow_version}, libjpeg-turbo {features.version('libjpeg_turbo') or 'absent'}"

# O_NONBLOCK: opening a pipe must not wait for its writer. O_BINARY exists on Windows only.
OPEN = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))

_PROFILE_BYTES = 4 << 20
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF 2.32, tag 0x0112


@dataclass(frozen=True)
class Picture:
    """Pixels, uint8 (height, width, 1) grey or (height, width, 3) RGB, and what was done to get them."""

    pixels: np.ndarray
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Limits:
    """The largest picture that is decoded: pixels, longer side, longer to shorter side, bytes of the file."""

    pixels: int = 50_000_000
    side: int = 30_000
    ratio: float = 50.0
    bytes: int = 1 << 29


@dataclass(frozen=True)
class Header:
    """What a file says of itself; `mode` is Pillow's name. Size as stored, before any turning."""

    format: str
    width: int
    height: int
    mode: str
    notes: tuple[str, ...]

    @property
    def grey(self) -> bool:
        """One channel after decoding."""
        return self.mode in {"1", "L", "LA", "La"} or self.mode.startswith("I")


def read(
    source: Path | bytes, *, where: str = "picture", limits: Limits = Limits(), at_least: int | None = None
) -> Picture:
    """The pixels of one picture; `DataError` when there are none to be trusted.

    `where` names bytes in an error. `at_least`: a JPEG is decoded at 1/2, 1/4 or 1/8 while both sides stay at least
    twice this, in pixels. The result depends on the bytes and `at_least` alone.
    """
    data, where = _bytes_of(source, limits, where)
    with quiet():
        return decode(data, where, limits=limits, at_least=at_least)


def inspect(source: Path | bytes, *, limits: Limits = Limits()) -> Header:
    """The header alone, under the same checks as `read`; no memory for pixels is taken."""
    data, where = _bytes_of(source, limits, "picture")
    with quiet():
        return header(data, where, limits=limits)


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back Pillow's warnings (bombs, broken metadata): each has an error or a note of ours instead."""
    # Filters belong to the process: threads share one `quiet` around their calls of `decode`.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_bytes(path: Path, *, most: int = Limits.bytes) -> bytes:
    """The bytes of a regular file; a pipe or a device is refused, never waited for."""
    try:
        handle = os.open(path, OPEN)
    except (OSError, ValueError) as error:
        raise DataError(path, unreadable(path, error), "check the path and who may read it") from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise DataError(path, f"not a regular file ({kind_of(status.st_mode)})", "give a picture file")
    with os.fdopen(handle, "rb") as file:
        if path.suffix.lower() in RAW:
            raise DataError(path, "a camera raw file", CONVERT)
        if status.st_size > most:
            raise DataError(path, f"{status.st_size:,} bytes, more than the {most:,} that are read", CONVERT)
        try:
            return file.read(most)
        except OSError as error:
            raise DataError(path, unreadable(path, error), FETCH) from None


def unreadable(path: Path, error: Exception) -> str:
    """Why the system refused `path`, with its mode when permission is what lacks."""
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EACCES:
        try:
            return f"permission denied (mode {stat.S_IMODE(path.lstat().st_mode):04o})"
        except OSError:
            return "permission denied"
    if code == errno.ENOENT:
        return "dangling link" if path.is_symlink() else "no such file"
    if code == errno.ENXIO:
        return "not a regular file (socket or pipe)"
    return f"cannot be opened ({os.strerror(code) if code else error})"


def kind_of(mode: int) -> str:
    """The field's word for a file type."""
    tests = {"folder": stat.S_ISDIR, "pipe": stat.S_ISFIFO, "socket": stat.S_ISSOCK}
    return next((name for name, test in tests.items() if test(mode)), "device")


def sniff(head: bytes) -> tuple[str | None, str, str]:
    """(format, "", "") of a format that is read, else (None, cause, hint); from the first 512 bytes."""
    for form, pattern in _READ.items():
        if re.match(pattern, head, re.DOTALL):
            return form, "", ""
    if not head:
        return None, "empty file", FETCH
    if not head.strip(b"\0"):
        return None, "only zero bytes where the picture should begin", FETCH
    for pattern, cause, hint in _KNOWN:
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            return None, cause, hint
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in head):
        return None, "looks like text", "give a picture file"
    return None, f"no known picture format (starts with {head[:4].hex(' ')})", CONVERT


_READ = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF....WEBP",
    "GIF": rb"GIF8[79]a",
    "TIFF": rb"(II[\x2a\x2b]\0(?!.{4}CR)|MM\0[\x2a\x2b])",
    "PPM": rb"P[1-6][\s#]",
    "BMP": rb"BM.{4}\0{4}",
}
_TEXT = rb"(\xef\xbb\xbf)?\s*"
_KNOWN = (
    (rb"version https://git-lfs", "a Git LFS pointer, not the picture", "run `git lfs pull`"),
    (_TEXT + rb"(<\?xml.*|<!--.*|<!doctype svg.*)?<svg", "looks like SVG (drawing, not pixels)", CONVERT),
    (_TEXT + rb"<(!doctype html|html|head|body)", "looks like HTML (failed download?)", FETCH),
    (_TEXT + rb"(<\?xml|<)", "looks like XML", "give a picture file"),
    (_TEXT + rb"[{\[]", "looks like JSON (failed download?)", FETCH),
    (rb"(%!PS|\xc5\xd0\xd3\xc6)", "looks like EPS or PostScript", CONVERT),
    (rb"%PDF", "looks like PDF", CONVERT),
    (rb"8BPS", "looks like a Photoshop file (PSD)", CONVERT),
    (rb".{4}ftypavi[fs]", "looks like AVIF", CONVERT),
    (rb".{4}ftypcrx", "looks like a camera raw file", CONVERT),
    (rb".{4}ftyp(hei|hev|mif1|msf1)", "looks like HEIC", "convert it, e.g. `heif-convert in.heic out.jpg`"),
    (rb".{4}ftyp", "looks like a video", "extract its frames as pictures first"),
    (rb"(\0{3}\x0cJXL |\xff\x0a)", "looks like JPEG XL", CONVERT),
    (rb"(\0{3}\x0cjP  |\xff\x4f\xff\x51)", "looks like JPEG 2000", CONVERT),
    (rb".{128}DICM", "looks like DICOM", "export it as 16-bit PNG first"),
    (rb"SIMPLE  =", "looks like FITS", CONVERT),
    (rb"(v/1\x01|#\?RADIANCE)", "looks like a high dynamic range picture", CONVERT),
    (rb"(PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!)", "looks like an archive", "unpack it first"),
    (rb"II\x2a\0.{4}CR", "looks like a camera raw file", CONVERT),
)


def header(data: bytes, where: str, *, limits: Limits = Limits()) -> Header:
    """As `inspect`, for bytes named `where`; the caller holds `quiet`."""
    image, notes = _open(data, where, limits)
    return Header(image.format or "", image.width, image.height, image.mode, tuple(notes))


def decode(data: bytes, where: str, *, limits: Limits = Limits(), at_least: int | None = None) -> Picture:
    """As `read`, for bytes named `where`; the caller holds `quiet`."""
    image, notes = _open(data, where, limits)
    frames = attempt(lambda: int(getattr(image, "n_frames", 1)))
    if frames is None or frames > 1:
        notes.append(f"first of {frames or 'several'} frames")
        attempt(lambda: image.seek(0))
    turn = attempt(lambda: dict(image.getexif()).get(0x0112)) if image.format == "TIFF" else None
    if image.format in {"JPEG", "MPO"} and at_least is not None:
        image.draft(None, (2 * at_least, 2 * at_least))
    try:
        image.load()
    except Exception as error:
        raise DataError(where, failure(data, image, error), FETCH) from None
    if image.format in {"JPEG", "MPO"} and (damage := jpeg_damage(data, image, at_least is not None)):
        notes.append(f"damaged? {damage}")
    if image.format != "TIFF":  # Pillow turns TIFF itself
        exif = attempt(lambda: dict(image.getexif()))
        if exif is None or (image.info.get("exif") and not exif):  # Pillow mostly swallows what is broken
            notes.append("empty or broken EXIF ignored")
        turn = (exif or {}).get(0x0112)
        if turn in _TURN:
            image = image.transpose(_TURN[turn])
    if turn in _TURN:
        notes.append("turned by its EXIF orientation")
    try:
        pixels = _pixels(image, where, notes)
    except (OSError, ValueError, MemoryError) as error:
        raise DataError(where, f"cannot be converted from mode {image.mode} ({error})", CONVERT) from None
    return Picture(np.ascontiguousarray(pixels), tuple(notes))


def _bytes_of(source: Path | bytes, limits: Limits, where: str) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        return source, where
    return read_bytes(source, most=limits.bytes), str(source)


def _open(data: bytes, where: str, limits: Limits) -> tuple[Any, list[str]]:
    """Pillow's unloaded picture, inside the limits, and the notes so far."""
    form, cause, hint = sniff(data[:512])
    if form is None:
        raise DataError(where, cause, hint)
    notes: list[str] = []
    named = SUFFIXES.get(Path(where).suffix.lower(), form)
    if named != form:
        notes.append(f"{form} named as {named}")
    if form == "PNG":
        data = checked_png(data, where, notes)
    if form == "JPEG":
        check_jpeg(data, where)
    channels, bits = _tiff_layout(data) if form == "TIFF" else (1, 0)
    if channels > 4:
        raise DataError(where, f"{channels} channels, at most 4 are read", "save the ones you need as RGB")
    try:
        image: Any = Image.open(io.BytesIO(data), formats=(form,))
    except Image.DecompressionBombError:
        raise DataError(where, f"far more than the {limits.pixels:,} pixels that are read", CONVERT) from None
    except Exception:
        cause = f"begins as {form} but its header cannot be read"
        if bits:
            cause = f"a TIFF of a kind that is not read (channels: {channels}, bits: {bits})"
        elif (share := share_of_bytes(form, data)) is not None and share < 1:
            cause = f"truncated at {percent(share)} %"
        raise DataError(where, cause, CONVERT if bits else FETCH) from None
    width, height = image.size
    if min(width, height) < 1:
        raise DataError(where, "has no pixels", FETCH)
    if width * height > limits.pixels or max(width, height) > limits.side:
        raise DataError(
            where,
            f"{width:,} x {height:,} pixels, more than {limits.pixels:,} or a side above {limits.side:,}",
            "make it smaller first",
        )
    if max(width, height) > limits.ratio * min(width, height):
        raise DataError(where, f"{width} x {height} is longer than {limits.ratio:g} to 1", "crop it or leave it out")
    return image, notes


def _pixels(image: Any, where: str, notes: list[str]) -> np.ndarray:
    """uint8 (h, w, 1 | 3) of a loaded picture in any mode that is read."""
    mode = image.mode
    if mode in {"LA", "La", "PA", "RGBA", "RGBa"} or ("transparency" in image.info and mode in {"1", "L", "P", "RGB"}):
        layers = np.asarray(image.convert("LA" if mode in {"1", "L", "LA", "La"} else "RGBA"))
        if layers[..., -1].min() == 255:
            return layers[..., :-1]
        notes.append("transparent: composited on white")
        return on_white(layers)
    if mode == "F":
        bad = int(np.isnan(np.asarray(image)).sum())
        cause = f"floating-point pixels{f', {bad:,} of them NaN' if bad else ''}: no range is known"
        raise DataError(where, cause, "save it as 8-bit or 16-bit with the range that you mean")
    if mode.startswith("I"):
        return _from_16_bits(image, where, notes)
    if mode == "CMYK":
        return _from_ink(image, notes)
    if mode in {"1", "L"}:
        return np.array(image.convert("L"))[..., None]
    if mode in {"P", "RGB", "RGBX", "YCbCr"}:
        return np.array(image.convert("RGB"))
    raise DataError(where, f"pixels of kind {mode} are not read", "save it as RGB or grey")


def on_white(layers: np.ndarray) -> np.ndarray:
    """uint8 (h, w, c + 1) with alpha last, laid on white: round((c a + 255 (255 - a)) / 255)."""
    alpha = layers[..., -1:].astype(np.uint16)
    mixed = layers[..., :-1] * alpha + 255 * (255 - alpha)  # at most 65,025
    return ((mixed + 127) // 255).astype(np.uint8)


def _from_16_bits(image: Any, where: str, notes: list[str]) -> np.ndarray:
    """Grey of up to 16 bits: round(255 v / white), white = 65,535, or less where TIFF says so."""
    values = np.asarray(image).astype(np.int64)
    bits, inverted = 16, False
    if image.format == "TIFF":
        bits, inverted = image.tag_v2.get(258, (16,))[0], image.tag_v2.get(262) == 0
    white = (1 << bits) - 1
    if bits > 16 or values.min() < 0 or values.max() > white:
        cause = f"{bits}-bit pixels from {values.min()} to {values.max()}: no range is known"
        raise DataError(where, cause, "save it as 8-bit or unsigned 16-bit with the range that you mean")
    notes.append(f"{bits}-bit scaled to 8")
    scaled = (values * 255 + white // 2) // white
    return (255 - scaled if inverted else scaled).astype(np.uint8)[..., None]


def _from_ink(image: Any, notes: list[str]) -> np.ndarray:
    """CMYK to sRGB by the picture's own ICC profile, else by Pillow's plain formula."""
    profile = image.info.get("icc_profile")
    if profile and len(profile) <= _PROFILE_BYTES:
        srgb = ImageCms.createProfile("sRGB")
        seen = attempt(
            lambda: ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                srgb,
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
            )
        )
        if seen is not None:
            notes.append("CMYK through its ICC profile")
            return np.array(seen)
        notes.append("broken ICC profile ignored")
    notes.append("CMYK without a profile")
    return np.array(image.convert("RGB"))


def _tiff_layout(data: bytes) -> tuple[int, int]:
    """(channels, bits of each) from the first directory of a TIFF; (1, 0) where it cannot be read."""

    def first() -> tuple[int, int]:
        directory: Any = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if b"+" in data[2:4] else 8])
        file = io.BytesIO(data)
        file.seek(directory.next)
        directory.load(file)
        return int(directory.get(277, 1)), int(directory.get(258, (1,))[0])

    return attempt(first) or (1, 0)
