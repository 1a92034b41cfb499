"""How convolutions and pools look at what they are given, read from the dispatcher's arguments in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, final

from striate.cost.walk.events import Call

Sides = tuple[int, ...]


@final
@dataclass(frozen=True, slots=True)
class Geometry:
    """Windows that slide over a picture: one number for each of its axes."""

    kernel: Sides
    stride: Sides
    padding: Sides
    dilation: Sides
    transposed: bool = False

    @property
    def along(self) -> tuple[tuple[int, int, int, int], ...]:
        """Kernel, stride, padding and dilation of each axis."""
        return tuple(zip(self.kernel, self.stride, self.padding, self.dilation, strict=True))


def geometry(call: Call) -> Geometry:
    """That of a convolution, a pool or `im2col`, forward or backward.

    What the dispatcher leaves out is the default: windows side by side, no padding.
    """
    places, axes = _signature(call.packet)

    def given(name: str, default: Sides) -> Sides:
        return tuple(call.argument(places.get(name, len(call.args)), ())) or default

    def for_all(sides: Sides) -> Sides:
        return sides * axes if len(sides) == 1 else sides

    if "weight" in places:
        kernel = tuple(call.shape(places["weight"])[2:])
        axes = len(kernel)
    else:
        kernel = for_all(given("kernel_size", ()))
    stride, padding, dilation = given("stride", kernel), given("padding", (0,)), given("dilation", (1,))
    transposed = "transposed" in places and bool(call.args[places["transposed"]])
    return Geometry(kernel, for_all(stride), for_all(padding), for_all(dilation), transposed)


@cache
def _signature(operator: Any) -> tuple[Mapping[str, int], int]:
    """The place of each argument by torch's name for it, and the axes of a pool."""
    arguments = operator.default._schema.arguments
    axes = next((each.N for each in arguments if each.name == "kernel_size"), 0)
    return {each.name: place for place, each in enumerate(arguments)}, axes
