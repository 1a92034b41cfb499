"""What one operator does, as sums of products of its sizes: a number and its reason are the same thing.

The formulas here work on whole numbers and, where they are arithmetic (convolution, matrix products, attention, one
operation an element), on symbols as well.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from operator import add, attrgetter
from typing import Any

Sizes = Sequence[int]
Term = tuple[Sizes, ...]  # groups of factors, as in 55*55*96 * 11*11*3; a first group (-1,) subtracts


def _column(head: str, said: str = "") -> int:
    """A number with the head of its column, and what its formula is said to be of where that is more."""
    return field(default=0, metadata={"head": head, "said": said or head})


@dataclass(frozen=True, slots=True)
class Operations:
    """What is counted of one operator, or of many.

    - `macs`: multiply-adds of convolutions, linear layers and matrix products; zero padding is multiplied too.
    - `macs_valid`: those of them whose input is not zero padding, or, in a transposed convolution, whose output is
      kept: the rest is the price of padding.
    - `additions`: every other addition, subtraction, multiplication or division of two numbers, a bias included.
    - `comparisons`: a larger or smaller of two numbers, or a number against a bound.
    - `transcendental`: exponential, logarithm, root, power, error function, hyperbolic tangent ...
    """

    macs: int = _column("multiply-adds")
    macs_valid: int = _column("without padding", "multiply-adds on what is not padding")
    additions: int = _column("additions")
    comparisons: int = _column("comparisons")
    transcendental: int = _column("transcendental")


@dataclass(frozen=True, slots=True)
class Tally(Operations):
    """Operations, and bytes of the tensors that operators read and wrote, each operator by itself, without a cache."""

    bytes_read: int = _column("bytes read")
    bytes_written: int = _column("bytes written")

    def __add__(self, other: "Tally") -> "Tally":
        return total((self, other))


OPERATIONS = {each.name: str(each.metadata["head"]) for each in fields(Operations)}  # column -> head
TALLY = tuple(each.name for each in fields(Tally))
_SAID = {each.name: each.metadata["said"] for each in fields(Operations)}
_operations, tally_of = attrgetter(*OPERATIONS), attrgetter(*TALLY)


@dataclass(frozen=True, slots=True)
class Work(Operations):
    """The operations of one operator, and the terms that they are the sums of, by column."""

    terms: tuple[tuple[str, Term], ...] = ()

    def __add__(self, other: "Work") -> "Work":
        sums = dict(zip(OPERATIONS, map(add, _operations(self), _operations(other)), strict=True))
        return Work(**sums, terms=self.terms + other.terms)

    def scaled(self, *, macs: int, others: int) -> "Work":
        """So many times the multiply-adds, and so many times everything else; the formulas begin with the factor."""
        times = {name: macs if name.startswith("macs") else others for name in OPERATIONS}
        return work(**{name: [_times(times[name], term) for own, term in self.terms if own == name] for name in times})

    @property
    def why(self) -> str:
        """Each column that is not 0 as a formula with its numbers filled in, one a line."""
        lines = []
        for column, said in _SAID.items():
            terms = [term for name, term in self.terms if name == column]
            value = getattr(self, column)
            if terms and not (column == "macs_valid" and value == self.macs):
                lines.append(f"{said}: {_formula(terms)} = {value:,}")
        return "\n".join(lines)


NOTHING = (0,) * len(OPERATIONS)


def summed(works: Iterable[Operations]) -> tuple[Any, ...]:
    """The operations of all of them, column by column."""
    columns = [_operations(each) for each in works]
    return columns[0] if len(columns) == 1 else tuple(map(sum, zip(NOTHING, *columns, strict=True)))


def total(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    parts = list(tallies)
    return parts[0] if len(parts) == 1 else Tally(*map(sum, zip(*map(tally_of, parts), strict=True)))


NONE = Work()


def work(**columns: Iterable[Term]) -> Work:
    """The work whose columns are the sums of these terms."""
    terms, sums = [], {}
    for column, given in columns.items():
        total = 0
        for term in given:
            terms.append((column, term))
            product = 1
            for group in term:
                for factor in group:
                    product *= factor
            total += product
        sums[column] = total
    return Work(**sums, terms=tuple(terms))


def elementwise(shape: Sizes, additions: int = 0, comparisons: int = 0, transcendental: int = 0) -> Work:
    """So many operations for each element of `shape`."""
    given = {"additions": additions, "comparisons": comparisons, "transcendental": transcendental}
    return work(**{column: [(shape, (each,)) if each != 1 else (shape,)] for column, each in given.items() if each})


def convolution(
    given: Sizes,
    weight: Sizes,
    result: Sizes,
    *,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool = False,
    bias: bool = False,
    products: int = 1,
) -> Work:
    """A convolution (n, c, ...) -> (n, o, ...) with a weight (o, c / groups, ...), or (c, o / groups, ...) transposed.

    Each number of the smaller-stepped side (the output; transposed, the input) meets `prod(weight[1:])` weights.
    `products` is 2 for a backward pass that asks for both gradients: each costs what the forward pass costs.
    """
    steps = given if transposed else result
    macs = ((steps[0],), (*steps[2:], weight[0]), (*weight[2:], weight[1]))
    axes = zip(given[2:], result[2:], weight[2:], stride, padding, dilation, strict=True)
    if all(isinstance(each, int) for each in (*given[2:], *result[2:])):
        taps = [_taps(o, i, k, s, p, d) if transposed else _taps(i, o, k, s, p, d) for i, o, k, s, p, d in axes]
        valid: Term = ((steps[0],), taps, (weight[0], weight[1]))
    else:
        valid = macs
    return work(
        macs=[macs] * products,
        macs_valid=[valid] * products,
        additions=[((result[0],), (*result[2:], result[1]))][: int(bias)],
    )


def matmul(rows: Any, inner: Any, columns: Any, *, times: Any = 1, bias: bool = False) -> Work:
    """`times` products of (rows, inner) with (inner, columns); with a bias, one addition for each result."""
    macs: Term = ((times,), (rows, columns), (inner,))
    return work(macs=[macs], macs_valid=[macs], additions=[((times,), (rows, columns))][: int(bias)])


def attention(query: Sizes, key: Sizes, value: Sizes, *, backward: bool = False) -> Work:
    """softmax(query key^T / sqrt(e)) value, for (..., l, e), (..., s, e), (..., s, v); nothing is skipped for a mask.

    Backward computes the softmax again, then the gradients of value, softmax, query and key: five products.
    """
    heads, long, short = tuple(query[:-2]), query[-2], key[-2]
    scores = (*heads, long, short)
    width, out, rows = query[-1], value[-1], (*heads, long)
    macs: list[Term] = [(scores, (width,)), (scores, (out,))]
    if backward:
        macs = [*macs, (scores, (width,)), (scores, (width,)), (scores, (out,))]
        spared: list[Term] = [(scores, (5,)), (rows, (2, out)), ((-1,), rows)]
        return work(macs=macs, macs_valid=macs, additions=spared, transcendental=[(scores,)])
    additions: list[Term] = [(scores, (4,)), ((-1,), rows)]  # scale, subtract the largest, add up, divide
    compared: list[Term] = [(scores,), ((-1,), rows)]
    return work(macs=macs, macs_valid=macs, additions=additions, comparisons=compared, transcendental=[(scores,)])


def windows(given: Sizes, result: Sizes, along: Sequence[tuple[int, int, int, int]]) -> Term:
    """How many inputs all windows of a pool see, padding left out: (planes) * (taps of each axis).

    `along`: kernel, stride, padding and dilation of each axis.
    """
    axes = len(along)
    places = zip(given[-axes:], result[-axes:], along, strict=True)
    return (tuple(result[:-axes]), [_taps(before, after, *each) for before, after, each in places])


def adaptive_windows(given: Sizes, result: Sizes, axes: int) -> Term:
    """The same for pools that choose their windows by the output size: from floor(i n / m) to ceil((i + 1) n / m)."""
    sides = zip(given[-axes:], result[-axes:], strict=True)
    return (tuple(result[:-axes]), [sum(-(-(i + 1) * n // m) - i * n // m for i in range(m)) for n, m in sides])


@cache
def _taps(given: int, result: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Pairs of an output place and a tap of the kernel that meet an input, not padding, along one axis."""
    count = 0
    for tap in range(kernel):
        shift = padding - tap * dilation
        first, last = max(0, -(-shift // stride)), min(result - 1, (given - 1 + shift) // stride)
        count += max(0, last - first + 1)
    return count


def _times(factor: int, term: Term) -> Term:
    """The term so many times; what subtracts says so first."""
    minus = term[0] == (-1,)
    return (*term[:minus], (factor,), *term[minus:])


def _formula(terms: Sequence[Term]) -> str:
    """Terms as text: equal ones gathered, factors of 1 left out."""
    text = ""
    for term in dict.fromkeys(tuple(tuple(group) for group in term) for term in terms):
        times = sum(tuple(tuple(group) for group in each) == term for each in terms)
        minus = term[0] == (-1,)
        groups = [[each for each in group if each != 1] for group in term[minus:]]
        shown = (
            " * ".join("*".join(map(str, group)) for group in [[times] if times > 1 else [], *groups] if group) or "1"
        )
        text += f" - {shown}" if minus else f" + {shown}" if text else shown
    return text
