"""What was seen of each layer while a network learned, over depth and over time."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from striate.report import figures
from striate.report.figures import FIRST, RULE
from striate.runs.watched import Seen, layers, striking

MOST_LINES, MOST_COLUMNS, MOST_NAMES = 4, 120, 16
USUAL = 1e-3  # of the weights, in a step

Table = npt.NDArray[np.float64]


@final
@dataclass(frozen=True)
class Watched:
    """Figures of one value: a line for some of the epochs over depth, and layers by steps; `ends` of the shades."""

    title: str
    lines: str
    depth: Markup
    time: Markup
    ends: str


def drawn(rows: Sequence[Seen]) -> tuple[list[Watched], str]:
    """The figures, and what is striking of the end in a sentence, "" where nothing is. Rows are as in watch.csv."""
    names = layers(rows)
    titles = {
        "gradient": "Norm of the gradient", "update": "Change of the weights in a step by their norm",
        "dead": "Share of dead units", "deviation": "Deviation of what a layer gives",
    }  # fmt: skip
    found = []
    for value, title in titles.items():
        told = {(row.layer, row.step): getattr(row, value) for row in rows if math.isfinite(getattr(row, value))}
        own = [name for name in names if any(layer == name for layer, _ in told)]
        if own:
            found.append(_figures(title, own, rows, told, linear=value == "dead", usual=value == "update"))
    said = striking(rows) if rows else ""
    return found, said and f"{said[:1].upper()}{said[1:]}."


def _figures(
    title: str, names: Sequence[str], rows: Sequence[Seen], told: Mapping[tuple[str, int], float], linear: bool,
    usual: bool,
) -> Watched:  # fmt: skip
    epoch_of = {row.step: row.epoch for row in rows}
    epochs = sorted(set(epoch_of.values()))
    chosen = [epochs[place] for place in np.unique(np.linspace(0, len(epochs) - 1, MOST_LINES).round().astype(int))]
    lines = [
        [_median([told[name, step] for step, of in epoch_of.items() if of == epoch and (name, step) in told])
         for name in names] for epoch in chosen
    ]  # fmt: skip
    table, last = _by_time(names, sorted(epoch_of), told)
    low, high = _ends(table, linear)
    said = f"epoch {chosen[0]}" if len(chosen) == 1 else f"faint epoch {chosen[0]}, strong epoch {chosen[-1]}"
    return Watched(
        title,
        f"Layer 1 is {names[0]}, layer {len(names)} {names[-1]}; {said}.",
        _over_depth(lines, f"{title} by layer", linear, usual),
        _over_time(_shares(table, low, high, linear), names, last, f"{title} by layer over time"),
        f"Faint {_told(low, linear)}, strong {_told(high, linear)}.",
    )


def _over_depth(lines: Sequence[Sequence[float]], label: str, linear: bool, usual: bool) -> Markup:
    def draw(axes: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        for place, values in enumerate(lines):
            shown = [value if linear or value > 0 else math.nan for value in values]
            strength = 0.25 + 0.75 * (place + 1) / len(lines) if len(lines) > 1 else 1
            mark = "o-" if len(values) < 30 else "-"
            axes.plot(range(1, len(values) + 1), shown, mark, color=FIRST, alpha=strength, markersize=3)
        if usual:
            axes.axhline(USUAL, **RULE)
        if linear:
            axes.set_ylim(-0.04, 1.04)
            axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
        else:
            _logarithmic(axes, lines)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))

    return figures.figure(340, 200, (50, 10, 24, 10), label, draw)


def _logarithmic(axes: Any, lines: Sequence[Sequence[float]]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    known = [value for values in lines for value in values if value > 0]
    narrow = bool(known) and max(known) < 100 * min(known)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,), numticks=8))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _over_time(shares: Table, names: Sequence[str], last: int, label: str) -> Markup:
    """Layers down, steps across; NaN is left out."""

    def draw(axes: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        shade = np.zeros((*shares.shape, 4), np.uint8)
        shade[..., :3] = figures.RIGHT
        shade[..., 3] = np.rint(255 * np.nan_to_num(0.06 + 0.94 * shares))
        axes.imshow(shade, interpolation="none", aspect="auto", extent=(0, last + 1, len(names) - 0.5, -0.5))
        ticks = range(0, len(names), math.ceil(len(names) / MOST_NAMES))
        axes.set_yticks(ticks, [figures.short(names[place]) for place in ticks])
        axes.grid(visible=False)
        axes.tick_params(length=0, labelsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))

    return figures.figure(340, 200, (86, 10, 24, 10), label, draw)


def _by_time(names: Sequence[str], steps: Sequence[int], told: Mapping[tuple[str, int], float]) -> tuple[Table, int]:
    """Layers by columns of equally many steps, each with one that was watched at least; and the last of the steps."""
    last = steps[-1]
    farthest = int(np.diff(steps).max()) if len(steps) > 1 else 1
    columns = max(1, min(MOST_COLUMNS, (last + 1) // farthest))
    inside: list[list[int]] = [[] for _ in range(columns)]
    for step in steps:
        inside[step * columns // (last + 1)].append(step)
    table = [
        [_median([told[name, step] for step in some if (name, step) in told]) for some in inside] for name in names
    ]
    return np.array(table), last


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else math.nan


def _ends(table: Table, linear: bool) -> tuple[float, float]:
    """The least and the greatest shade; of a share 0 and 1, else of what is positive."""
    known = table[table > 0]
    return (0.0, 1.0) if linear or not known.size else (float(known.min()), float(known.max()))


def _shares(table: Table, low: float, high: float, linear: bool) -> Table:
    if linear:
        return table
    scale: Callable[[Any], Any] = np.log
    place = scale(np.clip(table, low, high)) - scale(low)
    return np.asarray(place / (scale(high) - scale(low) or 1.0))


def _told(value: float, linear: bool) -> str:
    return f"{100 * value:g} %" if linear else f"{value:.2g}"
