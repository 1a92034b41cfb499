"""A network's multiply-adds as formulas over the sides of its picture."""

from typing import Any

from torch import nn

from striate.base.errors import UsageError
from striate.cost.field.fields import fields
from striate.cost.symbols import HINT, NetworkFormula


def formulas(net: nn.Module, shape: tuple[Any, ...]) -> tuple[Any, int, Any]:
    """Multiply-adds for one picture with symbols for sides: for all sizes; and a number, and for its multiples.

    The number is the stride of the last feature map, 1 where there is none. In place of a formula for all sizes stands
    the `UsageError` that says why there is none, where there is one for multiples.
    """
    last = fields(net, tuple(side if isinstance(side, int) else HINT for side in shape)).last
    strides = [int(each) for each in last.field.stride if each == int(each)] if last else []
    stride = max(strides, default=1)
    found = NetworkFormula(net, shape)
    try:
        every = found.over()
    except UsageError as error:
        if stride == 1:
            raise
        every = error
    return every, stride, found.over(stride)
