"""The catalogue's entries of models/senet.py."""

from typing import Any

from striate.models.entry import SMALL_STEM, Entry, Paper, Weights
from striate.models.facts import Fact, multiply_adds, top

HU = Paper("Hu, Shen and Sun", 2018, "Squeeze-and-Excitation Networks")

_KEYS = "Keys and shapes are timm's."
_LOADS = "Keys and shapes are timm's, so its published weights load."
_BIASED = "The two dense layers of a squeeze have biases, as in the released models."
_SQUEEZED = "Maps are squeezed to 8 at least, so that blocks of 64 maps have 8 and not 4."
_V1_5 = (
    "Bottlenecks halve the map in their 3x3 convolution; as published it is the first 1x1, with as many parameters "
    "and 231,211,008 multiply-adds less."
)


def _released(first: str, fifth: str) -> tuple[Fact, ...]:
    return top(first, fifth, how="released model", crops=1)


def _net(
    name: str, published: tuple[Fact, ...], known_for: str, *differences: str, paper: str = "Table 1", **options: Any
) -> Entry:
    """SE-ResNet or SE-ResNeXt; only 50 layers are printed as a table."""
    return Entry(
        name, "striate.models.senet:senet", options, HU.at(paper), (3, 224, 224), published, known_for,
        (*differences, _BIASED), least=32, sizes=SMALL_STEM,
        table="striate.models.senet:table_1" if options["depth"] == 50 else "",
        unused=("groups", "width", "stride_on") if options["depth"] in (18, 34) else (),
        weights=Weights("timm", name) if _LOADS in differences else None,
    )  # fmt: skip


# fmt: off
ENTRIES: tuple[Entry, ...] = (
    _net("seresnet18", (), "ResNet-18 that weighs its maps; the paper has none of this depth.",
         _KEYS, _SQUEEZED, paper="Fig. 3", depth=18),
    _net("seresnet34", (), "ResNet-34 that weighs its maps; the paper has none of this depth.",
         _KEYS, _SQUEEZED, paper="Fig. 3", depth=34),
    _net("seresnet50", (), "ResNet-50 that weighs its maps by what it sees: a tenth more parameters, hardly more work.",
         _V1_5, _LOADS, depth=50, stride_on="3x3"),
    _net("seresnet101", (), "ResNet-101 with squeeze-and-excitation.", _V1_5, _KEYS, depth=101, stride_on="3x3"),
    _net("seresnet152", (), "ResNet-152 with squeeze-and-excitation.", _V1_5, _KEYS, depth=152, stride_on="3x3"),
    _net("seresnet50_v1", (multiply_adds("3.87"), *top("23.29", "6.62", crops=1), *_released("22.37", "6.36")),
         "SE-ResNet-50 as the paper printed it.",
         "By arithmetic 3.860 G multiply-adds, where the paper prints 3.87.",
         "Ratios 2, 4, 8, 16, 32 give 45.7, 35.6, 30.6, 28.1, 26.8 M parameters; section 6.1 prints 45.7, 35.7, 30.7, "
         "28.1, 26.9.", depth=50, stride_on="1x1"),
    _net("seresnet101_v1", (multiply_adds("7.60"), *top("22.38", "6.07", crops=1), *_released("21.75", "5.72")),
         "SE-ResNet-101 as the paper printed it.",
         "By arithmetic 7.575 G multiply-adds, where the paper prints 7.60.", depth=101, stride_on="1x1"),
    _net("seresnet152_v1", (multiply_adds("11.32"), *top("21.57", "5.73", crops=1), *_released("21.34", "5.54")),
         "SE-ResNet-152 as the paper printed it.",
         "By arithmetic 11.289 G multiply-adds, where the paper prints 11.32.", depth=152, stride_on="1x1"),
    _net("seresnext50_32x4d", top("21.10", "5.49", crops=1),
         "Squeeze-and-excitation and grouped convolutions together, at ResNet-50's cost.",
         _LOADS, depth=50, groups=32, width=4, stride_on="3x3"),
    _net("seresnext101_32x4d", top("20.70", "5.01", crops=1),
         "The same at ResNet-101's depth.",
         _LOADS, depth=101, groups=32, width=4, stride_on="3x3"),
    Entry(
        name="senet154", builder="striate.models.senet:senet154", options={}, paper=HU.at("appendix"),
        input=(3, 224, 224), published=_released("18.68", "4.47"),
        known_for="The network of the team that won ILSVRC 2017, released as one model.",
        differences=(
            "timm builds it without the dropout of 0.2 that stands before the last layer here.", _LOADS, _BIASED,
        ),
        least=32, weights=Weights("timm", "senet154"),
    ),
)
# fmt: on
