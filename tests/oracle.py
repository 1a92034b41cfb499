"""Our network and another library's, given the same weights: keys, shapes, answers, gradients, statistics."""

import copy
from collections.abc import Callable

import torch
from torch import nn

from striate.layers import Heads


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


def chain(block: nn.Module) -> tuple[str, ...]:
    """The layers of a residual block, in order, without its shortcut and what follows the addition."""
    return tuple(name for name, _ in block.named_children() if name not in ("downsample", "relu"))


def holding(ours: Callable[[], nn.Module], theirs: nn.Module) -> nn.Module:
    """Our network with their parameters and a copy of their statistics; every key must be known on both sides."""
    with torch.device("meta"):
        net = ours()
    # parameters are shared, not copied: some networks are large
    own = dict(theirs.state_dict()) | {key: copy.deepcopy(value) for key, value in theirs.named_buffers()}
    net.load_state_dict(own, strict=True, assign=True)
    return net


def assert_same(ours: nn.Module, theirs: nn.Module, x: torch.Tensor, training: bool) -> None:
    """All answers, gradients of the input, and running statistics after it, each to 1e-5 of the largest."""
    answers, gradients = [], []
    for net in (ours, theirs):
        pixels = x.clone().requires_grad_()
        torch.manual_seed(1)  # both draw the same dropout
        answers.append(_every(net.train(training)(pixels)))
        gradients.append(torch.autograd.grad(sum(each.square().mean() for each in answers[-1]), pixels)[0])
    for pair in zip(*answers, strict=True):
        same(list(pair))
    same(gradients)
    assert bool(gradients[1].any())
    for key, value in theirs.named_buffers():
        same([ours.get_buffer(key), value])


def _every(answer: torch.Tensor | tuple) -> tuple[torch.Tensor, ...]:
    """The answer of the last layer, and those of auxiliary heads: ours, or torchvision's in its order."""
    if isinstance(answer, Heads):
        return answer.logits, *answer.auxiliary
    return tuple(answer) if isinstance(answer, tuple) else (answer,)


def same(pair: list[torch.Tensor]) -> None:
    """Equal to 1e-5 of the largest number on the other side."""
    torch.testing.assert_close(pair[0], pair[1], rtol=1e-5, atol=1e-5 * float(pair[1].detach().abs().max()))
