"""Rates of this machine and times of layers: kept, found again, and sound; no time is asserted."""

import json

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from striate.cost import machine
from striate.cost.machine import Rates, rates, seconds


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "SECONDS", 0.01)
    monkeypatch.setattr(machine, "SIDE", 64)
    monkeypatch.setattr(machine, "COPIED", 2**16)
    return tmp_path / "striate" / "machine.json"


def test_rates_are_measured_once_and_then_read(cache):
    first = rates()
    assert min(first.float32, first.bfloat16, first.memory) > 0
    kept = json.loads(cache.read_text())
    assert len(kept) == 1
    key = next(iter(kept))
    assert torch.__version__ in key
    kept[key]["memory"] = 12345.0
    cache.write_text(json.dumps(kept))
    assert rates().memory == 12345.0
    assert rates(again=True).memory != 12345.0


class Products(TorchDispatchMode):
    """The sides of the matrices that are multiplied."""

    def __init__(self):
        super().__init__()
        self.sides = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket is torch.ops.aten.mm:
            self.sides.append(args[0].shape[0])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("slow", "largest"), [(0.0, 256), (float("inf"), 512)])
def test_where_a_product_takes_long_smaller_ones_do(cache, monkeypatch, slow, largest):
    monkeypatch.setattr(machine, "SIDE", 512)
    monkeypatch.setattr(machine, "SLOW", slow)
    with Products() as seen:
        rates()
    assert max(seen.sides) == largest


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"x": {"device": 1}}', "\x00\x01"])
def test_a_damaged_cache_is_measured_anew(cache, damage):
    cache.parent.mkdir()
    cache.write_text(damage)
    assert rates().float32 > 0
    assert json.loads(cache.read_text())


def test_a_folder_that_cannot_be_made_does_not_stop_the_measurement(cache):
    cache.parent.write_text("a file where the folder should be")
    assert rates().memory > 0
    assert cache.parent.read_text() == "a file where the folder should be"


def test_the_least_time_is_the_longer_of_work_and_traffic():
    some = Rates("", 1, float32=10.0, bfloat16=40.0, memory=100.0)
    assert some.least(50, 100) == 5.0
    assert some.least(50, 100, bfloat16=True) == 1.25
    assert some.least(50, 1000) == 10.0


@pytest.mark.parametrize(
    ("rate", "said"), [(1234.4e9, "1,234 G"), (1e9, "1 G"), (0.0512e9, "0.051 G"), (5e5, "0.0005 G")]
)
def test_a_slow_rate_is_not_printed_as_none(rate, said):
    shown = str(Rates("", 1, float32=rate, bfloat16=rate, memory=1e9))
    assert f"{said} multiply-adds/s in float32, {said} in bfloat16" in shown


def test_the_network_runs_under_autocast_when_bfloat16_is_timed():
    kinds = []
    net = nn.Sequential(nn.Linear(3, 3))
    net[0].register_forward_hook(lambda *given: kinds.append(given[2].dtype))
    for bfloat16 in (False, True):
        seconds(net, [torch.zeros(1, 3)], [], repeats=1, bfloat16=bfloat16)
    assert kinds == 2 * [torch.float32] + 2 * [torch.bfloat16]


def test_every_named_module_is_timed_and_the_parts_are_less_than_the_whole():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3)).train()
    spent = seconds(net, [torch.zeros(2, 3, 32, 32)], ["0", "1", "2"], repeats=3)
    assert set(spent) == {"", "0", "1", "2"}
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert net.training


def test_hooks_are_taken_off_when_the_network_fails():
    net = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(RuntimeError):
        seconds(net, [torch.zeros(1, 5)], ["0"])
    assert not net._forward_hooks
    assert not net[0]._forward_pre_hooks
