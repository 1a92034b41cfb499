"""What is typed of inputs, and the networks that names stand for."""

import pytest

from striate.base.errors import UsageError
from striate.base.units import Sides
from striate.survey.named import random_inputs, sample, size_text

OWN = "own_networks:Two"


@pytest.mark.parametrize(
    ("typed", "shape"),
    [
        ("3x32x32", (3, 32, 32)),
        ("3X32X32, 10", ((3, 32, 32), (10,))),
        ("16:int64", Sides((16,), "int64")),
        ("3x32x32:float16,10:INT64", (Sides((3, 32, 32), "float16"), Sides((10,), "int64"))),
        ("picture=3x8x8, Words=16:int64", {"picture": (3, 8, 8), "Words": Sides((16,), "int64")}),
        ("x=4", {"x": (4,)}),
    ],
)
def test_inputs_are_read_with_names_and_types(typed, shape):
    found, options = sample(OWN, typed, {})
    assert (found, options) == (shape, {})
    assert sample(OWN, size_text(found), {})[0] == shape
    kinds = [getattr(each, "kind", "") for each in (found.values() if isinstance(found, dict) else [found])]
    assert all("int" not in kind or kind == "int64" for kind in kinds)
    inputs, keywords = random_inputs(found, 2, "cpu")
    assert [*keywords] == ([*shape] if isinstance(shape, dict) else [])
    for tensor in (*inputs, *keywords.values()):
        assert tensor.shape[0] == 2
        assert tensor.dtype.is_floating_point or not tensor.any()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("16:int63", r"'int63' in '16:int63' is no type of numbers. Try: 16:int64"),
        ("16:", r"'' in '16:' is no type of numbers"),
        ("x=4,4", r"not every input has a name of its own"),
        ("x=4,x=4", r"not every input has a name of its own"),
        ("=4", r"not every input has a name of its own"),
        ("a b=4", r"not every input has a name of its own"),
        ("x=", r"'' is not a side"),
        ("x=3xHxW,y=4", r"letters in .* stand for the sides of one picture alone"),
        ("3x0x4", r"'0' is not a side"),
        ("3x-4", r"'-4' is not a side"),
        ("", r"'' is not a side"),
        ("3,,4", r"'' is not a side"),
    ],
)
def test_what_is_no_input_is_one_sentence(typed, sentence):
    with pytest.raises(UsageError, match=sentence):
        sample(OWN, typed, {})


@pytest.mark.parametrize("typed", ["picture=3x224x224", "3x224x224,10", "10:int64"])
def test_a_network_of_the_catalogue_takes_one_picture(typed):
    with pytest.raises(UsageError, match="is not a picture for resnet18"):
        sample("resnet18", typed, {})
