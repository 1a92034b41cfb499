"""Network in network: Lin, Chen and Yan 2014, "Network In Network"."""

from collections.abc import Sequence

from torch import nn

from striate.base.options import Rate, Whole
from striate.layers import chain, initialise
from striate.models.entry import Line
from striate.models.options import Activation, Init, Norm

# fmt: off
# The paper draws the network (Fig. 2) and prints no numbers of maps; these are the authors' models for Caffe.
# "cccp", cascaded cross channel pooling, is a 1x1 convolution; each line ends in an activation.
#    layer    maps  kernel  stride  padding  pool   dropout after the pool
CIFAR_10 = (
    ("conv1", 192,  5,      1,      2,       "",    False),
    ("cccp1", 160,  1,      1,      0,       "",    False),
    ("cccp2", 96,   1,      1,      0,       "max", True),
    ("conv2", 192,  5,      1,      2,       "",    False),
    ("cccp3", 192,  1,      1,      0,       "",    False),
    ("cccp4", 192,  1,      1,      0,       "avg", True),
    ("conv3", 192,  3,      1,      1,       "",    False),
    ("cccp5", 192,  1,      1,      0,       "",    False),
    ("cccp6", 10,   1,      1,      0,       "",    False),
)
IMAGENET = (
    ("conv1", 96,   11,     4,      0,       "",    False),
    ("cccp1", 96,   1,      1,      0,       "",    False),
    ("cccp2", 96,   1,      1,      0,       "max", False),
    ("conv2", 256,  5,      1,      2,       "",    False),
    ("cccp3", 256,  1,      1,      0,       "",    False),
    ("cccp4", 256,  1,      1,      0,       "max", False),
    ("conv3", 384,  3,      1,      1,       "",    False),
    ("cccp5", 384,  1,      1,      0,       "",    False),
    ("cccp6", 384,  1,      1,      0,       "max", True),
    ("conv4", 1024, 3,      1,      1,       "",    False),
    ("cccp7", 1024, 1,      1,      0,       "",    False),
    ("cccp8", 1000, 1,      1,      0,       "",    False),
)
# fmt: on

Row = tuple[str, int, int, int, int, str, bool]


def nin_cifar10(
    classes: Whole = 10,
    *,
    channels: Whole = 3,
    norm: Norm = None,
    activation: Activation = nn.ReLU,
    dropout: Rate = 0.5,
    init: Init = "paper",
) -> nn.Sequential:
    """The network for 32-pixel pictures: (n, channels, height, width) -> (n, classes) logits, sides from 4.

    Three blocks of a convolution and two 1x1 convolutions; the mean of each class map is the class's logit.

    - `norm`: a norm between each convolution and its activation, which then has no bias; none as published.
      The class maps have none.
    - `dropout`: the rate after the pools of the first two blocks.
    - `init`: "paper" is "he", `layers.he_initialise`, as the paper says only that weights were "manually set";
      or "xavier".
    """
    return _chain(CIFAR_10, classes, channels, norm, activation, dropout, init)


def nin_imagenet(
    classes: Whole = 1000,
    *,
    channels: Whole = 3,
    norm: Norm = None,
    activation: Activation = nn.ReLU,
    dropout: Rate = 0.5,
    init: Init = "paper",
) -> nn.Sequential:
    """The network of Caffe's zoo: (n, channels, height, width) -> (n, classes) logits, sides from 39.

    Four blocks; 7,595,176 parameters, an eighth of AlexNet's. `dropout` is the rate after the third pool; the
    other options are those of `nin_cifar10`.
    """
    return _chain(IMAGENET, classes, channels, norm, activation, dropout, init)


def table_cifar10() -> list[Line]:
    """The authors' network for CIFAR-10, layer by layer."""
    return _lines(CIFAR_10)


def table_imagenet() -> list[Line]:
    """The authors' network for ImageNet, layer by layer."""
    return _lines(IMAGENET)


def _chain(
    table: Sequence[Row], classes: int, channels: int, norm: Norm, activation: Activation, dropout: float, init: Init
) -> nn.Sequential:
    layers: dict[str, nn.Module] = {}
    inputs, block = channels, 0
    for name, maps, kernel, stride, padding, pool, drops in table:
        last = name == table[-1][0]
        maps = classes if last else maps
        layers[name] = nn.Conv2d(inputs, maps, kernel, stride, padding, bias=last or norm is None)
        if not last and norm is not None:
            layers[f"{name}_bn"] = norm(maps)
        layers[f"{name}_relu"] = activation()
        if pool:
            block += 1
            kind = nn.MaxPool2d if pool == "max" else nn.AvgPool2d
            layers[f"pool{block}"] = kind(3, stride=2, ceil_mode=True)
        if drops and dropout:
            layers[f"drop{block}"] = nn.Dropout(dropout)
        inputs = maps
    return initialise(chain(**layers, avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten()), init)


def _lines(table: Sequence[Row]) -> list[Line]:
    lines, block = [], 0
    for name, maps, kernel, stride, _, pool, drops in table:
        words = f"{maps} maps of {kernel}x{kernel}{f', stride {stride}' if stride > 1 else ''}"
        lines.append(Line(name, words, (name, f"{name}_relu")))
        if pool:
            block += 1
            words = f"{pool} pool 3x3, stride 2{', dropout 0.5' if drops else ''}"
            lines.append(Line(f"pool{block}", words, (f"pool{block}", f"drop{block}") if drops else (f"pool{block}",)))
    return [*lines, Line("pool", "average of each class map", ("avgpool", "flatten"))]
