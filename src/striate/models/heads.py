"""What GoogLeNet and Inception-v3 share: the convolution unit, auxiliary classifiers, the pixels of published weights.

Each family's own file holds its table and its modules.
"""

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, final

import torch
from torch import nn

from striate import layers
from striate.base.errors import Option, UsageError
from striate.layers import Heads, chain, normalise
from striate.models.options import NORMS, Activation, Norm

# What torchvision's transforms subtract from and divide 0..1 by; TensorFlow's networks were trained on -1..1.
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def unit(
    inputs: int, outputs: int, kernel: int | tuple[int, int], *,
    stride: int = 1, padding: int | tuple[int, int] = 0, norm: Norm, activation: Activation,
) -> nn.Sequential:  # fmt: skip
    """A convolution with its norm and activation, under the names of the published keys."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=norm is None)
    return chain(conv=convolution, bn=normalise(norm, outputs), relu=activation())


def released_norm(channels: int) -> nn.Module:
    """Batch normalisation with the epsilon that the released Inception networks were trained with."""
    return nn.BatchNorm2d(channels, eps=0.001)


ReleasedNorm = Annotated[layers.Norm | None, MappingProxyType({**NORMS, "batch": released_norm})]


@final
class AuxiliaryHead(nn.Module):
    """A classifier on the map that leaves the network's child `after`; its loss counts `weight` times."""

    def __init__(self, layers: Mapping[str, nn.Module], *, after: str, weight: float) -> None:
        super().__init__()
        self.after, self.weight = after, weight
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, channels, height, width) -> (n, classes) logits."""
        for layer in self.children():
            x = layer(x)
        return x

    def extra_repr(self) -> str:
        return f"after={self.after}, weight={self.weight}"


@final
class WithHeads(nn.Sequential):
    """A chain whose auxiliary heads stand aside: they are fed in training mode only.

    A slice without the heads, or in eval mode, is a plain chain.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor | Heads:
        """Logits in eval mode; in training mode `Heads`, the auxiliary answers from the deepest to the first."""
        heads = {layer.after: layer for layer in self if isinstance(layer, AuxiliaryHead) and self.training}
        answers: list[torch.Tensor] = []
        weight = 0.0
        for name, layer in self.named_children():
            if isinstance(layer, AuxiliaryHead):
                continue
            x = layer(x)
            if name in heads:
                answers.insert(0, heads[name](x))
                weight = heads[name].weight
        return Heads(x, tuple(answers), weight) if answers else x


def network(layers: Mapping[str, nn.Module]) -> nn.Sequential:
    """The chain of `layers`: a plain `nn.Sequential` where none of them is an auxiliary head."""
    headed = any(isinstance(layer, AuxiliaryHead) for layer in layers.values())
    return WithHeads(OrderedDict(layers)) if headed else chain(**layers)


@final
class FromImagenetPixels(nn.Module):
    """Turn pixels normalised by ImageNet's mean and deviation into pixels from -1 to 1; no parameters.

    The released weights were trained on the latter, while all of torchvision's transforms give the former.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 3, height, width) -> the same shape."""
        planes = zip(x.chunk(3, dim=1), IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True)
        return torch.cat([plane * (deviation / 0.5) + (mean - 0.5) / 0.5 for plane, mean, deviation in planes], 1)


def transform(asked: bool, channels: int) -> dict[str, nn.Module]:
    """The layer `transform_input`, to be merged into a network's layers: none at all unless `asked`."""
    if asked and channels != 3:
        cause = f"the pixels of the released weights have 3 channels, not {channels}"
        raise UsageError("transform_input", cause, (Option("transform_input", False, "model_options"),))
    return {"transform_input": FromImagenetPixels()} if asked else {}
