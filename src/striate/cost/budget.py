"""The largest batch that fits into so many bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from torch import nn

from striate.base.errors import UsageError
from striate.base.units import readable_bytes
from striate.cost.memory import Memory, Peak
from striate.cost.walk.events import flat
from striate.cost.walk.trace import Inputs, Loss, trace


@dataclass(frozen=True, slots=True)
class Fit:
    """The largest batch whose peak is at most `budget` bytes; `next_peak` is what one sample more would need.

    `batch` is 0 where not even one sample fits; `peak` is None then.
    """

    budget: int
    batch: int
    peak: Peak | None
    next_peak: Peak

    def __str__(self) -> str:
        needs = f"{self.batch + 1:,} need{'s' if self.batch == 0 else ''} {readable_bytes(self.next_peak.bytes)}"
        if self.peak is None:
            return f"Not even a batch of 1 fits into {readable_bytes(self.budget)}: {needs}."
        fits = f"The largest batch that fits into {readable_bytes(self.budget)} is {self.batch:,}"
        return f"{fits}, with a peak of {readable_bytes(self.peak.bytes)}; {needs}."


def peak_of(
    net: nn.Module,
    input_size: Inputs,
    batch: int,
    *,
    training: bool = True,
    loss: Loss | None = None,
    optimizer: str | None = "sgd",
    autocast: bool = False,
    device: str = "cpu",
) -> Peak:
    """The most bytes alive at once, of a whole training step or of inference; all is as in `trace` and `Memory`."""
    memory = Memory(device)
    options = {"loss": loss, "optimizer": optimizer} if training else {}
    trace(net, input_size, (memory,), batch=batch, training=training, autocast=autocast, **options)  # type: ignore[arg-type]
    return memory.peak()


def largest_batch(
    net: nn.Module,
    input_size: Inputs,
    budget: int,
    *,
    training: bool = True,
    loss: Loss | None = None,
    optimizer: str | None = "sgd",
    autocast: bool = False,
    device: str = "cpu",
) -> Fit:
    """The largest batch whose peak is at most `budget` bytes: of the whole training step, or of inference.

    `input_size` is as in `trace`, without tensors, which have a batch of their own; the rest is as there and in
    `Memory`. What convolutions on a CPU borrow while they run is in the peak; what the process needs besides is not:
    leave some room.

    At each operator call the living bytes are fixed + batch * each, so two passes say what all batches need; two more
    prove the answer, and where it is not so (a network that looks at the batch) a search finds it.
    Raises `UsageError` as `trace` does, also when the network cannot be trained with so small a batch.
    """

    if flat(input_size):
        raise UsageError(
            "input size", "a tensor has a batch of its own", "the shape of one sample, such as (3, 224, 224)"
        )

    @cache
    def peak(batch: int) -> Peak:
        return peak_of(
            net, input_size, batch, training=training, loss=loss, optimizer=optimizer, autocast=autocast, device=device
        )

    def fits(batch: int) -> bool:
        return batch == 0 or peak(batch).bytes <= budget

    low, step = _foreseen(peak, budget), 1
    while fits(low + step):
        low, step = low + step, 2 * step
    high = low + step
    while not fits(low):
        low, high, step = max(0, low - step), low, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return Fit(budget, low, peak(low) if low else None, peak(high))


def _foreseen(peak: Callable[[int], Peak], budget: int) -> int:
    """The largest batch for which no call needs more than the budget, by a line through batches of 2 and 4 each."""
    few, more = (peak(batch).curve.bytes for batch in (2, 4))
    if len(few) != len(more):
        return 1
    # After rounding: (more - few) / 2 bytes each, and 2 * few - more bytes fixed.
    lines = [(2 * less - greater, greater - less) for less, greater in zip(few, more, strict=True)]
    return max(0, min((2 * (budget - fixed) // slope for fixed, slope in lines if slope > 0), default=1))
