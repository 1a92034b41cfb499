"""A loaded picture of any mode that is read, as bytes of grey or RGB: band by band, so that a large one fits."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import ImageCms

from striate.base.errors import DataError
from striate.data.picture import four
from striate.data.picture.bands import BAND, bands
from striate.data.picture.damage import attempt
from striate.data.picture.laid import Pixels

_PROFILE_BYTES = 4 << 20


WHITE = 65_535  # the highest level of 16 bits


def levels(image: Any, where: str, notes: list[str], white: int = WHITE) -> Pixels:
    """uint8 (h, w, 1 | 3) of a loaded picture in any mode that is read; `white`: that of files of 16 bits."""
    mode = image.mode
    if mode in {"LA", "La", "PA", "RGBA", "RGBa"} or ("transparency" in image.info and mode in {"1", "L", "P", "RGB"}):
        return _on_white(image, "LA" if mode in {"1", "L", "LA", "La"} else "RGBA", notes)
    if mode == "F":
        bad = sum(int(np.isnan(np.asarray(band)).sum()) for band in bands(image))
        cause = f"floating-point pixels{f', {bad:,} of them NaN' if bad else ''}: no range is known"
        raise DataError(where, cause, "save it as 8-bit or 16-bit with the range that you mean")
    if mode.startswith("I"):
        return _from_16_bits(image, where, notes, white)
    if mode == "CMYK":
        return _from_ink(image, notes)
    if mode in {"L", "RGB"} and image.width * image.height <= BAND:
        return four.pixels_of(image)
    if mode in {"1", "L"}:
        return _converted(image, 1, lambda band: np.asarray(band.convert("L")))
    if mode in {"P", "RGB", "RGBX", "YCbCr"}:
        return _converted(image, 3, lambda band: np.asarray(band.convert("RGB")))
    raise DataError(where, f"pixels of kind {mode} are not read", "save it as RGB or grey")


def _converted(image: Any, channels: int, convert: Callable[[Any], np.ndarray]) -> Pixels:
    whole, top = np.empty((image.height, image.width, channels), np.uint8), 0
    for band in bands(image):
        whole[top : top + band.height] = convert(band).reshape(band.height, image.width, channels)
        top += band.height
    return whole


def _on_white(image: Any, mode: str, notes: list[str]) -> Pixels:
    """Laid on white where it is transparent: round((c a + 255 (255 - a)) / 255)."""
    least = 255

    def mixed(band: Any) -> np.ndarray:
        nonlocal least
        layers = np.asarray(band.convert(mode))
        colours, alpha = layers[..., :-1], layers[..., -1:]
        opaque = int(alpha.min())
        least = min(least, opaque)
        if opaque == 255:
            return colours
        wide = alpha.astype(np.uint16)
        return (colours * wide + 255 * (255 - wide) + 127) // 255  # at most 65,152

    pixels = _converted(image, len(mode) - 1, mixed)
    if least < 255:
        notes.append("transparent: composited on white")
    return pixels


def ends(image: Any) -> tuple[int, int] | None:
    """The lowest and the highest level of a loaded picture whose file has 16 bits, and so may use a part of them."""
    return _ends(image) if image.mode.startswith("I") and _bits(image) == 16 else None


def _ends(image: Any) -> tuple[int, int]:
    each = [(int(values.min()), int(values.max())) for values in map(np.asarray, bands(image))]
    return min(low for low, _ in each), max(high for _, high in each)


def _bits(image: Any) -> int:
    return int(image.tag_v2.get(258, (16,))[0]) if image.format == "TIFF" else 16


def _from_16_bits(image: Any, where: str, notes: list[str], white: int) -> Pixels:
    """Grey of up to 16 bits: round(255 v / white), and white where v is more; a TIFF of fewer bits says its own."""
    bits, inverted = _bits(image), image.format == "TIFF" and image.tag_v2.get(262) == 0
    low, high = _ends(image)
    if bits > 16 or low < 0 or high >= 1 << bits:
        cause = f"{bits}-bit pixels from {low} to {high}: no range is known"
        raise DataError(where, cause, "save it as 8-bit or unsigned 16-bit with the range that you mean")
    notes.append(f"{bits}-bit scaled to 8")
    white = white if bits == 16 else (1 << bits) - 1

    def scaled(band: Any) -> np.ndarray:
        found: np.ndarray = np.minimum(np.asarray(band), white).astype(np.uint32)
        levels = (found * 255 + white // 2) // white
        return 255 - levels if inverted else levels

    return _converted(image, 1, scaled)


def _from_ink(image: Any, notes: list[str]) -> Pixels:
    """CMYK to sRGB by the picture's own ICC profile, else by Pillow's plain formula."""
    profile = image.info.get("icc_profile")
    if profile and len(profile) <= _PROFILE_BYTES:
        seen: Pixels | None = attempt(lambda: _through(image, profile))
        if seen is not None:
            notes.append("CMYK through its ICC profile")
            return seen
        notes.append("broken ICC profile ignored")
    notes.append("CMYK without a profile")
    return _converted(image, 3, lambda band: np.asarray(band.convert("RGB")))


def _through(image: Any, profile: bytes) -> Pixels:
    srgb, intent = ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
    ink = ImageCms.buildTransform(io.BytesIO(profile), srgb, image.mode, "RGB", intent)
    return _converted(image, 3, lambda band: np.asarray(ImageCms.applyTransform(band, ink)))
