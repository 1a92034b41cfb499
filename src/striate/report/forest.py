"""The verdicts of a claim as a figure: a row for each question, its effect and interval over what is worth a word."""

import math
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from textwrap import wrap
from typing import Any

from markupsafe import Markup

from striate.base.errors import printable
from striate.claims import worded
from striate.claims.verdict import Verdict
from striate.report.figures import FIRST, INK, LINE, SECOND, SOFT, stacked

WIDTH, ROW, FOOT = 360, 76, 52
LETTERS = 12  # points of a letter, so that a telephone shows them as high as its own
ABOVE, BELOW = 0.8, 0.33  # of a row, for its three lines of words and for its interval
LONGEST, LONGEST_BOLD = 50, 42  # letters of a line
# By the decades of an axis of ratios, fewer than these, the round numbers between 1 and 10.
STEPS = (
    (0.35, (1, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)), (0.6, (1, 1.5, 2, 3, 5, 7)), (2, (1, 2, 5)),
    (math.inf, (1,)),
)  # fmt: skip
PAINTS = {"CONFIRMED": FIRST, "REFUTED": SECOND}
CAPTION = (
    "Each effect with its interval. Grey: too small to be worth a word. The arrow points to where the sentence says."
)


def forest(verdicts: Sequence[Verdict], label: str) -> Markup:
    """Rows in their order, those that compare the same on one axis: ratios on one of logarithms."""
    panels = [list(rows) for _, rows in groupby(verdicts, lambda each: (each.question.unit, each.question.of))]
    heights = [round(ROW * (len(rows) + ABOVE + BELOW - 1)) + FOOT for rows in panels]
    return stacked(WIDTH, heights, (8, 8, FOOT, 2), label, [partial(_panel, rows=rows) for rows in panels])


def _panel(axes: Any, rows: Sequence[Verdict]) -> None:
    asked, (low, high) = rows[0].question, _span(rows)
    axes.set(xlim=(low, high), ylim=(len(rows) - 1 + BELOW, -ABOVE), yticks=[])
    axes.grid(visible=False)
    axes.tick_params(axis="x", length=0, labelsize=LETTERS)
    if asked.unit == "times":
        places = _ticks(low, high)
        axes.set_xticks([math.log(each) for each in places], [f"{each:g}" for each in places])
    else:
        from matplotlib.ticker import MaxNLocator

        round_ones = MaxNLocator(6).tick_values(low, high)
        axes.set_xticks([each for each in round_ones if not _at_edge(each, low, high)])
    told = f"times the {asked.of}" if asked.unit == "times" else f"points more {asked.of}"
    axes.set_xlabel("\n".join(wrap(printable(told, 2 * LONGEST), LONGEST)), fontsize=LETTERS)
    for row, each in enumerate(rows):
        _row(axes, row, each)


def _row(axes: Any, row: int, verdict: Verdict) -> None:
    asked, paint = verdict.question, PAINTS.get(verdict.word, SOFT)
    axes.fill_between([-asked.worth, asked.worth], row - 0.11, row + 0.11, color=LINE, alpha=0.75, linewidth=0)
    axes.plot([0, 0], [row - 0.11, row + BELOW], color=LINE, linewidth=1, zorder=1)
    claimed = ">" if asked.claimed > 0 else "<"
    axes.plot([asked.claimed * asked.worth], [row], claimed, color=SOFT, markersize=5, clip_on=False)
    told = ""
    if math.isfinite(verdict.effect):
        times = asked.unit == "times"
        told = f"{worded.times(verdict.effect)} times" if times else worded.points(verdict.effect, "+")
    lines = (
        (asked.one, INK, verdict.word, paint),
        (f"against {asked.other}", INK, told, INK),
        (asked.name, SOFT, "", INK),
    )
    above = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "bottom", "fontsize": LETTERS}
    for number, (words, colour, beside, other) in enumerate(lines):
        height, (weight, most) = 39 - 14 * number, ("bold", LONGEST_BOLD) if number == 0 else ("normal", LONGEST)
        left = printable(words, most - len(beside))
        axes.annotate(left, (0, row), (0, height), weight=weight, color=colour, **above)
        axes.annotate(beside, (1, row), (0, height), weight=weight, ha="right", color=other, **above)
    if not math.isfinite(verdict.effect):
        return
    effect, low, high = (_added(each, asked.unit) for each in (verdict.effect, verdict.low, verdict.high))
    axes.plot([low, high], [row, row], color=paint, linewidth=3.2, alpha=0.5)
    axes.plot([effect], [row], "o", color=paint, markersize=6.5)


def _added(value: float, unit: str) -> float:
    return math.log(max(value, 1e-300)) if unit == "times" else value


def _span(rows: Sequence[Verdict]) -> tuple[float, float]:
    """Both ends of the axis: all intervals, and what is worth a word on either side."""
    ends = [0.0]
    for each in rows:
        worth = each.question.worth
        known = [_added(end, each.question.unit) for end in (each.low, each.high) if math.isfinite(end)]
        ends += [-1.6 * worth, 1.6 * worth, *known]
    pad = 0.05 * (max(ends) - min(ends))
    return min(ends) - pad, max(ends) + pad


def _ticks(low: float, high: float) -> list[float]:
    """Up to six round ratios from exp(low) to exp(high)."""
    decades = (high - low) / math.log(10)
    steps = next(steps for most, steps in STEPS if decades < most)
    first, last = math.floor(low / math.log(10)), math.ceil(high / math.log(10))
    found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    found = [each for each in found if not _at_edge(math.log(each), low, high)]
    every = max(1, math.ceil(len(found) / 6))
    return found[(found.index(1.0) if 1.0 in found else 0) % every :: every]


def _at_edge(value: float, low: float, high: float) -> bool:
    """Whether its number would be cut, or lies outside."""
    edge = 0.05 * (high - low)
    return not low + edge <= value <= high - edge
