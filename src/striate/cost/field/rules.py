"""How each operator passes on what its inputs see: one small function per operator."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch

from striate.cost.field import views
from striate.cost.field.seen import (
    Atom,
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
from striate.cost.field.views import Args, Kwargs, Look, Outs, Rule, tensors, weighed
from striate.cost.geometry import geometry

aten = torch.ops.aten


def combined(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
    """Element by element."""
    seen = [one for each in tensors((*args, *kwargs.values())) if (one := look(each)) is not None]
    return united(seen, outs[0].shape)


def _product(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
    return united([one for each in tensors(args) if (one := look(each)) is not None], outs[0].shape, product=True)


def _first(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
    """The same cells as the first argument, of the same shape."""
    if outs[0].shape != args[0].shape:
        raise Unclear("it changes the shape in a way that is not followed")
    return weighed(args, look)


def _copied(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
    source = look(args[1])
    return None if source is None else united([source], outs[0].shape)


def _constant(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> None:
    """Only the shape of the first argument is used."""
    if any(look(each) is not None for each in tensors(args[1:])):
        raise Unclear("it is filled with what depends on the picture")


# --- windows ----------------------------------------------------------------------------------------------------------


def _convolution(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
    how = geometry(aten.convolution, args)
    place = transposed if how.transposed else window
    return _mixed(args, outs, look, [place(*each) for each in how.along])


def _mixed(args: Args, outs: Outs, look: Look, places: Sequence[Places]) -> Seen:
    """Slid along the last dimensions, with all channels, the dimension before them, in every result."""
    shape = outs[0].shape
    channels = len(shape) - len(places) - 1
    return mixed(slid(weighed(args, look), places, shape), channels, shape[channels])


def _pool(operator: Any) -> Rule:
    def rule(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | tuple[Seen, ...]:
        along = geometry(operator, args).along
        out = slid(weighed(args, look), [window(*each) for each in along], outs[0].shape)
        return (out, replace(out, pooled=along)) if len(outs) > 1 else out

    return rule


def _unpool(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
    seen, indices = look(args[0]), look(args[1])
    if seen is None:
        return None
    if indices is None or not indices.pooled:
        raise Unclear("its indices do not come from a max pool of this network")
    places = [transposed(*each) for each in indices.pooled]
    return slid(seen, places, outs[0].shape)


def _adaptive_pool(axes: int) -> Rule:
    def rule(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
        seen, shape, given = weighed(args, look), outs[0].shape, args[0].shape
        whole = [at for at in range(len(shape) - axes, len(shape)) if shape[at] == 1 and given[at] > 1]
        seen = reduced(seen, whole, keep=True)
        places = [adaptive(1 if at in whole else given[at], shape[at]) for at in range(len(shape) - axes, len(shape))]
        return slid(seen, places, shape)

    return rule


def _upsample(axes: int, start: str, before: int, after: int, *, corners_at: int | None) -> Rule:
    """Where cell i lies: for `start` "floor" at i * ratio, "exact" at (i + 1/2) * ratio, "centre" at that - 1/2."""

    def rule(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
        seen, given, shape = weighed(args, look), args[0].shape[-axes:], outs[0].shape
        aligned = corners_at is not None and bool(args[corners_at])
        scales = list(args[(corners_at or 1) + 1 :]) or [None] * axes
        places = []
        for n, m, scale in zip(given, shape[-axes:], scales, strict=True):
            ratio = Fraction(n, m) if scale is None else 1 / Fraction(scale).limit_denominator(1 << 16)
            if aligned:
                places.append(resampled(Fraction(n - 1, max(1, m - 1)), Fraction(0), before, after))
                continue
            half = {"floor": Fraction(0), "exact": ratio / 2, "centre": ratio / 2 - Fraction(1, 2)}[start]
            places.append(resampled(ratio, half, before, after))
        single = [at - axes for at, n in enumerate(given) if n == 1]  # one cell, repeated: place is lost
        seen = reduced(seen, [at + len(seen.dimensions) for at in single], keep=True)
        return slid(seen, places, shape)

    return rule


def _pad(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
    """Constant or mirrored: the cells move; the border itself is ignored."""
    seen, padding = look(args[0]), args[1]
    if seen is None:
        return None
    dimensions = list(seen.dimensions)
    for back in range(1, len(padding) // 2 + 1):
        size = outs[0].shape[-back]
        if size != args[0].shape[-back]:
            dimensions[-back] = (moved(only(dimensions[-back]), ((-padding[2 * back - 2],),), 1, size),)
    return replace(seen, dimensions=tuple(dimensions))


def _pixel_shuffle(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
    return _mixed(args, outs, look, [(((0,),) * args[1], 1)] * 2)


def _pixel_unshuffle(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
    return _mixed(args, outs, look, [window(args[1], args[1])] * 2)


def _im2col(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
    seen = weighed(args, look)
    atoms = []
    for at, (kernel, stride, padding, dilation) in zip((-2, -1), geometry(aten.im2col, args).along, strict=True):
        size = (args[0].shape[at] + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        atoms.append(moved(only(seen.dimensions[at]), *window(kernel, stride, padding, dilation), size))
    seen = mixed(seen, len(seen.dimensions) - 3, outs[0].shape[-2])
    return replace(seen, dimensions=(*seen.dimensions[:-2], tuple(atoms)))


# --- sums -------------------------------------------------------------------------------------------------------------


def _reduction(at: int) -> Rule:
    """A sum, mean, maximum, norm: the dimensions are argument number `at`, whether to keep them follows."""

    def rule(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
        seen, ndim = look(args[0]), args[0].ndim
        if seen is None:
            return None
        over = args[at] if len(args) > at else kwargs.get("dim")
        over = list(range(ndim)) if over is None or over == [] else [over] if isinstance(over, int) else list(over)
        return reduced(seen, [each % ndim for each in over], keep=len(over) > 0 and outs[0].ndim == ndim)

    return rule


def _softmax(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
    seen = look(args[0])
    return None if seen is None else replace(seen, always=collapsed(seen.always, seen.dimensions[args[1]]))


def _normalised(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> tuple[Seen | None, ...]:
    """Statistics over height and width scale every cell alike: a gate."""
    seen = weighed(args, look)
    over = seen.dimensions[-len(args[1]) :] if isinstance(args[1], (list, tuple)) else seen.dimensions
    return (replace(seen, gated=seen.gated or any(map(is_placed, over))), *(None for _ in outs[1:]))


def _batch_norm(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> tuple[Seen | None, ...]:
    """Statistics of the batch are not what a cell sees; those of one picture, as instance norm takes them, gate it."""
    seen = weighed(args, look)
    by_picture = len(args) > 5 and args[5] is True and args[0].shape[0] == 1 and args[3] is None
    return (replace(seen, gated=True) if by_picture else seen, *(None for _ in outs[1:]))


def _alike(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> tuple[Seen | None, ...]:
    """What acts on each element alone, or on all that the batch has alike."""
    return (weighed(args, look), *(None for _ in outs[1:]))


def _matmul(left_at: int) -> Rule:
    """(..., rows, inner) times (..., inner, columns)."""

    def rule(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
        left, right = look(args[left_at]), look(args[left_at + 1])
        if left_at and look(args[0]) is not None:
            raise Unclear("what is added to the product depends on the picture")
        found = [each for each in (left, right) if each is not None]
        always = tuple(hull(pair) for pair in zip(*(each.always for each in found), strict=True))
        dimensions = list(plain(outs[0].shape))
        if left is not None:
            dimensions[:-1] = left.dimensions[:-1]
            always = collapsed(always, left.dimensions[-1])
        if right is not None:
            dimensions[-1] = right.dimensions[-1]
            always = collapsed(always, right.dimensions[-2])
            dimensions[:-2] = [_either(*pair) for pair in zip(dimensions[:-2], right.dimensions[:-2], strict=True)]
        return Seen(tuple(dimensions), always, any(each.gated for each in found))

    return rule


def _either(one: tuple[Atom, ...], other: tuple[Atom, ...]) -> tuple[Atom, ...]:
    if is_placed(one) and is_placed(other) and one != other:
        raise Unclear("it multiplies cells of different places")
    return one if is_placed(one) else other


def _glu(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
    seen, at = weighed(args, look), (args[1] if len(args) > 1 else -1) % args[0].ndim
    if is_placed(seen.dimensions[at]):
        raise Unclear("it splits height or width")
    return mixed(seen, at, outs[0].shape[at])


def _table() -> dict[Any, Rule]:
    alike = "hardswish hardswish_ mish_ rrelu_with_noise rrelu_with_noise_ log_sigmoid_forward native_dropout"
    same = "clone detach alias lift_fresh _to_copy contiguous as_strided_ _prelu_kernel resolve_conj lift"
    constant = "new_zeros new_empty new_ones new_full zeros_like ones_like full_like empty_like rand_like randn_like"
    rules: dict[Any, Rule] = {
        aten.convolution: _convolution,
        aten._adaptive_avg_pool2d: _adaptive_pool(2),
        aten._adaptive_avg_pool3d: _adaptive_pool(3),
        aten.adaptive_max_pool2d: _adaptive_pool(2),
        aten.adaptive_max_pool3d: _adaptive_pool(3),
        aten.max_unpool2d: _unpool,
        aten.max_unpool3d: _unpool,
        aten.pixel_shuffle: _pixel_shuffle,
        aten.pixel_unshuffle: _pixel_unshuffle,
        aten.im2col: _im2col,
        aten.permute: views.permute,
        aten.transpose: views.transpose,
        aten.t: views.transpose,
        aten.unsqueeze: views.unsqueeze,
        aten.squeeze: views.squeeze,
        aten.expand: views.expand,
        aten.slice: views.slice_,
        aten.select: views.select,
        aten.split: views.split,
        aten.split_with_sizes: views.split,
        aten.unbind: views.unbind,
        aten.index_select: views.index_select,
        aten.cat: views.cat,
        aten.stack: views.stack,
        aten.copy_: _copied,
        aten.native_batch_norm: _batch_norm,
        aten._native_batch_norm_legit: _batch_norm,
        aten._native_batch_norm_legit_no_training: _alike,
        aten.native_layer_norm: _normalised,
        aten.native_group_norm: _normalised,
        aten._softmax: _softmax,
        aten._safe_softmax: _softmax,
        aten._log_softmax: _softmax,
        aten.mm: _matmul(0),
        aten.bmm: _matmul(0),
        aten.mv: _matmul(0),
        aten.addmm: _matmul(1),
        aten.baddbmm: _matmul(1),
        aten.linalg_vector_norm: _reduction(2),
        aten.norm: _reduction(2),
        aten.glu: _glu,
    }
    pools = (aten.avg_pool2d, aten.avg_pool3d, aten.max_pool2d_with_indices, aten.max_pool3d_with_indices)
    rules.update({pool: _pool(pool) for pool in pools})
    rules.update(dict.fromkeys((aten.mul, aten.mul_, aten.div, aten.div_), _product))
    rules.update(dict.fromkeys((aten.view, aten._unsafe_view, aten._reshape_alias), views.view))
    rules.update(dict.fromkeys((aten.constant_pad_nd, *_named("{}_pad{}d", ("reflection", "replication"))), _pad))
    rules.update({getattr(aten, name): _first for name in same.split()})
    rules.update({getattr(aten, name): _alike for name in alike.split()})
    rules.update({getattr(aten, name): _constant for name in (*constant.split(), "zero_", "fill_", "bernoulli_")})
    for name in ("sum", "mean", "amax", "amin", "max", "min", "var", "std", "argmax", "argmin", "logsumexp", "prod"):
        rules[getattr(aten, name)] = _reduction(1)
    for axes, linear in ((1, "linear"), (2, "bilinear"), (3, "trilinear")):
        rules[getattr(aten, f"upsample_nearest{axes}d")] = _upsample(axes, "floor", 0, 0, corners_at=None)
        rules[getattr(aten, f"_upsample_nearest_exact{axes}d")] = _upsample(axes, "exact", 0, 0, corners_at=None)
        rules[getattr(aten, f"upsample_{linear}{axes}d")] = _upsample(axes, "centre", 0, 1, corners_at=2)
    rules[aten.upsample_bicubic2d] = _upsample(2, "centre", 1, 2, corners_at=2)
    return rules


def _named(pattern: str, names: Iterable[str]) -> list[Any]:
    return [getattr(aten, pattern.format(name, axes)) for name in names for axes in (1, 2, 3)]


RULES: Mapping[Any, Rule] = _table()


def passed_on(operator: Any, args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> tuple[Seen | None, ...]:
    """What each output sees. Raises `Unclear` where it cannot be told."""
    rule = RULES.get(operator.overloadpacket)
    if rule is None and torch.Tag.pointwise in operator.tags:
        rule = combined
    if rule is not _constant and rule is not _copied:
        found = [one for each in tensors((*args, *kwargs.values())) if (one := look(each)) is not None]
        if not found:
            return (None,) * len(outs)
        if not any(is_placed(dimension) for one in found for dimension in one.dimensions):
            always = tuple(hull(pair) for pair in zip(*(one.always for one in found), strict=True))
            gated = any(one.gated for one in found)
            return tuple(Seen(plain(each.shape), always, gated) for each in outs)
    if rule is None:
        raise Unclear(f"no rule says what a cell sees after {operator}")
    out = rule(args, kwargs, outs, look)
    return out if isinstance(out, tuple) else (out,) * len(outs)
