"""Residual networks and their plain twins: He et al. 2015, "Deep Residual Learning for Image Recognition"."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import final

import torch
from torch import nn
from torch.nn import functional

from striate.errors import UsageError
from striate.layers import Activation, Norm, conv, dropout_layer, he_initialise, normalise
from striate.models import options

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
SECTION_4_2_LAYERS = (20, 32, 44, 56, 110)                # n = 3, 5, 7, 9, 18
# fmt: on

EXPANSION = {"basic": 1, "bottleneck": 4}  # channels that leave a block, per filter of its 3x3 convolution
SHORTCUTS = ("A", "B", "C", "none")


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
    - `zero_init`: the last norm of each block starts at 0, so that a block starts as its shortcut (Goyal et
      al. 2017, "Accurate, Large Minibatch SGD", section 5.1).
    - `dropout`: the rate before the last layer, none as published.

    With options as given here, keys and shapes are torchvision's. `net[:8]` is the trunk, `net.layer1` to
    `net.layer4` are conv2_x to conv5_x. Convolutions start as `layers.he_initialise` says. Raises
    `UsageError` for a value that cannot be meant.
    """
    if depth not in TABLE_1:
        raise UsageError("depth", f"Table 1 has no network of {depth} layers", f"one of {_words(TABLE_1)}")
    kind, repeats = TABLE_1[depth]
    if options.one_of("stride_on", stride_on, ("1x1", "3x3")) == "1x1" and kind == "basic":
        raise UsageError("stride_on", f"the blocks of depth {depth} have no 1x1 convolution", "stride_on=3x3")
    inputs, normed = options.count("channels", channels), options.norm(norm)
    activate = options.activation(activation)
    small = options.one_of("stem", stem, ("224", "32")) == "32"
    layers = OrderedDict[str, nn.Module](
        conv1=conv(inputs, 64, 3, norm=normed) if small else conv(inputs, 64, 7, stride=2, norm=normed),
        bn1=normalise(normed, 64),
        relu=activate(),
        maxpool=nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1),
    )
    block = partial(_block, kind, shortcut=shortcut, stride_on=stride_on, norm=normed, activation=activate)
    layers.update(_stages(block, TABLE_1_FILTERS, repeats, EXPANSION[kind]))
    layers.update(_head(TABLE_1_FILTERS[-1] * EXPANSION[kind], classes, dropout))
    return _initialised(nn.Sequential(layers), zero_init)


def small_resnet(
    depth: int,
    classes: int = 10,
    *,
    channels: int = 3,
    shortcut: str = "A",
    norm: str | Norm | None = nn.BatchNorm2d,
    activation: str | Activation = nn.ReLU,
    zero_init: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """A network of section 4.2, for CIFAR-10: (n, channels, height, width) -> (n, classes) logits.

    `depth` is 20, 32, 44, 56 or 110; the other options are those of `resnet`. `net[:6]` is the trunk, its
    stages are `net.layer1` to `net.layer3`. Raises `UsageError` for a value that cannot be meant.
    """
    if depth not in SECTION_4_2_LAYERS:
        hint = f"one of {_words(SECTION_4_2_LAYERS)}"
        raise UsageError("depth", f"section 4.2 has no network of {depth} layers", hint)
    inputs, normed = options.count("channels", channels), options.norm(norm)
    activate = options.activation(activation)
    first, *_, last = SECTION_4_2_FILTERS
    layers = OrderedDict[str, nn.Module](
        conv1=conv(inputs, first, 3, norm=normed), bn1=normalise(normed, first), relu=activate()
    )
    block = partial(_block, "basic", shortcut=shortcut, stride_on="3x3", norm=normed, activation=activate)
    layers.update(_stages(block, SECTION_4_2_FILTERS, [(depth - 2) // 6] * 3, EXPANSION["basic"]))
    layers.update(_head(last, classes, dropout))
    return _initialised(nn.Sequential(layers), zero_init)


def basic(
    inputs: int, filters: int, stride: int, *, norm: Norm | None, activation: Activation
) -> OrderedDict[str, nn.Module]:
    """Figure 5, left: the layers of a block before its shortcut is added."""
    return OrderedDict[str, nn.Module](
        conv1=conv(inputs, filters, 3, stride=stride, norm=norm),
        bn1=normalise(norm, filters),
        relu1=activation(),
        conv2=conv(filters, filters, 3, norm=norm),
        bn2=normalise(norm, filters),
    )


def bottleneck(
    inputs: int, filters: int, stride: int, *, stride_on: str, norm: Norm | None, activation: Activation
) -> OrderedDict[str, nn.Module]:
    """Figure 5, right: a 3x3 convolution between two 1x1 that narrow and widen the maps around it."""
    outputs = filters * EXPANSION["bottleneck"]
    first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
    return OrderedDict[str, nn.Module](
        conv1=conv(inputs, filters, 1, stride=first, norm=norm),
        bn1=normalise(norm, filters),
        relu1=activation(),
        conv2=conv(filters, filters, 3, stride=second, norm=norm),
        bn2=normalise(norm, filters),
        relu2=activation(),
        conv3=conv(filters, outputs, 1, norm=norm),
        bn3=normalise(norm, outputs),
    )


@final
class Residual(nn.Module):
    """Figure 2: `activation(chain(x) + shortcut(x))`.

    The chain's layers are children of the block itself and the shortcut is called `downsample`: the keys of
    the published weights.
    """

    def __init__(self, chain: Mapping[str, nn.Module], shortcut: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.chain = tuple(chain)
        for name, layer in chain.items():
            self.add_module(name, layer)
        self.downsample = shortcut
        self.relu = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, height, width) -> (n, outputs, height / stride, width / stride), rounded up."""
        y = x
        for name in self.chain:
            y = self.get_submodule(name)(y)
        return self.relu(y + self.downsample(x))  # type: ignore[no-any-return]


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


def _block(
    kind: str,
    inputs: int,
    filters: int,
    stride: int,
    *,
    shortcut: str,
    stride_on: str,
    norm: Norm | None,
    activation: Activation,
) -> nn.Module:
    """A block with its shortcut, or the same layers without one: the paper's comparison in one line."""
    outputs = filters * EXPANSION[kind]
    if kind == "basic":
        chain = basic(inputs, filters, stride, norm=norm, activation=activation)
    else:
        chain = bottleneck(inputs, filters, stride, stride_on=stride_on, norm=norm, activation=activation)
    if options.one_of("shortcut", shortcut, SHORTCUTS) == "none":
        return nn.Sequential(OrderedDict(chain, relu=activation()))
    return Residual(chain, _shortcut(shortcut, inputs, outputs, stride, norm), activation())


def _shortcut(option: str, inputs: int, outputs: int, stride: int, norm: Norm | None) -> nn.Module:
    """Section 3.3, options A and B; section 4.1, option C."""
    if option != "C" and (inputs, stride) == (outputs, 1):
        return nn.Identity()
    if option == "A":
        return PaddedIdentity(stride, outputs - inputs)
    return nn.Sequential(conv(inputs, outputs, 1, stride=stride, norm=norm), normalise(norm, outputs))


def _stages(
    block: Callable[[int, int, int], nn.Module],
    filters: Sequence[int],
    repeats: Sequence[int],
    expansion: int,
) -> OrderedDict[str, nn.Module]:
    """layer1, layer2 ...: every stage but the first halves the map in its first block."""
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = filters[0]
    for number, (width, times) in enumerate(zip(filters, repeats, strict=True), start=1):
        blocks = [block(inputs, width, 1 if number == 1 else 2)]
        inputs = width * expansion
        blocks += [block(inputs, width, 1) for _ in range(times - 1)]
        stages[f"layer{number}"] = nn.Sequential(*blocks)
    return stages


def _head(features: int, classes: int, dropout: float) -> OrderedDict[str, nn.Module]:
    """Global average pooling and one linear layer."""
    return OrderedDict[str, nn.Module](
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        **dropout_layer(options.fraction("dropout", dropout)),
        fc=nn.Linear(features, options.count("classes", classes)),
    )


def _initialised(net: nn.Sequential, zero_init: bool | str) -> nn.Sequential:
    he_initialise(net)
    if options.flag("zero_init", zero_init):
        blocks = [module for module in net.modules() if isinstance(module, Residual)]
        lasts = [block.get_submodule(block.chain[-1]) for block in blocks]
        if not lasts or any(not isinstance(getattr(last, "weight", None), nn.Parameter) for last in lasts):
            cause = "only blocks with a shortcut, whose last norm has a scale, can start as their shortcut"
            raise UsageError("zero_init", cause, "zero_init=false")
        for last in lasts:
            nn.init.zeros_(last.get_parameter("weight"))
    return net


def _words(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
