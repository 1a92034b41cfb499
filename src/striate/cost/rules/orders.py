"""Sorting, selecting and drawing: comparisons along each row of n numbers."""

from collections.abc import Sequence

from striate.cost.rules.rule import (
    Arguments,
    Options,
    Results,
    Rule,
    argument,
    each_given,
    each_row,
    halvings,
    operators,
)
from striate.cost.work import Work, work


def _sort(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """By halves that are merged: each of n is compared once for each of the log2 n times that n can be halved."""
    shape = tuple(args[0].shape)
    return work(comparisons=[(shape, (halvings(_row(shape, _axis(args, kwargs, 1))),))])


def _topk(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """A heap of the k largest so far: each of n sinks by one of its log2 k floors at a time."""
    return work(comparisons=[(tuple(args[0].shape), (max(1, halvings(args[1])),))])


def _mode(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """Sorted; then each but the first: as the one before it? a longer run than the longest?"""
    shape, rows = tuple(args[0].shape), tuple(outputs[0].shape)
    floors = halvings(_row(shape, _axis(args, kwargs, 1)))
    return work(comparisons=[(shape, (floors + 2,)), ((-1,), rows, (2,))])


def _histogram(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """Inside both bounds?, (x - low) / (high - low) bins, and one more in that bin; bounds that are not given first."""
    low, high = argument(args, 2, 0), argument(args, 3, 0)
    shape = tuple(args[0].shape)
    return work(additions=[(shape, (4,))], comparisons=[(shape, (4 if low == high else 2,))])


def _multinomial(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """Each weight divided by a random number, and the k largest; put back: sums so far, a share of all, halvings."""
    shape, samples = tuple(args[0].shape), args[1]
    if argument(args, 2, False) and samples > 1:
        return work(additions=[(shape, (2,))], comparisons=[(tuple(outputs[0].shape), (halvings(shape[-1]),))])
    return work(additions=[(shape,)], comparisons=[(shape, (max(1, halvings(samples)),))])


def _axis(args: Arguments, kwargs: Options, position: int) -> int:
    axis: int = kwargs.get("dim", argument(args, position, -1))
    return axis


def _row(shape: Sequence[int], axis: int) -> int:
    """How many numbers a row has; one number without axes is a row of its own."""
    return shape[axis] if shape else 1


ORDERS: dict[object, Rule] = {
    **operators("sort", _sort),
    **operators("topk", _topk),
    **operators("mode", _mode),
    # quickselect, if each pivot halves what is left: n + n/2 + n/4 + ... = 2 n
    **operators("median kthvalue", each_given(0, 2)),
    **operators("nanmedian", each_given(0, 3)),  # is it a number?
    **operators("cummax cummin", each_row((0, 1, 0), (0, -1, 0))),
    # a + log(1 + e^(b - a)) with a the larger, for each but the first
    **operators("logcumsumexp", each_row((3, 1, 2), (-3, -1, -2))),
    **operators("histc", _histogram),
    **operators("multinomial", _multinomial),
}
