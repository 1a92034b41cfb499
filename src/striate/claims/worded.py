"""A verdict in words."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from striate.base.words import many
from striate.claims.verdict import LEVEL, Verdict

if TYPE_CHECKING:
    from striate.claims.carried import Trained

# What each verdict means, as a page says it below the first of them.
MEANT = {
    "CONFIRMED": "the interval lies beyond the smallest effect worth a word, where the sentence says",
    "REFUTED": "the interval lies beyond the smallest effect worth a word, on the other side",
    "NOT SEEN": "the interval lies wholly within the smallest effect worth a word: whatever there is, it is small",
    "INCONCLUSIVE": "the interval leaves it open, or the reference failed",
}


def sentence(verdict: Verdict) -> str:
    """ "plain56 has 125 times the training loss of plain20 (100 to 155), both at rate 0.02"."""
    asked = verdict.question
    if not math.isfinite(verdict.effect):
        return f"nothing can be said of the {asked.of} of {asked.one} and {asked.other}: {asked.unfit}, {asked.name}"
    if asked.unit == "times":
        more, less = f"{times(verdict.effect)} times the {asked.of} of {asked.other}", ""
    else:
        more, less = f"{points(abs(verdict.effect))} points", "more" if verdict.effect >= 0 else "less"
        more = f"{more} {less} {asked.of} than {asked.other}"
    return f"{asked.one} has {more} ({between(verdict)}), {asked.name}"


def between(verdict: Verdict) -> str:
    """Its interval, in the words of the effect: of less points how many less."""
    low, high = verdict.low, verdict.high
    if verdict.question.unit == "times":
        return f"{times(low)} to {times(high)}"
    low, high = (low, high) if verdict.effect >= 0 else (-high, -low)
    return f"{points(low)} to {points(high)}"


def to_settle(verdict: Verdict) -> str:
    """How many seeds it would take; "" where it is settled, or nobody can say."""
    if verdict.word != "INCONCLUSIVE" or not math.isfinite(verdict.effect):
        return ""
    if verdict.takes is None:
        return "more than 1,000 seeds would have to tell, if the effect stayed as it is"
    return f"{many(verdict.takes, 'seed')} would tell, if the effect stayed as it is"


def chance(verdicts: int, claims: int) -> str:
    """How many of so many verdicts of one claim, and of so many claims, chance would turn."""
    level = f"{100 * LEVEL:g} %"
    told = f"{many(verdicts, 'verdict')} here: by Holm's rule chance turns one or more of them with at most {level}."
    if claims > 1:
        told += f" Of {claims} claims, as many as are recorded, that is {claims * LEVEL:.2g} with a turned verdict."
    return told


def counted(words: tuple[str, ...]) -> str:
    """2 CONFIRMED, 1 NOT SEEN."""
    return ", ".join(f"{words.count(each)} {each}" for each in MEANT if each in words)


def ends(trained: Sequence["Trained"]) -> str:
    """Arms whose best rate is the first or the last of three or more; "" where none is."""
    rates = defaultdict[str, list[float]](list)
    for each in trained:
        rates[each.arm].append(each.rate)
    found = [each for each in trained if each.best and each.chosen is not None and len(rates[each.arm]) > 2]
    found = [each for each in found if each.rate in (min(rates[each.arm]), max(rates[each.arm]))]
    told = ", ".join(f"{each.arm} ({each.rate:g})" for each in found)
    return told and f"The best rate is at an end of those that were tried, and a better one may lie beyond: {told}."


def smallest(verdict: Verdict) -> str:
    """The smallest effect worth a word."""
    asked = verdict.question
    return f"{asked.smallest:g} {asked.unit}"


def times(value: float) -> str:
    """A ratio: 1,250 and 0.0813."""
    if 1000 <= value < 1e6:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".") if 1e-4 <= value < 1000 else f"{value:.3g}"


def points(value: float, sign: str = "") -> str:
    """`sign`: "+" where more is to be told from less."""
    return format(value, f"{sign}.{1 if abs(value) >= 1 else 2}f")
