"""Our network and another library's, given the same weights: keys, shapes, answers, gradients, statistics."""

import copy
from collections.abc import Callable

import torch
from torch import nn


def shapes(build: Callable[[], nn.Module]) -> list[tuple[str, torch.Size]]:
    """Keys and shapes, in order, of what `build` builds without storage."""
    with torch.device("meta"):
        return [(key, value.shape) for key, value in build().state_dict().items()]


def unlike_fresh(net: nn.Module, seed: int = 0) -> nn.Module:
    """`net` with every norm drawn at random: fresh scales of 1 or 0 and shifts of 0 would hide mistakes."""
    draw = torch.Generator().manual_seed(seed)
    for norm in (module for module in net.modules() if isinstance(module, nn.BatchNorm2d)):
        for value, (low, high) in (
            (norm.weight, (0.3, 0.8)), (norm.bias, (-0.3, 0.3)), (norm.running_mean, (-0.3, 0.3)),
            (norm.running_var, (0.5, 1.5)),
        ):  # fmt: skip
            value.data.uniform_(low, high, generator=draw)
    return net


def holding(ours: Callable[[], nn.Module], theirs: nn.Module) -> nn.Module:
    """Our network with a copy of their weights; every key must be known on both sides."""
    with torch.device("meta"):
        net = ours()
    net.load_state_dict(copy.deepcopy(theirs.state_dict()), strict=True, assign=True)
    return net


def assert_same(ours: nn.Module, theirs: nn.Module, x: torch.Tensor, training: bool) -> None:
    """Answers, gradients of the input, and running statistics after it, each to 1e-5 of the largest."""
    answers, gradients = [], []
    for net in (ours, theirs):
        pixels = x.clone().requires_grad_()
        answers.append(net.train(training)(pixels))
        answers[-1].square().mean().backward()
        gradients.append(pixels.grad)
    same(answers)
    same(gradients)
    assert bool(gradients[1].any())
    for key, value in theirs.state_dict().items():
        same([ours.state_dict()[key], value])


def same(pair: list[torch.Tensor]) -> None:
    """Equal to 1e-5 of the largest number on the other side."""
    torch.testing.assert_close(pair[0], pair[1], rtol=1e-5, atol=1e-5 * float(pair[1].detach().abs().max()))
