"""Networks beside the tables and the numbers of their papers."""

import pytest

from striate.base.units import THOUSANDS
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


# Printed otherwise than built, at the digits that are printed, and why.
OTHERWISE = {
    ("lenet5", "parameters"): "1,706 fewer in 1998, whose C3 is wired by a table",
    ("alexnet", "parameters"): "60.97 million, cut off",
    ("googlenet", "multiply-adds"): "the rows of Table 1 add up to 1,502 M",
    ("inception_v3", "multiply-adds"): "5.713 G, cut off",
    ("resnet34", "multiply-adds"): "3.644 G are those of option A",
    ("resnet50_v1", "multiply-adds"): "3.858 G, cut off",
    ("preact_resnet1001", "parameters"): "10.328 M, cut off",
    ("seresnet50_v1", "multiply-adds"): "3.860 G by arithmetic",
    ("seresnet101_v1", "multiply-adds"): "7.575 G by arithmetic",
    ("seresnet152_v1", "multiply-adds"): "11.289 G by arithmetic",
}


def test_every_printed_number_of_parameters_and_multiply_adds_is_what_is_built():
    checked, otherwise = 0, set()
    for each in listed():
        for fact in each.entry.published:
            ours = {"parameters": each.parameters, "multiply-adds": each.multiply_adds}.get(fact.quantity)
            if ours is None or fact.of:
                continue
            checked += 1
            if fact.bound:
                assert fact.bound == "below"
                assert ours < fact.value * THOUSANDS[fact.unit]
            elif f"{ours / THOUSANDS[fact.unit]:.{-fact.value.as_tuple().exponent}f}" != str(fact.value):
                otherwise.add((each.entry.name, fact.quantity))
    assert checked == 68
    assert otherwise == set(OTHERWISE)
