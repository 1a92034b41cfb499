"""Convolutions, linear layers, matrix products and attention."""

from collections.abc import Mapping, Sequence, Set
from math import prod
from typing import Any

from torch import Tensor

from striate.cost.geometry import geometry
from striate.cost.rules.rule import Rule, aten, operators
from striate.cost.walk.events import Call
from striate.cost.work import Sizes, Term, Work, attention, convolution, elementwise, matmul, work


def _convolution(call: Call) -> Work:
    return _convolved(call, call.shape(), call.shape(1), call.result, bias=call.args[2] is not None)


def _convolution_backward(call: Call) -> Work:
    """Each gradient that is asked for costs what the forward pass costs; a bias adds up its channel."""
    gradient, (of_input, of_weight, of_bias) = call.shape(), call.args[10]
    done = _convolved(call, call.shape(1), call.shape(2), gradient, products=of_input + of_weight)
    return done + work(additions=[(gradient,), ((-1,), (gradient[1],))]) if of_bias else done


def _convolved(call: Call, given: Sizes, weight: Sizes, result: Sizes, **options: Any) -> Work:
    how = geometry(call)
    options |= {"stride": how.stride, "padding": how.padding, "dilation": how.dilation, "transposed": how.transposed}
    return convolution(given, weight, result, **options)


def _product(left_at: int = 0, *, heeds_beta: bool = False) -> Rule:
    """(..., rows, inner) times (..., inner, columns) or (inner), added to what comes before them.

    With `beta=0` the first argument is not read, let alone added.
    """

    def rule(call: Call) -> Work:
        (*batch, rows, inner), right = call.shape(left_at), call.shape(left_at + 1)
        columns = right[-1] if len(right) > 1 else 1
        added = left_at > 0 and not (heeds_beta and call.kwargs.get("beta", 1) == 0)
        return matmul(rows, inner, columns, times=prod(batch), bias=added)

    return rule


def _addbmm(call: Call) -> Work:
    """The sum of all products of a batch, which is one product with a longer inner side."""
    left, right = call.shape(1), call.shape(2)
    return matmul(left[1], left[0] * left[2], right[2], bias=call.kwargs.get("beta", 1) != 0)


def _grouped(call: Call) -> Work:
    """Each row, or each inner place, is in one group; only where both sides are batches does each meet its own."""
    left, right = call.shape(), call.shape(1)
    times = left[0] if len(left) == len(right) == 3 else 1
    return matmul(left[-2], left[-1], right[-1], times=times)


def _over_time(call: Call) -> Work:
    """A convolution along time: (time, batch, channels) with a weight (taps, channels, outputs)."""
    (time, batch, channels), (taps, _, outputs) = call.shape(), call.shape(1)
    return convolution(
        (batch, channels, time),
        (outputs, channels, taps),
        (batch, outputs, call.result[0]),
        stride=(1,),
        padding=(call.argument(3, 0),),
        dilation=(1,),
        bias=True,
    )


def _activated(call: Call) -> Work:
    """A linear layer with its bias, and relu or gelu of the result."""
    gelu = call.kwargs.get("use_gelu", False)
    return _product(1)(call) + elementwise(call.result, 4 * gelu, 0 if gelu else 1, int(gelu))


def _linear(call: Call) -> Work:
    weight, bias = call.shape(1), call.argument(2, call.kwargs.get("bias"))
    return matmul(prod(call.result[:-1]), weight[1], weight[0], bias=bias is not None)


def _trilinear(call: Call) -> Work:
    """Three tensors, each without some axes: sum_ij x_ni w_kij y_nj of the bilinear layer, and its three gradients.

    The last two meet first, and are summed over what the first lacks.
    """
    first, second, third = (_sizes(*each) for each in zip(call.args[:3], call.args[3:6], strict=True))
    summed = set(call.args[6])
    pair = _broadcast(second, third)
    left = {axis: size for axis, size in pair.items() if axis in first or axis not in summed}
    macs: list[Term] = [_kept_and_summed(pair, pair.keys() - left.keys())]
    macs.append(_kept_and_summed(_broadcast(first, left), summed))
    return work(macs=macs, macs_valid=macs)


def _sizes(tensor: Tensor, lacking: Sequence[int]) -> dict[int, int]:
    """The sizes of a tensor by axis of a larger space, of which it lacks some axes."""
    axes = (axis for axis in range(tensor.ndim + len(lacking)) if axis not in lacking)
    return dict(zip(axes, tensor.shape, strict=True))


def _broadcast(one: Mapping[int, int], two: Mapping[int, int]) -> dict[int, int]:
    return {axis: two.get(axis, 1) if one.get(axis, 1) == 1 else one[axis] for axis in sorted({*one, *two})}


def _kept_and_summed(sizes: Mapping[int, int], summed: Set[int]) -> Term:
    kept = tuple(size for axis, size in sizes.items() if axis not in summed)
    return (kept, tuple(size for axis, size in sizes.items() if axis in summed))


_ATTENTION = """
    _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_attention_math
    _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention
    _scaled_dot_product_fused_attention_overrideable
"""
_ATTENTION_BACKWARD = """
    _scaled_dot_product_flash_attention_backward _scaled_dot_product_flash_attention_for_cpu_backward
    _scaled_dot_product_efficient_attention_backward _scaled_dot_product_cudnn_attention_backward
"""
PRODUCTS: dict[object, Rule] = {
    **operators("convolution _convolution convolution_overrideable", _convolution),
    **operators("convolution_backward", _convolution_backward),
    **operators("mm bmm mv _int_mm _scaled_mm", _product()),
    **operators("_grouped_mm _scaled_grouped_mm", _grouped),
    **operators("addmm", _product(1)),
    **operators("_addmm_activation", _activated),
    **operators("conv_tbc", _over_time),
    **operators("baddbmm", _product(1, heeds_beta=True)),
    **operators("addbmm", _addbmm),
    aten.addmv: _product(1),
    **operators("dot vdot", lambda call: matmul(1, call.shape()[0], 1)),
    aten.linear: _linear,
    aten._trilinear: _trilinear,
    **operators(_ATTENTION, lambda call: attention(call.shape(), call.shape(1), call.shape(2))),
    **operators(
        _ATTENTION_BACKWARD, lambda call: attention(call.shape(1), call.shape(2), call.shape(3), backward=True)
    ),
}
