"""From pixels to the square that a network sees."""

from typing import Literal

import numpy as np
from PIL import Image

from striate.data.picture.laid import Laid, Pixels, resized

Resize = Literal["squash", "crop", "letterbox"]
LETTERBOX = 128


def square(pixels: Pixels, channels: int, size: int, how: Resize) -> tuple[Pixels, Laid]:
    """uint8 (height, width, 1 or 3) -> uint8 (channels, size, size), and how it lies there.

    Colour is weighed to grey by ITU-R BT.601, grey is repeated for colour. Enlarging never rings as cubic filters do.
    """
    if pixels.shape[2] == 3 and channels == 1:
        image = Image.fromarray(pixels).convert("L")
    else:
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    laid = _laid(image.height, image.width, size, how)
    if how == "letterbox":
        inner = (round(image.width * laid.scale[1]), round(image.height * laid.scale[0]))
        blank = Image.new(image.mode, (size, size), LETTERBOX if image.mode == "L" else (LETTERBOX,) * 3)
        shrunk = resized(image, *inner, (0, 0, image.width, image.height))
        blank.paste(shrunk, (int(laid.offset[1]), int(laid.offset[0])))
        image = blank
    else:
        side = min(image.size)
        left, top = ((image.width - side) / 2, (image.height - side) / 2) if how == "crop" else (0.0, 0.0)
        image = resized(image, size, size, (left, top, image.width - left, image.height - top))
    values = np.asarray(image)
    values = values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    return np.array(np.broadcast_to(values, (channels, size, size))), laid


def _laid(height: int, width: int, size: int, how: Resize) -> Laid:
    if how == "squash":
        return Laid((height, width), (size, size), (size / height, size / width))
    if how == "crop":
        side = min(height, width)
        scale = size / side
        cut = (-(height - side) / 2 * scale, -(width - side) / 2 * scale)
        return Laid((height, width), (size, size), (scale, scale), cut)
    longest = max(height, width)
    tall, wide = max(1, round(size * height / longest)), max(1, round(size * width / longest))
    return Laid((height, width), (size, size), (tall / height, wide / width), ((size - tall) // 2, (size - wide) // 2))


def ten_crops(canvas: Pixels, laid: Laid, size: int) -> list[tuple[Pixels, Laid]]:
    """The four corners and the centre of a canvas, and all of them mirrored: Krizhevsky et al. 2012, section 4.1."""
    side = canvas.shape[1]
    last, middle = side - size, (side - size) // 2
    looks = []
    for top, left in ((0, 0), (0, last), (last, 0), (last, last), (middle, middle)):
        down, across = laid.offset[0] - top, laid.offset[1] - left
        crop = np.ascontiguousarray(canvas[:, top : top + size, left : left + size])
        looks.append((crop, Laid(laid.picture, (size, size), laid.scale, (down, across))))
        turned = Laid(laid.picture, (size, size), (laid.scale[0], -laid.scale[1]), (down, size - across))
        looks.append((np.ascontiguousarray(crop[:, :, ::-1]), turned))
    return looks
