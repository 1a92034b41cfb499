"""Bytes of a mask to the whole numbers in it, none of them changed: ids, places in a palette, or colours."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.base.errors import DataError
from striate.data.picture import decode, tiff
from striate.data.picture.bands import bands
from striate.data.picture.laid import Array
from striate.data.picture.pixels import MOST_PIXELS, PIXELS

# Formats that keep every number as it is. TIFF can hold a JPEG, and says so.
_EXACT = frozenset({"PNG", "TIFF", "BMP", "GIF"})
SAVE = "save it as PNG or TIFF with a class id for each pixel"
_OTHER = "a mask in a way that is not read"


@dataclass(frozen=True)
class Values:
    """int32 (height, width), upright: ids, or colours as 0xRRGGBB where `coloured`; and what was done to get them."""

    values: Array
    coloured: bool
    notes: tuple[str, ...] = ()


def read(data: bytes, where: str, *, coloured: bool = False) -> Values:
    """The numbers of a mask that was scanned; `DataError` where they cannot be told exactly. `coloured`: of a palette
    the colours."""
    with decode.quiet():
        return values(data, where, coloured=coloured, max_pixels=MOST_PIXELS)


def values(data: bytes, where: str, *, coloured: bool = False, max_pixels: int = PIXELS) -> Values:
    """As `read`; the caller holds `decode.quiet`."""
    form, _, _ = decode.sniff(data[:512])
    lossy = form in ("JPEG", "WEBP") or (form == "TIFF" and _tag(data, tiff.COMPRESSION, 1) in tiff.JPEG)
    if lossy:
        raise DataError(where, f"a mask in {form} with lossy compression, which changes ids", SAVE)
    if form not in (None, *_EXACT):
        raise DataError(where, f"a mask in {form}, which may scale ids", SAVE)
    try:
        image, notes, _ = decode.loaded(data, where, max_pixels=max_pixels)
        found, colours = _numbers(image, str(form), data, where, coloured)
    except MemoryError:
        raise decode.no_memory(where) from None
    return Values(found, colours, tuple(notes))


def _numbers(image: Any, form: str, data: bytes, where: str, coloured: bool) -> tuple[Array, bool]:
    unit = _unit(image, form, data, where)
    if image.mode in ("LA", "RGBA"):
        if np.asarray(image.getchannel("A")).min() < 255:
            raise DataError(where, "a mask with transparent pixels, which are of no class", "save it without alpha")
        image = image.convert(image.mode[:-1])
    if form == "GIF":  # each writer orders its palette anew
        image = image.convert("RGB")
    if image.mode == "RGB" or (coloured and image.mode in ("1", "L", "P")):
        return _colours(image, coloured)
    if image.mode == "F":
        given = np.asarray(image)
        if not (np.isfinite(given).all() and (np.abs(given) < 2**24).all() and (given == np.rint(given)).all()):
            raise DataError(where, "floating-point numbers that are no ids", SAVE)
        return given.astype(np.int32), False
    if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
        raise DataError(where, f"{_OTHER} (pixels of kind {image.mode})", SAVE)
    return np.asarray(image).astype(np.int32) // unit, False


def _unit(image: Any, form: str, data: bytes, where: str) -> int:
    """By what Pillow has multiplied ids of two or four bits; a DataError for bits that it drops or turns around."""
    if form == "PNG":
        bits, grey = data[24], data[25] == 0
    elif form == "TIFF":
        bits, grey = _tag(data, tiff.BITS, 1), _tag(data, tiff.CHANNELS, 1) == 1 and image.mode != "P"
        if _tag(data, 262, 1) == 0 and bits > 1:
            raise DataError(where, f"{_OTHER} (its highest number is black)", SAVE)
        if bits == 32 and image.mode == "I" and _tag(data, 339, 1) == 1 and np.asarray(image).min() < 0:
            raise DataError(where, f"{_OTHER} (ids above {2**31 - 1:,})", SAVE)
    else:
        return 1
    if bits > 8 and not grey:
        raise DataError(where, f"{_OTHER} (colours of {bits} bits)", SAVE)
    return 255 // (2**bits - 1) if grey and image.mode == "L" else 1


def _colours(image: Any, wanted: bool) -> tuple[Array, bool]:
    """Colours as numbers; the level itself where all are grey, unless colours are what is wanted."""
    packed, top, grey = np.zeros((image.height, image.width), np.int32), 0, not wanted
    for levels in (np.asarray(band.convert("RGB")) for band in bands(image)):
        part, top = packed[top : top + len(levels)], top + len(levels)
        for layer in range(3):
            part <<= 8
            part += levels[..., layer]
        grey = grey and bool((levels == levels[..., :1]).all())
    if grey:
        packed &= 255
    return packed, not grey


def _tag(data: bytes, tag: int, otherwise: int) -> int:
    first = tiff.directory(data)
    return otherwise if first is None else first.number(tag, otherwise)
