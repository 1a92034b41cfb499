"""ResNeXt: Xie et al. 2017, "Aggregated Residual Transformations for Deep Neural Networks"."""

from collections import OrderedDict

from torch import nn

from striate.layers import Activation, Norm
from striate.models import options
from striate.models.entry import Line
from striate.models.residual import (
    Style,
    bottleneck,
    check_depth,
    head,
    imagenet_table,
    initialised,
    large_stem,
    read_style,
    small_stem,
    stages,
    with_shortcut,
)

# fmt: off
# Table 1, right, for ImageNet: ResNeXt-50 (32x4d); section 5.1 deepens conv4 for 101 layers.
#     layers  conv2  conv3  conv4  conv5
TABLE_1 = {
      50:    (3,     4,     6,     3),
      101:   (3,     4,     23,    3),
}
TABLE_1_OUTPUTS = (256, 512, 1024, 2048)

# Section 5.3, for CIFAR: 3 stages of 3 blocks.
#     layers  32x32  16x16  8x8
SECTION_5_3 = {
      29:    (3,     3,     3),
}
SECTION_5_3_OUTPUTS = (256, 512, 1024)
# fmt: on


def resnext(
    depth: int,
    classes: int = 1000,
    *,
    groups: int = 32,
    width: int = 4,
    channels: int = 3,
    shortcut: str = "B",
    norm: str | Norm | None = nn.BatchNorm2d,
    activation: str | Activation = nn.ReLU,
    stem: str = "224",
    se: int | None = None,
    init: str = "paper",
    zero_init: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """A network of Table 1: (n, channels, height, width) -> (n, classes) logits, for any height and width.

    - `depth`: 50 or 101.
    - `groups` is the cardinality C and `width` d the maps of each path in conv2, doubled with each stage: the
      default is 32x4d. Blocks are of form (c) of Fig. 3, with the stride on the grouped 3x3 convolution.
    - `shortcut`: where a block changes shape, "A" pads the identity with zero channels and "B" projects it;
      "C" projects in every block; "none" leaves the additions out.
    - `norm`: None leaves it out and gives each convolution its bias back.
    - `stem`: "224" is a 7x7 convolution and a pool, both of stride 2; "32" is a 3x3 convolution, for small
      pictures, with an identity in the pool's place.
    - `se`: the reduction ratio of squeeze-excitation before each addition; None leaves it out.
    - `init`: "paper" and "he" as `layers.he_initialise`, or "xavier"; `zero_init`: the last norm of each
      block starts at 0, see `residual.initialised`.
    - `dropout`: the rate before the last layer, none as published.

    With options as given here, keys and shapes are torchvision's. Raises `UsageError` for a value that cannot
    be meant.
    """
    check_depth(depth, TABLE_1, "Table 1")
    style = read_style(shortcut, norm, activation, se)
    layers = large_stem(channels, stem, style)
    layers.update(_stages(TABLE_1_OUTPUTS, TABLE_1[depth], groups, width, style))
    layers.update(head(TABLE_1_OUTPUTS[-1], classes, dropout))
    return initialised(nn.Sequential(layers), init, zero_init)


def small_resnext(
    depth: int = 29,
    classes: int = 10,
    *,
    groups: int = 8,
    width: int = 64,
    channels: int = 3,
    shortcut: str = "B",
    norm: str | Norm | None = nn.BatchNorm2d,
    activation: str | Activation = nn.ReLU,
    se: int | None = None,
    init: str = "paper",
    zero_init: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """The network of section 5.3, for CIFAR: (n, channels, height, width) -> (n, classes) logits.

    `groups` and `width` are 8 and 64 (34.4 M parameters) or 16 and 64 (68.1 M) in the paper; the other
    options are those of `resnext`. Raises `UsageError` for a value that cannot be meant.
    """
    check_depth(depth, SECTION_5_3, "section 5.3")
    style = read_style(shortcut, norm, activation, se)
    layers = small_stem(channels, 64, style)
    layers.update(_stages(SECTION_5_3_OUTPUTS, SECTION_5_3[depth], groups, width, style))
    layers.update(head(SECTION_5_3_OUTPUTS[-1], classes, dropout))
    return initialised(nn.Sequential(layers), init, zero_init)


def _stages(
    outputs: tuple[int, ...], repeats: tuple[int, ...], groups: int, width: int, style: Style
) -> OrderedDict[str, nn.Module]:
    cardinality, each = options.count("groups", groups), options.count("width", width)

    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        middle = cardinality * each * outputs // 256
        chain = bottleneck(inputs, middle, outputs, stride, style, groups=cardinality)
        return with_shortcut(chain, inputs, outputs, stride, style)

    return stages(block, 64, outputs, repeats)


def table_1(depth: int, groups: int, width: int) -> list[Line]:
    """Table 1, right, with its depth, cardinality and width filled in; the paper prints 50 layers and 32x4d."""
    blocks = []
    for outputs, times in zip(TABLE_1_OUTPUTS, TABLE_1[depth], strict=True):
        middle = groups * width * outputs // 256
        blocks.append(f"[1x1, {middle}; 3x3, {middle}, C={groups}; 1x1, {outputs}] x {times}")
    return imagenet_table(["conv1", "conv2", "conv3", "conv4", "conv5"], blocks)
