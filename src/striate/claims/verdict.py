"""What the differences of paired trainings say of a sentence: one rule for every claim, fixed before any training.

A question compares two arms, once for each seed: the same seed is the same split and the same batches. The effect is
the mean of their differences, with Student's interval. It lies beyond the smallest effect that is worth a word, or it
does not; where a claim has several questions, intervals are as wide as Holm 1979 asks.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, final

import numpy as np
from scipy.stats import t as student

from striate.base.words import many

Word = Literal["CONFIRMED", "REFUTED", "NOT SEEN", "INCONCLUSIVE"]
LEVEL = 0.05
FEWEST, MOST = 3, 1_000  # seeds: of fewer nothing is said, and more are not asked for
# The smallest effects that are worth a word: of losses, steps and norms a factor; of errors percentage points.
TIMES, POINTS = 1.25, 0.5


@final
@dataclass(frozen=True)
class Question:
    """How much more `one` has than `other` of what `of` names, for each seed `ones` and `others`.

    `unit`: "times", whose effect is a ratio, taken by its logarithm; or "points". `claimed`: 1 where the sentence says
    that `one` has more, -1 where it says less. `smallest`: the smallest effect worth a word, in that unit.
    `failed`: why the arms cannot be compared, such as a reference network that did not train; "" where they can.
    """

    name: str
    of: str
    one: str
    other: str
    ones: tuple[float, ...]
    others: tuple[float, ...]
    unit: Literal["times", "points"]
    claimed: Literal[1, -1]
    smallest: float
    failed: str = ""

    @cached_property
    def effects(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Additive: logarithms of ratios, or points."""
        ones, others = (np.asarray(each, np.float64) for each in (self.ones, self.others))
        if self.unit == "points":
            return np.asarray(ones - others)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.log(ones) - np.log(others))

    @property
    def worth(self) -> float:
        """The smallest effect worth a word, additive."""
        return math.log(self.smallest) if self.unit == "times" else self.smallest

    @property
    def unfit(self) -> str:
        """Why nothing can be said; "" where something can."""
        if self.failed:
            return self.failed
        if len(self.ones) < FEWEST:
            return f"{many(len(self.ones), 'seed')}, and {FEWEST} are the fewest that say anything"
        if not np.isfinite(self.effects).all():
            return f"{many(int((~np.isfinite(self.effects)).sum()), 'seed')} of {len(self.ones)} has no number"
        return ""


@final
@dataclass(frozen=True)
class Verdict:
    """`effect`, `low` and `high` in the question's unit, NaN where nothing can be said; the interval holds `level`.

    `takes`: so many seeds would settle it if the effect stayed as it is; None where it is settled, cannot be
    said, or would take more than 1,000.
    """

    question: Question
    word: Word
    effect: float
    low: float
    high: float
    level: float
    takes: int | None

    def as_dict(self) -> dict[str, Any]:
        numbers = {key: _finite(getattr(self, key)) for key in ("effect", "low", "high", "level")}
        asked = dataclasses.asdict(self.question)
        asked |= {key: [_finite(each) for each in asked[key]] for key in ("ones", "others")}
        return {"word": self.word, "takes": self.takes, **numbers, "question": asked}

    @property
    def told(self) -> str:
        """x125 (100 to 155), or +2.4 points (0.8 to 4.0)."""
        if not math.isfinite(self.effect):
            return self.question.unfit
        if self.question.unit == "times":
            return f"x{self.effect:.3g} ({self.low:.3g} to {self.high:.3g})"
        return f"{self.effect:+.2g} points ({self.low:+.2g} to {self.high:+.2g})"


def verdicts(questions: Sequence[Question]) -> tuple[Verdict, ...]:
    """The verdicts of one claim, in the order of its questions.

    Intervals hold 95 % of a single question. Of several, the clearest is asked at a level of 0.05 by their number, the
    next by one less, and so on until one is not settled: then all that are left are asked at that level.
    """
    asked = [place for place, each in enumerate(questions) if not each.unfit]
    found: dict[int, Verdict] = {
        place: Verdict(each, "INCONCLUSIVE", math.nan, math.nan, math.nan, 1 - LEVEL, None)
        for place, each in enumerate(questions)
        if each.unfit
    }
    asked.sort(key=lambda place: _clearness(questions[place]))
    left, settled = len(asked), True
    for place in asked:
        found[place] = _at(questions[place], LEVEL / left)
        settled = settled and found[place].word != "INCONCLUSIVE"
        if settled:
            left -= 1
    return tuple(found[place] for place in range(len(questions)))


def _clearness(question: Question) -> float:
    """The level at which the question is just settled: the smaller, the clearer."""
    effects, n = question.effects, len(question.ones)
    away = abs(abs(float(effects.mean())) - question.worth)
    spread = float(effects.std(ddof=1)) / math.sqrt(n)
    return float(2 * student.sf(away / spread, n - 1)) if spread > 0 else 0.0


def _at(question: Question, level: float) -> Verdict:
    effects, worth = question.effects, question.worth
    n, mean, spread = len(effects), float(effects.mean()), float(effects.std(ddof=1))
    reach = _reach(n, spread, level)
    low, high = mean - reach, mean + reach
    word: Word = "INCONCLUSIVE"
    if low > worth or high < -worth:
        word = "CONFIRMED" if (low > worth) == (question.claimed > 0) else "REFUTED"
    elif -worth < low and high < worth:
        word = "NOT SEEN"
    takes = _takes(abs(abs(mean) - worth), spread, level) if word == "INCONCLUSIVE" else None
    if question.unit == "times":
        mean, low, high = math.exp(mean), math.exp(low), math.exp(high)
    return Verdict(question, word, mean, low, high, 1 - level, takes)


def _reach(n: int, spread: float, level: float) -> float:
    return float(student.isf(level / 2, n - 1)) * spread / math.sqrt(n)


def _takes(away: float, spread: float, level: float) -> int | None:
    """The fewest seeds whose interval is shorter than what lies between the effect and the next border."""
    if _reach(MOST, spread, level) >= away:
        return None
    least, most = FEWEST, MOST
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if _reach(middle, spread, level) < away else (middle + 1, most)
    return least


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
