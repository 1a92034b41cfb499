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
from striate.data.picture import damage
from striate.data.picture.damage import CONVERT, FETCH, attempt

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

# The largest picture that is decoded.
_MOST_PIXELS, _LONGEST_SIDE, _LONGEST_TO_SHORTEST, _MOST_BYTES = 50_000_000, 30_000, 50, 1 << 29
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


def read(data: bytes, where: str = "picture", *, at_least: int | None = None) -> Picture:
    """The pixels of one picture; `DataError` when there are none to be trusted.

    `where` names it in an error. `at_least`: a JPEG is decoded at 1/2, 1/4 or 1/8 while both sides stay at least
    twice this, in pixels. The result depends on the bytes and `at_least` alone.
    """
    with quiet():
        return decode(data, where, at_least=at_least)


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back Pillow's warnings (bombs, broken metadata): each has an error or a note of ours instead."""
    # Filters belong to the process: threads share one `quiet` around their calls of `decode`.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_bytes(path: Path) -> bytes:
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
        if status.st_size > _MOST_BYTES:
            raise DataError(path, f"{status.st_size:,} bytes, more than the {_MOST_BYTES:,} that are read", CONVERT)
        try:
            return file.read(_MOST_BYTES)
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


def header(data: bytes, where: str) -> tuple[bool, tuple[str, ...]]:
    """Whether a picture has one channel once it is decoded, and the notes of its header alone, checked as by `decode`;
    no memory for pixels is taken. The caller holds `quiet`."""
    image, notes = _open(data, where)
    return image.mode in {"1", "L", "LA", "La"} or image.mode.startswith("I"), tuple(notes)


def decode(data: bytes, where: str, *, at_least: int | None = None) -> Picture:
    """As `read`; the caller holds `quiet`."""
    image, notes = _open(data, where)
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
        raise DataError(where, damage.failure(data, image, error), FETCH) from None
    if image.format in {"JPEG", "MPO"} and (sign := damage.sign_in_jpeg(data, image, at_least is not None)):
        notes.append(f"damaged? {sign}")
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


def _open(data: bytes, where: str) -> tuple[Any, list[str]]:
    """Pillow's unloaded picture, inside the limits, and the notes so far."""
    form, cause, hint = sniff(data[:512])
    if form is None:
        raise DataError(where, cause, hint)
    notes: list[str] = []
    named = SUFFIXES.get(Path(where).suffix.lower(), form)
    if named != form:
        notes.append(f"{form} named as {named}")
    if form == "PNG":
        data = damage.checked_png(data, where, notes)
    if form == "JPEG":
        damage.check_jpeg(data, where)
    channels, bits = _tiff_layout(data) if form == "TIFF" else (1, 0)
    if channels > 4:
        raise DataError(where, f"{channels} channels, at most 4 are read", "save the ones you need as RGB")
    try:
        image: Any = Image.open(io.BytesIO(data), formats=(form,))
    except Image.DecompressionBombError:
        raise DataError(where, f"far more than the {_MOST_PIXELS:,} pixels that are read", CONVERT) from None
    except Exception:
        cause = f"begins as {form} but its header cannot be read"
        if bits:
            cause = f"a TIFF of a kind that is not read (channels: {channels}, bits: {bits})"
        elif (share := damage.share_of_bytes(form, data)) is not None and share < 1:
            cause = damage.truncated(share)
        raise DataError(where, cause, CONVERT if bits else FETCH) from None
    width, height = image.size
    if min(width, height) < 1:
        raise DataError(where, "has no pixels", FETCH)
    if width * height > _MOST_PIXELS or max(width, height) > _LONGEST_SIDE:
        cause = f"{width:,} x {height:,} pixels, more than {_MOST_PIXELS:,} or a side above {_LONGEST_SIDE:,}"
        raise DataError(where, cause, "make it smaller first")
    if max(width, height) > _LONGEST_TO_SHORTEST * min(width, height):
        cause = f"{width} x {height} is longer than {_LONGEST_TO_SHORTEST} to 1"
        raise DataError(where, cause, "crop it or leave it out")
    return image, notes


def _pixels(image: Any, where: str, notes: list[str]) -> np.ndarray:
    """uint8 (h, w, 1 | 3) of a loaded picture in any mode that is read."""
    mode = image.mode
    if mode in {"LA", "La", "PA", "RGBA", "RGBa"} or ("transparency" in image.info and mode in {"1", "L", "P", "RGB"}):
        layers = np.asarray(image.convert("LA" if mode in {"1", "L", "LA", "La"} else "RGBA"))
        if layers[..., -1].min() == 255:
            return layers[..., :-1]
        notes.append("transparent: composited on white")
        return _on_white(layers)
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


def _on_white(layers: np.ndarray) -> np.ndarray:
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
        own, srgb = io.BytesIO(profile), ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        seen = attempt(lambda: ImageCms.profileToProfile(image, own, srgb, intent, "RGB"))
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
