"""Whole pictures made smaller in whole numbers: bilinear, antialiased, across and then down, each rounded to bytes.

What a weight is stands here, in numpy. torch's resizing of bytes is the same, on processors with and without vector
instructions, and three times as fast as Pillow's: it is used where it is found to give these bits.
"""

from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from striate.data.picture import four
from striate.data.picture.laid import Pixels

Weights = npt.NDArray[np.int32]
# Height and width, and those that are made of them, for which torch is tried.
_TRIED = ((300, 400, 224, 224), (97, 61, 96, 31), (40, 500, 17, 32), (33, 33, 33, 8))


def shrunk(pixels: Pixels, height: int, width: int) -> Pixels:
    """uint8 (h, w, 1 or 3) -> (height, width, 1 or 3), no side larger than it is."""
    # torch without vector instructions is wrong where one column is wanted
    fast = min(height, width) > 1 and _torch_agrees()
    return _by_torch(pixels, height, width) if fast else defined(pixels, height, width)


def defined(pixels: Pixels, height: int, width: int) -> Pixels:
    """What `shrunk` gives, slowly."""
    return _down(_down(pixels.swapaxes(0, 1), width).swapaxes(0, 1), height)


def _down(pixels: Pixels, wanted: int) -> Pixels:
    """With so many rows."""
    places, weights, bits = _weights(len(pixels), wanted)
    rows = pixels.reshape(len(pixels), -1).astype(np.int32)
    sums = np.full((wanted, rows.shape[1]), 1 << (bits - 1), np.int32)
    for place, weight in zip(places.T, weights.T, strict=True):
        sums += weight[:, None] * rows[place]
    made: Pixels = np.minimum(sums >> bits, 255).astype(np.uint8)
    return made.reshape(wanted, *pixels.shape[1:])


@lru_cache(maxsize=64)
def _weights(own: int, wanted: int) -> tuple[npt.NDArray[np.int64], Weights, int]:
    """The rows that each of the `wanted` is made of (wanted, k), what each counts in units of 2^-bits, and bits.

    A triangle as high as one row is apart from the next but one, cut at the borders: Pillow's BILINEAR. There are as
    many bits, 22 at most, as leave the largest weight below 2^15.
    """
    scale = own / wanted
    centres = scale * (np.arange(wanted) + 0.5)
    first = np.maximum((centres - scale + 0.5).astype(np.int64), 0)[:, None]
    last = np.minimum((centres + scale + 0.5).astype(np.int64), own)[:, None]
    steps = np.arange(int((last - first).max()))
    shares = np.maximum(0.0, 1.0 - np.abs((steps + (first - centres[:, None]) + 0.5) * (1 / scale)))
    shares[first + steps >= last] = 0.0
    shares /= np.cumsum(shares, 1)[:, -1:]  # one after the other: the last bit depends on it
    most = float(shares.max())
    bits = next((bits for bits in range(22) if int(0.5 + most * (1 << (bits + 1))) >= 1 << 15), 22)
    return np.minimum(first + steps, own - 1), (0.5 + shares * (1 << bits)).astype(np.int32), bits


def _by_torch(pixels: Pixels, height: int, width: int) -> Pixels:
    held = four.held_by(pixels)
    given = torch.from_numpy(held if held.flags.writeable else held.copy())  # torch warns of what it may not write
    made = interpolate(given.permute(2, 0, 1)[None], (height, width), mode="bilinear", antialias=True)
    return np.asarray(made[0, : pixels.shape[2]].permute(1, 2, 0).numpy())


@cache
def _torch_agrees() -> bool:
    """Whether this torch, on this processor, gives the bits that are defined here."""
    draw = np.random.Generator(np.random.PCG64(0))
    return all(
        np.array_equal(_by_torch(pixels, *wanted), defined(pixels, *wanted))
        for height, width, *wanted in _TRIED
        for pixels in (draw.integers(0, 256, (height, width, channels), np.uint8) for channels in (1, 3))
    )
