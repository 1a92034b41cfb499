"""A number is never without its count, its subset and its 95 % interval."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.base import words
from striate.base.declared import Count
from striate.base.words import decimal
from striate.evaluate import intervals
from striate.tasks.measures import AUC, Dice, Hits, Mean, Measure, Proportion, Statistic


@dataclass(frozen=True)
class Number:
    """`value` with its interval `low`..`high` at 95 %, from `n` pictures of `subset`; None where it is undefined."""

    name: str
    value: float | None
    n: Count
    subset: str
    low: float | None
    high: float | None
    method: str

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return f"{self.name}: undefined (n = {self.n}, {self.subset})"
        if self.method == "normal":
            shown, low, high = (decimal(each, 4) for each in (self.value, self.low, self.high))
        else:
            shown, low, high = (f"{100 * each:.2f} %" for each in (self.value, self.low, self.high))
        return f"{self.name} {shown} (95 % interval {low} to {high}, n = {self.n}, {self.subset})"

    @property
    def brief(self) -> str:
        """test accuracy 94.99 % (92.21 to 96.81, n = 359); the interval is that of 95 %."""
        told = f"{words.subset(self.subset)} {self.name}"
        if self.value is None or self.low is None or self.high is None:
            return f"{told}: undefined (n = {self.n})"
        if self.method == "normal":
            value, low, high = (decimal(each, 3) for each in (self.value, self.low, self.high))
        else:
            value, low, high = (f"{100 * each:.2f}" for each in (self.value, self.low, self.high))
        return f"{told} {value}{' %' * (self.method != 'normal')} ({low} to {high}, n = {self.n})"

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def known(fields: Mapping[str, Any]) -> Number:
    """The number of a result.json; what stands beside that of a baseline is left out."""
    return Number(**{key: value for key, value in fields.items() if key != "paired"})


def number(measure: Measure, subset: str) -> Number:
    """The measure with the interval of its kind."""
    match measure:
        case Proportion(_, hits, n):
            found, method = intervals.wilson(hits, n), "Wilson"
        case Hits(_, right):
            found, n, method = intervals.wilson(int(right.sum()), len(right)), len(right), "Wilson"
        case Dice(_, hits, n):
            value, low, high = (2 * share / (1 + share) for share in intervals.wilson(hits, n))
            found, method = (value, low, high), "Wilson of the Jaccard index"
        case Mean(_, values):
            found, n, method = intervals.normal(np.array(values)), len(values), "normal"
        case Statistic(_, rows, of):
            found, n, method = intervals.bootstrap(rows, of), len(rows), "bootstrap over pictures"
        case AUC(_, scores, positive):
            found, n, method = intervals.area(scores, positive), len(scores), "DeLong"
    if math.isnan(found[0]):
        return Number(measure.name, None, n, subset, None, None, method)
    value, low, high = found
    return Number(measure.name, value, n, subset, low, high, method)
