"""The catalogue's entries of models/densenet.py."""

from typing import Any

from striate.models.entry import SMALL_STEM, Entry, Paper, Weights
from striate.models.facts import Fact, error, parameters, top, torchvision

HUANG = Paper("Huang, Liu, van der Maaten and Weinberger", 2017, "Densely Connected Convolutional Networks")

_KEYS = "Keys and shapes are torchvision's, so its published weights load."
_RELU = "A transition has a ReLU before its convolution: not in section 3, but in Table 1's caption and in the code."
_CODE_STEM = "The stem has 16 maps as printed; the authors' code gives every network twice the growth rate."
_BC_STEM = "The stem has twice the growth rate of maps, as printed for DenseNet-BC; without compression it has 16."
_DROPOUT = (
    "dropout=0.2 is what the paper trains with when pictures are not augmented; the default 0 is for when they are."
)
_MEMORY = "memory_efficient=true keeps what grows with depth, not with its square, and gives the same bits."


def _imagenet(depth: int, published: tuple[Fact, ...], known_for: str, *differences: str, source: str) -> Entry:
    """A network for pictures of 224 pixels."""
    name, released = f"densenet{depth}", depth != 264  # torchvision has the other four
    return Entry(
        name, "striate.models.densenet:densenet", {"depth": depth}, HUANG.at(source), (3, 224, 224), published,
        known_for, (*differences, *([_KEYS] if released else []), _RELU, _MEMORY),
        least=29,  # 29, 15, 8 through the stem, which rounds up; 4, 2, 1 through the transitions, which round down
        sizes=SMALL_STEM, table="striate.models.densenet:table_1",
        weights=Weights("torchvision", name) if released else None,
    )  # fmt: skip


def _cifar(name: str, published: tuple[Fact, ...], known_for: str, stem: str, **options: Any) -> Entry:
    """A network for pictures of 32 pixels: two transitions halve the map."""
    return Entry(
        name, "striate.models.densenet:small_densenet", options, HUANG.at("section 3 and Table 2"), (3, 32, 32),
        published, known_for, (stem, _DROPOUT, _RELU, _MEMORY), least=4, table="striate.models.densenet:section_3",
    )  # fmt: skip


def _printed(millions: str, ten: str, hundred: str) -> tuple[Fact, ...]:
    """A row of Table 2."""
    how = "augmented"
    return parameters(millions, "M"), error("CIFAR-10", ten, how=how), error("CIFAR-100", hundred, how=how)


# fmt: off
ENTRIES: tuple[Entry, ...] = (
    _imagenet(121, (*top("25.02", "7.71", crops=1), *top("23.61", "6.66", crops=10),
              *torchvision(("74.434", "91.972"), counted=(7_978_856, "2.834"))),
              "Every layer reads all layers before it: better than ResNet-34 with little over a third of its weights.",
              source="Table 1"),
    _imagenet(161, (*top("22.2", crops=1), *torchvision(("77.138", "93.560"), counted=(28_681_000, "7.728"))),
              "The widest of the released networks, with growth rate 48.",
              "The last version of the paper's Table 1 leaves it out; it is one of the networks the authors released.",
              source="the authors' released networks"),
    _imagenet(169, (*top("23.80", "6.85", crops=1), *top("22.08", "5.92", crops=10),
              *torchvision(("75.600", "92.806"), counted=(14_149_480, "3.360"))),
              "DenseNet-121 with 24 more dense layers, and still little more than half the parameters of ResNet-50.",
              source="Table 1"),
    _imagenet(201, (*top("22.58", "6.34", crops=1), *top("21.46", "5.54", crops=10),
              *torchvision(("76.896", "93.370"), counted=(20_013_928, "4.291"))),
              "About as accurate as ResNet-101 with less than half its parameters.", source="Table 1"),
    _imagenet(264, (*top("22.15", "6.12", crops=1), *top("20.80", "5.29", crops=10)),
              "The deepest of the family for ImageNet.", "No weights of it are published.",
              "Its own row of Table 1 counts 265 layers with weights: 1 + 2 x 130 + 3 + 1.", source="Table 1"),
    _cifar("densenet_l40_12", _printed("1.0", "5.24", "24.42"),
           "The plain dense network, without bottleneck or compression: bottleneck=true, compression=0.5 add them.",
           _CODE_STEM, depth=40, growth=12),
    _cifar("densenet_l100_12", _printed("7.0", "4.10", "20.20"),
           "What bottleneck and compression are compared with: nine times the parameters of its BC twin.",
           _CODE_STEM, depth=100, growth=12),
    _cifar("densenet_bc_100_12", _printed("0.8", "4.51", "22.27"),
           "As accurate as a pre-activation ResNet of 1,001 layers with a thirteenth of its parameters.",
           _BC_STEM, depth=100, growth=12, bottleneck=True, compression=0.5),
    _cifar("densenet_bc_250_24", _printed("15.3", "3.62", "17.60"),
           "Deep and narrow: the best of the paper without augmentation.",
           _BC_STEM, depth=250, growth=24, bottleneck=True, compression=0.5),
    _cifar("densenet_bc_190_40", _printed("25.6", "3.46", "17.18"),
           "The paper's best on CIFAR with augmentation; concatenated naively, it filled four of its authors' GPUs.",
           _BC_STEM, depth=190, growth=40, bottleneck=True, compression=0.5),
)
# fmt: on
