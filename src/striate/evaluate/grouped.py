"""Values with their intervals at 95 % where groups of pictures are independent, and not the pictures in them.

How far a value may have moved by luck is read from how it moves without each group: the jackknife. A share has Wilson's
interval for as many pictures as would vary as much. Both with Student's quantile, of as many degrees of freedom as
groups carry the variance, r = (sum of squares)^2 / (sum of fourth powers) of these moves: 2r - 1, at most one less
than there are groups. `benchmarks/coverage.py` shows what such intervals hold.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from striate.evaluate.intervals import FEWEST, UNDEFINED, Found, Truths, Values, Z, apart, placements, score

Groups = npt.NDArray[np.int64]
# A variance that is rounding; the most of a logarithm.
NONE, MOST = 1e-15, 30.0


class Spread(NamedTuple):
    """The variance of a value, and the degrees of freedom that Student's quantile goes by."""

    variance: float
    freedom: float

    @property
    def reach(self) -> float:
        """How far the 97.5 % quantile of the value lies from it."""
        return self.quantile * math.sqrt(self.variance)

    @property
    def quantile(self) -> float:
        from scipy.stats import t

        return float(t.ppf(0.975, self.freedom))

    def p(self, value: float) -> float:
        """That a value so far from 0 is none."""
        from scipy.stats import t

        return 2 * float(t.sf(abs(value) / math.sqrt(self.variance), self.freedom))


def spread(moves: Values) -> Spread:
    """From how far the value moves without each group, (groups,), two at least."""
    count, moves = len(moves), moves - moves.mean()
    squares, fourths = float((moves**2).sum()), float((moves**4).sum())
    carrying = squares**2 / fourths if fourths > 0 else count
    return Spread((count - 1) / count * squares, min(max(1.0, 2 * carrying - 1), count - 1))


def summed(rows: Values, groups: Groups) -> Values:
    """Sums of rows (n, k) by group: (groups, k)."""
    _, place = np.unique(groups, return_inverse=True)
    return np.stack([np.bincount(place, column) for column in rows.T], 1)


def jackknifed(sums: Values, of: Callable[[Values], Values]) -> tuple[float, Values]:
    """The value of all groups' sums (groups, k), and how far it moves without each that it can be without."""
    total = sums.sum(0, keepdims=True)
    value, without = float(of(total)[0]), of(total - sums)
    return value, without[np.isfinite(without)] - value


def bounded(value: float, moves: Values, n: float) -> Found:
    """Of a share, which varies no less than that of `n` independent pictures; of one group nothing can be told."""
    count = len(moves)
    if math.isnan(value):
        return UNDEFINED
    if count < 2:
        return value, 0.0, 1.0
    found = spread(moves)
    as_many = value * (1 - value) / found.variance if found.variance > NONE and 0 < value < 1 else count
    return score(value, max(1.0, min(as_many, n)) * (Z / found.quantile) ** 2)


def share(right: Truths, groups: Groups) -> Found:
    """Of the share of pictures that are right."""
    if not len(right):
        return UNDEFINED
    sums = summed(np.stack([right, np.ones(len(right))], 1), groups)
    value, moves = jackknifed(sums, _ratio) if len(sums) > 1 else (float(right.mean()), np.empty(0))
    return bounded(value, moves, len(right))


def _ratio(sums: Values) -> Values:
    return np.asarray(sums[:, 0] / sums[:, 1])


def mean(values: Values, groups: Groups, skewed: bool = False) -> Found:
    """Of a mean; of one group nothing can be told. `skewed`: of values above 0 with a long tail, as log loss; Student's
    interval is then that of the mean's logarithm, for a few groups may carry most of it.
    """
    sums = summed(np.stack([values, np.ones(len(values))], 1), groups)
    if len(sums) < 2:
        return UNDEFINED
    value, moves = jackknifed(sums, _ratio)
    reach = spread(moves).reach
    if skewed and value > 0:
        factor = math.exp(min(reach / value, MOST))
        return value, value / factor, value * factor
    return value, value - reach, value + reach


def statistic(rows: Values, of: Callable[[Values], Values], groups: Groups) -> Found:
    """Of a share of all pictures together."""
    if not len(rows):
        return UNDEFINED
    sums = summed(rows, groups)
    with np.errstate(invalid="ignore"):
        value, moves = jackknifed(sums, of)
    return bounded(value, moves, math.inf)


def recalls(right: Truths, classes: Groups, groups: Groups) -> Found:
    """Of the mean over classes: no surer than the harmonic mean of their pictures makes it."""
    known, place = np.unique(classes, return_inverse=True)
    if not len(known):
        return UNDEFINED
    names, group = np.unique(groups, return_inverse=True)
    whole, hits = np.bincount(place), np.bincount(place, right)
    pairs, pair = np.unique(group * len(known) + place, return_inverse=True)
    of, among = np.divmod(pairs, len(known))
    left = whole[among] - np.bincount(pair)
    rest = np.divide(hits[among] - np.bincount(pair, right), left, out=np.zeros(len(pairs)), where=left > 0)
    each = hits / whole
    total = each.sum() + np.bincount(of, rest - each[among])  # the recalls without a group, and of those it has none
    count = len(known) - np.bincount(of, left == 0)
    without = np.divide(total, count, out=np.full(len(names), np.nan), where=count > 0)
    value = float(each.mean())
    moves = without[np.isfinite(without)] - value
    return bounded(value, moves, len(known) ** 2 / float((1 / whole).sum()))


def area(scores: Values, positive: Truths, groups: Groups) -> Found:
    """Of the area under the ROC curve: where nothing moves it, no surer than the groups of the rarer kind make it."""
    own, other = groups[positive], groups[~positive]
    if not len(own) or not len(other):
        return UNDEFINED
    value, moves = area_moves(scores, positive, groups)
    still = not np.abs(moves).max(initial=0) > NONE
    return bounded(value, moves, min(len(np.unique(own)), len(np.unique(other))) if still else math.inf)


def area_moves(scores: Values, positive: Truths, groups: Groups) -> tuple[float, Values]:
    """The area, and how far it moves without each group: from the pairs in order that each has part in."""
    from scipy.stats import rankdata

    if not positive.any() or positive.all():
        return math.nan, np.empty(0)
    value, above, below = placements(scores[positive], scores[~positive])
    _, group = np.unique(groups, return_inverse=True)
    count = group.max() + 1
    own, other = np.bincount(group[positive], minlength=count), np.bincount(group[~positive], minlength=count)
    ranks = rankdata(group * (len(scores) + 1.0) + rankdata(scores, "dense"))  # of each picture within its group
    starts = np.cumsum(own + other) - own - other
    within = np.bincount(group[positive], ranks[positive] - starts[group[positive]], count) - own * (own + 1) / 2
    m, n = own.sum(), other.sum()
    of_own = np.bincount(group[positive], above * n, count)
    of_other = np.bincount(group[~positive], below * m, count)
    left = (m - own) * (n - other)
    rest = value * m * n - of_own - of_other + within
    without = np.divide(rest, left, out=np.full(count, np.nan), where=left > 0)
    return value, without[np.isfinite(without)] - value


def differing(one: Found, other: Found, first: Values, second: Values) -> tuple[float, Found]:
    """The p and the interval of a difference of two values that move so far without each group.

    Student's test; where nothing varies between groups the two intervals joined, and a sign for each group.
    """
    value, count = one[0] - other[0], len(first)
    if count < FEWEST or len(second) != count or not math.isfinite(value):
        return math.nan, UNDEFINED
    found = spread(first - second)
    if found.variance < NONE:
        return (2.0 ** (1 - count) if value else 1.0), apart(one, other, 0.0)
    return found.p(value), (value, value - found.reach, value + found.reach)
