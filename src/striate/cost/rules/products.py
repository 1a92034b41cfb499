"""Convolutions, linear layers, matrix products and attention."""

from collections.abc import Mapping, Sequence, Set
from math import prod

from torch import Tensor

from striate.cost.rules.rule import Arguments, Options, Results, Rule, aten
from striate.cost.work import Term, Work, attention, convolution, matmul, work


def _convolution(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    given, weight, bias, stride, padding, dilation, transposed = args[:7]
    return convolution(
        given.shape,
        weight.shape,
        outputs[0].shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        transposed=transposed,
        bias=bias is not None,
    )


def _convolution_backward(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """Each gradient that is asked for costs what the forward pass costs; a bias adds up its channel."""
    gradient, given, weight, _, stride, padding, dilation, transposed, _, _, (of_input, of_weight, of_bias) = args
    done = convolution(
        given.shape,
        weight.shape,
        gradient.shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        transposed=transposed,
        products=of_input + of_weight,
    )
    if not of_bias:
        return done
    shape = gradient.shape
    summed: Work = work(additions=[(shape,), ((-1,), (shape[1],))])
    return Work(done.macs, done.macs_valid, summed.additions, terms=(*done.terms, *summed.terms))


def _mm(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    left, right = args[0].shape, args[1].shape
    return matmul(left[0], left[1], right[1])


def _bmm(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    left, right = args[0].shape, args[1].shape
    return matmul(left[1], left[2], right[2], times=left[0])


def _addmm(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    left, right = args[1].shape, args[2].shape
    return matmul(left[0], left[1], right[1], bias=True)


def _baddbmm(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """With `beta=0` the first argument is not read, let alone added."""
    left, right = args[1].shape, args[2].shape
    return matmul(left[1], left[2], right[2], times=left[0], bias=kwargs.get("beta", 1) != 0)


def _addbmm(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """The sum of all products of a batch, which is one product with a longer inner side."""
    left, right = args[1].shape, args[2].shape
    return matmul(left[1], left[0] * left[2], right[2], bias=kwargs.get("beta", 1) != 0)


def _mv(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    return matmul(args[0].shape[0], args[0].shape[1], 1)


def _addmv(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    return matmul(args[1].shape[0], args[1].shape[1], 1, bias=True)


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


PRODUCTS: dict[object, Rule] = {
    aten.convolution: _convolution,
    aten._convolution: _convolution,
    aten.convolution_overrideable: _convolution,
    aten.convolution_backward: _convolution_backward,
    aten.mm: _mm,
    aten.bmm: _bmm,
    aten.addmm: _addmm,
    aten.addmm_: _addmm,
    aten.baddbmm: _baddbmm,
    aten.baddbmm_: _baddbmm,
    aten.addbmm: _addbmm,
    aten.addbmm_: _addbmm,
    aten.mv: _mv,
    aten.addmv: _addmv,
    aten.dot: _dot,
    aten.vdot: _dot,
    aten.linear: _linear,
    aten._trilinear: _trilinear,
    aten._scaled_dot_product_flash_attention: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_efficient_attention: _attention,
    aten._scaled_dot_product_cudnn_attention: _attention,
    aten._scaled_dot_product_fused_attention_overrideable: _attention,
    aten._scaled_dot_product_attention_math: _attention,
    aten._scaled_dot_product_flash_attention_backward: _attention_backward,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten._scaled_dot_product_efficient_attention_backward: _attention_backward,
    aten._scaled_dot_product_cudnn_attention_backward: _attention_backward,
}
