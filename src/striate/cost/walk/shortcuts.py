"""The results of some frequent operators on meta, without torch's own way there through Python, which takes 1 ms."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten
Shortcut = Callable[[tuple[Any, ...]], Any]


def _convolution(args: tuple[Any, ...]) -> Any:
    """On a CPU channels come last where they do in the picture or the weight; on meta torch forgets it."""
    layout = _last(*args[:2])
    if layout is None:
        return NotImplemented
    return torch.empty_like(aten.convolution.default(*args), memory_format=layout)


def _convolution_backward(args: tuple[Any, ...]) -> Any:
    """The same for the gradients of both."""
    layout = _last(*args[1:3])
    if layout is None:
        return NotImplemented
    *both, of_bias = aten.convolution_backward.default(*args)
    laid = (None if each is None else torch.empty_like(each, memory_format=layout) for each in both)
    return (*laid, of_bias)


def _last(*tensors: Tensor) -> torch.memory_format | None:
    """The layout with the channels last, if one of these has it and no other."""
    layout = {4: torch.channels_last, 5: torch.channels_last_3d}.get(tensors[0].ndim)
    if layout is None or all(each.is_contiguous() or not each.is_contiguous(memory_format=layout) for each in tensors):
        return None
    return layout


def _batch_norm(args: tuple[Any, ...]) -> Any:
    """The normalised, and mean and inverse deviation of each channel: none in evaluation, as on a CPU."""
    given, weight, _, _, _, training = args[:6]
    kept = torch.float32 if given.dtype in (torch.bfloat16, torch.float16) else given.dtype
    if given.ndim < 2 or (weight is not None and weight.dtype != kept):
        return NotImplemented
    channels = given.shape[1] if training else 0
    return torch.empty_like(given), given.new_empty(channels, dtype=kept), given.new_empty(channels, dtype=kept)


def _batch_norm_backward(args: tuple[Any, ...]) -> Any:
    """What is not asked for is None, as on a CPU."""
    gradient, given, weight = args[:3]
    if weight is None or gradient.dtype != given.dtype or gradient.stride() != given.stride():
        return NotImplemented
    of_input, of_weight, of_bias = args[9]
    return (
        torch.empty_like(given) if of_input else None,
        torch.empty_like(weight) if of_weight else None,
        torch.empty_like(weight) if of_bias else None,
    )


def _like_both(args: tuple[Any, ...]) -> Any:
    """Of two tensors with one shape, type and layout."""
    one, two = args[:2]
    if not isinstance(two, Tensor) or not _same(one, two):
        return NotImplemented
    return torch.empty_like(one)


def _relu(args: tuple[Any, ...]) -> Any:
    """Of numbers with a sign: torch refuses others."""
    return torch.empty_like(args[0]) if args[0].is_floating_point() else NotImplemented


def _cat(args: tuple[Any, ...]) -> Any:
    """Contiguous tensors of four dimensions, along their channels: torch keeps other layouts by rules of its own."""
    parts, axis = args[0], args[1] if len(args) > 1 else 0
    if axis != 1 or any(each.ndim != 4 or not each.is_contiguous() for each in parts):
        return NotImplemented
    first = parts[0]
    count, _, height, width = first.shape
    if min(height, width) < 2 or any(
        each.dtype != first.dtype or each.shape[::2] != (count, height) or each.shape[3] != width or each.shape[1] < 2
        for each in parts
    ):
        return NotImplemented
    return first.new_empty((count, sum(each.shape[1] for each in parts), height, width))


def _same(one: Tensor, two: Tensor) -> bool:
    return one.shape == two.shape and one.dtype == two.dtype and one.stride() == two.stride()


SHORTCUTS: Mapping[object, Shortcut] = {
    aten.convolution.default: _convolution,
    aten.convolution_backward.default: _convolution_backward,
    aten.native_batch_norm.default: _batch_norm,
    aten.native_batch_norm_backward.default: _batch_norm_backward,
    aten.relu.default: _relu,
    aten.threshold_backward.default: _like_both,
    aten.add.Tensor: _like_both,
    aten.cat.default: _cat,
}
