"""AlexNet: Krizhevsky, Sutskever and Hinton 2012, and its one-tower form, Krizhevsky 2014."""

import math
from collections import OrderedDict

from torch import nn

from striate.base.errors import UsageError
from striate.base.options import Rate, Whole
from striate.layers import dropout_layer, gaussian, initialise, response_norm
from striate.models.entry import Line
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
    inputs = channels
    shared = math.gcd(*(maps for _, maps, *_ in FIGURE_2))
    if shared % groups:
        allowed = ", ".join(str(number) for number in range(1, shared + 1) if shared % number == 0)
        raise UsageError("groups", f"{groups} does not divide the numbers of maps", f"one of {allowed}")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, maps, kernel, stride, padding, halves, then, *_ in FIGURE_2:
        number, parts = name[-1], groups if halves > 1 else 1
        layers[name] = nn.Conv2d(inputs, maps, kernel, stride, padding, groups=parts, bias=norm is None)
        if norm is not None:
            layers[f"bn{number}"] = norm(maps)
        layers[f"relu{number}"] = activation()
        if "norm" in then and lrn:
            layers[f"norm{number}"] = response_norm(5, k=2, alpha=1e-4, beta=0.75)
        if "pool" in then:
            layers[f"pool{number}"] = nn.MaxPool2d(3, stride=2)
        inputs = maps
    layers["flatten"] = nn.Flatten()
    inputs *= 6 * 6
    for name, units, _ in FIGURE_2_DENSE[:-1]:
        layers |= {name: nn.Linear(inputs, units), f"relu{name[-1]}": activation()}
        layers |= {f"drop{name[-1]}": layer for layer in dropout_layer(dropout).values()}
        inputs = units
    layers[FIGURE_2_DENSE[-1][0]] = nn.Linear(inputs, classes)
    net = nn.Sequential(layers)
    initialise(net, init, as_printed)
    return net


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
    "he", `layers.he_initialise`, and linear layers start as PyTorch starts them; or "xavier". Raises
    `UsageError` for groups that do not divide the maps.
    """
    features = [module for *_, group in _one_tower(channels, norm, activation) for module in group]
    classifier = (
        nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), activation(),
        nn.Dropout(dropout), nn.Linear(4096, 4096), activation(),
        nn.Linear(4096, classes),
    )  # fmt: skip
    net = nn.Sequential(
        OrderedDict[str, nn.Module](
            features=nn.Sequential(*features),
            avgpool=nn.AdaptiveAvgPool2d(6),
            flatten=nn.Flatten(),
            classifier=nn.Sequential(*classifier),
        )
    )
    initialise(net, init)
    return net


def as_printed(net: nn.Module) -> nn.Module:
    """Weights and biases of the paper of 2012, section 5; in place."""
    gaussian(0.01)(net)
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
    for name, units, _ in FIGURE_2_DENSE:
        after = () if name == "fc8" else (f"relu{name[-1]}", f"drop{name[-1]}")
        words = "fully connected, softmax" if name == "fc8" else "fully connected, dropout 0.5"
        lines.append(Line(name, words, (name, *after), str(units)))
    return lines


def one_tower() -> list[Line]:
    """The network of 2014 layer by layer; its paper prints no numbers for the layers."""
    lines, position = [], 0
    for name, words, group in _one_tower(3, None, nn.ReLU):
        lines.append(Line(name, words, tuple(f"features.{position + index}" for index in range(len(group)))))
        position += len(group)
    return [
        *lines,
        Line("pool", "average to 6x6 for other sizes than 224", ("avgpool", "flatten")),
        Line("fc6", "dropout 0.5, 4096 units", ("classifier.0", "classifier.1", "classifier.2")),
        Line("fc7", "dropout 0.5, 4096 units", ("classifier.3", "classifier.4", "classifier.5")),
        Line("fc8", "1000 units, softmax", ("classifier.6",)),
    ]


def _one_tower(channels: int, norm: Norm, activation: Activation) -> list[tuple[str, str, list[nn.Module]]]:
    """Name, words and modules of each layer of ONE_TOWER."""
    rows: list[tuple[str, str, list[nn.Module]]] = []
    inputs = channels
    for name, maps, kernel, stride, padding, then in ONE_TOWER:
        convolution = nn.Conv2d(inputs, maps, kernel, stride, padding, bias=norm is None)
        between = [] if norm is None else [norm(maps)]
        words = f"{maps} kernels of {kernel}x{kernel}, stride {stride}"
        rows.append((name, words, [convolution, *between, activation()]))
        if then:
            rows.append((f"pool{name[-1]}", "max pool 3x3, stride 2", [nn.MaxPool2d(3, stride=2)]))
        inputs = maps
    return rows
