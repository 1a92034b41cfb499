"""A picture in a thousand bytes, by which its near copies are found: small, grey, with a hint of its colours."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from striate.data.picture.laid import Array
from striate.data.picture.layers import visible

SIDE, COLOURS = 32, 4
BYTES = SIDE * SIDE + 2 * COLOURS * COLOURS
# (n, BYTES)
Sketches = npt.NDArray[np.uint8]


def sketch(pixels: Array) -> bytes:
    """Luma of the whole picture on 32 x 32, then both chromas on 4 x 4 (ITU-R BT.601, full range, as JPEG has them).

    `pixels` are (height, width, channels) as decoded, upright; of more than three layers the first are seen. Both sides
    are squashed, so that a picture of another size or shape has the same sketch.
    """
    seen = visible(pixels)
    grey = seen.shape[2] == 1
    image = Image.fromarray(np.ascontiguousarray(seen[..., 0] if grey else seen))
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    if grey:
        return small.tobytes() + bytes([128]) * (BYTES - SIDE * SIDE)
    luma, *chroma = small.convert("YCbCr").split()
    return b"".join([luma.tobytes(), *(each.reduce(SIDE // COLOURS).tobytes() for each in chroma)])


def stacked(sketches: list[bytes]) -> Sketches:
    """(n, BYTES)"""
    return np.frombuffer(b"".join(sketches), np.uint8).reshape(-1, BYTES)


def lumas(sketches: Sketches) -> Sketches:
    """(n, 32, 32)"""
    return sketches[:, : SIDE * SIDE].reshape(-1, SIDE, SIDE)


def chromas(sketches: Sketches) -> npt.NDArray[np.float32]:
    """(n, 32), 0 where there is no colour."""
    return sketches[:, SIDE * SIDE :].astype(np.float32) - 128
