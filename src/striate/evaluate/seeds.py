"""Networks that were each trained with several seeds, and asked the same pictures: what holds for other seeds too.

Luck lies in the pictures and in the seeds. The pictures': signs of the differences, picture by picture, are flipped
(Fisher 1935, section 21). Both together: Student's test with the variance of Obuchowski and Rockette 1995 for cases
that all readers read, readers nested in modalities (here: pictures, seeds, networks), and degrees of freedom as Hillis
2007. What is told is the less sure of the two, of p and of interval: `benchmarks/coverage.py` shows that flipped
signs alone take the luck of seeds for a difference, and so does McNemar's test of the answers of all seeds together.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from striate.base.randomness import key
from striate.evaluate.grouped import NONE, Groups, Spread
from striate.evaluate.intervals import FEWEST, Found, Values, Z, score
from striate.evaluate.numbers import BOTH, SHARE_OF_BOTH, Number, number
from striate.evaluate.paired import Paired, moves, paired
from striate.tasks.measures import Mean, Measure

FLIPS = 9_999
AT_ONCE = 2**23  # signs that are drawn in one go


def over_seeds(one: Sequence[Measure], other: Sequence[Measure], groups: Groups | None = None) -> Paired | None:
    """How much more the mean over its seeds is of the one network than of the other.

    A measure for each seed, all of one kind and of the same pictures in one order; `groups` (n,): those of equal
    numbers are one independent unit. Of one seed each it is `paired`, which tells of these two trainings alone. None
    where the two cannot be compared.
    """
    if len(one) == len(other) == 1:
        return paired(one[0], other[0], groups)
    both = [_units(each, groups) for each in (one, other)]
    if min(len(one), len(other)) < 2 or any(each is None for each in both):
        return None
    firsts, seconds = (each for each in both if each is not None)
    if (count := firsts.shape[1]) != seconds.shape[1] or count < FEWEST:
        return None
    p, (value, low, high) = flipped(firsts.mean(0) - seconds.mean(0))
    parts = _parts(firsts, seconds)
    variance = sum(part.variance for part in parts)
    squares = sum(part.variance**2 / part.freedom for part in parts)
    spread = Spread(variance, variance**2 / squares if squares else count - 1)
    if spread.variance > NONE:
        p, low, high = max(p, spread.p(value)), min(low, value - spread.reach), max(high, value + spread.reach)
    n, many = (count, None) if groups is None else (len(groups), count)
    return Paired(value, low, high, n, "sign flips and Student over seeds", p=p, groups=many)


def mean_over_seeds(measures: Sequence[Measure], subset: str, groups: Groups | None = None) -> Number:
    """The mean over seeds, with an interval for other seeds and other pictures; of one seed it is `number`.

    Two or three seeds hardly tell how far seeds lie apart, and degrees of freedom taken from them are often too many.
    So Student's quantile is the mean of that of seeds and that of pictures, each weighted by its part of the variance
    (Cochran and Cox 1950, "Experimental designs"): it holds where that of Hillis holds in 90 of 100.
    """
    first = number(measures[0], subset, groups)
    units = _units(measures, groups)
    if len(measures) == 1 or units is None or first.value is None:
        return first
    value, parts = float(units.mean()), _parts(units)
    variance = sum(part.variance for part in parts)
    weighted = sum(part.variance * part.quantile for part in parts)
    quantile = weighted / variance if variance > NONE else parts[-1].quantile
    if isinstance(measures[0], Mean):
        reach = quantile * math.sqrt(variance)
        return dataclasses.replace(first, value=value, low=value - reach, high=value + reach, method=BOTH)
    luck = variance > NONE and 0 < value < 1
    as_many = value * (1 - value) / variance if luck else units.shape[1]
    _, low, high = score(value, max(1.0, as_many) * (Z / quantile) ** 2)
    return dataclasses.replace(first, value=value, low=low, high=high, method=SHARE_OF_BOTH)


def flipped(values: Values) -> tuple[float, Found]:
    """Whether the mean of values (n,) is 0: p of flipped signs, and the means that this test does not refuse at 95 %.

    These lie between quantiles of the means of random halves: Hartigan 1969, "Using subsample values as typical
    values".
    """
    value, largest = float(values.mean()), float(np.abs(values).max())
    if largest < NONE:
        return 1.0, (value, value, value)
    if value < 0:  # whichever is named first, the same signs are drawn
        p, (_, least, most) = flipped(-values)
        return p, (value, -most, -least)
    each, counts = np.unique(np.round(values / largest, 12), return_counts=True)
    total, generator = float((each * counts).sum()), np.random.default_rng(key(0, "signs"))
    step = max(1, AT_ONCE // len(each))
    lows, highs = [], []
    for start in range(0, FLIPS, step):
        half = generator.binomial(counts, 0.5, (min(step, FLIPS - start), len(each)))
        size, whole = half.sum(1), half @ each
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.stack([whole / size, (total - whole) / (len(values) - size)])
        means[:, (size == 0) | (size == len(values))] = [[-np.inf], [np.inf]]  # all signs alike: no mean is refused
        lows.append(means.min(0))
        highs.append(means.max(0))
    low, high = np.sort(np.concatenate(lows)), np.sort(np.concatenate(highs))
    extreme = int(min((low < 1e-9).sum(), (high > -1e-9).sum()))
    place = (FLIPS + 1) // 20 - 1
    return (1 + extreme) / (FLIPS + 1), (value, float(low[place]) * largest, float(high[-1 - place]) * largest)


def _units(measures: Sequence[Measure], groups: Groups | None) -> Values | None:
    """What each picture, or group, adds to the value of each seed: (seeds, units), whose means are the values."""
    rows: list[Values] = []
    for each in measures:
        found = moves(each, groups)
        if found is None or (rows and len(found[1]) != len(rows[0])):
            return None
        value, without = found
        rows.append(value - (len(without) - 1) * (without - without.mean()))
    return np.stack(rows)


def _parts(*networks: Values) -> list[Spread]:
    """Of one network's mean over seeds (seeds, units), or of the difference of two: how far the seeds of each move it,
    and how far the units do that all seeds share."""
    count = networks[0].shape[1]
    signed = [each.mean(0) * sign for each, sign in zip(networks, (1, -1), strict=False)]
    of_units, rest, parts = float(np.sum(signed, 0).var(ddof=1)) / count, 0.0, []
    for each in networks:
        seeds = len(each)
        parts.append(Spread(float(each.mean(1).var(ddof=1)) / seeds, seeds - 1))
        left = each - each.mean(1, keepdims=True) - each.mean(0) + each.mean()
        rest += float((left**2).sum()) / ((seeds - 1) * (count - 1)) / (seeds * count)
    return [*parts, Spread(max(0.0, of_units - rest), count - 1)]
