"""Values with their intervals at 95 %: (value, low, high), NaN where there is none."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from striate.base.randomness import key

Values = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]
Found = tuple[float, float, float]

UNDEFINED: Found = (math.nan, math.nan, math.nan)
# The 97.5 % quantile of the standard normal distribution.
Z = 1.959963984540054
DRAWS = 2_000
FEWEST = 6  # no sign test of fewer pictures is sure at 95 %
AT_ONCE = 2**22  # places that are drawn in one go: 100 MB, however many rows there are


def wilson(hits: int, n: int) -> Found:
    """Wilson 1927: the score interval of a proportion."""
    return score(hits / n, n) if n else UNDEFINED


def score(share: float, n: float) -> Found:
    """Wilson's interval of a share that varies as that of `n` pictures."""
    spread = Z * Z / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # at none and all of n the interval ends exactly there; rounding must not put it beyond
    return share, (0.0 if share == 0 else centre - half), (1.0 if share == 1 else centre + half)


def normal(values: Values) -> Found:
    """Of a mean; with one value there is no spread to tell, so it is the value itself."""
    if not len(values):
        return UNDEFINED
    value = float(values.mean())
    half = Z * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return value, value - half, value + half


def skewed(values: Values) -> Found:
    """Of a mean of values with a long tail, as log loss: Hall 1992, "On the removal of skewness by transformation", the
    cubic one (section 2.1), with Student's quantiles. What the tail may hold lengthens the upper end.
    """
    from scipy.stats import t

    n = len(values)
    deviation = float(values.std()) if n > 1 else 0.0
    if n < 2 or deviation <= 1e-12 * abs(float(values.mean())):
        return normal(values)
    value = float(values.mean())
    skewness = float((((values - value) / deviation) ** 3).mean())

    def moved(quantile: float) -> float:
        far = quantile / math.sqrt(n)
        if abs(skewness) < 1e-6:
            return far
        return 3 / skewness * (math.cbrt(1 + skewness * (far - skewness / (6 * n))) - 1)

    ends = [value - deviation * moved(float(t.ppf(share, n - 1))) for share in (0.975, 0.025)]
    least = 0.0 if values.min() >= 0 else -math.inf  # a mean of such is never below, however few there are
    return value, max(least, min(ends[0], value)), max(ends[1], value)


def area(scores: Values, positive: Truths) -> Found:
    """The area under the ROC curve: DeLong et al. 1988 on the logit scale, by the ranks of Sun and Xu 2014.

    Where that variance is none, as when all pairs are ordered alike, it is the score interval of Newcombe 2006,
    part 2, method 5.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    own, other = scores[positive], scores[~positive]
    m, n = len(own), len(other)
    if not m or not n:
        return UNDEFINED
    value, above, below = placements(own, other)
    variance = above.var(ddof=1) / m + below.var(ddof=1) / n if min(m, n) > 1 else 0.0
    if 0 < value < 1 and variance > 0:
        half = Z * math.sqrt(variance) / (value * (1 - value))
        return value, float(expit(logit(value) - half)), float(expit(logit(value) + half))

    def least(value: float) -> float:
        def short(end: float) -> float:
            more = ((m + n) / 2 - 1) * ((1 - end) / (2 - end) + end / (1 + end))
            return value - end - Z * math.sqrt(end * (1 - end) * (1 + more) / (m * n))

        return float(brentq(short, 0, value * (1 - 1e-12))) if value else 0.0

    return value, least(value), 1 - least(1 - value)


def placements(own: Values, other: Values) -> tuple[float, Values, Values]:
    """The area, and of each own score how many others lie below it, of each other how many own above it: shares."""
    from scipy.stats import rankdata

    m, n = len(own), len(other)
    ranks = rankdata(np.concatenate([own, other]))
    above, below = (ranks[:m] - rankdata(own)) / n, 1 - (ranks[m:] - rankdata(other)) / m
    return float(ranks[:m].sum() - m * (m + 1) / 2) / (m * n), above, below


def matched(one: Truths, other: Truths) -> tuple[float, Found]:
    """Of two shares of the same pictures the exact p of McNemar 1947 and their difference: Newcombe 1998, method 10.

    The interval is widened to the one that the exact test leaves open, so that it never tells more than the test.
    """
    from scipy.stats import binomtest

    n, both, neither = len(one), int((one & other).sum()), int((~one & ~other).sum())
    better, worse = int((one & ~other).sum()), int((other & ~one).sum())
    firsts, seconds = wilson(both + better, n), wilson(both + worse, n)
    product = both * neither - better * worse
    scale = math.sqrt((both + better) * (worse + neither) * (both + worse) * (better + neither))
    value, low, high = apart(firsts, seconds, (min(product, 0) + max(product - n / 2, 0)) / scale if scale else 0.0)
    if not better + worse:
        return 1.0, (value, low, high)
    test = binomtest(better, better + worse)
    exact = test.proportion_ci(0.95, "exact")
    ends = [(2 * end - 1) * (better + worse) / n for end in (exact.low, exact.high)]
    return float(test.pvalue), (value, min(low, ends[0]), max(high, ends[1]))


def areas(one: Values, other: Values, positive: Truths) -> Found:
    """The difference of two areas under the ROC curve: their intervals, and the correlation of DeLong et al. 1988."""
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        return UNDEFINED
    each = [(area(scores, positive), placements(scores[positive], scores[~positive])) for scores in (one, other)]
    above, below = (np.cov([placed[place] for _, placed in each]) for place in (1, 2))
    shared = above / m + below / n
    scale = math.sqrt(shared[0, 0] * shared[1, 1])
    return apart(each[0][0], each[1][0], float(shared[0, 1]) / scale if scale else 0.0)


def apart(one: Found, other: Found, correlation: float) -> Found:
    """The difference of two values that go together so far: Zou and Donner 2008, from the interval of each."""

    def far(ours: float, theirs: float) -> float:
        return math.sqrt(max(0.0, ours**2 - 2 * correlation * ours * theirs + theirs**2))

    value = one[0] - other[0]
    return value, value - far(one[0] - one[1], other[2] - other[0]), value + far(one[2] - one[0], other[0] - other[1])


def differing(rows: Values, of: Callable[[Values], Values]) -> Found:
    """As `bootstrap`, for a difference: at least as wide as Student's by the jackknife: few rows need that."""
    from scipy.stats import t

    without = of(rows.sum(0, keepdims=True) - rows)
    without = without[np.isfinite(without)]
    if (n := len(without)) < FEWEST:
        return UNDEFINED
    value, low, high = bootstrap(rows, of)
    half = float(t.ppf(0.975, n - 1)) * math.sqrt((n - 1) * float(without.var()))
    return value, min(low, value - half), max(high, value + half)


def bootstrap(rows: Values, of: Callable[[Values], Values]) -> Found:
    """Efron 1987: bias-corrected and accelerated, from always the same draws; those without a value are left out.

    Where the correction is undefined it is the interval of percentiles; where nothing varies, the value itself.
    """
    from scipy.special import ndtr, ndtri

    n, total = len(rows), rows.sum(0, keepdims=True)
    value = float(of(total)[0]) if n else math.nan
    if math.isnan(value) or n == 1:
        return value, value, value
    drawn = np.concatenate([of(counts @ rows) for counts in resampled(n)])
    found, without = (values[np.isfinite(values)] for values in (drawn, of(total - rows)))
    if not len(found):
        return value, value, value
    below = ((found < value).mean() + (found <= value).mean()) / 2
    away = without.mean() - without if len(without) else without
    spread, ends = float((away**2).sum()), np.array([-Z, Z])
    if 0 < below < 1 and spread > 0:
        bias, pull = ndtri(below), (away**3).sum() / (6 * spread**1.5)
        ends = bias + (bias + ends) / (1 - pull * (bias + ends))
    low, high = np.quantile(found, ndtr(ends))
    return value, min(float(low), value), max(float(high), value)


def resampled(n: int) -> Iterator[Values]:
    """How often each of n rows is drawn, (some, n) at a time: always the same draws."""
    generator = np.random.default_rng(key(0, "bootstrap"))
    for start in range(0, DRAWS, step := max(1, AT_ONCE // n)):
        many = min(step, DRAWS - start)
        places = generator.integers(0, n, (many, n)) + n * np.arange(many)[:, None]
        yield np.bincount(places.ravel(), minlength=many * n).reshape(many, n).astype(np.float64)
