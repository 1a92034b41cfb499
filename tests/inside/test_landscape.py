"""The loss around weights: exact where it can be worked out, and blind to what changes no answer."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from striate.inside.landscape import Losses, along, plane


def quadratic(seed):
    """Half the squared distance of a linear layer's answers from given ones, in float64; it is a parabola."""
    draw = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, 2)).double()
    with torch.no_grad():
        for each in net.parameters():
            each.copy_(torch.randn(each.shape, generator=draw, dtype=torch.float64))
    x, y = (torch.randn(7, width, generator=draw, dtype=torch.float64) for width in (3, 2))
    batches = [(x[:3], y[:3]), (x[3:], y[3:])]
    return net, batches, Losses(net, lambda pair: (net(pair[0]) - pair[1]).square().sum(1) / 2, batches)


@given(seed=st.integers(0, 2**31), rate=st.floats(1e-3, 0.3))
def test_along_the_gradient_of_a_quadratic_loss_lies_the_parabola_to_the_last_digits(seed, rate):
    _, batches, losses = quadratic(seed)
    found = along(losses, "here", rate, 5, lambda: None)
    x = torch.cat([each for each, _ in batches])
    more = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)  # the bias is a weight of ones
    hessian = more.T @ more / len(x)
    loss, (weight, bias) = losses.gradient()
    gradient = torch.cat([weight, bias[:, None]], 1)
    curved = float((gradient @ hessian * gradient).sum())
    assert found.loss == loss == pytest.approx(losses.here())
    assert found.gradient == pytest.approx(float(gradient.norm()))
    assert found.steps == pytest.approx([rate * part for part in (0.5, 1.375, 2.25, 3.125, 4.0)])
    for step, value, apart in zip(found.steps, found.losses, found.apart, strict=True):
        assert value == pytest.approx(loss - step * found.gradient**2 + step**2 / 2 * curved, rel=1e-9, abs=1e-12)
        assert apart == pytest.approx(step * float((gradient @ hessian).norm()), rel=1e-9)
    assert found.smooth == pytest.approx(float((gradient @ hessian).norm() / gradient.norm()), rel=1e-9)


def test_on_a_plane_a_quadratic_loss_is_a_paraboloid_whose_middle_is_the_loss_itself():
    net, _, losses = quadratic(1)
    before, seen = copy.deepcopy(net.state_dict()), []
    found = plane(losses, 3, 5, lambda done, total: seen.append((done, total)))
    assert seen == [(place, 30) for place in range(1, 31)]
    assert found.loss == losses.here() == found.losses[2][2] == found.plain[2]
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items()), "it is left as it was"
    values = torch.tensor(found.losses, dtype=torch.float64)
    for line in (*values, *values.T, torch.tensor(found.plain, dtype=torch.float64)):
        third = line[3] - 3 * line[2] + 3 * line[1] - line[0]
        assert abs(third) < 1e-9 * line.abs().max()
    first, second = found.curvatures
    assert first == pytest.approx(4 * float(values[2, 3] + values[2, 1] - 2 * values[2, 2]))
    assert second == pytest.approx(4 * float(values[3, 2] + values[1, 2] - 2 * values[2, 2]))
    assert plane(losses, 3, 5, lambda *_: None) == found != plane(losses, 4, 5, lambda *_: None)


class Normed(nn.Module):
    """Convolutions before norms, one of them transposed."""

    def __init__(self):
        super().__init__()
        self.first, self.norm1 = nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.back, self.norm2 = nn.ConvTranspose2d(4, 3, 2, 2, bias=False), nn.BatchNorm2d(3)
        self.last = nn.Linear(3, 5)

    def forward(self, x):
        x = self.norm1(self.first(x)).relu()
        return self.last(self.norm2(self.back(x)).relu().mean((2, 3)))


@pytest.mark.parametrize("large", [7.0, 0.01])
def test_weights_before_a_norm_that_are_larger_change_no_answer_and_no_curve_that_is_normalised(large):
    torch.manual_seed(0)
    net, x, truth = Normed().double().eval(), torch.randn(6, 2, 8, 8).double(), torch.arange(6) % 5
    for norm in (net.norm1, net.norm2):
        norm.eps, norm.running_var[:] = 0.0, 0.5 + torch.rand(norm.num_features)

    def around(net):
        losses = Losses(net, lambda x: nn.functional.cross_entropy(net(x), truth, reduction="none"), [x])
        return plane(losses, 5, 5, lambda *_: None)

    one, scaled = around(net), copy.deepcopy(net)
    with torch.no_grad():
        # each filter by a factor of its own
        for layer, norm, axis in ((scaled.first, scaled.norm1, 0), (scaled.back, scaled.norm2, 1)):
            factors = large * torch.arange(1, norm.num_features + 1).double()
            layer.weight.mul_(factors.reshape([-1 if place == axis else 1 for place in range(4)]))
            norm.running_mean.mul_(factors)
            norm.running_var.mul_(factors**2)
    other = around(scaled)
    torch.testing.assert_close(torch.tensor(other.losses), torch.tensor(one.losses), rtol=1e-5, atol=1e-9)
    assert max(abs(a - b) for a, b in zip(other.plain, one.plain, strict=True)) > 1e-3, "as drawn, it is another curve"


def test_biases_and_norms_stay_where_they_are():
    torch.manual_seed(0)
    net, seen = Normed().eval(), []

    def loss(x):
        seen.append({name: value.detach().clone() for name, value in net.named_parameters()})
        return net(x).sum(1)

    plane(Losses(net, loss, [torch.randn(2, 2, 6, 6)]), 0, 3, lambda *_: None)
    for name, value in net.named_parameters():
        moved = [not torch.equal(each[name], value) for each in seen]
        assert any(moved) == (value.ndim > 1), name
    lengths = (seen[1]["first.weight"] - seen[4]["first.weight"]).flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, net.first.weight.detach().flatten(1).norm(dim=1), msg="as long as the filter")


def test_a_part_that_was_frozen_has_a_gradient_and_stays_frozen():
    net, _, losses = quadratic(2)
    net[0].weight.requires_grad_(False)
    _, (weight, bias) = losses.gradient()
    assert weight.abs().sum() > 0 < bias.abs().sum()
    assert [each.requires_grad for each in net.parameters()] == [False, True]
    assert math.isfinite(losses.here())
