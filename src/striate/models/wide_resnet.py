"""Wide residual networks: Zagoruyko and Komodakis 2016, "Wide Residual Networks"."""

from functools import partial

from torch import nn

from striate.base.errors import UsageError
from striate.base.options import Rate, Whole
from striate.layers import chain, head, initialise, normalise
from striate.models import resnet
from striate.models.entry import Line
from striate.models.options import Stem, check_depth
from striate.models.preact import ActivatedBasic
from striate.models.residual import Style, large_stem, small_stem, stages

# fmt: off
# Table 1, for CIFAR, widened k times; N = (depth - 4) / 6.
#     group name  output size  block type = B(3,3)
TABLE_1 = (
     ("conv1",    32,          "[3x3, 16]",                  16),
     ("conv2",    32,          "[3x3, 16xk; 3x3, 16xk] x N", 16),
     ("conv3",    16,          "[3x3, 32xk; 3x3, 32xk] x N", 32),
     ("conv4",    8,           "[3x3, 64xk; 3x3, 64xk] x N", 64),
)
# fmt: on
IMAGENET = (50, 101)  # layers; section 3: ResNet's bottlenecks with only the 3x3 convolution widened


def wide_resnet(
    depth: int,
    classes: Whole = 1000,
    *,
    widening: Whole = 2,
    channels: Whole = 3,
    style: Style = Style(),
    stem: Stem = "224",
    zero_init: bool = False,
    dropout: Rate = 0.0,
) -> nn.Sequential:
    """A bottleneck network for ImageNet: (n, channels, height, width) -> (n, classes) logits.

    `depth` is 50 or 101; `widening` is k: the 3x3 convolutions have k times ResNet's maps, the blocks' outputs
    as many as there. Blocks are ResNet's, norm and activation after each convolution, stride on the 3x3. The other
    options are explained in `residual.Style`. With options as given here, keys and shapes are torchvision's. Raises
    `UsageError` for another depth.
    """
    check_depth(depth, IMAGENET, "section 3")

    def block(inputs: int, filters: int, stride: int) -> nn.Module:
        return resnet.Bottleneck(inputs, widening * filters, 4 * filters, stride, style)

    layers = large_stem(channels, stem, style)
    layers |= stages(block, 64, resnet.TABLE_1_FILTERS, resnet.TABLE_1[depth][1], style, 4)
    layers |= head(4 * resnet.TABLE_1_FILTERS[-1], classes, dropout)
    return resnet.initialised(chain(**layers), style, zero_init)


def small_wide_resnet(
    depth: int,
    classes: Whole = 10,
    *,
    widening: Whole = 10,
    channels: Whole = 3,
    style: Style = Style(),
    dropout: Rate = 0.0,
) -> nn.Sequential:
    """A network of Table 1, for CIFAR: (n, channels, height, width) -> (n, classes) logits.

    `depth` is 6N + 4 and `widening` is k: WRN-28-10 is depth 28, widening 10. Blocks are pre-activated, as in
    preact.py. `dropout` is the rate between the two convolutions of each block: 0.3 for CIFAR in section 3.3. The other
    options are explained in `residual.Style`. Raises `UsageError` for another depth.
    """
    if depth < 10 or (depth - 4) % 6:
        raise UsageError("depth", f"Table 1 has no network of {depth} layers", "6 N + 4: 10, 16, 22, 28, 34, 40 ...")
    (*_, stem), *groups = TABLE_1
    filters = [widening * width for *_, width in groups]

    def block(inputs: int, filters: int, stride: int, first: bool = False) -> nn.Module:
        return ActivatedBasic(inputs, filters, stride, style, first=first, dropout=dropout)

    layers = small_stem(channels, stem, style)
    layers |= stages(block, stem, filters, [(depth - 4) // 6] * 3, style, first=partial(block, first=True))
    layers |= {"bn_last": normalise(style.norm, filters[-1]), "relu_last": style.activation()}
    layers |= head(filters[-1], classes, dropout=0)
    return initialise(chain(**layers), style.init)


def table_1(depth: int, widening: int) -> list[Line]:
    """Table 1 with its N and k filled in."""
    children = (("conv1", "bn1", "relu"), ("layer1",), ("layer2",), ("layer3", "bn_last", "relu_last"))
    lines = []
    for (name, size, words, width), layers in zip(TABLE_1, children, strict=True):
        filled = words.replace(f"{width}xk", str(width * widening)).replace("N", str((depth - 4) // 6))
        lines.append(Line(name, filled, layers, f"{size}x{size}"))
    return [*lines, Line("avg-pool", "[8x8]", ("avgpool", "flatten", "fc"), "1x1")]
