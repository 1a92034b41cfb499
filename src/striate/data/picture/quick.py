"""JPEGs by simplejpeg, where it is installed and gives Pillow's own pixels: the same libjpeg, with fewer copies."""

import io
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from striate.data.picture import four
from striate.data.picture.laid import Pixels

# Those of which Pillow and libjpeg make the same: one component, or three of which two are colour.
_COLOURS = {"L": ("Gray", "GRAY"), "RGB": ("YCbCr", "RGBX")}
# The least side of a JPEG that is decoded smaller here: of smaller ones two scales may have one size.
_LEAST = 64
_SCALES, _SUBSAMPLINGS = (1, 2, 4, 8), ("4:4:4", "4:2:2", "4:2:0")


def pixels(data: bytes, image: Any) -> Pixels | None:
    """uint8 (h, w, 1 or 3) of a sound JPEG, as Pillow's `image` of it will have once it is loaded; None where only
    that can tell. What libjpeg would warn of is such a case: what is damaged is told by what Pillow makes of it."""
    if image.format != "JPEG" or image.mode not in _COLOURS or not _agrees():
        return None
    return _decoded(data, image)


def _decoded(data: bytes, image: Any) -> Pixels | None:
    import simplejpeg

    (width, height), (stored, wanted) = image.size, _COLOURS[image.mode]
    try:
        tall, wide, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours != stored or ((tall, wide) != (height, width) and min(tall, wide) < _LEAST):
            return None
        found: Pixels = simplejpeg.decode_jpeg(data, wanted, min_height=height, min_width=width)
    except ValueError:
        return None
    return found[:, :, :3] if found.shape[:2] == (height, width) else None


@cache
def _agrees() -> bool:
    """Whether it is installed and decodes pictures of each kind, made here, as Pillow does, at each scale."""
    try:
        import simplejpeg  # noqa: F401
    except ImportError:
        return False
    down, across = np.mgrid[:96, :120]
    waves = [np.sin(down * across / 90 + turn) * 90 + (down + 3 * across) % 37 + 110 for turn in (0, 2, 4)]
    colours = Image.fromarray(np.stack(waves, 2).astype(np.uint8))
    kinds: list[tuple[Any, dict[str, Any]]] = [(colours, {"subsampling": each}) for each in _SUBSAMPLINGS]
    return all(
        _alike(image, options, scale) for image, options in [*kinds, (colours.convert("L"), {})] for scale in _SCALES
    )


def _alike(image: Any, options: dict[str, Any], scale: int) -> bool:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **options)
    theirs: Any = Image.open(file)
    theirs.draft(None, (image.width // scale, image.height // scale))
    ours = _decoded(file.getvalue(), theirs)
    theirs.load()
    return ours is not None and np.array_equal(ours, four.pixels_of(theirs))
