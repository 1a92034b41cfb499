"""From a picture to what the network sees: a value saved with the weights; the same object trains and serves."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.base import devices
from striate.base.declared import read
from striate.base.options import Range
from striate.data.picture import decode
from striate.data.picture.canvas import Resize, square, ten_crops
from striate.data.picture.laid import Laid, Pixels

# How pictures are resized. 1: in one call of Pillow, whose order of passes changed in its version 13; 2: in two.
VERSION = 2
# ITU-R BT.601 luma, as Pillow and JPEG weigh colours.
LUMA = (0.299, 0.587, 0.114)
Views = Literal["one", "ten"]
Share = Annotated[float, Range(0.5, least=0, most=1)]


@dataclass(frozen=True)
class Preprocess:
    """Size, channels and way of resizing, and the mean and deviation of the training pictures.

    `mean` and `deviation` are per channel, in units of 0..1, over all pixels of all training pictures after
    resizing: one mean of one set of numbers, not an average of each picture's deviation. `views`: a picture is
    looked at once, or in ten crops. `version` is that of the resizing it was trained with.
    """

    size: Annotated[int, Range(224, least=1, most=4096)]
    channels: Literal[1, 3]
    resize: Resize = "squash"
    mean: tuple[Share, ...] = (0.5,)
    deviation: tuple[Annotated[float, Range(0.25, least=0, most=1, open="least")], ...] = (0.25,)
    views: Views = "one"
    version: Annotated[int, Range(VERSION, least=1, most=VERSION)] = VERSION

    def looks(self, picture: bytes | Pixels, where: str = "picture") -> list[tuple[Pixels, Laid]]:
        """Each canvas, uint8 (channels, size, size), on which the network looks at a picture, and how that lies on it.

        `picture` is a file's bytes or uint8 (height, width, 1 or 3); `where` names it in a `DataError`.
        """
        canvas, laid = square(self.pixels(picture, where), self.channels, self.side, self.resize)
        return ten_crops(canvas, laid, self.size) if self.views == "ten" else [(canvas, laid)]

    def pixels(self, picture: bytes | Pixels, where: str = "picture") -> Pixels:
        """The picture's pixels, uint8 (height, width, 1 or 3); a large JPEG's at a half, a quarter or an eighth of
        its size while both sides stay at least twice what is looked at."""
        if isinstance(picture, bytes):
            return decode.read(picture, where, at_least=self.side).pixels
        return picture

    @property
    def side(self) -> int:
        """Of the square that a picture becomes: ten crops are cut from one an eighth larger, 256 for 224."""
        return larger(self.size) if self.views == "ten" else self.size

    def normalise(self, pictures: Tensor) -> Tensor:
        """uint8, or float in 0..1, (n, channels, h, w) -> float32 with mean 0 and deviation 1 per channel."""
        values = scaled(pictures) if pictures.dtype == torch.uint8 else pictures
        mean, deviation = (
            torch.tensor(each, device=values.device).view(-1, 1, 1) for each in (self.mean, self.deviation)
        )
        return values.sub(mean).div_(deviation)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def from_dict(values: Mapping[str, Any], where: str | Path) -> Preprocess:
    """The value saved in the file `where`; a RunError that names the key. Before versions were written it was 1."""
    found: Preprocess = read(Preprocess, {"version": 1, **values}, where, "preprocess")
    return found


def scaled(pictures: Tensor) -> Tensor:
    """Bytes to float32 in 0..1."""
    return pictures.float().div_(255.0)


def larger(size: int) -> int:
    """The side of a canvas from which squares of `size` are cut: an eighth more."""
    return round(size * 8 / 7)


@dataclass(frozen=True)
class Measured:
    """Mean, deviation and covariance of colours over the pixels of a set of pictures, in units of 0..1."""

    mean: tuple[Share, ...]
    deviation: tuple[Share, ...]
    covariance: tuple[tuple[Annotated[float, Range(0, least=-1, most=1)], ...], ...]


def measure(batches: Iterable[Tensor]) -> Measured:
    """Over uint8 batches (n, channels, h, w); sums of whole numbers, so the order of batches changes no bit."""
    count = 0
    total: npt.NDArray[np.object_] | int = 0
    products: npt.NDArray[np.object_] | int = 0
    for batch in batches:
        # float64 holds sums of products of bytes exactly up to 2^53, about 1e11 pixels a batch
        values = batch.transpose(0, 1).flatten(1).to(devices.exact(batch.device)).double()
        count += values.shape[1]
        total = total + np.vectorize(int, otypes=[object])(values.sum(1).cpu().numpy())
        products = products + np.vectorize(int, otypes=[object])((values @ values.T).cpu().numpy())
    mean = np.asarray(total, dtype=np.float64) / count
    covariance = np.asarray(products, dtype=np.float64) / count - np.outer(mean, mean)
    deviation = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    return Measured(
        tuple(float(value) / 255 for value in mean),
        tuple(float(max(value, 1.0)) / 255 for value in deviation),  # a constant channel is not blown up
        tuple(tuple(float(value) / 255**2 for value in row) for row in covariance),
    )
