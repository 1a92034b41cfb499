"""What a rule is, and the ways to say that one costs so much an element."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from striate.cost.geometry import Geometry, geometry
from striate.cost.work import NONE, Term, Work, elementwise, work

Arguments = Sequence[Any]
Options = Mapping[str, Any]
Results = Sequence[Tensor]
Rule = Callable[[Arguments, Options, Results], Work]
aten = torch.ops.aten
Each = tuple[int, int, int]  # additions, comparisons, transcendental


def argument(args: Arguments, position: int, default: Any) -> Any:
    """The dispatcher leaves out what is the default."""
    return args[position] if len(args) > position else default


def nothing(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """No work: only a new name for a tensor, or numbers moved from one place to another."""
    return NONE


def each_result(additions: int = 0, comparisons: int = 0, transcendental: int = 0) -> Rule:
    """So many operations for each element of the first result."""

    def rule(args: Arguments, kwargs: Options, outputs: Results) -> Work:
        return elementwise(outputs[0].shape, additions, comparisons, transcendental)

    return rule


def each_given(additions: int = 0, comparisons: int = 0, transcendental: int = 0, *, position: int = 0) -> Rule:
    """So many operations for each element of one argument: scattering a gradient back where it came from."""

    def rule(args: Arguments, kwargs: Options, outputs: Results) -> Work:
        return elementwise(args[position].shape, additions, comparisons, transcendental)

    return rule


def each_row(element: Each, row: Each, *, axis_at: int = 1) -> Rule:
    """`element` for each number, `row` for each row along the axis that the argument `axis_at` names."""

    def rule(args: Arguments, kwargs: Options, outputs: Results) -> Work:
        shape = tuple(args[0].shape)
        axis = args[axis_at] % max(1, len(shape))
        return both(shape, element, shape[:axis] + shape[axis + 1 :], row)

    return rule


def both(first: Sequence[int], of_first: Each, second: Sequence[int], of_second: Each) -> Work:
    """So many operations for each element of one shape and of another; the second may be negative."""
    columns: list[list[Term]] = []
    for one, two in zip(of_first, of_second, strict=True):
        terms: list[Term] = [(first, (one,))] if one else []
        if two:
            terms.append((second, (two,)) if two > 0 else ((-1,), second, (-two,)))
        columns.append(terms)
    return work(additions=columns[0], comparisons=columns[1], transcendental=columns[2])


def operators(names: str, rule: Rule) -> dict[object, Rule]:
    """The rule for each of these operators of torch and for its in-place form, where there is one."""
    forms = (getattr(aten, form, None) for name in names.split() for form in (name, f"{name}_"))
    return {packet: rule for packet in forms if packet is not None}


def table(rules: Mapping[str, Rule]) -> dict[object, Rule]:
    """Names of operators, with spaces between -> their rule."""
    return {packet: rule for names, rule in rules.items() for packet in operators(names, rule)}


def sliding(names: str, rule: Callable[[Geometry, Arguments, Results], Work]) -> dict[object, Rule]:
    """For operators whose windows slide: a rule that is told how."""

    def told(packet: object) -> Rule:
        return lambda args, kwargs, outputs: rule(geometry(packet, args), args, outputs)

    return {packet: told(packet) for packet in operators(names, nothing)}
