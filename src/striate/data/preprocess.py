"""From pixels to what the network sees: a value saved with the weights; the same object trains and serves."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from striate.base.errors import RunError

Resize = Literal["squash", "crop", "letterbox"]
Pixels = npt.NDArray[np.uint8]
# ITU-R BT.601 luma, as Pillow and JPEG weigh colours.
LUMA = (0.299, 0.587, 0.114)
LETTERBOX = 128


@dataclass(frozen=True)
class Preprocess:
    """Size, channels and way of resizing, and the mean and deviation of the training pictures.

    `mean` and `deviation` are per channel, in units of 0..1, over all pixels of all training pictures after
    resizing: one mean of one set of numbers, not an average of each picture's deviation.
    """

    size: int
    channels: int
    resize: Resize = "squash"
    mean: tuple[float, ...] = (0.5,)
    deviation: tuple[float, ...] = (0.25,)

    def canvas(self, pixels: Pixels, size: int | None = None) -> Pixels:
        """uint8 (height, width, 1 or 3) -> uint8 (channels, size, size)."""
        size = size or self.size
        if pixels.shape[2] == 3 and self.channels == 1:
            image = Image.fromarray(pixels).convert("L")
        else:
            image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        square = np.asarray(_square(image, size, self.resize))
        square = square[None] if square.ndim == 2 else square.transpose(2, 0, 1)
        return np.array(np.broadcast_to(square, (self.channels, size, size)))

    def normalise(self, pictures: Tensor) -> Tensor:
        """uint8, or float in 0..1, (n, channels, h, w) -> float32 with mean 0 and deviation 1 per channel."""
        values = pictures.float().div_(255.0) if pictures.dtype == torch.uint8 else pictures.clone()
        mean, deviation = (
            torch.tensor(each, device=values.device).view(-1, 1, 1) for each in (self.mean, self.deviation)
        )
        return values.sub_(mean).div_(deviation)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def from_dict(values: dict[str, Any]) -> Preprocess:
    """The saved value; a RunError when a key is missing or unknown."""
    try:
        if values["resize"] not in get_args(Resize):
            raise ValueError(f"resize is {values['resize']!r}")
        tuples = {name: tuple(values[name]) for name in ("mean", "deviation")}
        return Preprocess(**{**values, **tuples})
    except (KeyError, TypeError, ValueError) as error:
        raise RunError("preprocess", f"not readable ({error})", "a run made by this version of striate") from None


@dataclass(frozen=True)
class Measured:
    """Mean, deviation and covariance of colours over the pixels of a set of pictures, in units of 0..1."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]


def measure(batches: Iterable[Tensor]) -> Measured:
    """Over uint8 batches (n, channels, h, w); sums of whole numbers, so the order of batches changes no bit."""
    count = 0
    total: npt.NDArray[np.object_] | int = 0
    products: npt.NDArray[np.object_] | int = 0
    for batch in batches:
        # float64 holds sums of products of bytes exactly up to 2^53, about 1e11 pixels a batch
        values = batch.transpose(0, 1).flatten(1).double()
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


def _square(image: Image.Image, size: int, how: str) -> Image.Image:
    """Antialiased and bilinear; enlarging never rings as cubic filters do."""
    width, height = image.size
    bilinear = Image.Resampling.BILINEAR
    if how == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return image.resize((size, size), bilinear, box=(left, top, left + side, top + side))
    if how == "letterbox":
        longest = max(width, height)
        inner = (max(1, round(size * width / longest)), max(1, round(size * height / longest)))
        blank = Image.new(image.mode, (size, size), LETTERBOX if image.mode == "L" else (LETTERBOX,) * 3)
        blank.paste(image.resize(inner, bilinear), ((size - inner[0]) // 2, (size - inner[1]) // 2))
        return blank
    return image.resize((size, size), bilinear)
