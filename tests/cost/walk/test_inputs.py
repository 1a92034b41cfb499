"""Inputs in order or by keyword: shapes, tensors, None, numbers, texts, and lists and mappings of them."""

import pytest
import torch
from torch import nn

from striate.base.errors import UsageError
from striate.base.units import Sides
from striate.cost.count import count
from striate.cost.field.fields import fields


class Many(nn.Module):
    """A layer, once or twice, and additions for what else there is."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x, mask=None, times=1, mode="plain", deep=None, flag=False):
        y = self.layer(x)
        if mask is not None:
            y = y + mask
        if deep is not None:
            y = y + sum(deep["a"]) + deep["b"][0] + len(deep["c"])
        for _ in range((times == 2) + (mode == "again") + flag):
            y = self.layer(y)
        return y


DEEP = {"a": [(4,), (4,)], "b": ((4,),), "c": []}
# inputs, how often the layer runs, shapes
GIVEN = [
    ((4,), 1, ["2x4"]),
    ([4], 1, ["2x4"]),
    ({"x": (4,)}, 1, ["2x4"]),
    ({"x": [4]}, 1, ["2x4"]),
    ({"x": (4,), "mask": None}, 1, ["2x4"]),
    ({"x": (4,), "mask": (4,)}, 1, ["2x4", "2x4"]),
    ({"x": torch.ones(2, 4), "mask": (4,)}, 1, ["2x4", "2x4"]),
    ({"x": (4,), "times": 2, "mode": "again", "flag": True}, 4, ["2x4"]),
    ({"x": (4,), "times": 2.5}, 1, ["2x4"]),
    (((4,), None, 2), 2, ["2x4"]),
    ([[4], None, 1, "again"], 2, ["2x4"]),
    ((torch.ones(2, 4), (4,)), 1, ["2x4", "2x4"]),
    ({"x": (4,), "deep": DEEP}, 1, ["2x4"] * 4),
]


@pytest.mark.parametrize(("given", "times", "shapes"), GIVEN)
@pytest.mark.parametrize("training", [False, True])
def test_inputs_of_any_kind(given, times, shapes, training):
    found = count(Many(), given, batch=2, training=training, input_gradient=training)
    assert found.macs == times * 2 * 16 * (3 if training else 1)
    assert ["x".join(map(str, shape)) for shape in found.inputs] == shapes
    assert found.batch == 2
    assert not training or found.memory.kinds["inputs"] == len(shapes) * 2 * 4 * 4 + 2 * 8  # and targets


def test_a_receptive_field_of_a_picture_by_keyword():
    class Pictured(nn.Conv2d):
        def forward(self, picture, words=None, more=None):
            return super().forward(picture)

    net = Pictured(3, 4, 3)
    given = {"words": torch.zeros(1, 5, dtype=torch.long), "picture": (3, 8, 8), "more": [None, 3]}
    assert fields(net, given).last.field.size == (3, 3)
    assert count(net, given).last.field.size == (3, 3)


def test_shapes_may_bring_a_type():
    found = count(nn.Embedding(10, 4), Sides((5,), "int64"), batch=3)
    assert found.rows[0].bytes_read == 3 * 5 * 8 + 3 * 5 * 16


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"y": (4,)}, r"called with 1 inputs and asks for others.*'y'.*Try: the names that its forward has"),
        ({}, r"called with 0 inputs and asks for others.*'x'"),
        (((4,), None, 1, "plain", None, True, 9), r"called with 7 inputs and asks for others.*a tuple with one shape"),
        ({"x": None}, r"^input size: \{'x': None\} holds neither a shape nor a tensor"),
        ((3.5,), r"^input size: 3.5 holds neither"),
        ((True,), r"^input size: True holds neither"),
        ({1: (4,)}, r"^input size: \{1: \(4,\)\} has names that are no texts"),
        ({"x": {4}}, r"^input size: set is no shape, tensor, number, text or None"),
        ({"x": (4,), "mask": (-4,)}, r"^input size: \(-4,\) with a batch of 2 is no shape"),
    ],
)
def test_what_is_no_input_is_one_sentence(given, sentence):
    with pytest.raises(UsageError, match=sentence):
        count(Many(), given, batch=2)
