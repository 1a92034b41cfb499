"""Multiply-adds as formulas: pictures of H x W, layers of C channels, through sympy.

C, H, W = sympy.symbols("C H W", positive=True, integer=True)
multiply_adds((4 * C, H, W), Convolution(4 * C, 3), Convolution(4 * C, 3))    # 288*C**2*H*W
network_multiply_adds(net, (3, H, W), multiple_of=32)                         # of any network, over H and W
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import sympy
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.utils._python_dispatch import TorchDispatchMode

from striate.cost.rules import PRODUCTS
from striate.cost.twin import meta_twin
from striate.cost.work import convolution
from striate.errors import UsageError

Size = Any  # a whole number or an expression of sympy, which has no types
HINT = 224  # a large side, by which comparisons of sides are decided


@dataclass(frozen=True)
class Convolution:
    """A square convolution to `outputs` channels, padded to keep height and width where `stride` is 1."""

    outputs: Size
    kernel: Size
    stride: Size = 1
    groups: Size = 1


def multiply_adds(shape: tuple[Size, Size, Size], *layers: Convolution) -> Any:
    """Multiply-adds of a chain of convolutions on a picture of (channels, height, width); each may be a symbol.

    Height and width are taken as multiples of all strides together.
    """
    channels, height, width = map(sympy.sympify, shape)
    total = sympy.Integer(0)
    for layer in layers:
        outputs, kernel, stride, groups = map(sympy.sympify, (layer.outputs, layer.kernel, layer.stride, layer.groups))
        given, result = (1, channels, height, width), (1, outputs, height / stride, width / stride)
        weight = (outputs, channels / groups, kernel, kernel)
        total += convolution(given, weight, result, stride=(1, 1), padding=(0, 0), dilation=(1, 1)).macs
        _, channels, height, width = result
    return sympy.expand(total)


def network_multiply_adds(net: nn.Module, input_size: Sequence[Size], *, multiple_of: int | None = None) -> Any:
    """Multiply-adds of a network in evaluation mode for one picture whose height or width are symbols.

    The formula holds for sides of at least 224 that every layer treats alike, with the rounding of each stride in it
    (`floor`). It does not hold where a layer goes another way for some sizes: a pool with `ceil_mode` and padding
    at odd sides, or a `forward` that compares sides. `count` of the size itself always does.
    `multiple_of`: the sides are multiples of this number, such as the total stride; the rounding then goes
    where it can. Channels are those that the network was built with. Raises `UsageError` for a network that
    takes one size only.
    """
    names = [side for side in input_size if isinstance(side, sympy.Symbol)]
    environment = ShapeEnv(specialize_zero_one=True)
    fake = FakeTensorMode(shape_env=environment, allow_non_fake_inputs=True)
    dynamic = [DimDynamic.STATIC, *(DimDynamic.DUCK if side in names else DimDynamic.STATIC for side in input_size)]
    hints = {name: HINT + 32 * place for place, name in enumerate(dict.fromkeys(names))}
    shape: list[Any] = [1, *(hints.get(side, side) for side in input_size)]
    context: Any = StatelessSymbolicContext(dynamic_sizes=dynamic, constraint_sizes=[None] * len(shape))
    picture = fake.from_tensor(torch.empty(shape, device="meta"), symbolic_context=context)
    counter = _Products()
    try:
        with torch.no_grad(), fake, counter, _quietly("torch._subclasses.fake_tensor"):
            meta_twin(net).eval()(picture)
    except (RuntimeError, ValueError, TypeError) as error:
        raise _one_size(net, str(error).splitlines()[0]) from error
    sides: Any = picture.shape[1:]  # SymInts, whose expressions are sympy's
    symbols = {side.node.expr: name for side, name in zip(sides, input_size, strict=True) if name in names}
    if any(not isinstance(side, sympy.Symbol) or environment.replacements.get(side) for side in symbols):
        raise _one_size(net, "a layer fixes height or width")
    total = getattr(getattr(counter.total, "node", None), "expr", counter.total)  # of a SymInt, its expression
    formula = sympy.sympify(total).xreplace(symbols)
    if multiple_of:
        cells = {name: sympy.Symbol(f"cells_{name}", positive=True, integer=True) for name in names}
        whole = formula.subs({name: multiple_of * cell for name, cell in cells.items()}, simultaneous=True)
        formula = sympy.simplify(whole).subs({cell: name / multiple_of for name, cell in cells.items()})
    return sympy.expand(formula)


@final
class _Products(TorchDispatchMode):
    """Adds up the multiply-adds of the operators that multiply matrices."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: Any = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        rule = PRODUCTS.get(func.overloadpacket)
        if rule is not None:
            self.total = self.total + rule(args, kwargs or {}, (out,)).macs
        return out


@contextlib.contextmanager
def _quietly(logger: str) -> Iterator[None]:
    """What fails here is told by the error that is raised, and not by a logger as well."""
    log = logging.getLogger(logger)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _one_size(net: nn.Module, cause: str) -> UsageError:
    where = f"the network ({type(net).__name__})"
    return UsageError(where, f"it has no formula over these symbols ({cause})", "numbers for height and width")
