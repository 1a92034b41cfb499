"""What a rule is, and the ways to say that one costs so much an element."""

from collections.abc import Callable, Mapping, Sequence

import torch

from striate.cost.walk.events import Call
from striate.cost.work import NONE, Term, Work, elementwise, work

Rule = Callable[[Call], Work]
aten = torch.ops.aten
Each = tuple[int, int, int]  # additions, comparisons, transcendental


def nothing(call: Call) -> Work:
    """No work: only a new name for a tensor, or numbers moved from one place to another."""
    return NONE


def each_result(additions: int = 0, comparisons: int = 0, transcendental: int = 0) -> Rule:
    """So many operations for each element of the first result."""
    return lambda call: elementwise(call.result, additions, comparisons, transcendental)


def each_given(additions: int = 0, comparisons: int = 0, transcendental: int = 0, *, position: int = 0) -> Rule:
    """So many operations for each element of one argument: scattering a gradient back where it came from."""
    return lambda call: elementwise(call.shape(position), additions, comparisons, transcendental)


def each_row(element: Each, row: Each, *, axis_at: int = 1) -> Rule:
    """`element` for each number, `row` for each row along the axis that the argument `axis_at` names."""

    def rule(call: Call) -> Work:
        shape = call.shape()
        axis = call.args[axis_at] % max(1, len(shape))
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


def halvings(size: int) -> int:
    """The logarithm to base 2, rounded up; 0 for a row of nothing."""
    return max(0, size - 1).bit_length()


def operators(names: str, rule: Rule) -> dict[object, Rule]:
    """The rule for each of these operators of torch and for its in-place form, where there is one."""
    forms = (getattr(aten, form, None) for name in names.split() for form in (name, f"{name}_"))
    return {packet: rule for packet in forms if packet is not None}


def table(rules: Mapping[str, Rule]) -> dict[object, Rule]:
    """Names of operators, with spaces between -> their rule."""
    return {packet: rule for names, rule in rules.items() for packet in operators(names, rule)}
