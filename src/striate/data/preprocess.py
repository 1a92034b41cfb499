"""From a picture to what the network sees: a value saved with the weights; the same object trains and serves."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.base import devices
from striate.base.declared import read
from striate.base.options import Range
from striate.base.units import sides
from striate.data.picture import decode, layers
from striate.data.picture.canvas import Resize, Shrink, canvas_of, cut, laid_of, planes, ten_crops, tiles
from striate.data.picture.laid import Array, Laid, Pixels
from striate.data.picture.levels import WHITE
from striate.data.picture.pixels import PIXELS
from striate.data.shrink import shrunk

# How pictures are resized. 1: in one call of Pillow, whose order of passes changed in its version 13; 2: in two;
# 3: whole ones are made smaller by `shrunk`.
TWO_PASSES, VERSION = 2, 3
# ITU-R BT.601 luma, as Pillow and JPEG weigh colours.
LUMA = (0.299, 0.587, 0.114)
Views = Literal["one", "ten"]
LARGEST = 4096  # pixels of a canvas from side to side
Side = Annotated[int, Range(224, least=1, most=LARGEST)]
Share = Annotated[float, Range(0.5, least=0, most=1)]


@dataclass(frozen=True)
class Preprocess:
    """Size, channels and way of resizing, and the mean and deviation of the training pictures.

    `size` is that of the canvas that a network sees: the side of a square, or (height, width).
    `mean` and `deviation` are per channel, in units of 0..1, over all pixels of all training pictures after
    resizing: one mean of one set of numbers, not an average of each picture's deviation. `views`: a picture is
    looked at once, or in ten crops. `version` is that of the resizing it was trained with.

    "tiles" looks at a picture in its own scale, canvas by canvas; the outer `context` pixels of each are seen, and not
    answered for. `stride` is the network's: tiles are that far apart or a multiple, so that its pools meet the same
    pixels. `whole`: the answer has the picture's size, so that no JPEG is decoded smaller. `white` is the level that is
    white in files of 16 bits, of which cameras use 10, 12 or 14.
    """

    size: tuple[Side, Side] | Side
    channels: Annotated[int, Range(3, least=1, most=layers.MOST)]
    resize: Resize = "squash"
    mean: tuple[Share, ...] = (0.5,)
    deviation: tuple[Annotated[float, Range(0.25, least=0, most=1, open="least")], ...] = (0.25,)
    views: Views = "one"
    version: Annotated[int, Range(VERSION, least=1, most=VERSION)] = VERSION
    context: Annotated[int, Range(0, least=0, most=2047)] = 0
    stride: Annotated[int, Range(1, least=1, most=4096)] = 1
    whole: bool = False
    depth: layers.Depth = 8
    white: Annotated[int, Range(WHITE, least=255, most=WHITE)] = WHITE

    def __post_init__(self) -> None:
        if self.sides[0] == self.sides[1]:  # a square has one way to be written
            object.__setattr__(self, "size", self.sides[0])

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the canvas that a network sees."""
        return sides(self.size)

    def looks(
        self, picture: decode.Given, where: str = "picture", tile: int | None = None, max_pixels: int = PIXELS
    ) -> list[tuple[Pixels, Laid]]:
        """Each canvas, uint8 (channels, height, width), on which a picture is looked at, and how it lies there.

        `picture` is a file's bytes, Pillow's picture, or uint8 (height, width, 1 or 3); `where` names it in a
        `DataError`. `tile`: only this one. `max_pixels`: the most that are read.
        """
        pixels = self.pixels(picture, where, max_pixels)
        if self.whole:
            own = planes(pixels, self.channels)
            every = self.laid(*own.shape[1:])
            return [(self.canvas(own, laid), laid) for laid in (every if tile is None else [every[tile]])]
        canvas, laid = canvas_of(pixels, self.channels, self.frame, self.resize, self._shrink)
        return ten_crops(canvas, laid, self.size) if self.views == "ten" else [(canvas, laid)]

    def laid(self, height: int, width: int) -> list[Laid]:
        """How a picture that is answered whole lies on each of its canvases."""
        if self.resize == "tiles":
            return tiles(height, width, self.size, self.context, self.answered)
        laid, around = laid_of(height, width, self.answered, self.resize), self.context
        offset = (laid.offset[0] + around, laid.offset[1] + around)
        return [Laid(laid.picture, self.sides, laid.scale, offset, around)]

    def lies(self, height: int, width: int, tile: int | None = None) -> Laid:
        """How a picture that is looked at once lies on its canvas, or on that of a tile."""
        return self.laid(height, width)[tile or 0] if self.whole else laid_of(height, width, self.frame, self.resize)

    def canvas(self, picture: Array, laid: Laid) -> Array:
        """What lies on one canvas of a picture (channels, height, width), uint8 or float32 in 0..1."""
        if self.resize == "tiles":
            return cut(picture, laid)
        pixels, size = picture.transpose(1, 2, 0), self.answered
        if picture.dtype.kind == "u":
            inner, _ = canvas_of(pixels, len(picture), size, self.resize, self._shrink)
        else:
            inner = laid_of(*laid.picture, size, self.resize).forward(pixels, "field", 0.5).transpose(2, 0, 1)
        return cut(inner, Laid(size, laid.canvas, (1.0, 1.0), (self.context, self.context)))

    @property
    def _shrink(self) -> Shrink | None:
        return shrunk if self.version > TWO_PASSES else None

    @property
    def answered(self) -> tuple[int, int]:
        """Height and width of what is answered for inside a canvas; of a tile multiples of the stride."""
        step = self.stride if self.resize == "tiles" else 1
        height, width = ((side - 2 * self.context) // step * step for side in self.sides)
        return height, width

    def pixels(self, picture: decode.Given, where: str = "picture", max_pixels: int = PIXELS) -> Pixels:
        """The picture's pixels, uint8 (height, width, 1 or 3); a large JPEG's at a half, a quarter or an eighth of
        its size while both sides stay at least twice what is looked at."""
        wanted = layers.layers_of(self.channels, self.depth)
        if wanted and not isinstance(picture, np.ndarray):
            return layers.read(picture, where, wanted, max_pixels)
        return decode.pixels_of(picture, where, None if self.whole else self.frame, max_pixels, self.white)

    @property
    def frame(self) -> tuple[int, int]:
        """Height and width that a picture is brought to: ten crops are cut from an eighth more, 256 for 224."""
        return larger(self.sides) if self.views == "ten" else self.sides

    def normalise(self, pictures: Tensor) -> Tensor:
        """uint8, or float in 0..1, (n, channels, h, w) -> float32 with mean 0 and deviation 1 per channel.

        Maps beyond the channels, which a task has added, stay as they are.
        """
        mean, deviation = (
            torch.tensor(each, device=pictures.device).view(-1, 1, 1) for each in (self.mean, self.deviation)
        )
        if not pictures.is_floating_point():  # what is made here may be changed: memory for a batch costs as much time
            return scaled(pictures).sub_(mean).div_(deviation)
        normal = pictures[:, : self.channels].sub(mean).div_(deviation)
        return normal if pictures.shape[1] == self.channels else torch.cat([normal, pictures[:, self.channels :]], 1)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@final
@dataclass(frozen=True)
class Itself:
    """A picture is looked at as it is, at its own size; `frame` is the most height and width of any."""

    channels: Annotated[int, Range(3, least=1, most=layers.MOST)]
    frame: tuple[int, int]
    views: Views = "one"
    depth: layers.Depth = 8
    white: int = WHITE

    def looks(
        self, picture: bytes | Pixels, where: str = "picture", tile: int | None = None, max_pixels: int = PIXELS
    ) -> list[tuple[Pixels, Laid]]:
        """As `Preprocess.looks`, one look: uint8 (channels, height, width)."""
        if isinstance(picture, bytes):
            wanted = layers.layers_of(self.channels, self.depth)
            if wanted:
                picture = layers.read(picture, where, wanted, max_pixels)
            else:
                picture = decode.read(picture, where, max_pixels=max_pixels, white=self.white).pixels
        own = planes(picture, self.channels)
        return [(own, Laid.itself(*own.shape[1:]))]


def from_dict(values: Mapping[str, Any], where: str | Path) -> Preprocess:
    """The value saved in the file `where`; a RunError that names the key. Before versions were written it was 1."""
    found: Preprocess = read(Preprocess, {"version": 1, **values}, where, "preprocess")
    return found


def scaled(pictures: Tensor) -> Tensor:
    """Bytes, or numbers of 16 bits, to float32 in 0..1."""
    return pictures.float().div_(white_of(pictures))


def white_of(pictures: Tensor) -> float:
    """The highest level that they can have."""
    return 65_535.0 if pictures.dtype == torch.uint16 else 255.0


def larger(sides: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a canvas from which those of these sides are cut: an eighth more."""
    height, width = (round(side * 8 / 7) for side in sides)
    return height, width


@dataclass(frozen=True)
class Measured:
    """Mean, deviation and covariance of colours over the pixels of a set of pictures, in units of 0..1."""

    mean: tuple[Share, ...]
    deviation: tuple[Share, ...]
    covariance: tuple[tuple[Annotated[float, Range(0, least=-1, most=1)], ...], ...]


def measure(batches: Iterable[Tensor]) -> Measured:
    """Over batches (n, channels, h, w) of 8 or 16 bits; sums of whole numbers: the order of batches changes no bit."""
    count, white = 0, 255.0
    total: npt.NDArray[np.object_] | int = 0
    products: npt.NDArray[np.object_] | int = 0
    for batch in batches:
        white = white_of(batch)
        # float64 holds sums exactly up to 2^53: products of so many numbers of 16 bits
        for part in torch.split(batch.transpose(0, 1).flatten(1), 2**21, 1):
            values = part.to(devices.exact(batch.device)).double()
            count += values.shape[1]
            total = total + np.vectorize(int, otypes=[object])(values.sum(1).cpu().numpy())
            products = products + np.vectorize(int, otypes=[object])((values @ values.T).cpu().numpy())
    mean = np.asarray(total, dtype=np.float64) / count
    covariance = np.asarray(products, dtype=np.float64) / count - np.outer(mean, mean)
    deviation = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    return Measured(
        tuple(float(value) / white for value in mean),
        tuple(float(max(value, 1.0)) / white for value in deviation),  # a constant channel is not blown up
        tuple(tuple(float(value) / white**2 for value in row) for row in covariance),
    )
