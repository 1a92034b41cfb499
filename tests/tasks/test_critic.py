"""The adversarial loss: one backward pass, and a network that learns to deceive."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from small import whole
from striate.data.feed import Batch
from striate.tasks.critic import Critic, reversed_gradient
from striate.tasks.reconstruct import Reconstruct


def batch_of(true):
    lies = (whole(*true.shape[2:]),) * len(true)
    return Batch(np.arange(len(true)), true, {"picture": true}, lies)


def test_the_values_pass_and_the_gradient_turns():
    values = torch.randn(50, requires_grad=True)
    passed = reversed_gradient(values, 0.25)
    assert torch.equal(passed, values)
    passed.square().sum().backward()
    torch.testing.assert_close(values.grad, -0.25 * 2 * values.detach())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 9, 33])
def test_one_backward_pass_gives_what_two_would(channels, side):
    """The critic's own gradient is that of its loss on pictures that are held; the network's is the opposite."""
    torch.manual_seed(side)
    critic, true = Critic(channels, 0.1).double(), torch.rand(3, channels, side, side).double()
    twin = copy.deepcopy(critic)
    made = torch.rand_like(true).requires_grad_()
    losses = critic(made, batch_of(true))
    assert losses.shape == (3,)
    losses.sum().backward()
    held = made.detach().requires_grad_()
    of_made, of_true = (
        twin.patches(torch.cat([held, true])).flatten(1).mul(torch.tensor([[-1.0]] * 3 + [[1.0]] * 3)).chunk(2)
    )
    told = -(functional.logsigmoid(of_made) + functional.logsigmoid(of_true)).mean(1)
    told.sum().backward()
    torch.testing.assert_close(losses, told)
    for one, other in zip(critic.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    torch.testing.assert_close(made.grad, -0.1 * held.grad)


@pytest.mark.slow
def test_a_critic_learns_to_tell_and_a_network_to_deceive_it():
    """Pictures of one grey for true ones, and a network that can only choose its grey."""
    torch.manual_seed(1)
    critic, grey = Critic(1, 1.0), torch.nn.Parameter(torch.tensor(0.2))
    true, chance = torch.full((8, 1, 8, 8), 0.7), 2 * math.log(2)

    def train(optimizer, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            told = critic(grey.expand_as(true), batch_of(true)).mean()
            told.backward()
            optimizer.step()
        return float(told.detach())

    assert train(torch.optim.Adam(critic.parameters(), 0.01), 60) < chance / 4
    assert train(torch.optim.SGD([grey, *critic.parameters()], 0.1), 250) == pytest.approx(chance, abs=0.01)
    assert float(grey.detach()) == pytest.approx(0.7, abs=0.02)


def test_outside_a_hole_there_is_nothing_to_judge():
    torch.manual_seed(0)
    true, made = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16, requires_grad=True)
    hole = torch.zeros(2, 1, 16, 16)
    hole[:, :, 4:9, 5:12] = 1
    batch = dataclasses.replace(batch_of(true), targets={"picture": true, "hole": hole})
    Critic(1, 0.5)(made, batch).sum().backward()
    assert (made.grad != 0).any()
    assert not made.grad[hole == 0].any()


def test_a_restoration_has_a_critic_where_it_was_asked_for_one():
    assert Reconstruct().partner(3) is None
    critic = Reconstruct(critic=0.5).partner(3)
    assert critic.patches[0].in_channels == 3


def test_a_smaller_answer_is_judged_beside_the_middle_of_the_canvas():
    torch.manual_seed(0)
    critic, true = Critic(1, 0.5).eval(), torch.rand(2, 1, 24, 24)
    made = torch.rand(2, 1, 12, 16)
    middle = batch_of(true[..., 6:18, 4:20].contiguous())
    torch.testing.assert_close(critic(made, batch_of(true)), critic(made, middle))
