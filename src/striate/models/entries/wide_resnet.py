"""The catalogue's entries of models/wide_resnet.py."""

from striate.models.entry import SMALL_STEM, Entry, Paper, Weights
from striate.models.facts import Fact, error, parameters, top, torchvision

ZAGORUYKO = Paper("Zagoruyko and Komodakis", 2016, "Wide Residual Networks")


def _imagenet(depth: int, published: tuple[Fact, ...], known_for: str) -> Entry:
    """ResNet's bottlenecks with the 3x3 convolution twice as wide."""
    name, options = f"wide_resnet{depth}_2", {"depth": depth, "widening": 2}
    return Entry(
        name, "striate.models.wide_resnet:wide_resnet", options, ZAGORUYKO.at("section 3"), (3, 224, 224), published,
        known_for,
        differences=(
            "Only the 3x3 convolution of a block is widened; the blocks' outputs stay those of ResNet.",
            "Bottlenecks halve the map in their 3x3 convolution.",
            "Keys and shapes are torchvision's, so its published weights load.",
        ),
        least=32, sizes=SMALL_STEM, weights=Weights("torchvision", name),
    )  # fmt: skip


def _cifar(depth: int, widening: int, published: tuple[Fact, ...], known_for: str) -> Entry:
    """A network of Table 1."""
    name, options = f"wide_resnet{depth}_{widening}", {"depth": depth, "widening": widening}
    return Entry(
        name, "striate.models.wide_resnet:small_wide_resnet", options, ZAGORUYKO.at("Table 1"), (3, 32, 32), published,
        known_for,
        differences=(
            "The norm and activation of the first block stand right after the first convolution: the same sum.",
            "Without dropout unless asked for: dropout=0.3 is the paper's rate for CIFAR.",
            "Errors are for pictures normalised by mean and deviation, not whitened.",
        ),
        least=4, table="striate.models.wide_resnet:table_1",
    )  # fmt: skip


# fmt: off
ENTRIES: tuple[Entry, ...] = (
    _imagenet(50, (parameters("68.9", "M"), *top("21.9", "6.03", source="Table 8", crops=1),
                   *top("", "5.79", source="Table 9 and the authors' README", crops=1),
                   *torchvision(("78.468", "94.086"), ("81.602", "95.758"))),
              "Width instead of depth: 50 layers as accurate as ResNet-152 and faster."),
    _imagenet(101, torchvision(("78.848", "94.284"), ("82.510", "96.020"), counted=(126_886_696, "22.753")),
              "The wide form of ResNet-101, which torchvision trained; the paper has none."),
    _cifar(28, 10, (parameters("36.5", "M"), error("CIFAR-10", "4.00"), error("CIFAR-10", "3.89", how="dropout"),
                    error("CIFAR-100", "19.25"), error("CIFAR-100", "18.85", how="dropout")),
           "28 wide layers that beat 1,001 thin ones: the usual strong baseline on CIFAR."),
    _cifar(40, 4, (parameters("8.9", "M"), error("CIFAR-10", "4.53"), error("CIFAR-100", "21.18")),
           "A quarter of the parameters of 28-10."),
    _cifar(16, 8, (parameters("11.0", "M"), error("CIFAR-10", "4.27"), error("CIFAR-100", "20.43")),
           "Few layers, so it is quick for its size."),
)
# fmt: on
