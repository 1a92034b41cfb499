"""Which pixels the cells along one axis see: intervals that repeat, shifted, after a fixed number of cells."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm

Interval = tuple[int, int]  # first and last pixel, both included
Cells = tuple[tuple[int, ...], ...]
Places = tuple[Cells, int]  # what the first new cells look at, and how far that moves for the next ones
FAR = 1 << 60
NOTHING: Interval = (FAR, -FAR)  # holds no pixel, wherever it is moved


@dataclass(frozen=True, slots=True)
class Steps:
    """Cell i sees pixels low[i] to high[i]; cell i + len(low) sees the same interval `shift` pixels further on.

    Borders are ignored: cells and pixels go on for ever on both sides. A plain chain of convolutions and pools has
    one interval, and `shift` is its stride; what follows a transposed convolution has several.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    shift: int

    def sees(self, cell: int) -> Interval:
        """First and last pixel; the first lies after the last where the cell sees none."""
        turn, phase = divmod(cell, len(self.low))
        return self.low[phase] + turn * self.shift, self.high[phase] + turn * self.shift

    @property
    def stride(self) -> Fraction:
        """Pixels from one cell to the next, on average."""
        return Fraction(self.shift, len(self.low))


PIXELS = Steps((0,), (0,), 1)


@lru_cache(maxsize=4096)
def through(steps: Steps, cells: Cells, move: int) -> Steps:
    """What new cells see: the first ones look at these `cells`, a later one `move` cells further on for each turn.

    A convolution has one entry, the places of its taps, and `move` is its stride.
    """
    turns = len(steps.low) // gcd(len(steps.low), move)
    seen = [hull(steps.sees(cell + turn * move) for cell in taps) for turn in range(turns) for taps in cells]
    return _simplest(seen, steps.shift * turns * move // len(steps.low))


@lru_cache(maxsize=4096)
def joined(one: Steps, other: Steps, cells: int) -> Steps:
    """What `cells` cells see that look through both: the interval that holds the two.

    Strides that differ drift apart: such cells are listed one by one.
    """
    if one.shift == other.shift and len(one.low) == len(other.low) == 1:  # as in nearly every network
        return Steps((min(one.low[0], other.low[0]),), (max(one.high[0], other.high[0]),), one.shift)
    period = lcm(len(one.low), len(other.low)) if one.stride == other.stride else cells
    return _simplest([hull((one.sees(cell), other.sees(cell))) for cell in range(period)], round(one.stride * period))


@lru_cache(maxsize=4096)
def extent(steps: Steps, cells: int) -> Interval:
    """What the first `cells` cells see together."""
    return hull(steps.sees(cell) for cell in range(cells))


def hull(intervals: Iterable[Interval]) -> Interval:
    """The interval that holds all of them; `NOTHING` for none."""
    low, high = NOTHING
    for first, last in intervals:
        if first <= last:
            low, high = min(low, first), max(high, last)
    return low, high


# --- the places that an operator looks at, as `through` takes them ----------------------------------------------------


@lru_cache(maxsize=1024)
def window(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Places:
    """A convolution or a pool."""
    return (tuple(tap * dilation - padding for tap in range(kernel)),), stride


@lru_cache(maxsize=1024)
def transposed(kernel: int, stride: int, padding: int, dilation: int = 1) -> Places:
    """A transposed convolution: cell i reaches cells i * stride - padding + tap * dilation."""
    reach = [tap * dilation - padding for tap in range(kernel)]
    cells = ([(at - tap) // stride for tap in reach if (at - tap) % stride == 0] for at in range(stride))
    return tuple(tuple(sorted(each)) for each in cells), 1


@lru_cache(maxsize=1024)
def adaptive(given: int, wanted: int) -> Places:
    """A pool whose windows go from floor(i given / wanted) to ceil((i + 1) given / wanted)."""
    ratio = Fraction(given, wanted)
    places = range(ratio.denominator)
    return tuple(tuple(range(int(at * ratio), -int(-(at + 1) * ratio // 1))) for at in places), ratio.numerator


@lru_cache(maxsize=1024)
def resampled(ratio: Fraction, start: Fraction, before: int, after: int) -> Places:
    """An interpolation: cell i lies at i * ratio + start, between the floor and what follows.

    It looks at cells floor - before to floor + after; only at the floor where it lies exactly on a cell, and always
    when `after` is 0.
    """
    cells = []
    for at in range(ratio.denominator):
        place = at * ratio + start
        floor = place.numerator // place.denominator
        cells.append((floor,) if place == floor or not after else tuple(range(floor - before, floor + after + 1)))
    return tuple(cells), ratio.numerator


def _simplest(seen: list[Interval], shift: int) -> Steps:
    """The same intervals with the shortest period."""
    for period in range(1, len(seen)):
        turns, rest = divmod(len(seen), period)
        if rest or shift % turns:
            continue
        move = shift // turns
        if all(_moved(seen[at - period], move) == seen[at] for at in range(period, len(seen))):
            return Steps(*_columns(seen[:period]), move)
    return Steps(*_columns(seen), shift)


def _moved(interval: Interval, by: int) -> Interval:
    return interval if interval[0] > interval[1] else (interval[0] + by, interval[1] + by)


def _columns(seen: list[Interval]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(low for low, _ in seen), tuple(high for _, high in seen)
