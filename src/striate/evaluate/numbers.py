"""A number is never without its count, its subset and its 95 % interval."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.base.declared import Count
from striate.base.words import decimal
from striate.tasks.measures import Mean, Measure, Proportion

# The 97.5 % quantile of the standard normal distribution.
Z = 1.959963984540054


@dataclass(frozen=True)
class Number:
    """`value` with its interval `low`..`high` at 95 %, from `n` pictures of `subset`; None where n is 0."""

    name: str
    value: float | None
    n: Count
    subset: str
    low: float | None
    high: float | None
    method: str

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return f"{self.name}: undefined (n = 0, {self.subset})"
        if self.method == "normal":
            shown, low, high = (decimal(each, 4) for each in (self.value, self.low, self.high))
        else:
            shown, low, high = (f"{100 * each:.2f} %" for each in (self.value, self.low, self.high))
        return f"{self.name} {shown} (95 % interval {low} to {high}, n = {self.n}, {self.subset})"

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def number(measure: Measure, subset: str) -> Number:
    """The measure with the interval of its kind."""
    if isinstance(measure, Mean):
        return _mean(measure, subset)
    if measure.n == 0:
        return Number(measure.name, None, 0, subset, None, None, "Wilson")
    low, high = wilson(measure.hits, measure.n)
    if isinstance(measure, Proportion):
        return Number(measure.name, measure.hits / measure.n, measure.n, subset, low, high, "Wilson")
    value, low, high = (_dice(share) for share in (measure.hits / measure.n, low, high))
    return Number(measure.name, value, measure.n, subset, low, high, "Wilson of the Jaccard index")


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson 1927: the score interval of a proportion, 95 %."""
    share, spread = hits / n, Z * Z / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # at none and all of n the interval ends exactly there; rounding must not put it beyond
    return (0.0 if hits == 0 else centre - half), (1.0 if hits == n else centre + half)


def _dice(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)


def _mean(measure: Mean, subset: str) -> Number:
    """The normal interval of a mean; with one value there is no spread to tell, so it is the value itself."""
    if not measure.values:
        return Number(measure.name, None, 0, subset, None, None, "normal")
    values = np.array(measure.values)
    value = float(values.mean())
    half = Z * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Number(measure.name, value, len(values), subset, value - half, value + half, "normal")
