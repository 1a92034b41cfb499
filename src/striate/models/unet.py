"""U-Net: Ronneberger, Fischer and Brox 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation"."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal, final

import torch
from torch import nn

from striate.base.errors import UsageError
from striate.base.options import Rate, Whole
from striate.layers import chain, dropout_layer, initialise, normalise
from striate.models.entry import Line
from striate.models.options import Activation, Init, Norm
from striate.models.residual import Style
from striate.models.resnet import resnet

# fmt: off
# Figure 1: two 3x3 convolutions a level; sides of the map as it enters and after each. A 2x2 max pool leads down,
# a 2x2 up-convolution up, after which the map of the same level going down is cropped and concatenated.
#    level     maps  enters  conv 3x3  conv 3x3
FIGURE_1 = (
    ("down1",  64,   572,    570,      568),
    ("down2",  128,  284,    282,      280),
    ("down3",  256,  140,    138,      136),
    ("down4",  512,  68,     66,       64),
    ("bottom", 1024, 32,     30,       28),
    ("up4",    512,  56,     54,       52),
    ("up3",    256,  104,    102,      100),
    ("up2",    128,  200,    198,      196),
    ("up1",    64,   392,    390,      388),
)
FIGURE_1_OUTPUT = 2  # classes, by a 1x1 convolution

# A ResNet as the contracting path: its layers whose maps are kept, each of half the side of the one before, with
# their maps where blocks are basic or bottlenecks; and the maps of the expanding path from its deepest level up.
#                         relu layer1 layer2 layer3 layer4
ENCODER = {"basic":      (64,  64,    128,   256,   512),
           "bottleneck": (64,  256,   512,   1024,  2048)}
ENCODER_KEPT =           ("relu", "layer1", "layer2", "layer3")
ENCODER_DEPTHS = {18: "basic", 34: "basic", 50: "bottleneck"}
DECODER =                (16,  32,    64,    128,   256)
# fmt: on

Shortcut = Literal["concatenate", "none"]


def unet(
    classes: Whole = 2,
    *,
    channels: Whole = 1,
    width: Whole = 64,
    shortcut: Shortcut = "concatenate",
    norm: Norm = None,
    activation: Activation = nn.ReLU,
    dropout: Rate = 0.5,
    init: Init = "paper",
) -> nn.Module:
    """Figure 1: (n, channels, height, width) -> (n, classes, height - 184, width - 184) logits.

    Convolutions are not padded: sides are 188 pixels or 16, 32 ... more, and the 92 pixels at each border are
    context only. The paper mirrors a picture there to have an answer for all of it.

    - `width`: maps of the first level; each level down has twice as many.
    - `shortcut`: "none" leaves the concatenations out and halves what the convolutions after them read.
    - `norm`: none as published; with one, the 3x3 convolutions lose their bias.
    - `dropout`: the rate at the end of the contracting path (section 3.1), after its last two levels. The paper
      does not print it; 0.5 on these levels is that of the network the authors released.
    - `init`: "paper" as `incoming_normal`, or "he" or "xavier".

    Children are `encoder` (down1, pool1 ... bottom), `decoder` (up4 ... up1) and `last`: Figure 1 gives no
    names.
    """
    return _as_figure_1(0, classes, channels, width, shortcut, norm, activation, dropout, init)


def unet_padded(
    classes: Whole = 2,
    *,
    channels: Whole = 3,
    width: Whole = 64,
    shortcut: Shortcut = "concatenate",
    norm: Norm = nn.BatchNorm2d,
    activation: Activation = nn.ReLU,
    dropout: Rate = 0.0,
    init: Init = "paper",
) -> nn.Module:
    """U-Net as practised: (n, channels, height, width) -> (n, classes, height, width) logits, sides multiples of 16.

    Each 3x3 convolution is padded with one ring of zeros and followed by a norm. Options and children are those
    of `unet`.
    """
    return _as_figure_1(1, classes, channels, width, shortcut, norm, activation, dropout, init)


def unet_resnet(
    depth: int,
    classes: Whole = 2,
    *,
    channels: Whole = 3,
    shortcut: Shortcut = "concatenate",
    norm: Norm = nn.BatchNorm2d,
    activation: Activation = nn.ReLU,
    dropout: Rate = 0.0,
    init: Init = "paper",
) -> nn.Module:
    """A ResNet going down, a U going up: (n, channels, h, w) -> (n, classes, h, w) logits, sides multiples of 32.

    `depth` is 18, 34 or 50. `net.encoder` has the children of `resnet(depth)` up to layer4, so that published
    weights load into it under their own keys. `net.decoder` is padded; up1, where no map is left to
    concatenate, brings the side back that the stem halved. `dropout` acts after layer4. The other options are
    those of `unet_padded`. Raises `UsageError` for another depth.
    """
    if depth not in ENCODER_DEPTHS:
        hint = f"one of {', '.join(map(str, ENCODER_DEPTHS))}"
        raise UsageError("depth", f"no U-Net is built on a ResNet of {depth} layers", hint)
    trunk = resnet(depth, 1, channels=channels, style=Style(norm=norm, activation=activation, init=init))
    encoder = chain(**dict(list(trunk.named_children())[:8]), **dropout_layer(dropout))  # without avgpool, flatten, fc
    *kept, maps = ENCODER[ENCODER_DEPTHS[depth]]
    up = nn.ModuleDict()
    for level, (outputs, skipped) in enumerate(zip(DECODER[::-1], (*kept[::-1], 0), strict=True)):
        skipped = skipped if shortcut == "concatenate" else 0
        up[f"up{len(DECODER) - level}"] = Up(maps, outputs, skipped, 1, norm=norm, activation=activation)
        maps = outputs
    last = nn.Conv2d(maps, classes, 1)
    initialise(nn.ModuleList([up, last]), init, incoming_normal)
    return UNet(encoder, ENCODER_KEPT if shortcut == "concatenate" else (), up, last)


def _as_figure_1(
    padding: int, classes: int, channels: int, width: int, shortcut: Shortcut, norm: Norm, activation: Activation,
    dropout: float, init: Init,
) -> nn.Module:  # fmt: skip
    """Figure 1 as an encoder of nine children, a decoder of four, and the last convolution."""
    first, concatenate = FIGURE_1[0][1], shortcut == "concatenate"
    widths = {name: width * maps // first for name, maps, *_ in FIGURE_1}
    down = [name for name in widths if not name.startswith("up")]
    encoder: dict[str, nn.Module] = {}
    maps = channels
    for number, name in enumerate(down, start=1):
        late = dropout_layer(dropout) if name in down[-2:] else {}
        convolutions = two_convolutions(maps, widths[name], padding, norm=norm, activation=activation)
        encoder[name] = chain(**convolutions, **late)
        if name != down[-1]:
            encoder[f"pool{number}"] = nn.MaxPool2d(2)
        maps = widths[name]
    up = nn.ModuleDict()
    for name, outputs in widths.items():
        if name.startswith("up"):
            up[name] = Up(maps, outputs, outputs if concatenate else 0, padding, norm=norm, activation=activation)
            maps = outputs
    net = UNet(chain(**encoder), down[:-1] if concatenate else (), up, nn.Conv2d(maps, classes, 1))
    return initialise(net, init, incoming_normal)


@final
class UNet(nn.Module):
    """The U: maps that the encoder's children named in `kept` give wait for the decoder, the last one first."""

    def __init__(self, encoder: nn.Sequential, kept: Sequence[str], decoder: nn.ModuleDict, last: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder, self.last = encoder, decoder, last
        self.kept = tuple(kept)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, channels, height, width) -> (n, classes, height, width) logits, smaller where nothing is padded."""
        waiting: list[torch.Tensor] = []
        for name, layer in self.encoder.named_children():
            x = layer(x)
            if name in self.kept:
                waiting.append(x)
        for up in self.decoder.values():
            x = up(x, waiting.pop()) if waiting else up(x)
        return self.last(x)  # type: ignore[no-any-return]


@final
class Up(nn.Module):
    """A step of the expanding path: up-convolution, crop and concatenate, two convolutions; section 2."""

    def __init__(
        self, inputs: int, outputs: int, skipped: int, padding: int, *, norm: Norm, activation: Activation
    ) -> None:
        super().__init__()
        self.upconv = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        convolutions = two_convolutions(outputs + skipped, outputs, padding, norm=norm, activation=activation)
        self.conv1, self.norm1, self.relu1, self.conv2, self.norm2, self.relu2 = convolutions.values()

    def forward(self, x: torch.Tensor, skipped: torch.Tensor | None = None) -> torch.Tensor:
        """(n, inputs, h, w) and (n, skipped, at least 2h, at least 2w) -> (n, outputs, 2h, 2w), less what a
        convolution without padding takes."""
        y = self.upconv(x)
        if skipped is not None:
            y = torch.cat((centre(skipped, y.shape[-2], y.shape[-1]), y), 1)
        y = self.relu1(self.norm1(self.conv1(y)))
        return self.relu2(self.norm2(self.conv2(y)))  # type: ignore[no-any-return]


def two_convolutions(
    inputs: int, outputs: int, padding: int, *, norm: Norm, activation: Activation
) -> dict[str, nn.Module]:
    """The two 3x3 convolutions of a level, each followed by an activation."""
    bias = norm is None  # a norm would subtract it again
    return {
        "conv1": nn.Conv2d(inputs, outputs, 3, padding=padding, bias=bias),
        "norm1": normalise(norm, outputs),
        "relu1": activation(),
        "conv2": nn.Conv2d(outputs, outputs, 3, padding=padding, bias=bias),
        "norm2": normalise(norm, outputs),
        "relu2": activation(),
    }


def centre(maps: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The middle of maps: (n, c, at least height, at least width) -> (n, c, height, width)."""
    top, left = (maps.shape[-2] - height) // 2, (maps.shape[-1] - width) // 2
    return maps[..., top : top + height, left : left + width]


def incoming_normal(net: nn.Module) -> nn.Module:
    """Draw each weight from a normal of variance 2 / N, N the incoming nodes of a neuron; biases 0; in place.

    Section 3: N is 9 * 64 = 576 for a 3x3 convolution of 64 maps. A neuron after a 2x2 up-convolution of
    stride 2 has one incoming node a map.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            up = isinstance(module, nn.ConvTranspose2d)
            incoming = module.in_channels if up else module.weight[0].numel()
            nn.init.normal_(module.weight, std=(2 / incoming) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net


def figure_1() -> list[Line]:
    """Figure 1, level by level; outputs as printed, for a tile of 572x572."""
    lines = []
    for (name, maps, *_, side), (after, _, enters, *_) in pairwise((*FIGURE_1, ("", 0, 0, 0, 0))):
        path = "decoder" if name.startswith("up") else "encoder"
        words = "conv 3x3, ReLU; conv 3x3, ReLU"
        if path == "decoder":
            words = f"up-conv 2x2; copy and crop; {words}"
        lines.append(Line(name, words, (f"{path}.{name}",), f"{side}x{side}x{maps}"))
        if path == "encoder" and not after.startswith("up"):
            lines.append(Line("", "max pool 2x2", (f"encoder.pool{name[-1]}",), f"{enters}x{enters}x{maps}"))
    side = FIGURE_1[-1][-1]
    return [*lines, Line("output segmentation map", "conv 1x1", ("last",), f"{side}x{side}x{FIGURE_1_OUTPUT}")]


def figure_1_padded() -> list[Line]:
    """Figure 1 without its sizes, which padding changes."""
    return [replace(line, output="") for line in figure_1()]
