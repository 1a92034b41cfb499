"""How several processes work through a batch so that together they do what one would do.

A batch is cut into the parts that are asked for, and each part is shared out: what a process works through at once is a
piece of what all work through at the same time. Dropout is drawn for all of that in each process, which takes its rows.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from striate.base import processes
from striate.data.samples import Indices
from striate.training.machine import Machine
from striate.training.recipe import Recipe

# What drops values of each picture: the mask is what becomes of ones.
DROPS = (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d)


@final
@dataclass(frozen=True)
class Piece:
    """`count` pictures from `start` on of those that this process has of a batch.

    Together they are `whole` over all processes, and these come after `first` of them. A process for which none is left
    (count 0) works through one picture that counts nowhere, so that it meets the others in each layer.
    """

    start: int
    count: int
    first: int
    whole: int

    @property
    def rows(self) -> int:
        return max(self.count, 1)


class Lacking(MemoryError):
    """Memory lacks in one of the processes, and all have been told."""


def read(count: int, machine: Machine, accumulate: int, mixes: bool) -> Indices:
    """Which of the `count` pictures of a batch this process has; where pictures are mixed, the partner of each part's
    last one comes after it."""
    found = []
    for shares in _parts(count, machine, accumulate):
        own = shares[machine.rank] if len(shares[machine.rank]) else shares[0][:1]
        found.append(np.append(own, (own[-1] + 1) % count) if mixes else own)
    return np.concatenate(found)


def pieces(count: int, machine: Machine, accumulate: int, parts: int, mixes: bool) -> list[Piece]:
    """What this process works through of a batch of `count` pictures in `parts` parts, or as many as it has pictures.

    `parts` are `accumulate`, as often doubled as memory lacked. The number of pieces is the same in each process.
    """
    found, begin = [], 0
    divided = _parts(count, machine, accumulate)
    cuts = parts if machine.world == 1 else parts // accumulate
    for shares in divided:
        last, start = begin + max(len(shares[machine.rank]), 1) - 1, begin
        for cut in zip(*(np.array_split(own, min(cuts, len(shares[0]))) for own in shares), strict=True):
            sizes = list(map(len, cut))
            own = sizes[machine.rank]
            found.append(Piece(min(start, last), own, sum(sizes[: machine.rank]), sum(sizes)))
            start += own
        begin = last + 1 + mixes
    return found


def most(count: int, machine: Machine, accumulate: int) -> int:
    """Parts of a batch beyond which no process has fewer pictures at once."""
    divided = _parts(count, machine, accumulate)
    return max(len(shares[0]) for shares in divided) * (1 if machine.world == 1 else accumulate)


def _parts(count: int, machine: Machine, accumulate: int) -> list[list[Indices]]:
    """The places of each process, the first has most, in each part; one process has one, whose cuts are its pieces."""
    if machine.world == 1:
        return [[np.arange(count)]]
    return [np.array_split(part, machine.world) for part in np.array_split(np.arange(count), min(accumulate, count))]


def normalised(net: nn.Module) -> bool:
    """Whether a network's answer to a picture depends on those beside it."""
    return any(isinstance(each, nn.modules.batchnorm._BatchNorm) for each in net.modules())


def together(piece: Piece, machine: Machine, recipe: Recipe) -> contextlib.AbstractContextManager[Any]:
    """What a network's pass over `piece` stands in. The compiler draws its own numbers: there nothing is shared."""
    alone = machine.world == 1 or recipe.compile
    return contextlib.nullcontext() if alone else Together(piece, recipe.sync_norms)


@final
class Together(TorchFunctionMode):
    """Inside, what a network does over a batch it does over all processes, of which this one has `piece`.

    Dropout, of values and of maps, and whatever is drawn by `bernoulli_` for each picture, such as the depth of a
    network, are drawn for the whole; with `norms` batch normalisation sees the whole as well.
    """

    def __init__(self, piece: Piece, norms: bool) -> None:
        super().__init__()
        self._piece, self._norms = piece, norms

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in DROPS:
            return self._dropped(function, *args, **kwargs)
        if function is Tensor.bernoulli_:
            return self._drawn(*args, **kwargs)
        if function is F.batch_norm and self._norms:
            return _normalised(self._piece, *args, **kwargs)
        return function(*args, **kwargs)

    def _dropped(
        self, function: Callable[..., Tensor], x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        if not training or len(x) != self._piece.rows:
            return function(x, p, training, inplace)
        return x * self._own(function(self._whole(x).fill_(1), p))

    def _drawn(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if x.ndim == 0 or len(x) != self._piece.rows:
            return x.bernoulli_(*args, **kwargs)
        return x.copy_(self._own(self._whole(x).bernoulli_(*args, **kwargs)))

    def _whole(self, x: Tensor) -> Tensor:
        """Place for the whole of which `x` are this process's rows, in the same order of memory."""
        last = x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
        order = torch.channels_last if last else torch.contiguous_format
        return torch.empty(
            (self._piece.whole, *x.shape[1:]), dtype=x.dtype, device=x.device, memory_format=order
        )  # fmt: skip

    def _own(self, whole: Tensor) -> Tensor:
        first = min(self._piece.first, self._piece.whole - self._piece.rows)
        return whole[first : first + self._piece.rows]


def _normalised(
    piece: Piece,
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Batch normalisation (Ioffe and Szegedy 2015) over all processes; `torch.nn.SyncBatchNorm` refuses CPUs."""
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    y: Tensor
    y, mean, variance, count = _Normalised.apply(x, weight, bias, piece, eps)
    with torch.no_grad():
        if running_mean is not None and running_var is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            unbiased = variance * count / (count - 1)
            running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    return y


class _Normalised(torch.autograd.Function):
    """Statistics of each process and their number of values give those of all, by Chan, Golub and LeVeque 1983."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, piece: Piece, eps: float) -> Any:
        values, over = _accurate(x), [0, *range(2, x.ndim)]
        own = torch.zeros(3, x.shape[1], dtype=torch.float64, device=x.device)
        if piece.count:
            own[0] = values.numel() / x.shape[1]
            own[2], own[1] = torch.var_mean(values, over, correction=0)
        agree(False, x.device)
        counts, means, variances = processes.stacked(own).unbind(1)
        count = counts.sum(0)
        if count[0] < 2:
            raise ValueError("one value for each channel has no variance")
        mean = (counts * means).sum(0) / count
        variance = (counts * (variances + (means - mean) ** 2)).sum(0) / count
        scale = (variance + eps).rsqrt()
        ctx.save_for_backward(x, weight, mean, scale, count)
        ctx.piece = piece
        ctx.mark_non_differentiable(mean, variance, count)
        y = (values - _along(mean, values)).mul_(_along(scale if weight is None else scale * weight, values))
        if bias is not None:
            y.add_(_along(bias, values))
        return y.to(x.dtype), mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, weight, mean, scale, count = ctx.saved_tensors
        values, gradient, over = _accurate(x), _accurate(gradients[0]), [0, *range(2, x.ndim)]
        normed = (values - _along(mean, values)).mul_(_along(scale, values))
        sums = torch.stack([gradient.sum(over), (gradient * normed).sum(over)])
        agree(False, x.device)
        all_sums = processes.stacked(sums.double()).sum(0) / count
        found = None
        if ctx.needs_input_grad[0]:
            factor = scale if weight is None else scale * weight
            found = gradient - _along(all_sums[0], values) - normed * _along(all_sums[1], values)
            found = found.mul_(_along(factor, values)).to(x.dtype) if ctx.piece.count else torch.zeros_like(x)
        return (
            found,
            *(sums[place].to(values.dtype) if ctx.needs_input_grad[2 - place] else None for place in (1, 0)),
            None,
            None,
        )


def _accurate(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _along(numbers: Tensor, values: Tensor) -> Tensor:
    """A number for each channel, beside values of (n, channels, ...)."""
    return numbers.to(values.dtype).reshape(1, -1, *(1,) * (values.ndim - 2))


def agree(lacking: bool, device: torch.device) -> None:
    """Ends in `Lacking` in all processes where memory lacks in one.

    What all do together within a step comes after this, so that none waits for one that has failed.
    """
    if processes.any_says(lacking, device):
        raise Lacking("out of memory in one of the processes")
