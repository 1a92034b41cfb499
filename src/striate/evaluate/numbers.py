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
from striate.evaluate import calibration, grouped, intervals
from striate.evaluate.grouped import Groups
from striate.evaluate.intervals import Found
from striate.tasks.measures import AUC, Calibration, Dice, Hits, Mean, Measure, Recalls, Statistic

NORMAL, STUDENT, HALL = "normal", "Student over groups", "Hall's transformation"
LOGARITHM = "Student over groups, of the logarithm"
BOTH, SHARE_OF_BOTH = "Student over seeds and pictures", "Wilson over seeds and pictures"
OF_FOLDS = "corrected resampled t over folds of means"


@dataclass(frozen=True)
class Number:
    """`value` with its interval `low`..`high` at 95 %, from `n` pictures of `subset`; None where it is undefined.

    `groups`: in so many groups, which the interval draws.
    """

    name: str
    value: float | None
    n: Count
    subset: str
    low: float | None
    high: float | None
    method: str
    groups: Count | None = None

    @property
    def or_nan(self) -> float:
        """The value, NaN where it is undefined."""
        return math.nan if self.value is None else self.value

    @property
    def told_n(self) -> str:
        """600, or 600 in 20 groups."""
        return f"{self.n}" if self.groups is None else f"{self.n} in {words.many(self.groups, 'group')}"

    def _told(self, least: int) -> list[str]:
        """The value and both ends, means with at least so many decimals and shares in per cent; or nothing."""
        known = [each for each in (self.value, self.low, self.high) if each is not None]
        told = [decimal(each, least) if is_mean(self.method) else f"{100 * each:.2f}" for each in known]
        return told if len(told) == 3 else []

    def __str__(self) -> str:
        if not (told := self._told(4)):
            return f"{self.name}: undefined (n = {self.told_n}, {self.subset})"
        value, low, high = (each + " %" * (not is_mean(self.method)) for each in told)
        return f"{self.name} {value} (95 % interval {low} to {high}, n = {self.told_n}, {self.subset})"

    @property
    def brief(self) -> str:
        """test accuracy 94.99 % (92.21 to 96.81, n = 359); the interval is that of 95 %."""
        name = f"{words.subset(self.subset)} {self.name}"
        if not (told := self._told(3)):
            return f"{name}: undefined (n = {self.told_n})"
        value, low, high = told
        return f"{name} {value}{' %' * (not is_mean(self.method))} ({low} to {high}, n = {self.told_n})"

    def as_dict(self) -> dict[str, Any]:
        """As in result.json: without groups where there are none."""
        return {key: value for key, value in dataclasses.asdict(self).items() if (key, value) != ("groups", None)}


def known(fields: Mapping[str, Any]) -> Number:
    """The number of a result.json; what stands beside that of a baseline is left out."""
    return Number(**{key: value for key, value in fields.items() if key != "paired"})


def is_mean(method: str) -> bool:
    """Whether the interval is of a mean, which has no scale that ends at one."""
    return method in (NORMAL, STUDENT, LOGARITHM, HALL, BOTH, OF_FOLDS)


def as_told(value: float, n: int, mean: bool, least: int = 2) -> str:
    """A mean with at least so many decimals; a share as percent, with no more digits than `n` pictures tell apart."""
    return decimal(value, least) if mean else words.share(value, n)


def number(measure: Measure, subset: str, groups: Groups | None = None) -> Number:
    """The measure with the interval of its kind; `groups` (n,): those of equal numbers are one independent unit."""
    n, among, found, method = _alone(measure) if groups is None else _grouped(measure, groups)
    count = None if groups is None else len(np.unique(groups[among]))
    if math.isnan(found[0]):
        return Number(measure.name, None, n, subset, None, None, method, count)
    value, low, high = found
    return Number(measure.name, value, n, subset, low, high, method, count)


Asked = tuple[int, Any, Found, str]


def _alone(measure: Measure) -> Asked:
    """How many pictures are asked, which, the interval where each is independent, and how that is made."""
    every = slice(None)
    match measure:
        case Hits(_, right):
            return len(right), every, intervals.wilson(int(right.sum()), len(right)), "Wilson"
        case Dice(_, right):
            value, low, high = map(_of_jaccard, intervals.wilson(int(right.sum()), len(right)))
            return len(right), every, (value, low, high), "Wilson of the Jaccard index"
        case Recalls(_, right, classes):
            found = grouped.recalls(right, classes, np.arange(len(right)))
            return len(right), every, found, "Wilson by the jackknife"
        case Mean(_, values, skewed):
            told = np.array(values, dtype=np.float64)
            told = told[np.isfinite(told)]
            found, method = (intervals.skewed(told), HALL) if skewed else (intervals.normal(told), NORMAL)
            return len(told), every, found, method
        case Statistic(_, rows, of):
            return len(rows), every, intervals.bootstrap(rows, of), "bootstrap over pictures"
        case AUC(_, scores, positive):
            return len(scores), every, intervals.area(scores, positive), "DeLong"
        case Calibration(right=right):
            return len(right), every, calibration.error(measure), "noncentral chi-square of ten parts"


def _grouped(measure: Measure, groups: Groups) -> Asked:
    """The same where groups are independent."""
    every, method = slice(None), "Wilson over groups"
    match measure:
        case Hits(_, right, of):
            among = every if of is None else of
            return len(right), among, grouped.share(right, groups[among]), method
        case Dice(_, right, of):
            among = every if of is None else of
            value, low, high = map(_of_jaccard, grouped.share(right, groups[among]))
            return len(right), among, (value, low, high), f"{method} of the Jaccard index"
        case Recalls(_, right, classes):
            return len(right), every, grouped.recalls(right, classes, groups), method
        case Mean(_, values, skewed):
            told = np.array(values, dtype=np.float64)
            among = np.flatnonzero(np.isfinite(told))
            found = grouped.mean(told[among], groups[among], skewed)
            return len(among), among, found, LOGARITHM if skewed else STUDENT
        case Statistic(_, rows, of):
            return len(rows), every, grouped.statistic(rows, of, groups), method
        case AUC(_, scores, positive):
            return len(scores), every, grouped.area(scores, positive, groups), method
        case Calibration(right=right):
            found = calibration.error(measure, groups)
            return len(right), every, found, "noncentral chi-square of ten parts, over groups"


def _of_jaccard(share: float) -> float:
    return 2 * share / (1 + share)
