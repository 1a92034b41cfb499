"""How views, slices and joins pass on what their inputs see: one small function per operator."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from striate.cost.field.seen import Atom, Seen, Unclear, is_placed, moved, only, reduced, regrouped, united

Look = Callable[[Tensor], Seen | None]  # None: it does not depend on the picture
Rule = Callable[[Sequence[Any], Mapping[str, Any], Sequence[Tensor], Look], "Seen | tuple[Seen | None, ...] | None"]
Args = Sequence[Any]
Kwargs = Mapping[str, Any]
Outs = Sequence[Tensor]


def tensors(args: Iterable[Any]) -> list[Tensor]:
    """The tensors among the arguments and in their lists."""
    found: list[Tensor] = []
    for each in args:
        if isinstance(each, Tensor):
            found.append(each)
        elif isinstance(each, (list, tuple)):
            found.extend(one for one in each if isinstance(one, Tensor))
    return found


def weighed(args: Args, look: Look) -> Seen:
    """The first argument; the others may not depend on the picture."""
    seen = look(args[0])
    if seen is None or any(look(each) is not None for each in tensors(args[1:])):
        raise Unclear("its weights or places depend on the picture")
    return seen


def view(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
    seen = look(args[0])
    return None if seen is None else regrouped(seen, outs[0].shape)


def permute(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
    seen = look(args[0])
    return None if seen is None else replace(seen, dimensions=tuple(seen.dimensions[at] for at in args[1]))


def transpose(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
    seen = look(args[0])
    if seen is None or len(seen.dimensions) < 2:
        return seen
    dimensions, (one, other) = list(seen.dimensions), args[1:3] or (0, 1)
    dimensions[one], dimensions[other] = dimensions[other], dimensions[one]
    return replace(seen, dimensions=tuple(dimensions))


def unsqueeze(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
    seen = look(args[0])
    if seen is None:
        return None
    at = args[1] % outs[0].ndim
    return replace(seen, dimensions=(*seen.dimensions[:at], (Atom(1),), *seen.dimensions[at:]))


def squeeze(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
    seen, ndim = look(args[0]), args[0].ndim
    if seen is None:
        return None
    wanted = range(ndim) if len(args) < 2 else [args[1]] if isinstance(args[1], int) else args[1]
    return reduced(seen, [at % ndim for at in wanted if args[0].shape[at] == 1], keep=False)


def expand(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
    seen = look(args[0])
    return None if seen is None else united([seen], outs[0].shape)


def slice_(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
    seen = look(args[0])
    if seen is None:
        return None
    at = (args[1] if len(args) > 1 else 0) % args[0].ndim
    start, step = (args[2] if len(args) > 2 else None) or 0, args[4] if len(args) > 4 else 1
    start = max(0, start + args[0].shape[at]) if start < 0 else start
    return _cut(seen, at, start, step, outs[0].shape[at])


def _cut(seen: Seen, at: int, start: int, step: int, size: int) -> Seen:
    dimensions = list(seen.dimensions)
    if is_placed(dimensions[at]) and (start, step) == (0, 1) and size == sum(a.length for a in dimensions[at]) == 1:
        return seen
    dimensions[at] = (moved(only(dimensions[at]), ((start,),), step, size),)
    return replace(seen, dimensions=tuple(dimensions))


def select(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen | None:
    seen = look(args[0])
    if seen is None:
        return None
    at, index = args[1] % args[0].ndim, args[2] % args[0].shape[args[1]]
    return reduced(_cut(seen, at, index, 1, 1), [at], keep=False)


def split(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> tuple[Seen | None, ...]:
    seen, start, parts = look(args[0]), 0, []
    at = (args[2] if len(args) > 2 else 0) % args[0].ndim
    for each in outs:
        parts.append(None if seen is None else _cut(seen, at, start, 1, each.shape[at]))
        start += each.shape[at]
    return tuple(parts)


def unbind(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> tuple[Seen | None, ...]:
    seen, at = look(args[0]), (args[1] if len(args) > 1 else 0) % args[0].ndim
    if seen is None:
        return (None,) * len(outs)
    return tuple(reduced(_cut(seen, at, index, 1, 1), [at], keep=False) for index in range(len(outs)))


def index_select(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
    seen, at = weighed(args, look), args[1] % args[0].ndim
    if is_placed(seen.dimensions[at]):
        raise Unclear("it picks rows or columns by number")
    return replace(seen, dimensions=(*seen.dimensions[:at], (Atom(outs[0].shape[at]),), *seen.dimensions[at + 1 :]))


def cat(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
    seen = [one for each in args[0] if (one := look(each)) is not None]
    at = (args[1] if len(args) > 1 else 0) % outs[0].ndim
    if any(len(one.dimensions) == outs[0].ndim and is_placed(one.dimensions[at]) for one in seen):
        raise Unclear("it puts rows or columns one after the other")
    size = outs[0].shape[at]
    parts = [replace(one, dimensions=(*one.dimensions[:at], (Atom(size),), *one.dimensions[at + 1 :])) for one in seen]
    return united(parts, outs[0].shape)


def stack(args: Args, kwargs: Kwargs, outs: Outs, look: Look) -> Seen:
    parts = [unsqueeze((each, *(args[1:2] or (0,))), {}, outs, look) for each in args[0]]
    return united([one for one in parts if one is not None], outs[0].shape)
