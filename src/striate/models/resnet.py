"""Residual networks and their plain twins: He et al. 2015, "Deep Residual Learning for Image Recognition"."""

from typing import final

import torch
from torch import nn
from torch.nn import functional

from striate.base.errors import Option, UsageError
from striate.base.options import Rate, Whole
from striate.layers import SqueezeExcitation, chain, conv, head, initialise, normalise
from striate.models.entry import Line
from striate.models.options import Stem, check_depth
from striate.models.residual import EXPANSION, StrideOn, Style, imagenet_table, large_stem, small_stem, stages

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
    classes: Whole = 1000,
    *,
    channels: Whole = 3,
    style: Style = Style(),
    stride_on: StrideOn = "3x3",
    stem: Stem = "224",
    groups: Whole = 1,
    width: Whole = 64,
    zero_init: bool = False,
    dropout: Rate = 0.0,
) -> nn.Sequential:
    """A network of Table 1: (n, channels, height, width) -> (n, classes) logits, for any height and width.

    - `depth`: 18, 34, 50, 101 or 152 layers with weights on the longest path.
    - `groups` and `width` split and widen the bottlenecks' 3x3 convolutions: `groups` times `width` maps in
      conv2_x, doubling with each stage (Xie et al. 2017, Table 1: 1x64d to 32x4d at equal cost).

    The other options are explained in `residual.Style`. With options as given here, keys and shapes are torchvision's.
    `net[:8]` is the trunk, `net.layer1` to `net.layer4` are conv2_x to conv5_x. Raises `UsageError` for a depth that
    the table has not, and for options of bottlenecks where there are none.
    """
    check_depth(depth, TABLE_1, "Table 1")
    kind, repeats = TABLE_1[depth]
    if kind == "basic" and (groups, width, stride_on) != (1, 64, "3x3"):
        option = "groups" if groups != 1 else "width" if width != 64 else "stride_on"
        raise UsageError(option, f"the blocks of depth {depth} are not bottlenecks", "a depth of 50 or more")

    def block(inputs: int, filters: int, stride: int) -> nn.Module:
        if kind == "basic":
            return BasicBlock(inputs, filters, stride, style)
        middle = groups * (filters * width // 64)
        return Bottleneck(inputs, middle, 4 * filters, stride, style, stride_on=stride_on, groups=groups)

    layers = large_stem(channels, stem, style)
    layers |= stages(block, 64, TABLE_1_FILTERS, repeats, style, EXPANSION[kind])
    layers |= head(TABLE_1_FILTERS[-1] * EXPANSION[kind], classes, dropout)
    return initialised(chain(**layers), style, zero_init)


def small_resnet(
    depth: int,
    classes: Whole = 10,
    *,
    channels: Whole = 3,
    style: Style = Style(shortcut="A"),
    zero_init: bool = False,
    dropout: Rate = 0.0,
) -> nn.Sequential:
    """A network of section 4.2, for CIFAR-10: (n, channels, height, width) -> (n, classes) logits.

    `depth` is 20, 32, 44, 56, 110 or 1202; the other options are those of `resnet`. `net[:6]` is the trunk, its
    stages are `net.layer1` to `net.layer3`. Raises `UsageError` for another depth.
    """
    check_depth(depth, SECTION_4_2_LAYERS, "section 4.2")
    first, *_, last = SECTION_4_2_FILTERS

    def block(inputs: int, filters: int, stride: int) -> nn.Module:
        return BasicBlock(inputs, filters, stride, style)

    layers = small_stem(channels, first, style)
    layers |= stages(block, first, SECTION_4_2_FILTERS, [(depth - 2) // 6] * 3, style)
    layers |= head(last, classes, dropout)
    return initialised(chain(**layers), style, zero_init)


@final
class BasicBlock(nn.Module):
    """Fig. 5, left: two 3x3 convolutions, and the shortcut around them."""

    def __init__(self, inputs: int, filters: int, stride: int, style: Style) -> None:
        super().__init__()
        self.conv1 = conv(inputs, filters, 3, stride=stride, norm=style.norm)
        self.bn1 = normalise(style.norm, filters)
        self.relu1 = style.activation()
        self.conv2 = conv(filters, filters, 3, norm=style.norm)
        self.bn2 = normalise(style.norm, filters)
        self.se = SqueezeExcitation(filters, style.se) if style.se else None
        self.downsample = shortcut(inputs, filters, stride, style)
        self.relu = style.activation()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, height, width) -> (n, filters, height / stride, width / stride), rounded up."""
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y = self.se(y) if self.se is not None else y
        return self.relu(y + self.downsample(x))  # type: ignore[no-any-return]


@final
class Bottleneck(nn.Module):
    """Fig. 5, right: a 3x3 convolution to `width` maps between two 1x1 that narrow and widen, and the shortcut.

    The 3x3 convolution takes `narrow` maps in `groups` (Xie et al. 2017, Fig. 3 (c)); `projection` is the kernel of the
    shortcut's convolution, 1 in every network but SENet-154.
    """

    def __init__(
        self, inputs: int, width: int, outputs: int, stride: int, style: Style, *,
        stride_on: StrideOn = "3x3", groups: int = 1, narrow: int | None = None, projection: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        narrow = narrow or width
        first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
        self.conv1 = conv(inputs, narrow, 1, stride=first, norm=style.norm)
        self.bn1 = normalise(style.norm, narrow)
        self.relu1 = style.activation()
        self.conv2 = conv(narrow, width, 3, stride=second, groups=groups, norm=style.norm)
        self.bn2 = normalise(style.norm, width)
        self.relu2 = style.activation()
        self.conv3 = conv(width, outputs, 1, norm=style.norm)
        self.bn3 = normalise(style.norm, outputs)
        self.se = SqueezeExcitation(outputs, style.se) if style.se else None
        self.downsample = shortcut(inputs, outputs, stride, style, projection)
        self.relu = style.activation()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, height, width) -> (n, outputs, height / stride, width / stride), rounded up."""
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.relu2(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y = self.se(y) if self.se is not None else y
        return self.relu(y + self.downsample(x))  # type: ignore[no-any-return]


def shortcut(inputs: int, outputs: int, stride: int, style: Style, kernel: int = 1) -> nn.Module:
    """What is added to a block's maps: x itself, or x brought to their shape, eq. 2; the keys of published weights."""
    return unprojected(inputs, outputs, stride, style) or nn.Sequential(
        conv(inputs, outputs, kernel, stride=stride, norm=style.norm), normalise(style.norm, outputs)
    )


def unprojected(inputs: int, outputs: int, stride: int, style: Style) -> nn.Module | None:
    """A shortcut without parameters, or None where there is to be a projection.

    Section 3.3, options A and B; section 4.1, option C. A plain net has no use for one.
    """
    if style.shortcut == "none" or (style.shortcut != "C" and (inputs, stride) == (outputs, 1)):
        return nn.Identity()
    return PaddedIdentity(stride, outputs - inputs) if style.shortcut == "A" else None


@final
class PaddedIdentity(nn.Module):
    """Option A: every `stride`-th row and column, and zeros for the missing channels; no parameters."""

    def __init__(self, stride: int, missing: int) -> None:
        super().__init__()
        self.stride, self.missing = stride, missing

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, c, height, width) -> (n, c + missing, height / stride, width / stride), rounded up."""
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.missing))

    def extra_repr(self) -> str:
        return f"stride={self.stride}, missing={self.missing}"


def initialised(net: nn.Sequential, style: Style, zero_init: bool) -> nn.Sequential:
    """Weights drawn as `style.init` says; `zero_init`: the last norm of each block starts at 0.

    A block then starts as its shortcut: Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 5.1. Without norms
    it is the last convolution that starts at 0: Zhang, Dauphin and Ma 2019, "Fixup Initialization", section 3.
    """
    initialise(net, style.init)
    if zero_init:
        lasts = [_last(block) for block in net.modules() if isinstance(block, BasicBlock | Bottleneck)]
        if not lasts or any(not isinstance(getattr(last, "weight", None), nn.Parameter) for last in lasts):
            cause = "only blocks with a shortcut, whose last norm has a scale, can start as their shortcut"
            raise UsageError("zero_init", cause, (Option("zero_init", False, "model_options"),))
        for last in lasts:
            nn.init.zeros_(last.get_parameter("weight"))
    return net


def _last(block: BasicBlock | Bottleneck) -> nn.Module:
    """The last norm of a block's branch, or its last convolution where there are no norms."""
    last, norm = (block.conv2, block.bn2) if isinstance(block, BasicBlock) else (block.conv3, block.bn3)
    return last if isinstance(norm, nn.Identity) else norm


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
