"""DenseNet: Huang, Liu, van der Maaten and Weinberger 2017, "Densely Connected Convolutional Networks"."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from striate.base.errors import UsageError
from striate.base.options import Range, Rate, Whole
from striate.layers import chain, conv, dropout_layer, initialise, normalise
from striate.models.entry import Line
from striate.models.options import Activation, Init, Norm, Stem, check_depth

# fmt: off
# Table 1, for pictures of 224 pixels: growth rate k and the layers of each dense block, all with bottleneck
# and compression. 161 is one of the networks that the authors released.
#   layers   k   block (1) (2) (3) (4)
TABLE_1 = {
    121:    (32,       (6, 12, 24, 16)),
    161:    (48,       (6, 12, 36, 24)),
    169:    (32,       (6, 12, 32, 32)),
    201:    (32,       (6, 12, 48, 32)),
    264:    (32,       (6, 12, 64, 48)),
}
TABLE_1_OUTPUT =      (56, 28, 14, 7)    # side of the map in each dense block
TABLE_1_COMPRESSION = 0.5

# Section 3, "Implementation Details", for pictures of 32 pixels: three dense blocks of equally many layers.
SECTION_3_OUTPUT =    (32, 16, 8)        # side of the map in each dense block
SECTION_3_STEM =      16                 # maps of the first convolution; twice the growth rate for DenseNet-BC
# fmt: on

Share = Annotated[float, Range(0.5, least=0, most=1, open="least")]
BOTTLENECK = 4  # maps of a 1x1 convolution, per map of the 3x3 convolution that follows


def densenet(
    depth: int,
    classes: Whole = 1000,
    *,
    channels: Whole = 3,
    norm: Norm = nn.BatchNorm2d,
    activation: Activation = nn.ReLU,
    stem: Stem = "224",
    dropout: Rate = 0.0,
    memory_efficient: bool = False,
    init: Init = "paper",
) -> nn.Sequential:
    """A network of Table 1: (n, channels, height, width) -> (n, classes) logits; sides of at least 29 pixels.

    - `depth`: 121, 161, 169, 201 or 264, the layers with weights; the row of 264 has 265.
    - `norm`: None leaves it out and gives each convolution its bias back.
    - `stem`: "224" is a 7x7 convolution and a pool, both of stride 2; "32", for small pictures, is a 3x3
      convolution with an identity in the pool's place, and sides may be 8 pixels.
    - `dropout`: the rate after every convolution except the first, none as published for ImageNet.
    - `memory_efficient`: compute what a layer concatenates and normalises again in the backward pass instead
      of keeping it (Pleiss et al. 2017): memory grows with depth, not with its square. The same bits.
    - `init`: "paper" and "he" as `layers.he_initialise` (section 4.2), or "xavier".

    Keys and shapes are torchvision's. `net.features` is the trunk, with a dense block and a transition a
    stage. Raises `UsageError` for a depth that the table has not.
    """
    check_depth(depth, TABLE_1, "Table 1")
    growth, repeats = TABLE_1[depth]
    maps, small = 2 * growth, stem == "32"
    bottleneck, compression = True, TABLE_1_COMPRESSION
    design = Design(growth, bottleneck, compression, norm, activation, dropout, memory_efficient)
    first: dict[str, nn.Module] = {
        "conv0": conv(channels, maps, 3, norm=norm) if small else conv(channels, maps, 7, stride=2, norm=norm),
        "norm0": normalise(norm, maps),
        "relu0": activation(),
        "pool0": nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1),
    }
    return network(first, maps, repeats, design, classes, init)


def small_densenet(
    depth: int,
    growth: Whole,
    classes: Whole = 10,
    *,
    bottleneck: bool = False,
    compression: Share = 1.0,
    channels: Whole = 3,
    norm: Norm = nn.BatchNorm2d,
    activation: Activation = nn.ReLU,
    dropout: Rate = 0.0,
    memory_efficient: bool = False,
    init: Init = "paper",
) -> nn.Sequential:
    """A network of section 3 for CIFAR: (n, channels, height, width) -> (n, classes) logits; sides of 4 or more.

    - `depth` (L) is 3n + 4 for n layers a dense block, or 6n + 4 with bottlenecks; `growth` (k) is the number
      of maps that each layer adds.
    - `bottleneck`: a 1x1 convolution of 4k maps before each 3x3 convolution (DenseNet-B).
    - `compression`: the share of the maps that a transition keeps, above 0 to 1 (DenseNet-C below 1).
    - `dropout`: 0.2 as published without augmentation, 0 with it; after every convolution except the first.

    The other options are those of `densenet`. `net.features` is the trunk. Raises `UsageError` for a depth that is no
    such number.
    """
    each = 6 if bottleneck else 3
    layers, rest = divmod(depth - 4, each)
    if layers < 1 or rest:
        low = 4 + each * max(layers, 1)
        cause = f"{depth} layers are not {each}n + 4, n layers in each of three dense blocks"
        raise UsageError("depth", cause, f"{low} or {low + each}")
    maps = 2 * growth if bottleneck and compression < 1 else SECTION_3_STEM
    design = Design(growth, bottleneck, compression, norm, activation, dropout, memory_efficient)
    first = {"conv0": conv(channels, maps, 3, norm=norm)}
    return network(first, maps, [layers] * len(SECTION_3_OUTPUT), design, classes, init)


@final
@dataclass(frozen=True)
class Design:
    """What all dense blocks and transitions of one network have in common."""

    growth: int
    bottleneck: bool
    compression: float
    norm: Norm
    activation: Activation
    dropout: float
    memory_efficient: bool


def network(
    first: Mapping[str, nn.Module], maps: int, repeats: Sequence[int], design: Design, classes: int, init: str
) -> nn.Sequential:
    """The `first` layers, dense blocks with a transition after each but the last, then average and classify."""
    features = dict(first)
    for number, layers in enumerate(repeats, start=1):
        grown = [maps + layer * design.growth for layer in range(layers + 1)]
        features[f"denseblock{number}"] = DenseBlock(
            OrderedDict((f"denselayer{at}", DenseLayer(inputs, design)) for at, inputs in enumerate(grown[:-1], 1))
        )
        maps = grown[-1]
        if number < len(repeats):
            kept = max(1, int(round(design.compression * maps, 6)))  # floor(theta * m), section 3
            features[f"transition{number}"] = transition(maps, kept, design)
            maps = kept
    features[f"norm{len(repeats) + 1}"] = normalise(design.norm, maps)
    net = chain(
        features=chain(**features),
        relu=design.activation(),
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        classifier=nn.Linear(maps, classes),
    )
    return initialise(net, init)


def transition(inputs: int, outputs: int, design: Design) -> nn.Sequential:
    """Section 3, "Pooling layers"; the activation between norm and convolution is in the authors' code."""
    return chain(
        norm=normalise(design.norm, inputs),
        relu=design.activation(),
        conv=conv(inputs, outputs, 1, norm=design.norm),
        **dropout_layer(design.dropout),
        pool=nn.AvgPool2d(2),
    )


@final
class DenseBlock(nn.Sequential):
    """Equation 2: every layer is given the maps of all layers before it, x_l = H_l([x_0, x_1 ... x_(l-1)])."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(n, inputs, height, width) -> (n, inputs + layers * growth, height, width)."""
        maps = [input]
        for layer in self:
            maps.append(layer(*maps))
        return torch.cat(maps, 1)


@final
class DenseLayer(nn.Module):
    """H_l of section 3: norm, activation, 3x3 convolution, or with a 1x1 bottleneck before it the same twice.

    The wide part is all up to the first convolution: it reads every earlier map. The memory-efficient layer
    keeps none of it and computes it again in the backward pass.
    """

    def __init__(self, inputs: int, design: Design) -> None:
        super().__init__()
        norm, growth = design.norm, design.growth
        first = BOTTLENECK * growth if design.bottleneck else growth
        self.norm1 = normalise(norm, inputs)
        self.relu1 = design.activation()
        self.conv1 = conv(inputs, first, 1 if design.bottleneck else 3, norm=norm)
        self.dropout1 = nn.Dropout(design.dropout) if design.dropout else None
        if design.bottleneck:
            self.norm2 = normalise(norm, first)
            self.relu2 = design.activation()
            self.conv2 = conv(first, growth, 3, norm=norm)
            self.dropout2 = nn.Dropout(design.dropout) if design.dropout else None
        self.bottleneck, self.memory_efficient = design.bottleneck, design.memory_efficient

    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        """Maps of all layers before, each (n, some, height, width) -> (n, growth, height, width)."""
        # torch.compile chooses itself what to compute again
        if self.memory_efficient and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            y = checkpoint(self.wide, *maps, use_reentrant=False, context_fn=self._passes)
        else:
            y = self.wide(*maps)
        y = y if self.dropout1 is None else self.dropout1(y)
        if self.bottleneck:
            y = self.conv2(self.relu2(self.norm2(y)))
            y = y if self.dropout2 is None else self.dropout2(y)
        return y

    def wide(self, *maps: torch.Tensor) -> torch.Tensor:
        """The same maps -> (n, 4 * growth or growth, height, width)."""
        return self.conv1(self.relu1(self.norm1(torch.cat(maps, 1))))  # type: ignore[no-any-return]

    def _passes(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """The context of the first pass through the wide part, and of the second."""
        return nullcontext(), BuffersLeftAlone(self.norm1)

    def extra_repr(self) -> str:
        return "memory_efficient=True" if self.memory_efficient else ""


@final
class BuffersLeftAlone(AbstractContextManager[None]):
    """Within, `net` updates copies of its buffers: running statistics count a batch once, not twice."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def __enter__(self) -> None:
        modules = self.net.modules()
        self.kept = [(each, name, buffer) for each in modules for name, buffer in each.named_buffers(recurse=False)]
        for module, name, buffer in self.kept:
            setattr(module, name, buffer.clone())

    def __exit__(self, *_: object) -> None:
        for module, name, buffer in self.kept:
            setattr(module, name, buffer)


def table_1(depth: int) -> list[Line]:
    """Table 1, line by line."""
    _, repeats = TABLE_1[depth]
    lines = [
        Line("Convolution", "7x7 conv, stride 2", _features("conv0", "norm0", "relu0"), "112x112"),
        Line("Pooling", "3x3 max pool, stride 2", _features("pool0"), "56x56"),
    ]
    lines += _block_lines(TABLE_1_OUTPUT, repeats, "1x1 conv, 3x3 conv")
    lines += [
        Line("Classification Layer", "7x7 global average pool", (*_features("norm5"), "relu", "avgpool"), "1x1"),
        Line("", "1000D fully-connected, softmax", ("flatten", "classifier")),
    ]
    return lines


def section_3(depth: int, growth: int, bottleneck: bool = False, compression: float = 1.0) -> list[Line]:
    """The implementation details of section 3, which has no table, in the form of Table 1."""
    layers = (depth - 4) // (6 if bottleneck else 3)
    stem = 2 * growth if bottleneck and compression < 1 else SECTION_3_STEM
    words = "1x1 conv, 3x3 conv" if bottleneck else "3x3 conv"
    lines = [Line("Convolution", f"3x3 conv, {stem} output channels", _features("conv0"), "32x32")]
    lines += _block_lines(SECTION_3_OUTPUT, [layers] * len(SECTION_3_OUTPUT), words)
    lines += [
        Line("Classification", "global average pooling", (*_features("norm4"), "relu", "avgpool"), "1x1"),
        Line("", "softmax classifier", ("flatten", "classifier")),
    ]
    return lines


def _block_lines(sides: Sequence[int], repeats: Sequence[int], words: str) -> Iterator[Line]:
    for number, (side, layers) in enumerate(zip(sides, repeats, strict=True), start=1):
        size, half = f"{side}x{side}", f"{side // 2}x{side // 2}"
        block, transition = f"denseblock{number}", f"transition{number}"
        yield Line(f"Dense Block ({number})", f"[{words}] x {layers}", _features(block), size)
        if number < len(repeats):
            parts = _features(f"{transition}.norm", f"{transition}.relu", f"{transition}.conv")
            yield Line(f"Transition Layer ({number})", "1x1 conv", parts, size)
            yield Line("", "2x2 average pool, stride 2", _features(f"{transition}.pool"), half)


def _features(*names: str) -> tuple[str, ...]:
    return tuple(f"features.{name}" for name in names)
