"""Learning rates as pure functions of the step."""

import math

from striate.training.recipe import Recipe


def highest(recipe: Recipe) -> float:
    """The highest rate of a recipe that is filled in."""
    return recipe.rate if isinstance(recipe.rate, float) else 0.0


def rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The rate of step number `step`, counted from 0, by a recipe that is filled in.

    During the warm-up it rises linearly to the highest. After it:
    cosine     falls to 0 along half a cosine (Loshchilov and Hutter 2017, without restarts)
    one-cycle  rises over 30 % of the steps and falls to 0, both along half cosines (after Smith 2018)
    step       is multiplied by `step_factor` at each of `step_epochs`
    constant   stays
    """
    most, epochs, warmup = highest(recipe), recipe.epochs or 1, recipe.warmup or 0.0
    warm = round(warmup * steps_per_epoch)
    if step < warm:
        return most * (step + 1) / warm
    total = max(1, epochs * steps_per_epoch - warm)
    share = (step - warm + 0.5) / total
    if recipe.schedule == "cosine":
        return most * _fall(share)
    if recipe.schedule == "one-cycle":
        peak = 0.3
        return most * (1 - (1 - 1 / 25) * _fall(share / peak) if share < peak else _fall((share - peak) / (1 - peak)))
    if recipe.schedule == "step":
        return most * recipe.step_factor ** sum(step >= epoch * steps_per_epoch for epoch in recipe.step_epochs)
    return most


def _fall(share: float) -> float:
    """Half a cosine from 1 at 0 to 0 at 1."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
