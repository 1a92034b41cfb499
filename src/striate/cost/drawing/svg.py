"""A drawing as SVG: the front of each slab in the colour of its kind, its top and side darker, arcs over the skips."""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from striate.base.errors import printable
from striate.base.words import many
from striate.cost.drawing.flow import KINDS, Layer
from striate.cost.drawing.slabs import (
    BOLD,
    DEPTH_Y,
    EDGE,
    GLYPH,
    HIGHEST,
    SIZE,
    Slab,
    lines,
    placed,
    rise,
    size_text,
    times,
    turned,
)

# Fill of the front; top and side are darker. Colours after Okabe and Ito, apart for colour-blind eyes.
PAINT = {
    "input": "#c9ccd1", "convolution": "#8fc1e8", "pooling": "#f0b37e", "upsampling": "#8fd3b6", "block": "#b9b3e3",
    "fully connected": "#eddc82",
}  # fmt: skip
INK, SOFT, PAPER = "#22262b", "#666c75", "#fbfbfa"

NOTE = "Height, width and number of channels are drawn by their square roots, each on one scale."
MOST_UPRIGHT = 13  # layers whose labels are written across; more are turned


def svg(title: str, found: Sequence[Layer]) -> Iterator[str]:
    """The lines of the file."""
    across = len(found) <= MOST_UPRIGHT
    slabs = placed(found, across)
    arcs = [(source, at) for at, slab in enumerate(slabs) for source in slab.layer.skips]
    over = max((rise(slabs, source, at) for source, at in arcs), default=0.0)
    top = EDGE + 26 + over
    middle = top + HIGHEST * DEPTH_Y + HIGHEST / 2
    foot = middle + HIGHEST / 2 + 12
    below = 3 * 1.35 * SIZE if across else max(len(turned(each) + size_text(each)) + 2 for each in found) * GLYPH
    keys = [kind for kind in KINDS if any(slab.layer.kind == kind for slab in slabs)]
    width = max(slabs[-1].right + EDGE, 2 * EDGE + sum(_key_width(kind) for kind in keys), 2 * EDGE + len(NOTE) * GLYPH)
    width = max(width, 2 * EDGE + len(title) * 16 * BOLD / SIZE)
    height = foot + below + 62
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" font-family="Helvetica, Arial, sans-serif" font-size="{SIZE:g}">'
    )
    yield f"<title>{escape(title)}: {many(len(slabs) - 1, 'layer')}</title>"
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


def _box(slab: Slab, middle: float) -> Iterator[str]:
    """Front, top and side; equal layers in a row are shown by lines across the front and the top."""
    layer, left, thick = slab.layer, slab.left, slab.thick
    top, bottom = middle - slab.high / 2, middle + slab.high / 2
    right, (dx, dy) = left + thick, slab.back
    fill = PAINT[layer.kind]
    yield f'<g stroke="{_darker(fill, 0.45)}" stroke-width="0.8" stroke-linejoin="round">'
    said = f"{layer.module or layer.kind}: {layer.label}, {size_text(layer)}" + times(layer, ", {} in a row")
    yield f"<title>{escape(printable(said, 300))}</title>"
    upper = ((left, top), (left + dx, top - dy), (right + dx, top - dy), (right, top))
    side = ((right, top), (right + dx, top - dy), (right + dx, bottom - dy), (right, bottom))
    yield f'<polygon points="{_points(upper)}" fill="{_darker(fill, 0.88)}"/>'
    yield f'<polygon points="{_points(side)}" fill="{_darker(fill, 0.76)}"/>'
    yield f'<rect x="{left:.1f}" y="{top:.1f}" width="{thick:.1f}" height="{slab.high:.1f}" fill="{fill}"/>'
    shown = min(layer.repeats, 12, max(1, int(thick / 3)))
    for number in range(1, shown):
        x = left + thick * number / shown
        yield f'<path d="M{x:.1f} {bottom:.1f}V{top:.1f}l{dx:.1f} {-dy:.1f}" fill="none" stroke-width="0.6"/>'
    yield "</g>"


def _label(slab: Slab, foot: float, across: bool) -> Iterator[str]:
    x = slab.left + slab.thick / 2
    if not across:
        x += 0.36 * SIZE
        yield (
            f'<text transform="translate({x:.1f} {foot:.1f}) rotate(-90)" text-anchor="end" fill="{SOFT}">'
            f'{escape(turned(slab.layer))} <tspan dx="3" fill="{INK}" font-weight="bold">'
            f"{size_text(slab.layer)}</tspan></text>"
        )
        return
    for row, line in enumerate(lines(slab.layer)):
        look = f'fill="{INK}" font-weight="bold"' if row == 0 else f'fill="{SOFT}"'
        y = foot + (row + 0.8) * 1.35 * SIZE
        yield f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" {look}>{escape(line)}</text>'


def _arc(slabs: Sequence[Slab], source: int, at: int, middle: float) -> str:
    """From the top of one slab, over those in between, to the top of the other; an arrow head at the end."""
    start, end = slabs[source], slabs[at]
    x1, x2 = (each.left + each.thick / 2 + each.back[0] for each in (start, end))
    y1, y2 = (middle - each.high / 2 - each.back[1] - 1 for each in (start, end))
    crest = middle - HIGHEST / 2 - HIGHEST * DEPTH_Y - rise(slabs, source, at)
    bend = min(40.0, (x2 - x1) / 3)
    path = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {crest:.1f} {x1:.1f} {crest:.1f} {x1 + bend:.1f} {crest:.1f}"
    path += f"H{x2 - bend:.1f}C{x2:.1f} {crest:.1f} {x2:.1f} {crest:.1f} {x2:.1f} {y2 - 5:.1f}"
    head = _points(((x2, y2), (x2 - 3.2, y2 - 7), (x2 + 3.2, y2 - 7)))
    return f'<path d="{path}" fill="none" stroke="{SOFT}" stroke-width="1.1"/><polygon points="{head}" fill="{SOFT}"/>'


def _legend(kinds: Sequence[str], y: float) -> Iterator[str]:
    x = EDGE
    for kind in kinds:
        line = _darker(PAINT[kind], 0.45)
        yield f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="11" height="11" fill="{PAINT[kind]}" stroke="{line}"/>'
        yield f'<text x="{x + 17:.1f}" y="{y:.1f}" fill="{INK}">{kind}</text>'
        x += _key_width(kind)


def _key_width(kind: str) -> float:
    return 17 + len(kind) * GLYPH + 14


def _points(corners: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _darker(colour: str, by: float) -> str:
    return "#" + "".join(f"{round(int(colour[at : at + 2], 16) * by):02x}" for at in (1, 3, 5))
