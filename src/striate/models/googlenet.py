"""GoogLeNet: Szegedy et al. 2015, "Going Deeper with Convolutions"."""

import math
from collections.abc import Sequence
from functools import partial
from typing import final

import torch
from torch import nn

from striate.base.options import Rate, Whole
from striate.layers import SqueezeExcitation, head, initialise, response_norm
from striate.models.entry import Line
from striate.models.heads import AuxiliaryHead, ReleasedNorm, network, released_norm, transform, unit
from striate.models.options import Activation, Init, Norm

# fmt: off
# Table 1, for pictures of 224 pixels, whole: its columns #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj
# are `filters`. Paddings keep the map; pools round up.
#    our layers      type               patch    output size    filters                          params   ops
#                                       /stride
TABLE_1: tuple[tuple[str, str, str, str, tuple[int, ...], str, str], ...] = (
    ("conv1",        "convolution",     "7x7/2", "112x112x64",  (64,),                           "2.7K",  "34M"),
    ("maxpool1",     "max pool",        "3x3/2", "56x56x64",    (),                              "",      ""),
    ("conv2 conv3",  "convolution",     "3x3/1", "56x56x192",   (64, 192),                       "112K",  "360M"),
    ("maxpool2",     "max pool",        "3x3/2", "28x28x192",   (),                              "",      ""),
    ("inception3a",  "inception (3a)",  "",      "28x28x256",   (64, 96, 128, 16, 32, 32),       "159K",  "128M"),
    ("inception3b",  "inception (3b)",  "",      "28x28x480",   (128, 128, 192, 32, 96, 64),     "380K",  "304M"),
    ("maxpool3",     "max pool",        "3x3/2", "14x14x480",   (),                              "",      ""),
    ("inception4a",  "inception (4a)",  "",      "14x14x512",   (192, 96, 208, 16, 48, 64),      "364K",  "73M"),
    ("inception4b",  "inception (4b)",  "",      "14x14x512",   (160, 112, 224, 24, 64, 64),     "437K",  "88M"),
    ("inception4c",  "inception (4c)",  "",      "14x14x512",   (128, 128, 256, 24, 64, 64),     "463K",  "100M"),
    ("inception4d",  "inception (4d)",  "",      "14x14x528",   (112, 144, 288, 32, 64, 64),     "580K",  "119M"),
    ("inception4e",  "inception (4e)",  "",      "14x14x832",   (256, 160, 320, 32, 128, 128),   "840K",  "170M"),
    ("maxpool4",     "max pool",        "3x3/2", "7x7x832",     (),                              "",      ""),
    ("inception5a",  "inception (5a)",  "",      "7x7x832",     (256, 160, 320, 32, 128, 128),   "1072K", "54M"),
    ("inception5b",  "inception (5b)",  "",      "7x7x1024",    (384, 192, 384, 48, 128, 128),   "1388K", "71M"),
    ("avgpool",      "avg pool",        "7x7/1", "1x1x1024",    (),                              "",      ""),
    ("dropout",      "dropout (40%)",   "",      "1x1x1024",    (),                              "",      ""),
    ("fc",           "linear",          "",      "1x1x1000",    (1000,),                         "1000K", "1M"),
)
# Section 5, the auxiliary classifiers: where they stand, and the size of their average pool's output.
#    our layer   on top of       average pool 5x5/3
SECTION_5 = (
    ("aux1",     "inception4a",  "4x4x512"),
    ("aux2",     "inception4d",  "4x4x528"),
)
# fmt: on

AUXILIARY_WORDS = "average pooling 5x5/3, 1x1 convolution 128, fully connected 1024, dropout 70%, linear, softmax"


def googlenet(
    classes: Whole = 1000,
    *,
    channels: Whole = 3,
    norm: Norm = None,
    lrn: bool = True,
    activation: Activation = nn.ReLU,
    se: Whole | None = None,
    aux: bool = True,
    dropout: Rate = 0.4,
    init: Init = "paper",
) -> nn.Sequential:
    """GoogLeNet as published: (n, channels, height, width) -> (n, classes) logits; `Heads` while training.

    - `norm`: one after each convolution, which then has no bias; none as published.
    - `lrn`: local response normalisation after the first pool and before the second (Fig. 3). Its constants
      are not printed: they are Krizhevsky's.
    - `se`: the reduction ratio of squeeze-excitation after each module (Hu et al. 2018, Fig. 2).
    - `aux`: the two auxiliary classifiers of section 5, fed in training mode only.
    - `dropout`: the rate before the last layer; that of the auxiliary classifiers is 0.7.
    - `init`: the paper prints none: "paper" is `replicated`, or "he" or "xavier". With "he", whose variance
      goes by the outputs, each narrow 1x1 convolution enlarges what it is given: it needs a norm.

    The keys are torchvision's where it has the layer. At 224 the auxiliary pools give the 4x4 cells that
    section 5 prints; at other sizes their cells are averaged or repeated to 4x4. The trunk is all that stands
    before `aux1`.
    """
    net = _network(classes, channels, norm, activation, se, aux, dropout, published=True, lrn=lrn)
    return initialise(net, init, replicated)


def googlenet_bn(
    classes: Whole = 1000,
    *,
    channels: Whole = 3,
    norm: ReleasedNorm = released_norm,
    activation: Activation = nn.ReLU,
    se: Whole | None = None,
    aux: bool = True,
    dropout: Rate = 0.2,
    init: Init = "paper",
    transform_input: bool = False,
) -> nn.Sequential:
    """GoogLeNet as torchvision and TensorFlow's model collection have it, with keys that fit torchvision's weights.

    Instead of local response normalisation it has batch normalisation, whose epsilon is 0.001 for the word "batch";
    the kernel of the branch called 5x5 is 3x3, the last of the four pools 2x2; the auxiliary pools cut any map into
    4x4 cells; weights are drawn as by `layers.he_initialise`.

    Shapes and options are those of `googlenet`, and `transform_input`: True for pixels normalised as
    torchvision does, when the weights are torchvision's, see `heads.FromImagenetPixels`.
    """
    net = _network(
        classes, channels, norm, activation, se, aux, dropout, published=False, transform_input=transform_input
    )
    return initialise(net, init)


@final
class Inception(nn.Module):
    """Figure 2 (b): four branches over one map, their outputs one after another, then the rescaling if any."""

    def __init__(self, branches: Sequence[nn.Module], se: nn.Module) -> None:
        super().__init__()
        self.branch1, self.branch2, self.branch3, self.branch4 = branches
        self.se = se

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, height, width) -> (n, the branches' outputs together, height, width)."""
        y = torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)
        return self.se(y)  # type: ignore[no-any-return]


def replicated(net: nn.Module) -> nn.Module:
    """Draw the weights as Caffe's replication did (bvlc_googlenet, train_val.prototxt); in place.

    Uniform of variance 1 / fan-in, "xavier" there; biases 0.2, but 0 in the last layer of each classifier.
    """
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = math.sqrt(3 / module.weight[0].numel())
            nn.init.uniform_(module.weight, -bound, bound)
            if module.bias is not None:
                nn.init.constant_(module.bias, 0.0 if name in ("fc", "aux1.fc2", "aux2.fc2") else 0.2)
    return net


def table_1() -> list[Line]:
    """Table 1 as printed, and the auxiliary classifiers, which it leaves out, from section 5."""
    heads = ("#1x1", "#3x3 reduce", "#3x3", "#5x5 reduce", "#5x5", "pool proj")
    lines = []
    for names, kind, patch, output, filters, parameters, operations in TABLE_1:
        columns = {6: heads, 2: ("#3x3 reduce", "#3x3")}.get(len(filters), ())
        words = [patch] if patch else []
        words += [f"{head} {number}" for head, number in zip(columns, filters, strict=False)]
        lines.append(Line(kind, ", ".join(words), tuple(names.split()), output, parameters, operations))
    for name, after, _ in SECTION_5:
        lines.append(Line(f"auxiliary classifier on ({after[-2:]})", AUXILIARY_WORDS, (name,)))
    return lines


def _network(
    classes: int, channels: int, norm: Norm, activation: Activation, se: int | None, aux: bool, dropout: float, *,
    published: bool, lrn: bool = False, transform_input: bool = False,
) -> nn.Sequential:  # fmt: skip
    """Table 1 as published, or with the kernels and auxiliary pools of `googlenet_bn`."""
    make = partial(unit, norm=norm, activation=activation)
    five, last_pool = (5, 3) if published else (3, 2)
    layers: dict[str, nn.Module] = {
        **transform(transform_input, channels),
        "conv1": make(channels, 64, 7, stride=2, padding=3),
        "maxpool1": _pool(3),
        **({"norm1": response_norm()} if lrn else {}),
        "conv2": make(64, 64, 1),
        "conv3": make(64, 192, 3, padding=1),
        **({"norm2": response_norm()} if lrn else {}),
        "maxpool2": _pool(3),
    }
    inputs = 192
    for name, kind, _, _, filters, _, _ in TABLE_1[4:-3]:
        if kind == "max pool":
            layers[name] = _pool(last_pool if name == "maxpool4" else 3)
            continue
        one, three_reduce, three, five_reduce, fives, projected = filters
        outputs = one + three + fives + projected
        branches = (
            make(inputs, one, 1),
            nn.Sequential(make(inputs, three_reduce, 1), make(three_reduce, three, 3, padding=1)),
            nn.Sequential(make(inputs, five_reduce, 1), make(five_reduce, fives, five, padding=five // 2)),
            nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), make(inputs, projected, 1)),
        )
        layers[name] = Inception(branches, SqueezeExcitation(outputs, se) if se else nn.Identity())
        inputs = outputs
    for name, after, cells in SECTION_5 if aux else ():
        auxiliary: dict[str, nn.Module] = {
            **({"avgpool": nn.AvgPool2d(5, stride=3)} if published else {}),
            "cells": nn.AdaptiveAvgPool2d(4),  # nothing to do after the published pool of a 14x14 map
            "conv": make(int(cells.rpartition("x")[2]), 128, 1),
            "flatten": nn.Flatten(),
            "fc1": nn.Linear(128 * 4 * 4, 1024),
            "relu": activation(),
            "dropout": nn.Dropout(0.7),
            "fc2": nn.Linear(1024, classes),
        }
        layers[name] = AuxiliaryHead(auxiliary, after=after, weight=0.3)
    return network(layers | head(inputs, classes, dropout))


def _pool(kernel: int) -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel, stride=2, ceil_mode=True)
