"""The catalogue's entries of models/resnet.py."""

from typing import Any

from striate.models.entry import SMALL_STEM, Entry, Paper, Weights
from striate.models.facts import Fact, error, multiply_adds, parameters, top, torchvision

HE = Paper("He, Zhang, Ren and Sun", 2015, "Deep Residual Learning for Image Recognition")

_KEYS = "Keys and shapes are torchvision's, so its published weights load."
_OPTION_B = 'Shortcuts that change shape are projections, option B; shortcut="A" or "C" gives the others.'
_FIRST_A = 'Published with option A first, shortcut="A": no projections and 173,824 parameters less.'
_OPTION_A = "Option A puts its zero channels after the others; the paper does not say where they go."
_V1 = "Bottlenecks halve the map in their first 1x1 convolution, as published."
_V1_5 = (
    "Bottlenecks halve the map in their 3x3 convolution (v1.5); as published it is the first 1x1 (v1), with as many "
    "parameters and 231,211,008 multiply-adds less."
)
_NOT_BUILT = "A plain network builds no projections: it has fewer parameters than its option B twin."
_WORSE = "The paper says of its error that it is above 60 % and not displayed (Fig. 6)."
_DEGRADES = "The same layers without shortcuts: "


def _imagenet(name: str, published: tuple[Fact, ...], known_for: str, *differences: str, **options: Any) -> Entry:
    """A network of Table 1 for ImageNet; blocks of two layers have no 1x1 to stride on and no 3x3 between two 1x1."""
    unused = ("stride_on", "groups", "width") if options["depth"] in (18, 34) else ()
    return Entry(
        name, "striate.models.resnet:resnet", options, HE.at("Table 1"), (3, 224, 224), published, known_for,
        differences, least=32, sizes=SMALL_STEM, table="striate.models.resnet:table_1",
        unused=(*unused, "zero_init") if options.get("shortcut") == "none" else unused,
        weights=Weights("torchvision", name) if _KEYS in differences else None,
    )  # fmt: skip


def _cifar(name: str, published: tuple[Fact, ...], known_for: str, *differences: str, **options: Any) -> Entry:
    """A network of section 4.2 for CIFAR-10: two of its three stages halve the map."""
    return Entry(
        name, "striate.models.resnet:small_resnet", options, HE.at("section 4.2"), (3, 32, 32), published, known_for,
        differences, least=4, table="striate.models.resnet:table_4_2",
        unused=("zero_init",) if options.get("shortcut") == "none" else (),
    )  # fmt: skip


# fmt: off
ENTRIES: tuple[Entry, ...] = (
    _imagenet("plain18", (multiply_adds("1.8"), *top("27.94", crops=10)),
              _DEGRADES + "the shallow half of the degradation experiment.",
              _NOT_BUILT, depth=18, shortcut="none"),
    _imagenet("plain34", (multiply_adds("3.6"), *top("28.54", "10.02", crops=10)),
              _DEGRADES + "deeper than plain-18 and worse, in training too.",
              _NOT_BUILT, depth=34, shortcut="none"),
    _imagenet("resnet18", (multiply_adds("1.8"), *top("27.88", crops=10, of="its option A"),
              *torchvision(("69.758", "89.078"))),
              "The smallest residual network, and the usual first one to try.",
              _OPTION_B, _FIRST_A, _KEYS, depth=18),
    _imagenet("resnet34", (multiply_adds("3.6"), *top("25.03", "7.76", crops=10, of="its option A"),
              *top("24.52", crops=10, how="option B"), *top("24.19", crops=10, of="its option C"),
              *torchvision(("73.314", "91.420"))),
              "Deeper than ResNet-18 and better, where plain-34 is worse than plain-18.",
              _OPTION_B, _FIRST_A, _KEYS,
              "By arithmetic 3.664 G multiply-adds; the printed 3.6 are the 3.644 G of option A.", depth=34),
    _imagenet("resnet50", torchvision(("76.130", "92.862"), ("80.858", "95.434"), counted=(25_557_032, "4.089")),
              "The reference network of computer vision; three layers a block make 50 layers cheap.",
              _V1_5, _OPTION_B, _KEYS, depth=50, stride_on="3x3"),
    _imagenet("resnet101", torchvision(("77.374", "93.546"), ("81.886", "95.780"), counted=(44_549_160, "7.801")),
              "The usual backbone for detection and segmentation.",
              _V1_5, _OPTION_B, _KEYS, depth=101, stride_on="3x3"),
    _imagenet("resnet152", torchvision(("78.312", "94.046"), ("82.284", "96.002"), counted=(60_192_808, "11.514")),
              "The deepest of the family for ImageNet.", _V1_5, _OPTION_B, _KEYS, depth=152, stride_on="3x3"),
    _imagenet("resnet50_v1", (multiply_adds("3.8"), *top("22.9", "6.7", crops=10), *top("24.7", "7.8", crops=1)),
              "ResNet-50 as the paper printed it.", _V1, _OPTION_B,
              "By arithmetic 3.858 G multiply-adds, where the paper prints 3.8.", depth=50, stride_on="1x1"),
    _imagenet("resnet101_v1", (multiply_adds("7.6"), *top("21.8", "6.1", crops=10), *top("23.6", "7.1", crops=1)),
              "ResNet-101 as the paper printed it.", _V1, _OPTION_B, depth=101, stride_on="1x1"),
    _imagenet("resnet152_v1", (multiply_adds("11.3"), *top("21.4", "5.7", crops=10), *top("23.0", "6.7", crops=1),
              *top("", "3.57", how="ensemble")),
              "ResNet-152 as the paper printed it: part of the ensemble that won ILSVRC 2015.",
              _V1, _OPTION_B, depth=152, stride_on="1x1"),
    *(_cifar(f"plain{depth}", (above,) if above else (),
             _DEGRADES + f"what ResNet-{depth} is compared with.",
             _WORSE if above else "The paper shows its error as a curve only.", depth=depth, shortcut="none")
      for depth, above in (
          (20, None), (32, None), (44, None), (56, None), (110, error("CIFAR-10", "60", bound="above")))),
    *(_cifar(f"resnet{depth}", (parameters(millions, "M"), error("CIFAR-10", percent), *more),
             f"{depth} layers on 32-pixel pictures, small enough to train at a desk.", _OPTION_A, depth=depth)
      for depth, millions, percent, *more in (
          (20, "0.27", "8.75"), (32, "0.46", "7.51"), (44, "0.66", "7.17"), (56, "0.85", "6.97"),
          (110, "1.7", "6.43", error("CIFAR-10", "6.61", how="mean of 5 runs")))),
    _cifar("resnet1202", (parameters("19.4", "M"), error("CIFAR-10", "7.93")),
           "Over 1,000 layers that train, and overfit: worse than 110 layers.", _OPTION_A, depth=1202),
)
# fmt: on
