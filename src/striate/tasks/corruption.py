"""What is done to a picture that a network is to restore: noises, in units of 0..1, and holes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from striate.base.options import Range
from striate.base.randomness import generators, normals
from striate.data.picture.laid import Array
from striate.data.samples import Indices, Keys

HoleKind = Literal["boxes", "strokes", "centre"]
NoiseKind = Literal["gaussian", "salt-and-pepper", "poisson", "speckle"]
# How strong each may be, and is where nothing is said: a deviation, a share of the pixels, photons at 1, a deviation.
NOISES: Mapping[str, Range] = MappingProxyType({
    "gaussian": Range(0.3, least=0.001, most=10),
    "salt-and-pepper": Range(0.1, least=0.0001, most=1),
    "poisson": Range(30, least=0.1, most=1e6),
    "speckle": Range(0.3, least=0.001, most=10),
})  # fmt: skip
# Pieces of a hole that are tried before it is left smaller than asked for.
MOST_PIECES = 1000


def noisy(pictures: Tensor, kind: NoiseKind, strength: float, seed: int, epoch: int, samples: Indices | Keys) -> Tensor:
    """Pictures (n, c, h, w) with noise that (seed, epoch, sample) decides; values may leave 0..1.

    "salt-and-pepper" turns a share of the pixels black or white, all channels of one together; "poisson" counts
    photons, `strength` of them on average where a picture is 1; "speckle" is in proportion to the picture. A grey
    picture in several channels stays grey: noise of its own in each could be averaged away.
    """
    found = _noisy(pictures, kind, strength, seed, epoch, samples)
    grey = (pictures == pictures[:, :1]).flatten(1).all(1)
    return torch.where(grey[:, None, None, None], found[:, :1], found)


def _noisy(
    pictures: Tensor, kind: NoiseKind, strength: float, seed: int, epoch: int, samples: Indices | Keys
) -> Tensor:
    shape = tuple(pictures.shape[1:])
    if kind == "poisson":
        expected = pictures.cpu().double().clamp_min(0).mul(strength).numpy()
        sources = generators(seed, "noise", epoch, samples)
        counted = np.stack([source.poisson(each) for source, each in zip(sources, expected, strict=True)])
        return torch.from_numpy(counted / strength).to(pictures)
    if kind == "salt-and-pepper":
        sources = generators(seed, "noise", epoch, samples)
        drawn = torch.from_numpy(np.stack([source.random((1, *shape[1:]), np.float32) for source in sources]))
        drawn = drawn.to(pictures.device)
        return torch.where(drawn < strength, (drawn < strength / 2).to(pictures), pictures)
    noise = torch.from_numpy(normals(seed, "noise", epoch, samples, shape)).to(pictures.device).mul_(strength)
    return noise.add_(pictures) if kind == "gaussian" else noise.add_(1).mul_(pictures)


def holes(kind: HoleKind, share: float, pictures: Tensor, seed: int, epoch: int, samples: Indices | Keys) -> Tensor:
    """1 where a picture is hidden and 0 elsewhere, (n, 1, h, w): what (seed, epoch, sample) decides.

    "boxes" and "strokes" are drawn until they hide at least that share; "centre" is one box of that share.
    """
    height, width = pictures.shape[-2:]
    made = np.zeros((len(pictures), 1, height, width), np.float32)
    for own, source in zip(made[:, 0], generators(seed, "holes", epoch, samples), strict=True):
        if kind == "centre":
            rows, columns = (max(1, round(side * share**0.5)) for side in (height, width))
            _fill(own, (height - rows) // 2, (width - columns) // 2, rows, columns)
            continue
        for _ in range(MOST_PIECES):
            (_box if kind == "boxes" else _stroke)(own, share, source)
            if own.mean() >= share:
                break
    return torch.from_numpy(made).to(pictures.device)


def _fill(hole: Array, top: int, left: int, rows: int, columns: int) -> None:
    hole[max(top, 0) : top + rows, max(left, 0) : left + columns] = 1


def _box(hole: Array, share: float, source: np.random.Generator) -> None:
    """A box with sides of a quarter to three quarters of those that one box of all the share would have.

    It may stick out, so that every pixel is as likely to be hidden.
    """
    size, place = source.random((2, 2))
    rows, columns = (
        max(1, round(side * share**0.5 * by)) for side, by in zip(hole.shape, 0.25 + size / 2, strict=True)
    )
    top, left = (
        int(at * (side + own - 1)) - own + 1 for at, side, own in zip(place, hole.shape, (rows, columns), strict=True)
    )
    _fill(hole, top, left, rows, columns)


def _stroke(hole: Array, share: float, source: np.random.Generator) -> None:
    """A brush that wanders: each step goes as far as it is thick and turns a little."""
    side = max(1, round(min(hole.shape) * share**0.5 * (0.05 + 0.15 * source.random())))
    place, angle = source.random(2) * hole.shape, 2 * np.pi * source.random()
    for turn in source.normal(0, 0.4, int(source.integers(4, 16))):
        top, left = (int(at - side / 2) for at in place)
        _fill(hole, top, left, side, side)
        angle += turn
        place = np.clip(place + side * np.array([np.sin(angle), np.cos(angle)]), 0, np.array(hole.shape) - 0.5)
