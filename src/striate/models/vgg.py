"""VGG: Simonyan and Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition"."""

from dataclasses import replace

from torch import nn

from striate.base.errors import UsageError
from striate.base.options import Rate, Whole
from striate.layers import SqueezeExcitation, chain, head, initialise, response_norm
from striate.models.entry import Line, numbered
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
    dense: bool = True,
    init: Init = "paper",
) -> nn.Sequential:
    """A network of Table 1: (n, channels, height, width) -> (n, classes) logits, for sides of at least 32.

    - `configuration`: the column, A to E; A has 11 layers with weights, B 13, C and D 16, E 19.
    - `norm`: a norm between each convolution and its activation; none as published.
    - `lrn`: response normalisation after the first convolution's activation, column A-LRN.
    - `se`: the reduction ratio of squeeze-excitation after each convolution's activation (Hu et al. 2018,
      section 3.3), 16 there; None leaves it out.
    - `dropout`: the rate after the first two linear layers' activations.
    - `dense`: false leaves these two out: maps are averaged, and one linear layer answers, as in the VGGnet-GAP of Zhou
      et al. 2016, "Learning Deep Features for Discriminative Localization", section 3.1, without the convolution that
      they add. Of the 138 M parameters of column D 14.7 M are left, and those of the classes.
    - `init`: "paper" and "xavier" as Glorot and Bengio 2010, which section 3.1 recommends: the paper's other
      way, N(0, variance 0.01), needs the weights of a trained network A for all others; or "he".

    Children are `features`, `avgpool` (any map brought to 7x7), `flatten` and `classifier`; keys and shapes are
    torchvision's.
    """
    if configuration not in TABLE_1:
        raise UsageError("configuration", f"Table 1 has no column {configuration}", f"one of {', '.join(TABLE_1)}")
    features: list[nn.Module] = []
    inputs = channels
    for kernels, maps in zip(TABLE_1[configuration], TABLE_1_MAPS, strict=True):
        for kernel in kernels:
            # A bias even before a norm, which subtracts it again: the published weights of the _bn networks have it.
            features.append(nn.Conv2d(inputs, maps, kernel, padding=kernel // 2))
            features += [activation()] if norm is None else [norm(maps), activation()]
            if se:
                features.append(SqueezeExcitation(maps, se))
            if lrn:
                features.append(response_norm())
                lrn = False  # the first convolution alone has it
            inputs = maps
        features.append(nn.MaxPool2d(2))
    if not dense:
        averaged = chain(features=nn.Sequential(*features), **head(inputs, classes, 0.0))
        return initialise(averaged, "xavier" if init == "paper" else init)
    inputs *= 7 * 7
    classifier: list[nn.Module] = []
    for units in TABLE_1_DENSE[:-1]:
        classifier += [nn.Linear(inputs, units), activation(), nn.Dropout(dropout)]
        inputs = units
    net = chain(
        features=nn.Sequential(*features),
        avgpool=nn.AdaptiveAvgPool2d(7),
        flatten=nn.Flatten(),
        classifier=nn.Sequential(*classifier, nn.Linear(inputs, classes)),
    )
    return initialise(net, "xavier" if init == "paper" else init)


def table_1(configuration: str, *, norm: Norm = None, lrn: bool = False) -> list[Line]:
    """A column of Table 1, from the top; the paper prints neither map sizes nor numbers for its lines."""
    rows = []
    for kernels, maps in zip(TABLE_1[configuration], TABLE_1_MAPS, strict=True):
        for kernel in kernels:
            words = f"{kernel}x{kernel} convolution{', padding 1' if kernel == 3 else ''}"
            rows.append((f"conv{kernel}-{maps}", words, 2 if norm is None else 3))
        rows.append(("maxpool", "2x2, stride 2", 1))
    if lrn:
        rows.insert(1, ("LRN", "response normalisation over 5 maps", 1))
    *hidden, last = TABLE_1_DENSE
    dense = [(f"FC-{units}", "fully connected, dropout 0.5", 3) for units in hidden]
    dense.append((f"FC-{last}", "fully connected, softmax", 1))
    return [
        *numbered("features", rows),
        Line("7x7", "average to 7x7 for other sizes than 224", ("avgpool", "flatten")),
        *(replace(line, output=line.layer.removeprefix("FC-")) for line in numbered("classifier", dense)),
    ]
