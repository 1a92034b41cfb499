"""A network as a picture, by square roots: slabs as high and deep as the feature map, as thick as it has channels.

One description serves both pictures, and it comes from running the network: see `striate.cost.drawing.flow`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final
from xml.sax.saxutils import escape

from torch import nn

from striate.base.errors import printable
from striate.cost.drawing.flow import KINDS, Layer, layers
from striate.cost.walk.trace import Inputs

# Fill of the front; top and side are darker. Colours after Okabe and Ito, apart for colour-blind eyes.
PAINT = {
    "input": "#c9ccd1",
    "convolution": "#8fc1e8",
    "pooling": "#f0b37e",
    "upsampling": "#8fd3b6",
    "block": "#b9b3e3",
    "fully connected": "#eddc82",
}
INK, SOFT, PAPER = "#22262b", "#666c75", "#fbfbfa"

HIGHEST = 190.0  # points of the largest map's height
LONGEST = 62.0  # points of the most channels
LEAST = 3.0  # points of the thinnest slab
DEPTH_X, DEPTH_Y = 0.26, 0.20  # where the width recedes to, for each point of it
EDGE, GAP = 28.0, 13.0
SIZE = 11.0  # of a label, in points
GLYPH = 0.57 * SIZE  # no glyph of a label is wider, on average
BOLD = 0.7 * SIZE  # nor of a shape, which is bold
NOTE = "Height, width and number of channels are drawn by their square roots, each on one scale."
MOST_UPRIGHT = 13  # layers whose labels are written across; more are turned

NAME, WHAT, SHAPE, BAR = 27, 23, 16, 15  # columns of the text, 100 in all


@final
@dataclass(frozen=True)
class Drawing:
    """The layers of a network, to be shown as `svg()` or as `text()`."""

    title: str
    layers: tuple[Layer, ...]

    def svg(self) -> str:
        """A self-contained picture. Heights, widths and channels go by their square roots, as the picture says."""
        return "\n".join(_svg(self.title, self.layers)) + "\n"

    def text(self) -> str:
        """The same for a terminal: ASCII, at most 100 columns, one layer a line with bars by the same square roots."""
        return "\n".join(_text(self.title, self.layers))

    def __str__(self) -> str:
        return self.text()

    def _repr_svg_(self) -> str:
        return self.svg()


def drawing(net: nn.Module, input_size: Inputs, *, title: str = "") -> Drawing:
    """Draw `net` for inputs of this size, such as (3, 224, 224); the title is its class where none is given.

    Blocks with branches are one slab under the name of their class, equal blocks in a row one slab with their number;
    more than 40 layers are drawn as stages. Connections that pass over layers are arcs. Errors are those of
    `trace`.
    """
    return Drawing(printable(title or type(net).__name__, 120), layers(net, input_size))


# --- svg --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Slab:
    layer: Layer
    thick: float
    high: float
    deep: float
    left: float  # of the front

    @property
    def right(self) -> float:
        return self.left + self.thick + self.deep * DEPTH_X


def _svg(title: str, found: Sequence[Layer]) -> Iterator[str]:
    across = len(found) <= MOST_UPRIGHT
    slabs = _slabs(found, across)
    arcs = [(source, at) for at, slab in enumerate(slabs) for source in slab.layer.skips]
    over = max((_rise(slabs, source, at) for source, at in arcs), default=0.0)
    top = EDGE + 26 + over
    middle = top + HIGHEST * DEPTH_Y + HIGHEST / 2
    foot = middle + HIGHEST / 2 + 12
    below = 3 * 1.35 * SIZE if across else max(len(_what(each) + _shape(each)) + 2 for each in found) * GLYPH
    keys = [kind for kind in KINDS if any(slab.layer.kind == kind for slab in slabs)]
    width = max(slabs[-1].right + EDGE, 2 * EDGE + sum(_key_width(kind) for kind in keys), 2 * EDGE + len(NOTE) * GLYPH)
    width = max(width, 2 * EDGE + len(title) * 16 * BOLD / SIZE)
    height = foot + below + 62
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" font-family="Helvetica, Arial, sans-serif" font-size="{SIZE:g}">'
    )
    yield f"<title>{escape(title)}: {len(slabs) - 1} layers</title>"
    yield f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>'
    yield f'<text x="{EDGE:g}" y="{EDGE + 6:g}" font-size="16" font-weight="bold" fill="{INK}">{escape(title)}</text>'
    for slab in slabs:
        yield from _box(slab, middle)
        yield from _label(slab, foot, across)
    for source, at in arcs:
        yield _arc(slabs, source, at, middle)
    yield from _legend(keys, height - 40)
    yield f'<text x="{EDGE:g}" y="{height - 14:.1f}" fill="{SOFT}" font-size="10">{NOTE}</text>'
    yield "</svg>"


def _slabs(found: Sequence[Layer], across: bool) -> list[_Slab]:
    """Where each layer stands: far enough from the one before for the slabs, their depth and their labels."""
    size = max(max(_height_width(layer), default=1) for layer in found)
    most = max(layer.shape[-1] for layer in found)
    slabs: list[_Slab] = []
    free, label_end = EDGE, EDGE
    for layer in found:
        high, deep = (max(LEAST, HIGHEST * math.sqrt(each / size)) for each in _height_width(layer))
        thick = max(LEAST, LONGEST * math.sqrt(layer.shape[-1] / most))
        shape, *words = map(len, _lines(layer))
        label = max(shape * BOLD, max(words) * GLYPH) if across else 1.5 * SIZE
        left = max(free, label_end + label / 2 - thick / 2)
        slabs.append(_Slab(layer, thick, high, deep, left))
        # The next front may stand before the receding side of this one, but not hide it.
        free = left + thick + max(GAP, deep * DEPTH_X + GAP / 2)
        label_end = left + thick / 2 + label / 2 + (8 if across else 2)
    return slabs


def _box(slab: _Slab, middle: float) -> Iterator[str]:
    """Front, top and side; equal layers in a row are shown by lines across the front and the top."""
    layer, left, thick = slab.layer, slab.left, slab.thick
    top, bottom = middle - slab.high / 2, middle + slab.high / 2
    dx, dy = slab.deep * DEPTH_X, slab.deep * DEPTH_Y
    fill = PAINT[layer.kind]
    yield f'<g stroke="{_darker(fill, 0.45)}" stroke-width="0.8" stroke-linejoin="round">'
    said = f"{layer.module or layer.kind}: {layer.label}, {_shape(layer)}" + _times(layer, ", {} in a row")
    yield f"<title>{escape(printable(said, 300))}</title>"
    upper = ((left, top), (left + dx, top - dy), (left + thick + dx, top - dy), (left + thick, top))
    side = (
        (left + thick, top),
        (left + thick + dx, top - dy),
        (left + thick + dx, bottom - dy),
        (left + thick, bottom),
    )
    yield f'<polygon points="{_points(upper)}" fill="{_darker(fill, 0.88)}"/>'
    yield f'<polygon points="{_points(side)}" fill="{_darker(fill, 0.76)}"/>'
    yield f'<rect x="{left:.1f}" y="{top:.1f}" width="{thick:.1f}" height="{slab.high:.1f}" fill="{fill}"/>'
    shown = min(layer.repeats, 12, max(1, int(thick / 3)))
    for number in range(1, shown):
        x = left + thick * number / shown
        yield f'<path d="M{x:.1f} {bottom:.1f}V{top:.1f}l{dx:.1f} {-dy:.1f}" fill="none" stroke-width="0.6"/>'
    yield "</g>"


def _label(slab: _Slab, foot: float, across: bool) -> Iterator[str]:
    x = slab.left + slab.thick / 2
    if not across:
        x += 0.36 * SIZE
        yield (
            f'<text transform="translate({x:.1f} {foot:.1f}) rotate(-90)" text-anchor="end" fill="{SOFT}">'
            f'{escape(_what(slab.layer))} <tspan dx="3" fill="{INK}" font-weight="bold">'
            f"{_shape(slab.layer)}</tspan></text>"
        )
        return
    for row, line in enumerate(_lines(slab.layer)):
        look = f'fill="{INK}" font-weight="bold"' if row == 0 else f'fill="{SOFT}"'
        y = foot + (row + 0.8) * 1.35 * SIZE
        yield f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" {look}>{escape(line)}</text>'


def _arc(slabs: Sequence[_Slab], source: int, at: int, middle: float) -> str:
    """From the top of one slab, over those in between, to the top of the other; an arrow head at the end."""
    start, end = slabs[source], slabs[at]
    x1, x2 = (each.left + each.thick / 2 + each.deep * DEPTH_X for each in (start, end))
    y1, y2 = (middle - each.high / 2 - each.deep * DEPTH_Y - 1 for each in (start, end))
    crest = middle - HIGHEST / 2 - HIGHEST * DEPTH_Y - _rise(slabs, source, at)
    bend = min(40.0, (x2 - x1) / 3)
    path = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {crest:.1f} {x1:.1f} {crest:.1f} {x1 + bend:.1f} {crest:.1f}"
    path += f"H{x2 - bend:.1f}C{x2:.1f} {crest:.1f} {x2:.1f} {crest:.1f} {x2:.1f} {y2 - 5:.1f}"
    head = _points(((x2, y2), (x2 - 3.2, y2 - 7), (x2 + 3.2, y2 - 7)))
    return f'<path d="{path}" fill="none" stroke="{SOFT}" stroke-width="1.1"/><polygon points="{head}" fill="{SOFT}"/>'


def _rise(slabs: Sequence[_Slab], source: int, at: int) -> float:
    """How far above the highest slab an arc runs: the more arcs it holds beneath it, the higher."""
    inner = sum(
        source <= low and at > end for end, slab in enumerate(slabs) for low in slab.layer.skips if low != source
    )
    inner += sum(source == low and end < at for end, slab in enumerate(slabs) for low in slab.layer.skips)
    return 14.0 + 12.0 * inner


def _legend(kinds: Sequence[str], y: float) -> Iterator[str]:
    x = EDGE
    for kind in kinds:
        line = _darker(PAINT[kind], 0.45)
        yield f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="11" height="11" fill="{PAINT[kind]}" stroke="{line}"/>'
        yield f'<text x="{x + 17:.1f}" y="{y:.1f}" fill="{INK}">{kind}</text>'
        x += _key_width(kind)


def _key_width(kind: str) -> float:
    return 17 + len(kind) * GLYPH + 14


def _lines(layer: Layer) -> list[str]:
    """The label across: shape, what it is, and how many."""
    return [_shape(layer), printable(layer.label, 20), *([_times(layer, "x{}")] if layer.repeats > 1 else [])]


def _what(layer: Layer) -> str:
    """The label turned, but for the shape."""
    return printable(layer.label, 24) + _times(layer, " x{}")


def _height_width(layer: Layer) -> tuple[int, int]:
    """Of the map: 1 x 1 after flattening, 1 wide for a sequence, the last two axes of a volume."""
    sizes = layer.shape[:-1]
    return (sizes[-2], sizes[-1]) if len(sizes) > 1 else (sizes[0], 1) if sizes else (1, 1)


def _shape(layer: Layer) -> str:
    return "x".join(map(str, layer.shape))


def _times(layer: Layer, pattern: str) -> str:
    return pattern.format(layer.repeats) if layer.repeats > 1 else ""


def _points(corners: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _darker(colour: str, by: float) -> str:
    return "#" + "".join(f"{round(int(colour[at : at + 2], 16) * by):02x}" for at in (1, 3, 5))


# --- text -------------------------------------------------------------------------------------------------------------


def _text(title: str, found: Sequence[Layer]) -> Iterator[str]:
    size = max(max(_height_width(layer), default=1) for layer in found)
    most = max(layer.shape[-1] for layer in found)
    yield _ascii(title, 100)
    yield f"{'layer':{NAME}} {'':{WHAT}} {'output':>{SHAPE}} {'height':{BAR}} {'channels':{BAR}}".rstrip()
    for layer in found:
        name = _ascii(layer.module or ("" if layer.kind == "input" else "-"), NAME)
        what = _ascii(layer.label + _times(layer, " x{}"), WHAT)
        bars = [_bar("#", _height_width(layer)[0], size), _bar("=", layer.shape[-1], most)]
        skips = "".join(f" + {_ascii(found[at].module, 24) or 'input'}" for at in layer.skips)
        yield f"{name:{NAME}} {what:{WHAT}} {_shape(layer):>{SHAPE}} {bars[0]:{BAR}} {bars[1]:{BAR}}".rstrip()
        if skips:
            yield f"{'':{NAME}} {_ascii('(also given: ' + skips[3:] + ')', 100 - NAME - 1)}"
    yield "Bars go by the square root; height on one scale, channels on another."


def _bar(mark: str, value: int, most: int) -> str:
    return mark * max(1, round(BAR * math.sqrt(value / most)))


def _ascii(text: str, most: int) -> str:
    """Both ends of a long text; what is not ASCII as a question mark."""
    text = printable(text, 4000).encode("ascii", "replace").decode("ascii")
    return text if len(text) <= most else f"{text[: most // 2 - 1]}..{text[-(most - most // 2 - 1) :]}"
