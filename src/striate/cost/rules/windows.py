"""Pools and interpolation: what a window sees, padding left out."""

from striate.cost.geometry import geometry
from striate.cost.rules.rule import Rule, each_given, each_result, table
from striate.cost.walk.events import Call
from striate.cost.work import Term, Work, adaptive_windows, windows, work


def _largest(seen: Term, call: Call) -> Work:
    """One comparison fewer than the window sees."""
    return work(comparisons=[seen, ((-1,), call.result)])


def _pool(call: Call) -> Term:
    return windows(call.shape(), call.result, geometry(call).along)


def _mean_backward(call: Call) -> Work:
    """A division for each gradient, and an addition wherever its window saw something."""
    gradient = call.shape()
    return work(additions=[windows(call.shape(1), gradient, geometry(call).along), (gradient,)])


def _adaptive_mean(axes: int) -> Rule:
    return lambda call: work(additions=[adaptive_windows(call.shape(), call.result, axes)])


def _adaptive_mean_backward(axes: int) -> Rule:
    return lambda call: work(additions=[adaptive_windows(call.shape(1), call.shape(), axes), (call.shape(),)])


def _adaptive_largest(axes: int) -> Rule:
    return lambda call: _largest(adaptive_windows(call.shape(), call.result, axes), call)


def _interpolation(taps: int, axes: int) -> Rule:
    """Along the last axis first, for each tap of the axes before: `taps` products and their sum."""
    return each_result((2 * taps - 1) * sum(taps**axis for axis in range(axes)))


def _interpolation_backward(taps: int, axes: int) -> Rule:
    """The gradient times the weight of each axis in turn, then one addition for each tap."""
    return each_given(sum(taps**axis for axis in range(1, axes + 1)) + taps**axes)


INTERPOLATIONS = {"linear1d": (2, 1), "bilinear2d": (2, 2), "trilinear3d": (2, 3), "bicubic2d": (4, 2)}  # taps, axes
SCATTERED = """
    max_pool2d_with_indices_backward max_pool3d_with_indices_backward adaptive_max_pool2d_backward
    adaptive_max_pool3d_backward fractional_max_pool2d_backward fractional_max_pool3d_backward
    upsample_nearest1d_backward upsample_nearest2d_backward upsample_nearest3d_backward
    _upsample_nearest_exact1d_backward _upsample_nearest_exact2d_backward _upsample_nearest_exact3d_backward
    reflection_pad1d_backward reflection_pad2d_backward reflection_pad3d_backward replication_pad1d_backward
    replication_pad2d_backward replication_pad3d_backward col2im unfold_backward
"""

WINDOWS = table(
    {
        "max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices": lambda call: _largest(
            _pool(call), call
        ),
        # one addition fewer than the window sees, and a division
        "avg_pool1d avg_pool2d avg_pool3d": lambda call: work(additions=[_pool(call)]),
        "avg_pool2d_backward avg_pool3d_backward": _mean_backward,
        "adaptive_avg_pool1d": _adaptive_mean(1),
        "_adaptive_avg_pool2d adaptive_avg_pool2d": _adaptive_mean(2),
        "_adaptive_avg_pool3d adaptive_avg_pool3d": _adaptive_mean(3),
        "_adaptive_avg_pool2d_backward": _adaptive_mean_backward(2),
        "_adaptive_avg_pool3d_backward": _adaptive_mean_backward(3),
        "adaptive_max_pool2d": _adaptive_largest(2),
        "adaptive_max_pool3d": _adaptive_largest(3),
        SCATTERED: each_given(1),
        **{f"upsample_{name}": _interpolation(*how) for name, how in INTERPOLATIONS.items()},
        **{f"upsample_{name}_backward": _interpolation_backward(*how) for name, how in INTERPOLATIONS.items()},
    }
)
