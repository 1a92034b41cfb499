"""Integrated gradients and occlusion, captum's: the optional extra `explain`."""

import importlib
import math
from typing import Any

import torch
from torch import Tensor, nn

from striate.base.foreign import missing_package
from striate.inside.calls import answering
from striate.inside.gradient import Score, gradient

# Steps of the integral, and how far from the difference of the scores its sum may be.
STEPS, MOST_STEPS, COMPLETE = 32, 512, 0.01
# Of a side a window is so long a part, and windows move by half of themselves.
PARTS = 6
AT_ONCE = 16


def integrated(net: nn.Module, picture: Tensor, score: Score, *, most: int = MOST_STEPS) -> tuple[Tensor, float]:
    """Integrated gradients, Sundararajan et al. 2017, from a picture of the mean colour: (1, channels, height, width).

    And how complete they are: the distance of their sum from the difference of the two scores, as a share of it. Steps
    are doubled, from 32 to at most `most`, until that is 1 % or less.
    """
    method = captum().IntegratedGradients(lambda pictures: score(net(pictures)))
    with answering(net):
        point = picture.detach().clone().requires_grad_()
        gradient(score(net(point.clone())), point, "integrated")  # refused in our words, before captum's
        steps = STEPS
        while True:
            values, left = method.attribute(
                picture, torch.zeros_like(picture), n_steps=steps, internal_batch_size=AT_ONCE,
                return_convergence_delta=True,
            )  # fmt: skip
            between = float(values.sum() - left)
            apart = abs(float(left)) / max(abs(between), 1e-12)
            if apart <= COMPLETE or steps >= most:
                return values.detach(), apart
            steps *= 2


def occlusion(net: nn.Module, picture: Tensor, score: Score) -> Tensor:
    """How much the score falls where a window of the mean colour hides a place: (height, width).

    Zeiler and Fergus 2014, section 4.2 and Figure 6. A window is a sixth of each side long and moves by half of
    itself; a place has the mean of the windows that hide it. No gradient is taken.
    """
    channels, *sides = picture.shape[1:]
    window = [math.ceil(side / PARTS) for side in sides]
    steps = [math.ceil(side / 2) for side in window]
    method = captum().Occlusion(lambda pictures: score(net(pictures)))
    with answering(net), torch.no_grad():
        values: Tensor = method.attribute(
            picture, (channels, *window), strides=(channels, *steps), baselines=0, perturbations_per_eval=AT_ONCE
        )
    return values[0].mean(0)


def captum() -> Any:
    """Its methods; a MachineError, with the command that installs it, where it is not there."""
    try:
        return importlib.import_module("captum.attr")
    except ImportError as error:
        raise missing_package("method", error, "explain") from None
