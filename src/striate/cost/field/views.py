"""How views, slices and joins pass on what their inputs see: one small function per operator."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from striate.cost.field.seen import Atom, Dimension, Seen, Unclear, is_placed, moved, only, reduced, regrouped, united
from striate.cost.walk.trace import tensors

Args = Sequence[Any]
Outs = Sequence[Tensor]
Look = Callable[[Tensor], Seen | None]  # None: it does not depend on the picture
Result = Seen | tuple[Seen | None, ...] | None  # of all outputs alike, or of each
Rule = Callable[[Args, Outs, Look], Result]


def looked(args: Iterable[Any], look: Look) -> list[Seen]:
    """What those of the arguments see that depend on the picture."""
    return [one for each in tensors(args) if (one := look(each)) is not None]


def alone(rule: Callable[[Seen, Args, Outs], Result]) -> Rule:
    """For operators whose first argument alone may depend on the picture: the rule is told what it sees."""

    def rule_of_all(args: Args, outs: Outs, look: Look) -> Result:
        seen = look(args[0])
        if seen is None or looked(args[1:], look):
            raise Unclear("its weights or places depend on the picture")
        return rule(seen, args, outs)

    return rule_of_all


def together(rule: Callable[[list[Seen], Args, Outs], Result]) -> Rule:
    """For operators that join what depends on the picture: the rule is told what each of that sees."""
    return lambda args, outs, look: rule(looked(args, look), args, outs)


def _transpose(seen: Seen, args: Args, outs: Outs) -> Seen:
    if len(seen.dimensions) < 2:
        return seen
    dimensions, (one, other) = list(seen.dimensions), args[1:3] or (0, 1)
    dimensions[one], dimensions[other] = dimensions[other], dimensions[one]
    return replace(seen, dimensions=tuple(dimensions))


def _unsqueeze(seen: Seen, args: Args, outs: Outs) -> Seen:
    at = args[1] % outs[0].ndim
    return replace(seen, dimensions=(*seen.dimensions[:at], (Atom(1),), *seen.dimensions[at:]))


def _squeeze(seen: Seen, args: Args, outs: Outs) -> Seen:
    ndim = args[0].ndim
    wanted = range(ndim) if len(args) < 2 else [args[1]] if isinstance(args[1], int) else args[1]
    return reduced(seen, [at % ndim for at in wanted if args[0].shape[at] == 1], keep=False)


def _slice(seen: Seen, args: Args, outs: Outs) -> Seen:
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


def _select(seen: Seen, args: Args, outs: Outs) -> Seen:
    at, index = args[1] % args[0].ndim, args[2] % args[0].shape[args[1]]
    return reduced(_cut(seen, at, index, 1, 1), [at], keep=False)


def _split(seen: Seen, args: Args, outs: Outs) -> tuple[Seen, ...]:
    start, parts = 0, []
    at = (args[2] if len(args) > 2 else 0) % args[0].ndim
    for each in outs:
        parts.append(_cut(seen, at, start, 1, each.shape[at]))
        start += each.shape[at]
    return tuple(parts)


def _unbind(seen: Seen, args: Args, outs: Outs) -> tuple[Seen, ...]:
    at = (args[1] if len(args) > 1 else 0) % args[0].ndim
    return tuple(reduced(_cut(seen, at, index, 1, 1), [at], keep=False) for index in range(len(outs)))


def _index_select(seen: Seen, args: Args, outs: Outs) -> Seen:
    at = args[1] % args[0].ndim
    if is_placed(seen.dimensions[at]):
        raise Unclear("it picks rows or columns by number")
    return _with(seen, at, (Atom(outs[0].shape[at]),))


def _cat(found: list[Seen], args: Args, outs: Outs) -> Seen:
    at = (args[1] if len(args) > 1 else 0) % outs[0].ndim
    if any(len(one.dimensions) == outs[0].ndim and is_placed(one.dimensions[at]) for one in found):
        raise Unclear("it puts rows or columns one after the other")
    return united([_with(one, at, (Atom(outs[0].shape[at]),)) for one in found], outs[0].shape)


def _stack(found: list[Seen], args: Args, outs: Outs) -> Seen:
    return united([_unsqueeze(one, (None, *(args[1:2] or (0,))), outs) for one in found], outs[0].shape)


def _with(seen: Seen, at: int, dimension: Dimension) -> Seen:
    return replace(seen, dimensions=(*seen.dimensions[:at], dimension, *seen.dimensions[at + 1 :]))


VIEWS: Mapping[str, Rule] = {
    "view _unsafe_view _reshape_alias": alone(lambda seen, args, outs: regrouped(seen, outs[0].shape)),
    "permute": alone(lambda seen, args, outs: replace(seen, dimensions=tuple(seen.dimensions[at] for at in args[1]))),
    "transpose t": alone(_transpose),
    "unsqueeze": alone(_unsqueeze),
    "squeeze": alone(_squeeze),
    "expand": alone(lambda seen, args, outs: united([seen], outs[0].shape)),
    "slice": alone(_slice),
    "select": alone(_select),
    "split split_with_sizes": alone(_split),
    "unbind": alone(_unbind),
    "index_select": alone(_index_select),
    "cat": together(_cat),
    "stack": together(_stack),
}
