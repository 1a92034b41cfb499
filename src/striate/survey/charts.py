"""Figures for files: what accuracy costs networks, where each keeps its parameters and its memory, and pictures as
points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from striate.base.errors import printable
from striate.base.figures import Name, names_beside, svg
from striate.base.words import many

STYLE = {
    "figure.facecolor": "white",
    "svg.hashsalt": "striate",  # equal charts are equal files
    "text.parse_math": False,
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.labelcolor": "#3c4048",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e5e8",
    "xtick.color": "#6b7079",
    "ytick.color": "#6b7079",
}
FIRST, SECOND = "#2b6cc4", "#d66024"
PALETTE = ("#2b6cc4", "#d66024", "#3a8f5c", "#8e5bb5", "#b08a1e", "#4a9db0")
MARKERS = ("o", "^", "s")
AREA_OF_100_M = 2000.0  # points squared of a bubble of 100 million parameters


@dataclass(frozen=True)
class Bubble:
    """One network: multiply-adds, parameters, error in percent, and the protocol by which that was measured."""

    name: str
    multiply_adds: int
    parameters: int
    error: float
    protocol: str


@dataclass(frozen=True)
class Layers:
    """One network's layers in the order in which they run: parameters, and numbers of its output, of each."""

    name: str
    parameters: Sequence[int]
    activations: Sequence[int]


def bubbles(networks: Sequence[Bubble]) -> str:
    """Error over multiply-adds, the area of a bubble being its parameters, as SVG (after Canziani et al. 2016, Fig. 2).

    Numbers of different protocols are not comparable: each protocol has its colour, named in the legend.
    """

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        protocols = list(dict.fromkeys(each.protocol for each in networks))
        for place, protocol in enumerate(protocols):
            own = [each for each in networks if each.protocol == protocol]
            axes.scatter(
                [each.multiply_adds / 1e9 for each in own], [each.error for each in own],
                s=[each.parameters / 1e8 * AREA_OF_100_M for each in own], alpha=0.45,
                color=PALETTE[place % len(PALETTE)], edgecolors="none",
            )  # fmt: skip
            axes.scatter([], [], s=60, color=PALETTE[place % len(PALETTE)], alpha=0.45, label=protocol)
        axes.set_xscale("log")
        axes.margins(x=0.18, y=0.15)
        axes.set_xlabel("multiply-adds for one picture, in billions")
        axes.set_ylabel("top-1 error, %")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False, fontsize=9, ncols=1)
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title("area: parameters", fontsize=9, loc="right", color="#6b7079")
        names_beside(axes, [
            Name(
                f"{printable(each.name, 60)}  {each.parameters / 1e6:.3g} M", each.multiply_adds / 1e9, each.error,
                (each.parameters / 1e8 * AREA_OF_100_M / math.pi) ** 0.5 + 9,
            )
            for each in sorted(networks, key=lambda each: (each.error, each.multiply_adds))
        ])  # fmt: skip

    return svg(draw, 8.0, 5.6 + 0.22 * len({each.protocol for each in networks}), STYLE)


def where(networks: Sequence[Layers]) -> str:
    """Layer by layer, the share of a network's activations (up) and of its parameters (down), as SVG."""

    def draw(figure: Any) -> None:
        panels = figure.subplots(len(networks), 1, squeeze=False)[:, 0]
        for axes, each in zip(panels, networks, strict=True):
            places = range(1, len(each.parameters) + 1)
            up, down = _shares(each.activations), _shares(each.parameters)
            axes.bar(places, up, width=0.9, color=FIRST, label="activations")
            axes.bar(places, [-share for share in down], width=0.9, color=SECOND, label="parameters")
            axes.axhline(0, color="#6b7079", linewidth=0.8)
            most = 1.15 * max(*up, *down, 1.0)
            axes.set(ylim=(-most, most), xlim=(0.3, len(places) + 0.7))
            axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g} %")
            axes.grid(visible=False, axis="x")
            total = f"{sum(each.activations) / 1e6:.3g} M activations, {sum(each.parameters) / 1e6:.3g} M parameters"
            axes.set_title(f"{printable(each.name, 60)}: {total}", fontsize=10, loc="left", color="#23262b")
        panels[0].legend(loc="upper right", frameon=False, fontsize=9, ncols=2)
        panels[-1].set_xlabel("layers with parameters, in the order in which they run")

    return svg(draw, 8.0, 0.8 + 1.75 * len(networks), STYLE)


def _shares(values: Sequence[int]) -> list[float]:
    total = sum(values) or 1
    return [100 * value / total for value in values]


def points(places: Sequence[Sequence[float]], labels: Sequence[str], shares: tuple[float, float]) -> str:
    """Pictures as points (x, y) on two principal components with these shares of the variance, as SVG.

    Each label has its colour and marker while there are enough of them.
    """
    names = sorted(set(labels))
    told = 1 < len(names) <= len(PALETTE) * len(MARKERS)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for place, name in enumerate(names if told else [""]):
            own = [point for point, label in zip(places, labels, strict=True) if label == name or not told]
            axes.scatter(
                *zip(*own, strict=True), s=16, alpha=0.65, linewidths=0, label=f" {printable(name, 40)}",
                color=PALETTE[place % len(PALETTE)], marker=MARKERS[place // len(PALETTE)],
            )  # fmt: skip
        for component, share, named in zip(
            ("first", "second"), shares, (axes.set_xlabel, axes.set_ylabel), strict=True
        ):
            named(f"{component} principal component, {100 * share:.1f} % of the variance")
        if told:
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
        number = many(len(places), "picture")
        axes.set_title(
            number if told or len(names) == 1 else f"{number}, {many(len(names), 'label')}", fontsize=9, loc="right"
        )

    return svg(draw, 8.0, 6.0, STYLE)
