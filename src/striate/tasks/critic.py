"""The critic of an adversarial loss: it tells made pictures from true ones, and the network learns to deceive it."""

import itertools
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from striate.data.feed import Batch
from striate.layers import conv


@final
class Critic(nn.Module):
    """Four convolutions that halve the picture and judge its patches (Isola et al. 2017, section 3.2.2); 8x8 and up.

    One backward pass trains both (Ganin and Lempitsky 2015): the critic lowers its log loss, and the gradient that
    comes back to the network is reversed and taken times `weight`. Spectral norms (Miyato et al. 2018) keep the
    critic from being so sure that nothing comes back.
    """

    def __init__(self, pictures: int, weight: float) -> None:
        super().__init__()
        self._weight = weight
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise((pictures, 32, 64, 128, 1)):
            layers += [spectral_norm(conv(inputs, outputs, 3, stride=2)), nn.LeakyReLU(0.2)]
        self.patches = nn.Sequential(*layers[:-1])

    def forward(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The log loss of telling the made picture from the true one, (n,): 1.39 where it cannot be told.

        Outside a hole the made one is the true one.
        """
        parts = batch.inside((outputs.shape[-2], outputs.shape[-1])).targets
        true, hole = parts["picture"], parts.get("hole")
        made = reversed_gradient(outputs if hole is None else torch.where(hole > 0, outputs, true), self._weight)
        of_made, of_true = self.patches(torch.cat([made, true])).flatten(1).chunk(2)
        return (functional.softplus(of_made) + functional.softplus(-of_true)).mean(1)


def reversed_gradient(values: Tensor, weight: float) -> Tensor:
    """The very values; their gradient comes back times -`weight`."""
    held = values.detach()
    return held + weight * (held - values)
