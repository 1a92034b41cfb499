"""How views, slices and joins pass on what their inputs see: one small function per operator."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from striate.cost.field.seen import Atom, Dimension, Seen, Unclear, is_placed, moved, only, reduced, regrouped, united
from striate.cost.walk.events import Call

Look = Callable[[Tensor], Seen | None]  # None: it does not depend on the picture
Result = Seen | tuple[Seen | None, ...] | None  # of all outputs alike, or of each
Rule = Callable[[list[Seen], Call, Look], Result]  # told what those of the arguments see that depend on the picture


def alone(rule: Callable[[Seen, Call], Result]) -> Rule:
    """For operators whose first argument alone may depend on the picture: the rule is told what it sees."""

    def rule_of_all(found: list[Seen], call: Call, look: Look) -> Result:
        seen = look(call.args[0])
        if seen is None or len(found) > 1:
            raise Unclear("its weights or places depend on the picture")
        return rule(seen, call)

    return rule_of_all


def _transpose(seen: Seen, call: Call) -> Seen:
    if len(seen.dimensions) < 2:
        return seen
    dimensions, (one, other) = list(seen.dimensions), call.args[1:3] or (0, 1)
    dimensions[one], dimensions[other] = dimensions[other], dimensions[one]
    return replace(seen, dimensions=tuple(dimensions))


def _unsqueeze(seen: Seen, call: Call) -> Seen:
    at = call.argument(1, 0) % call.outputs[0].ndim
    return replace(seen, dimensions=(*seen.dimensions[:at], (Atom(1),), *seen.dimensions[at:]))


def _squeeze(seen: Seen, call: Call) -> Seen:
    ndim = call.args[0].ndim
    wanted = range(ndim) if len(call.args) < 2 else [call.args[1]] if isinstance(call.args[1], int) else call.args[1]
    return reduced(seen, [at % ndim for at in wanted if call.shape()[at] == 1], keep=False)


def _slice(seen: Seen, call: Call) -> Seen:
    at = call.argument(1, 0) % call.args[0].ndim
    start, step = call.argument(2, None) or 0, call.argument(4, 1)
    start = max(0, start + call.shape()[at]) if start < 0 else start
    return _cut(seen, at, start, step, call.result[at])


def _cut(seen: Seen, at: int, start: int, step: int, size: int) -> Seen:
    dimensions = list(seen.dimensions)
    if is_placed(dimensions[at]) and (start, step) == (0, 1) and size == sum(a.length for a in dimensions[at]) == 1:
        return seen
    dimensions[at] = (moved(only(dimensions[at]), ((start,),), step, size),)
    return replace(seen, dimensions=tuple(dimensions))


def _select(seen: Seen, call: Call) -> Seen:
    at, index = call.args[1] % call.args[0].ndim, call.args[2] % call.shape()[call.args[1]]
    return reduced(_cut(seen, at, index, 1, 1), [at], keep=False)


def _split(seen: Seen, call: Call) -> tuple[Seen, ...]:
    start, parts = 0, []
    at = call.argument(2, 0) % call.args[0].ndim
    for each in call.outputs:
        parts.append(_cut(seen, at, start, 1, each.shape[at]))
        start += each.shape[at]
    return tuple(parts)


def _unbind(seen: Seen, call: Call) -> tuple[Seen, ...]:
    at = call.argument(1, 0) % call.args[0].ndim
    return tuple(reduced(_cut(seen, at, index, 1, 1), [at], keep=False) for index in range(len(call.outputs)))


def _index_select(seen: Seen, call: Call) -> Seen:
    at = call.args[1] % call.args[0].ndim
    if is_placed(seen.dimensions[at]):
        raise Unclear("it picks rows or columns by number")
    return _with(seen, at, (Atom(call.result[at]),))


def _cat(found: list[Seen], call: Call, look: Look) -> Seen:
    at = call.argument(1, 0) % call.outputs[0].ndim
    if any(len(one.dimensions) == call.outputs[0].ndim and is_placed(one.dimensions[at]) for one in found):
        raise Unclear("it puts rows or columns one after the other")
    return united([_with(one, at, (Atom(call.result[at]),)) for one in found], call.result)


def _stack(found: list[Seen], call: Call, look: Look) -> Seen:
    return united([_unsqueeze(one, call) for one in found], call.result)


def _with(seen: Seen, at: int, dimension: Dimension) -> Seen:
    return replace(seen, dimensions=(*seen.dimensions[:at], dimension, *seen.dimensions[at + 1 :]))


VIEWS: Mapping[str, Rule] = {
    "view _unsafe_view _reshape_alias": alone(lambda seen, call: regrouped(seen, call.result)),
    "permute": alone(lambda seen, call: replace(seen, dimensions=tuple(seen.dimensions[at] for at in call.args[1]))),
    "transpose t": alone(_transpose),
    "unsqueeze": alone(_unsqueeze),
    "squeeze": alone(_squeeze),
    "expand": alone(lambda seen, call: united([seen], call.result)),
    "slice": alone(_slice),
    "select": alone(_select),
    "split split_with_sizes": alone(_split),
    "unbind": alone(_unbind),
    "index_select": alone(_index_select),
    "cat": _cat,
    "stack": _stack,
}
