"""Numbers over folds: their trainings share pictures, so they vary less together than trainings apart would.

Nadeau and Bengio 2003, "Inference for the generalization error", section 3, the corrected resampled t-test: of J values
with variance S^2 the mean has the variance (1 / J + tested / trained) S^2, by Student's distribution with J - 1 degrees
of freedom. Repeats of the folds are more values of the same kind.
"""

import math

import numpy as np

from striate.evaluate.grouped import NONE, Spread
from striate.evaluate.intervals import UNDEFINED, Found, Values
from striate.evaluate.paired import Paired


def over_folds(values: Values, tested: float, trained: float) -> Found:
    """The mean of one value a fold, (J,), with its interval at 95 %: undefined for fewer than two.

    `tested` and `trained`: the pictures that a fold is scored on and those that its network learned from, on average.
    """
    if len(values) < 2:
        return UNDEFINED
    value, reach = float(values.mean()), _spread(values, tested, trained).reach
    return value, value - reach, value + reach


def folds_apart(one: Values, other: Values, tested: float, trained: float) -> Paired | None:
    """The mean difference of two networks over the same folds, (J,) each; n counts answers, those of repeats apart.

    None where nothing can be told: of fewer than two folds, or where all differ by the same, which shows no luck.
    """
    apart, n = one - other, round(len(one) * tested)
    if len(one) != len(other) or len(one) < 2 or not np.isfinite(apart).all():
        return None
    value, spread = float(apart.mean()), _spread(apart, tested, trained)
    if spread.variance < NONE:
        return None if abs(value) > math.sqrt(NONE) else Paired(0.0, 0.0, 0.0, n, METHOD, p=1.0)
    return Paired(value, value - spread.reach, value + spread.reach, n, METHOD, p=spread.p(value))


METHOD = "corrected resampled t over folds"


def _spread(values: Values, tested: float, trained: float) -> Spread:
    count = len(values)
    return Spread((1 / count + tested / trained) * float(values.var(ddof=1)), count - 1)
