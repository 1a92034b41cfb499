"""The catalogue's entries of models/vgg.py."""

from collections.abc import Mapping
from typing import Any

from striate.models.entry import Entry

SIMONYAN = 'Simonyan and Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition", Table 1'

_KEYS = "Keys and shapes are torchvision's, so its published weights load."
_NO_WEIGHTS = "Keys follow torchvision's, which has no such network."
_SIZES = "An adaptive pool brings any map to 7x7: other sizes than 224 run."
_TEST = "The paper tests densely, as a fully convolutional network, or on many crops; here pictures are cut to size."
_START = "Weights start as Glorot and Bengio draw them: the paper starts the deeper nets from a trained A."
_NORM = "Batch normalisation after each convolution is not in the paper; convolutions keep the bias it makes idle."
_LRN = "Response normalisation after the first convolution, with AlexNet's constants, as the paper has it."

_SINGLE = "error ImageNet validation, single scale, top-1 / top-5"
_ACCURACY = "accuracy ImageNet, torchvision's V1 weights, 1 crop, top-1 / top-5"


def _vgg(
    name: str, published: Mapping[str, str], known_for: str, *differences: str, weights: bool = True, **options: Any
) -> Entry:
    """A column of Table 1."""
    return Entry(
        name=name,
        builder="striate.models.vgg:vgg",
        options=options,
        paper=f"{SIMONYAN}, {options['configuration']}{'-LRN' if options.get('lrn') else ''}",
        year=2014,
        input=(3, 224, 224),
        published=published,
        known_for=known_for,
        differences=(*differences, _KEYS if weights else _NO_WEIGHTS, _SIZES, _TEST, _START),
        least=32,
        table="striate.models.vgg:table_1",
        weights=f"torchvision:{name}" if weights else "",
    )


def _normed(name: str, accuracy: str, multiply_adds: str, **options: Any) -> Entry:
    """The same with batch normalisation, as torchvision ships it."""
    published = {"multiply-adds, torchvision": multiply_adds, _ACCURACY: accuracy} if accuracy else {}
    known_for = f"{name.removesuffix('_bn')} with batch normalisation, which needs no pre-trained start."
    return _vgg(name, published, known_for, _NORM, weights=bool(accuracy), norm="batch", **options)


# fmt: off
ENTRIES: tuple[Entry, ...] = (
    _vgg("vgg11", {"parameters": "133 M", _SINGLE: "29.6 / 10.4 %", _ACCURACY: "69.020 / 88.628 %"},
         "The shallowest of the VGG networks, whose weights started the deeper ones.", configuration="A"),
    _vgg("vgg11_lrn", {"parameters": "133 M", _SINGLE: "29.7 / 10.5 %"},
         "Shows that AlexNet's response normalisation does not help here.", _LRN,
         weights=False, configuration="A", lrn=True),
    _vgg("vgg13", {"parameters": "133 M", _SINGLE: "28.7 / 9.9 %", _ACCURACY: "69.928 / 89.246 %"},
         "Two 3x3 convolutions a stage: the field of one 5x5 with fewer weights.", configuration="B"),
    _vgg("vgg16_c", {"parameters": "134 M", _SINGLE: "27.3 / 8.8 %"},
         "VGG-13 with three 1x1 convolutions: more depth, no wider field.",
         weights=False, configuration="C"),
    _vgg("vgg16", {"parameters": "138 M", _SINGLE: "25.6 / 8.1 %", "error ImageNet, 1 crop, top-1 / top-5":
         "28.5 / 9.9 %", _ACCURACY: "71.592 / 90.382 %"},
         "The usual VGG: nothing but 3x3 convolutions, and still a common feature extractor.", configuration="D"),
    _vgg("vgg19", {"parameters": "144 M", _SINGLE: "25.5 / 8.0 %", _ACCURACY: "72.376 / 90.876 %"},
         "The deepest VGG, and the network of neural style transfer.", configuration="E"),
    _normed("vgg11_bn", "70.370 / 89.810 %", "7.609 G", configuration="A"),
    _normed("vgg13_bn", "71.586 / 90.374 %", "11.308 G", configuration="B"),
    _normed("vgg16_c_bn", "", "", configuration="C"),
    _normed("vgg16_bn", "73.360 / 91.516 %", "15.47 G", configuration="D"),
    _normed("vgg19_bn", "74.218 / 91.842 %", "19.632 G", configuration="E"),
)
# fmt: on
