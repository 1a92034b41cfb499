"""Pre-activation residual networks: He et al. 2016, "Identity Mappings in Deep Residual Networks"."""

from collections import OrderedDict
from functools import partial

from torch import nn

from striate.base.errors import UsageError
from striate.layers import Activation, Norm, normalise
from striate.models import options
from striate.models.residual import (
    EXPANSION,
    Style,
    activated_basic,
    activated_bottleneck,
    check_depth,
    head,
    initialised,
    large_stem,
    read_style,
    small_stem,
    stages,
)

# fmt: off
# Section 4, ImageNet: the stages of He et al. 2015, Table 1, and 200 layers.
#     layers  block         conv2_x conv3_x conv4_x conv5_x
IMAGENET = {
      18:    ("basic",      (2,      2,      2,      2)),
      34:    ("basic",      (3,      4,      6,      3)),
      50:    ("bottleneck", (3,      4,      6,      3)),
      101:   ("bottleneck", (3,      4,      23,     3)),
      152:   ("bottleneck", (3,      8,      36,     3)),
      200:   ("bottleneck", (3,      24,     36,     3)),
}
IMAGENET_FILTERS =          (64,     128,    256,    512)  # of a block's 3x3 convolutions

# Table 4, CIFAR: units per stage, and the shortcut where a unit changes shape.
#     layers  block         32x32  16x16  8x8   shortcut
CIFAR = {
      110:   ("basic",      (18,   18,    18),  "A"),
      164:   ("bottleneck", (18,   18,    18),  "B"),
      1001:  ("bottleneck", (111,  111,   111), "B"),
}
CIFAR_FILTERS =             (16,   32,    64)
# fmt: on


def preact_resnet(
    depth: int,
    classes: int = 1000,
    *,
    channels: int = 3,
    shortcut: str = "B",
    stride_on: str = "3x3",
    norm: str | Norm | None = nn.BatchNorm2d,
    activation: str | Activation = nn.ReLU,
    stem: str = "224",
    se: int | None = None,
    init: str = "paper",
    dropout: float = 0.0,
) -> nn.Sequential:
    """A network for ImageNet: (n, channels, height, width) -> (n, classes) logits, for any height and width.

    - `depth`: 18, 34, 50, 101, 152 or 200 layers with weights on the longest path.
    - `shortcut`: where a block changes shape, "B" projects its activated input and "A" pads the identity with
      zero channels; "C" projects in every block; "none" leaves the additions out.
    - `stride_on`: the convolution of a bottleneck that halves the map, "3x3" as practised since
      fb.resnet.torch or "1x1" as in He et al. 2015 and in the authors' release.
    - `norm`: None leaves it out and gives each convolution its bias back.
    - `stem`: "224" is a 7x7 convolution and a pool, both of stride 2; "32" is a 3x3 convolution, for small
      pictures, with an identity in the pool's place.
    - `se`: the reduction ratio of squeeze-excitation before each addition; None leaves it out.
    - `init`: "paper" and "he" as `layers.he_initialise`, or "xavier".
    - `dropout`: the rate before the last layer, none as published.

    The first block is special: the norm and activation right after `conv1` come before the pool and the split
    into two paths, and stand for its own (appendix, "Implementation details"). `bn_last` and `relu_last`
    follow the last addition. Raises `UsageError` for a value that cannot be meant.
    """
    check_depth(depth, IMAGENET, "section 4")
    kind, repeats = IMAGENET[depth]
    style = read_style(shortcut, norm, activation, se)
    layers = large_stem(channels, stem, style)
    layers.update(_trunk(kind, 64, IMAGENET_FILTERS, repeats, stride_on, style))
    layers.update(head(IMAGENET_FILTERS[-1] * EXPANSION[kind], classes, dropout))
    return initialised(nn.Sequential(layers), init, zero_init=False)


def small_preact_resnet(
    depth: int,
    classes: int = 10,
    *,
    channels: int = 3,
    shortcut: str = "paper",
    stride_on: str = "3x3",
    norm: str | Norm | None = nn.BatchNorm2d,
    activation: str | Activation = nn.ReLU,
    se: int | None = None,
    init: str = "paper",
    dropout: float = 0.0,
) -> nn.Sequential:
    """A network for CIFAR: (n, channels, height, width) -> (n, classes) logits.

    `depth` is 110 with blocks of two 3x3 convolutions, or 164 or 1001 with bottlenecks. `shortcut` "paper" is
    "A" for 110 and "B" for the others. The other options are those of `preact_resnet`. Raises `UsageError` for
    a value that cannot be meant.
    """
    check_depth(depth, CIFAR, "Table 4")
    kind, repeats, published = CIFAR[depth]
    style = read_style(published if shortcut == "paper" else shortcut, norm, activation, se)
    layers = small_stem(channels, CIFAR_FILTERS[0], style)
    layers.update(_trunk(kind, CIFAR_FILTERS[0], CIFAR_FILTERS, repeats, stride_on, style))
    layers.update(head(CIFAR_FILTERS[-1] * EXPANSION[kind], classes, dropout))
    return initialised(nn.Sequential(layers), init, zero_init=False)


def _trunk(
    kind: str, inputs: int, filters: tuple[int, ...], repeats: tuple[int, ...], stride_on: str, style: Style
) -> OrderedDict[str, nn.Module]:
    """The stages, and the norm and activation that follow the last addition."""
    if options.one_of("stride_on", stride_on, ("1x1", "3x3")) == "1x1" and kind == "basic":
        raise UsageError("stride_on", "the blocks of this depth have no 1x1 convolution", "stride_on=3x3")

    def block(inputs: int, filters: int, stride: int, first: bool = False) -> nn.Module:
        if kind == "basic":
            return activated_basic(inputs, filters, stride, style, first=first)
        outputs = filters * EXPANSION[kind]
        return activated_bottleneck(inputs, filters, outputs, stride, style, stride_on=stride_on, first=first)

    layers = stages(block, inputs, filters, repeats, EXPANSION[kind], first=partial(block, first=True))
    layers["bn_last"] = normalise(style.norm, filters[-1] * EXPANSION[kind])
    layers["relu_last"] = style.activation()
    return layers
