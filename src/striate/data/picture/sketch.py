"""A picture in a thousand bytes, by which its near copies are found: small, grey, a hint of colours and of grain."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from striate.data.picture.four import image_of
from striate.data.picture.laid import Array
from striate.data.picture.layers import visible

SIDE, COLOURS = 32, 4
_LUMA, _CHROMA = SIDE * SIDE, 2 * COLOURS * COLOURS
BYTES = _LUMA + _CHROMA + 1
# Of a side, in the middle, where the grain is looked at, in the picture's own pixels.
_MIDDLE = 512
# (n, BYTES)
Sketches = npt.NDArray[np.uint8]


def sketch(pixels: Array) -> bytes:
    """Luma of the whole picture on 32 x 32, then both chromas on 4 x 4 (ITU-R BT.601, full range, as JPEG has them),
    then how much neighbouring pixels differ in the middle, by its logarithm.

    `pixels` are (height, width, channels) as decoded, upright; of more than three layers the first are seen. Both sides
    are squashed, so that a picture of another size or shape has the same sketch.
    """
    seen = visible(pixels)
    grey = seen.shape[2] == 1
    image = image_of(np.ascontiguousarray(seen))
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    if grey:
        luma, colours = small, bytes([128]) * _CHROMA
    else:
        luma, *chroma = small.convert("YCbCr").split()
        colours = b"".join(each.reduce(SIDE // COLOURS).tobytes() for each in chroma)
    return luma.tobytes() + colours + _grain(image)


def _grain(image: Image.Image) -> bytes:
    left, top = (max(0, (side - _MIDDLE) // 2) for side in image.size)
    middle = image.crop((left, top, min(image.width, left + _MIDDLE), min(image.height, top + _MIDDLE))).convert("L")
    levels = np.asarray(middle, np.int16)
    steps = [np.abs(np.diff(levels, axis=axis)) for axis in (0, 1) if levels.shape[axis] > 1]
    mean = float(np.mean([each.mean() for each in steps])) if steps else 0.0
    return bytes([min(255, round(32 * math.log2(1 + mean)))])


def stacked(sketches: list[bytes]) -> Sketches:
    """(n, BYTES)"""
    return np.frombuffer(b"".join(sketches), np.uint8).reshape(-1, BYTES)


def lumas(sketches: Sketches) -> Sketches:
    """(n, 32, 32)"""
    return sketches[:, :_LUMA].reshape(-1, SIDE, SIDE)


def chromas(sketches: Sketches) -> npt.NDArray[np.float32]:
    """(n, 32), 0 where there is no colour."""
    return sketches[:, _LUMA : _LUMA + _CHROMA].astype(np.float32) - 128


def grains(sketches: Sketches) -> npt.NDArray[np.float32]:
    """(n,): the mean difference of neighbouring pixels, in levels: little where a picture is blurred."""
    found: npt.NDArray[np.float32] = np.exp2(sketches[:, -1].astype(np.float32) / 32) - 1
    return found
