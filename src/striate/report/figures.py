"""Figures as inline SVG and pictures as PNG data URIs. The page's style sheet gives every colour."""

import base64
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any
from xml.etree import ElementTree

import numpy as np
from markupsafe import Markup

from striate.base.errors import printable
from striate.base.figures import svg
from striate.base.sections import Curve, Reliability
from striate.data.picture.four import image_of
from striate.evaluate.intervals import wilson

# A stand-in colour that matplotlib can draw, and the style sheet's name for it: figures follow the theme.
PAINT = {
    "#010101": "var(--ink)",
    "#020202": "var(--soft)",
    "#030303": "var(--line)",
    "#040404": "var(--first)",
    "#050505": "var(--second)",
}
INK, SOFT, LINE, FIRST, SECOND = PAINT

# The two colours of a confusion matrix, strong enough on white and on black.
RIGHT, WRONG = (43, 108, 196), (214, 96, 36)

STYLE = {
    "figure.constrained_layout.use": False,
    "savefig.transparent": True,
    "text.parse_math": False,  # a name with dollar signs is a name
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
}

RULE: Mapping[str, Any] = {"color": SOFT, "linewidth": 1, "linestyle": (0, (3, 3)), "zorder": 1}
LONGEST_SIDE, AMONG_SEVERAL = 96, 144  # of a thumbnail, in pixels; of one that stands beside others of its sample
MOST_TICKS = 48  # names along one side of a large confusion matrix
FLAT = 0.08  # of the height of a figure: flatter is no curve
MOST_POINTS = 480  # points along its side, about as many as a screen shows


@dataclass(frozen=True)
class Dot:
    """One row of the interval figure; values are fractions, `low` and `high` are NaN when not known."""

    name: str
    text: str
    value: float
    low: float
    high: float


def intervals(dots: Sequence[Dot], span: tuple[float, float], label: str) -> Markup:
    """A dot and its interval for each row, the first row stressed, over `span` (fractions)."""
    height = 44 * len(dots) + 34

    def draw(axes: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        axes.set(xlim=span, ylim=(len(dots) - 0.35, -0.75), yticks=[])
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="x", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")
        for row, dot in enumerate(dots):
            paint, weight = (FIRST, "bold") if row == 0 else (SOFT, "normal")
            axes.plot([dot.low, dot.high], [row, row], color=paint, linewidth=3.2, alpha=0.45)
            axes.plot([dot.value], [row], "o", color=paint, markersize=7.5, clip_on=False)
            above = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "bottom"}
            axes.annotate(printable(dot.name, 34), (0, row), (-12, 8), weight=weight, **above)
            axes.annotate(dot.text, (1, row), (14, 8), ha="right", color=INK, weight=weight, **above)

    return figure(360, height, (16, 18, 26, 4), label, draw)


def curve(
    epochs: Sequence[float],
    series: Mapping[str, Sequence[float]],
    best: tuple[float, str],
    label: str,
    percent: bool = False,
) -> Markup:
    """Lines over epochs (NaN leaves a gap), with a rule at epoch `best[0]` that bears the words `best[1]`.

    Values of very few epochs beside which the others would lie flat end at the border, with an arrow and their value.
    """
    low, high = ends(np.array(list(series.values()), dtype=np.float64))

    def told(value: float) -> str:
        return f"{100 * value:.4g} %" if percent else f"{value:.4g}"

    def draw(axes: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        mark = "o" if len(epochs) < 4 else ""
        for name, values in series.items():
            paint = SECOND if name == "validation" else FIRST
            axes.plot(epochs, values, mark + "-", color=paint, markersize=4)
            held = [value for epoch, value in zip(epochs, values, strict=True) if epoch == best[0]]
            axes.plot([best[0]] * len(held), held, "o", color=paint, markersize=5)
        axes.axvline(best[0], **RULE)
        pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        axes.set_ylim(low - pad, high + pad)
        left, right = axes.get_xlim()
        for border, arrow, down in ((high, "^", -5), (low, "v", 5)):
            _beyond(axes, epochs, series, (border, arrow, down), told)
        _bear(axes, best[1], best[0], best[0] > (left + right) / 2)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(lambda value, _: told(value))

    return figure(340, 200, (50, 10, 24, 22), label, draw)


def rising(
    rates: Sequence[float], losses: Sequence[float], smooth: Sequence[float], chosen: float, label: str
) -> Markup:
    """A range test: the loss of each step, faint, and the same smoothed, over rates that rise; a rule at the chosen."""
    low, top = min(smooth), max(smooth[: 1 + max(1, len(smooth) // 2)])
    high = top + 0.5 * (top - low)  # what explodes leaves at the upper border

    def draw(axes: Any) -> None:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.minorticks_off()
        axes.plot(rates, losses, "-", color=SOFT, linewidth=0.8, alpha=0.5)
        axes.plot(rates, smooth, "-", color=FIRST)
        axes.axvline(chosen, **RULE)
        pad = 0.1 * (high - low) or 1.0
        axes.set_ylim(low - pad, high + pad)
        _bear(axes, f"{chosen:g}", chosen)

    return figure(340, 200, (50, 10, 24, 22), label, draw)


def _bear(axes: Any, words: str, at: float, late: bool = False) -> None:
    """The words of a rule beside its upper end: on its left where it stands late."""
    axes.annotate(
        words, (at, 1), (-4 if late else 4, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
        ha="right" if late else "left", color=SOFT,
    )  # fmt: skip


def ends(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest of `values` (series, epochs) that an axis has to hold.

    They are those of all, but for one epoch in twenty, or one, beside which the others would take a FLAT part of it.
    """
    values = values[:, np.isfinite(values).any(0)]
    tops, bottoms = np.sort(np.nanmax(values, 0)), np.sort(np.nanmin(values, 0))
    low, high = float(bottoms[0]), float(tops[-1])
    for count in range(1, 1 + max(1, len(tops) // 20) if len(tops) > 3 else 0):
        for least, most in ((low, float(tops[-1 - count])), (float(bottoms[count]), high)):
            if most - least < FLAT * (high - low):
                return least, most
    return low, high


def _beyond(
    axes: Any, epochs: Sequence[float], series: Mapping[str, Sequence[float]], side: tuple[float, str, int],
    told: Callable[[float], str],
) -> None:  # fmt: skip
    """An arrow at the border for each epoch that lies beyond it, and the farthest value in words."""
    border, arrow, down = side
    found = [
        (value, epoch, name)
        for name, values in series.items()
        for epoch, value in zip(epochs, values, strict=True)
        if (value > border if arrow == "^" else value < border)
    ]
    for _, epoch, name in found:
        axes.plot([epoch], [border], arrow, color=SECOND if name == "validation" else FIRST, markersize=6)
    if found:
        value, epoch, _ = found[int(np.argmax(np.abs([value - border for value, *_ in found])))]
        late = epoch > (epochs[0] + epochs[-1]) / 2
        axes.annotate(
            f"{told(value)} in epoch {epoch:g}", (epoch, border), (-8 if late else 8, down), color=SOFT,
            textcoords="offset points", ha="right" if late else "left", va="center",
        )  # fmt: skip


def shares(block: Curve) -> Markup:
    """One share against another, on the whole scale, over the diagonal."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], **RULE)
        axes.plot(block.x, block.y, color=FIRST, clip_on=False)
        axes.plot(*([each] for each in block.at), "o", color=SECOND, markersize=7, clip_on=False, zorder=3)
        late = block.at[0] > 0.5
        axes.annotate(
            block.name, block.at, (-9 if late else 9, -4), textcoords="offset points", va="top",
            ha="right" if late else "left", color=SECOND,
        )  # fmt: skip
        _whole_scale(axes, block.across, block.down)

    return figure(310, 280, (56, 26, 40, 12), f"{block.down} by {block.across}", draw)


def reliability(block: Reliability) -> Markup:
    """The share that is right against confidence, with Wilson's intervals, over the diagonal."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], **RULE)
        for place, ((name, parts), colour) in enumerate(zip(block.lines.items(), (FIRST, SECOND), strict=False)):
            confidence = [sure for sure, _, _ in parts]
            shares, lows, highs = zip(*(wilson(right, n) for _, right, n in parts), strict=True)
            axes.vlines(confidence, lows, highs, color=colour, linewidth=1, alpha=0.5)
            axes.plot(confidence, shares, "o-", color=colour, markersize=4, linewidth=1.2, clip_on=False)
            axes.text(0.04, 0.93 - 0.08 * place, name, color=colour, va="center")
        _whole_scale(axes, "confidence", "right")

    return figure(310, 280, (56, 26, 40, 12), "Share of right answers by confidence", draw)


def _whole_scale(axes: Any, across: str, down: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=across, ylabel=down)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")


def together(classes: int) -> int:
    """How many classes stand in one point of a large confusion matrix, along each side."""
    return math.ceil(classes / MOST_POINTS)


def confusion(matrix: np.ndarray, classes: Sequence[str], label: str) -> Markup:
    """A confusion matrix (classes, classes) as colour alone, for more classes than a table can show.

    Of the cells that stand in one point the strongest is drawn: a rare mistake is never lost.
    """

    def draw(axes: Any) -> None:
        starts = np.arange(0, len(matrix), together(len(matrix)))
        strength = np.maximum.reduceat(np.maximum.reduceat(shades(matrix), starts, 0), starts, 1)
        shade = np.zeros((*strength.shape, 4), np.uint8)
        shade[..., :3] = WRONG
        shade[np.eye(len(strength), dtype=bool), :3] = RIGHT
        shade[..., 3] = np.rint(255 * strength)
        end = len(starts) * together(len(matrix)) - 0.5
        axes.imshow(shade, interpolation="none", aspect="auto", extent=(-0.5, end, end, -0.5))
        ticks = range(0, len(classes), math.ceil(len(classes) / MOST_TICKS))
        names = [short(classes[index]) for index in ticks]
        axes.set_xticks(ticks, names, rotation=90)
        axes.set_yticks(ticks, names)
        axes.set(xlabel="answer", ylabel="truth")
        axes.grid(visible=False)
        axes.tick_params(length=0, labelsize=8)
        for spine in axes.spines.values():
            spine.set_visible(True)

    return figure(620, 620, (125, 6, 125, 6), label, draw)


def short(name: str) -> str:
    """A name of at most 15 characters: both ends of a long one, as either may set it apart."""
    name = printable(name, 4000)
    return name if len(name) <= 15 else f"{name[:7]}…{name[-7:]}"


def shades(matrix: np.ndarray) -> np.ndarray:
    """How strongly to colour each cell, 0 to 1: the share of its row; mistakes by its root, never faint."""
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    wrong = np.where(share > 0, 0.15 + 0.77 * np.sqrt(share), 0)
    return np.asarray(np.where(np.eye(len(matrix), dtype=bool), 0.92 * share, wrong))


def picture(pixels: np.ndarray, longest: int = LONGEST_SIDE) -> Markup:
    """A uint8 picture (height, width, 1 or 3) as a PNG data URI, at most so many pixels long, without metadata."""
    image = image_of(np.ascontiguousarray(pixels))
    image.thumbnail((longest, longest))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return Markup("data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"))


def drawing(svg: str) -> Markup:
    """An SVG as a data URI: whoever wrote it, as an image it runs nothing and asks for nothing."""
    return Markup("data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii"))


def standing(figure: str) -> str:
    """A figure of these as an SVG that stands alone, in the page's colours by day and by night."""
    style = resources.files(__package__).joinpath("templates", "style.css").read_text("utf-8")
    colours = style.partition("\n* {")[0]  # the rules of :root, which come first
    width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', figure)[0]
    inner = f"{colours}\ntext {{ font-family: system-ui, 'Liberation Sans', Arial, sans-serif; }}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt" '
    ground = f'<style>{inner}</style><rect width="{width}" height="{height}" fill="var(--paper)"/>'
    start, _, rest = figure.removeprefix("<svg ").partition(">")
    return f"{head}{start}>{ground}{rest}"


def filters(weights: np.ndarray) -> list[Markup]:
    """Each filter of `weights` (out, in, height, width) as a data URI: least weight black, greatest white.

    Three input channels are shown as colour; any other number as their mean in grey.
    """
    shown = weights if weights.shape[1] == 3 else weights.mean(axis=1, keepdims=True)
    shown = np.nan_to_num(shown.astype(np.float64), posinf=0.0, neginf=0.0)
    least, greatest = (bound(shown, axis=(1, 2, 3), keepdims=True) for bound in (np.min, np.max))
    spread = np.where(greatest > least, greatest - least, 1.0)
    grey = np.rint(255 * (shown - least) / spread).astype(np.uint8)
    return [picture(one.transpose(1, 2, 0)) for one in grey]


def figure(
    width: int, height: int, edges: tuple[int, int, int, int], label: str, draw: Callable[[Any], None]
) -> Markup:
    """One set of axes drawn by `draw`, `edges` (left, right, bottom, top) in points around it."""
    return stacked(width, [height], edges, label, [draw])


def stacked(
    width: int, heights: Sequence[int], edges: tuple[int, int, int, int], label: str,
    draws: Sequence[Callable[[Any], None]],
) -> Markup:  # fmt: skip
    """As `figure`, with several below each other, the first on top, each of its height."""
    left, right, bottom, top = edges
    whole = sum(heights)

    def drawn(figure: Any) -> None:
        low = whole
        for height, draw in zip(heights, draws, strict=True):
            low -= height
            inner = (width - left - right) / width, (height - bottom - top) / whole
            draw(figure.add_axes((left / width, (low + bottom) / whole, *inner)))

    return _inline(svg(drawn, width / 72, whole / 72, STYLE | {"svg.hashsalt": label}), label)


def _inline(svg: str, label: str) -> Markup:
    """Matplotlib's SVG made fit for a page: no namespaces, fonts or unused ids, colours by variable."""
    root = ElementTree.fromstring(svg)
    used = set(re.findall(r'(?:url\(#|href="#)(\w+)', svg))
    for parent in root.iter():
        for child in list(parent):
            if child.tag.endswith(("}style", "}metadata")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        kept = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        if kept.get("id", "") not in used:
            kept.pop("id", None)
        if "style" in kept:
            style = re.sub(r"font-family:[^;]*;?", "", kept["style"])
            kept["style"] = re.sub(r"#(0[1-5])\1\1", lambda match: PAINT[match[0]], style).strip(" ;")
        element.attrib.clear()
        element.attrib.update(kept)
    viewed = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib.update({"viewBox": viewed, "role": "img", "aria-label": printable(label)})
    return Markup(re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode")))
