"""Figures as SVG: equal figures are equal bytes, whatever matplotlib was told elsewhere in the process."""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

STYLE = {
    "svg.fonttype": "none",  # text stays text: smaller, can be searched, drawn in the reader's own font
    "figure.constrained_layout.use": True,
}
LETTER = 4.9  # points that a letter of a name takes
INK, LINE = "#23262b", "#9aa0a8"
Box = tuple[float, float, float, float]


@final
@dataclass(frozen=True)
class Name:
    """What is to be written by the point (x, y), `away` points above or below it, or where it says so beside it."""

    text: str
    x: float
    y: float
    away: float
    beside: bool = False


def svg(draw: Callable[[Any], None], width: float, height: float, style: Mapping[str, Any]) -> str:
    """What `draw` puts on a figure of this size in inches: a whole SVG file without date.

    `style` are matplotlib's settings besides its defaults; "svg.hashsalt" among them keeps the ids of one page apart.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    text = io.StringIO()
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the reader's browser has them
        mpl.rcdefaults()
        mpl.rcParams.update({**STYLE, **style})
        figure = Figure(figsize=(width, height))
        draw(figure)
        figure.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return text.getvalue()


def names_beside(axes: Any, names: Sequence[Name], ink: str = INK, line: str = LINE) -> None:
    """Each name by its point, at the first of some places where it covers no other name; a line where it is far."""
    axes.figure.draw_without_rendering()  # places of data on the page are known only after the layout
    to_points = 72 / axes.figure.dpi
    taken: list[Box] = []
    for each in names:
        width, height = LETTER * len(each.text), 11.0
        x, y = axes.transData.transform((each.x, each.y)) * to_points
        aside, more = (width / 2 + each.away, 0.0) if each.beside else (0.0, each.away)
        places = [(aside, way * (more + far)) for far in range(0, 80, 13) for way in (1, -1)]
        if each.beside:
            places = [(way * across, down) for across, down in places[::2] + places[1::2] for way in (1, -1)]
        boxes = [
            (x + dx - width / 2, y + dy - height / 2, x + dx + width / 2, y + dy + height / 2) for dx, dy in places
        ]
        free = [place for place, box in enumerate(boxes) if not any(_meet(box, other) for other in taken)]
        chosen = free[0] if free else 0
        taken.append(boxes[chosen])
        arrow = {"arrowstyle": "-", "color": line, "linewidth": 0.6} if chosen > 1 else None
        axes.annotate(
            each.text, (each.x, each.y), places[chosen], textcoords="offset points", ha="center", va="center",
            fontsize=8.5, color=ink, arrowprops=arrow,
        )  # fmt: skip


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
