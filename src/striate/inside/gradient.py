"""What a score depends on in a picture, by its gradient: guided backpropagation and SmoothGrad.

Both look at what PyTorch recorded of one forward pass. So nothing of a network is changed, and an activation is met
wherever it is: in a module, in one that is used again, in place, or called as a function.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from striate.base.errors import UsageError
from striate.base.randomness import normals
from striate.inside.calls import answering

Score = Callable[[Tensor], Tensor]
"""What is explained: of outputs (n, ...) one number each, (n,)."""

RECTIFIERS = ("Relu", "Hardtanh", "Threshold")
# No rectifiers, and no part of a norm, a pool or a filter either.
OTHERS = (
    "Silu", "Gelu", "Elu", "LeakyRelu", "PreluKernel", "RreluWithNoise", "Tanh", "Softplus", "Mish", "Hardswish",
    "Clamp", "ClampMin", "ClampMax", "Maximum", "Minimum", "Where", "SMaximum",
)  # fmt: skip
GATES = ("Sigmoid", "Hardsigmoid")
SAMPLES, NOISE, AT_ONCE = 50, 0.15, 10


def gradient(value: Tensor, of: Tensor, where: str) -> Tensor:
    """d sum(value) / d of; a UsageError where what is explained does not depend on it."""
    found = torch.autograd.grad(value.sum(), of, allow_unused=True)[0] if value.requires_grad else None
    if found is None:
        cause = "what is explained has no gradient there: the network detaches it, or does without it"
        raise UsageError(where, cause, "occlusion, which needs no gradient, or another layer")
    return found


def plain(net: nn.Module, pictures: Tensor, score: Score) -> Tensor:
    """The gradient of the score at pictures (n, channels, height, width): the same shape."""
    with answering(net):
        point = pictures.detach().clone().requires_grad_()
        return gradient(score(net(point.clone())), point, "gradient").detach()


def guided(net: nn.Module, picture: Tensor, score: Score) -> Tensor:
    """Guided backpropagation: Springenberg et al. 2015, "Striving for Simplicity", section 3.4.

    A rectifier passes the gradient where it was open and where the gradient is positive. (1, channels, height, width).
    A UsageError for a network that has none, or another activation: there it would be the plain gradient.
    """
    with answering(net):
        point = picture.detach().clone().requires_grad_()
        value = score(net(point.clone()))
        met = 0
        for node, name in _nodes(value):
            if name in RECTIFIERS:
                node.register_hook(_positive)
                met += 1
            elif (cause := _foreign(node, name)) is not None:
                raise UsageError("guided", f"{cause}, and the method is defined for ReLU alone", "grad-cam or smooth")
        if not met:
            raise UsageError("guided", "the network has no ReLU, which the method is defined for", "grad-cam or smooth")
        return gradient(value, point, "guided").detach()


def _positive(given: Any, made: Any) -> Any:
    return tuple(None if each is None else each.clamp(min=0) for each in given)


def _foreign(node: Any, name: str) -> str | None:
    """Why a step is an activation that is no rectifier, or may hide one."""
    if name in OTHERS:
        return f"it has an activation that is no ReLU: {name}"
    if name in GATES:  # one number for a whole map is a gate, as of squeeze-excitation
        value = getattr(node, "_saved_result", None) if name == "Sigmoid" else getattr(node, "_saved_self", None)
        if value is None or (value.ndim == 4 and value.shape[2] * value.shape[3] > 1):
            return f"it has an activation that is no ReLU: {name}"
    if not name:
        return f"it has a step of its own, {node.name()}, which may hide one"
    return None


def _nodes(value: Tensor) -> Iterator[tuple[Any, str]]:
    """Each recorded step once, and what PyTorch calls it; no name where it is none of PyTorch's own."""
    left, seen = [value.grad_fn], set()
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        known = re.fullmatch(r"(\w+?)Backward\d+", node.name())
        yield node, known[1] if known else "leaf" if node.name() == "torch::autograd::AccumulateGrad" else ""
        left += [before for before, _ in node.next_functions]


def smooth(net: nn.Module, picture: Tensor, score: Score) -> Tensor:
    """SmoothGrad: Smilkov et al. 2017, the mean gradient at 50 noisy copies, (1, channels, height, width).

    The noise is normal, its deviation 15 % of the span between the picture's least and greatest value; it is the same
    in each call.
    """
    spread = NOISE * float(picture.max() - picture.min())
    total = torch.zeros_like(picture)
    for start in range(0, SAMPLES, AT_ONCE):
        drawn = normals(0, "smooth", 0, range(start, start + AT_ONCE), tuple(picture.shape[1:]))
        noise = torch.from_numpy(drawn).to(picture)
        total += plain(net, picture + spread * noise, score).sum(0, keepdim=True)
    return total / SAMPLES
