"""The catalogue's entries of models/resnext.py."""

from collections.abc import Mapping

from striate.models.entry import Entry

XIE = 'Xie, Girshick, Dollár, Tu and He 2017, "Aggregated Residual Transformations for Deep Neural Networks"'

_ERROR = "error ImageNet, 1 crop, top-1"
_ACCURACY = "accuracy ImageNet, torchvision's V{} weights, 1 crop, top-1 / top-5"


def _imagenet(depth: int, groups: int, width: int, weights: str, published: Mapping[str, str], known_for: str) -> Entry:
    """A network of Table 1 with another depth, cardinality or width."""
    name = f"resnext{depth}_{groups}x{width}d"
    return Entry(
        name=name,
        builder="striate.models.resnext:resnext",
        options={"depth": depth, "groups": groups, "width": width},
        paper=f"{XIE}, Table 1",
        year=2017,
        input=(3, 224, 224),
        published=published,
        known_for=known_for,
        differences=(
            "The paths of a block are one grouped convolution, form (c) of Fig. 3, which equals the others.",
            f"Keys and shapes are torchvision's, so the weights that {weights} publishes load.",
        ),
        least=32,
        sizes={"stem=32": (8, 32)},
        table="striate.models.resnext:table_1",
        weights=f"{weights}:{name}",
    )


CIFAR = Entry(
    name="resnext29_8x64d",
    builder="striate.models.resnext:small_resnext",
    options={"depth": 29, "groups": 8, "width": 64},
    paper=f"{XIE}, section 5.3",
    year=2017,
    input=(3, 32, 32),
    published={
        "parameters": "34.4 M (with 16x64d 68.1 M)",
        "error CIFAR-10": "3.65 % (with 16x64d 3.58 %)",
        "error CIFAR-100": "17.77 % (with 16x64d 17.31 %)",
    },
    known_for="ResNeXt for 32-pixel pictures: three stages of three wide, grouped blocks.",
    differences=(
        "The wider 16x64d has no name of its own: striate.models.resnext.small_resnext(groups=16) builds it, with "
        "68,155,210 parameters, which round to 68.2 M; the paper prints 68.1.",
    ),
    least=4,
)

# fmt: off
ENTRIES: tuple[Entry, ...] = (
    _imagenet(50, 32, 4, "torchvision",
              {"parameters": "25.0 M", _ERROR: "22.2 % (ResNet-50 23.9 %)",
               _ACCURACY.format(1): "77.618 / 93.698 %", _ACCURACY.format(2): "81.198 / 95.340 %"},
              "Cardinality: 32 narrow paths at ResNet-50's cost, and more accurate."),
    _imagenet(101, 32, 4, "timm", {_ERROR: "21.2 % (ResNet-101 22.0 %)"},
              "The same step from ResNet-101."),
    _imagenet(101, 32, 8, "torchvision",
              {"parameters, torchvision": "88,791,336", "multiply-adds, torchvision": "16.414 G",
               _ACCURACY.format(1): "79.312 / 94.526 %", _ACCURACY.format(2): "82.834 / 96.228 %"},
              "Twice the width of 101 32x4d, trained by torchvision; the paper has none."),
    _imagenet(101, 64, 4, "torchvision", {"parameters": "83.5 M", _ERROR: "20.4 %",
              _ACCURACY.format(1): "83.246 / 96.454 %"},
              "The largest of the paper: twice the paths of 101 32x4d."),
    CIFAR,
)
# fmt: on
