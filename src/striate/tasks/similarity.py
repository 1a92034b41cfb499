"""How near one picture is to another."""

import math

import numpy as np
import torch
from torch import Tensor

from striate.data.picture.laid import Array

# An error below this is none that 8-bit pixels can tell: 100 dB.
LEAST = 1e-10
# Wang et al. 2004, section III: the window's side and deviation, and (0.01)^2 and (0.03)^2 for values of 0..1.
WINDOW, SIGMA, C1, C2 = 11, 1.5, 1e-4, 9e-4
# Numbers of one picture that are looked at together; a larger one is looked at in parts.
MOST = 2**22


def psnr(squared: Array) -> Array:
    """Peak signal-to-noise ratio in dB of mean squared errors in units of 0..1; at most 100."""
    return np.asarray(-10 * np.log10(np.maximum(squared, LEAST)))


def ssim(one: Tensor, other: Tensor) -> Tensor:
    """Structural similarity of pictures (n, c, h, w) in units of 0..1: Wang et al. 2004; at most 1, (n,).

    The mean over channels and over the places where the 11x11 window, a Gaussian, lies wholly inside. Across a side
    that is shorter the window is as long as an odd number can be.
    """
    down, across = (_window(side) for side in one.shape[-2:])
    places = one.shape[-2] - len(down) + 1
    if one[0].numel() > MOST and places > 1:
        half = places // 2
        above, below = (slice(half + len(down) - 1), slice(half, None))
        parts = [ssim(one[..., part, :], other[..., part, :]) for part in (above, below)]
        return (parts[0] * half + parts[1] * (places - half)) / places
    moments = torch.stack([one, other, one * one, other * other, one * other])
    mean, mean_other, square, square_other, product = _blurred(_blurred(moments, down, -2), across, -1)
    means = mean * mean_other
    alike = (2 * means + C1) * (2 * (product - means) + C2)
    squares = mean * mean + mean_other * mean_other
    index: Tensor = alike / ((squares + C1) * (square + square_other - squares + C2))
    return index.flatten(1).mean(1)


def _window(side: int) -> list[float]:
    """A Gaussian over an odd number of places, of sum 1."""
    radius = (min(WINDOW, side) - 1) // 2
    weights = [math.exp(-(place**2) / (2 * SIGMA**2)) for place in range(-radius, radius + 1)]
    return [weight / sum(weights) for weight in weights]


def _blurred(values: Tensor, weights: list[float], along: int) -> Tensor:
    """Sums of shifted copies, so that no other picture of a batch changes a bit."""
    places = values.shape[along] - len(weights) + 1
    total = weights[0] * values.narrow(along, 0, places)
    for start, weight in enumerate(weights[1:], 1):
        total = total + weight * values.narrow(along, start, places)
    return total
