"""What goes wrong in a pass is told of whoever did wrong: the network, its user, or striate itself."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from function import Call
from striate.base.errors import Fault, MachineError, UsageError
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
    assert "NOT COUNTED: aten.relu.default, once, in 1" in str(found)


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


class Own(Exception):
    """The caller's."""


def own(*_):
    raise Own("their words")


def looking(net, x):
    try:
        return x if bool(torch.ones(1, device=x.device)) else net(x)
    except RuntimeError as error:
        raise Own("it looked") from error


def test_the_callers_own_exception_reaches_them_unchanged():
    for net, options in (
        (Call(own), {}),
        (nn.Sequential(nn.Linear(4, 4), Call(own)), {"training": True}),
        (nn.Linear(4, 4), {"training": True, "loss": own}),
    ):
        with pytest.raises(Own, match=r"^their words$"):
            count(net, (4,), **options)
    hooked = nn.Linear(4, 4)
    hooked.register_forward_hook(own)
    with pytest.raises(Own):
        count(hooked, (4,), hooks=True)
    with pytest.raises(KeyboardInterrupt):
        count(Call(_interrupt), (4,))


def _interrupt(x):
    raise KeyboardInterrupt


def test_one_that_is_raised_over_a_look_at_a_constant_is_not_raised_with_its_value():
    assert count(Call(lambda x: looking(nn.Linear(4, 4), x)), (4,)).macs == 0


def nested(depth):
    net = nn.Linear(4, 4)
    for _ in range(depth):
        net = nn.Sequential(net)
    return net


def endless(x):
    return endless(x)


HALF = torch.zeros(1, 3, 8, 8, dtype=torch.half)
INT64, WEIGHTS = "a tensor of int64 for what it looks up, at the shell --input 5:int64", "of the type of its weights"
HINTS = {
    "a table": (nn.Embedding(10, 4), (5,), {}, UsageError, rf"cannot take 1x5 of float32 .*Try: {INT64}"),
    "places": (Call(lambda x: torch.ones(9, device="meta")[x]), (5,), {}, UsageError, rf"Try: {INT64}"),
    "half": (nn.Conv2d(3, 4, 3), HALF, {}, UsageError, rf"cannot take 1x3x8x8 of float16 .*Try: .*{WEIGHTS}"),
    "a matrix": (nn.Linear(3, 4), torch.zeros(1, 3).double(), {}, UsageError, rf"of float64 .*Try: .*{WEIGHTS}"),
    "whole numbers": (
        nn.Conv2d(3, 4, 3, bias=False), torch.zeros(1, 3, 8, 8, dtype=torch.int64), {}, UsageError, "1x3x8x8 of int64",
    ),
    "recurrent": (nn.LSTM(4, 4), torch.zeros(1, 2, 4).double(), {}, UsageError, rf"of float64 .*Try: .*{WEIGHTS}"),
    "one of a batch": (nn.BatchNorm2d(4), (4, 1, 1), {"training": True}, UsageError, r"than 1 value.*Try: batch=2$"),
    "one of a picture": (
        nn.InstanceNorm2d(4, affine=True), (4, 1, 1), {"training": True}, UsageError, "Try: another input size",
    ),
    "a package": (
        Call(lambda x: __import__("no_such_package")), (4,), {}, MachineError,
        r"the network \(Call\): it needs the package no_such_package.*Try: pip install no_such_package$",
    ),
    "a part of a package": (
        Call(lambda x: exec("from json import nothing")), (4,), {}, UsageError, "another version of json",  # noqa: S102
    ),
    "calls": (Call(endless), (4,), {}, UsageError, r"nested too deeply for Python .*Try: sys\.setrecursionlimit"),
    "modules": (nested(400), (4,), {}, UsageError, r"nested too deeply for Python .*Try: sys\.setrecursionlimit"),
    "a device": (
        Call(lambda x: x.to("mps")), (4,), {}, UsageError, r"asks for a device that is not here.*Try: x\.device",
    ),
    "no gradient": (
        Call(lambda x: torch.igamma(x, x)), torch.ones(3), {"training": True, "input_gradient": True}, UsageError,
        "has no gradient .*Try: count it without training",
    ),
    "a size": (nn.Linear(4, 4), (5,), {}, UsageError, r"cannot take 1x5 \(RuntimeError.*Try: another input size"),
}  # fmt: skip


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="the device is here")
@pytest.mark.parametrize("name", HINTS)
def test_a_hint_says_what_is_wrong(name):
    net, given, options, kind, sentence = HINTS[name]
    with pytest.raises(kind, match=sentence):
        count(net, given, **options)
