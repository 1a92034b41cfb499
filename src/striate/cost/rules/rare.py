"""Operators that few networks call: distances, bags of rows, sorting, margins, samplers."""

from collections.abc import Mapping
from math import ceil, inf, prod

from torch import Tensor

from striate.cost.rules.rule import Each, Rule, both, each_given, each_row, halvings, table
from striate.cost.walk.events import Call
from striate.cost.work import Sizes, Term, Work, elementwise, matmul, work

# --- distances between rows of coordinates, and rows made shorter -----------------------------------------------------

# fmt: off
Costs = tuple[Each, Each]
#    the norm of a row: for each coordinate, for each row
NORM_OF: Mapping[float, Costs] = {
    0:   ((1, 1, 0), (-1, 0, 0)),  # how many are not 0
    1:   ((1, 1, 0), (-1, 0, 0)),  # the sum of |x|
    2:   ((2, 0, 0), (-1, 0, 1)),  # the root of the sum of x x
    inf: ((0, 2, 0), (0, -1, 0)),  # the largest |x|
}
ANY_NORM: Costs = ((1, 1, 1), (-1, 0, 1))  # (the sum of |x|^p)^(1/p)
#    the gradient of a distance d between a and b, added up for a: for each coordinate, for each distance
GRADIENT_OF: Mapping[float, Costs] = {
    0:   ((0, 0, 0), (0, 0, 0)),   # there is none
    1:   ((3, 1, 0), (0, 0, 0)),   # g sign(a - b)
    2:   ((3, 0, 0), (1, 1, 0)),   # (a - b) g/d, where d is not 0
    inf: ((3, 3, 0), (0, 0, 0)),   # g sign(a - b), where |a - b| = d
}
ANY_GRADIENT: Costs = ((4, 1, 1), (1, 1, 1))  # (a - b) |a - b|^(p-2) g/d^(p-1), where d is not 0
# fmt: on


def _norm(power: float) -> Costs:
    return NORM_OF.get(power, ANY_NORM)


def _rows(rows: Sizes, width: int, costs: Costs, *, each: int = 0, row: Each = (0, 0, 0)) -> Work:
    """So many rows of `width` numbers; `each`: additions more for a number. `row`: more for a row."""
    number, own = costs
    return both((*rows, width), _more(number, (each, 0, 0)), rows, _more(own, row))


def _more(one: Each, two: Each) -> Each:
    return one[0] + two[0], one[1] + two[1], one[2] + two[2]


def _euclidean(call: Call) -> Work:
    """(a, |a|^2, 1) (-2 b, 1, |b|^2)^T, not below 0, and its root. The squares and their sums; one side times -2."""
    one, two, result = call.shape(), call.shape(1), call.result
    return matmul(result[-2], one[-1] + 2, result[-1], times=prod(result[:-2])) + work(
        additions=[(one, (3,)), ((-1,), one[:-1]), (two, (2,)), ((-1,), two[:-1])],
        comparisons=[(result,)],
        transcendental=[(result,)],
    )


def _renorm(call: Call) -> Work:
    """A row's norm, too long?, largest / (norm + epsilon), and the row times that; all rows differ and are too long."""
    (rows, width), indices = call.shape(), call.shape(1)
    return _rows((min(rows, prod(indices)),), width, _norm(call.args[3]), each=1, row=(2, 1, 0))


def _distances_backward(call: Call, power: float, *, within: bool = False) -> Work:
    """Within one set of rows, what is added to one row of a pair is subtracted from the other."""
    costs = GRADIENT_OF.get(power, ANY_GRADIENT)
    return _rows(call.shape(), call.shape(1)[-1], costs, each=1 if within and power else 0)


def _shortened(call: Call) -> Work:
    """The same of each slice along one axis, and all numbers of each times what comes out."""
    rows = call.shape()[call.args[2]]
    return _rows((rows,), prod(call.shape()) // max(1, rows), _norm(call.args[1]), each=1, row=(2, 1, 0))


DISTANCES: Mapping[str, Rule] = {
    "dist": lambda call: _rows((), prod(call.shape()), _norm(call.argument(2, 2)), each=1),
    "renorm": _shortened,
    # the norm of the difference, for each pair of rows
    "_cdist_forward": lambda call: _rows(call.result, call.shape()[-1], _norm(call.argument(2, 2)), each=1),
    "_pdist_forward": lambda call: _rows(call.result, call.shape()[-1], _norm(call.argument(1, 2)), each=1),
    "_cdist_backward": lambda call: _distances_backward(call, call.args[3]),
    "_pdist_backward": lambda call: _distances_backward(call, call.args[2], within=True),
    "_euclidean_dist": _euclidean,
    "embedding_renorm": _renorm,
}

# --- bags of rows of a table ------------------------------------------------------------------------------------------

SUM_OF_BAG, MEAN_OF_BAG, LARGEST_OF_BAG = 0, 1, 2  # what torch calls the modes


def _bag(call: Call) -> Work:
    """Rows times their weights, where there are any; then their sum, mean or largest, if no bag is empty."""
    bags, rows = call.result, (call.shape(1)[0], call.result[-1])
    mode, weighted = call.argument(4, SUM_OF_BAG), call.argument(6, None) is not None
    spared: Term = ((-1,), (min(bags[0], rows[0]), rows[1]))  # the first of each bag meets no other
    if mode == LARGEST_OF_BAG:
        return work(comparisons=[(rows,), spared])
    if mode == MEAN_OF_BAG:
        return work(additions=[(rows,), spared, (bags,)])
    return work(additions=[(rows, (1 + weighted,)), spared])


def _bag_backward(call: Call) -> Work:
    """A bag's gradient is added to each of its rows, times the row's weight or divided by their number first."""
    gradient, rows, mode, weights = call.shape(), call.shape(1)[0], call.args[8], call.args[10]
    if mode == LARGEST_OF_BAG:
        return elementwise(gradient, 1)
    return elementwise((rows, gradient[-1]), 2 if mode == MEAN_OF_BAG or weights is not None else 1)


BAGS: Mapping[str, Rule] = {
    "_embedding_bag _embedding_bag_forward_only": _bag,
    "_embedding_bag_backward": _bag_backward,
    # the sum of a bag's gradient times the row, for each row
    "_embedding_bag_per_sample_weights_backward": lambda call: _rows(
        call.result, call.shape()[-1], ((2, 0, 0), (-1, 0, 0))
    ),
}

# --- sorting, selecting and drawing: comparisons along each row of n numbers ------------------------------------------


def _floors(call: Call) -> int:
    """How often a row can be halved; one number without axes is a row of its own."""
    shape = call.shape()
    return halvings(shape[call.kwargs.get("dim", call.argument(1, -1))] if shape else 1)


def _multinomial(call: Call) -> Work:
    """Each weight divided by a random number, and the k largest; put back: sums so far, a share of all, halvings."""
    shape, samples = call.shape(), call.args[1]
    if call.argument(2, False) and samples > 1:
        return work(additions=[(shape, (2,))], comparisons=[(call.result, (halvings(shape[-1]),))])
    return work(additions=[(shape,)], comparisons=[(shape, (max(1, halvings(samples)),))])


def _found(call: Call, sought: int, among: int) -> Work:
    """Where each number belongs in a sorted row: one place more than the row is long, found by halves."""
    number, row = call.args[sought], call.args[among]
    return work(comparisons=[(getattr(number, "shape", ()), (halvings(row.shape[-1] + 1),))])


def _is_in(call: Call) -> Work:
    """The row sorted, each number's place found in it by halves, and compared with what is there."""
    sought, row = (getattr(each, "shape", ()) for each in call.args[:2])
    floors = halvings(prod(row))
    return work(comparisons=[(sought, (floors + 1,)), *([(row, (floors,))] if floors else [])])


def _binned(call: Call) -> Work:
    """As `histc` where bins are alike; else by halves. A weight is added as a 1 is."""
    if isinstance(call.args[1], Tensor):
        return elementwise(call.shape(), 1, halvings(call.shape(1)[-1] + 1))
    return elementwise(call.shape(), 4, 4 if call.kwargs.get("range") is None else 2)


def _distinct(count: int, floors: int) -> Work:
    return work(comparisons=[((count,), (floors + 1,)), ((-1,), (min(count, 1),))])


ORDERS: Mapping[str, Rule] = {
    "bucketize": lambda call: _found(call, 0, 1),
    "searchsorted": lambda call: _found(call, 1, 0),
    "isin": _is_in,
    "histogram": _binned,
    # by halves that are merged: each of n is compared once for each of the log2 n times that n can be halved
    "sort": lambda call: work(comparisons=[(call.shape(), (_floors(call),))]),
    # a heap of the k largest so far: each of n sinks by one of its log2 k floors at a time
    "topk": lambda call: work(comparisons=[(call.shape(), (max(1, halvings(call.args[1])),))]),
    # sorted; then each but the first: as the one before it? a longer run than the longest?
    "mode": lambda call: work(comparisons=[(call.shape(), (_floors(call) + 2,)), ((-1,), call.result, (2,))]),
    # quickselect, if each pivot halves what is left: n + n/2 + n/4 + ... = 2 n
    "median kthvalue": each_given(0, 2),
    "nanmedian": each_given(0, 3),  # is it a number?
    "cummax cummin": each_row((0, 1, 0), (0, -1, 0)),
    # a + log(1 + e^(b - a)) with a the larger, for each but the first
    "logcumsumexp": each_row((3, 1, 2), (-3, -1, -2)),
    # inside both bounds?, (x - low) / (high - low) bins, and one more in that bin; bounds that are not given first
    "histc": lambda call: elementwise(call.shape(), 4, 4 if call.argument(2, 0) == call.argument(3, 0) else 2),
    "multinomial": _multinomial,
    # all sorted; each but the first: as the one before it?
    "_unique2": lambda call: _distinct(prod(call.shape()), halvings(prod(call.shape()))),
    "unique_consecutive": lambda call: _distinct(prod(call.shape()), 0),
    "bincount": each_given(1),  # one more in its bin
}

# --- losses over pairs of classes -------------------------------------------------------------------------------------

NO_REDUCTION, MEAN = 0, 1  # what torch calls the ways to make one number of a loss; 2 is the sum


def _reduced(rows: Sizes, reduction: int) -> list[Term]:
    """The sum of one number a row, and a division by their number for a mean."""
    if reduction == NO_REDUCTION:
        return []
    return [(rows,)] if reduction == MEAN else [(rows,), ((-1,), ())]


def _wrong(shape: Sizes) -> Term:
    """A pair for each class but the right one, in each row."""
    return shape[:-1], (shape[-1] - 1,)


def _labels(shape: Sizes) -> Term:
    """A pair for each label and each other class. How many are labels is a matter of values: half makes most."""
    return shape[:-1], (shape[-1] // 2, shape[-1] - shape[-1] // 2)


def _margins(pairs: Term, each: int, reduction: int) -> Work:
    return work(additions=[(*pairs, (each,)), *_reduced(pairs[0], reduction)], comparisons=[pairs])


def _margins_backward(pairs: Term, each: int, classes: int) -> Work:
    """The same without the sum; the derivative, taken from one class and added to the other; scaled."""
    return work(additions=[(*pairs, (each,)), (pairs[0], (classes,))], comparisons=[pairs])


MARGINS: Mapping[str, Rule] = {
    # max(0, margin - x_right + x)^p, weighted; their sum divided by the number of classes
    "multi_margin_loss": lambda call: _margins(
        _wrong(call.shape()),
        3 + (call.argument(2, 1) == 2) + (call.argument(4, None) is not None),
        call.argument(5, MEAN),
    ),
    # 2 z g for squares, weighted
    "multi_margin_loss_backward": lambda call: _margins_backward(
        _wrong(call.shape(1)), 3 + 2 * (call.args[3] == 2) + (call.argument(5, None) is not None), call.shape(1)[-1]
    ),
    # max(0, 1 - x_label + x_other); their sum divided by the number of classes
    "multilabel_margin_loss_forward": lambda call: _margins(_labels(call.shape()), 3, call.args[2]),
    "multilabel_margin_loss_backward": lambda call: _margins_backward(_labels(call.shape(1)), 4, call.shape(1)[-1]),
}

# --- the loss of all ways to read a sequence (Graves and others 2006, by logarithms) ----------------------------------


def _readings(lengths: Sizes, labels: Sizes) -> Term:
    """At each time: each label, and a blank before each and behind the last."""
    return ((sum(time * (2 * count + 1) for time, count in zip(lengths, labels, strict=True)),),)


def _read(call: Call) -> Work:
    """The logarithm of a sum of three powers, of two for equal labels, plus that of the label; of two at the end."""
    states, ends = _readings(*call.args[2:4]), (len(call.args[2]),)
    return work(
        additions=[(*states, (7,)), (ends, (5,))],
        comparisons=[(*states, (3,)), (ends,)],
        transcendental=[(*states, (4,)), (ends, (3,))],
    )


def _read_backward(call: Call) -> Work:
    """The same from the end; both added, for each class as a sum of powers; its power less another, scaled."""
    states, given = _readings(*call.args[3:5]), call.shape(1)
    return work(
        additions=[(*states, (7 + 5,)), (given, (4,))],
        comparisons=[(*states, (3 + 1,))],
        transcendental=[(*states, (4 + 3,)), (given, (2,))],
    )


READINGS: Mapping[str, Rule] = {"_ctc_loss": _read, "_ctc_loss_backward": _read_backward}

# --- pictures seen through a grid of places, and the grid itself: finding places is work ------------------------------

BILINEAR, NEAREST, BICUBIC = 0, 1, 2  # what torch calls them
ZEROS, BORDER, REFLECTION = 0, 1, 2

# along one axis: the taps, and the additions for their weights
TAPS = {BILINEAR: 2, NEAREST: 1, BICUBIC: 4}
WEIGHTS = {
    BILINEAR: 2,  # x - floor x, and 1 less that
    NEAREST: 0,
    BICUBIC: 26,  # t = x - floor x; of t + 1, t, 1 - t and 2 - t two cubics of 6 and two of 5
}
# for a place beyond the border: additions, comparisons
BEYOND = {
    ZEROS: (0, 2),  # it is nought
    BORDER: (0, 2),
    REFLECTION: (6, 5),  # |x - low|, its remainder and how many spans, an odd one?, back from either end; the border
}


def _sampled(call: Call) -> Work:
    """Each channel: taps times weights, and their sum; cubic ones along the last axis first."""
    grid, mode = call.shape(1), call.args[2]
    each = {BILINEAR: 2 * 2 ** grid[-1] - 1, NEAREST: 0, BICUBIC: 7 * (1 + 4)}[mode]
    additions, comparisons = _places(grid, mode, call.args[3], call.args[4])
    return work(additions=additions + ([(call.result, (each,))] if each else []), comparisons=comparisons)


def _sampled_backward(call: Call) -> Work:
    """The places again. To the picture, if asked for: the gradient times each tap's weight, added there.

    To the grid, always: for each axis and tap, the gradient times the tap, the other axes' weights and, where it is
    cubic, this axis's own derivative, added; then half a side. Nearest neighbours have no such gradient.
    """
    gradient, grid, mode, of_picture = call.shape(), call.shape(2), call.args[3], call.args[6][0]
    axes = grid[-1]
    to_picture = {BILINEAR: 2 * 2**axes, NEAREST: 1, BICUBIC: 3 * 4**2}[mode]
    to_grid = {BILINEAR: 2**axes * axes * (axes + 1), NEAREST: 0, BICUBIC: 4**2 * axes * 4}[mode]
    scaled = {BILINEAR: 1, NEAREST: 0, BICUBIC: 1 + 14}[mode]  # 14: two derivatives of 4 and two of 3
    additions, comparisons = _places(grid, mode, call.args[4], call.args[5])
    additions += [] if mode == NEAREST else [(grid, (scaled,)), (gradient, (to_grid,))]
    return work(additions=additions + ([(gradient, (to_picture,))] if of_picture else []), comparisons=comparisons)


def _places(grid: Sizes, mode: int, padding: int, corners: bool) -> tuple[list[Term], list[Term]]:
    """Additions and comparisons: (x + 1) / 2 (side - 1), or ((x + 1) side - 1) / 2; where that is; all weights."""
    # Linear taps beyond the border weigh nothing there, so that only the place itself must be kept inside.
    kept = TAPS[mode] if padding == ZEROS or mode == BICUBIC else 1
    moved, compared = BEYOND[padding]
    additions: list[Term] = [(grid, ((3 if corners else 4) + WEIGHTS[mode] + kept * moved,))]
    if mode == BILINEAR:  # each tap's own weight, a product of one for each axis
        additions.append((grid[:-1], (2 ** grid[-1], grid[-1] - 1)))
    return additions, [(grid, (1 + kept * compared,))]  # 1: floor, or round


def _affine_grid(call: Call) -> Work:
    """Each place, with a 1 behind it, times the transformation; half a cell inwards, unless corners are aligned."""
    (count, axes, inner), sides, corners = call.shape(), call.args[1][2:], call.args[2]
    return matmul(prod(sides), inner, axes, times=count) + work(additions=[((each,),) for each in sides if not corners])


SAMPLING: Mapping[str, Rule] = {
    "grid_sampler_2d grid_sampler_3d": _sampled,
    "grid_sampler_2d_backward grid_sampler_3d_backward": _sampled_backward,
    "affine_grid_generator": _affine_grid,
}

# --- pools at random places, and pictures made smaller smoothly -------------------------------------------------------


def _smooth(taps: int) -> Rule:
    """Interpolation with more taps, as the picture shrinks: all of them at its border too. The last axis first."""

    def rule(call: Call) -> Work:
        given, result = call.shape(), call.result
        rows, columns = _widened(taps, given, result, *call.args[2:])
        return work(additions=[((*given[:3], result[3]), (2 * columns - 1,)), (result, (2 * rows - 1,))])

    return rule


def _smooth_backward(taps: int) -> Rule:
    """The gradient times the weight of each axis in turn, then one addition for each tap."""

    def rule(call: Call) -> Work:
        rows, columns = _widened(taps, call.args[2], call.shape(), *call.args[3:])
        return work(additions=[(call.shape(), (rows,)), (call.shape(), (2, rows, columns))])

    return rule


def _widened(taps: int, given: Sizes, result: Sizes, corners: bool, *factors: float | None) -> list[int]:
    """Taps along either axis: where the picture shrinks, as many times more as it is smaller, rounded up.

    A factor goes before the ratio of the sizes, unless corners are aligned.
    """
    widened = []
    for before, after, factor in zip(given[2:], result[2:], (*factors, None, None), strict=False):
        if corners:
            wide = -(-taps * (before - 1) // max(1, after - 1))
        else:
            wide = ceil(taps / factor) if factor else -(-taps * before // after)
        widened.append(max(taps, wide))
    return widened


SMOOTH = {"bilinear": 2, "bicubic": 4, "lanczos": 6}  # taps
SHRUNK: Mapping[str, Rule] = {
    # windows at random places, none of them over the border: one comparison fewer than they have cells
    "fractional_max_pool2d fractional_max_pool3d": lambda call: work(
        comparisons=[(call.result, call.args[1]), ((-1,), call.result)]
    ),
    **{f"_upsample_{name}2d_aa": _smooth(taps) for name, taps in SMOOTH.items()},
    **{f"_upsample_{name}2d_aa_backward": _smooth_backward(taps) for name, taps in SMOOTH.items()},
}

RARE = table({**DISTANCES, **BAGS, **ORDERS, **MARGINS, **READINGS, **SAMPLING, **SHRUNK})
