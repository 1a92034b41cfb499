"""Several that answered the same pictures, each two of them: told apart only where a test among all tests says so."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, final

from striate.evaluate.folds import METHOD
from striate.evaluate.holm import holm
from striate.evaluate.intervals import Z
from striate.evaluate.numbers import as_told
from striate.evaluate.paired import Paired, needed, sure

LEVEL = 0.05
Between = Callable[[str, str], tuple[tuple[float, float], Paired | None, int]]


@final
@dataclass(frozen=True)
class Contrast:
    """What lies between `one` and `other`, whose values are `values`; None where nothing can be told of the two.

    `p` is that of the test among the tests of `pairs` pairs (Holm 1979); `mean`: values are means and no shares.
    `seeds`: of so many trainings of each.
    """

    one: str
    other: str
    values: tuple[float, float]
    found: Paired | None
    p: float
    pairs: int
    mean: bool
    subset: str
    seeds: int = 1

    @property
    def verdict(self) -> Literal["beats", "is beaten by", "cannot be told apart from"]:
        if self.found is None or self.p >= LEVEL or self.found.difference == 0:
            return "cannot be told apart from"
        return "beats" if self.found.difference > 0 else "is beaten by"

    def turned(self) -> "Contrast":
        """The same with the other one first."""
        found = self.found and dataclasses.replace(
            self.found, difference=-self.found.difference, low=-self.found.high, high=-self.found.low,
            better=self.found.worse, worse=self.found.better,
        )  # fmt: skip
        return dataclasses.replace(self, one=self.other, other=self.one, values=self.values[::-1], found=found)

    def as_dict(self) -> dict[str, Any]:
        values = [each if math.isfinite(each) else None for each in self.values]
        found = None if self.found is None else self.found.as_dict()
        return dataclasses.asdict(self) | {"values": values, "found": found, "verdict": self.verdict}

    @property
    def more(self) -> str:
        """1.4 points more; empty where nothing can be told."""
        return "" if self.found is None else self.found.more(self.mean)

    @property
    def interval(self) -> str:
        """0.3 to 2.5, at 95 %."""
        return "" if self.found is None else self.found.interval(self.mean)

    @property
    def sure(self) -> str:
        return sure(self.p)

    @property
    def short_of(self) -> int | None:
        """So many pictures, or groups, and as many times the seeds, would tell the difference, where it is not told."""
        if self.found is None or self.p < LEVEL or self.found.method == METHOD:
            return None
        most = needed(self.found)
        return None if most is None or most <= self.found.units[0] else most

    @property
    def takes(self) -> str:
        """about 1,200 pictures and 10 seeds; empty where nothing is short."""
        if self.found is None or (most := self.short_of) is None:
            return ""
        n, what = self.found.units
        more = f" and {math.ceil(self.seeds * most / n):,} seeds" if self.seeds > 1 else ""
        return f"about {most:,} {what}{more}"

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.one} {self.verdict} {self.other}: too few, or too much alike, to tell"
        values = " against ".join(as_told(each, self.found.n, self.mean) for each in self.values)
        told = f"{self.one} {self.verdict} {self.other} on the same {self.found.pictures(self.subset)}: {values}, "
        alone, among = (" of this pair alone", f" among {self.pairs} pairs") if self.pairs > 1 else ("", "")
        told += f"{self.more} (95 % interval{alone} {self.interval}; {self.sure}{among})"
        if self.verdict != "cannot be told apart from":
            return told
        return f"{told}; that may be chance" + (f": to tell such a difference takes {self.takes}" if self.takes else "")


def known(fields: Mapping[str, Any]) -> Contrast:
    """Of a record as `as_dict` writes it."""
    values = tuple(math.nan if each is None else each for each in fields["values"])
    found = None if fields["found"] is None else Paired(**fields["found"])
    told = {key: value for key, value in fields.items() if key != "verdict"}
    return Contrast(**{**told, "values": values, "found": found})


def contrasts(names: Sequence[str], between: Between, subset: str, mean: bool) -> list[Contrast]:
    """Every pair of `names`, the first named first; `between` gives the values of two, what lies between them, and by
    how many trainings of each."""
    pairs = list(combinations(names, 2))
    told = [between(*pair) for pair in pairs]
    ps = holm([1.0 if found is None else p_of(found) for _, found, _ in told])
    return [
        Contrast(one, other, values, found, p, len(pairs), mean, subset, seeds)
        for (one, other), (values, found, seeds), p in zip(pairs, told, ps, strict=True)
    ]


def p_of(found: Paired) -> float:
    """Of a difference that has an interval alone, the p of the normal distribution that its end towards 0 lies on."""
    if found.p is not None:
        return found.p
    away = found.difference - found.low if found.difference > 0 else found.high - found.difference
    return math.erfc(abs(found.difference) * Z / away / math.sqrt(2)) if away > 0 else float(found.difference == 0)
