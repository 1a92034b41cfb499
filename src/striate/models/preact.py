"""Pre-activation residual networks: He et al. 2016, "Identity Mappings in Deep Residual Networks"."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Literal, final

import torch
from torch import nn

from striate.base.errors import UsageError
from striate.base.options import Rate, Whole
from striate.layers import SqueezeExcitation, chain, conv, head, initialise, normalise
from striate.models.options import Stem, check_depth
from striate.models.residual import EXPANSION, Shortcut, StrideOn, Style, large_stem, small_stem, stages
from striate.models.resnet import TABLE_1, TABLE_1_FILTERS, unprojected

# Section 4, ImageNet: the stages of He et al. 2015, Table 1, and 200 layers.
IMAGENET = TABLE_1 | {200: ("bottleneck", (3, 24, 36, 3))}

# fmt: off
# Table 4, CIFAR: units per stage, and the shortcut where a unit changes shape. 20 and 56 layers are those of
# He et al. 2015, section 4.2, to be compared with.
#     layers  block         32x32  16x16  8x8   shortcut
CIFAR: Mapping[int, tuple[str, tuple[int, ...], Shortcut]] = {
      20:    ("basic",      (3,    3,     3),   "A"),
      56:    ("basic",      (9,    9,     9),   "A"),
      110:   ("basic",      (18,   18,    18),  "A"),
      164:   ("bottleneck", (18,   18,    18),  "B"),
      1001:  ("bottleneck", (111,  111,   111), "B"),
}
CIFAR_FILTERS =             (16,   32,    64)
# fmt: on


def preact_resnet(
    depth: int,
    classes: Whole = 1000,
    *,
    channels: Whole = 3,
    style: Style = Style(),
    stride_on: StrideOn = "3x3",
    stem: Stem = "224",
    dropout: Rate = 0.0,
) -> nn.Sequential:
    """A network for ImageNet: (n, channels, height, width) -> (n, classes) logits, for any height and width.

    `depth` is 18, 34, 50, 101, 152 or 200 layers with weights on the longest path; the other options are explained in
    `residual.Style`. A projection takes the activated input, the padded identity of shortcut "A" the input itself.

    The first block is special: the norm and activation right after `conv1` come before the pool and the split
    into two paths, and stand for its own (appendix, "Implementation details"). `bn_last` and `relu_last`
    follow the last addition. Raises `UsageError` for another depth, and for `stride_on` where there is no 1x1.
    """
    check_depth(depth, IMAGENET, "section 4")
    kind, repeats = IMAGENET[depth]
    layers = large_stem(channels, stem, style)
    return _network(layers, kind, TABLE_1_FILTERS, repeats, stride_on, style, classes, dropout)


def small_preact_resnet(
    depth: int,
    classes: Whole = 10,
    *,
    channels: Whole = 3,
    style: Style = Style(),
    shortcut: Literal["paper", Shortcut] = "paper",
    stride_on: StrideOn = "3x3",
    dropout: Rate = 0.0,
) -> nn.Sequential:
    """A network for CIFAR: (n, channels, height, width) -> (n, classes) logits.

    `depth` is 20, 56 or 110 with blocks of two 3x3 convolutions, or 164 or 1001 with bottlenecks. `shortcut` "paper"
    is "A" for the former and "B" for the latter. The other options are those of `preact_resnet`. Raises `UsageError`
    as it does.
    """
    check_depth(depth, CIFAR, "Table 4")
    kind, repeats, published = CIFAR[depth]
    style = replace(style, shortcut=published if shortcut == "paper" else shortcut)
    layers = small_stem(channels, CIFAR_FILTERS[0], style)
    return _network(layers, kind, CIFAR_FILTERS, repeats, stride_on, style, classes, dropout)


def _network(
    layers: dict[str, nn.Module], kind: str, filters: tuple[int, ...], repeats: tuple[int, ...], stride_on: StrideOn,
    style: Style, classes: int, dropout: float,
) -> nn.Sequential:  # fmt: skip
    """The stem's `layers`, the stages, the norm and activation that follow the last addition, and the classifier."""
    if stride_on == "1x1" and kind == "basic":
        raise UsageError("stride_on", "the blocks of this depth have no 1x1 convolution", "another depth")

    def block(inputs: int, filters: int, stride: int, first: bool = False) -> nn.Module:
        if kind == "basic":
            return ActivatedBasic(inputs, filters, stride, style, first=first)
        return ActivatedBottleneck(inputs, filters, 4 * filters, stride, style, stride_on=stride_on, first=first)

    features = filters[-1] * EXPANSION[kind]
    layers |= stages(block, filters[0], filters, repeats, style, EXPANSION[kind], first=partial(block, first=True))
    layers |= {"bn_last": normalise(style.norm, features), "relu_last": style.activation()}
    return initialise(chain(**layers | head(features, classes, dropout)), style.init)


@final
class ActivatedBasic(nn.Module):
    """Fig. 4 (e): two 3x3 convolutions, each after a norm and an activation; nothing follows the addition.

    The first block of a network has no norm and activation of its own. `dropout` acts between the convolutions:
    Zagoruyko and Komodakis 2016, Fig. 1 (d).
    """

    def __init__(
        self, inputs: int, filters: int, stride: int, style: Style, *, first: bool, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.first = first
        if not first:
            self.bn1 = normalise(style.norm, inputs)
            self.relu1 = style.activation()
        self.conv1 = conv(inputs, filters, 3, stride=stride, norm=style.norm)
        self.bn2 = normalise(style.norm, filters)
        self.relu2 = style.activation()
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.conv2 = conv(filters, filters, 3, norm=style.norm)
        self.se = SqueezeExcitation(filters, style.se) if style.se else None
        self.downsample = shortcut(inputs, filters, stride, style)
        self.projects = isinstance(self.downsample, nn.Conv2d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, height, width) -> (n, filters, height / stride, width / stride), rounded up."""
        a = x if self.first else self.relu1(self.bn1(x))
        y = self.relu2(self.bn2(self.conv1(a)))
        y = self.dropout(y) if self.dropout is not None else y
        y = self.conv2(y)
        y = self.se(y) if self.se is not None else y
        return y + self.downsample(a if self.projects else x)  # type: ignore[no-any-return]


@final
class ActivatedBottleneck(nn.Module):
    """Section 4: convolutions of 1x1, 3x3 and 1x1, each after a norm and an activation; see `ActivatedBasic`."""

    def __init__(
        self, inputs: int, width: int, outputs: int, stride: int, style: Style, *, stride_on: StrideOn, first: bool
    ) -> None:
        super().__init__()
        first_stride, second_stride = (stride, 1) if stride_on == "1x1" else (1, stride)
        self.first = first
        if not first:
            self.bn1 = normalise(style.norm, inputs)
            self.relu1 = style.activation()
        self.conv1 = conv(inputs, width, 1, stride=first_stride, norm=style.norm)
        self.bn2 = normalise(style.norm, width)
        self.relu2 = style.activation()
        self.conv2 = conv(width, width, 3, stride=second_stride, norm=style.norm)
        self.bn3 = normalise(style.norm, width)
        self.relu3 = style.activation()
        self.conv3 = conv(width, outputs, 1, norm=style.norm)
        self.se = SqueezeExcitation(outputs, style.se) if style.se else None
        self.downsample = shortcut(inputs, outputs, stride, style)
        self.projects = isinstance(self.downsample, nn.Conv2d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, height, width) -> (n, outputs, height / stride, width / stride), rounded up."""
        a = x if self.first else self.relu1(self.bn1(x))
        y = self.relu2(self.bn2(self.conv1(a)))
        y = self.relu3(self.bn3(self.conv2(y)))
        y = self.conv3(y)
        y = self.se(y) if self.se is not None else y
        return y + self.downsample(a if self.projects else x)  # type: ignore[no-any-return]


def shortcut(inputs: int, outputs: int, stride: int, style: Style) -> nn.Module:
    """What is added to a block's maps: x itself, or a projection, without a norm, of the activated x."""
    return unprojected(inputs, outputs, stride, style) or conv(inputs, outputs, 1, stride=stride, norm=style.norm)
