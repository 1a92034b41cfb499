"""The living bytes of a step as a figure."""

from itertools import pairwise
from typing import Any

from striate.base.figures import svg
from striate.base.units import unit_of_bytes
from striate.cost.memory import KINDS, Kind, Peak

PAINT: dict[Kind, str] = {  # what stays is grey and blue, what comes and goes is warm
    "parameters": "#4c6a92", "buffers": "#33475f", "optimizer state": "#8fa8c8", "inputs": "#b8b8b8",
    "gradients": "#7a9e5f", "activations": "#e0a13c", "temporaries": "#c9553d",
    "borrowed": "#7d2f22",
}  # fmt: skip
MOST_COLUMNS = 500  # a wider figure would show no more


def curve_figure(memory: Peak) -> str:
    """An SVG of living bytes over the operator calls of the pass, stacked by kind, with its phases and its peak.

    A long pass is drawn in 500 columns; each shows the call with the most living bytes among its own.
    """
    unit, name = unit_of_bytes(memory.bytes)
    at = _columns(memory.curve.bytes)
    drawn = [kind for kind in KINDS if any(memory.curve.kinds[kind])]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        heights = [[memory.curve.kinds[kind][call] / unit for call in at] for kind in drawn]
        axes.stackplot(at, *heights, labels=drawn, colors=[PAINT[kind] for kind in drawn], step="mid", linewidth=0)
        _phases(axes, memory)
        top = memory.curve.bytes.index(memory.bytes)
        axes.plot([top], [memory.bytes / unit], "v", color="black", markersize=5, clip_on=False)
        where = f"{memory.operator} of {memory.module or 'the network'}"
        axes.set_title(f"peak {memory.bytes / unit:.4g} {name}: {where}", fontsize=9, loc="left", pad=16)
        axes.set(xlabel="operator call", ylabel=name, xlim=(0, max(1, len(memory.curve.bytes) - 1)), ylim=(0, None))
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], loc="outside right center", frameon=False)

    text = svg(draw, 7.2, 3.4, {"svg.hashsalt": "striate", "font.size": 9})
    return text[text.index("<svg") :]


def _columns(living: tuple[int, ...]) -> list[int]:
    """The calls to draw: all of them, or the fullest of each column, with the first and the last."""
    count = len(living)
    if count <= MOST_COLUMNS:
        return list(range(count))
    edges = [count * column // MOST_COLUMNS for column in range(MOST_COLUMNS + 1)]
    fullest = {max(range(left, right), key=living.__getitem__) for left, right in pairwise(edges)}
    return sorted(fullest | {0, count - 1})


def _phases(axes: Any, memory: Peak) -> None:
    """A line where a phase ends, its name above; short phases share a place, so theirs is left out."""
    start, width = 0, len(memory.curve.bytes)
    for phase, end in memory.curve.ends.items():
        if end < width:
            axes.axvline(end, color="black", linewidth=0.6, linestyle=(0, (3, 3)))
        if end - start > width / 12:
            axes.text((start + end) / 2, 1.01, phase, transform=axes.get_xaxis_transform(), ha="center")
        start = end
