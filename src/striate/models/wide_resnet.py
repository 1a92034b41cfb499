"""Wide residual networks: Zagoruyko and Komodakis 2016, "Wide Residual Networks"."""

from functools import partial

from torch import nn

from striate.base.errors import UsageError
from striate.layers import Activation, Norm, normalise
from striate.models import options
from striate.models.entry import Line
from striate.models.residual import (
    activated_basic,
    bottleneck,
    check_depth,
    head,
    initialised,
    large_stem,
    read_style,
    small_stem,
    stages,
    with_shortcut,
)

# fmt: off
# Table 1, for CIFAR, widened k times; N = (depth - 4) / 6.
#     group name  output size  block type = B(3,3)
TABLE_1 = (
     ("conv1",    32,          "[3x3, 16]",                  16),
     ("conv2",    32,          "[3x3, 16xk; 3x3, 16xk] x N", 16),
     ("conv3",    16,          "[3x3, 32xk; 3x3, 32xk] x N", 32),
     ("conv4",    8,           "[3x3, 64xk; 3x3, 64xk] x N", 64),
)

# Section 3, ImageNet: ResNet's bottlenecks with only the 3x3 convolution widened.
#     layers  conv2_x conv3_x conv4_x conv5_x
IMAGENET = {
      50:    (3,      4,      6,      3),
      101:   (3,      4,      23,     3),
}
IMAGENET_FILTERS = (64, 128,  256,    512)
# fmt: on


def wide_resnet(
    depth: int,
    classes: int = 1000,
    *,
    widening: int = 2,
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
    """A bottleneck network for ImageNet: (n, channels, height, width) -> (n, classes) logits.

    - `depth`: 50 or 101; `widening` is k: the 3x3 convolutions have k times ResNet's maps, the blocks' outputs
      as many as there. Blocks are ResNet's, norm and activation after each convolution, stride on the 3x3.
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
    check_depth(depth, IMAGENET, "section 3")
    style, times = read_style(shortcut, norm, activation, se), options.count("widening", widening)

    def block(inputs: int, filters: int, stride: int) -> nn.Module:
        chain = bottleneck(inputs, times * filters, 4 * filters, stride, style)
        return with_shortcut(chain, inputs, 4 * filters, stride, style)

    layers = large_stem(channels, stem, style)
    layers.update(stages(block, 64, IMAGENET_FILTERS, IMAGENET[depth], 4))
    layers.update(head(4 * IMAGENET_FILTERS[-1], classes, dropout))
    return initialised(nn.Sequential(layers), init, zero_init)


def small_wide_resnet(
    depth: int,
    classes: int = 10,
    *,
    widening: int = 10,
    channels: int = 3,
    shortcut: str = "B",
    norm: str | Norm | None = nn.BatchNorm2d,
    activation: str | Activation = nn.ReLU,
    se: int | None = None,
    init: str = "paper",
    dropout: float = 0.0,
) -> nn.Sequential:
    """A network of Table 1, for CIFAR: (n, channels, height, width) -> (n, classes) logits.

    `depth` is 6N + 4 and `widening` is k: WRN-28-10 is depth 28, widening 10. Blocks are pre-activated (He et
    al. 2016): norm and activation before each convolution, a projection of the activated input where a block
    changes shape, and `bn_last` and `relu_last` after the last addition; those of the first block stand right
    after `conv1`. `dropout` is the rate between the two convolutions of each block: 0.3 for CIFAR in section
    3.3. The other options are those of `wide_resnet`. Raises `UsageError` for a value that cannot be meant.
    """
    times, rate = options.count("widening", widening), options.fraction("dropout", dropout)
    if depth < 10 or (depth - 4) % 6:
        raise UsageError("depth", f"Table 1 has no network of {depth} layers", "6 N + 4: 10, 16, 22, 28, 34, 40 ...")
    style = read_style(shortcut, norm, activation, se)
    (*_, stem), *groups = TABLE_1
    filters = [times * width for *_, width in groups]

    def block(inputs: int, filters: int, stride: int, first: bool = False) -> nn.Module:
        return activated_basic(inputs, filters, stride, style, first=first, dropout=rate)

    layers = small_stem(channels, stem, style)
    layers.update(stages(block, stem, filters, [(depth - 4) // 6] * 3, first=partial(block, first=True)))
    layers["bn_last"], layers["relu_last"] = normalise(style.norm, filters[-1]), style.activation()
    layers.update(head(filters[-1], classes, dropout=0))
    return initialised(nn.Sequential(layers), init, zero_init=False)


def table_1(depth: int, widening: int) -> list[Line]:
    """Table 1 with its N and k filled in."""
    children = (("conv1", "bn1", "relu"), ("layer1",), ("layer2",), ("layer3", "bn_last", "relu_last"))
    lines = []
    for (name, size, words, width), layers in zip(TABLE_1, children, strict=True):
        filled = words.replace(f"{width}xk", str(width * widening)).replace("N", str((depth - 4) // 6))
        lines.append(Line(name, filled, layers, f"{size}x{size}"))
    return [*lines, Line("avg-pool", "[8x8]", ("avgpool", "flatten", "fc"), "1x1")]
