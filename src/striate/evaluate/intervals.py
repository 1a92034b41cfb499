"""Values with their intervals at 95 %: (value, low, high), NaN where there is none."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from striate.base.randomness import key

Values = npt.NDArray[np.float64]
Found = tuple[float, float, float]

UNDEFINED: Found = (math.nan, math.nan, math.nan)
# The 97.5 % quantile of the standard normal distribution.
Z = 1.959963984540054
DRAWS = 2_000
AT_ONCE = 2**22  # places that are drawn in one go: 100 MB, however many rows there are


def wilson(hits: int, n: int) -> Found:
    """Wilson 1927: the score interval of a proportion."""
    if n == 0:
        return UNDEFINED
    share, spread = hits / n, Z * Z / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # at none and all of n the interval ends exactly there; rounding must not put it beyond
    return share, (0.0 if hits == 0 else centre - half), (1.0 if hits == n else centre + half)


def normal(values: Values) -> Found:
    """Of a mean; with one value there is no spread to tell, so it is the value itself."""
    if not len(values):
        return UNDEFINED
    value = float(values.mean())
    half = Z * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return value, value - half, value + half


def area(scores: Values, positive: npt.NDArray[np.bool_]) -> Found:
    """The area under the ROC curve: DeLong et al. 1988 on the logit scale, by the ranks of Sun and Xu 2014.

    Where that variance is none, as when all pairs are ordered alike, it is the score interval of Newcombe 2006,
    part 2, method 5.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logit
    from scipy.stats import rankdata

    own, other = scores[positive], scores[~positive]
    m, n = len(own), len(other)
    if not m or not n:
        return UNDEFINED
    ranks = rankdata(np.concatenate([own, other]))
    above, below = (ranks[:m] - rankdata(own)) / n, 1 - (ranks[m:] - rankdata(other)) / m
    value = float(ranks[:m].sum() - m * (m + 1) / 2) / (m * n)
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


def bootstrap(rows: Values, of: Callable[[Values], Values]) -> Found:
    """Efron 1987: bias-corrected and accelerated, from always the same draws; those without a value are left out.

    Where the correction is undefined it is the interval of percentiles; where nothing varies, the value itself.
    """
    from scipy.special import ndtr, ndtri

    n, total = len(rows), rows.sum(0, keepdims=True)
    value = float(of(total)[0]) if n else math.nan
    if math.isnan(value) or n == 1:
        return value, value, value
    generator, drawn = np.random.default_rng(key(0, "bootstrap")), []
    for start in range(0, DRAWS, step := max(1, AT_ONCE // n)):
        many = min(step, DRAWS - start)
        places = generator.integers(0, n, (many, n)) + n * np.arange(many)[:, None]
        counts = np.bincount(places.ravel(), minlength=many * n).reshape(many, n)
        drawn.append(of(counts @ rows))
    found, without = (values[np.isfinite(values)] for values in (np.concatenate(drawn), of(total - rows)))
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
