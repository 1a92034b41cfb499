"""Networks beside the tables of their papers."""

import pytest

from striate.models.catalog import find
from striate.survey.listed import beside, counted, listed

NAMES = ("lenet5", "alexnet", "vgg16", "resnet50_v1", "densenet121", "unet", "nin_imagenet", "zfnet")


@pytest.mark.parametrize("name", NAMES)
def test_the_lines_of_a_table_hold_the_whole_network(name):
    lines, (one,) = beside(find(name)), listed(name)
    assert sum(line.parameters for line in lines) == one.parameters
    assert sum(line.multiply_adds for line in lines) == one.multiply_adds


@pytest.mark.parametrize("name", ["lenet5", "googlenet"])
def test_what_is_listed_is_what_is_counted(name):
    assert listed(name) == [counted(find(name))]
