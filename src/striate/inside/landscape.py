"""The loss around a network's weights: along the gradient, and on a plane of directions as long as its own filters.

Santurkar et al. 2018, "How Does Batch Normalization Help Optimization?", section 3.1 and Figure 4; Li et al. 2018,
"Visualizing the Loss Landscape of Neural Nets", section 4.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any, final

import torch
from torch import Tensor, nn

from striate.base.randomness import key
from striate.base.words import decimal, many

# Of the recipe's rate, as the paper moves along the gradient.
STEPS = (0.5, 4.0)
Progress = Callable[[int, int], None]


@final
@dataclass(frozen=True)
class Along:
    """A network in one `state` of its training, and what lies along its gradient.

    `losses` and `apart`, how far the gradient there is from the one here (l2), after each of `steps`: multiples of the
    gradient that the weights are moved against it. `smooth`: the most that the gradient changes by the way moved.
    """

    state: str
    loss: float
    gradient: float
    steps: tuple[float, ...]
    losses: tuple[float, ...]
    apart: tuple[float, ...]

    @property
    def smooth(self) -> float:
        """The effective smoothness; NaN where there is no gradient."""
        moved = (step * self.gradient for step in self.steps)
        return max((apart / way for apart, way in zip(self.apart, moved, strict=True) if way), default=float("nan"))


@final
@dataclass(frozen=True)
class Plane:
    """Losses on a square around the weights: `losses` by place along the second direction, then the first.

    `places` go from -1 to 1, by as much as every filter is long. `plain`: along the first direction before each of its
    filters was made as long as the network's, when all of it is as long.
    """

    loss: float
    places: tuple[float, ...]
    losses: tuple[tuple[float, ...], ...]
    plain: tuple[float, ...]

    @property
    def curvatures(self) -> tuple[float, float]:
        """Second differences at the weights along both directions."""
        middle, step = len(self.places) // 2, self.places[1] - self.places[0]
        lines = self.losses[middle], tuple(row[middle] for row in self.losses)
        first, second = ((line[middle + 1] + line[middle - 1] - 2 * line[middle]) / step**2 for line in lines)
        return first, second


@final
@dataclass(frozen=True)
class Landscape:
    """What was found of so many training pictures, what is to be said of it, and a figure that stands alone."""

    of: str
    pictures: int
    found: Plane | tuple[Along, ...]
    notes: tuple[str, ...] = ()
    svg: str = field(default="", repr=False)

    def __str__(self) -> str:
        """A line for each state, or for the plane."""
        of = many(self.pictures, "training picture")
        if isinstance(self.found, Plane):
            ends = [value for row in self.found.losses for value in row]
            first, second = self.found.curvatures
            return (
                f"loss {decimal(self.found.loss, 4)} at the weights, {decimal(min(ends), 4)} to "
                f"{decimal(max(ends), 4)} on the plane, curvatures {decimal(first, 3)} and {decimal(second, 3)} "
                f"(n = {of})"
            )
        return "\n".join(
            f"{each.state}: loss {decimal(each.loss, 4)}, along the gradient {decimal(min(each.losses), 4)} to "
            f"{decimal(max(each.losses), 4)}; gradients up to {decimal(max(each.apart), 3)} apart, smoothness "
            f"{decimal(each.smooth, 3)} (n = {of})"
            for each in self.found
        )


@final
class Losses:
    """The mean loss of some pictures as a function of a network's weights, which are left as they were."""

    def __init__(self, net: nn.Module, loss: Callable[[Any], Tensor], batches: Sequence[Any]) -> None:
        """`loss` gives that of each picture of one of the `batches`, (n,), of the network as its weights then are."""
        self.net, self._loss, self._batches = net, loss, batches
        self.weights = [each.detach() for each in net.parameters()]

    def here(self) -> float:
        with torch.no_grad():
            found = [self._loss(batch).double().cpu() for batch in self._batches]
        return float(torch.cat(found).mean())

    def gradient(self) -> tuple[float, list[Tensor]]:
        """The loss, and its gradient by each of the weights, whether it was trained or not."""
        own, total, count = list(self.net.parameters()), 0.0, 0
        learned = [each.requires_grad for each in own]
        sums = [torch.zeros_like(each) for each in self.weights]
        try:
            for each in own:
                each.requires_grad_(True)
            for batch in self._batches:
                losses = self._loss(batch)
                for held, part in zip(sums, torch.autograd.grad(losses.sum(), own, allow_unused=True), strict=True):
                    if part is not None:
                        held += part
                total, count = total + float(losses.detach().double().sum()), count + len(losses)
        finally:
            for each, flag in zip(own, learned, strict=True):
                each.requires_grad_(flag)
        return total / count, [each / count for each in sums]

    @contextmanager
    def moved(self, *ways: tuple[float, Sequence[Tensor]]) -> Iterator[None]:
        """Inside, the weights are moved so far along each of the ways."""
        before = [each.clone() for each in self.weights]
        try:
            with torch.no_grad():
                for far, way in ways:
                    torch._foreach_add_(self.weights, list(way), alpha=far)
            yield
        finally:
            torch._foreach_copy_(self.weights, before)


def along(losses: Losses, state: str, rate: float, points: int, progress: Callable[[], None]) -> Along:
    """From the weights against their gradient, by steps of half to four times `rate`."""
    steps = torch.linspace(STEPS[0] * rate, STEPS[1] * rate, points, dtype=torch.float64).tolist()
    loss, gradient = losses.gradient()
    found = []
    for step in steps:
        with losses.moved((-step, gradient)):
            there, other = losses.gradient()
        found.append((there, _norm(torch._foreach_sub(other, gradient))))
        progress()
    values, apart = zip(*found, strict=True)
    return Along(state, loss, _norm(gradient), tuple(steps), values, apart)


def plane(losses: Losses, seed: int, points: int, progress: Progress) -> Plane:
    """Around the weights, by two directions that the seed decides."""
    first, second = (_direction(losses.net, seed, number) for number in range(2))
    places = torch.linspace(-1, 1, points, dtype=torch.float64).tolist()
    places[points // 2] = 0.0
    ways: list[tuple[tuple[float, Sequence[Tensor]], ...]] = [
        ((one, first.filters), (other, second.filters)) for other, one in product(places, places)
    ]
    ways += [((place, first.plain),) for place in places]
    found = []
    for place, way in enumerate(ways, start=1):
        with losses.moved(*way):
            found.append(losses.here())
        progress(place, len(ways))
    rows = [tuple(found[place : place + points]) for place in range(0, len(found), points)]
    return Plane(rows[points // 2][points // 2], tuple(places), tuple(rows[:-1]), rows[-1])


@final
@dataclass(frozen=True)
class _Direction:
    """One for each parameter: every filter as long as the network's, or all together, as drawn, as long as all."""

    filters: Sequence[Tensor]
    plain: Sequence[Tensor]


def _direction(net: nn.Module, seed: int, number: int) -> _Direction:
    """Normal numbers; nothing along parameters of one dimension: biases, and what norms multiply by and add."""
    draw = torch.Generator().manual_seed(key(seed, "landscape", number) % 2**63)
    transposed = {id(each.weight) for each in net.modules() if isinstance(each, nn.ConvTranspose2d)}
    drawn, filters = [], []
    for each in net.parameters():
        weight = each.detach()
        way = torch.zeros_like(weight)
        if weight.ndim > 1:
            way = torch.randn(weight.shape, generator=draw).to(weight)
        drawn.append(way)
        outputs = 1 if id(each) in transposed else 0
        axes = [axis for axis in range(weight.ndim) if axis != outputs] if weight.ndim > 1 else []
        filters.append(way if not axes else way * _lengths(weight, axes) / _lengths(way, axes))
    moved = [each for each in net.parameters() if each.ndim > 1]
    long = _norm([each.detach() for each in moved]) / (_norm(drawn) or 1.0)
    return _Direction(filters, [way * long for way in drawn])


def _lengths(weight: Tensor, axes: Sequence[int]) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(weight, dim=list(axes), keepdim=True)
    return lengths


def _norm(tensors: Sequence[Tensor]) -> float:
    return float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(each).double() for each in tensors])))
