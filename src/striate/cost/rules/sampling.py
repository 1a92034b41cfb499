"""Pictures seen through a grid of places, and the grid itself. Places are numbers like others: finding them is work."""

from math import prod

from striate.cost.rules.rule import Arguments, Options, Results, Rule, operators
from striate.cost.work import Term, Work, matmul, work

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


def _sampled(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """Each channel: taps times weights, and their sum; cubic ones along the last axis first."""
    grid, mode = tuple(args[1].shape), args[2]
    each = {BILINEAR: 2 * 2 ** grid[-1] - 1, NEAREST: 0, BICUBIC: 7 * (1 + 4)}[mode]
    additions, comparisons = _places(grid, mode, args[3], args[4])
    if each:
        additions.append((tuple(outputs[0].shape), (each,)))
    return work(additions=additions, comparisons=comparisons)


def _sampled_backward(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """The places again. To the picture, if asked for: the gradient times each tap's weight, added there.

    To the grid, always: for each axis and tap, the gradient times the tap, the other axes' weights and, where it is
    cubic, this axis's own derivative, added; then half a side. Nearest neighbours have no such gradient.
    """
    gradient, grid, mode, of_picture = tuple(args[0].shape), tuple(args[2].shape), args[3], args[6][0]
    axes = grid[-1]
    to_picture = {BILINEAR: 2 * 2**axes, NEAREST: 1, BICUBIC: 3 * 4**2}[mode]
    to_grid = {BILINEAR: 2**axes * axes * (axes + 1), NEAREST: 0, BICUBIC: 4**2 * axes * 4}[mode]
    scaled = {BILINEAR: 1, NEAREST: 0, BICUBIC: 1 + 14}[mode]  # 14: two derivatives of 4 and two of 3
    additions, comparisons = _places(grid, mode, args[4], args[5])
    if mode != NEAREST:
        additions += [(grid, (scaled,)), (gradient, (to_grid,))]
    if of_picture:
        additions.append((gradient, (to_picture,)))
    return work(additions=additions, comparisons=comparisons)


def _places(grid: tuple[int, ...], mode: int, padding: int, corners: bool) -> tuple[list[Term], list[Term]]:
    """Additions and comparisons: (x + 1) / 2 (side - 1), or ((x + 1) side - 1) / 2; where that is; all weights."""
    # Linear taps beyond the border weigh nothing there, so that only the place itself must be kept inside.
    kept = TAPS[mode] if padding == ZEROS or mode == BICUBIC else 1
    moved, compared = BEYOND[padding]
    additions: list[Term] = [(grid, ((3 if corners else 4) + WEIGHTS[mode] + kept * moved,))]
    if mode == BILINEAR:  # each tap's own weight, a product of one for each axis
        additions.append((grid[:-1], (2 ** grid[-1], grid[-1] - 1)))
    return additions, [(grid, (1 + kept * compared,))]  # 1: floor, or round


def _affine_grid(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """Each place, with a 1 behind it, times the transformation; half a cell inwards, unless corners are aligned."""
    count, axes, inner = args[0].shape
    sides = tuple(args[1][2:])
    done = matmul(prod(sides), inner, axes, times=count)
    if args[2]:
        return done
    inwards: Work = work(additions=[((side,),) for side in sides])
    return Work(done.macs, done.macs_valid, inwards.additions, terms=(*done.terms, *inwards.terms))


SAMPLING: dict[object, Rule] = {
    **operators("grid_sampler_2d grid_sampler_3d", _sampled),
    **operators("grid_sampler_2d_backward grid_sampler_3d_backward", _sampled_backward),
    **operators("affine_grid_generator", _affine_grid),
}
