"""The catalogue's entries of models/densenet.py."""

from collections.abc import Mapping
from typing import Any

from striate.models.entry import Entry

HUANG = 'Huang, Liu, van der Maaten and Weinberger 2017, "Densely Connected Convolutional Networks"'
DENSENET, SMALL_DENSENET = "striate.models.densenet:densenet", "striate.models.densenet:small_densenet"

_KEYS = "Keys and shapes are torchvision's, so its published weights load."
_RELU = "A transition has a ReLU before its convolution: not in section 3, but in Table 1's caption and in the code."
_CODE_STEM = "The stem has 16 maps as printed; the authors' code gives every network twice the growth rate."
_BC_STEM = "The stem has twice the growth rate of maps, as printed for DenseNet-BC; without compression it has 16."
_DROPOUT = (
    "dropout=0.2 is what the paper trains with when pictures are not augmented; the default 0 is for when they are."
)
_MEMORY = "memory_efficient=true keeps what grows with depth, not with its square, and gives the same bits."

_BOTH = "error ImageNet, 1 crop / 10 crops, top-1"
_FIVE = "error ImageNet, 1 crop / 10 crops, top-5"
_ACCURACY = "accuracy ImageNet, torchvision's V1 weights, 1 crop, top-1 / top-5"
_CIFAR_10, _CIFAR_100 = "error CIFAR-10, augmented", "error CIFAR-100, augmented"


def _imagenet(depth: int, published: Mapping[str, str], known_for: str, *differences: str, source: str) -> Entry:
    """A network for pictures of 224 pixels."""
    released = depth != 264  # torchvision has the other four
    return Entry(
        name=f"densenet{depth}",
        builder=DENSENET,
        options={"depth": depth},
        paper=f"{HUANG}, {source}",
        year=2017,
        input=(3, 224, 224),
        published=published,
        known_for=known_for,
        differences=(*differences, *([_KEYS] if released else []), _RELU, _MEMORY),
        least=29,  # 29, 15, 8 through the stem, which rounds up; 4, 2, 1 through the transitions, which round down
        sizes={"stem=32": (8, 32)},
        table="striate.models.densenet:table_1",
        weights=f"torchvision:densenet{depth}" if released else "",
    )


def _cifar(name: str, published: Mapping[str, str], known_for: str, stem: str, **options: Any) -> Entry:
    """A network for pictures of 32 pixels: two transitions halve the map."""
    return Entry(
        name=name,
        builder=SMALL_DENSENET,
        options=options,
        paper=f"{HUANG}, section 3 and Table 2",
        year=2017,
        input=(3, 32, 32),
        published=published,
        known_for=known_for,
        differences=(stem, _DROPOUT, _RELU, _MEMORY),
        least=4,
        table="striate.models.densenet:section_3",
    )


# fmt: off
ENTRIES: tuple[Entry, ...] = (
    _imagenet(121, {"parameters, torchvision": "7,978,856", "multiply-adds, torchvision": "2.834 G",
              _BOTH: "25.02 / 23.61 %",
              _FIVE: "7.71 / 6.66 %", _ACCURACY: "74.434 / 91.972 %"},
              "Every layer reads all layers before it: better than ResNet-34 with little over a third of its weights.",
              source="Table 1"),
    _imagenet(161, {"parameters, torchvision": "28,681,000", "multiply-adds, torchvision": "7.728 G",
              "error ImageNet, 1 crop, top-1": "22.2 %", _ACCURACY: "77.138 / 93.560 %"},
              "The widest of the released networks, with growth rate 48.",
              "The last version of the paper's Table 1 leaves it out; it is one of the networks the authors released.",
              source="the authors' released networks"),
    _imagenet(169, {"parameters, torchvision": "14,149,480", "multiply-adds, torchvision": "3.360 G",
              _BOTH: "23.80 / 22.08 %",
              _FIVE: "6.85 / 5.92 %", _ACCURACY: "75.600 / 92.806 %"},
              "DenseNet-121 with 24 more dense layers, and still little more than half the parameters of ResNet-50.",
              source="Table 1"),
    _imagenet(201, {"parameters, torchvision": "20,013,928", "multiply-adds, torchvision": "4.291 G",
              _BOTH: "22.58 / 21.46 %",
              _FIVE: "6.34 / 5.54 %", _ACCURACY: "76.896 / 93.370 %"},
              "About as accurate as ResNet-101 with less than half its parameters.", source="Table 1"),
    _imagenet(264, {_BOTH: "22.15 / 20.80 %",
              _FIVE: "6.12 / 5.29 %"},
              "The deepest of the family for ImageNet.", "No weights of it are published.",
              "Its own row of Table 1 counts 265 layers with weights: 1 + 2 x 130 + 3 + 1.", source="Table 1"),
    _cifar("densenet_l40_12", {"parameters": "1.0 M", _CIFAR_10: "5.24 %", _CIFAR_100: "24.42 %"},
           "The plain dense network, without bottleneck or compression: bottleneck=true, compression=0.5 add them.",
           _CODE_STEM, depth=40, growth=12),
    _cifar("densenet_l100_12", {"parameters": "7.0 M", _CIFAR_10: "4.10 %", _CIFAR_100: "20.20 %"},
           "What bottleneck and compression are compared with: nine times the parameters of its BC twin.",
           _CODE_STEM, depth=100, growth=12),
    _cifar("densenet_bc_100_12", {"parameters": "0.8 M", _CIFAR_10: "4.51 %", _CIFAR_100: "22.27 %"},
           "As accurate as a pre-activation ResNet of 1,001 layers with a thirteenth of its parameters.",
           _BC_STEM, depth=100, growth=12, bottleneck=True, compression=0.5),
    _cifar("densenet_bc_250_24", {"parameters": "15.3 M", _CIFAR_10: "3.62 %", _CIFAR_100: "17.60 %"},
           "Deep and narrow: the best of the paper without augmentation.",
           _BC_STEM, depth=250, growth=24, bottleneck=True, compression=0.5),
    _cifar("densenet_bc_190_40", {"parameters": "25.6 M", _CIFAR_10: "3.46 %", _CIFAR_100: "17.18 %"},
           "The paper's best on CIFAR with augmentation; concatenated naively, it filled four of its authors' GPUs.",
           _BC_STEM, depth=190, growth=40, bottleneck=True, compression=0.5),
)
# fmt: on
