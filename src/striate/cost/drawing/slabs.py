"""Where each layer of a drawing stands and what is written below it, in points: as high, deep and thick as it is large.

Heights, widths and channels go by their square roots, each on one scale.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from striate.base.errors import printable
from striate.base.units import by
from striate.cost.drawing.flow import Layer

HIGHEST = 190.0  # points of the largest map's height
LONGEST = 62.0  # points of the most channels
LEAST = 3.0  # points of the thinnest slab
DEPTH_X, DEPTH_Y = 0.26, 0.20  # where the width recedes to, for each point of it
EDGE, GAP = 28.0, 13.0
SIZE = 11.0  # of a label, in points
GLYPH = 0.57 * SIZE  # no glyph of a label is wider, on average
BOLD = 0.7 * SIZE  # nor of a shape, which is bold


@dataclass(frozen=True)
class Slab:
    """The box of a layer; `left` is that of its front."""

    layer: Layer
    thick: float
    high: float
    deep: float
    left: float

    @property
    def back(self) -> tuple[float, float]:
        """How far to the right and up its back lies."""
        return self.deep * DEPTH_X, self.deep * DEPTH_Y

    @property
    def right(self) -> float:
        return self.left + self.thick + self.back[0]


def scales(found: Sequence[Layer]) -> tuple[int, int]:
    """The largest side of a map, and the most channels."""
    return max(max(height_width(layer)) for layer in found), max(layer.shape[-1] for layer in found)


def placed(found: Sequence[Layer], across: bool) -> list[Slab]:
    """Where each layer stands: far enough from the one before for the slabs, their depth and their labels."""
    size, most = scales(found)
    slabs: list[Slab] = []
    free, label_end = EDGE, EDGE
    for layer in found:
        high, deep = (max(LEAST, HIGHEST * math.sqrt(each / size)) for each in height_width(layer))
        thick = max(LEAST, LONGEST * math.sqrt(layer.shape[-1] / most))
        shape, *words = map(len, lines(layer))
        label = max(shape * BOLD, max(words) * GLYPH) if across else 1.5 * SIZE
        slab = Slab(layer, thick, high, deep, max(free, label_end + label / 2 - thick / 2))
        slabs.append(slab)
        # The next front may stand before the receding side of this one, but not hide it.
        free = slab.left + thick + max(GAP, slab.back[0] + GAP / 2)
        label_end = slab.left + thick / 2 + label / 2 + (8 if across else 2)
    return slabs


def rise(slabs: Sequence[Slab], source: int, at: int) -> float:
    """How far above the highest slab an arc runs: the more arcs it holds beneath it, the higher."""
    inner = sum(
        source <= low and at > end for end, slab in enumerate(slabs) for low in slab.layer.skips if low != source
    )
    inner += sum(source == low and end < at for end, slab in enumerate(slabs) for low in slab.layer.skips)
    return 14.0 + 12.0 * inner


def lines(layer: Layer) -> list[str]:
    """The label across: shape, what it is, and how many."""
    return [size_text(layer), printable(layer.label, 20), *([times(layer, "x{}")] if layer.repeats > 1 else [])]


def turned(layer: Layer) -> str:
    """The label turned, but for the shape."""
    return printable(layer.label, 24) + times(layer, " x{}")


def height_width(layer: Layer) -> tuple[int, int]:
    """Of the map: 1 x 1 after flattening, 1 wide for a sequence, the last two axes of a volume."""
    sizes = layer.shape[:-1]
    return (sizes[-2], sizes[-1]) if len(sizes) > 1 else (sizes[0], 1) if sizes else (1, 1)


def size_text(layer: Layer) -> str:
    return by(layer.shape)


def times(layer: Layer, pattern: str) -> str:
    return pattern.format(layer.repeats) if layer.repeats > 1 else ""
