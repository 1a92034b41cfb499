"""ZFNet: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks"."""

from torch import nn

from striate.base.options import Rate, Whole
from striate.layers import chain, gaussian, initialise, response_norm
from striate.models.alexnet import dense, dense_lines
from striate.models.entry import Line
from striate.models.options import Activation, Init, Norm

# fmt: off
# Figure 3: a picture of 224x224; "pooled" is the size after a 3x3 max pool of stride 2, where one follows.
#    layer    filters  size  stride  padding  map size  pooled  contrast normalised
FIGURE_3 = (
    ("conv1", 96,      7,    2,      1,       110,      55,     True),
    ("conv2", 256,     5,    2,      0,       26,       13,     True),
    ("conv3", 384,     3,    1,      1,       13,       0,      False),
    ("conv4", 384,     3,    1,      1,       13,       0,      False),
    ("conv5", 256,     3,    1,      1,       13,       6,      False),
)
# fc6 and fc7 of 4096 units, and fc8, are AlexNet's.
# fmt: on


def zfnet(
    classes: Whole = 1000,
    *,
    channels: Whole = 3,
    lrn: bool = True,
    norm: Norm = None,
    activation: Activation = nn.ReLU,
    dropout: Rate = 0.5,
    init: Init = "paper",
) -> nn.Sequential:
    """The network of Figure 3: (n, channels, 224, 224) -> (n, classes) logits; 62,357,608 parameters.

    - `lrn`: contrast normalisation across maps after the first two pools. The paper prints no constants; those
      of Krizhevsky et al. 2012, whose network it starts from, are taken.
    - `norm` and `dropout`: as in `alexnet`.
    - `init`: "paper" draws weights from N(0, 0.01), biases are 0 (section 3: "initialized to 10^-2"); "he" or
      "xavier".

    Pools count a last, incomplete window: so 110 becomes 55 and 26 becomes 13. Layers and state-dict keys are
    named as in Caffe's models.
    """
    layers: dict[str, nn.Module] = {}
    inputs = channels
    for name, filters, size, stride, padding, _, pooled, contrast in FIGURE_3:
        number = name[-1]
        layers[name] = nn.Conv2d(inputs, filters, size, stride, padding, bias=norm is None)
        if norm is not None:
            layers[f"bn{number}"] = norm(filters)
        layers[f"relu{number}"] = activation()
        if pooled:
            layers[f"pool{number}"] = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        if contrast and lrn:
            layers[f"norm{number}"] = response_norm()
        inputs = filters
    layers |= dense(inputs, classes, activation, dropout)
    return initialise(chain(**layers), init, gaussian)


def figure_3() -> list[Line]:
    """Figure 3 layer by layer, with the map sizes it prints."""
    lines = []
    for name, filters, size, stride, _, side, pooled, contrast in FIGURE_3:
        words = f"{filters} filters of {size}x{size}, stride {stride}"
        lines.append(Line(name, words, (name, f"relu{name[-1]}"), f"{side}x{side}x{filters}"))
        if pooled:
            words = f"max pool 3x3, stride 2{', contrast normalised' if contrast else ''}"
            children = (f"pool{name[-1]}", f"norm{name[-1]}") if contrast else (f"pool{name[-1]}",)
            lines.append(Line(f"pool{name[-1]}", words, children, f"{pooled}x{pooled}x{filters}"))
    return [*lines, *dense_lines()]
