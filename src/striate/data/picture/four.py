"""Pixels of three bytes in four, as Pillow holds them: from its pictures to arrays and back without packing them."""

import numpy as np
from PIL import Image

from striate.data.picture.laid import Pixels


def pixels_of(image: Image.Image) -> Pixels:
    """uint8 (h, w, 1) of a picture in mode L, (h, w, 3) of RGB or RGBX, each fourth byte passed over; read-only."""
    if image.mode == "L":
        return np.asarray(image)[:, :, None]
    held = np.frombuffer(image.tobytes("raw", "RGBX"), np.uint8)
    return held.reshape(image.height, image.width, 4)[:, :, :3]


def image_of(pixels: Pixels) -> Image.Image:
    """In mode L, or RGB; of pixels in four bytes each RGBX on the same memory, which is resized alike."""
    height, width, channels = pixels.shape
    if channels == 1:
        return Image.fromarray(pixels[:, :, 0])
    held = held_by(pixels)
    return (
        Image.fromarray(pixels)
        if held is pixels
        else Image.frombuffer("RGBX", (width, height), held, "raw", "RGBX", 0, 1)
    )


def held_by(pixels: Pixels) -> Pixels:
    """Of pixels in four bytes each all four, uint8 (h, w, 4), on the same memory; others as they are."""
    height, width, channels = pixels.shape
    held = pixels.base if channels == 3 and pixels.strides == (4 * width, 4, 1) else None
    if isinstance(held, np.ndarray) and held.nbytes == 4 * height * width and _start(held) == _start(pixels):
        return held.reshape(height, width, 4)
    return pixels


def _start(array: Pixels) -> int:
    """Where it lies in memory."""
    return int(array.__array_interface__["data"][0])
