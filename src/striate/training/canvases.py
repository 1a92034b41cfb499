"""How large the canvases are, and how much of each is answered for, where the answer is a picture."""

from typing import Any

import torch
from torch import nn

from striate.base.errors import Option, UsageError
from striate.base.units import Size, by, sides
from striate.base.words import many
from striate.data.augment import PRESETS
from striate.data.picture.layers import layers_of
from striate.data.preprocess import Preprocess
from striate.data.samples import Samples
from striate.models.catalog import check_size, least_size, usual_size
from striate.models.entry import Entry
from striate.tasks.task import Task, of_pictures
from striate.training.recipe import Recipe

# Sides of tiles of the user's own scale, where pictures are larger: what two cores train on.
LEAST, MOST = 64, 256


def lost(net: nn.Module, task: Task, entry: Entry, channels: int, size: Size) -> int:
    """Pixels at each border of a canvas that the network has no answer for; on tensors without storage."""
    if not of_pictures(task):
        return 0
    maps, numbers = task.channels(channels)
    height, width = sides(size)
    answer = net.eval()(torch.empty(1, maps, height, width, device="meta"))
    net.train()
    both = (height - answer.shape[2], width - answer.shape[3]) if answer.ndim == 4 else (0, 0)
    fits = answer.ndim == 4 and tuple(answer.shape[:2]) == (1, numbers) and min(answer.shape) > 0
    if not fits or both[0] != both[1] or both[0] < 0 or both[0] % 2:
        cause = f"{entry.name} answers {by(answer.shape[1:])} of a picture of {by((height, width))}"
        raise UsageError("model", cause, "a network whose answer is a picture: autoencoder, unet_padded, unet")
    return int(both[0]) // 2


def refuse_other_ways(recipe: Recipe, task: Task) -> None:
    """A UsageError for ways of looking at a picture that have no meaning for the task."""
    if of_pictures(task):
        if recipe.resize == "crop":
            raise UsageError("resize", "crop leaves parts of a picture without an answer", "tiles, squash or letterbox")
        return
    for key, meant in (("resize", recipe.resize == "tiles"), ("context", recipe.context is not None)):
        if meant:
            raise UsageError(key, f"{getattr(recipe, key)} means nothing to the task {task.name}", "leaving it out")


def refuse_layers(recipe: Recipe, task: Task) -> None:
    """A UsageError where pictures that are answered with would be no photographs, which alone can be written, or where
    they are changed as only photographs can be."""
    if PRESETS[str(recipe.augment)].operations and layers_of(recipe.channels, recipe.depth):
        layers = f"{many(recipe.channels or 3, 'layer')} of {recipe.depth} bits"
        cause = f"{recipe.augment} changes 1 or 3 layers of 8 bits, and no {layers}"
        raise UsageError("augment", cause, (Option("augment", "standard"),))
    if of_pictures(task) and not task.masked and layers_of(recipe.channels, recipe.depth):
        key = "channels" if recipe.channels not in (1, 3) else "depth"
        cause = f"{getattr(recipe, key)}: the task {task.name} answers pictures of 1 or 3 layers of 8 bits"
        raise UsageError(key, cause, "--task classify or segment")


def blank(recipe: Recipe, entry: Entry, options: dict[str, Any], task: Task, samples: Samples, lost: int) -> Preprocess:
    """How pictures become canvases, before their colours are measured."""
    channels, resize = recipe.channels or 3, recipe.resize or "squash"
    usual = usual_size(entry, **options)
    if not of_pictures(task):
        return Preprocess(recipe.size or usual, channels, resize, depth=recipe.depth)
    if lost and recipe.context not in (None, lost):
        cause = f"{entry.name} loses {many(lost, 'pixel')} at each border"
        raise UsageError("context", cause, f"{lost}, or leaving it out")
    least, step = least_size(entry, **options), entry.step
    longest = int(samples.sizes.max(initial=1))
    size, context = recipe.size or usual, recipe.context
    if resize == "tiles" and recipe.size is None:
        around = 2 * (lost or context or 0)
        whole = least + max(0, -(-(max(longest, step) + around - least) // step)) * step
        size = min(whole, usual if lost else max(LEAST, min(usual, MOST)))
    if context is None:
        shorter, cut = min(sides(size)), bool((samples.sizes > sides(size)).any())
        around = max(step, round(shorter / 8 / step) * step)
        context = lost or (around if resize == "tiles" and cut and shorter >= 4 * around else 0)
    check_size(entry, *sides(size), **options)
    found = Preprocess(size, channels, resize, context=context, stride=step, whole=True, depth=recipe.depth)
    if min(found.answered) < 1:
        side = min(found.sides)
        cause = f"of {many(side, 'pixel')} nothing is left between {context} of context at each border"
        raise UsageError("size", cause, f"at least {side - side % step + 2 * step}, or a smaller --context")
    return found
