"""What gradient arrives where in a network, on real training pictures and in float64: one backward pass."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor, nn

from striate.base.randomness import key, permutation
from striate.claims.claim import COMMON, Asked
from striate.claims.verdict import TIMES, Question
from striate.data.feed import Batch
from striate.data.preprocess import scaled
from striate.inside.residual import residuals
from striate.network import network_for
from striate.training.execution import Execution, Silent
from striate.training.plan import Job, job_of, plan_of
from striate.training.recipe import recipe_of

PICTURES = 64
ARRIVING = "first-to-last gradient ratio"
READ = "the root mean square of the gradient of the first convolution's weights, by that of the last"


@final
@dataclass(frozen=True)
class Beginning:
    """A training with this seed before its first step: its task and its first pictures, as networks are given them."""

    job: Job
    seed: int
    batch: Batch

    def network(self, name: str, options: Mapping[str, Any]) -> nn.Module:
        """One of the catalogue with fresh weights."""
        torch.manual_seed(key(self.seed, "weights"))
        return network_for(name, self.job.task, self.job.preprocess.channels, options)

    def backward(self, net: nn.Module) -> None:
        """The gradients of the mean loss, in training mode and float64: sigmoids take them beyond float32."""
        net.double().train().zero_grad()
        self.job.task.loss(net(self.batch.pictures), self.batch).mean().backward()  # type: ignore[no-untyped-call]


def beginning(asked: Asked, seed: int, common: Mapping[str, Any] = MappingProxyType({})) -> Beginning:
    """`common`: what a sweep's recipes have alike, so that its trainings begin with these pictures."""
    values = {"epochs": 1, **common, "model": "resnet20", "rate": 0.1, "seed": seed, "split_seed": seed}
    execution = Execution()
    plan = plan_of(recipe_of(**{**COMMON, **asked.data, **values}), execution, Silent())
    job = job_of(plan, Path(), execution, Silent())
    learning = job.units.within(job.split.train)
    first = learning[permutation(seed, "gradients", 0, len(learning))[:PICTURES]]
    (batch,) = job.train.batches([np.sort(first)])
    pictures = job.preprocess.normalise(scaled(batch.pictures)).double()
    return Beginning(job, seed, dataclasses.replace(batch, pictures=pictures))


def arriving(begun: Beginning, net: nn.Module) -> float:
    """Root mean square of the gradient of the first convolution's weights, by that of the last."""
    begun.backward(net)
    weights = [each.weight for each in net.modules() if isinstance(each, nn.Conv2d)]
    return _root_mean_square(weights[0]) / _root_mean_square(weights[-1])


def _root_mean_square(weight: Tensor) -> float:
    assert weight.grad is not None
    return float(weight.grad.square().mean().sqrt())


def through_blocks(begun: Beginning, net: nn.Module) -> list[float]:
    """Of each block whose shortcut is the identity: the norm of the gradient at its input by that at its output."""
    held: list[tuple[Tensor, Tensor]] = []

    def hold(module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        held.append((given[0], made))
        for each in held[-1]:
            each.retain_grad()

    blocks = [each.block for each in residuals(net) if isinstance(each.beside, nn.Identity)]
    handles = [each.register_forward_hook(hold) for each in blocks]
    begun.backward(net)
    for handle in handles:
        handle.remove()
    return [_norm(given) / _norm(made) for given, made in held]


def _norm(values: Tensor) -> float:
    assert values.grad is not None
    return float(torch.linalg.vector_norm(values.grad))


def arrived(begun: Beginning, name: str, activation: str, norm: str) -> float:
    """What arrives in a fresh network of the catalogue with this activation and norm."""
    return arriving(begun, begun.network(name, {"activation": activation, "norm": norm}))


def told(activation: str, norm: str) -> str:
    """As a row or a column says it."""
    return f"{activation}, {'no' if norm == 'none' else norm} norm"


def compared(
    begun: Sequence[Beginning], one: str, other: str, activation: str, norm: str, claimed: Literal[1, -1],
    failed: str = "",
) -> Question:  # fmt: skip
    """What arrives in two fresh networks with this activation and norm."""
    ones, others = (tuple(arrived(each, name, activation, norm) for each in begun) for name in (one, other))
    return Question(told(activation, norm), ARRIVING, one, other, ones, others, "times", claimed, TIMES, failed)
