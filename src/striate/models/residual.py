"""What the residual families share: the blocks, the shortcut around them, the stem, the stages and the last layer.

He et al. 2015, "Deep Residual Learning for Image Recognition". A block is an identity block where its shortcut
is the identity, and a convolution block (a projection block) where a 1x1 convolution brings its input to the
shape of its output. Each family's own file holds its table and says how wide each block is.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import nn
from torch.nn import functional

from striate.base.errors import UsageError
from striate.layers import Activation, Norm, SqueezeExcitation, conv, dropout_layer, initialise, normalise
from striate.models import options
from striate.models.entry import Line

SHORTCUTS = ("A", "B", "C", "none")
EXPANSION = {"basic": 1, "bottleneck": 4}  # channels that leave a block, per filter that the tables print


@dataclass(frozen=True)
class Style:
    """What every block of a network has: its shortcut, norm and activation, and the ratio of squeeze-excitation."""

    shortcut: str
    norm: Norm | None
    activation: Activation
    se: int | None


def read_style(shortcut: str, norm: str | Norm | None, activation: str | Activation, se: int | str | None) -> Style:
    """The four options of every residual family, read and checked."""
    return Style(
        options.one_of("shortcut", shortcut, SHORTCUTS),
        options.norm(norm),
        options.activation(activation),
        options.ratio("se", se),
    )


def basic(inputs: int, filters: int, stride: int, style: Style) -> OrderedDict[str, nn.Module]:
    """He et al. 2015, Fig. 5, left: two 3x3 convolutions, the layers of a block before its shortcut is added."""
    return OrderedDict[str, nn.Module](
        conv1=conv(inputs, filters, 3, stride=stride, norm=style.norm),
        bn1=normalise(style.norm, filters),
        relu1=style.activation(),
        conv2=conv(filters, filters, 3, norm=style.norm),
        bn2=normalise(style.norm, filters),
    )


def bottleneck(
    inputs: int,
    width: int,
    outputs: int,
    stride: int,
    style: Style,
    *,
    stride_on: str = "3x3",
    groups: int = 1,
    narrow: int | None = None,
) -> OrderedDict[str, nn.Module]:
    """He et al. 2015, Fig. 5, right: a 3x3 convolution to `width` maps between two 1x1 that narrow and widen.

    `groups` splits the 3x3 convolution: Xie et al. 2017, Fig. 3 (c). It takes `narrow` maps, as many as it
    gives when None.
    """
    narrow = narrow or width
    first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
    return OrderedDict[str, nn.Module](
        conv1=conv(inputs, narrow, 1, stride=first, norm=style.norm),
        bn1=normalise(style.norm, narrow),
        relu1=style.activation(),
        conv2=conv(narrow, width, 3, stride=second, groups=groups, norm=style.norm),
        bn2=normalise(style.norm, width),
        relu2=style.activation(),
        conv3=conv(width, outputs, 1, norm=style.norm),
        bn3=normalise(style.norm, outputs),
    )


@final
class Residual(nn.Module):
    """He et al. 2015, Fig. 2: `activation(chain(x) + shortcut(x))`.

    An identity block, Fig. 5, when the shortcut is the identity (or option A's, padded with zero channels); a
    convolution block when it is a projection, eq. 2. The chain's layers are children of the block itself and
    the shortcut is called `downsample`: the keys of the published weights.
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


def with_shortcut(
    chain: Mapping[str, nn.Module], inputs: int, outputs: int, stride: int, style: Style, *, kernel: int = 1
) -> nn.Module:
    """A block with its shortcut, or the same layers without one: the comparison of He et al. 2015 in one line.

    `style.se` scales the chain's maps before the addition (Hu et al. 2018, Fig. 3). `kernel` is the
    projection's, 1 in every network but SENet-154.
    """
    scaled = scaled_by_se(chain, outputs, style)
    if style.shortcut == "none":
        return nn.Sequential(OrderedDict({**scaled, "relu": style.activation()}))
    shortcut = unprojected(inputs, outputs, stride, style) or nn.Sequential(
        conv(inputs, outputs, kernel, stride=stride, norm=style.norm), normalise(style.norm, outputs)
    )
    return Residual(scaled, shortcut, style.activation())


def unprojected(inputs: int, outputs: int, stride: int, style: Style) -> nn.Module | None:
    """The shortcut of an identity block, or None where `style.shortcut` wants a projection.

    He et al. 2015, section 3.3, options A and B; section 4.1, option C.
    """
    if style.shortcut != "C" and (inputs, stride) == (outputs, 1):
        return nn.Identity()
    return PaddedIdentity(stride, outputs - inputs) if style.shortcut == "A" else None


def scaled_by_se(chain: Mapping[str, nn.Module], outputs: int, style: Style) -> OrderedDict[str, nn.Module]:
    """The chain, and squeeze-excitation of the maps that it gives where `style.se` asks for it."""
    return OrderedDict({**chain, **({"se": SqueezeExcitation(outputs, style.se)} if style.se else {})})


@final
class PreActivation(nn.Module):
    """He et al. 2016, "Identity Mappings in Deep Residual Networks", Fig. 4 (e): `chain(a) + shortcut`.

    `a` is x after `opening`, the block's first norm and activation. An identity block adds x itself, a
    convolution block the projection of `a`, which both its paths share; nothing follows the addition. The
    first block of a network has an empty `opening`: its input is activated right after the first convolution.
    """

    def __init__(self, opening: Mapping[str, nn.Module], chain: Mapping[str, nn.Module], shortcut: nn.Module) -> None:
        super().__init__()
        self.opening, self.chain = tuple(opening), tuple(chain)
        for name, layer in (*opening.items(), *chain.items()):
            self.add_module(name, layer)
        self.projects = isinstance(shortcut, nn.Conv2d)
        self.downsample = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, height, width) -> (n, outputs, height / stride, width / stride), rounded up."""
        activated = x
        for name in self.opening:
            activated = self.get_submodule(name)(activated)
        y = activated
        for name in self.chain:
            y = self.get_submodule(name)(y)
        return y + self.downsample(activated if self.projects else x)  # type: ignore[no-any-return]


def activated_basic(
    inputs: int, filters: int, stride: int, style: Style, *, first: bool, dropout: float = 0.0
) -> nn.Module:
    """A pre-activation block of two 3x3 convolutions: He et al. 2016, Fig. 4 (e).

    `dropout` acts between them: Zagoruyko and Komodakis 2016, Fig. 1 (d).
    """
    chain = OrderedDict[str, nn.Module](
        conv1=conv(inputs, filters, 3, stride=stride, norm=style.norm),
        bn2=normalise(style.norm, filters),
        relu2=style.activation(),
        **dropout_layer(dropout),
        conv2=conv(filters, filters, 3, norm=style.norm),
    )
    return _activated(chain, inputs, filters, stride, style, first)


def activated_bottleneck(
    inputs: int, width: int, outputs: int, stride: int, style: Style, *, stride_on: str, first: bool
) -> nn.Module:
    """A pre-activation block of 1x1, 3x3 and 1x1 convolutions: He et al. 2016, section 4."""
    first_stride, second_stride = (stride, 1) if stride_on == "1x1" else (1, stride)
    chain = OrderedDict[str, nn.Module](
        conv1=conv(inputs, width, 1, stride=first_stride, norm=style.norm),
        bn2=normalise(style.norm, width),
        relu2=style.activation(),
        conv2=conv(width, width, 3, stride=second_stride, norm=style.norm),
        bn3=normalise(style.norm, width),
        relu3=style.activation(),
        conv3=conv(width, outputs, 1, norm=style.norm),
    )
    return _activated(chain, inputs, outputs, stride, style, first)


def _activated(
    chain: Mapping[str, nn.Module], inputs: int, outputs: int, stride: int, style: Style, first: bool
) -> nn.Module:
    """The chain with its opening and shortcut, or both in a row without a shortcut."""
    opening: dict[str, nn.Module] = {} if first else {"bn1": normalise(style.norm, inputs), "relu1": style.activation()}
    scaled = scaled_by_se(chain, outputs, style)
    if style.shortcut == "none":
        return nn.Sequential(OrderedDict({**opening, **scaled}))
    shortcut = unprojected(inputs, outputs, stride, style)
    return PreActivation(opening, scaled, shortcut or conv(inputs, outputs, 1, stride=stride, norm=style.norm))


def large_stem(channels: int, stem: str, style: Style) -> OrderedDict[str, nn.Module]:
    """What comes before the stages for ImageNet, to 64 maps.

    `stem` "224" is a 7x7 convolution and a pool, both of stride 2 (He et al. 2015, Table 1); "32" is
    `small_stem` with an identity in the pool's place.
    """
    inputs = options.count("channels", channels)
    if options.one_of("stem", stem, ("224", "32")) == "32":
        return OrderedDict({**small_stem(inputs, 64, style), "maxpool": nn.Identity()})
    return OrderedDict[str, nn.Module](
        conv1=conv(inputs, 64, 7, stride=2, norm=style.norm),
        bn1=normalise(style.norm, 64),
        relu=style.activation(),
        maxpool=nn.MaxPool2d(3, stride=2, padding=1),
    )


def small_stem(channels: int, maps: int, style: Style) -> OrderedDict[str, nn.Module]:
    """What comes before the stages for CIFAR, one 3x3 convolution: He et al. 2015, section 4.2."""
    return OrderedDict[str, nn.Module](
        conv1=conv(options.count("channels", channels), maps, 3, norm=style.norm),
        bn1=normalise(style.norm, maps),
        relu=style.activation(),
    )


def stages(
    block: Callable[[int, int, int], nn.Module],
    inputs: int,
    filters: Sequence[int],
    repeats: Sequence[int],
    expansion: int = 1,
    first: Callable[[int, int, int], nn.Module] | None = None,
) -> OrderedDict[str, nn.Module]:
    """layer1, layer2 ...: every stage but the first halves the map in its first block.

    `block` takes (inputs, filters, stride) and gives filters * expansion maps; `first`, where given, builds
    the first block of all.
    """
    built: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (width, times) in enumerate(zip(filters, repeats, strict=True), start=1):
        opening = first or block if number == 1 else block
        blocks = [opening(inputs, width, 1 if number == 1 else 2)]
        inputs = width * expansion
        blocks += [block(inputs, width, 1) for _ in range(times - 1)]
        built[f"layer{number}"] = nn.Sequential(*blocks)
    return built


def head(features: int, classes: int, dropout: float) -> OrderedDict[str, nn.Module]:
    """Global average pooling and one linear layer."""
    return OrderedDict[str, nn.Module](
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        **dropout_layer(options.fraction("dropout", dropout)),
        fc=nn.Linear(features, options.count("classes", classes)),
    )


def initialised(net: nn.Sequential, init: str, zero_init: bool | str) -> nn.Sequential:
    """Weights drawn as `init` says; `zero_init`: the last norm of each block starts at 0.

    A block then starts as its shortcut: Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 5.1.
    """
    initialise(net, options.initialisation(init))
    if options.flag("zero_init", zero_init):
        blocks = [module for module in net.modules() if isinstance(module, Residual)]
        lasts = [block.get_submodule([name for name in block.chain if name != "se"][-1]) for block in blocks]
        if not lasts or any(not isinstance(getattr(last, "weight", None), nn.Parameter) for last in lasts):
            cause = "only blocks with a shortcut, whose last norm has a scale, can start as their shortcut"
            raise UsageError("zero_init", cause, "zero_init=false")
        for last in lasts:
            nn.init.zeros_(last.get_parameter("weight"))
    return net


def check_depth(depth: int, known: Iterable[int], where: str) -> None:
    """A `UsageError` when `depth` is not one of those that the table called `where` lists."""
    if depth not in known:
        hint = f"one of {', '.join(map(str, known))}"
        raise UsageError("depth", f"{where} has no network of {depth} layers", hint)


def imagenet_table(names: Sequence[str], blocks: Sequence[str]) -> list[Line]:
    """What the papers' tables of networks for ImageNet have in common.

    `names` are what the paper calls the first convolution and the four stages, `blocks` the stages' words.
    """
    return [
        Line(names[0], "7x7, 64, stride 2", ("conv1", "bn1", "relu"), "112x112"),
        Line(names[1], f"3x3 max pool, stride 2; {blocks[0]}", ("maxpool", "layer1"), "56x56"),
        Line(names[2], blocks[1], ("layer2",), "28x28"),
        Line(names[3], blocks[2], ("layer3",), "14x14"),
        Line(names[4], blocks[3], ("layer4",), "7x7"),
        Line("fc", "global average pool, 1000-d fc, softmax", ("avgpool", "flatten", "fc"), "1x1"),
    ]
