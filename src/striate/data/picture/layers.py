"""Pictures as layers: as many as a network takes, of 8 or 16 bits, none weighed, mixed or laid on white."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from PIL import Image

from striate.base.errors import DataError, Option
from striate.base.words import many
from striate.data.picture import decode
from striate.data.picture.damage import CONVERT, FETCH, attempt
from striate.data.picture.laid import Array, Pixels
from striate.data.picture.opened import opened
from striate.data.picture.pixels import PIXELS

Depth = Literal[8, 16]
MOST = 16
# Of pages after the first, of which nothing but their size is checked before they are decoded.
_COMPRESSIONS = frozenset({"raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate"})


@final
@dataclass(frozen=True)
class Layers:
    """So many, of so many bits: what a file must hold; 8 bits are read as 16, and 16 as 8, over their whole range."""

    channels: int
    depth: Depth = 8


def layers_of(channels: int | None, depth: Depth) -> Layers | None:
    """None for photographs: one or three layers of 8 bits, to which other pictures are converted."""
    return None if channels in (None, 1, 3) and depth == 8 else Layers(channels or 3, depth)


def read(given: bytes | Image.Image, where: str, wanted: Layers, max_pixels: int = PIXELS) -> Array:
    """uint8 or uint16 (height, width, channels); a DataError where the file, or Pillow's picture, has other layers."""
    with decode.quiet():
        if isinstance(given, bytes):
            return values(given, where, wanted, max_pixels)[0]
        found = _levels(decode.held(given, where, max_pixels)[0], b"", where, wanted.depth)
    return _so_many(found, where, wanted)


def values(data: bytes, where: str, wanted: Layers, max_pixels: int = PIXELS) -> tuple[Array, tuple[str, ...]]:
    """As `read`, and what was done to get them; the caller holds `decode.quiet`."""
    try:
        image, notes, _ = decode.loaded(data, where, max_pixels=max_pixels)
        found = [_levels(image, data, where, wanted.depth)]
        if image.format == "TIFF" and found[0].shape[2] == 1:
            found += [_levels(page, data, where, wanted.depth) for page in _pages(data, where, image, wanted.channels)]
            notes = [note for note in notes if not note.startswith("first of")]
    except MemoryError:
        raise decode.no_memory(where) from None
    return _so_many(np.concatenate(found, 2), where, wanted), tuple(notes)


def of_array(given: Array, where: str, wanted: Layers) -> Array:
    """The same of an array in memory, (height, width) or (height, width, channels), as a copy."""
    layers = given[..., None] if given.ndim == 2 else given
    if given.dtype not in (np.uint8, np.uint16) or layers.ndim != 3 or 0 in layers.shape:
        raise DataError(where, f"{given.dtype} {given.shape} is no picture", "uint8 or uint16 (height, width, layers)")
    return np.array(_of_depth(_so_many(layers, where, wanted), wanted.depth), order="C")


def visible(layers: Array) -> Pixels:
    """What a person can be shown of layers (height, width, k): one or three of them, in bytes."""
    count = layers.shape[2]
    return np.asarray(_of_depth(layers[..., : 3 if count >= 3 else 1], 8))


def _so_many(layers: Array, where: str, wanted: Layers) -> Array:
    count = layers.shape[2]
    if count != wanted.channels:
        cause = f"holds {'more than ' * (count > MOST)}{many(min(count, MOST), 'layer')}"
        hint = ("pictures of as many layers, and ", Option("channels", "N"))
        raise DataError(where, f"{cause}, and not {wanted.channels}", hint)
    return layers


def _levels(image: Any, data: bytes, where: str, depth: Depth) -> Array:
    """The layers of a loaded page."""
    mode, white = image.mode, 65_535
    if mode == "1":
        image, mode = image.convert("L"), "L"
    if mode in ("L", "LA", "RGB", "RGBA"):
        if depth == 16 and (image.format in decode.BUILT_WITH or (image.format == "PNG" and data[24:25] == b"\x10")):
            cause = f"{'16-bit colours of a' if image.format == 'PNG' else 'colours of'} {image.format}"
            raise DataError(where, f"{cause}, of which 8 bits are read", "a TIFF with a page for each")
        layers = np.asarray(image)
        return _of_depth(layers[..., None] if layers.ndim == 2 else layers, depth)
    if not mode.startswith("I"):
        raise DataError(where, f"pixels of kind {mode} are not read as layers", "grey, RGB or RGBA, or pages of grey")
    levels = np.asarray(image)
    if image.format == "TIFF":
        white = (1 << min(16, image.tag_v2.get(258, (16,))[0])) - 1
    if levels.min() < 0 or levels.max() > white:
        raise DataError(where, f"pixels from {levels.min()} to {levels.max()}: no range is known", CONVERT)
    levels = ((levels.astype(np.uint32) * 65_535 + white // 2) // white).astype(np.uint16)
    if image.format == "TIFF" and image.tag_v2.get(262) == 0:
        levels = 65_535 - levels
    return _of_depth(levels[..., None], depth)


def _of_depth(layers: Array, depth: Depth) -> Array:
    if layers.dtype == np.uint8:
        return layers if depth == 8 else layers.astype(np.uint16) * 257
    return layers if depth == 16 else ((layers.astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)


def _pages(data: bytes, where: str, first: Any, most: int) -> Iterator[Any]:
    """The pages of a TIFF after the first, loaded; no more than tell that there are too many."""
    for place in range(1, most + 1):
        page = opened(data, "TIFF")
        try:
            page.seek(place)
        except EOFError:
            return
        except Exception:
            raise DataError(where, f"page {place + 1} cannot be read", FETCH) from None
        if page.size != first.size and page.size[::-1] != first.size:
            raise DataError(where, f"page {place + 1} has another size than the first", "pages of one size")
        if page.info.get("compression") not in _COMPRESSIONS:
            raise DataError(where, f"page {place + 1} is compressed in a way that is not read", CONVERT)
        if attempt(page.load) is None or page.size != first.size:
            raise DataError(where, f"page {place + 1} cannot be decoded", FETCH)
        yield page
