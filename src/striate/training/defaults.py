"""What suits the data where a recipe is silent, each value with its reason.

Photographs and drawings in folders are looked at first: how large, how many, whether they are glyphs. Only training
pictures are, so that a test set decides nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from striate.base.units import Size, by, sides
from striate.cost.count import count
from striate.data.picture import decode
from striate.data.picture.laid import Pixels
from striate.data.samples import Indices, Samples
from striate.models.catalog import construct, find, least_size, usual_size
from striate.models.entry import Entry
from striate.models.weights import is_path
from striate.training.recipe import FOR_PICTURES, Recipe

# Sides in pixels that are tried.
SIDES = (32, 48, 64, 96, 128, 160, 192, 224)
# Multiply-adds of a whole training, forward and backward: minutes of two processor cores for so many pictures.
WORK, PICTURES = 15e12, 3000
# How much more of them a GPU does in that time.
FASTER = 40
# A larger side is worth it where it leaves so many epochs, or so many pictures seen in all.
LEAST_EPOCHS, ENOUGH_EPOCHS, MOST_EPOCHS, ENOUGH_SEEN = 15, 60, 80, 80_000
# A step learns from so many pictures; a training has at least so many steps where that lets it.
LEAST_BATCH, MOST_BATCH, STEPS = 16, 64, 3000
# A larger network needs so many training pictures.
MANY = 1000
# Up to this side in pixels pictures are small, and may be glyphs; so many of them are looked at.
SMALL, GLYPHS, LOOKED_AT = 40, 128, 256
# The share of a glyph that is dark or light.
TWO_LEVELS = 0.8
NOT_GLYPHS = "as suits photographs; --no-mirror where left and right mean different things, as in writing"


@final
@dataclass(frozen=True)
class Choice:
    """The value of a key of the recipe that nobody gave, and why it is that."""

    key: str
    value: Any
    why: str

    def __str__(self) -> str:
        return f"{self.key.replace('_', ' ')} {str(self.value).lower()}: {self.why}"


def chosen(recipe: Recipe, samples: Samples, train: Indices, gpu: bool) -> list[Choice]:
    """Network, size, epochs, batch and augmentation for classifying these pictures, where `recipe` leaves them open.

    `train` are the training pictures; `gpu`: that is what trains.
    """
    side, pictures = int(np.median(samples.known_sizes(train).min(1))), len(train)
    glyphs = _are_glyphs(samples, train)
    found = _network(recipe, side, glyphs, gpu and pictures >= MANY)
    entry, options = find(recipe.model or found[0].value), recipe.model_options
    usual = usual_size(entry, **options)
    work = 3 * pictures * _macs(entry, options, usual)  # of an epoch, forward and backward
    budget = WORK * max(1.0, pictures / PICTURES) * (FASTER if gpu else 1)

    def epochs(size: Size) -> float:
        return budget / (work * math.prod(side / usual for side in sides(size)))

    size: Size = recipe.size or usual
    if recipe.size is None and recipe.weights is None and not entry.fixed:
        rungs = [each for each in SIDES if _suits(each, side, entry, options)] or [usual]
        needed = recipe.epochs or max(LEAST_EPOCHS, min(ENOUGH_EPOCHS, ENOUGH_SEEN / pictures))
        size = max((each for each in rungs if epochs(each) >= needed), default=rungs[0])
        more = f", and {rungs[-1]} would cost {(rungs[-1] / size) ** 2:.1f} times as much" if rungs[-1] > size else ""
        found.append(Choice("size", size, f"pictures are {side} pixels at their shorter side{more}"))
    passes = recipe.epochs or round(min(max(epochs(size), LEAST_EPOCHS), MOST_EPOCHS))
    if recipe.epochs is None:
        found.append(Choice("epochs", passes, f"over {pictures:,} training pictures of {by(sides(size))}"))
    if recipe.batch is None:
        batch = 2 ** round(np.log2(pictures * passes / STEPS))
        batch = min(max(batch, LEAST_BATCH), MOST_BATCH, pictures)
        found.append(Choice("batch", batch, f"{passes * -(-pictures // batch):,} steps in all"))
    if recipe.augment is None:
        found.append(Choice("augment", "light", "turned by up to 10 degrees, shifted and scaled a little"))
    if recipe.mirror is None:
        why = "grey and of two levels, as glyphs are, which a mirror makes into others" if glyphs else NOT_GLYPHS
        found.append(Choice("mirror", not glyphs, why))
    return found


def _network(recipe: Recipe, side: int, glyphs: bool, much: bool) -> list[Choice]:
    """`much`: there are the pictures and the means for a large network."""
    if recipe.model is not None:
        return []
    if recipe.weights is not None and not is_path(recipe.weights):
        return [Choice("model", FOR_PICTURES["model"], f"a small one that has the weights {recipe.weights}")]
    if recipe.model_options:
        return [Choice("model", FOR_PICTURES["model"], "options are given, and none is named")]
    size = min(sides(recipe.size or side))
    if glyphs and recipe.size in (None, 32) and size <= SMALL and recipe.channels in (None, 1) and recipe.depth == 8:
        return [Choice("model", "lenet5", f"grey glyphs of {side} pixels, which it was made for")]
    if size <= SMALL or not much:
        why = (
            "made for pictures of 32 pixels"
            if size <= SMALL
            else "small enough for so few pictures, or for a processor"
        )
        return [Choice("model", "resnet20", why)]
    return [Choice("model", "resnet18", f"{size} pixels, and pictures enough to use them")]


def _suits(size: int, side: int, entry: Entry, options: Mapping[str, Any]) -> bool:
    """Whether a network takes this size, sees enough of it, and pictures are enlarged by a third at most."""
    least, usual = least_size(entry, **options), usual_size(entry, **options)
    takes = size >= least and (size - least) % entry.step == 0
    return takes and size <= min(2 * usual, max(4 * side / 3, SIDES[0])) and size >= min(usual / 4, side)


def _macs(entry: Entry, options: Mapping[str, Any], size: int) -> int:
    """Multiply-adds of one picture of this size, forward."""
    with torch.device("meta"):
        network = construct(entry, **options)
    return count(network, (entry.input[0], size, size), unknown="report").macs


def _are_glyphs(samples: Samples, train: Indices) -> bool:
    """Whether these are signs rather than scenes: small and grey, nearly all of each dark or light and little between.

    The pictures that are looked at are chosen by their contents, so that names and order decide nothing.
    """
    if np.median(samples.known_sizes(train).min(1)) > GLYPHS:
        return False
    looked_at = train[np.argsort(samples.keys(train))[:LOOKED_AT]]
    white = samples.white(train)
    return float(np.median([_two_levels(_pixels(samples, index, white)) for index in looked_at])) >= TWO_LEVELS


def _pixels(samples: Samples, index: int, white: int) -> Pixels:
    held = samples.read(index)
    where = samples.read.where(index)
    return decode.read(held, where, white=white).pixels if isinstance(held, bytes) else held


def _two_levels(pixels: Pixels) -> float:
    """The share of pixels in the darkest or the lightest quarter of a picture's own range; 0 of one in colour."""
    levels = pixels.astype(np.int32)
    if np.ptp(levels) == 0 or np.mean(np.ptp(levels, axis=2) > 8) > 0.01:
        return 0.0
    grey = levels[:, :, 0] - levels[:, :, 0].min()
    return float(np.mean(np.abs(2 * grey - grey.max()) >= grey.max() / 2))
