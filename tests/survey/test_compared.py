"""Which of the printed errors a comparison takes."""

import dataclasses

import pytest

from striate.models.catalog import catalog, find
from striate.models.entry import published_error
from striate.models.facts import error, parameters, top, torchvision


@pytest.mark.parametrize(
    ("name", "percent", "protocol"),
    [
        ("alexnet", 40.7, "paper, 1 net"),  # and not 5 or 7 of them, nor ILSVRC 2010
        ("alexnet_owt", 43.478, "torchvision's V1 weights, 1 crop"),  # 100 - 56.522
        ("googlenet", 31.3, "Caffe's replication, 1 crop"),  # the paper prints top-5 alone
        ("vgg16", 28.408, "torchvision's V1 weights, 1 crop"),  # before two errors of the paper
        ("vgg16_c", 27.3, "paper, single scale"),
        ("plain18", 27.94, "paper, 10 crops"),
        ("resnet50", 23.87, "torchvision's V1 weights, 1 crop"),  # V1 and not V2, whose recipe is another
        ("resnet50_v1", 24.7, "paper, 1 crop"),  # before 22.9 of 10 crops
        ("preact_resnet200", 20.7, "paper, 1 crop of 320"),  # and not 21.8 of the original blocks
        ("resnext101_32x4d", 21.2, "paper, 1 crop"),  # and not 22.0 of ResNet-101
        ("seresnet50_v1", 23.29, "paper, 1 crop"),
        ("senet154", 18.68, "paper, released model, 1 crop"),
    ],
)
def test_the_error_that_is_most_alike_between_networks_is_taken(name, percent, protocol):
    assert published_error(find(name)) == (percent, protocol)


def test_only_own_top_1_numbers_on_imagenet_are_taken():
    entry = dataclasses.replace(
        find("plain18"),
        published=(
            parameters(11), error("CIFAR-10", "5.0"), *top("", "9.0"), *top("30.0", of="another"),
            *top("60", bound="above"), *top("31.0", on="ILSVRC 2010"),
        ),
    )  # fmt: skip
    assert published_error(entry) is None
    both = dataclasses.replace(entry, published=(*top("30.00", crops=1), *torchvision(("70.5", "90.0"))))
    assert published_error(both) == (29.5, "torchvision's V1 weights, 1 crop")


def test_about_half_of_the_catalogue_has_such_an_error():
    found = {name: published_error(entry) for name, entry in catalog().items()}
    assert sum(each is not None for each in found.values()) == 45
    assert all(15 < percent < 45 for percent, _ in filter(None, found.values()))
