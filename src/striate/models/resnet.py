"""Residual networks and their plain twins: He et al. 2015, "Deep Residual Learning for Image Recognition"."""

from torch import nn

from striate.base.errors import UsageError
from striate.layers import Activation, Norm
from striate.models import options
from striate.models.entry import Line
from striate.models.residual import (
    EXPANSION,
    basic,
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
# Table 1, for pictures of 224 pixels: how often each stage repeats its block.
#     layers  block         conv2_x conv3_x conv4_x conv5_x
TABLE_1 = {
      18:    ("basic",      (2,      2,      2,      2)),
      34:    ("basic",      (3,      4,      6,      3)),
      50:    ("bottleneck", (3,      4,      6,      3)),
      101:   ("bottleneck", (3,      4,      23,     3)),
      152:   ("bottleneck", (3,      8,      36,     3)),
}
TABLE_1_FILTERS =           (64,     128,    256,    512)  # of a block's 3x3 convolutions

# Section 4.2, for pictures of 32 pixels: 6n + 2 layers, n blocks of two 3x3 convolutions a stage.
#                         output map size  32x32  16x16  8x8
SECTION_4_2_FILTERS =                     (16,    32,    64)
SECTION_4_2_LAYERS = (20, 32, 44, 56, 110, 1202)          # n = 3, 5, 7, 9, 18, 200
# fmt: on


def resnet(
    depth: int,
    classes: int = 1000,
    *,
    channels: int = 3,
    shortcut: str = "B",
    stride_on: str = "3x3",
    norm: str | Norm | None = nn.BatchNorm2d,
    activation: str | Activation = nn.ReLU,
    stem: str = "224",
    groups: int = 1,
    width: int = 64,
    se: int | None = None,
    init: str = "paper",
    zero_init: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """A network of Table 1: (n, channels, height, width) -> (n, classes) logits, for any height and width.

    - `depth`: 18, 34, 50, 101 or 152 layers with weights on the longest path.
    - `shortcut`: where a block changes shape, "A" pads the identity with zero channels and "B" projects it;
      "C" projects in every block; "none" builds the plain twin, without additions or projections.
    - `stride_on`: the convolution of a bottleneck that halves the map, "1x1" as published (v1) or "3x3" as
      practised since fb.resnet.torch and torchvision (v1.5).
    - `norm`: None leaves it out and gives each convolution its bias back.
    - `stem`: "224" is a 7x7 convolution and a pool, both of stride 2; "32", for small pictures, is the 3x3
      convolution of section 4.2, with an identity in the pool's place.
    - `groups` and `width` split and widen the bottlenecks' 3x3 convolutions: `groups` times `width` maps in
      conv2_x, doubling with each stage (Xie et al. 2017, Table 1: 1x64d to 32x4d at equal cost).
    - `se`: the reduction ratio of squeeze-excitation, 16 in Hu et al. 2018; None leaves it out.
    - `init`: "paper" and "he" as `layers.he_initialise`, or "xavier".
    - `zero_init`: the last norm of each block starts at 0, see `residual.initialised`.
    - `dropout`: the rate before the last layer, none as published.

    With options as given here, keys and shapes are torchvision's. `net[:8]` is the trunk, `net.layer1` to
    `net.layer4` are conv2_x to conv5_x. Raises `UsageError` for a value that cannot be meant.
    """
    check_depth(depth, TABLE_1, "Table 1")
    kind, repeats = TABLE_1[depth]
    if options.one_of("stride_on", stride_on, ("1x1", "3x3")) == "1x1" and kind == "basic":
        raise UsageError("stride_on", f"the blocks of depth {depth} have no 1x1 convolution", "stride_on=3x3")
    cardinality, each = options.count("groups", groups), options.count("width", width)
    if kind == "basic" and (cardinality, each) != (1, 64):
        cause = f"the blocks of depth {depth} are not bottlenecks, whose 3x3 convolution this would change"
        raise UsageError("groups" if cardinality != 1 else "width", cause, "a depth of 50 or more")
    style = read_style(shortcut, norm, activation, se)

    def block(inputs: int, filters: int, stride: int) -> nn.Module:
        if kind == "basic":
            return with_shortcut(basic(inputs, filters, stride, style), inputs, filters, stride, style)
        middle, outputs = cardinality * (filters * each // 64), filters * EXPANSION[kind]
        chain = bottleneck(inputs, middle, outputs, stride, style, stride_on=stride_on, groups=cardinality)
        return with_shortcut(chain, inputs, outputs, stride, style)

    layers = large_stem(channels, stem, style)
    layers.update(stages(block, 64, TABLE_1_FILTERS, repeats, EXPANSION[kind]))
    layers.update(head(TABLE_1_FILTERS[-1] * EXPANSION[kind], classes, dropout))
    return initialised(nn.Sequential(layers), init, zero_init)


def small_resnet(
    depth: int,
    classes: int = 10,
    *,
    channels: int = 3,
    shortcut: str = "A",
    norm: str | Norm | None = nn.BatchNorm2d,
    activation: str | Activation = nn.ReLU,
    se: int | None = None,
    init: str = "paper",
    zero_init: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """A network of section 4.2, for CIFAR-10: (n, channels, height, width) -> (n, classes) logits.

    `depth` is 20, 32, 44, 56, 110 or 1202; the other options are those of `resnet`. `net[:6]` is the trunk, its
    stages are `net.layer1` to `net.layer3`. Raises `UsageError` for a value that cannot be meant.
    """
    check_depth(depth, SECTION_4_2_LAYERS, "section 4.2")
    style = read_style(shortcut, norm, activation, se)
    first, *_, last = SECTION_4_2_FILTERS

    def block(inputs: int, filters: int, stride: int) -> nn.Module:
        return with_shortcut(basic(inputs, filters, stride, style), inputs, filters, stride, style)

    layers = small_stem(channels, first, style)
    layers.update(stages(block, first, SECTION_4_2_FILTERS, [(depth - 2) // 6] * 3))
    layers.update(head(last, classes, dropout))
    return initialised(nn.Sequential(layers), init, zero_init)


def table_1(depth: int, **_: object) -> list[Line]:
    """One column of Table 1."""
    kind, repeats = TABLE_1[depth]
    layers = "[3x3, {0}; 3x3, {0}] x {2}" if kind == "basic" else "[1x1, {0}; 3x3, {0}; 1x1, {1}] x {2}"
    blocks = [layers.format(f, 4 * f, times) for f, times in zip(TABLE_1_FILTERS, repeats, strict=True)]
    return imagenet_table(["conv1", "conv2_x", "conv3_x", "conv4_x", "conv5_x"], blocks)


def table_4_2(depth: int, **_: object) -> list[Line]:
    """The table in the text of section 4.2; the first convolution is one of its 1 + 2n layers of 32x32."""
    twice = (depth - 2) // 3
    first, second, third = SECTION_4_2_FILTERS
    return [
        Line("32x32", f"1 + {twice} layers, {first} filters", ("conv1", "bn1", "relu", "layer1"), "32x32"),
        Line("16x16", f"{twice} layers, {second} filters", ("layer2",), "16x16"),
        Line("8x8", f"{twice} layers, {third} filters", ("layer3",), "8x8"),
        Line("fc", "global average pooling, 10-way fully-connected layer, softmax", ("avgpool", "flatten", "fc")),
    ]
