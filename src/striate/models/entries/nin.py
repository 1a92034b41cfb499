"""The catalogue's entries of models/nin.py."""

from striate.models.entry import Entry, Paper
from striate.models.facts import error

LIN = Paper("Lin, Chen and Yan", 2014, "Network In Network")
_NO_NUMBERS = "The paper prints no numbers of maps; these are the authors' for Caffe."
_RELU = "The class maps pass an activation before they are averaged, as in the authors' model."
_HE = 'The paper does not say how weights start ("manually set"); here as He et al. 2015 draw them.'

# fmt: off
ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="nin_cifar10", builder="striate.models.nin:nin_cifar10", options={}, paper=LIN.at("Fig. 2 and section 4"),
        input=(3, 32, 32),
        published=(
            error("CIFAR-10", "10.41"), error("CIFAR-10", "8.81", how="augmented"), error("CIFAR-100", "35.68"),
            error("SVHN", "2.35"), error("MNIST", "0.47"),
        ),
        known_for="1x1 convolutions and global average pooling, before they had those names.",
        differences=(_NO_NUMBERS + " They make 966,986 parameters and 222,486,528 multiply-adds.", _RELU, _HE),
        least=4, table="striate.models.nin:table_cifar10",
    ),
    Entry(
        name="nin_imagenet", builder="striate.models.nin:nin_imagenet", options={},
        paper=LIN.at("the authors' model in Caffe's zoo"), input=(3, 224, 224), published=(),
        known_for="An ImageNet network with an eighth of AlexNet's parameters: no fully connected layer.",
        differences=(
            "The paper has no network for ImageNet; this is the authors' for Caffe, 7,595,176 parameters.", _RELU, _HE,
        ),
        least=39, table="striate.models.nin:table_imagenet",
    ),
)
# fmt: on
