"""Losses of masks: one value a picture, over its counted pixels alone."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy(
    outputs: Tensor, truth: Tensor, weights: Sequence[float] = (), border: Tensor | None = None
) -> Tensor:
    """(n,) in nats: each pixel's times its class's weight and its border's, added; sum over the number of pixels."""
    each = functional.cross_entropy(outputs, truth.long(), ignore_index=-1, reduction="none")
    if weights or border is not None:
        of_classes = torch.tensor(tuple(weights) or (1.0,) * outputs.shape[1], device=outputs.device)
        weighing = of_classes[truth.clamp(min=0)]
        each = each * (weighing if border is None else weighing + border)
    return each.flatten(1).sum(1) / (truth >= 0).flatten(1).sum(1).clamp(min=1)


def dice(outputs: Tensor, truth: Tensor) -> Tensor:
    """(n,): 1 - (2 sum(p t) + 1) / (sum(p) + sum(t) + 1), the mean over all classes but the first.

    p are probabilities, t is 1 on pixels of the class. The added 1: a class neither there nor said is perfect.
    """
    counted = (truth >= 0)[:, None]
    places = torch.arange(1, outputs.shape[1], device=outputs.device)[:, None, None]
    true = (truth[:, None] == places).to(outputs.dtype)
    shares = torch.softmax(outputs, 1)[:, 1:] * counted
    both, total = (part.flatten(2).sum(2) for part in (shares * true, shares + true))
    return 1 - ((2 * both + 1) / (total + 1)).mean(1)
