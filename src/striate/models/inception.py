"""Inception-v3: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision"."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, final

import torch
from torch import nn

from striate.base.options import Rate, Whole
from striate.layers import SqueezeExcitation, head, initialise
from striate.models.entry import Line
from striate.models.heads import AuxiliaryHead, ReleasedNorm, network, released_norm, transform, unit
from striate.models.options import Activation, Init

# fmt: off
# Table 1, for pictures of 299 pixels. "The output size of each module is the input size of the next one"; the
# two lines of Figure 10 stand where the caption puts them.
#    type                  patch size/stride      input size     our layers
#                          or remarks
TABLE_1 = (
    ("conv",               "3x3/2",               "299x299x3",   "Conv2d_1a_3x3"),
    ("conv",               "3x3/1",               "149x149x32",  "Conv2d_2a_3x3"),
    ("conv padded",        "3x3/1",               "147x147x32",  "Conv2d_2b_3x3"),
    ("pool",               "3x3/2",               "147x147x64",  "maxpool1"),
    ("conv",               "3x3/1",               "73x73x64",    "Conv2d_3b_1x1"),
    ("conv",               "3x3/2",               "71x71x80",    "Conv2d_4a_3x3 maxpool2"),
    ("conv",               "3x3/1",               "35x35x192",   ""),
    ("3x Inception",       "as in figure 5",      "35x35x288",   "Mixed_5b Mixed_5c Mixed_5d"),
    ("grid reduction",     "as in figure 10",     "35x35x288",   "Mixed_6a"),
    ("5x Inception",       "as in figure 6",      "17x17x768",   "Mixed_6b Mixed_6c Mixed_6d Mixed_6e"),
    ("grid reduction",     "as in figure 10",     "17x17x768",   "Mixed_7a"),
    ("2x Inception",       "as in figure 7",      "8x8x1280",    "Mixed_7b Mixed_7c"),
    ("pool",               "8x8",                 "8x8x2048",    "avgpool"),
    ("linear",             "logits",              "1x1x2048",    "fc"),
    ("softmax",            "classifier",          "1x1x1000",    ""),
)

# What was released and trained, in TensorFlow's and torchvision's names; Table 1 has other kernels at 3b and 4a.
#    name             filters  kernel  stride  padding       map
STEM = (
    ("Conv2d_1a_3x3", 32,      3,      2,      0),         # 149x149
    ("Conv2d_2a_3x3", 32,      3,      1,      0),         # 147x147
    ("Conv2d_2b_3x3", 64,      3,      1,      1),         # 147x147
    ("maxpool1",      0,       3,      2,      0),         # 73x73
    ("Conv2d_3b_1x1", 80,      1,      1,      0),         # 73x73
    ("Conv2d_4a_3x3", 192,     3,      1,      0),         # 71x71
    ("maxpool2",      0,       3,      2,      0),         # 35x35
)
# fmt: on


class Layer(NamedTuple):
    """One layer of a module: a convolution, or a pool of 3x3 that keeps all maps where `filters` is 0.

    At stride 1 it is padded to keep the map and a pool averages; at stride 2 it is not, and a pool takes the maximum.
    """

    name: str
    filters: int
    kernel: int | tuple[int, int]
    stride: int = 1


Branch = tuple[Layer | tuple[Layer, Layer], ...]  # one after another; two at its end may stand side by side


# fmt: off
def figure_5(pooled: int) -> tuple[Branch, ...]:
    """At 35x35. Figure 5 has no 5x5 kernel; the released network keeps one in its second branch."""
    return (
        (Layer("branch1x1", 64, 1),),
        (Layer("branch5x5_1", 48, 1), Layer("branch5x5_2", 64, 5)),
        (Layer("branch3x3dbl_1", 64, 1), Layer("branch3x3dbl_2", 96, 3), Layer("branch3x3dbl_3", 96, 3)),
        (Layer("pool", 0, 3), Layer("branch_pool", pooled, 1)),
    )


def figure_10_to_17(_: int) -> tuple[Branch, ...]:
    """From 35x35 to 17x17."""
    return (
        (Layer("branch3x3", 384, 3, 2),),
        (Layer("branch3x3dbl_1", 64, 1), Layer("branch3x3dbl_2", 96, 3), Layer("branch3x3dbl_3", 96, 3, 2)),
        (Layer("pool", 0, 3, 2),),
    )


def figure_6(narrow: int) -> tuple[Branch, ...]:
    """At 17x17, with n = 7."""
    return (
        (Layer("branch1x1", 192, 1),),
        (Layer("branch7x7_1", narrow, 1), Layer("branch7x7_2", narrow, (1, 7)), Layer("branch7x7_3", 192, (7, 1))),
        (Layer("branch7x7dbl_1", narrow, 1), Layer("branch7x7dbl_2", narrow, (7, 1)),
         Layer("branch7x7dbl_3", narrow, (1, 7)), Layer("branch7x7dbl_4", narrow, (7, 1)),
         Layer("branch7x7dbl_5", 192, (1, 7))),
        (Layer("pool", 0, 3), Layer("branch_pool", 192, 1)),
    )


def figure_10_to_8(_: int) -> tuple[Branch, ...]:
    """From 17x17 to 8x8."""
    return (
        (Layer("branch3x3_1", 192, 1), Layer("branch3x3_2", 320, 3, 2)),
        (Layer("branch7x7x3_1", 192, 1), Layer("branch7x7x3_2", 192, (1, 7)),
         Layer("branch7x7x3_3", 192, (7, 1)), Layer("branch7x7x3_4", 192, 3, 2)),
        (Layer("pool", 0, 3, 2),),
    )


def figure_7(_: int) -> tuple[Branch, ...]:
    """At 8x8: two branches end in a 1x3 and a 3x1 side by side."""
    return (
        (Layer("branch1x1", 320, 1),),
        (Layer("branch3x3_1", 384, 1), (Layer("branch3x3_2a", 384, (1, 3)), Layer("branch3x3_2b", 384, (3, 1)))),
        (Layer("branch3x3dbl_1", 448, 1), Layer("branch3x3dbl_2", 384, 3),
         (Layer("branch3x3dbl_3a", 384, (1, 3)), Layer("branch3x3dbl_3b", 384, (3, 1)))),
        (Layer("pool", 0, 3), Layer("branch_pool", 192, 1)),
    )


#    name         branches          filters   map that leaves it
MODULES = (
    ("Mixed_5b",  figure_5,         32),    # 35x35x256
    ("Mixed_5c",  figure_5,         64),    # 35x35x288
    ("Mixed_5d",  figure_5,         64),    # 35x35x288
    ("Mixed_6a",  figure_10_to_17,  0),     # 17x17x768
    ("Mixed_6b",  figure_6,         128),   # 17x17x768
    ("Mixed_6c",  figure_6,         160),   # 17x17x768
    ("Mixed_6d",  figure_6,         160),   # 17x17x768
    ("Mixed_6e",  figure_6,         192),   # 17x17x768
    ("Mixed_7a",  figure_10_to_8,   0),     # 8x8x1280
    ("Mixed_7b",  figure_7,         0),     # 8x8x2048
    ("Mixed_7c",  figure_7,         0),     # 8x8x2048
)
# fmt: on

Unit = Callable[..., nn.Sequential]  # heads.unit with its norm and activation chosen
AUXILIARY_WORDS = "as in figure 8: average pooling 5x5/3, 1x1 convolution 128, 5x5 convolution 768, linear"
AUXILIARY_WEIGHT = 0.4  # not in the paper's text: model.txt of its source, and inception_model.py of the release


def inception_v3(
    classes: Whole = 1000,
    *,
    channels: Whole = 3,
    norm: ReleasedNorm = released_norm,
    activation: Activation = nn.ReLU,
    se: Whole | None = None,
    aux: bool = True,
    dropout: Rate = 0.5,
    init: Init = "paper",
    transform_input: bool = False,
) -> nn.Sequential:
    """Inception-v3 as released: (n, channels, height, width) -> (n, classes) logits; `Heads` while training.

    - `norm`: "batch" has the epsilon of the released networks, 0.001; none gives each convolution its bias back.
    - `se`: the reduction ratio of squeeze-excitation after each module (Hu et al. 2018, Fig. 2).
    - `aux`: the auxiliary classifier on the last 17x17 map (Fig. 8), fed in training mode only.
    - `dropout`: the rate before the last layer. The paper names none; torchvision has 0.5.
    - `init`: the paper prints none: "paper" and "he" are `layers.he_initialise`, or "xavier".
    - `transform_input`: True for pixels normalised as torchvision does, when the weights are torchvision's, see
      `heads.FromImagenetPixels`.

    Keys and shapes are torchvision's, so its published weights load; `AuxLogits` stands after the modules
    instead of among them, so that the trunk is all before it.
    """
    make, inputs = partial(unit, norm=norm, activation=activation), channels
    layers = transform(transform_input, channels)
    for name, filters, kernel, stride, padding in STEM:
        if filters:
            layers[name] = make(inputs, filters, kernel, stride=stride, padding=padding)
            inputs = filters
        else:
            layers[name] = nn.MaxPool2d(kernel, stride)
    for name, branches, filters in MODULES:
        layers[name], inputs = _mixed(branches(filters), inputs, make, se)
    if aux:
        figure_8: dict[str, nn.Module] = {
            "avgpool": nn.AvgPool2d(5, stride=3),
            "conv0": make(768, 128, 1),
            "conv1": make(128, 768, 5),
            "cell": nn.AdaptiveAvgPool2d(1),
            "flatten": nn.Flatten(),
            "fc": nn.Linear(768, classes),
        }
        layers["AuxLogits"] = AuxiliaryHead(figure_8, after="Mixed_6e", weight=AUXILIARY_WEIGHT)
    return initialise(network(layers | head(inputs, classes, dropout)), init)


@final
class Mixed(nn.Module):
    """Branches over one map, their outputs one after another, then the rescaling if any.

    The layers of all branches are children of the module itself: the keys of the published weights. `branches` are
    their names, step after step.
    """

    def __init__(
        self, branches: Sequence[Sequence[Sequence[str]]], layers: Mapping[str, nn.Module], se: nn.Module
    ) -> None:
        super().__init__()
        self.branches = branches
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.se = se

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, height, width) -> (n, the branches' outputs together, height, width), or half the sides."""
        outputs: list[torch.Tensor] = []
        for branch in self.branches:
            ends = [x]
            for step in branch:
                ends = [self.get_submodule(name)(ends[0]) for name in step]
            outputs += ends
        return self.se(torch.cat(outputs, 1))  # type: ignore[no-any-return]


def table_1() -> list[Line]:
    """Table 1 as printed, the reductions of Figure 10 and the auxiliary classifier of Figure 8."""
    sizes = [size for _, _, size, _ in TABLE_1[1:]] + ["1x1x1000"]
    lines = [
        Line(kind, words, tuple(names.split()), output)
        for (kind, words, _, names), output in zip(TABLE_1, sizes, strict=True)
    ]
    return [*lines, Line("auxiliary classifier", AUXILIARY_WORDS, ("AuxLogits",))]


def _mixed(branches: Sequence[Branch], inputs: int, make: Unit, se: int | None) -> tuple[Mixed, int]:
    """A module and the number of maps that leave it."""
    layers: dict[str, nn.Module] = {}
    names, outputs = [], 0
    for branch in branches:
        steps, maps = [(step,) if isinstance(step, Layer) else step for step in branch], inputs
        for step in steps:
            layers |= {layer.name: _layer(layer, maps, make) for layer in step}
            maps = step[0].filters or maps
        names.append([tuple(layer.name for layer in step) for step in steps])
        outputs += maps * len(steps[-1])
    return Mixed(names, layers, SqueezeExcitation(outputs, se) if se else nn.Identity()), outputs


def _layer(layer: Layer, inputs: int, make: Unit) -> nn.Module:
    kernel = (layer.kernel, layer.kernel) if isinstance(layer.kernel, int) else layer.kernel
    if not layer.filters:
        return nn.MaxPool2d(kernel, 2) if layer.stride == 2 else nn.AvgPool2d(kernel, 1, padding=1)
    padding = (kernel[0] // 2, kernel[1] // 2) if layer.stride == 1 else 0
    return make(inputs, layer.filters, kernel, stride=layer.stride, padding=padding)
