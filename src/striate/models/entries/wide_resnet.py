"""The catalogue's entries of models/wide_resnet.py."""

from collections.abc import Mapping

from striate.models.entry import Entry

ZAGORUYKO = 'Zagoruyko and Komodakis 2016, "Wide Residual Networks"'

_ACCURACY = "accuracy ImageNet, torchvision's V{} weights, 1 crop, top-1 / top-5"


def _imagenet(depth: int, published: Mapping[str, str], known_for: str) -> Entry:
    """ResNet's bottlenecks with the 3x3 convolution twice as wide."""
    return Entry(
        name=f"wide_resnet{depth}_2",
        builder="striate.models.wide_resnet:wide_resnet",
        options={"depth": depth, "widening": 2},
        paper=f"{ZAGORUYKO}, section 3",
        year=2016,
        input=(3, 224, 224),
        published=published,
        known_for=known_for,
        differences=(
            "Only the 3x3 convolution of a block is widened; the blocks' outputs stay those of ResNet.",
            "Bottlenecks halve the map in their 3x3 convolution.",
            "Keys and shapes are torchvision's, so its published weights load.",
        ),
        least=32,
        sizes={"stem=32": (8, 32)},
        weights=f"torchvision:wide_resnet{depth}_2",
    )


def _cifar(depth: int, widening: int, published: Mapping[str, str], known_for: str) -> Entry:
    """A network of Table 1."""
    return Entry(
        name=f"wide_resnet{depth}_{widening}",
        builder="striate.models.wide_resnet:small_wide_resnet",
        options={"depth": depth, "widening": widening},
        paper=f"{ZAGORUYKO}, Table 1",
        year=2016,
        input=(3, 32, 32),
        published=published,
        known_for=known_for,
        differences=(
            "The norm and activation of the first block stand right after the first convolution: the same sum.",
            "Without dropout unless asked for: dropout=0.3 is the paper's rate for CIFAR.",
            "Errors are for pictures normalised by mean and deviation, not whitened.",
        ),
        least=4,
        table="striate.models.wide_resnet:table_1",
    )


# fmt: off
ENTRIES: tuple[Entry, ...] = (
    _imagenet(50, {"parameters": "68.9 M", "error ImageNet, 1 crop, top-1 / top-5":
                   "21.9 / 6.03 % (Table 8; Table 9 and the authors' README 5.79 %)",
                   _ACCURACY.format(1): "78.468 / 94.086 %", _ACCURACY.format(2): "81.602 / 95.758 %"},
              "Width instead of depth: 50 layers as accurate as ResNet-152 and faster."),
    _imagenet(101, {"parameters, torchvision": "126,886,696", "multiply-adds, torchvision": "22.753 G",
                    _ACCURACY.format(1): "78.848 / 94.284 %", _ACCURACY.format(2): "82.510 / 96.020 %"},
              "The wide form of ResNet-101, which torchvision trained; the paper has none."),
    _cifar(28, 10, {"parameters": "36.5 M", "error CIFAR-10": "4.00 %, with dropout 3.89 %",
                    "error CIFAR-100": "19.25 %, with dropout 18.85 %"},
           "28 wide layers that beat 1,001 thin ones: the usual strong baseline on CIFAR."),
    _cifar(40, 4, {"parameters": "8.9 M", "error CIFAR-10": "4.53 %", "error CIFAR-100": "21.18 %"},
           "A quarter of the parameters of 28-10."),
    _cifar(16, 8, {"parameters": "11.0 M", "error CIFAR-10": "4.27 %", "error CIFAR-100": "20.43 %"},
           "Few layers, so it is quick for its size."),
)
# fmt: on
