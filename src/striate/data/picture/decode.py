"""Bytes to pixels: the one decoder for training, evaluation, prediction and export checks."""

import errno
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, features
from PIL import __version__ as pillow_version

from striate.base.errors import DataError, MachineError
from striate.base.units import Size, sides
from striate.data.picture import damage, four, gif, levels, limits, quick, tiff
from striate.data.picture.damage import CONVERT, FETCH, attempt
from striate.data.picture.laid import Pixels
from striate.data.picture.opened import opened
from striate.data.picture.pixels import PIXELS

SUFFIXES = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".mpo": "JPEG", ".png": "PNG",
    ".apng": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".dib": "BMP", ".tif": "TIFF", ".tiff": "TIFF",
    ".gif": "GIF", ".avif": "AVIF", ".avifs": "AVIF", ".jp2": "JPEG2000", ".j2k": "JPEG2000", ".j2c": "JPEG2000",
    ".jpc": "JPEG2000", ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM",
}  # fmt: skip
# Many camera raw files are TIFF inside and would open as their thumbnail: only the name tells them apart.
RAW = frozenset({".nef", ".nrw", ".dng", ".arw", ".cr2", ".cr3", ".orf", ".raf", ".rw2", ".pef", ".srw"})
DECODER = f"pillow {pillow_version}, libjpeg-turbo {features.version('libjpeg_turbo') or 'absent'}"

# O_NONBLOCK: opening a pipe must not wait for its writer. O_BINARY exists on Windows only.
OPEN = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))

# How a note begins that tells a sign of damage.
DAMAGED = "damaged? "
_ORIENTATION = 0x0112
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF 2.32, tag 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_JPEG = frozenset({"JPEG", "MPO"})


# A file's bytes, a picture of Pillow's, or pixels, uint8 (height, width, 1 or 3).
Given = bytes | Image.Image | Pixels


@dataclass(frozen=True)
class Picture:
    """Pixels, uint8 (height, width, 1) grey or (height, width, 3) RGB, and what was done to get them."""

    pixels: np.ndarray
    notes: tuple[str, ...]
    ends: tuple[int, int] | None = None
    """Of a file of 16 bits, the lowest and the highest level in it."""


def read(
    data: bytes,
    where: str = "picture",
    *,
    at_least: Size | None = None,
    max_pixels: int = PIXELS,
    white: int = levels.WHITE,
) -> Picture:
    """The pixels of one picture; `DataError` when there are none to be trusted.

    `where` names it in an error. `at_least`: a JPEG is decoded at 1/2, 1/4 or 1/8 while height and width stay at least
    twice these, in pixels. `max_pixels`: the most that are read. `white`: the level of a file of 16 bits that is white.
    The result depends on the bytes, `at_least` and `white` alone.
    """
    with quiet():
        return decode(data, where, at_least=at_least, max_pixels=max_pixels, white=white)


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back Pillow's warnings (bombs, broken metadata): each has an error or a note of ours instead."""
    # Filters belong to the process: threads share one `quiet` around their calls of `decode`.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_file(path: Path) -> BinaryIO:
    """A regular file, to be read; a pipe or a device is refused, never waited for."""
    try:
        handle = os.open(path, OPEN)
    except (OSError, ValueError) as error:
        raise DataError(path, unreadable(path, error), "check the path and who may read it") from None
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise DataError(path, f"not a regular file ({kind_of(mode)})", "give a picture file")
    return os.fdopen(handle, "rb")


def read_bytes(path: Path, max_pixels: int = PIXELS) -> bytes:
    """The bytes of a regular file, within the limits."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if path.suffix.lower() in RAW:
            raise DataError(path, "a camera raw file", CONVERT)
        limits.refuse_large(size, path, max_pixels)
        try:
            return file.read(size)
        except MemoryError:
            raise no_memory(path) from None
        except OSError as error:
            raise DataError(path, unreadable(path, error), FETCH) from None


def no_memory(where: object) -> MachineError:
    return MachineError(where, "there is not enough memory to decode it", "fewer workers, or more memory")


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
            if form in BUILT_WITH and not features.check(BUILT_WITH[form]):
                return None, f"{form}, which the Pillow that is installed cannot read", _NEWER
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
    "AVIF": rb".{4}ftyp(avi[fs]|(mif1|msf1|miaf).{4}(.{4}){0,20}?avi[fs])",
    "JPEG2000": rb"(\0{3}\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51)",
}
# What Pillow may have been built without.
BUILT_WITH = {"AVIF": "avif", "JPEG2000": "jpg_2000"}
_NEWER = "pip install --upgrade pillow, or convert it to PNG or JPEG first"
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
    (rb".{4}ftypcrx", "looks like a camera raw file", CONVERT),
    (rb".{4}ftyp(hei|hev|mif1|msf1)", "looks like HEIC", "convert it, e.g. `heif-convert in.heic out.jpg`"),
    (rb".{4}ftyp", "looks like a video", "extract its frames as pictures first"),
    (rb"(\0{3}\x0cJXL |\xff\x0a)", "looks like JPEG XL", CONVERT),
    (rb".{128}DICM", "looks like DICOM", "export it as 16-bit PNG first"),
    (rb"SIMPLE  =", "looks like FITS", CONVERT),
    (rb"(v/1\x01|#\?RADIANCE)", "looks like a high dynamic range picture", CONVERT),
    (rb"(PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!)", "looks like an archive", "unpack it first"),
    (rb"II\x2a\0.{4}CR", "looks like a camera raw file", CONVERT),
)


def header(data: bytes, where: str, max_pixels: int = PIXELS) -> tuple[bool, tuple[int, int], tuple[str, ...], bool]:
    """Whether a picture has one channel once it is decoded, its height and width then, the notes of its header alone,
    checked as by `decode`, and whether it is of 16 bits; no memory for pixels is taken. The caller holds `quiet`."""
    image, notes = _open(data, where, max_pixels)
    grey = image.mode in {"1", "L", "LA", "La"} or image.mode.startswith("I")
    # Pillow knows a TIFF's upright size, and decodes a PNG to look for an orientation behind the pixels
    turn = None if image.format == "TIFF" or (image.format == "PNG" and b"eXIf" not in data) else _turn_of(image)
    size = image.size if turn in _SIDEWAYS else image.size[::-1]
    return grey, size, tuple(notes), image.mode.startswith("I")


def decode(
    data: bytes, where: str, *, at_least: Size | None = None, max_pixels: int = PIXELS, white: int = levels.WHITE
) -> Picture:
    """As `read`; the caller holds `quiet`. Without `at_least` the notes also tell signs of damage, which take a second
    decoding; a MachineError where memory lacks, for what a picture is does not depend on that."""
    try:
        return _decoded(data, where, at_least, max_pixels, white)
    except MemoryError:
        raise no_memory(where) from None


def _decoded(data: bytes, where: str, at_least: Size | None, max_pixels: int, white: int) -> Picture:
    image, notes = _open(data, where, max_pixels)
    if at_least is not None and image.format in _JPEG:
        height, width = sides(at_least)
        sideways = height != width and _turn_of(image) in _SIDEWAYS
        image.draft(None, (2 * height, 2 * width) if sideways else (2 * width, 2 * height))
        if (found := quick.pixels(data, image)) is not None:
            return Picture(_turned(found, _turn(image, notes)), tuple(notes))
    image, sign = _loaded(image, notes, data, where, at_least is None)
    pixels, ends = _levels(image, notes, where, white), levels.ends(image)
    del image  # its memory is needed by a second decoding
    if said := sign():
        notes.append(DAMAGED + said)
    return Picture(pixels, tuple(notes), ends)


def _turned(pixels: Pixels, turn: int | None) -> Pixels:
    return pixels if turn is None else four.pixels_of(four.image_of(pixels).transpose(_TURN[turn]))


def pixels_of(
    given: Given, where: str, at_least: Size | None = None, max_pixels: int = PIXELS, white: int = levels.WHITE
) -> Pixels:
    """Those of `read`; of a picture that Pillow has opened or made, which stays as it is, all; of pixels, these."""
    if isinstance(given, np.ndarray):
        return given
    if isinstance(given, bytes):
        return read(given, where, at_least=at_least, max_pixels=max_pixels, white=white).pixels
    with quiet():
        return _levels(*held(given, where, max_pixels), where, white)


def held(image: Any, where: str, max_pixels: int) -> tuple[Any, list[str]]:
    """Pillow's picture inside the limits, loaded and upright, and notes. The caller holds `quiet`."""
    limits.check_size(image.format or "", image.mode, image.size, where, max_pixels)
    notes: list[str] = []
    try:
        image.load()
        return _upright(image, notes), notes
    except MemoryError:
        raise no_memory(where) from None
    except Exception as error:
        raise DataError(where, f"Pillow cannot load it ({error})", FETCH) from None


def _levels(image: Any, notes: list[str], where: str, white: int) -> Pixels:
    try:
        return levels.levels(image, where, notes, white)
    except MemoryError:
        raise no_memory(where) from None
    except (OSError, ValueError) as error:
        raise DataError(where, f"cannot be converted from mode {image.mode} ({error})", CONVERT) from None


def _upright(image: Any, notes: list[str]) -> Any:
    """A loaded picture turned by its EXIF orientation."""
    turn = _turn(image, notes)
    return image if turn is None else image.transpose(_TURN[turn])


def _turn(image: Any, notes: list[str]) -> int | None:
    """How it is to be turned; None where it is upright, as a loaded TIFF is, which Pillow turns itself."""
    turn = None if image.format == "TIFF" else _orientation(image, notes)
    if turn not in _TURN:
        return None
    notes.append("turned by its EXIF orientation")
    return turn


def loaded(data: bytes, where: str, max_pixels: int = PIXELS) -> tuple[Any, list[str], Callable[[], str | None]]:
    """Pillow's picture inside the limits, loaded and upright, in the mode of its file; notes, and what looks for signs
    of damage. The caller holds `quiet`."""
    image, notes = _open(data, where, max_pixels)
    image, sign = _loaded(image, notes, data, where)
    return image, notes, sign


def _loaded(
    image: Any, notes: list[str], data: bytes, where: str, doubt: bool = True
) -> tuple[Any, Callable[[], str | None]]:
    if image.format == "TIFF" and _turn_of(image) in _TURN:
        notes.append("turned by its EXIF orientation")
    sign = _load(image, data, where, doubt)
    return _upright(image, notes), sign


def _load(image: Any, data: bytes, where: str, doubt: bool) -> Callable[[], str | None]:
    """Decode; what is returned looks for signs of damage."""
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:
        raise DataError(where, damage.failure(data, image, error), FETCH) from None
    for name in ("fp", "_fp"):  # with them goes a copy of the file
        attempt(lambda name=name: getattr(image, name).close())
    return damage.doubts(data, image) if doubt and image.format in _JPEG else lambda: None


def _turn_of(image: Any) -> int | None:
    found: int | None = attempt(lambda: image.getexif().get(_ORIENTATION))
    return found


def _orientation(image: Any, notes: list[str]) -> int | None:
    exif = attempt(lambda: dict(image.getexif()))
    if exif is None or (image.info.get("exif") and not exif):  # Pillow mostly swallows what is broken
        notes.append("empty or broken EXIF ignored")
    return (exif or {}).get(_ORIENTATION)


def _open(data: bytes, where: str, max_pixels: int) -> tuple[Any, list[str]]:
    """Pillow's unloaded picture, inside the limits, and the notes so far."""
    form, cause, hint = sniff(data[:512])
    if form is None:
        raise DataError(where, cause, hint)
    notes: list[str] = []
    named = SUFFIXES.get(Path(where).suffix.lower(), form)
    if named != form:
        notes.append(f"{form} named as {named}")
    limits.check(form, data, where, max_pixels)
    several = False
    if form == "PNG":
        data = damage.checked_png(data, where, notes)
    if form == "GIF":
        data, several = gif.first_frame(data, where)
    try:
        image = opened(data, form)
    except MemoryError:
        raise
    except Exception:
        raise _unread(form, data, where) from None
    limits.check_size(form, image.mode, image.size, where, max_pixels)
    # Pillow would walk through all pages of a TIFF to count them; others have the number in their header.
    several = several or (form == "TIFF" and image.is_animated)
    frames = 1 if several or form in {"GIF", "TIFF"} else attempt(lambda: int(getattr(image, "n_frames", 1)))
    if several or frames != 1:
        notes.append(f"first of {'several' if several or frames is None else frames} frames")
    return image, notes


def _unread(form: str, data: bytes, where: str) -> DataError:
    """Why Pillow could not read the header."""
    first = tiff.directory(data) if form == "TIFF" else None
    if first and tiff.BITS in first.tags:
        kind = f"channels: {first.number(tiff.CHANNELS, 1)}, bits: {first.number(tiff.BITS, 1)}"
        return DataError(where, f"a TIFF of a kind that is not read ({kind})", CONVERT)
    share = damage.share_of_bytes(form, data)
    cause = f"begins as {form} but its header cannot be read"
    return DataError(where, cause if share is None or share >= 1 else damage.truncated(share), FETCH)
