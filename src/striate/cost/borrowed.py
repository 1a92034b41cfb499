"""What a convolution borrows on a CPU while it runs: copies of tensors in the layouts of oneDNN, gone when it returns.

oneDNN keeps pictures and weights in blocks of 16 channels, as many as a vector of AVX-512 holds. Which copies it makes
is told by its log (ONEDNN_VERBOSE=1), how large they are is measured by `benchmarks/borrowed.py`. The scratch of each
thread, which is small, is left out.
"""

from math import prod

import torch
from torch import Tensor

from striate.cost.walk.events import Call

aten = torch.ops.aten

BLOCK, HALF_BLOCK = 16, 8  # channels
FEW = 3  # channels that stay as they are
NARROW = 3  # the widest kernel that oneDNN's own program for one channel a group takes in backward
SMALL = 20_480  # numbers of a single picture, up to which torch does without oneDNN


def borrowed(call: Call) -> int:
    """Bytes, besides arguments and results, at the moment when they are most; 0 for what is no convolution."""
    if call.operator is aten.convolution.default:
        given, weight = call.args[:2]
        return _forward(given, weight, call.outputs[0], *call.args[6:9:2]) if _asks(given, weight, call.args[8]) else 0
    if call.operator is aten.convolution_backward.default:
        gradient, given, weight = call.args[:3]
        asked = call.args[10][:2]
        return _backward(gradient, given, weight, call.args[9], *asked) if _asks(given, weight, call.args[9]) else 0
    return 0


def _asks(given: Tensor, weight: Tensor, groups: int) -> bool:
    """Whether torch asks oneDNN, with more threads than one (`ConvParams::use_mkldnn` in its Convolution.cpp)."""
    if not given.numel() or not weight.numel():
        return False
    if given.dtype == torch.bfloat16:
        return True
    large = given.shape[0] > 1 or given.numel() > SMALL
    return given.dtype == torch.float32 and (groups > 1 or large or min(weight.shape[-2:]) > NARROW)


def _forward(given: Tensor, weight: Tensor, result: Tensor, transposed: bool, groups: int) -> int:
    """Channels first: the picture, the weight and the result in blocks, then the result as it was asked for."""
    if _last(given) or _last(weight):
        return weight.nbytes + sum(each.nbytes for each in (given, weight) if not _suits(each))
    blocks = _in_blocks(result, weight, groups)
    reordered = _in_blocks(given, weight, groups) + _filled(weight, groups, last=False) + blocks - result.nbytes
    return _copied(given) + max(reordered, blocks * (2 if transposed else 1))


def _backward(gradient: Tensor, given: Tensor, weight: Tensor, groups: int, of_given: bool, of_weight: bool) -> int:
    """The gradient of the picture first, which is there when that of the weight is computed."""
    last = _last(given) or _last(weight)
    filled = _filled(weight, groups, last=last)
    summed = 2 * filled if weight.dtype == torch.bfloat16 else 0  # in float32
    if last:
        copies = sum(each.nbytes for each in (gradient, given, weight) if not _suits(each))
        if not of_weight:
            return copies + weight.nbytes
        return copies + max(filled + weight.nbytes, filled + summed - weight.nbytes)
    alive, tops = 0, [0]
    pictures = [_in_blocks(each, weight, groups) for each in (gradient, given)]
    if of_given:
        tops = [sum(pictures) + filled, pictures[1] + given.nbytes]
        alive = given.nbytes
    if of_weight:
        reordered = sum(pictures) if _reorders(weight, groups) else 0
        tops += [alive + reordered + filled + summed, alive + filled + weight.nbytes]
        alive += weight.nbytes
    return _copied(gradient) + _copied(given) + max(0, max(tops) - alive)


def _suits(tensor: Tensor) -> bool:
    """Whether it can be read with the channels last: one that has no axes but channels can be read either way."""
    layout = {4: torch.channels_last, 5: torch.channels_last_3d}.get(tensor.ndim)
    return layout is not None and tensor.is_contiguous(memory_format=layout)


def _last(tensor: Tensor) -> bool:
    return _suits(tensor) and not tensor.is_contiguous()


def _copied(tensor: Tensor) -> int:
    """A part of a larger tensor is copied before."""
    return 0 if tensor.is_contiguous() or _last(tensor) else tensor.nbytes


def _in_blocks(picture: Tensor, weight: Tensor, groups: int) -> int:
    """Its bytes with channels filled up to whole blocks, unless they are few or those of a group are less than one."""
    channels = picture.shape[1]
    if groups == 1 and channels <= FEW:
        return 0
    return picture.nbytes * _whole(channels) // channels if groups == 1 or _alone(weight, groups) else picture.nbytes


def _whole(channels: int) -> int:
    return -(-channels // BLOCK) * BLOCK


def _channels(weight: Tensor, groups: int) -> tuple[int, int]:
    """Of one group: a weight is (outputs, inputs / groups, ...), or transposed the other way round."""
    return weight.shape[0] // groups, weight.shape[1]


def _alone(weight: Tensor, groups: int) -> bool:
    return groups > 1 and _channels(weight, groups) == (1, 1)


def _reorders(weight: Tensor, groups: int) -> bool:
    """Whether the gradient of the weight is computed from blocks; else pictures are taken as they are."""
    if _alone(weight, groups):
        return weight.shape[-1] <= NARROW
    return groups == 1 or all(each % HALF_BLOCK == 0 for each in _channels(weight, groups))


def _filled(weight: Tensor, groups: int, *, last: bool) -> int:
    """Its bytes with channels filled up to whole blocks; 256 times as many for one a group, where they come last."""
    channels = _channels(weight, groups)
    plain = channels[1] <= FEW if groups == 1 else not last
    if plain or (_alone(weight, groups) and weight.shape[-1] <= NARROW):
        return weight.nbytes
    return weight.nbytes * prod(map(_whole, channels)) // prod(channels)
