"""Whether one answers better than another, on the same pictures: what lies between the two, with its interval."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from striate.base import words
from striate.base.declared import Count
from striate.base.options import Range
from striate.evaluate import grouped, intervals
from striate.evaluate.grouped import Groups
from striate.evaluate.intervals import Found, Values
from striate.evaluate.numbers import as_told, is_mean, number
from striate.tasks.measures import AUC, Hits, Mean, Measure, Statistic

# The 80 % quantile of the standard normal distribution: the power that is promised where more pictures are asked for.
POWER = 0.8416212335729143
MOST = 1_000_000  # pictures that are worth saying that they would be needed


@dataclass(frozen=True)
class Paired:
    """How much more the one has than the other, `low`..`high` at 95 %, from the same `n` pictures.

    Of shares of pictures also how many the one alone (`better`) and the other alone (`worse`) answers rightly, and the
    exact test of McNemar 1947 on these; or, where `groups` are independent, Student's.
    """

    difference: float
    low: float
    high: float
    n: Count
    method: str
    better: Count | None = None
    worse: Count | None = None
    p: Annotated[float, Range(1, least=0, most=1)] | None = None
    groups: Count | None = None

    def as_dict(self) -> dict[str, Any]:
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}

    @property
    def units(self) -> tuple[int, str]:
        """How many are independent, and what these are."""
        return (self.n, "pictures") if self.groups is None else (self.groups, "groups")

    def pictures(self, subset: str) -> str:
        """1,200 test pictures in 20 groups."""
        grouped = "" if self.groups is None else f" in {self.groups:,} groups"
        return f"{self.n:,} {words.subset(subset)} pictures{grouped}"

    def more(self, mean: bool) -> str:
        """1.4 points more; `mean`: of means, and not of shares."""
        told = as_told(self.difference, self.n, mean).removesuffix(" %")
        if float(told.replace(",", "")) == 0:
            return "no difference"
        return f"{told.removeprefix('-')}{'' if mean else ' points'} {'less' if told.startswith('-') else 'more'}"

    def interval(self, mean: bool) -> str:
        """0.3 to 2.5, at 95 %."""
        return " to ".join(as_told(each, self.n, mean).removesuffix(" %") for each in (self.low, self.high))


def paired(one: Measure, other: Measure, groups: Groups | None = None) -> Paired | None:
    """Of two measures of one kind, picture for picture in one order, of which more is better.

    `groups` (n,): where those of equal numbers are one independent unit, they are drawn. None where the two cannot be
    compared: not of the same pictures, undefined, or of too few to tell anything.
    """
    if groups is not None:
        return _paired_by(one, other, groups)
    match one, other:
        case Hits(of=None), Hits(of=None) if 0 < len(one.right) == len(other.right):
            p, found = intervals.matched(one.right, other.right)
            return Paired(*found, len(one.right), "Newcombe and exact McNemar", *_turned(one, other), p)
        case AUC(), AUC() if np.array_equal(one.positive, other.positive):
            n, found, method = len(one.scores), intervals.areas(one.scores, other.scores, one.positive), "DeLong"
        case ((Mean() | Statistic()), (Mean() | Statistic())):
            (own, of), (rival, rivals_of) = _summed(one), _summed(other)
            if len(own) != len(rival):
                return None
            k = own.shape[1]
            n, method = len(own), "bootstrap over pictures"
            found = intervals.differing(
                np.concatenate([own, rival], 1), lambda sums: of(sums[:, :k]) - rivals_of(sums[:, k:])
            )
        case _:
            return None
    return Paired(*found, n, method) if all(map(math.isfinite, found)) else None


def _paired_by(one: Measure, other: Measure, groups: Groups) -> Paired | None:
    """The same by Student's test of how both move without each group."""
    turned: tuple[int, int] | None = None
    match one, other:
        case Hits(of=None), Hits(of=None) if len(one.right) == len(other.right):
            turned = _turned(one, other)
        case (AUC(), AUC()) if np.array_equal(one.positive, other.positive):
            pass
        case ((Mean() | Statistic()), (Mean() | Statistic())) if len(_summed(one)[0]) == len(_summed(other)[0]):
            pass
        case _:
            return None
    (_, first), (_, second) = (_moves(each, groups) for each in (one, other))
    p, found = grouped.differing(_found(one, groups), _found(other, groups), first, second)
    if not all(map(math.isfinite, found)):
        return None
    told = Paired(*found, len(groups), "Student over groups", groups=len(np.unique(groups)))
    return told if turned is None else dataclasses.replace(told, better=turned[0], worse=turned[1], p=p)


def _found(measure: Measure, groups: Groups) -> Found:
    told = number(measure, "", groups)
    value, low, high = (math.nan if each is None else each for each in (told.value, told.low, told.high))
    return value, low, high


def _moves(measure: Hits | Mean | Statistic | AUC, groups: Groups) -> tuple[float, Values]:
    """The value, and how far it moves without each group."""
    if isinstance(measure, AUC):
        return grouped.area_moves(measure.scores, measure.positive, groups)
    rows, of = _summed(measure)
    if not len(rows):
        return math.nan, np.empty(0)
    with np.errstate(invalid="ignore"):
        return grouped.jackknifed(grouped.summed(rows, groups), of)


def moves(measure: Measure, groups: Groups | None) -> tuple[float, Values] | None:
    """The value, and how far it moves without each picture or group; None where it cannot be told without one."""
    match measure:
        case Hits(of=None, right=values) | Mean(values=values) | Statistic(rows=values) | AUC(scores=values):
            units = np.arange(len(values)) if groups is None else groups
            value, found = _moves(measure, units)
            return (value, found) if len(found) == len(np.unique(units)) > 1 and math.isfinite(value) else None
    return None


def _turned(one: Hits, other: Hits) -> tuple[int, int]:
    """How many pictures the one alone, and the other alone, answers rightly."""
    return int((one.right & ~other.right).sum()), int((other.right & ~one.right).sum())


def _summed(measure: Hits | Mean | Statistic) -> tuple[Values, Any]:
    """Rows, and the value by sums of them."""
    if isinstance(measure, Statistic):
        return measure.rows, measure.of
    values = np.array(measure.right if isinstance(measure, Hits) else measure.values, dtype=np.float64)
    there = np.isfinite(values)
    return np.stack([np.where(there, values, 0.0), there], 1), lambda sums: sums[:, 0] / sums[:, 1]


def strongest(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The baseline of result.json that answers best, of those that were compared."""
    compared = [each for each in result.get("baselines", ()) if each.get("paired")]
    return max(compared, key=lambda each: float(each["value"]), default=None)


def told(own: Mapping[str, Any], rival: Mapping[str, Any]) -> str:
    """In words, from records of result.json; nothing is claimed that the interval leaves open."""
    found, mean = Paired(**rival["paired"]), is_mean(own["method"])
    verb = "beats" if found.low > 0 else "is beaten by" if found.high < 0 else "cannot be told apart from"
    values = " against ".join(as_told(each["value"], found.n, mean) for each in (own, rival))
    told = f"It {verb} {words.with_article(rival['name'])} on the same {found.pictures(own['subset'])}: {values}, "
    told += f"{found.more(mean)} (95 % interval {found.interval(mean)})"
    if found.p is not None and found.better is not None and found.worse is not None:
        better, worse = (words.many(count, "time") for count in (found.better, found.worse))
        told += f"; right where that one is wrong {better}, the other way round {worse} ({sure(found.p)})"
    if not found.low <= 0 <= found.high:
        return f"{told}."
    many = needed(found)
    takes = "" if many is None else f": to tell such a difference takes about {many:,} {found.units[1]}"
    return f"{told}. That may be chance{takes}."


def sure(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def needed(found: Paired) -> int | None:
    """About so many pictures, or groups, would tell a difference as large as this one, four times of five.

    To two digits. None where there are as many already, where there is no difference, and of more than a million.
    """
    if not found.difference:
        return None
    half, n = (found.high - found.low) / 2, found.units[0]
    many = n * (half / found.difference * (1 + POWER / intervals.Z)) ** 2
    return int(round(many, 1 - math.floor(math.log10(many)))) if n < many < MOST else None
