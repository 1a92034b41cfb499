"""What goes wrong in a pass is told of whoever did wrong: the network, its user, or striate itself."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from function import Call
from striate.base.errors import Fault
from striate.cost import rules
from striate.cost.count import count
from striate.cost.field import rules as field_rules
from striate.cost.field.fields import fields
from striate.cost.walk.events import Observer
from striate.cost.walk.trace import trace

aten = torch.ops.aten
NET = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))


def broken(call):
    return call.args[99]


class Failing(Observer):
    """Breaks down over one event."""

    def __init__(self, event):
        self.event = event

    def _told(self, event):
        if event == self.event:
            raise IndexError("an index")

    def begin(self, traced):
        self._told("begin")

    def module_entered(self, name, call, inputs):
        self._told("module entered")

    def module_left(self, name, call, outputs):
        self._told("module left")

    def called(self, call):
        self._told("called")

    def phase_ended(self, phase):
        self._told("phase ended")


@pytest.mark.parametrize("event", ["begin", "module entered", "module left", "called", "phase ended"])
def test_an_observer_that_breaks_down_is_no_fault_of_the_network(event):
    what = "aten.convolution.default" if event == "called" else event
    sentence = rf"striate's own failing broke down over {what} \(IndexError: an index\), which is a fault of striate"
    with pytest.raises(Fault, match=sentence):
        trace(NET, (3, 8, 8), [Failing(event)])


def test_a_rule_that_breaks_down_is_named_with_operator_and_module_or_listed(monkeypatch):
    monkeypatch.setitem(rules.RULES, aten.relu, broken)
    with pytest.raises(
        Fault, match=r"^module '1': .*ledger broke down over aten\.relu\.default.*Try: unknown='report'"
    ):
        count(NET, (3, 8, 8))
    found = count(NET, (3, 8, 8), unknown="report")
    assert found.unknown == {"aten.relu.default": {"1": 1}}
    assert found.macs == 36 * 4 * 27 + 288
    assert "NOT COUNTED: aten.relu.default, 1 times, in 1" in str(found)


def test_a_rule_that_breaks_down_in_backward_is_told_or_listed_too(monkeypatch):
    monkeypatch.setitem(rules.RULES, aten.threshold_backward, broken)
    with pytest.raises(Fault, match=r"^module '1': .*threshold_backward"):
        count(NET, (3, 8, 8), training=True)
    found = count(NET, (3, 8, 8), training=True, unknown="report")
    assert found.unknown == {"aten.threshold_backward.default": {"1": 1}}


def test_a_network_that_catches_exceptions_does_not_hide_a_missing_number(monkeypatch):
    def careful(x):
        try:
            return torch.relu(x)
        except Exception:
            return x

    monkeypatch.setitem(rules.RULES, aten.relu, broken)
    with pytest.raises(Fault, match=r"aten\.relu"):
        count(Call(careful), (3, 8, 8))


def test_a_receptive_field_that_breaks_down_is_unknown_and_the_rest_is_counted(monkeypatch):
    monkeypatch.setattr(field_rules, "RULES", {aten.convolution: lambda found, call, look: broken(call)})
    found = count(NET, (3, 8, 8))
    assert found.macs == 36 * 4 * 27 + 288
    assert found.last is None
    assert found.fields[0] is None
    assert "striate's own rule for aten.convolution.default broke down (module 0)" in fields(NET, (3, 8, 8)).why_not(
        "0"
    )


PICTURE, CUBE = (3, 8, 8), (3, 8, 8, 8)
WEIGHT = torch.ones(4, 3, 3, 3)
PADDED = {
    "valid": (nn.Conv2d(3, 4, 3, padding="valid"), PICTURE, 36 * 4 * 27),
    "same": (nn.Conv2d(3, 4, 3, padding="same"), PICTURE, 64 * 4 * 27),
    "same, even": (nn.Conv2d(3, 4, 4, padding="same", dilation=2), PICTURE, 64 * 4 * 48),
    "valid, 3-D": (nn.Conv3d(3, 4, 3, padding="valid"), CUBE, 216 * 4 * 81),
    "same, 3-D": (nn.Conv3d(3, 4, 3, padding="same"), CUBE, 512 * 4 * 81),
    "function, valid": (Call(lambda x: functional.conv2d(x, WEIGHT, padding="valid")), PICTURE, 36 * 4 * 27),
    "function, numbers": (Call(lambda x: functional.conv2d(x, WEIGHT, stride=2, padding=1)), PICTURE, 16 * 4 * 27),
    "function, short lists": (
        Call(lambda x: functional.conv2d(x, WEIGHT, stride=[2], padding=[1], dilation=[1])), PICTURE, 16 * 4 * 27
    ),
    "transposed, short lists": (
        Call(lambda x: functional.conv_transpose2d(x, WEIGHT[:3, :4], stride=[2], padding=[1], output_padding=[1])),
        PICTURE, 64 * 3 * 27,
    ),
    "dispatcher, short lists": (
        Call(lambda x: aten.convolution(x, WEIGHT, None, [1], [0], [1], False, [0], 1)), PICTURE, 36 * 4 * 27
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PADDED)
@pytest.mark.parametrize("training", [False, True])
def test_padding_and_stride_are_words_numbers_or_short_lists(name, training):
    net, size, macs = PADDED[name]
    learned = sum(each.requires_grad for each in net.parameters()) > 0
    found = count(net, size, training=training, input_gradient=training, loss=torch.sum, optimizer=None)
    assert found.macs == macs * (1 if not training else 3 if learned else 2)
    assert found.last is not None
