"""RandAugment and TrivialAugment: a few operations of fourteen for each picture, drawn from (seed, epoch, sample).

The operations are the list of Cubuk et al. 2020, section 3, which Müller and Hutter 2021 took over. All pictures of a
batch that are given the same operation are changed together. Levels are those of 8 bits, as floats in 0..1.
"""

import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.base.randomness import draws
from striate.data.preprocess import LUMA

Numbers = npt.NDArray[np.float64]

# How far each goes at most. RandAugment: at magnitude 10, Cubuk et al. 2019 (AutoAugment), Table 6. TrivialAugment: the
# "wide" space of Müller and Hutter 2021. Either way: half of the draws go in the other direction.
# operation        RandAugment  TrivialAugment  either way  in
TABLE = (
    ("identity",      0.0,         0.0,            False),
    ("auto-contrast", 0.0,         0.0,            False),
    ("equalize",      0.0,         0.0,            False),
    ("rotate",        30.0,        135.0,          True),     # degrees
    ("solarize",      1.0,         1.0,            False),    # share of the levels, the lightest first, inverted
    ("colour",        0.9,         0.99,           True),     # from a factor of 1
    ("posterize",     4.0,         6.0,            False),    # of 8 bits, those that are dropped
    ("contrast",      0.9,         0.99,           True),
    ("brightness",    0.9,         0.99,           True),
    ("sharpness",     0.9,         0.99,           True),
    ("shear-x",       0.3,         0.99,           True),     # pixels across for each pixel down
    ("shear-y",       0.3,         0.99,           True),
    ("translate-x",   150 / 331,   32.0,           True),     # share of the side; TrivialAugment: pixels
    ("translate-y",   150 / 331,   32.0,           True),
)  # fmt: skip
NAMES = tuple(name for name, *_ in TABLE)
GEOMETRY = tuple(NAMES.index(name) for name in ("rotate", "shear-x", "shear-y", "translate-x", "translate-y"))
# The largest magnitude of RandAugment (section 3), and into how many steps TrivialAugment divides its ranges.
MOST, STEPS = 10, 30
# Pixels that are changed together.
_AT_ONCE = 2**16


def drawn(
    count: int, magnitude: int | None, size: tuple[int, int], seed: int, epoch: int, samples: npt.NDArray[Any]
) -> Iterator[tuple[npt.NDArray[np.int64], Numbers]]:
    """`count` times, for each sample which operation of the table, and how far it goes, signed: both (n,).

    With a `magnitude` by RandAugment; without one each draws its own, by TrivialAugment. `size` is the canvas's.
    """
    numbers = draws(seed, "operations", epoch, samples, 3 * count)
    _, *most = zip(*TABLE, strict=True)
    rand, trivial, signed = (np.array(column, dtype=float) for column in most)
    for first in range(0, 3 * count, 3):
        which = (len(TABLE) * numbers[:, first]).astype(np.int64)
        if magnitude is None:
            far = trivial[which] * np.floor((STEPS + 1) * numbers[:, first + 1]) / STEPS
        else:
            far = rand[which] * (magnitude / MOST) * _sides(which, size)
        turned = (signed[which] > 0) & (numbers[:, first + 2] < 0.5)
        yield which, np.where(turned, -far, far)


def _sides(which: npt.NDArray[np.int64], size: tuple[int, int]) -> Numbers:
    """What a share is one of: a side in pixels, where an operation moves along it."""
    height, width = size
    across = np.where(which == NAMES.index("translate-x"), float(width), 1.0)
    return np.asarray(np.where(which == NAMES.index("translate-y"), float(height), across))


def affine(which: npt.NDArray[np.int64], far: Numbers, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """The maps of operations of `GEOMETRY` from places in the output to places in the input, both in -1..1 edge to
    edge: (n, 2, 3). A turn is one of pixels, about the middle; shearing leaves the first row or column where it is, as
    Pillow does; what is moved is so by whole pixels."""
    height, width = size
    maps = np.zeros((len(which), 2, 3))
    maps[:, 0, 0] = maps[:, 1, 1] = 1
    for row, (place, value) in enumerate(zip(which, far, strict=True)):
        name = NAMES[place]
        if name == "rotate":
            cosine, sine = np.cos(np.radians(value)), np.sin(np.radians(value))
            maps[row, :, :2] = [[cosine, -sine * height / width], [sine * width / height, cosine]]
        elif name == "shear-x":
            maps[row, 0, 1:] = value * height / width
        elif name == "shear-y":
            maps[row, 1, [0, 2]] = value * width / height
        else:
            side, axis = (width, 0) if name == "translate-x" else (height, 1)
            maps[row, axis, 2] = -2 * np.trunc(value) / side
    return maps.astype(np.float32)


def parts(rows: npt.NDArray[np.int64], size: tuple[int, int]) -> list[npt.NDArray[np.int64]]:
    """Some rows at a time: many small pictures, or a few large ones that stay in the processor's cache."""
    return np.array_split(rows, -(-len(rows) * size[0] * size[1] // _AT_ONCE)) if len(rows) else []


def levels(values: Tensor, which: npt.NDArray[np.int64], far: Numbers) -> None:
    """Changes pictures (n, 1 or 3, h, w) in 0..1, in place, by those of their operations that move no pixel."""
    for name, change in _CHANGES.items():
        rows = np.flatnonzero(which == NAMES.index(name))
        for part in parts(rows, (values.shape[2], values.shape[3])):
            at = torch.from_numpy(part).to(values.device)
            amount = torch.from_numpy(far[part]).to(values).view(-1, 1, 1, 1)
            values[at] = change(values[at], amount)


def _auto_contrast(values: Tensor, _: Tensor) -> Tensor:
    """Each channel over the whole range; one of a single level stays."""
    low, high = (each[..., None, None] for each in values.flatten(2).aminmax(dim=2))
    flat = low == high
    return values.sub_(torch.where(flat, 0.0, low)).div_(torch.where(flat, 1.0, high - low)).clamp_(0, 1)


def _equalize(values: Tensor, _: Tensor) -> Tensor:
    """Each channel's levels as often as each other, as far as whole numbers go: the arithmetic of Pillow."""
    steps = _bytes(values).flatten(2).flatten(0, 1)
    counts = torch.stack([torch.bincount(row, minlength=256) for row in steps])
    last = 255 - (counts.flip(1) > 0).int().argmax(1, keepdim=True)
    each = (steps.shape[1] - counts.gather(1, last)) // 255
    before = counts.cumsum(1) - counts
    table = ((before + each // 2) // each.clamp(min=1)).clamp(max=255)
    table = torch.where(each == 0, torch.arange(256, device=values.device), table).float() / 255
    found = [own.index_select(0, row.int()) for own, row in zip(table, steps, strict=True)]
    return torch.stack(found).view_as(values)


def _solarize(values: Tensor, share: Tensor) -> Tensor:
    return torch.where(values >= 1 - share, 1 - values, values)


def _posterize(values: Tensor, bits: Tensor) -> Tensor:
    """The upper bits of each level."""
    kept = (256 - 2 ** bits.round()).to(torch.uint8)
    return _bytes(values).bitwise_and_(kept).float().div_(255)


def _colour(values: Tensor, amount: Tensor) -> Tensor:
    return _away(_grey(values), values, amount)


def _contrast(values: Tensor, amount: Tensor) -> Tensor:
    return _away(_grey(values).mean((1, 2, 3), keepdim=True), values, amount)


def _brightness(values: Tensor, amount: Tensor) -> Tensor:
    return values.mul_(1 + amount).clamp_(0, 1)


def _sharpness(values: Tensor, amount: Tensor) -> Tensor:
    """Away from the picture smoothed by Pillow's kernel of ones about a five, or towards it; its border stays."""
    if min(values.shape[-2:]) >= 3:
        across = values[..., :-2] + values[..., 1:-1]
        across += values[..., 2:]
        smooth = across[..., :-2, :] + across[..., 1:-1, :]
        inner = values[..., 1:-1, 1:-1]
        smooth.add_(across[..., 2:, :]).add_(inner, alpha=4).div_(13)
        inner.copy_(_away(smooth, inner, amount))
    return values


def _away(without: Tensor, values: Tensor, amount: Tensor) -> Tensor:
    """From what has nothing of it, at -1, through the picture, at 0, and beyond."""
    return torch.lerp(without, values, 1 + amount).clamp_(0, 1)


def _grey(values: Tensor) -> Tensor:
    """(n, 1, h, w), by ITU-R BT.601."""
    if values.shape[1] == 1:
        return values
    red, green, blue = (values[:, place : place + 1] for place in range(3))
    return (LUMA[0] * red).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def _bytes(values: Tensor) -> Tensor:
    return values.mul(255).round_().to(torch.uint8)


_CHANGES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = types.MappingProxyType({
    "auto-contrast": _auto_contrast, "equalize": _equalize, "solarize": _solarize, "colour": _colour,
    "posterize": _posterize, "contrast": _contrast, "brightness": _brightness, "sharpness": _sharpness,
})  # fmt: skip
