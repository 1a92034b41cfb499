"""Auxiliary heads beside a chain: who is fed, what is answered, what a slice is."""

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn

from striate.layers import Heads
from striate.models.heads import IMAGENET_DEVIATION, IMAGENET_MEAN, AuxiliaryHead, FromImagenetPixels, network


def chain() -> OrderedDict[str, nn.Module]:
    """Three linear layers, and heads after the first and the second."""
    heads = {
        name: AuxiliaryHead({"fc": nn.Linear(4, 2)}, after=after, weight=0.25)
        for name, after in (("aux1", "a"), ("aux2", "b"))
    }
    return OrderedDict(a=nn.Linear(3, 4), b=nn.Linear(4, 4), **heads, c=nn.Linear(4, 2))


def test_training_answers_with_all_heads_the_deepest_first():
    torch.manual_seed(0)
    net, x = network(chain()), torch.randn(5, 3)
    answers = net(x)
    assert isinstance(answers, Heads)
    first = net.a(x)
    second = net.b(first)
    assert torch.equal(answers.logits, net.c(second))
    assert torch.equal(torch.stack(answers.auxiliary), torch.stack([net.aux2(second), net.aux1(first)]))
    assert answers.weight == 0.25


def test_in_eval_mode_the_heads_are_not_run():
    net, x = network(chain()).eval(), torch.randn(5, 3)
    for head in (net.aux1, net.aux2):
        head.register_forward_hook(lambda *_: pytest.fail("an auxiliary head was run"))
    assert torch.equal(net(x), net.c(net.b(net.a(x))))


def test_a_slice_before_the_heads_is_a_plain_chain_in_either_mode():
    net, x = network(chain()), torch.randn(5, 3)
    for trunk in (net[:2], net[:2].eval()):
        assert torch.equal(trunk(x), net.b(net.a(x)))
    last = net[2:]
    assert torch.equal(last(torch.ones(1, 4)), net.c(torch.ones(1, 4))), "heads whose layer is elsewhere are not fed"


def test_without_heads_it_is_a_plain_sequential():
    assert type(network(OrderedDict(a=nn.Linear(3, 4)))) is nn.Sequential


def test_a_deep_copy_answers_the_same_and_shares_nothing():
    torch.manual_seed(0)
    net, x = network(chain()), torch.randn(5, 3)
    other = copy.deepcopy(net)
    for ours, theirs in zip((*net(x).auxiliary, net(x).logits), (*other(x).auxiliary, other(x).logits), strict=True):
        assert torch.equal(ours, theirs)
    assert not {each.data_ptr() for each in net.parameters()} & {each.data_ptr() for each in other.parameters()}


@pytest.mark.parametrize("training", [False, True])
def test_export_keeps_the_answers(training):
    torch.manual_seed(0)
    net, x = network(chain()).train(training), torch.randn(5, 3)
    torch.testing.assert_close(torch.export.export(net, (x,)).module()(x), net(x))


def test_a_compiled_network_answers_with_heads_too():
    torch.manual_seed(0)
    net, x = network(chain()), torch.randn(5, 3)
    answers = torch.compile(net, backend="eager", fullgraph=True)(x)
    assert isinstance(answers, Heads)
    torch.testing.assert_close(answers, net(x))


def test_pixels_normalised_by_imagenet_become_pixels_from_minus_one_to_one():
    pixels = torch.rand(2, 3, 4, 5)
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    found = FromImagenetPixels()((pixels - mean) / deviation)
    torch.testing.assert_close(found, pixels * 2 - 1, rtol=1e-6, atol=1e-6)
