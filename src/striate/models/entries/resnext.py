"""The catalogue's entries of models/resnext.py."""

from striate.models.entry import SMALL_STEM, Entry, Paper, Weights
from striate.models.facts import Fact, error, parameters, top, torchvision

XIE = Paper("Xie, Girshick, Dollár, Tu and He", 2017, "Aggregated Residual Transformations for Deep Neural Networks")
_WIDER = "16x64d"


def _imagenet(depth: int, groups: int, width: int, weights: str, published: tuple[Fact, ...], known_for: str) -> Entry:
    """A network of Table 1 with another depth, cardinality or width."""
    name, options = f"resnext{depth}_{groups}x{width}d", {"depth": depth, "groups": groups, "width": width}
    return Entry(
        name, "striate.models.resnext:resnext", options, XIE.at("Table 1"), (3, 224, 224), published, known_for,
        differences=(
            "The paths of a block are one grouped convolution, form (c) of Fig. 3, which equals the others.",
            f"Keys and shapes are torchvision's, so the weights that {weights} publishes load.",
        ),
        least=32, sizes=SMALL_STEM, table="striate.models.resnext:table_1", weights=Weights(weights, name),
    )  # fmt: skip


def _at_a_desk(groups: int, width: int, known_for: str) -> Entry:
    """The network of section 5.3 with a quarter of its maps, to compare cardinalities in minutes."""
    return Entry(
        f"resnext29_{groups}x{width}d", "striate.models.resnext:small_resnext",
        {"depth": 29, "groups": groups, "width": width, "outputs": 64}, XIE.at("section 5.3, in small"), (3, 32, 32),
        (), known_for, ("The paper has none so small: its stages give four times the 64, 128 and 256 maps of these.",),
        least=4,
    )  # fmt: skip


# fmt: off
ENTRIES: tuple[Entry, ...] = (
    _imagenet(50, 32, 4, "torchvision",
              (parameters("25.0", "M"), *top("22.2", crops=1), *top("23.9", crops=1, of="ResNet-50"),
               *torchvision(("77.618", "93.698"), ("81.198", "95.340"))),
              "Cardinality: 32 narrow paths at ResNet-50's cost, and more accurate."),
    _imagenet(101, 32, 4, "timm", (*top("21.2", crops=1), *top("22.0", crops=1, of="ResNet-101")),
              "The same step from ResNet-101."),
    _imagenet(101, 32, 8, "torchvision",
              torchvision(("79.312", "94.526"), ("82.834", "96.228"), counted=(88_791_336, "16.414")),
              "Twice the width of 101 32x4d, trained by torchvision; the paper has none."),
    _imagenet(101, 64, 4, "torchvision",
              (parameters("83.5", "M"), *top("20.4", crops=1), *torchvision(("83.246", "96.454"))),
              "The largest of the paper: twice the paths of 101 32x4d."),
    Entry(
        name="resnext29_8x64d", builder="striate.models.resnext:small_resnext",
        options={"depth": 29, "groups": 8, "width": 64, "outputs": 256}, paper=XIE.at("section 5.3"), input=(3, 32, 32),
        published=(
            parameters("34.4", "M"), parameters("68.1", "M", of=_WIDER),
            error("CIFAR-10", "3.65"), error("CIFAR-10", "3.58", of=_WIDER),
            error("CIFAR-100", "17.77"), error("CIFAR-100", "17.31", of=_WIDER),
        ),
        known_for="ResNeXt for 32-pixel pictures: three stages of three wide, grouped blocks.",
        differences=(
            "The wider 16x64d has no name of its own: striate.models.resnext.small_resnext(groups=16) builds it, with "
            "68,155,210 parameters, which round to 68.2 M; the paper prints 68.1.",
        ),
        least=4,
    ),
    _at_a_desk(1, 16, "One path in each bottleneck: what four paths are compared with at a desk."),
    _at_a_desk(4, 6, "Four narrow paths for the parameters of 1x16d, small enough to train at a desk."),
)
# fmt: on
