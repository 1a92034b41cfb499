"""The catalogue's entries of models/vgg.py."""

from typing import Any

from striate.models.entry import Entry, Paper, Weights
from striate.models.facts import Fact, multiply_adds, parameters, top, torchvision

SIMONYAN = Paper(
    "Simonyan and Zisserman", 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition", first=2014
)

_KEYS = "Keys and shapes are torchvision's, so its published weights load."
_NO_WEIGHTS = "Keys follow torchvision's, which has no such network."
_SIZES = "An adaptive pool brings any map to 7x7: other sizes than 224 run."
_TEST = "The paper tests densely, as a fully convolutional network, or on many crops; here pictures are cut to size."
_START = "Weights start as Glorot and Bengio draw them: the paper starts the deeper nets from a trained A."
_NORM = "Batch normalisation after each convolution is not in the paper; convolutions keep the bias it makes idle."
_LRN = "Response normalisation after the first convolution, with AlexNet's constants, as the paper has it."


def _printed(millions: str, first: str, fifth: str) -> tuple[Fact, ...]:
    """Parameters, and errors of Table 3."""
    return parameters(millions, "M"), *top(first, fifth, subset="validation", how="single scale")


def _shipped(billions: str, first: str, fifth: str) -> tuple[Fact, ...]:
    return multiply_adds(billions, source="torchvision"), *torchvision((first, fifth))


def _vgg(
    name: str, published: tuple[Fact, ...], known_for: str, *differences: str, weights: bool = True, **options: Any
) -> Entry:
    """A column of Table 1."""
    column = f"Table 1, {options['configuration']}{'-LRN' if options.get('lrn') else ''}"
    return Entry(
        name, "striate.models.vgg:vgg", options, SIMONYAN.at(column), (3, 224, 224), published, known_for,
        (*differences, _KEYS if weights else _NO_WEIGHTS, _SIZES, _TEST, _START),
        least=32, table="striate.models.vgg:table_1", weights=Weights("torchvision", name) if weights else None,
    )  # fmt: skip


def _normed(name: str, published: tuple[Fact, ...], **options: Any) -> Entry:
    """The same with batch normalisation, as torchvision ships it."""
    known_for = f"{name.removesuffix('_bn')} with batch normalisation, which needs no pre-trained start."
    return _vgg(name, published, known_for, _NORM, weights=bool(published), norm="batch", **options)


# fmt: off
ENTRIES: tuple[Entry, ...] = (
    _vgg("vgg11", (*_printed("133", "29.6", "10.4"), *torchvision(("69.020", "88.628"))),
         "The shallowest of the VGG networks, whose weights started the deeper ones.", configuration="A"),
    _vgg("vgg11_lrn", _printed("133", "29.7", "10.5"),
         "Shows that AlexNet's response normalisation does not help here.", _LRN,
         weights=False, configuration="A", lrn=True),
    _vgg("vgg13", (*_printed("133", "28.7", "9.9"), *torchvision(("69.928", "89.246"))),
         "Two 3x3 convolutions a stage: the field of one 5x5 with fewer weights.", configuration="B"),
    _vgg("vgg16_c", _printed("134", "27.3", "8.8"),
         "VGG-13 with three 1x1 convolutions: more depth, no wider field.",
         weights=False, configuration="C"),
    _vgg("vgg16", (*_printed("138", "25.6", "8.1"), *top("28.5", "9.9", crops=1), *torchvision(("71.592", "90.382"))),
         "The usual VGG: nothing but 3x3 convolutions, and still a common feature extractor.", configuration="D"),
    _vgg("vgg19", (*_printed("144", "25.5", "8.0"), *torchvision(("72.376", "90.876"))),
         "The deepest VGG, and the network of neural style transfer.", configuration="E"),
    _normed("vgg11_bn", _shipped("7.609", "70.370", "89.810"), configuration="A"),
    _normed("vgg13_bn", _shipped("11.308", "71.586", "90.374"), configuration="B"),
    _normed("vgg16_c_bn", (), configuration="C"),
    _normed("vgg16_bn", _shipped("15.47", "73.360", "91.516"), configuration="D"),
    _normed("vgg19_bn", _shipped("19.632", "74.218", "91.842"), configuration="E"),
)
# fmt: on
