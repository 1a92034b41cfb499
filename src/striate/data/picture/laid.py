"""How a picture lies on its canvas, and how what belongs to it goes there and back."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]
# What geometry does to a part of a picture's targets: it stays, goes to the nearest pixel, is interpolated, or
# moves by its corners.
Kind = Literal["number", "ids", "field", "boxes"]
Pair = tuple[float, float]


@dataclass(frozen=True)
class Laid:
    """A place p of the picture lies at scale * p + offset on the canvas: (down, across), from edges, in pixels.

    `picture` and `canvas` are (height, width). A negative scale is a mirrored side. The outer `context` pixels of
    the canvas are seen but not answered for.
    """

    picture: tuple[int, int]
    canvas: tuple[int, int]
    scale: Pair
    offset: Pair = (0.0, 0.0)
    context: int = 0

    @classmethod
    def itself(cls, height: int, width: int) -> "Laid":
        """A picture that is its own canvas."""
        return cls((height, width), (height, width), (1.0, 1.0))

    def forward(self, part: Array, kind: Kind, outside: float = 0) -> Array:
        """A part in the picture's own pixels, as it lies on the canvas; `outside` where no picture is.

        "ids" (height, width) of whole numbers; "field" (height, width) or (height, width, k), float32;
        "boxes" (n, 4) as (left, top, right, bottom).
        """
        return _moved(part, kind, self.canvas, self.scale, self.offset, outside)

    def back(self, part: Array, kind: Kind, outside: float = 0) -> Array:
        """A part on the canvas, of the canvas's size or, where there is context, of what is inside it, in the
        picture's own pixels; `outside` where the canvas did not reach."""
        scale = (1 / self.scale[0], 1 / self.scale[1])
        down, across = ((self.context - at) * by for at, by in zip(self.offset, scale, strict=True))
        return _moved(part, kind, self.picture, scale, (down, across), outside)

    def shows(self) -> tuple[float, float, float, float]:
        """The part of the picture that the canvas shows: (top, left, bottom, right) in its own pixels."""
        (top, bottom), (left, right) = (
            sorted(((0 - at) / by, (side - at) / by))
            for at, by, side in zip(self.offset, self.scale, self.canvas, strict=True)
        )
        height, width = self.picture
        return max(0.0, top), max(0.0, left), min(float(height), bottom), min(float(width), right)


def _moved(part: Array, kind: Kind, shape: tuple[int, int], scale: Pair, offset: Pair, outside: float) -> Array:
    if kind == "number":
        return part
    if kind == "boxes":
        corners = part * np.tile(scale[::-1], 2) + np.tile(offset[::-1], 2)
        low, high = np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])
        return np.concatenate([low, high], 1)
    if kind == "ids":
        return _nearest(part, shape, scale, offset, outside)
    layers = part[..., None] if part.ndim == 2 else part
    moved = np.stack([_interpolated(layers[..., k], shape, scale, offset, outside) for k in range(layers.shape[2])], -1)
    return moved[..., 0] if part.ndim == 2 else moved


def _nearest(part: Array, shape: tuple[int, int], scale: Pair, offset: Pair, outside: float) -> Array:
    """The value under the centre of each pixel."""
    rows, columns = (
        np.floor((np.arange(side) + 0.5 - at) / by).astype(np.int64)
        for side, by, at in zip(shape, scale, offset, strict=True)
    )
    height, width = part.shape[:2]
    moved = part[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))]
    moved[(rows < 0) | (rows >= height)] = outside
    moved[:, (columns < 0) | (columns >= width)] = outside
    return np.asarray(moved)


def _interpolated(layer: Array, shape: tuple[int, int], scale: Pair, offset: Pair, outside: float) -> Array:
    """Bilinear, antialiased where it shrinks: the same filter as for the picture, without rounding to bytes."""
    moved = np.full(shape, outside, np.float32)
    if scale[0] < 0:
        layer, scale, offset = layer[::-1], (-scale[0], scale[1]), (offset[0] + scale[0] * layer.shape[0], offset[1])
    if scale[1] < 0:
        layer, scale, offset = layer[:, ::-1], (scale[0], -scale[1]), (offset[0], offset[1] + scale[1] * layer.shape[1])
    ends = []
    for side, own, by, at in zip(shape, layer.shape, scale, offset, strict=True):
        first = min(max(0, math.ceil(at - 0.5)), side)
        last = max(first, min(side, math.floor(at + by * own + 0.5)))
        ends.append((first, last, max(0.0, (first - at) / by), min(float(own), (last - at) / by)))
    (top, bottom, *down), (left, right, *across) = ends
    if top < bottom and left < right:
        image = Image.fromarray(np.ascontiguousarray(layer, np.float32))
        box = (across[0], down[0], across[1], down[1])
        moved[top:bottom, left:right] = np.asarray(resized(image, right - left, bottom - top, box))
    return moved


def resized(image: Image.Image, width: int, height: int, box: tuple[float, float, float, float]) -> Image.Image:
    """The part of a picture inside `box` (left, top, right, bottom) at another size: bilinear, antialiased.

    In two passes, across and then down: in one call the order is Pillow's choice, which changed with version 13,
    and with it the last level of some pixels.
    """
    left, top, right, bottom = box
    bilinear = Image.Resampling.BILINEAR
    across = image.resize((width, image.height), bilinear, box=(left, 0, right, image.height))
    return across.resize((width, height), bilinear, box=(0, top, width, bottom))
