"""Pools and interpolation: what a window sees, padding left out."""

from collections.abc import Sequence
from math import ceil
from typing import Any

from striate.cost.rules.rule import Arguments, Options, Results, Rule, argument, each_given, each_result, operators
from striate.cost.work import Work, adaptive_windows, windows, work


def _setting(args: Arguments, position: int, axes: int, default: Sequence[int]) -> Sequence[int]:
    """One number an axis, as torch reads it: left out is the default, one number is for all axes."""
    given = args[position] if len(args) > position and args[position] else default
    return given if len(given) == axes else [given[0]] * axes


def _largest(axes: int) -> Rule:
    """One comparison fewer than the window sees."""

    def rule(args: Arguments, kwargs: Options, outputs: Results) -> Work:
        shape, ones, none = outputs[0].shape, [1] * axes, [0] * axes
        kernel = _setting(args, 1, axes, ones)
        stride, padding, dilation = (
            _setting(args, 2, axes, kernel),
            _setting(args, 3, axes, none),
            _setting(args, 4, axes, ones),
        )
        seen = windows(args[0].shape, shape, kernel, stride, padding, dilation)
        return work(comparisons=[seen, ((-1,), shape)])

    return rule


def _mean(axes: int, *, backward: bool = False) -> Rule:
    """One addition fewer than the window sees, and a division.

    Backward: a division for each gradient, and an addition wherever its window saw something.
    """

    def rule(args: Arguments, kwargs: Options, outputs: Results) -> Work:
        shape, given = (args[0].shape, args[1].shape) if backward else (outputs[0].shape, args[0].shape)
        first = 2 if backward else 1
        kernel = _setting(args, first, axes, [1] * axes)
        stride, padding = _setting(args, first + 1, axes, kernel), _setting(args, first + 2, axes, [0] * axes)
        seen = windows(given, shape, kernel, stride, padding, [1] * axes)
        return work(additions=[seen, (shape,)] if backward else [seen])

    return rule


def _adaptive_mean(axes: int, *, backward: bool = False) -> Rule:
    def rule(args: Arguments, kwargs: Options, outputs: Results) -> Work:
        if backward:
            return work(additions=[adaptive_windows(args[1].shape, args[0].shape, axes), (args[0].shape,)])
        return work(additions=[adaptive_windows(args[0].shape, outputs[0].shape, axes)])

    return rule


def _adaptive_largest(axes: int) -> Rule:
    def rule(args: Arguments, kwargs: Options, outputs: Results) -> Work:
        shape = outputs[0].shape
        return work(comparisons=[adaptive_windows(args[0].shape, shape, axes), ((-1,), shape)])

    return rule


def _interpolation(taps: int, axes: int) -> Rule:
    """Along the last axis first, for each tap of the axes before: `taps` products and their sum."""
    return each_result((2 * taps - 1) * sum(taps**axis for axis in range(axes)))


def _interpolation_backward(taps: int, axes: int) -> Rule:
    """The gradient times the weight of each axis in turn, then one addition for each tap."""
    return each_given(sum(taps**axis for axis in range(1, axes + 1)) + taps**axes)


def _smooth(taps: int) -> Rule:
    """Interpolation with more taps, as the picture shrinks: all of them at its border too. The last axis first."""

    def rule(args: Arguments, kwargs: Options, outputs: Results) -> Work:
        given, result = tuple(args[0].shape), tuple(outputs[0].shape)
        rows, columns = _widened(taps, given, result, args[2:])
        return work(additions=[((*given[:3], result[3]), (2 * columns - 1,)), (result, (2 * rows - 1,))])

    return rule


def _smooth_backward(taps: int) -> Rule:
    """The gradient times the weight of each axis in turn, then one addition for each tap."""

    def rule(args: Arguments, kwargs: Options, outputs: Results) -> Work:
        gradient = tuple(args[0].shape)
        rows, columns = _widened(taps, args[2], gradient, args[3:])
        return work(additions=[(gradient, (rows,)), (gradient, (2, rows, columns))])

    return rule


def _widened(taps: int, given: Sequence[int], result: Sequence[int], options: Sequence[Any]) -> list[int]:
    """Taps along either axis: where the picture shrinks, as many times more as it is smaller, rounded up.

    `options`: whether corners are aligned, and a factor for each axis, which goes before the ratio of the sizes.
    """
    widened = []
    for axis in (0, 1):
        sides, factor = (given[2 + axis], result[2 + axis]), argument(options, 1 + axis, None)
        if options[0]:
            wide = -(-taps * (sides[0] - 1) // max(1, sides[1] - 1))
        else:
            wide = ceil(taps / factor) if factor else -(-taps * sides[0] // sides[1])
        widened.append(max(taps, wide))
    return widened


def _fractional(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """Windows at random places, none of them over the border: one comparison fewer than they have cells."""
    result = tuple(outputs[0].shape)
    return work(comparisons=[(result, tuple(args[1])), ((-1,), result)])


WINDOWS: dict[object, Rule] = {
    **operators("max_pool2d_with_indices max_pool2d", _largest(2)),
    **operators("max_pool3d_with_indices max_pool3d", _largest(3)),
    **operators("max_pool1d", _largest(1)),
    **operators("max_pool2d_with_indices_backward max_pool3d_with_indices_backward", each_given(1)),
    **operators("fractional_max_pool2d fractional_max_pool3d", _fractional),
    **operators("fractional_max_pool2d_backward fractional_max_pool3d_backward", each_given(1)),
    **operators("adaptive_max_pool2d_backward adaptive_max_pool3d_backward", each_given(1)),
    **operators("avg_pool1d", _mean(1)),
    **operators("avg_pool2d", _mean(2)),
    **operators("avg_pool3d", _mean(3)),
    **operators("avg_pool2d_backward", _mean(2, backward=True)),
    **operators("avg_pool3d_backward", _mean(3, backward=True)),
    **operators("adaptive_avg_pool1d", _adaptive_mean(1)),
    **operators("_adaptive_avg_pool2d adaptive_avg_pool2d", _adaptive_mean(2)),
    **operators("_adaptive_avg_pool3d adaptive_avg_pool3d", _adaptive_mean(3)),
    **operators("_adaptive_avg_pool2d_backward", _adaptive_mean(2, backward=True)),
    **operators("_adaptive_avg_pool3d_backward", _adaptive_mean(3, backward=True)),
    **operators("adaptive_max_pool2d", _adaptive_largest(2)),
    **operators("adaptive_max_pool3d", _adaptive_largest(3)),
    **operators("upsample_linear1d", _interpolation(2, 1)),
    **operators("upsample_bilinear2d", _interpolation(2, 2)),
    **operators("upsample_trilinear3d", _interpolation(2, 3)),
    **operators("upsample_bicubic2d", _interpolation(4, 2)),
    **operators("upsample_linear1d_backward", _interpolation_backward(2, 1)),
    **operators("upsample_bilinear2d_backward", _interpolation_backward(2, 2)),
    **operators("upsample_trilinear3d_backward", _interpolation_backward(2, 3)),
    **operators("upsample_bicubic2d_backward", _interpolation_backward(4, 2)),
    **operators("_upsample_bilinear2d_aa", _smooth(2)),
    **operators("_upsample_bicubic2d_aa", _smooth(4)),
    **operators("_upsample_lanczos2d_aa", _smooth(6)),
    **operators("_upsample_bilinear2d_aa_backward", _smooth_backward(2)),
    **operators("_upsample_bicubic2d_aa_backward", _smooth_backward(4)),
    **operators("_upsample_lanczos2d_aa_backward", _smooth_backward(6)),
    **operators("upsample_nearest1d_backward upsample_nearest2d_backward upsample_nearest3d_backward", each_given(1)),
    **operators("_upsample_nearest_exact1d_backward _upsample_nearest_exact2d_backward", each_given(1)),
    **operators("_upsample_nearest_exact3d_backward", each_given(1)),
    **operators("col2im unfold_backward", each_given(1)),
    **operators("reflection_pad1d_backward reflection_pad2d_backward reflection_pad3d_backward", each_given(1)),
    **operators("replication_pad1d_backward replication_pad2d_backward replication_pad3d_backward", each_given(1)),
}
