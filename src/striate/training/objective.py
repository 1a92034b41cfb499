"""A network and what is asked of it, as one module: what the compiler sees of a training."""

from typing import final

import torch
from torch import Tensor, nn

from striate.data.feed import Batch
from striate.tasks.task import Outputs, Task
from striate.training.machine import Machine


@final
class Objective(nn.Module):
    """The network, its partner and what is asked of it in one."""

    def __init__(self, net: nn.Module, task: Task, machine: Machine, partner: nn.Module | None = None) -> None:
        super().__init__()
        self.net, self.partner, self._task, self._machine = net, partner, task, machine

    def forward(self, batch: Batch, other: Batch | None = None, weight: Tensor | None = None) -> Tensor:
        """The loss of each picture, (1, n): of its own targets; where it was mixed with `other`, of both by `weight`.

        With a partner (2, n): below it, what the partner lowers.
        """
        with self._machine.autocast():
            outputs = self.net(batch.pictures)
        outputs = _float32(outputs)
        losses = self._task.loss(outputs, batch)
        if other is not None and weight is not None:
            losses = weight * losses + (1 - weight) * self._task.loss(outputs, other)
        return torch.stack([losses] if self.partner is None else [losses, self.partner(outputs, batch)])


def _float32(outputs: Outputs) -> Outputs:
    """A network's answers in float32 at least, whatever it computes in: a tensor, or tuples of them and of numbers."""
    if isinstance(outputs, Tensor):
        return outputs if outputs.dtype == torch.float64 else outputs.float()
    if isinstance(outputs, tuple):
        parts = map(_float32, outputs)
        return type(outputs)(*parts) if hasattr(outputs, "_fields") else tuple(parts)
    return outputs
