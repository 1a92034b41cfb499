"""The default loss and the optimizers of a traced training step."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.base.errors import UsageError, near

OPTIMIZERS = {"sgd": 0, "momentum": 1, "adamw": 2}  # name -> tensors of state as large as the parameter


def default_loss(outputs: Any) -> Tensor:
    """Cross-entropy against whole numbers for 2-D outputs, mean square for others; auxiliary heads add theirs.

    `outputs` may be a tensor, a tuple or mapping of them, or a named tuple of logits, auxiliary and weight.
    """
    if isinstance(outputs, Tensor):
        return _loss_of(outputs)
    auxiliary, weight = getattr(outputs, "auxiliary", None), getattr(outputs, "weight", None)
    if auxiliary is not None and weight is not None:
        total = default_loss(outputs[0])
        for head in auxiliary:
            total = total + weight * default_loss(head)
        return total
    parts = outputs.values() if isinstance(outputs, Mapping) else outputs
    if not isinstance(outputs, (tuple, list, Mapping)):
        hint = "loss=, a function from what it returns to one number"
        raise UsageError("the network", f"no default loss fits its output, {type(outputs).__name__}", hint)
    losses = [default_loss(part) for part in parts if part is not None]
    total = losses[0]
    for each in losses[1:]:
        total = total + each
    return total


def optimizer_state(net: nn.Module, optimizer: str | None) -> dict[str, tuple[Tensor, ...]]:
    """What the optimizer keeps between steps, by parameter name; AdamW also counts its steps."""
    if optimizer is None:
        return {}
    if optimizer not in OPTIMIZERS:
        raise UsageError(
            "optimizer", f"{optimizer!r} is not known", near(optimizer, OPTIMIZERS, " or ".join(OPTIMIZERS), "{}")
        )
    state = {}
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            large = [torch.empty_like(parameter, requires_grad=False) for _ in range(OPTIMIZERS[optimizer])]
            steps = [torch.empty((), device="meta")] if optimizer == "adamw" else []
            state[name] = (*steps, *large)
    return state


def optimizer_step(optimizer: str, parameter: Tensor, gradient: Tensor, state: tuple[Tensor, ...]) -> None:
    """The operators of `torch.optim`'s loop over single tensors, its default on a CPU, on any step but the first."""
    if parameter.is_complex():  # both parts are parameters of their own
        parameter, gradient = torch.view_as_real(parameter), torch.view_as_real(gradient)
        state = tuple(torch.view_as_real(each) if each.is_complex() else each for each in state)
    if optimizer == "sgd":
        parameter.add_(gradient, alpha=-0.1)
    elif optimizer == "momentum":
        (momentum,) = state
        momentum.mul_(0.9).add_(gradient, alpha=1.0)
        parameter.add_(momentum, alpha=-0.1)
    else:
        steps, mean, square = state
        steps.add_(1)
        parameter.mul_(1 - 1e-3 * 1e-2)
        mean.lerp_(gradient, 0.1)
        square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        root = (square.sqrt() / 0.5).add_(1e-8)
        parameter.addcdiv_(mean, root, value=-1e-3)


def _loss_of(output: Tensor) -> Tensor:
    if output.ndim == 2:
        targets = torch.empty(output.shape[0], dtype=torch.long, device="meta")
        return functional.cross_entropy(output, targets)
    return functional.mse_loss(output, torch.empty_like(output, requires_grad=False))
