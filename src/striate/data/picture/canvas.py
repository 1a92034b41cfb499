"""From pixels to the canvas that a network sees: resized to it, or cut in tiles."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from striate.base.units import Size, sides
from striate.data.picture import four
from striate.data.picture.laid import Array, Laid, Pixels, resized

Resize = Literal["squash", "crop", "letterbox", "tiles"]
# Pixels, uint8 (h, w, 1 or 3), and a height and a width, no larger -> these pixels of that size.
Shrink = Callable[[Pixels, int, int], Pixels]
LETTERBOX = 128


def canvas_of(
    pixels: Pixels, channels: int, size: Size, how: Resize, shrink: Shrink | None = None
) -> tuple[Pixels, Laid]:
    """uint8 (height, width, 1 or 3) -> uint8 (channels, *sides(size)), and how it lies there.

    Colour is weighed to grey by ITU-R BT.601, grey is repeated for colour. Enlarging never rings as cubic filters do.
    `shrink`: how a whole picture is made smaller; by Pillow where it is None, as whatever is enlarged or cut.
    """
    laid = laid_of(pixels.shape[0], pixels.shape[1], size, how)
    if _layered(pixels, channels):
        middle = 0 if how != "letterbox" else LETTERBOX * (257 if pixels.dtype == np.uint16 else 1)
        field = laid.forward(pixels.astype(np.float32), "field", middle)
        return np.rint(field).astype(pixels.dtype).transpose(2, 0, 1).copy(), laid
    pixels, (height, width) = _of_channels(pixels, channels), laid.canvas
    if how == "crop":
        image, (tall, wide) = four.image_of(pixels), _cropped(*laid.picture, laid.canvas)
        left, top = (image.width - wide) / 2, (image.height - tall) / 2
        pixels = four.pixels_of(resized(image, width, height, (left, top, image.width - left, image.height - top)))
    elif how == "letterbox":
        tall, wide = (round(own * by) for own, by in zip(pixels.shape, laid.scale, strict=False))
        top, left = map(int, laid.offset)
        inner, pixels = pixels, np.full((height, width, pixels.shape[2]), LETTERBOX, np.uint8)
        pixels[top : top + tall, left : left + wide] = _whole(inner, tall, wide, shrink)
    else:
        pixels = _whole(pixels, height, width, shrink)
    return _planes(pixels, channels), laid


def _whole(pixels: Pixels, height: int, width: int, shrink: Shrink | None) -> Pixels:
    """All of a picture at another size."""
    if shrink and height <= pixels.shape[0] and width <= pixels.shape[1]:
        return shrink(pixels, height, width)
    image = four.image_of(pixels)
    return four.pixels_of(resized(image, width, height, (0, 0, image.width, image.height)))


def laid_of(height: int, width: int, size: Size, how: Resize) -> Laid:
    """How a picture lies on a canvas of `size`."""
    down, across = canvas = sides(size)
    if how == "squash":
        return Laid((height, width), canvas, (down / height, across / width))
    if how == "crop":
        tall, wide = _cropped(height, width, canvas)
        scale = down / tall if tall == height else across / wide
        cut = (-(height - tall) / 2 * scale, -(width - wide) / 2 * scale)
        return Laid((height, width), canvas, (scale, scale), cut)
    if height * across >= width * down:
        tall, wide = down, max(1, round(down * width / height))
    else:
        tall, wide = max(1, round(across * height / width)), across
    return Laid((height, width), canvas, (tall / height, wide / width), ((down - tall) // 2, (across - wide) // 2))


def _cropped(height: int, width: int, canvas: tuple[int, int]) -> tuple[float, float]:
    """Height and width of the largest part of a picture that has the canvas's form: one of the two is the picture's."""
    down, across = canvas
    return (height, height * across / down) if height * across <= width * down else (width * down / across, width)


def planes(pixels: Pixels, channels: int) -> Pixels:
    """uint8 (height, width, 1 or 3) -> uint8 (channels, height, width): the picture at its own size."""
    if _layered(pixels, channels):
        return np.array(np.broadcast_to(pixels.transpose(2, 0, 1), (channels, *pixels.shape[:2])))
    return _planes(_of_channels(pixels, channels), channels)


def _layered(pixels: Array, channels: int) -> bool:
    """Whether they are layers of a kind, and no picture as Pillow knows it."""
    return channels not in (1, 3) or pixels.dtype != np.uint8


def _of_channels(pixels: Pixels, channels: int) -> Pixels:
    """In grey where one channel is wanted."""
    return four.pixels_of(four.image_of(pixels).convert("L")) if channels < pixels.shape[2] else pixels


def _planes(pixels: Pixels, channels: int) -> Pixels:
    values = pixels.transpose(2, 0, 1)
    return np.array(np.broadcast_to(values, (channels, *values.shape[1:])), order="C")


def tiles(height: int, width: int, size: Size, context: int, step: Size) -> list[Laid]:
    """Canvases of `size` that answer together for each pixel of a picture once, each for a part of the size `step`.

    Those begin `context` pixels from the canvas's border: Ronneberger et al. 2015, Figure 2.
    """
    down, across = sides(step)
    return [
        Laid((height, width), sides(size), (1.0, 1.0), (context - top, context - left), context)
        for top in range(0, height, down)
        for left in range(0, width, across)
    ]


def cut(picture: Array, laid: Laid) -> Array:
    """The part of a picture (channels, height, width) on a canvas of its own scale, mirrored beyond its borders."""
    down, across = (
        _mirrored(np.arange(side) - int(at), own)
        for side, at, own in zip(laid.canvas, laid.offset, picture.shape[1:], strict=True)
    )
    return np.ascontiguousarray(picture[:, down[:, None], across])


def _mirrored(places: Array, own: int) -> Array:
    """Where 0 .. own - 1 continues to and fro, without its ends twice."""
    period = max(1, 2 * (own - 1))
    places = places % period
    return np.asarray(np.minimum(places, period - places))


def ten_crops(canvas: Pixels, laid: Laid, size: Size) -> list[tuple[Pixels, Laid]]:
    """The four corners and the centre of a canvas, and all of them mirrored: Krizhevsky et al. 2012, section 4.1."""
    height, width = sides(size)
    low, right = canvas.shape[1] - height, canvas.shape[2] - width
    looks = []
    for top, left in ((0, 0), (0, right), (low, 0), (low, right), (low // 2, right // 2)):
        down, across = laid.offset[0] - top, laid.offset[1] - left
        crop = np.ascontiguousarray(canvas[:, top : top + height, left : left + width])
        looks.append((crop, Laid(laid.picture, (height, width), laid.scale, (down, across))))
        turned = Laid(laid.picture, (height, width), (laid.scale[0], -laid.scale[1]), (down, width - across))
        looks.append((np.ascontiguousarray(crop[:, :, ::-1]), turned))
    return looks
