"""How each operator passes on what its inputs see: one small function per operator."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch

from striate.cost.field.seen import (
    Dimension,
    Seen,
    Unclear,
    collapsed,
    is_placed,
    mixed,
    moved,
    only,
    plain,
    reduced,
    slid,
    united,
)
from striate.cost.field.steps import Places, adaptive, hull, resampled, transposed, window
from striate.cost.field.views import VIEWS, Look, Rule, alone
from striate.cost.geometry import geometry
from striate.cost.walk.events import Call, tensors

aten = torch.ops.aten


def _first(seen: Seen, call: Call) -> Seen:
    """The same cells as the first argument, of the same shape."""
    if call.result != call.shape():
        raise Unclear("it changes the shape in a way that is not followed")
    return seen


def _copied(call: Call, look: Look) -> Seen | None:
    source = look(call.args[1])
    return None if source is None else united([source], call.result)


def _constant(call: Call, look: Look) -> None:
    """Only the shape of the first argument is used."""
    if any(look(each) is not None for each in tensors(call.args[1:])):
        raise Unclear("it is filled with what depends on the picture")


def _product(found: list[Seen], call: Call, look: Look) -> Seen:
    return united(found, call.result, product=True)


# --- windows ----------------------------------------------------------------------------------------------------------


def _convolution(seen: Seen, call: Call) -> Seen:
    how = geometry(call)
    place = transposed if how.transposed else window
    return _mixed(seen, call, [place(*each) for each in how.along])


def _mixed(seen: Seen, call: Call, places: Sequence[Places]) -> Seen:
    """Slid along the last dimensions, with all channels, the dimension before them, in every result."""
    shape = call.result
    channels = len(shape) - len(places) - 1
    return mixed(slid(seen, places, shape), channels, shape[channels])


def _pool(seen: Seen, call: Call) -> Seen | tuple[Seen, ...]:
    along = geometry(call).along
    out = slid(seen, [window(*each) for each in along], call.result)
    return (out, replace(out, pooled=along)) if len(call.outputs) > 1 else out


def _unpool(found: list[Seen], call: Call, look: Look) -> Seen | None:
    seen, indices = look(call.args[0]), look(call.args[1])
    if seen is None:
        return None
    if indices is None or not indices.pooled:
        raise Unclear("its indices do not come from a max pool of this network")
    return slid(seen, [transposed(*each) for each in indices.pooled], call.result)


def _adaptive_pool(axes: int) -> Rule:
    def rule(seen: Seen, call: Call) -> Seen:
        shape, given = call.result, call.shape()
        last = range(len(shape) - axes, len(shape))
        whole = [at for at in last if shape[at] == 1 and given[at] > 1]
        places = [adaptive(1 if at in whole else given[at], shape[at]) for at in last]
        return slid(reduced(seen, whole, keep=True), places, shape)

    return alone(rule)


def _upsample(axes: int, start: str, before: int, after: int, *, corners_at: int | None = None) -> Rule:
    """Where cell i lies: for `start` "floor" at i * ratio, "exact" at (i + 1/2) * ratio, "centre" at that - 1/2."""

    def rule(seen: Seen, call: Call) -> Seen:
        given, shape = call.shape()[-axes:], call.result
        aligned = corners_at is not None and bool(call.args[corners_at])
        scales = list(call.args[(corners_at or 1) + 1 :]) or [None] * axes
        places = []
        for n, m, scale in zip(given, shape[-axes:], scales, strict=True):
            ratio = Fraction(n, m) if scale is None else 1 / Fraction(scale).limit_denominator(1 << 16)
            if aligned:
                places.append(resampled(Fraction(n - 1, max(1, m - 1)), Fraction(0), before, after))
                continue
            half = {"floor": Fraction(0), "exact": ratio / 2, "centre": ratio / 2 - Fraction(1, 2)}[start]
            places.append(resampled(ratio, half, before, after))
        single = [at - axes for at, n in enumerate(given) if n == 1]  # one cell, repeated: place is lost
        return slid(reduced(seen, [at + len(seen.dimensions) for at in single], keep=True), places, shape)

    return alone(rule)


def _pad(seen: Seen, call: Call) -> Seen:
    """Constant or mirrored: the cells move; the border itself is ignored."""
    dimensions, padding = list(seen.dimensions), call.args[1]
    for back in range(1, len(padding) // 2 + 1):
        size = call.result[-back]
        if size != call.shape()[-back]:
            dimensions[-back] = (moved(only(dimensions[-back]), ((-padding[2 * back - 2],),), 1, size),)
    return replace(seen, dimensions=tuple(dimensions))


def _im2col(seen: Seen, call: Call) -> Seen:
    atoms = []
    for at, (kernel, stride, padding, dilation) in zip((-2, -1), geometry(call).along, strict=True):
        size = (call.shape()[at] + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        atoms.append(moved(only(seen.dimensions[at]), *window(kernel, stride, padding, dilation), size))
    seen = mixed(seen, len(seen.dimensions) - 3, call.result[-2])
    return replace(seen, dimensions=(*seen.dimensions[:-2], tuple(atoms)))


# --- sums -------------------------------------------------------------------------------------------------------------


def _reduction(at: int) -> Rule:
    """A sum, mean, maximum, norm: the dimensions are argument number `at`, whether to keep them follows."""

    def rule(seen: Seen, call: Call) -> Seen:
        ndim, over = call.args[0].ndim, call.argument(at, None)
        over = list(range(ndim)) if over is None or over == [] else [over] if isinstance(over, int) else list(over)
        return reduced(seen, [each % ndim for each in over], keep=len(over) > 0 and call.outputs[0].ndim == ndim)

    return alone(rule)


def _softmax(seen: Seen, call: Call) -> Seen:
    return replace(seen, always=collapsed(seen.always, seen.dimensions[call.args[1]]))


def _normalised(seen: Seen, call: Call) -> tuple[Seen | None, ...]:
    """Statistics over height and width scale every cell alike: a gate."""
    over = seen.dimensions[-len(call.args[1]) :] if isinstance(call.args[1], (list, tuple)) else seen.dimensions
    return _alike(replace(seen, gated=seen.gated or any(map(is_placed, over))), call)


def _batch_norm(seen: Seen, call: Call) -> tuple[Seen | None, ...]:
    """Statistics of the batch are not what a cell sees; those of one picture, as instance norm takes them, gate it."""
    by_picture = len(call.args) > 5 and call.args[5] is True and call.shape()[0] == 1 and call.args[3] is None
    return _alike(replace(seen, gated=True) if by_picture else seen, call)


def _alike(seen: Seen, call: Call) -> tuple[Seen | None, ...]:
    """What acts on each element alone, or on all that the batch has alike."""
    return (seen, *(None for _ in call.outputs[1:]))


def _matmul(left_at: int) -> Rule:
    """(..., rows, inner) times (..., inner, columns)."""

    def rule(found: list[Seen], call: Call, look: Look) -> Seen:
        left, right = look(call.args[left_at]), look(call.args[left_at + 1])
        if left_at and look(call.args[0]) is not None:
            raise Unclear("what is added to the product depends on the picture")
        always = tuple(hull(pair) for pair in zip(*(each.always for each in found), strict=True))
        dimensions = list(plain(call.result))
        if left is not None:
            dimensions[:-1] = left.dimensions[:-1]
            always = collapsed(always, left.dimensions[-1])
        if right is not None:
            dimensions[-1] = right.dimensions[-1]
            always = collapsed(always, right.dimensions[-2])
            dimensions[:-2] = [_either(*pair) for pair in zip(dimensions[:-2], right.dimensions[:-2], strict=True)]
        return Seen(tuple(dimensions), always, any(each.gated for each in found))

    return rule


def _either(one: Dimension, other: Dimension) -> Dimension:
    if is_placed(one) and is_placed(other) and one != other:
        raise Unclear("it multiplies cells of different places")
    return one if is_placed(one) else other


def _glu(seen: Seen, call: Call) -> Seen:
    at = call.argument(1, -1) % call.args[0].ndim
    if is_placed(seen.dimensions[at]):
        raise Unclear("it splits height or width")
    return mixed(seen, at, call.result[at])


# --- the table --------------------------------------------------------------------------------------------------------

RULES_BY_NAME: Mapping[str, Rule] = {
    **VIEWS,
    "clone detach alias lift_fresh _to_copy contiguous as_strided_ _prelu_kernel resolve_conj lift": alone(_first),
    "mul mul_ div div_": _product,
    "convolution": alone(_convolution),
    "avg_pool2d avg_pool3d max_pool2d_with_indices max_pool3d_with_indices": alone(_pool),
    "max_unpool2d max_unpool3d": _unpool,
    "_adaptive_avg_pool2d adaptive_max_pool2d": _adaptive_pool(2),
    "_adaptive_avg_pool3d adaptive_max_pool3d": _adaptive_pool(3),
    **{f"upsample_nearest{axes}d": _upsample(axes, "floor", 0, 0) for axes in (1, 2, 3)},
    **{f"_upsample_nearest_exact{axes}d": _upsample(axes, "exact", 0, 0) for axes in (1, 2, 3)},
    "upsample_linear1d": _upsample(1, "centre", 0, 1, corners_at=2),
    "upsample_bilinear2d": _upsample(2, "centre", 0, 1, corners_at=2),
    "upsample_trilinear3d": _upsample(3, "centre", 0, 1, corners_at=2),
    "upsample_bicubic2d": _upsample(2, "centre", 1, 2, corners_at=2),
    "constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d": alone(_pad),
    "replication_pad1d replication_pad2d replication_pad3d": alone(_pad),
    "pixel_shuffle": alone(lambda seen, call: _mixed(seen, call, [(((0,),) * call.args[1], 1)] * 2)),
    "pixel_unshuffle": alone(lambda seen, call: _mixed(seen, call, [window(call.args[1], call.args[1])] * 2)),
    "im2col": alone(_im2col),
    "sum mean amax amin max min var std argmax argmin logsumexp prod": _reduction(1),
    "linalg_vector_norm norm": _reduction(2),
    "_softmax _safe_softmax _log_softmax": alone(_softmax),
    "native_layer_norm native_group_norm": alone(_normalised),
    "native_batch_norm _native_batch_norm_legit": alone(_batch_norm),
    "_native_batch_norm_legit_no_training native_dropout log_sigmoid_forward": alone(_alike),
    "hardswish hardswish_ mish_ rrelu_with_noise rrelu_with_noise_": alone(_alike),
    "mm bmm mv": _matmul(0),
    "addmm baddbmm": _matmul(1),
    "glu": alone(_glu),
}
RULES: Mapping[Any, Rule] = {
    getattr(aten, name): rule for names, rule in RULES_BY_NAME.items() for name in names.split()
}
# What of the first argument is only the shape.
FILLED = """
    new_zeros new_empty new_ones new_full zeros_like ones_like full_like empty_like rand_like randn_like zero_ fill_
    bernoulli_
"""
WRITTEN = {aten.copy_: _copied, **{getattr(aten, name): _constant for name in FILLED.split()}}


def passed_on(call: Call, look: Look) -> tuple[Seen | None, ...]:
    """What each output sees. Raises `Unclear` where it cannot be told."""
    if call.packet in WRITTEN:
        return (WRITTEN[call.packet](call, look),) * len(call.outputs)
    found = [one for each in call.tensors() if (one := look(each)) is not None]
    if not found:
        return (None,) * len(call.outputs)
    if not any(is_placed(dimension) for one in found for dimension in one.dimensions):
        always = tuple(hull(pair) for pair in zip(*(one.always for one in found), strict=True))
        gated = any(one.gated for one in found)
        return tuple(Seen(plain(each.shape), always, gated) for each in call.outputs)
    rule = RULES.get(call.packet)
    if rule is not None:
        out = rule(found, call, look)
    elif torch.Tag.pointwise in call.operator.tags:  # element by element
        out = united(found, call.result)
    else:
        raise Unclear(f"no rule says what a cell sees after {call.operator}")
    return out if isinstance(out, tuple) else (out,) * len(call.outputs)
