"""AlexNet: Krizhevsky, Sutskever and Hinton 2012, and its one-tower form, Krizhevsky 2014."""

import math
from collections.abc import Mapping
from typing import Literal

from torch import nn

from striate.base.errors import UsageError
from striate.base.options import Rate, Whole
from striate.layers import chain, conv, dropout_layer, gaussian, initialise, response_norm
from striate.models.entry import Line, numbered
from striate.models.options import Activation, Init, Norm

# fmt: off
# Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks", Fig. 2 and section 3.5.
#    layer    maps  kernel  stride  padding  groups  then         bias starts at  map size
FIGURE_2 = (
    ("conv1", 96,   11,     4,      0,       1,      "norm pool", 0,              55),
    ("conv2", 256,  5,      1,      2,       2,      "norm pool", 1,              27),
    ("conv3", 384,  3,      1,      1,       1,      "",          0,              13),
    ("conv4", 384,  3,      1,      1,       2,      "",          1,              13),
    ("conv5", 256,  3,      1,      1,       2,      "pool",      1,              13),
)
#    layer    units  bias starts at
FIGURE_2_DENSE = (
    ("fc6",   4096,  1),
    ("fc7",   4096,  1),
    ("fc8",   1000,  0),
)

# Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks", section 5: one tower. The
# numbers of maps are those of his cuda-convnet2, which torchvision took over.
#    layer    maps  kernel  stride  padding  then
ONE_TOWER = (
    ("conv1", 64,   11,     4,      2,       "pool"),
    ("conv2", 192,  5,      1,      2,       "pool"),
    ("conv3", 384,  3,      1,      1,       ""),
    ("conv4", 256,  3,      1,      1,       ""),
    ("conv5", 256,  3,      1,      1,       "pool"),
)
#    layer  words                       modules
ONE_TOWER_DENSE = (
    ("fc6", "dropout 0.5, 4096 units",  3),
    ("fc7", "dropout 0.5, 4096 units",  3),
    ("fc8", "1000 units, softmax",      1),
)

# Krizhevsky 2012, cuda-convnet, example-layers/layers-18pct.cfg: the four-layer network for CIFAR-10. Convolutions of
# 5x5 keep the map; pools of 3x3 move by 2 and count a last, incomplete window.
#    layer    maps  pool   weights' deviation
FOUR_LAYERS = (
    ("conv1", 32,   "max", 0.0001),
    ("conv2", 32,   "avg", 0.01),
    ("conv3", 64,   "avg", 0.01),
)
# Zeiler and Fergus 2014, section 4.1, change the first layers of AlexNet.
First = Literal["own", "alexnet", "zfnet"]
#              conv1: side and stride, then conv2
FIRST: Mapping[First, tuple[tuple[int, int], tuple[int, int]]] = {
    "own":     ((5, 1),  (5, 1)),
    "alexnet": ((11, 4), (5, 1)),
    "zfnet":   ((7, 2),  (5, 2)),
}
# fmt: on


def alexnet(
    classes: Whole = 1000,
    *,
    channels: Whole = 3,
    groups: Whole = 2,
    lrn: bool = True,
    norm: Norm = None,
    activation: Activation = nn.ReLU,
    dropout: Rate = 0.5,
    init: Init = "paper",
) -> nn.Sequential:
    """AlexNet as published: (n, channels, 227, 227) -> (n, classes) logits; 60,965,224 parameters.

    - `groups`: conv2, conv4 and conv5 see only the maps of their own half, the paper's own graphics card; 1
      lets them see all.
    - `lrn`: response normalisation after the activations of conv1 and conv2, with the printed constants.
    - `norm`: a norm between each convolution and its activation, which then has no bias; none as published.
    - `dropout`: the rate after the activations of fc6 and fc7.
    - `init`: "paper" draws weights from N(0, 0.01), biases are 1 in conv2, conv4, conv5, fc6 and fc7, else 0
      (section 5); "he" or "xavier".

    Pools of 3x3 move by 2, so they overlap. Layers and state-dict keys are named as in Caffe's model. Raises
    `UsageError` for groups that do not divide the maps.
    """
    shared = math.gcd(*(maps for _, maps, *_ in FIGURE_2))
    if shared % groups:
        allowed = ", ".join(str(number) for number in range(1, shared + 1) if shared % number == 0)
        raise UsageError("groups", f"{groups} does not divide the numbers of maps", f"one of {allowed}")
    layers: dict[str, nn.Module] = {}
    inputs = channels
    for name, maps, kernel, stride, padding, halves, then, *_ in FIGURE_2:
        number, parts = name[-1], groups if halves > 1 else 1
        layers[name] = nn.Conv2d(inputs, maps, kernel, stride, padding, groups=parts, bias=norm is None)
        if norm is not None:
            layers[f"bn{number}"] = norm(maps)
        layers[f"relu{number}"] = activation()
        if "norm" in then and lrn:
            layers[f"norm{number}"] = response_norm()
        if "pool" in then:
            layers[f"pool{number}"] = nn.MaxPool2d(3, stride=2)
        inputs = maps
    layers |= dense(inputs, classes, activation, dropout)
    return initialise(chain(**layers), init, as_printed)


def dense(maps: int, classes: int, activation: Activation, dropout: float) -> dict[str, nn.Module]:
    """What follows the last map, of 6x6 cells: fc6, fc7 and fc8."""
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    inputs = maps * 6 * 6
    for name, units, _ in FIGURE_2_DENSE[:-1]:
        layers |= {name: nn.Linear(inputs, units), f"relu{name[-1]}": activation()}
        layers |= {f"drop{name[-1]}": layer for layer in dropout_layer(dropout).values()}
        inputs = units
    return layers | {"fc8": nn.Linear(inputs, classes)}


def alexnet_owt(
    classes: Whole = 1000,
    *,
    channels: Whole = 3,
    norm: Norm = None,
    activation: Activation = nn.ReLU,
    dropout: Rate = 0.5,
    init: Init = "paper",
) -> nn.Sequential:
    """AlexNet as practised: (n, channels, height, width) -> (n, classes) logits, for sides of at least 63.

    One tower with fewer maps, no response normalisation, and an adaptive pool that brings any map to 6x6;
    61,100,840 parameters. Keys and shapes are torchvision's, dropout comes before fc6 and fc7 as it does there.

    `norm`, `activation` and `dropout` as in `alexnet`. `init`: the paper of 2014 says nothing, so "paper" is
    "he", `layers.he_initialise`, and linear layers start as PyTorch starts them; or "xavier".
    """
    features: list[nn.Module] = []
    inputs = channels
    for _, maps, kernel, stride, padding, then in ONE_TOWER:
        features.append(nn.Conv2d(inputs, maps, kernel, stride, padding, bias=norm is None))
        features += [activation()] if norm is None else [norm(maps), activation()]
        if then:
            features.append(nn.MaxPool2d(3, stride=2))
        inputs = maps
    classifier = (
        nn.Dropout(dropout), nn.Linear(inputs * 6 * 6, 4096), activation(),
        nn.Dropout(dropout), nn.Linear(4096, 4096), activation(),
        nn.Linear(4096, classes),
    )  # fmt: skip
    net = chain(
        features=nn.Sequential(*features),
        avgpool=nn.AdaptiveAvgPool2d(6),
        flatten=nn.Flatten(),
        classifier=nn.Sequential(*classifier),
    )
    return initialise(net, init)


def alexnet_cifar10(
    classes: Whole = 10,
    *,
    channels: Whole = 3,
    lrn: bool = True,
    pool: Whole = 3,
    first: First = "own",
    norm: Norm = None,
    activation: Activation = nn.ReLU,
    dropout: Rate = 0.0,
    init: Init = "paper",
) -> nn.Sequential:
    """The four-layer network: (n, channels, height, width) -> (n, classes) logits, for sides of at least 8.

    What the paper of 2012 tries on CIFAR-10 (Fig. 1 and section 3.3) are options: `activation`, and `lrn` after the
    first two pools with the constants that are printed there; `pool`: the side of the pools, 2 for those that do
    not overlap (section 3.4); `dropout`: the rate before the last layer. `first`: sides and strides of the first two
    convolutions, its own or those of AlexNet or ZFNet, for sides of at least 32. `norm` as in `alexnet`. `init`:
    "paper" draws weights from normal distributions as released, biases are 0; "he" or "xavier".
    """
    layers: dict[str, nn.Module] = {}
    inputs = channels
    for (name, maps, kind, _), (side, stride) in zip(FOUR_LAYERS, (*FIRST[first], (5, 1)), strict=True):
        number, norms = name[-1], {} if norm is None else {f"bn{name[-1]}": norm(maps)}
        filters = conv(inputs, maps, side, stride=stride, norm=norm)
        layers |= {name: filters} | norms | {f"relu{number}": activation()}
        how = nn.MaxPool2d if kind == "max" else nn.AvgPool2d
        layers[f"pool{number}"] = how(pool, stride=2, ceil_mode=True)
        if lrn and number != "3":
            layers[f"norm{number}"] = response_norm()
        inputs = maps
    layers |= {"avgpool": nn.AdaptiveAvgPool2d(4), "flatten": nn.Flatten(), **dropout_layer(dropout)}
    return initialise(chain(**layers, fc10=nn.Linear(inputs * 4 * 4, classes)), init, as_released)


def as_released(net: nn.Module) -> nn.Module:
    """The four-layer network's weights as cuda-convnet's file draws them; in place."""
    gaussian(net)
    for name, _, _, deviation in FOUR_LAYERS:
        nn.init.normal_(net.get_parameter(f"{name}.weight"), std=deviation)
    return net


def as_printed(net: nn.Module) -> nn.Module:
    """Weights and biases of the paper of 2012, section 5; in place."""
    gaussian(net)
    starts = {name: start for name, *_, start, _ in FIGURE_2} | {name: start for name, _, start in FIGURE_2_DENSE}
    for name, start in starts.items():
        bias = getattr(net.get_submodule(name), "bias", None)
        if bias is not None:
            nn.init.constant_(bias, start)
    return net


def figure_2() -> list[Line]:
    """Figure 2 of 2012 layer by layer, with the map sizes it prints."""
    lines = []
    for name, maps, kernel, stride, _, groups, then, _, side in FIGURE_2:
        words = f"{maps} kernels of {kernel}x{kernel}, stride {stride}{', in two halves' if groups > 1 else ''}"
        lines.append(Line(name, words, (name, f"relu{name[-1]}"), f"{side}x{side}x{maps}"))
        if "norm" in then:
            lines.append(Line(f"norm{name[-1]}", "response normalisation over 5 maps", (f"norm{name[-1]}",)))
        if "pool" in then:
            lines.append(Line(f"pool{name[-1]}", "max pool 3x3, stride 2", (f"pool{name[-1]}",)))
    return [*lines, *dense_lines()]


def dense_lines() -> list[Line]:
    """fc6, fc7 and fc8 of `dense`, with the units that are printed."""
    words = "fully connected, dropout 0.5"
    *hidden, (last, classes, _) = FIGURE_2_DENSE
    lines = [Line(name, words, (name, f"relu{name[-1]}", f"drop{name[-1]}"), str(units)) for name, units, _ in hidden]
    return [*lines, Line(last, "fully connected, softmax", (last,), str(classes))]


def one_tower() -> list[Line]:
    """The network of 2014 layer by layer; its paper prints no numbers for the layers."""
    rows = []
    for name, maps, kernel, stride, _, then in ONE_TOWER:
        rows.append((name, f"{maps} kernels of {kernel}x{kernel}, stride {stride}", 2))
        if then:
            rows.append((f"pool{name[-1]}", "max pool 3x3, stride 2", 1))
    return [
        *numbered("features", rows),
        Line("pool", "average to 6x6 for other sizes than 224", ("avgpool", "flatten")),
        *numbered("classifier", ONE_TOWER_DENSE),
    ]


def four_layers() -> list[Line]:
    """The four-layer network as its file has it, which prints no map sizes."""
    lines = []
    for name, maps, kind, _ in FOUR_LAYERS:
        number = name[-1]
        lines.append(Line(name, f"{maps} filters of 5x5, padding 2", (name, f"relu{number}")))
        lines.append(Line(f"pool{number}", f"{kind} pool 3x3, stride 2", (f"pool{number}",)))
        if number != "3":
            lines.append(Line(f"rnorm{number}", "response normalisation", (f"norm{number}",)))
    return [*lines, Line("fc10", "fully connected, softmax", ("avgpool", "flatten", "fc10"))]
