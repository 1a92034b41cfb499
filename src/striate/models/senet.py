"""Squeeze-and-excitation networks: Hu et al. 2018, "Squeeze-and-Excitation Networks"."""

from collections import OrderedDict

from torch import nn

from striate.base.errors import UsageError
from striate.layers import Activation, Norm, conv, normalise
from striate.models import options
from striate.models.entry import Line
from striate.models.residual import (
    EXPANSION,
    Style,
    basic,
    bottleneck,
    check_depth,
    head,
    imagenet_table,
    initialised,
    large_stem,
    read_style,
    stages,
    with_shortcut,
)

# fmt: off
# Table 1 prints SE-ResNet-50 and SE-ResNeXt-50 (32x4d); the stages of the other depths are ResNet's.
#     layers  block         56x56   28x28   14x14   7x7
TABLE_1 = {
      18:    ("basic",      (2,      2,      2,      2)),
      34:    ("basic",      (3,      4,      6,      3)),
      50:    ("bottleneck", (3,      4,      6,      3)),
      101:   ("bottleneck", (3,      4,      23,     3)),
      152:   ("bottleneck", (3,      8,      36,     3)),
}
TABLE_1_FILTERS =           (64,     128,    256,    512)
SENET_154 =                 (3,      8,      36,     3)    # appendix: ResNeXt-152 (64x4d), changed in four places
# fmt: on


def senet(
    depth: int,
    classes: int = 1000,
    *,
    se: int | None = 16,
    groups: int = 1,
    width: int = 64,
    channels: int = 3,
    shortcut: str = "B",
    stride_on: str = "3x3",
    norm: str | Norm | None = nn.BatchNorm2d,
    activation: str | Activation = nn.ReLU,
    stem: str = "224",
    init: str = "paper",
    zero_init: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """SE-ResNet or SE-ResNeXt: (n, channels, height, width) -> (n, classes) logits, for any height and width.

    - `depth`: 18, 34, 50, 101 or 152.
    - `se`: the reduction ratio r (section 6.1 compares 2 to 32); None leaves squeeze-excitation out.
    - `groups` and `width`: 32 and 4 make SE-ResNeXt of a depth with bottlenecks.
    - `shortcut`: where a block changes shape, "A" pads the identity with zero channels and "B" projects it;
      "C" projects in every block; "none" leaves the additions out.
    - `stride_on`: the convolution of a bottleneck that halves the map, "1x1" as published for SE-ResNet or
      "3x3" as practised and as published for SE-ResNeXt.
    - `norm`: None leaves it out and gives each convolution its bias back.
    - `stem`: "224" is a 7x7 convolution and a pool, both of stride 2; "32" is a 3x3 convolution, for small
      pictures, with an identity in the pool's place.
    - `init`: "paper" and "he" as `layers.he_initialise`, or "xavier"; `zero_init`: the last norm of each
      block starts at 0, see `residual.initialised`.
    - `dropout`: the rate before the last layer, none as published.

    The maps are scaled before the addition. With options as given here, keys and shapes are timm's. Raises
    `UsageError` for a value that cannot be meant.
    """
    check_depth(depth, TABLE_1, "Table 1")
    kind, repeats = TABLE_1[depth]
    cardinality, each = options.count("groups", groups), options.count("width", width)
    halved = options.one_of("stride_on", stride_on, ("1x1", "3x3"))
    if kind == "basic" and (cardinality, each, halved) != (1, 64, "3x3"):
        where = "groups" if cardinality != 1 else "width" if each != 64 else "stride_on"
        raise UsageError(where, f"the blocks of depth {depth} are not bottlenecks", "a depth of 50 or more")
    style = read_style(shortcut, norm, activation, se)

    def block(inputs: int, filters: int, stride: int) -> nn.Module:
        if kind == "basic":
            return with_shortcut(basic(inputs, filters, stride, style), inputs, filters, stride, style)
        middle, outputs = cardinality * (filters * each // 64), 4 * filters
        chain = bottleneck(inputs, middle, outputs, stride, style, stride_on=halved, groups=cardinality)
        return with_shortcut(chain, inputs, outputs, stride, style)

    layers = large_stem(channels, stem, style)
    layers.update(stages(block, 64, TABLE_1_FILTERS, repeats, EXPANSION[kind]))
    layers.update(head(TABLE_1_FILTERS[-1] * EXPANSION[kind], classes, dropout))
    return initialised(nn.Sequential(layers), init, zero_init)


def senet154(
    classes: int = 1000,
    *,
    se: int | None = 16,
    channels: int = 3,
    shortcut: str = "B",
    norm: str | Norm | None = nn.BatchNorm2d,
    activation: str | Activation = nn.ReLU,
    init: str = "paper",
    zero_init: bool = False,
    dropout: float = 0.2,
) -> nn.Sequential:
    """SENet-154 of the appendix: (n, channels, height, width) -> (n, classes) logits, for any height and width.

    It is ResNeXt-152 (64x4d) with squeeze-excitation, and: the first 1x1 convolution of a block has half the
    maps; three 3x3 convolutions stand for the 7x7 of the stem; projections that halve the map are 3x3; dropout
    stands before the last layer. The options are those of `senet`; keys and shapes are timm's. Raises
    `UsageError` for a value that cannot be meant.
    """
    style = read_style(shortcut, norm, activation, se)

    def block(inputs: int, filters: int, stride: int) -> nn.Module:
        width, outputs = 64 * (filters * 4 // 64), 4 * filters
        chain = bottleneck(inputs, width, outputs, stride, style, groups=64, narrow=width // 2)
        return with_shortcut(chain, inputs, outputs, stride, style, kernel=1 if stride == 1 else 3)

    layers = _deep_stem(options.count("channels", channels), style)
    layers.update(stages(block, 128, TABLE_1_FILTERS, SENET_154, 4))
    layers.update(head(4 * TABLE_1_FILTERS[-1], classes, dropout))
    return initialised(nn.Sequential(layers), init, zero_init)


def _deep_stem(channels: int, style: Style) -> OrderedDict[str, nn.Module]:
    """Three 3x3 convolutions to 128 maps and a pool; timm keeps all but the last norm under `conv1`."""
    convolutions = nn.Sequential(
        conv(channels, 64, 3, stride=2, norm=style.norm),
        normalise(style.norm, 64),
        style.activation(),
        conv(64, 64, 3, norm=style.norm),
        normalise(style.norm, 64),
        style.activation(),
        conv(64, 128, 3, norm=style.norm),
    )
    return OrderedDict[str, nn.Module](
        conv1=convolutions,
        bn1=normalise(style.norm, 128),
        relu=style.activation(),
        maxpool=nn.MaxPool2d(3, stride=2, padding=1),
    )


def table_1(depth: int, groups: int = 1, width: int = 64, **_: object) -> list[Line]:
    """Table 1 with its depth, cardinality and width filled in; the paper prints 50 layers, 1x64d and 32x4d."""
    blocks = []
    for filters, times in zip(TABLE_1_FILTERS, TABLE_1[depth][1], strict=True):
        middle = groups * filters * width // 64
        split = f", C={groups}" if groups > 1 else ""
        squeezed = f"fc, [{filters // 4}, {4 * filters}]"
        blocks.append(f"[1x1, {middle}; 3x3, {middle}{split}; 1x1, {4 * filters}; {squeezed}] x {times}")
    return imagenet_table(["112x112", "56x56", "28x28", "14x14", "7x7"], blocks)
