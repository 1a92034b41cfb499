"""A network as a picture, by square roots: slabs as high and deep as the feature map, as thick as it has channels.

One description serves both pictures, and it comes from running the network: see `drawing.flow`.
"""

from dataclasses import dataclass
from typing import final

from torch import nn

from striate.base.errors import printable
from striate.cost.drawing.flow import Layer, layers
from striate.cost.drawing.svg import svg
from striate.cost.drawing.text import text
from striate.cost.walk.trace import Inputs


@final
@dataclass(frozen=True)
class Drawing:
    """The layers of a network, to be shown as `svg()` or as `text()`."""

    title: str
    layers: tuple[Layer, ...]

    def svg(self) -> str:
        """A self-contained picture. Heights, widths and channels go by their square roots, as the picture says."""
        return "\n".join(svg(self.title, self.layers)) + "\n"

    def text(self) -> str:
        """The same for a terminal: ASCII, at most 100 columns, one layer a line with bars by the same square roots."""
        return "\n".join(text(self.title, self.layers))

    def __str__(self) -> str:
        return self.text()

    def _repr_svg_(self) -> str:
        return self.svg()


def drawing(net: nn.Module, input_size: Inputs, *, title: str = "") -> Drawing:
    """Draw `net` for inputs of this size, such as (3, 224, 224); the title is its class where none is given.

    Blocks with branches are one slab under the name of their class, equal blocks in a row one slab with their number;
    more than 40 layers are drawn as stages. Connections that pass over layers are arcs. Errors are those of `trace`.
    """
    return Drawing(printable(title or type(net).__name__, 120), layers(net, input_size))
