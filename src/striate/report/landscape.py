"""The loss around weights as a figure: a plane of contours, or what lies along the gradient, state by state."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from striate.base.words import many
from striate.inside.landscape import Along, Landscape, Plane
from striate.report import figures
from striate.report.figures import FIRST, INK, SECOND, SOFT

TITLES = {"plane": "Loss around the weights", "gradient": "Loss along the gradient"}
LEVELS, SHADE = 9, 0.07
MOST_NAMES = 12
LETTERS = 9  # of a state's name


def caption(landscape: Landscape) -> str:
    """What the figure shows, in a line."""
    of = f"mean loss of {many(landscape.pictures, 'training picture')}"
    if isinstance(landscape.found, Plane):
        return (
            f"{of}: contours on the plane of two random directions, every filter of which is as long as the network's; "
            "right the first direction alone, in orange with filters as they were drawn"
        )
    return (
        f"{of}, half to four times the rate against the gradient: its range, how far gradients come apart (l2), and "
        "the most by which they do for the way"
    )


def drawn(landscape: Landscape) -> str:
    """An SVG that stands alone."""
    found = landscape.found
    figure = _plane(found) if isinstance(found, Plane) else _along(found)
    return figures.standing(figure)


def _plane(plane: Plane) -> str:
    held = np.array(plane.losses)
    known = held[np.isfinite(held)]
    top = float(known.max()) if known.size else 1.0
    losses = np.where(np.isfinite(held), held, top)
    low = float(losses.min())
    levels = _levels(low, top)

    def draw(axes: Any) -> None:
        from matplotlib.ticker import MultipleLocator

        for level in levels:
            axes.contourf(plane.places, plane.places, losses, [level, top + 1], colors=[FIRST], alpha=SHADE)
        lines = axes.contour(plane.places, plane.places, losses, levels, colors=[FIRST], linewidths=0.9)
        axes.clabel(lines, levels[LEVELS // 2 :], fmt=lambda value: f"{value:.2g}", fontsize=8, colors=[INK])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MultipleLocator(0.5))
        axes.plot([0], [0], "o", color=SECOND, markersize=5)
        axes.set(xlabel="first direction", ylabel="second direction", aspect="equal")
        axes.grid(visible=False)
        beside = axes.figure.add_axes((0.61, 0.15, 0.37, 0.8))
        middle = plane.losses[len(plane.places) // 2]
        beside.plot(plane.places, middle, color=FIRST)
        beside.plot(plane.places, plane.plain, color=SECOND)
        beside.set(xlabel="first direction")
        values = [value for value in (*middle, *plane.plain) if math.isfinite(value)]
        if values and min(values) > 0 and max(values) > 20 * min(values):
            beside.set_yscale("log")
        beside.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")

    return figures.figure(680, 340, (46, 310, 46, 12), TITLES["plane"], draw)


def _levels(low: float, top: float) -> Sequence[float]:
    """So that each is as much more above the lowest than the one before; of a flat plane one above all."""
    if not top > low:
        return [low + 1.0]
    return [float(each) for each in low + (top - low) * np.geomspace(2e-3, 0.95, LEVELS)]


def _along(states: Sequence[Along]) -> str:
    places = range(len(states))

    def draw(axes: Any) -> None:
        right = (axes.figure.add_axes((left, 0.2, 0.25, 0.68)) for left in (0.405, 0.735))
        values: dict[str, list[tuple[float, ...]]] = {
            "loss": [each.losses for each in states], "distance of gradients": [each.apart for each in states],
            "smoothness": [(each.smooth,) for each in states],
        }  # fmt: skip
        for one, (title, ranges) in zip((axes, *right), values.items(), strict=True):
            one.vlines(places, [min(each) for each in ranges], [max(each) for each in ranges], color=FIRST, linewidth=3)
            one.plot(places, [max(each) for each in ranges], "-", color=FIRST, linewidth=0.8, alpha=0.5)
            one.plot(places, [max(each) for each in ranges], "o", color=FIRST, markersize=4)
            if title == "loss":
                one.plot(places, [each.loss for each in states], "o", color=SECOND, markersize=5)
            one.set_title(title, color=SOFT, fontsize=10)
            ticks = places[:: math.ceil(len(states) / MOST_NAMES)]
            names = [states[place].state.removeprefix("the ").removesuffix(" weights")[:LETTERS] for place in ticks]
            one.set_xticks(ticks, names, rotation=30, fontsize=8)
            one.set_xlim(-0.5, len(states) - 0.5)
            one.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")

    return figures.figure(680, 250, (52, 460, 50, 30), TITLES["gradient"], draw)
