"""Squeeze-and-excitation networks: Hu et al. 2018, "Squeeze-and-Excitation Networks"."""

from torch import nn

from striate.base.options import Rate, Whole
from striate.layers import chain, conv, head, normalise
from striate.models.entry import Line
from striate.models.options import Stem
from striate.models.residual import StrideOn, Style, imagenet_table, stages
from striate.models.resnet import TABLE_1, TABLE_1_FILTERS, Bottleneck, initialised, resnet

# Table 1 prints SE-ResNet-50 and SE-ResNeXt-50 (32x4d): its stages, and those of the other depths, are ResNet's.
SENET_154 = (3, 8, 36, 3)  # appendix: ResNeXt-152 (64x4d), changed in four places


def senet(
    depth: int,
    classes: Whole = 1000,
    *,
    style: Style = Style(se=16),
    groups: Whole = 1,
    width: Whole = 64,
    channels: Whole = 3,
    stride_on: StrideOn = "3x3",
    stem: Stem = "224",
    zero_init: bool = False,
    dropout: Rate = 0.0,
) -> nn.Sequential:
    """SE-ResNet or SE-ResNeXt: (n, channels, height, width) -> (n, classes) logits, for any height and width.

    `depth` is 18, 34, 50, 101 or 152; section 6.1 compares ratios `se` from 2 to 32. `groups` and `width`: 32 and 4
    make SE-ResNeXt of a depth with bottlenecks, whose stride stands on the 3x3 as published. The maps are scaled before
    the addition; all else, and each `UsageError`, is as in `resnet`. With options as given here, keys and shapes are
    timm's.
    """
    return resnet(
        depth, classes, channels=channels, style=style, stride_on=stride_on, stem=stem, groups=groups, width=width,
        zero_init=zero_init, dropout=dropout,
    )  # fmt: skip


def senet154(
    classes: Whole = 1000,
    *,
    style: Style = Style(se=16),
    channels: Whole = 3,
    zero_init: bool = False,
    dropout: Rate = 0.2,
) -> nn.Sequential:
    """SENet-154 of the appendix: (n, channels, height, width) -> (n, classes) logits, for any height and width.

    It is ResNeXt-152 (64x4d) with squeeze-excitation, and: the first 1x1 convolution of a block has half the
    maps; three 3x3 convolutions stand for the 7x7 of the stem; projections that halve the map are 3x3; dropout
    stands before the last layer. The options are those of `senet`; keys and shapes are timm's.
    """

    def block(inputs: int, filters: int, stride: int) -> nn.Module:
        width, kernel = 64 * (filters * 4 // 64), 1 if stride == 1 else 3
        return Bottleneck(inputs, width, 4 * filters, stride, style, groups=64, narrow=width // 2, projection=kernel)

    norm, activation = style.norm, style.activation
    layers: dict[str, nn.Module] = {
        "conv1": nn.Sequential(  # timm keeps all of the stem but its last norm under this name
            conv(channels, 64, 3, stride=2, norm=norm), normalise(norm, 64), activation(),
            conv(64, 64, 3, norm=norm), normalise(norm, 64), activation(),
            conv(64, 128, 3, norm=norm),
        ),
        "bn1": normalise(norm, 128),
        "relu": activation(),
        "maxpool": nn.MaxPool2d(3, stride=2, padding=1),
    }  # fmt: skip
    layers |= stages(block, 128, TABLE_1_FILTERS, SENET_154, style, 4)
    layers |= head(4 * TABLE_1_FILTERS[-1], classes, dropout)
    return initialised(chain(**layers), style, zero_init)


def table_1(depth: int, groups: int = 1, width: int = 64, **_: object) -> list[Line]:
    """Table 1 with its depth, cardinality and width filled in; the paper prints 50 layers, 1x64d and 32x4d."""
    blocks = []
    for filters, times in zip(TABLE_1_FILTERS, TABLE_1[depth][1], strict=True):
        middle = groups * filters * width // 64
        split = f", C={groups}" if groups > 1 else ""
        squeezed = f"fc, [{filters // 4}, {4 * filters}]"
        blocks.append(f"[1x1, {middle}; 3x3, {middle}{split}; 1x1, {4 * filters}; {squeezed}] x {times}")
    return imagenet_table(["112x112", "56x56", "28x28", "14x14", "7x7"], blocks)
