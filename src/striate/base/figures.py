"""Figures as SVG: equal figures are equal bytes, whatever matplotlib was told elsewhere in the process."""

import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any

STYLE = {
    "svg.fonttype": "none",  # text stays text: smaller, can be searched, drawn in the reader's own font
    "figure.constrained_layout.use": True,
}


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
