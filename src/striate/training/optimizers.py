"""SGD with momentum and AdamW from a recipe, averaged weights, and both as named tensors."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from striate.runs import checkpoint
from striate.training.recipe import Recipe
from striate.training.schedule import highest


def named(net: nn.Module, partner: nn.Module | None) -> dict[str, nn.Parameter]:
    """What one optimizer trains, by the names under which a generation knows it."""
    found = dict(net.named_parameters())
    if partner is not None:
        found |= partner.named_parameters(checkpoint.PARTNER)
    return found


def optimizer_of(parts: Iterable[tuple[Sequence[nn.Parameter], float]], recipe: Recipe) -> torch.optim.Optimizer:
    """Of parameters with their share of the rate, which each group keeps as "share".

    Weight decay on weights of two and more dimensions only: not on norms and biases.
    """
    groups = []
    for parameters, share in parts:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        for many, decay in ((True, recipe.weight_decay or 0.0), (False, 0.0)):
            own = [each for each in trained if (each.ndim > 1) == many]
            groups += [{"params": own, "weight_decay": decay, "share": share}] if own else []
    rate = highest(recipe)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=(recipe.momentum, 0.999), fused=True)
    nesterov = recipe.nesterov and recipe.momentum > 0
    return torch.optim.SGD(groups, lr=rate, momentum=recipe.momentum, nesterov=nesterov, fused=True)


def tensors(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The optimizer's state as "kind/parameter" -> tensor."""
    return {
        f"{kind}/{name}": value
        for name, parameter in parameters.items()
        for kind, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], saved: Mapping[str, Tensor]
) -> None:
    """The inverse of `tensors`; keeps each parameter's device and memory format."""
    for place, value in saved.items():
        kind, name = place.split("/", 1)
        if name in parameters and kind != "average":
            like = parameters[name]
            fresh = torch.empty_like(like) if value.shape == like.shape else torch.empty_like(value, device=like.device)
            optimizer.state[like][kind] = fresh.copy_(value)


@final
class Average:
    """An exponential moving average of the weights (Polyak and Juditsky 1992), with the decay rising at first."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net, self._decay = copy.deepcopy(net).requires_grad_(False), decay
        trained = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
        self._averages: list[Tensor] = [self.net.get_parameter(name) for name in trained]
        self._parameters = [parameter.detach() for parameter in trained.values()]

    def update(self, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(self._averages, self._parameters, 1 - decay)

    def take_buffers(self, net: nn.Module) -> None:
        """Running statistics are averages already; they are taken as they are."""
        for own, other in zip(self.net.buffers(), net.buffers(), strict=True):
            own.copy_(other)

    def tensors(self) -> dict[str, Tensor]:
        return {f"average/{name}": value for name, value in self.net.named_parameters()}

    def restore(self, saved: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.net.named_parameters():
                value.copy_(saved[f"average/{name}"])
