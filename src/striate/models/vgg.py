"""VGG: Simonyan and Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition"."""

from collections import OrderedDict

from torch import nn

from striate.base.errors import UsageError
from striate.base.options import Rate, Whole
from striate.layers import SqueezeExcitation, initialise, response_norm
from striate.models.entry import Line
from striate.models.options import Activation, Init, Norm

# fmt: off
# Table 1: the kernels of each stage's convolutions; a 2x2 max pool ends each stage.
#   column    conv-64  conv-128  conv-256       conv-512       conv-512
TABLE_1 = {
    "A":     ((3,),    (3,),     (3, 3),        (3, 3),        (3, 3)),
    "B":     ((3, 3),  (3, 3),   (3, 3),        (3, 3),        (3, 3)),
    "C":     ((3, 3),  (3, 3),   (3, 3, 1),     (3, 3, 1),     (3, 3, 1)),
    "D":     ((3, 3),  (3, 3),   (3, 3, 3),     (3, 3, 3),     (3, 3, 3)),
    "E":     ((3, 3),  (3, 3),   (3, 3, 3, 3),  (3, 3, 3, 3),  (3, 3, 3, 3)),
}
TABLE_1_MAPS = (64,    128,      256,           512,           512)
TABLE_1_DENSE = (4096, 4096, 1000)
# Column A-LRN is A with response normalisation after its first convolution: lrn=True.
# fmt: on


def vgg(
    configuration: str,
    classes: Whole = 1000,
    *,
    channels: Whole = 3,
    norm: Norm = None,
    lrn: bool = False,
    se: Whole | None = None,
    activation: Activation = nn.ReLU,
    dropout: Rate = 0.5,
    init: Init = "paper",
) -> nn.Sequential:
    """A network of Table 1: (n, channels, height, width) -> (n, classes) logits, for sides of at least 32.

    - `configuration`: the column, A to E; A has 11 layers with weights, B 13, C and D 16, E 19.
    - `norm`: a norm between each convolution and its activation; none as published.
    - `lrn`: response normalisation after the first convolution's activation, column A-LRN.
    - `se`: the reduction ratio of squeeze-excitation after each convolution's activation (Hu et al. 2018,
      section 3.3), 16 there; None leaves it out.
    - `dropout`: the rate after the first two linear layers' activations.
    - `init`: "paper" and "xavier" as Glorot and Bengio 2010, which section 3.1 recommends: the paper's other
      way, N(0, variance 0.01), needs the weights of a trained network A for all others; or "he".

    Children are `features`, `avgpool` (any map brought to 7x7), `flatten` and `classifier`; keys and shapes are
    torchvision's.
    """
    rows = _features(configuration, channels, norm=norm, lrn=lrn, se=se, activation=activation)
    inputs = TABLE_1_MAPS[-1] * 7 * 7
    classifier: list[nn.Module] = []
    for units in TABLE_1_DENSE[:-1]:
        classifier += [nn.Linear(inputs, units), activation(), nn.Dropout(dropout)]
        inputs = units
    classifier.append(nn.Linear(inputs, classes))
    net = nn.Sequential(
        OrderedDict[str, nn.Module](
            features=nn.Sequential(*(module for _, group in rows for module in group)),
            avgpool=nn.AdaptiveAvgPool2d(7),
            flatten=nn.Flatten(),
            classifier=nn.Sequential(*classifier),
        )
    )
    initialise(net, "xavier" if init == "paper" else init)
    return net


def table_1(configuration: str, *, norm: Norm = None, lrn: bool = False) -> list[Line]:
    """A column of Table 1, from the top; the paper prints neither map sizes nor numbers for its lines."""
    rows = _features(configuration, 3, norm=norm, lrn=lrn, se=None, activation=nn.ReLU)
    lines, position = [], 0
    for layer, group in rows:
        children = tuple(f"features.{position + index}" for index in range(len(group)))
        lines.append(Line(layer, WORDS[layer.rstrip("0123456789")], children))
        position += len(group)
    lines.append(Line("7x7", "average to 7x7 for other sizes than 224", ("avgpool", "flatten")))
    for index, units in enumerate(TABLE_1_DENSE):
        modules = range(3 * index, 3 * index + (1 if units == TABLE_1_DENSE[-1] else 3))
        words = "fully connected, softmax" if units == TABLE_1_DENSE[-1] else "fully connected, dropout 0.5"
        lines.append(Line(f"FC-{units}", words, tuple(f"classifier.{module}" for module in modules), str(units)))
    return lines


WORDS = {
    "conv3-": "3x3 convolution, padding 1",
    "conv1-": "1x1 convolution",
    "LRN": "response normalisation over 5 maps",
    "maxpool": "2x2, stride 2",
}


def _features(
    configuration: str, channels: int, *, norm: Norm, lrn: bool, se: int | None, activation: Activation
) -> list[tuple[str, list[nn.Module]]]:
    """What each line of a column is called and made of, down to the last pool."""
    if configuration not in TABLE_1:
        cause = f"Table 1 has no column {configuration}"
        raise UsageError("configuration", cause, f"one of {', '.join(TABLE_1)}")
    rows: list[tuple[str, list[nn.Module]]] = []
    inputs = channels
    for kernels, maps in zip(TABLE_1[configuration], TABLE_1_MAPS, strict=True):
        for kernel in kernels:
            # A bias even before a norm, which subtracts it again: the published weights of the _bn networks have it.
            layers: list[nn.Module] = [nn.Conv2d(inputs, maps, kernel, padding=kernel // 2)]
            layers += [] if norm is None else [norm(maps)]
            layers += [activation(), *([SqueezeExcitation(maps, se)] if se else [])]
            rows.append((f"conv{kernel}-{maps}", layers))
            if lrn and len(rows) == 1:
                rows.append(("LRN", [response_norm(5, k=2, alpha=1e-4, beta=0.75)]))
            inputs = maps
        rows.append(("maxpool", [nn.MaxPool2d(2)]))
    return rows
