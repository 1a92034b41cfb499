"""Random changes of pictures, drawn per sample as a pure function of (seed, epoch, sample).

The geometry of a sample is an affine map, perhaps bent, and one look-up, its colour one 3x3 matrix: a picture
changes the same way whatever batch, worker or process it is in. Geometry moves the parts of a sample's targets
too, each by its kind; colour is the picture's own. `grid_sample` does not antialias, which is why pictures are
shrunk to the canvas before.
"""

import dataclasses
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from striate.base.options import Range
from striate.base.randomness import draws, normals
from striate.base.units import Size, sides
from striate.data import operations
from striate.data.feed import Batch
from striate.data.picture.laid import Kind
from striate.data.preprocess import LUMA, Measured, Preprocess, larger, scaled

Draws = npt.NDArray[np.float64]
Share = Annotated[float, Range(0, least=0, most=1)]
Alpha = Annotated[float, Range(0, least=0, most=10)]
Magnitude = Annotated[int, Range(0, least=0, most=operations.MOST)]


@dataclass(frozen=True)
class Augment:
    """How far pictures may change; every default is "not at all"."""

    mirror: bool = False
    flip: bool = False
    rotate: Annotated[float, Range(0, least=0, most=180)] = 0.0
    """Degrees, at most, either way."""
    scale: Annotated[float, Range(0, least=0, most=0.9)] = 0.0
    """Relative change of size, at most."""
    shift: Share = 0.0
    """Share of height and of width, at most, with fractions of a pixel."""
    pad: Share = 0.0
    """Padded crop: whole pixels, as a share of height and of width (4 of 32 pixels: 0.125)."""
    crop: Annotated[float, Range(0.01, least=0.01, most=1)] = 1.0
    """Random resized crop: least share of the area; of the canvas's own form, made up to a third wider or higher."""
    elastic: Annotated[float, Range(0, least=0, most=0.5)] = 0.0
    """Ronneberger et al. 2015, section 3.1: displacements on a grid of 3x3, bicubic between; normal numbers of this
    deviation as a share of the shorter side (their 10 of 512 pixels: 0.02)."""
    operations: Annotated[int, Range(0, least=0, most=10)] = 0
    """Cubuk et al. 2020: N, how many operations are drawn of the table of `operations`."""
    magnitude: Magnitude | None = None
    """Cubuk et al. 2020: M, how far each goes; None: each draws its own from a wider range, Müller and Hutter 2021."""
    brightness: Share = 0.0
    contrast: Share = 0.0
    saturation: Share = 0.0
    hue: Annotated[float, Range(0, least=0, most=0.5)] = 0.0
    """Turn of the colour circle in the YIQ plane, 0.5 being half a turn."""
    colour_noise: Share = 0.0
    """Krizhevsky et al. 2012, section 4.1: along the principal components of the training pictures'
    colours, by a normal number of this deviation times the eigenvalue, for values in 0..1."""
    erase: Share = 0.0
    """Zhong et al. 2020: the chance that a rectangle of 2 to 33 % of the area is set to the mean."""
    mixup: Alpha = 0.0
    """Zhang et al. 2018: alpha of the Beta distribution of the weight."""
    cutmix: Alpha = 0.0
    """Yun et al. 2019: alpha; with mixup as well, each is used in half of the draws."""

    @property
    def mixes(self) -> bool:
        return bool(self.mixup or self.cutmix)


PRESETS: Mapping[str, Augment] = types.MappingProxyType({
    "none": Augment(),
    "light": Augment(mirror=True, rotate=10, scale=0.1, shift=1 / 16),
    "standard": Augment(mirror=True, crop=0.35, brightness=0.2, contrast=0.2, saturation=0.2),
    "strong": Augment(
        mirror=True, crop=0.2, rotate=10, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.05,
        colour_noise=0.1, erase=0.25, mixup=0.2, cutmix=1.0,
    ),
    # what microscope pictures need, by Ronneberger et al. 2015: shift, rotation, deformation, grey values
    "elastic": Augment(
        mirror=True, flip=True, rotate=180, shift=1 / 16, elastic=0.02, brightness=0.2, contrast=0.2,
    ),
    # as the papers trained on ImageNet: mirrored, and 8 to 100 % of the area, before what they draw
    "randaugment": Augment(mirror=True, crop=0.08, operations=2, magnitude=9),
    "trivialaugment": Augment(mirror=True, crop=0.08, operations=1),
})  # fmt: skip


def preset(name: str, **values: Any) -> Augment:
    """A preset with single values replaced; `None` keeps the preset's."""
    return dataclasses.replace(PRESETS[name], **{key: value for key, value in values.items() if value is not None})


def canvas_for(augment: Augment, preprocess: Preprocess) -> Preprocess:
    """A random resized crop is cut from a larger canvas; a tile's has as much more around it."""
    if augment.crop == 1:
        return preprocess
    height, width = larger(preprocess.sides)
    if preprocess.resize != "tiles":
        return dataclasses.replace(preprocess, size=(height, width))
    own = preprocess.sides
    around = (max(height - own[0], width - own[1]) + 1) // 2
    size = (own[0] + 2 * around, own[1] + 2 * around)
    return dataclasses.replace(preprocess, size=size, context=preprocess.context + around)


@dataclass(frozen=True)
class Augmenter:
    """Applies an Augment to training pictures; built once per training."""

    augment: Augment
    size: Size
    """Of the canvas that the network sees."""
    measured: Measured
    seed: int
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    """What geometry does to each part of the targets; one that is not named stays."""

    def __call__(self, batch: Batch, epoch: int) -> Batch:
        """uint8 canvases (n, channels, h, w) -> float32 in 0..1, (n, channels, *sides(size)).

        Parts of the targets, (n, h, w) or (n, k, h, w), move as the picture does. Erased is what
        has the mean of the training pictures, which is nothing once it is normalised.
        """
        values, targets = scaled(batch.pictures), batch.targets
        if self.augment != Augment():
            numbers = draws(self.seed, "augment", epoch, batch.indices, _COLUMNS)
            if _moves(self.augment) or values.shape[-2:] != sides(self.size):
                grid = self._grid(numbers, batch, epoch)
                values = _bilinear(values, grid)
                targets = {name: _moved(part, name, self.kinds.get(name), grid) for name, part in targets.items()}
            values, targets = self._operated(values, targets, batch, epoch)
            values = _colour(self.augment, self.measured, values, numbers)
            if self.augment.erase:
                values = _erase(self.augment, self.measured, values, numbers)
        return dataclasses.replace(batch, pictures=values, targets=targets)

    def _operated(
        self, values: Tensor, targets: Mapping[str, Tensor], batch: Batch, epoch: int
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Pictures, in place, and parts after the operations drawn for each; outside they have the mean colour."""
        count, magnitude, size = self.augment.operations, self.augment.magnitude, sides(self.size)
        mean = torch.tensor(self.measured.mean, device=values.device).view(1, -1, 1, 1)
        for which, far in operations.drawn(count, magnitude, size, self.seed, epoch, batch.indices):
            for rows in operations.parts(np.flatnonzero(np.isin(which, operations.GEOMETRY)), size):
                at = torch.from_numpy(rows).to(values.device)
                affine = torch.from_numpy(operations.affine(which[rows], far[rows], size)).to(values.device)
                grid = functional.affine_grid(affine, [len(rows), 1, *size], align_corners=False)
                inside = functional.grid_sample(values[at].sub_(mean), grid, padding_mode="zeros", align_corners=False)
                values[at] = inside.add_(mean).clamp_(0, 1)
                targets = {
                    name: part.index_copy(0, at, _moved(part[at], name, self.kinds.get(name), grid))
                    for name, part in targets.items()
                }
            operations.levels(values, which, far)
        return values, targets

    def _grid(self, numbers: Draws, batch: Batch, epoch: int) -> Tensor:
        """For each pixel of the output its place in the canvas, (x, y) in -1..1 edge to edge: (n, height, width, 2)."""
        size, device = sides(self.size), batch.pictures.device
        affine = _affine(self.augment, numbers, size)
        grid = functional.affine_grid(torch.from_numpy(affine).to(device), [len(affine), 1, *size], align_corners=False)
        if self.augment.elastic:
            drawn = normals(self.seed, "elastic", epoch, batch.indices, (2, 3, 3))
            drawn *= np.array([min(size) / size[1], min(size) / size[0]], np.float32)[:, None, None]
            # they displace the output's places: the map takes them to the canvas
            moved = (affine[:, :, :2, None, None] * (2 * self.augment.elastic * drawn)[:, None]).sum(2)
            grid += functional.interpolate(
                torch.from_numpy(moved).to(device), size, mode="bicubic", align_corners=True
            ).permute(0, 2, 3, 1)
        return grid

    @property
    def mixes(self) -> bool:
        """Whether a picture is mixed with its partner, the next one of its batch."""
        return self.augment.mixes

    def mix(self, values: Tensor, partners: Tensor, samples: npt.NDArray[Any], epoch: int) -> tuple[Tensor, Tensor]:
        """Two batches (n, channels, h, w) -> the mixed batch and each picture's own weight (n,)."""
        numbers = draws(self.seed, "mix", epoch, samples, 4)
        cut = np.full(len(samples), self.augment.cutmix > 0)
        if self.augment.mixup and self.augment.cutmix:
            cut = numbers[:, 0] < 0.5
        alpha = np.where(cut, self.augment.cutmix, self.augment.mixup)
        own = _beta_quantile(numbers[:, 1], alpha)
        height, width = values.shape[-2:]
        top, left, bottom, right = _rectangle(
            np.sqrt(1 - own), np.sqrt(1 - own), numbers[:, 2], numbers[:, 3], height, width
        )
        box = _boxes(top, left, bottom, right, height, width).to(values.device) & _column(cut, values).bool()
        area = (bottom - top) * (right - left) / (height * width)
        weight = np.where(cut, 1 - area, own)
        share = _column(np.where(cut, 1.0, own), values)
        mixed = torch.where(box, partners, share * values + (1 - share) * partners)
        return mixed, torch.as_tensor(weight, dtype=values.dtype, device=values.device)


# One column per choice, so that turning one change on leaves the draws of the others as they were.
(_MIRROR, _FLIP, _ROTATE, _SCALE, _SHIFT_X, _SHIFT_Y, _PAD_X, _PAD_Y, _CROP_AREA, _CROP_RATIO, _CROP_X, _CROP_Y,
 _BRIGHTNESS, _CONTRAST, _SATURATION, _HUE) = range(16)  # fmt: skip
# noise takes 6 uniform numbers for 3 normal ones, erasing takes 5
_NOISE, _ERASE, _COLUMNS = 16, 22, 32


def _moves(augment: Augment) -> bool:
    """Whether the geometry changes at all."""
    changes = ("mirror", "flip", "rotate", "scale", "shift", "pad", "elastic")
    return augment.crop < 1 or any(getattr(augment, name) for name in changes)


def _either_way(numbers: Draws, most: float | Draws) -> Draws:
    return (2 * numbers - 1) * most


def _affine(augment: Augment, numbers: Draws, size: Size) -> npt.NDArray[np.float32]:
    """The map from places in the output to places in the canvas, both in -1..1: shape (n, 2, 3)."""
    tall, wide = sides(size)
    angle = np.radians(_either_way(numbers[:, _ROTATE], augment.rotate))
    zoom = 1 / (1 + _either_way(numbers[:, _SCALE], augment.scale))
    across = np.where(augment.mirror & (numbers[:, _MIRROR] < 0.5), -1.0, 1.0)
    down = np.where(augment.flip & (numbers[:, _FLIP] < 0.5), -1.0, 1.0)
    area = augment.crop + (1 - augment.crop) * numbers[:, _CROP_AREA]
    # a large area leaves less freedom: cutting off a side that is too long would give less than the least area
    ratio = np.exp(_either_way(numbers[:, _CROP_RATIO], np.minimum(math.log(4 / 3), -np.log(area))))
    width, height = np.sqrt(area * ratio), np.sqrt(area / ratio)
    pad_x, pad_y = (_padding(numbers[:, at], augment.pad, side) for at, side in ((_PAD_X, wide), (_PAD_Y, tall)))
    move_x = _either_way(numbers[:, _SHIFT_X], 2 * augment.shift) + 2 * pad_x / wide
    move_y = _either_way(numbers[:, _SHIFT_Y], 2 * augment.shift) + 2 * pad_y / tall
    centre_x = _either_way(numbers[:, _CROP_X], 1.0) * (1 - width) + move_x
    centre_y = _either_way(numbers[:, _CROP_Y], 1.0) * (1 - height) + move_y
    cosine, sine = np.cos(angle) * zoom, np.sin(angle) * zoom
    # a turn is one of pixels, of which -1..1 has more along the longer side
    rows = np.array([
        [across * cosine * width, -down * sine * width * (tall / wide), centre_x],
        [across * sine * height * (wide / tall), down * cosine * height, centre_y],
    ])  # fmt: skip
    return rows.transpose(2, 0, 1).astype(np.float32)


def _padding(numbers: Draws, share: float, side: int) -> Draws:
    """Whole pixels either way, up to a share of a side."""
    most = round(share * side)
    return np.asarray(np.floor((2 * most + 1) * numbers) - most)


def _bilinear(values: Tensor, grid: Tensor) -> Tensor:
    """Beyond the edge the edge goes on."""
    return functional.grid_sample(values, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _nearest(ids: Tensor, grid: Tensor) -> Tensor:
    """The whole number under each place, by its index: no float ever holds it."""
    height, width = ids.shape[-2:]
    column, row = ((grid + 1) / 2 * grid.new_tensor((width, height))).floor().long().unbind(-1)
    places = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).flatten(1)[:, None]
    return ids.flatten(2).gather(2, places.expand(-1, ids.shape[1], -1)).view(*ids.shape[:2], *grid.shape[1:3])


def _moved(part: Tensor, name: str, kind: Kind | None, grid: Tensor) -> Tensor:
    """A part of the targets as its picture moves; outside the canvas a mask is -1, any other part 0."""
    if kind in (None, "number"):
        return part
    layers = part.reshape(len(part), -1, *part.shape[-2:])
    moved = {"ids": _nearest, "field": _bilinear}[kind](layers, grid)
    inside = ((grid >= -1) & (grid < 1)).all(-1)[:, None]
    return torch.where(inside, moved, -1 if name == "mask" else 0).reshape(*part.shape[:-2], *grid.shape[1:3])


def _colour(augment: Augment, measured: Measured, values: Tensor, numbers: Draws) -> Tensor:
    """Brightness, contrast, saturation, hue and PCA noise, in place where it can be; values stay in 0..1."""
    if not any((augment.brightness, augment.contrast, augment.saturation, augment.hue, augment.colour_noise)):
        return values
    colour = values.shape[1] == 3
    if augment.brightness:
        values.mul_(_column(1 + _either_way(numbers[:, _BRIGHTNESS], augment.brightness), values))
    if augment.contrast:
        luma = torch.tensor(LUMA if colour else (1 / values.shape[1],) * values.shape[1], device=values.device).view(
            1, -1, 1, 1
        )
        level = (values * luma).sum(1, keepdim=True).mean((2, 3), keepdim=True)
        factor = _column(1 + _either_way(numbers[:, _CONTRAST], augment.contrast), values)
        values.sub_(level).mul_(factor).add_(level)
    if colour and (augment.saturation or augment.hue):
        matrices = _colour_matrices(
            1 + _either_way(numbers[:, _SATURATION], augment.saturation),
            2 * np.pi * _either_way(numbers[:, _HUE], augment.hue),
        )
        values = torch.einsum("nij,njhw->nihw", torch.from_numpy(matrices).to(values), values)
    if colour and augment.colour_noise:
        strengths, directions = np.linalg.eigh(np.array(measured.covariance))
        normal = _normal(numbers[:, _NOISE : _NOISE + 3], numbers[:, _NOISE + 3 : _NOISE + 6])
        moved = (augment.colour_noise * normal * np.clip(strengths, 0, None)) @ directions.T
        values.add_(torch.from_numpy(moved).to(values)[:, :, None, None])
    return values.clamp_(0.0, 1.0)


def _colour_matrices(saturation: npt.NDArray[np.float64], turn: npt.NDArray[np.float64]) -> Draws:
    """RGB -> YIQ, turn and stretch the I-Q plane, back: shape (n, 3, 3)."""
    to_yiq = np.array([LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
    plane = np.zeros((len(turn), 3, 3))
    plane[:, 0, 0] = 1
    plane[:, 1, 1] = plane[:, 2, 2] = saturation * np.cos(turn)
    plane[:, 1, 2], plane[:, 2, 1] = -saturation * np.sin(turn), saturation * np.sin(turn)
    return np.asarray(np.linalg.inv(to_yiq) @ plane @ to_yiq)


def _erase(augment: Augment, measured: Measured, values: Tensor, numbers: Draws) -> Tensor:
    """A rectangle of the mean colour."""
    height, width = values.shape[-2:]
    chance, area, ratio, y, x = (numbers[:, _ERASE + place] for place in range(5))
    area = 0.02 + 0.31 * area
    ratio = np.exp(_either_way(ratio, math.log(10 / 3))) * (width / height)  # of shares, where the paper's is of pixels
    tall, wide = np.minimum(np.sqrt(area * ratio), 1), np.minimum(np.sqrt(area / ratio), 1)
    box = _boxes(*_rectangle(tall, wide, y, x, height, width), height, width).to(values.device)
    mean = torch.tensor(measured.mean, device=values.device).view(1, -1, 1, 1)
    return torch.where(box & _column(chance < augment.erase, values).bool(), mean, values)


def _rectangle(
    tall: Draws, wide: Draws, y: Draws, x: Draws, height: int, width: int
) -> tuple[Draws, Draws, Draws, Draws]:
    """Top, left, bottom, right in whole pixels of rectangles inside the picture."""
    rows, columns = np.rint(tall * height), np.rint(wide * width)
    top, left = np.floor(y * (height - rows + 1)), np.floor(x * (width - columns + 1))
    return top, left, top + rows, left + columns


def _boxes(top: Draws, left: Draws, bottom: Draws, right: Draws, height: int, width: int) -> Tensor:
    """True inside each rectangle: shape (n, 1, height, width)."""
    y, x = np.arange(height)[None, :], np.arange(width)[None, :]
    inside_y = (y >= top[:, None]) & (y < bottom[:, None])
    inside_x = (x >= left[:, None]) & (x < right[:, None])
    return torch.from_numpy(inside_y[:, None, :, None] & inside_x[:, None, None, :])


def _column(numbers: npt.NDArray[Any], like: Tensor) -> Tensor:
    """One number per picture, ready to multiply a batch: shape (n, 1, 1, 1)."""
    return torch.as_tensor(numbers, dtype=like.dtype, device=like.device).view(-1, 1, 1, 1)


def _normal(first: Draws, second: Draws) -> Draws:
    """Box and Muller 1958: standard normal numbers from two uniform ones."""
    return np.asarray(np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second))


def _beta_quantile(uniform: Draws, alpha: Draws) -> Draws:
    from scipy.stats import beta

    return np.asarray(beta.ppf(uniform, np.maximum(alpha, 1e-3), np.maximum(alpha, 1e-3)))
