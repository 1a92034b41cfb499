"""Distances between rows of coordinates, and rows of a table: bags of them, and rows made shorter."""

from collections.abc import Mapping
from math import inf, prod

from striate.cost.rules.rule import Arguments, Each, Options, Results, Rule, argument, both, operators
from striate.cost.work import Work, elementwise, matmul, work

SUM, MEAN, LARGEST = 0, 1, 2  # what torch calls the modes of a bag

# fmt: off
#    the norm of a row: for each coordinate, for each row
NORM_OF: Mapping[float, tuple[Each, Each]] = {
    0:   ((1, 1, 0), (-1, 0, 0)),  # how many are not 0
    1:   ((1, 1, 0), (-1, 0, 0)),  # the sum of |x|
    2:   ((2, 0, 0), (-1, 0, 1)),  # the root of the sum of x x
    inf: ((0, 2, 0), (0, -1, 0)),  # the largest |x|
}
ANY_NORM: tuple[Each, Each] = ((1, 1, 1), (-1, 0, 1))  # (the sum of |x|^p)^(1/p)
#    the gradient of a distance d between a and b, added up for a: for each coordinate, for each distance
GRADIENT_OF: Mapping[float, tuple[Each, Each]] = {
    0:   ((0, 0, 0), (0, 0, 0)),   # there is none
    1:   ((3, 1, 0), (0, 0, 0)),   # g sign(a - b)
    2:   ((3, 0, 0), (1, 1, 0)),   # (a - b) g/d, where d is not 0
    inf: ((3, 3, 0), (0, 0, 0)),   # g sign(a - b), where |a - b| = d
}
ANY_GRADIENT: tuple[Each, Each] = ((4, 1, 1), (1, 1, 1))  # (a - b) |a - b|^(p-2) g/d^(p-1), where d is not 0
# fmt: on


def _distances(power_at: int) -> Rule:
    """The norm of the difference, for each pair of rows."""

    def rule(args: Arguments, kwargs: Options, outputs: Results) -> Work:
        coordinate, row = NORM_OF.get(argument(args, power_at, 2), ANY_NORM)
        distances = tuple(outputs[0].shape)
        return both((*distances, args[0].shape[-1]), _more(coordinate, (1, 0, 0)), distances, row)

    return rule


def _distances_backward(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    coordinate, row = GRADIENT_OF.get(args[3], ANY_GRADIENT)
    distances = tuple(args[0].shape)
    return both((*distances, args[1].shape[-1]), coordinate, distances, row)


def _distances_within_backward(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """What is added to one row of a pair is subtracted from the other."""
    coordinate, row = GRADIENT_OF.get(args[2], ANY_GRADIENT)
    distances = tuple(args[0].shape)
    again = (1, 0, 0) if args[2] else (0, 0, 0)
    return both((*distances, args[1].shape[-1]), _more(coordinate, again), distances, row)


def _euclidean(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """(a, |a|^2, 1) (-2 b, 1, |b|^2)^T, not below 0, and its root. The squares and their sums; one side times -2."""
    one, two, result = tuple(args[0].shape), tuple(args[1].shape), tuple(outputs[0].shape)
    products = matmul(result[-2], one[-1] + 2, result[-1], times=prod(result[:-2]))
    rest = work(
        additions=[(one, (3,)), ((-1,), one[:-1]), (two, (2,)), ((-1,), two[:-1])],
        comparisons=[(result,)],
        transcendental=[(result,)],
    )
    return Work(
        products.macs,
        products.macs_valid,
        rest.additions,
        rest.comparisons,
        rest.transcendental,
        (*products.terms, *rest.terms),
    )


def _bag(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """Rows times their weights, where there are any; then their sum, mean or largest, if no bag is empty."""
    result = tuple(outputs[0].shape)
    rows, width = args[1].shape[0], result[-1]
    mode, weighted = argument(args, 4, SUM), argument(args, 6, None) is not None
    spared = (min(result[0], rows), width)  # the first of each bag meets no other
    if mode == LARGEST:
        return work(comparisons=[((rows, width),), ((-1,), spared)])
    if mode == MEAN:
        return work(additions=[((rows, width),), ((-1,), spared), (result,)])
    return work(additions=[((rows, width), (1 + weighted,)), ((-1,), spared)])


def _bag_backward(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """A bag's gradient is added to each of its rows, times the row's weight or divided by their number first."""
    gradient, rows, mode, weights = args[0].shape, args[1].shape[0], args[8], args[10]
    if mode == LARGEST:
        return elementwise(gradient, 1)
    return elementwise((rows, gradient[-1]), 2 if mode == MEAN or weights is not None else 1)


def _bag_weights_backward(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """The sum of a bag's gradient times the row, for each row."""
    rows = tuple(outputs[0].shape)
    return both((*rows, args[0].shape[-1]), (2, 0, 0), rows, (-1, 0, 0))


def _renorm(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """A row's norm, too long?, largest / (norm + epsilon), and the row times that; all rows differ and are too long."""
    (table, width), indices, power = args[0].shape, args[1].shape, args[3]
    rows = min(table, prod(indices))
    coordinate, row = NORM_OF.get(power, ANY_NORM)
    return both((rows, width), _more(coordinate, (1, 0, 0)), (rows,), _more(row, (2, 1, 0)))


def _more(one: Each, two: Each) -> Each:
    return one[0] + two[0], one[1] + two[1], one[2] + two[2]


DISTANCES: dict[object, Rule] = {
    **operators("_cdist_forward", _distances(2)),
    **operators("_pdist_forward", _distances(1)),
    **operators("_cdist_backward", _distances_backward),
    **operators("_pdist_backward", _distances_within_backward),
    **operators("_euclidean_dist", _euclidean),
    **operators("_embedding_bag _embedding_bag_forward_only", _bag),
    **operators("_embedding_bag_backward", _bag_backward),
    **operators("_embedding_bag_per_sample_weights_backward", _bag_weights_backward),
    **operators("embedding_renorm", _renorm),
}
