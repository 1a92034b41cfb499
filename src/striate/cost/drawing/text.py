"""A drawing for a terminal: ASCII, at most 100 columns, a layer a line with bars by the square roots."""

import math
from collections.abc import Iterator, Sequence

from striate.base.errors import printable
from striate.cost.drawing.flow import Layer
from striate.cost.drawing.slabs import height_width, scales, size_text, times

NAME, WHAT, SHAPE, BAR = 27, 23, 16, 15  # columns, 100 in all


def text(title: str, found: Sequence[Layer]) -> Iterator[str]:
    """The lines."""
    size, most = scales(found)
    yield _ascii(title, 100)
    yield f"{'layer':{NAME}} {'':{WHAT}} {'output':>{SHAPE}} {'height':{BAR}} {'channels':{BAR}}".rstrip()
    for layer in found:
        name = _ascii(layer.module or ("" if layer.kind == "input" else "-"), NAME)
        what = _ascii(layer.label + times(layer, " x{}"), WHAT)
        bars = [_bar("#", height_width(layer)[0], size), _bar("=", layer.shape[-1], most)]
        skips = "".join(f" + {_ascii(found[at].module, 24) or 'input'}" for at in layer.skips)
        yield f"{name:{NAME}} {what:{WHAT}} {size_text(layer):>{SHAPE}} {bars[0]:{BAR}} {bars[1]:{BAR}}".rstrip()
        if skips:
            yield f"{'':{NAME}} {_ascii('(also given: ' + skips[3:] + ')', 100 - NAME - 1)}"
    yield "Bars go by the square root; height on one scale, channels on another."


def _bar(mark: str, value: int, most: int) -> str:
    return mark * max(1, round(BAR * math.sqrt(value / most)))


def _ascii(given: str, most: int) -> str:
    """Both ends of a long text; what is not ASCII as a question mark."""
    text = printable(given, 4000).encode("ascii", "replace").decode("ascii")
    return text if len(text) <= most else f"{text[: most // 2 - 1]}..{text[-(most - most // 2 - 1) :]}"
