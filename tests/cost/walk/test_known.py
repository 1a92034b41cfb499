"""Values that depend neither on the input nor on parameters are followed; what depends on those is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from striate.base.errors import UsageError
from striate.cost.count import count
from striate.cost.walk.failures import DependsOnValues


class Own(nn.Module):
    """A linear layer, constants of its own, and what it does with them: `forward` is (network, input) -> output."""

    def __init__(self, forward, **constants):
        super().__init__()
        self.does, self.linear = forward, nn.Linear(4, 4)
        self.register_buffer("buffer", constants.pop("buffer", None))
        for name, value in constants.items():
            setattr(self, name, value)

    def forward(self, x):
        return self.does(self, x)


def layer_if(condition):
    return lambda net, x: net.linear(x) if condition(net, x) else x


def written(write):
    """A mask of noughts that `write` fills in part, and then a look at it."""

    def forward(net, x):
        mask = torch.zeros(4, device=x.device)
        write(mask, x)
        return net.linear(x) if mask.sum() > 0 else x

    return forward


NUMBERS, PLACES = torch.tensor([8.0, 16.0]), torch.tensor([1, 0, 1, 1])
# What it does, its constants, and the multiply-adds of one sample.
KNOWN = {
    "a tensor that is no buffer": (
        lambda net, x: net.linear(x) * float(net.stride[0]), {"stride": NUMBERS}, 16,
    ),
    "tensors in a list": (lambda net, x: net.linear(x) * float(net.all[1][0]), {"all": [PLACES, NUMBERS]}, 16),
    "a view of a buffer": (lambda net, x: net.linear(x) * net.buffer.view(2, 1)[1:].item(), {"buffer": NUMBERS}, 16),
    "a loop": (lambda net, x: [x := net.linear(x) for _ in range(int(net.buffer[0]))][-1], {"buffer": NUMBERS}, 8 * 16),
    "ones": (layer_if(lambda net, x: torch.ones(3, device=x.device).all()), {}, 16),
    "ones like the input": (layer_if(lambda net, x: torch.ones_like(x).all()), {}, 16),
    "new ones": (layer_if(lambda net, x: x.new_ones(3, dtype=torch.bool).all()), {}, 16),
    "full later": (layer_if(lambda net, x: torch.empty(3, device=x.device).fill_(1).all()), {}, 16),
    "false": (layer_if(lambda net, x: torch.zeros(3, device=x.device).any()), {}, 0),
    "arithmetic": (
        lambda net, x: net.linear(x) * sum(rate.item() for rate in torch.linspace(0, 1, 3, device=x.device)), {}, 16,
    ),
    "Python's numbers": (layer_if(lambda net, x: torch.tensor([1, 2], device=x.device).sum() == 3), {}, 16),
    "Python's number": (layer_if(lambda net, x: torch.as_tensor(3.0, device=x.device) > 2), {}, 16),
    "new numbers": (layer_if(lambda net, x: x.new_tensor([1, 2]).sum() == 3), {}, 16),
    "a shape": (layer_if(lambda net, x: torch.tensor(x.shape, device=x.device).prod() == 4), {}, 16),
    "with the CPU's": (layer_if(lambda net, x: (torch.ones(3) * torch.ones(3, device=x.device)).all()), {}, 16),
    "numpy": (lambda net, x: net.linear(x) * float(net.buffer.numpy()[0]), {"buffer": NUMBERS}, 16),
    "an array": (lambda net, x: net.linear(x) * float(np.asarray(net.buffer)[0]), {"buffer": NUMBERS}, 16),
    "a list": (lambda net, x: net.linear(x) * net.buffer.tolist()[0], {"buffer": NUMBERS}, 16),
    "on the CPU": (lambda net, x: net.linear(x) * float(net.buffer.cpu().numpy()[0]), {"buffer": NUMBERS}, 16),
    "close": (layer_if(lambda net, x: torch.allclose(net.buffer, net.buffer + 1e-9)), {"buffer": NUMBERS}, 16),
    "equal": (layer_if(lambda net, x: torch.equal(net.buffer, net.buffer)), {"buffer": NUMBERS}, 16),
    "places": (lambda net, x: net.linear(net.linear(x).T[net.buffer.nonzero()[:, 0]].expand(3, 4)),
               {"buffer": PLACES}, 16 + 3 * 16),
    "a mask": (lambda net, x: net.linear(net.linear(x).T[net.buffer > 0].expand(3, 4)),
               {"buffer": PLACES}, 16 + 3 * 16),
    "a mask made and written": (
        lambda net, x: net.linear(net.linear(x).T[_mask(x)].expand(2, 4)), {}, 16 + 2 * 16,
    ),
    "classes": (
        lambda net, x: net.linear(nn.functional.one_hot(net.buffer).float() @ net.buffer.new_ones(2, 4).float()),
        {"buffer": PLACES}, 4 * 2 * 4 + 4 * 16,
    ),
}  # fmt: skip


def _mask(x):
    mask = torch.zeros(4, device=x.device)
    mask[1:3] = 1
    return mask.bool()


@pytest.mark.parametrize("name", KNOWN)
def test_known_values_are_as_they_would_be(name):
    forward, constants, macs = KNOWN[name]
    net = Own(forward, **constants)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    assert count(net, (4,)).macs == macs
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in before.items())
    net(torch.ones(1, 4))  # it does run


@pytest.mark.parametrize(
    ("forward", "comparisons", "additions"),
    [
        (lambda net, x: torch.unique(net.buffer), 4 * 2 + 3, 0),
        (lambda net, x: torch.unique_consecutive(net.buffer), 3, 0),
        (lambda net, x: torch.bincount(net.buffer), 0, 4),
        (lambda net, x: net.buffer.masked_select(net.buffer.bool()), 0, 0),
        (lambda net, x: torch.repeat_interleave(net.buffer), 0, 0),
    ],
)
def test_operators_that_ask_for_values_are_counted_on_known_ones(forward, comparisons, additions):
    """Their results are as large as they really are."""
    net = Own(lambda net, x: x.new_empty(forward(net, x).shape[0], 4) @ x.new_empty(4, 4), buffer=PLACES)
    found = count(net, (4,))
    assert found.macs == len(forward(net, None)) * 16
    assert (found.comparisons, found.additions) == (comparisons, additions)


UNKNOWN = {
    "the input": layer_if(lambda net, x: x.all()),
    "a parameter": layer_if(lambda net, x: net.linear.weight.sum() > 0),
    "a random number": layer_if(lambda net, x: torch.rand(1, device=x.device) > 2),
    "what was drawn in place": layer_if(lambda net, x: torch.zeros(1, device=x.device).uniform_() > 2),
    "written in place": written(lambda mask, x: mask.add_(x.sum())),
    "written to a part": written(lambda mask, x: mask.__setitem__(0, x.sum())),
    "written through a view": written(lambda mask, x: mask[1:2].copy_(x[0, :1])),
    "written by a mask": written(lambda mask, x: mask.__setitem__(x[0] > 0, 1.0)),
    "an output": written(lambda mask, x: torch.add(x[0], 1, out=mask)),
    "other data": written(lambda mask, x: setattr(mask, "data", x[0])),
    "a mask of the input": lambda net, x: net.linear(x)[x > 0],
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_values_are_refused(name):
    with pytest.raises(DependsOnValues, match="depends on the values"):
        count(Own(UNKNOWN[name]), (4,))


def test_a_constant_that_is_written_to_is_followed_and_the_users_own_stays():
    def forward(net, x):
        net.buffer.add_(1)
        return net.linear(x) if int(net.buffer[0]) == 9 else x

    net = Own(forward, buffer=NUMBERS.clone())
    assert count(net, (4,)).macs == 16
    assert torch.equal(net.buffer, NUMBERS)


class Statistics(nn.BatchNorm1d):
    """Looks at its own mean after the norm."""

    def forward(self, x):
        y = super().forward(x)
        return y if self.running_mean.sum() >= 0 else y @ torch.ones(4, 4, device=y.device)


def test_statistics_are_known_until_a_batch_changes_them():
    assert count(Statistics(4), (4,)).macs == 0
    with pytest.raises(DependsOnValues):
        count(Statistics(4), (4,), batch=2, training=True)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("autocast", [False, True])
def test_a_second_pass_is_told_as_a_first_one(training, autocast):
    """Rows, memory and receptive fields are those of the same network without a look at values."""
    looks, plain = (
        nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4), Own(forward))
        for forward in (layer_if(lambda net, x: bool(net.truth)), lambda net, x: net.linear(x))
    )
    looks[4].truth = torch.tensor(True)
    options = {"training": training, "autocast": autocast, "memory": True, "batch": 2}
    found, expected = (count(net, (3, 8, 8), **options) for net in (looks, plain))
    assert found.rows[:4] == expected.rows[:4]
    assert (found.macs, found.phases.keys()) == (expected.macs, expected.phases.keys())
    assert found.last == expected.last
    assert found.peak_bytes - expected.peak_bytes in (0, 1)  # the constant is one byte


def test_many_constants_are_not_followed():
    net = Own(layer_if(lambda net, x: net.large[0] == 0), large=torch.zeros(2**20 + 1))
    with pytest.raises(DependsOnValues):
        count(net, (4,))


def test_what_the_cpu_refuses_is_no_reason_to_stop_before_a_look():
    """A place beyond the table: the pass without storage goes on, and only who looks is refused."""
    net = Own(lambda net, x: net.linear(x) + net.buffer[net.buffer.long()].sum(), buffer=NUMBERS)
    assert count(net, (4,)).macs == 16
    net.does = lambda net, x: net.linear(x) * net.buffer[net.buffer.long()].sum().item()
    with pytest.raises(UsageError):
        count(net, (4,))


@pytest.mark.parametrize("training", [False, True])
def test_what_comes_before_a_look_can_be_had(training):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 4), Own(UNKNOWN["the input"]))
    with pytest.raises(DependsOnValues, match=r"Try: unknown='report', which counts what comes before"):
        count(net, (3, 8, 8), training=training)
    found = count(net, (3, 8, 8), training=training, unknown="report")
    assert found.stopped.startswith("module '3': what it computes depends on the values in a tensor (aten.")
    assert found.macs == sum(row.macs for row in found.rows) == 3888 + 576
    assert [row.module for row in found.rows if row.macs] == ["0", "2"]
    assert tuple(found.phases) == ("forward",)
    assert (found.memory, found.last, found.params) == (None, None, 112 + 580 + 20)
    assert f"NOT COUNTED: the rest ({found.stopped})" in str(found).splitlines()
    assert found.as_dict()["stopped"] == found.stopped
    assert count(net[:3], (3, 8, 8), unknown="report").stopped is None
