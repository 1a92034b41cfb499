"""Multiply-adds as formulas: pictures of H x W, layers of C channels, through sympy.

C, H, W = sympy.symbols("C H W", positive=True, integer=True)
multiply_adds((4 * C, H, W), Convolution(4 * C, 3), Convolution(4 * C, 3))    # 288*C**2*H*W
network_multiply_adds(net, (3, H, W), multiple_of=32)                         # of any network, over H and W
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, SupportsIndex, final

import sympy
import torch
from sympy.printing.pycode import PythonCodePrinter
from torch import nn
from torch._dispatch.python import enable_python_dispatcher
from torch._dynamo.source import ConstantSource
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._sympy import functions as torchs

from striate.base.errors import UsageError
from striate.base.units import by
from striate.cost.count import count
from striate.cost.rules import is_product, rule_of
from striate.cost.walk.events import Call, Observer
from striate.cost.walk.trace import trace
from striate.cost.walk.twin import named
from striate.cost.work import convolution

aten = torch.ops.aten

Size = Any  # a whole number or an expression of sympy, which has no types
HINT = 224  # a large side, by which comparisons of sides are decided
LARGE = (640, 1000, 1024, 1333, 2048, 4095)  # sides beyond, at which such decisions are looked at too


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

    The formula holds for sides of at least 224 that the network takes, with the rounding of each stride in it (`floor`,
    `ceiling`). `multiple_of`: for sides that are multiples of this number, such as the total stride; the rounding then
    goes where it can. Channels are those that the network was built with. Raises `UsageError` for a network that takes
    one size only, and for one that goes another way at some sizes: a pool with `ceil_mode` and padding at odd sides, or
    a `forward` that compares sides. `count` of the size itself always holds.
    """
    return NetworkFormula(net, input_size).over(multiple_of or 1)


@final
class NetworkFormula:
    """One pass of a network over symbols; `over` makes formulas of it, and checks each against `count`."""

    def __init__(self, net: nn.Module, input_size: Sequence[Size]) -> None:
        self._net, self._size = net, tuple(_side(each) for each in input_size)
        if len(self._size) == 3 and isinstance(self._size[0], sympy.Symbol):
            cause = f"{self._size[0]} stands for channels, which are the network's own"
            raise UsageError("input size", cause, "a number for them, as in 3xHxW")
        self._given = tuple(dict.fromkeys(side for side in self._size if isinstance(side, sympy.Symbol)))
        self._names = tuple(_whole(side.name) for side in self._given)
        back = dict(zip(self._given, self._names, strict=True))
        self._total, decisions = _pass(net, tuple(back.get(side, side) for side in self._size))
        self._decisions = {each: _function(self._names, each) for each in decisions}
        self._sound = False  # whether the formula was found to hold for all sides, and so for multiples

    def over(self, multiple_of: int = 1) -> Any:
        """The formula for sides that are multiples of this number. Raises `UsageError` where none holds for them."""
        formula = self._total
        if multiple_of > 1:
            cells = {name: _whole(f"cells_{name}") for name in self._names}
            formula = formula.subs({name: multiple_of * cell for name, cell in cells.items()}, simultaneous=True)
            formula = formula.xreplace({cell: name / multiple_of for name, cell in cells.items()})
        if not formula.has(sympy.floor, sympy.ceiling):
            formula = sympy.expand(formula)
        if not self._sound:
            self._check(formula, multiple_of)
            self._sound = multiple_of == 1
        return formula.xreplace(dict(zip(self._names, self._given, strict=True)))

    def _check(self, formula: Any, multiple_of: int) -> None:
        refused, checked = None, False
        for sides, decision in self._trials(multiple_of).items():
            of_given = dict(zip(self._given, sides, strict=True))
            size = tuple(of_given.get(each, each) for each in self._size)
            try:
                counted = count(self._net, size).macs
            except UsageError as error:  # a size that the network does not take: the formula need not hold there
                refused = error
                continue
            checked = True
            value = formula.subs(dict(zip(self._names, sides, strict=True)))
            if value != counted:
                raise self._differs(size, value, counted, multiple_of, decision)
        if refused is not None and not checked:
            raise refused

    def _trials(self, multiple_of: int) -> dict[tuple[int, ...], Any]:
        """Two sizes at which all decisions of the pass hold, and two at which each fails that does, with itself."""
        sizes = _sizes(len(self._names), multiple_of)
        failing = {each: [sides for sides in sizes if not holds(*sides)] for each, holds in self._decisions.items()}
        elsewhere = {sides for fails in failing.values() for sides in fails}
        usual = [sides for sides in sizes if sides not in elsewhere]
        trials = dict.fromkeys(usual[len(usual) // 5 :: 3 * len(usual) // 7 or 1][:2])
        for decision in sorted(failing, key=lambda each: (len(str(each)), str(each))):  # so that the shortest is told
            for sides in failing[decision][:1] + failing[decision][-1:]:
                trials.setdefault(sides, decision)
        return trials

    def _differs(self, size: tuple[int, ...], value: Any, counted: int, multiple_of: int, decision: Any) -> UsageError:
        shown, which = by(size), f"multiples of {multiple_of}" if multiple_of > 1 else "sizes"
        cause = f"no single formula holds for all {which}: it gives {value} multiply-adds at {shown}, not {counted}"
        if decision is not None:
            told = f"{decision.lhs} = {decision.rhs}" if isinstance(decision, sympy.Eq) else decision
            cause += f", and needs {told}"
        return UsageError(named(self._net), cause, f"a size by itself, such as {shown}")


def _pass(net: nn.Module, size: tuple[Size, ...]) -> tuple[Any, list[Any]]:
    """Multiply-adds over the symbols in `size`, and the decisions that the pass made at the hints, as conditions."""
    environment, products = ShapeEnv(specialize_zero_one=True), _Products()
    symbols = dict.fromkeys(side for side in size if isinstance(side, sympy.Symbol))
    hints = {name: HINT + 32 * place for place, name in enumerate(symbols)}
    sides: dict[Any, Any] = {}
    for name, hint in hints.items():
        source = ConstantSource(name.name)
        symbol = environment.create_symbol(hint, source, dynamic_dim=DimDynamic.DYNAMIC)
        sides[name] = environment.create_symintnode(symbol, hint=hint, source=source)
    names = {side.node.expr: name for name, side in sides.items()}
    try:
        with enable_python_dispatcher(), _Alike():  # torch's rules of shapes in C++ would fix some sides
            trace(net, [sides.get(side, side) for side in size], [products], values=False)
    except UsageError as error:
        raise _one_size(net, _why_not(net, tuple(hints.get(side, side) for side in size), error)) from error
    if environment.replacements:
        raise _one_size(net, "a layer, or an int() of a side, fixes height or width")
    total = sympy.sympify(getattr(getattr(products.total, "node", None), "expr", products.total))
    decisions = [_plain(guard.expr) for guard in environment.guards]
    for rounded in total.atoms(*_ROUNDED):  # floating-point numbers, and fractions in the formula
        decisions.append(sympy.Eq(_plain(rounded, float), _plain(rounded), evaluate=False))
    return _plain(total).xreplace(names), list(dict.fromkeys(each.xreplace(names) for each in decisions))


@final
class _Products(Observer):
    """Adds up the multiply-adds of the operators that multiply matrices."""

    def __init__(self) -> None:
        self.total: Any = 0

    def called(self, call: Call) -> None:
        rule = rule_of(call.operator)
        if rule is not None and is_product(call.operator):
            self.total = self.total + rule(call).macs


_NAMES = "relu leaky_relu elu gelu silu sigmoid tanh hardtanh hardswish hardsigmoid"
_ALIKE = frozenset(getattr(aten, name).default for name in _NAMES.split())
_IN_PLACE = frozenset(getattr(aten, f"{name}_").default for name in _NAMES.split())


@final
class _Alike(TorchDispatchMode):
    """Answers for operators whose result has the shape of what was given: torch's way there takes 10 ms on symbols."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if "device" in kwargs and any(isinstance(each, torch.SymInt) for each in _flat(args)):
            kwargs = {**kwargs, "device": "meta"}  # a tensor of the network's own, which on a CPU has one size
        if func in _IN_PLACE:
            return args[0]
        if func in _ALIKE:
            return args[0].detach()
        if func is aten._native_batch_norm_legit_no_training.default:
            return args[0].detach(), args[0].new_empty(0), args[0].new_empty(0)
        return func(*args, **kwargs)


def _flat(args: Sequence[Any]) -> list[Any]:
    """Arguments, and those in lists."""
    return [one for each in args for one in (each if isinstance(each, (list, tuple)) else (each,))]


def _floor(over: Any, under: Any) -> Any:
    """The floor of a quotient of whole numbers, without the whole part of its constant; a ceiling where that is one."""
    if not under.is_Integer:
        return sympy.floor(over / under)
    whole, rest = divmod(over.as_coeff_Add()[0], under)
    over -= whole * under + rest
    return whole + (sympy.ceiling(over / under) if rest == under - 1 else sympy.floor((over + rest) / under))


_FUNCTIONS: Mapping[Any, Callable[..., Any]] = {
    torchs.FloorDiv: _floor,
    **dict.fromkeys((torchs.CleanDiv, torchs.IntTrueDiv, torchs.FloatTrueDiv), lambda over, under: over / under),
    torchs.Mod: sympy.Mod,
    torchs.PythonMod: sympy.Mod,
    torchs.Max: sympy.Max,
    torchs.Min: sympy.Min,
    torchs.ToFloat: lambda number: number,
    torchs.TruncToInt: sympy.floor,  # of a side, which is positive
    torchs.FloorToInt: sympy.floor,
    torchs.CeilToInt: sympy.ceiling,
}
_ROUNDED = (torchs.TruncToInt, torchs.FloorToInt, torchs.CeilToInt)


def _fraction(number: Any) -> Any:
    return sympy.Rational(Fraction(float(number)).limit_denominator(10**6))


def _plain(expression: Any, number: Callable[[Any], Any] = _fraction) -> Any:
    """The same with functions of sympy for those of torch, and with `number` of its floating-point numbers."""
    if expression.is_Float:
        return number(expression)
    if not expression.args:
        return expression
    return _FUNCTIONS.get(expression.func, expression.func)(*(_plain(each, number) for each in expression.args))


@final
class _Exact(PythonCodePrinter):  # type: ignore[misc]
    """Python's code for an expression, with fractions: 7/10 * 340 rounds down to 238, and 0.7 * 340 to 237."""

    def _print_Rational(self, number: Any) -> str:
        return f"Fraction({number.p}, {number.q})"


def _function(names: Sequence[Any], condition: Any) -> Callable[..., bool]:
    """Whether the condition holds at these sides; one that numbers do not decide is taken to hold."""
    printer = _Exact({"fully_qualified_modules": False, "allow_unknown_functions": True})
    decide = sympy.lambdify(names, condition, [{"Fraction": Fraction}, "math"], printer=printer)

    def holds(*sides: int) -> bool:
        try:
            return bool(decide(*sides))
        except (NameError, TypeError, ValueError, ArithmeticError):
            return True

    return holds


def _sizes(names: int, multiple_of: int) -> list[tuple[int, ...]]:
    """Sides from the hint to over twice as much, and some large ones, each with itself and with another."""
    first = -(-HINT // multiple_of)
    cells = [*range(first, first + max(16, 256 // multiple_of)), *(-(-side // multiple_of) for side in LARGE)]
    sides = [multiple_of * cell for cell in cells]
    shift = len(sides) // 3 | 1  # odd, as even sides and odd ones are to meet
    pairs = [tuple(sides[(at + place * shift) % len(sides)] for place in range(names)) for at in range(len(sides))]
    return list(dict.fromkeys([*pairs, *((side,) * names for side in sides)]))


def _side(given: Any) -> Any:
    if isinstance(given, sympy.Symbol):
        return given
    if isinstance(given, SupportsIndex):
        return int(given)
    raise UsageError("input size", f"{given} is neither a whole number nor a symbol", "(3, H, W)")


def _whole(name: str) -> Any:
    return sympy.Symbol(name, positive=True, integer=True)


def _one_size(net: nn.Module, cause: str) -> UsageError:
    return UsageError(named(net), f"it has no formula over these symbols ({cause})", "numbers for height and width")


def _why_not(net: nn.Module, size: tuple[Any, ...], error: UsageError) -> str:
    """Whether the network does not take the hints either, or only torch does not follow symbols through it."""
    try:
        count(net, size)
    except UsageError as plainer:
        return f"with {'x'.join(map(str, size))}, {plainer.where}: {plainer.cause}"
    return f"torch does not follow them through {error.where}"
