"""Figures of residual blocks and of squeeze-excitation's gates, as SVG that stands alone."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from striate.base.errors import printable
from striate.base.words import subset as called
from striate.report.figures import FIRST, INK, LINE, RULE, SECOND, SOFT, short, stacked, standing
from striate.runs.blocks import Blocks, Gates

# Of classes a figure tells apart by colour, and of gated layers: the deepest has most to tell (Hu et al. 2018, Fig. 6).
MOST_CLASSES, MOST_LAYERS = 5, 6
COLOURS = (FIRST, SECOND, INK, SOFT, LINE)
EDGES = (58, 14, 34, 28)


def blocks(found: Blocks) -> str:
    """By block, over depth: the norm of F(x) beside that of x; the share of F; and what is lost without it."""
    each, at = found.blocks, np.arange(1, len(found.blocks) + 1)
    many = len(each) > 40
    size = 2.5 if many else 5.0

    def norms(axes: Any) -> None:
        axes.plot(at, [one.shortcut for one in each], "o-", color=SOFT, markersize=size, linewidth=1)
        axes.plot(at, [one.branch for one in each], "o-", color=FIRST, markersize=size, linewidth=1)
        axes.set_ylim(bottom=0)
        _titled(axes, (("norm of F(x)", FIRST), ("norm of what it is added to", SOFT)))

    def shares(axes: Any) -> None:
        axes.set_axisbelow(True)
        axes.bar(at, [one.share for one in each], color=FIRST, width=0.7)
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")
        _titled(axes, (("share of F(x) in the sum of both norms", FIRST),))

    def lost(axes: Any) -> None:
        for place, one in zip(at, each, strict=True):
            if one.lost is not None:
                axes.plot([place, place], [-one.lost.high, -one.lost.low], color=SECOND, linewidth=2.4, alpha=0.4)
                axes.plot([place], [-one.lost.difference], "o", color=SECOND, markersize=size)
        axes.axhline(0, **RULE)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}" if found.mean else f"{100 * value:.4g}")
        unit = "" if found.mean else ", points"
        _titled(
            axes,
            ((f"{called(found.whole.subset)} {found.whole.name} without the block, less the whole{unit}", SECOND),),
        )

    def drawn(draw: Callable[[Any], None]) -> Callable[[Any], None]:
        def on(axes: Any) -> None:
            draw(axes)
            _by_stage(axes, [one.name for one in each])

        return on

    width = min(900, max(460, 90 + 22 * len(each)))
    label = f"What {len(each)} residual blocks add, and what is lost without each"
    return standing(stacked(width, [190] * 3, EDGES, label, [drawn(norms), drawn(shares), drawn(lost)]))


def gates(found: Gates) -> str:
    """Of gated layers at several depths the mean gate of each channel by class; grey is one standard deviation within
    the first class to both sides (Hu et al. 2018, Fig. 6)."""
    names = list(found.means)
    some = [
        names[place] for place in np.unique(np.linspace(0, len(names) - 1, min(len(names), MOST_LAYERS)).astype(int))
    ]
    classes = range(min(len(found.classes), MOST_CLASSES))

    def layer(name: str) -> Callable[[Any], None]:
        mean, spread = found.means[name], found.spreads[name]
        order = np.argsort(mean.mean(0), kind="stable")
        at = np.arange(1, len(order) + 1)

        def draw(axes: Any) -> None:
            low, high = (mean[0] + way * spread[0] for way in (-1, 1))
            axes.fill_between(at, low[order], high[order], color=SOFT, alpha=0.25, linewidth=0)
            for row in classes:
                axes.plot(at, mean[row][order], color=COLOURS[row], linewidth=1)
            axes.set_ylim(0, 1)
            axes.set_xlabel(f"channels of {printable(name, 40)}, by their mean gate")
            _titled(axes, [(short(found.classes[row]), COLOURS[row]) for row in classes])

        return draw

    label = f"Gates of {len(some)} of {len(names)} squeeze-excitations by class"
    return standing(stacked(560, [190] * len(some), (48, 14, 40, 28), label, list(map(layer, some))))


def _titled(axes: Any, words: Sequence[tuple[str, str]]) -> None:
    """Above the axes what each colour is."""
    axes.figure.draw_without_rendering()
    left = 0.0
    for text, colour in words:
        drawn = axes.annotate(
            text, (0, 1), (left, 8), xycoords="axes fraction", textcoords="offset points", color=colour, weight="bold"
        )
        left += 6.4 * len(drawn.get_text()) + 12


def _by_stage(axes: Any, names: Sequence[str]) -> None:
    """A number for each block, and a line where another stage begins, which is named below."""
    stages = [name.rpartition(".")[0] for name in names]
    starts = [0, *(place for place, (one, other) in enumerate(pairwise(stages), start=1) if one != other)]
    step = math.ceil(len(names) / 18)
    axes.set_xlim(0.4, len(names) + 0.6)
    axes.set_xticks(range(1, len(names) + 1, step))
    for place, start in enumerate(starts):
        if start:
            axes.axvline(start + 0.5, color=LINE, linewidth=0.8)
        end = starts[place + 1] if place + 1 < len(starts) else len(names)
        if stages[start] and len(starts) <= 8:
            at = ((start + end + 1) / 2, 0)
            axes.annotate(
                short(stages[start]), at, (0, -27), xycoords=("data", "axes fraction"), textcoords="offset points",
                ha="center", color=SOFT,
            )  # fmt: skip
