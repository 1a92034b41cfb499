"""What accuracy costs, as a figure: networks over their multiply-adds, and those that none beats for as little."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from striate.base.errors import printable
from striate.base.figures import Name, names_beside
from striate.report.figures import FIRST, INK, LINE, SOFT, figure

CAPTION = "Each network with its 95 % interval; the line joins those that no other beats for as few multiply-adds."


@dataclass(frozen=True)
class Point:
    """A network: what it costs, its number from `low` to `high`, and whether none is better for as little."""

    name: str
    cost: float
    value: float
    low: float
    high: float
    front: bool


def front(points: Sequence[Point], label: str, across: str, percent: bool) -> Markup:
    """Numbers with their intervals over what they cost; a line joins those that none beats for as little."""
    best = sorted((each for each in points if each.front), key=lambda each: each.cost)

    def draw(axes: Any) -> None:
        from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

        axes.set_xscale("log")
        axes.plot([each.cost for each in best], [each.value for each in best], "-", color=FIRST, linewidth=1, alpha=0.6)
        for each in points:
            paint = FIRST if each.front else SOFT
            axes.plot([each.cost] * 2, [each.low, each.high], color=paint, linewidth=2.4, alpha=0.35)
            axes.plot([each.cost], [each.value], "o", color=paint, markersize=6)
        axes.margins(x=0.2, y=0.08)
        axes.set_xlabel(across)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=7))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %" if percent else f"{value:.4g}")
        named = sorted(points, key=lambda each: -each.value)
        names_beside(
            axes, [Name(printable(each.name, 40), each.cost, each.value, 8, True) for each in named], INK, LINE
        )

    return figure(560, 340, (58, 16, 42, 12), label, draw)


def _short(value: float) -> str:
    """41 M, 0.42 M, 3.9 G."""
    scale, unit = (1e9, " G") if value >= 1e9 else (1e6, " M") if value >= 1e4 else (1, "")
    return f"{value / scale:.3g}{unit}"
