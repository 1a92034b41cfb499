"""Convolutions, linear layers, matrix products and attention."""

from collections.abc import Mapping, Sequence, Set
from math import prod
from typing import Any

from torch import Tensor

from striate.cost.geometry import Geometry
from striate.cost.rules.rule import Arguments, Options, Results, Rule, aten, operators, sliding
from striate.cost.work import Term, Work, attention, convolution, matmul, work


def _convolution(how: Geometry, args: Arguments, outputs: Results) -> Work:
    return _convolved(how, args[0], args[1], outputs[0], bias=args[2] is not None)


def _convolution_backward(how: Geometry, args: Arguments, outputs: Results) -> Work:
    """Each gradient that is asked for costs what the forward pass costs; a bias adds up its channel."""
    gradient, given, weight, (of_input, of_weight, of_bias) = *args[:3], args[10]
    done = _convolved(how, given, weight, gradient, products=of_input + of_weight)
    summed: list[Term] = [(gradient.shape,), ((-1,), (gradient.shape[1],))]
    return done + work(additions=summed) if of_bias else done


def _convolved(how: Geometry, given: Tensor, weight: Tensor, result: Tensor, **options: Any) -> Work:
    options |= {"stride": how.stride, "padding": how.padding, "dilation": how.dilation, "transposed": how.transposed}
    return convolution(given.shape, weight.shape, result.shape, **options)


def _product(left_at: int = 0, *, heeds_beta: bool = False) -> Rule:
    """(..., rows, inner) times (..., inner, columns) or (inner), added to what comes before them.

    With `beta=0` the first argument is not read, let alone added.
    """

    def rule(args: Arguments, kwargs: Options, outputs: Results) -> Work:
        (*batch, rows, inner), right = args[left_at].shape, args[left_at + 1].shape
        columns = right[-1] if len(right) > 1 else 1
        added = left_at > 0 and not (heeds_beta and kwargs.get("beta", 1) == 0)
        return matmul(rows, inner, columns, times=prod(batch), bias=added)

    return rule


def _addbmm(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """The sum of all products of a batch, which is one product with a longer inner side."""
    left, right = args[1].shape, args[2].shape
    return matmul(left[1], left[0] * left[2], right[2], bias=kwargs.get("beta", 1) != 0)


def _dot(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    return matmul(1, args[0].shape[0], 1)


def _linear(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    weight, bias = args[1].shape, args[2] if len(args) > 2 else kwargs.get("bias")
    return matmul(prod(outputs[0].shape[:-1]), weight[1], weight[0], bias=bias is not None)


def _trilinear(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """Three tensors, each without some axes: sum_ij x_ni w_kij y_nj of the bilinear layer, and its three gradients.

    The last two meet first, and are summed over what the first lacks.
    """
    first, second, third = (_sizes(*each) for each in zip(args[:3], args[3:6], strict=True))
    summed = set(args[6])
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


def _attention(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    return attention(args[0].shape, args[1].shape, args[2].shape)


def _attention_backward(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    return attention(args[1].shape, args[2].shape, args[3].shape, backward=True)


_FUSED = ["flash_attention", "flash_attention_for_cpu", "efficient_attention", "cudnn_attention"]
PRODUCTS: dict[object, Rule] = {
    **sliding("convolution _convolution convolution_overrideable", _convolution),
    **sliding("convolution_backward", _convolution_backward),
    aten.mm: _product(),
    aten.bmm: _product(),
    aten.mv: _product(),
    **operators("addmm", _product(1)),
    **operators("baddbmm", _product(1, heeds_beta=True)),
    **operators("addbmm", _addbmm),
    aten.addmv: _product(1),
    aten.dot: _dot,
    aten.vdot: _dot,
    aten.linear: _linear,
    aten._trilinear: _trilinear,
    **{getattr(aten, f"_scaled_dot_product_{name}"): _attention for name in _FUSED},
    **{getattr(aten, f"_scaled_dot_product_{name}_backward"): _attention_backward for name in _FUSED},
    aten._scaled_dot_product_fused_attention_overrideable: _attention,
    aten._scaled_dot_product_attention_math: _attention,
}
