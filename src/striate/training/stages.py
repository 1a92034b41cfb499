"""The stages of a network, first to last as its forward runs: layers whose maps have about one size, then its head.

Derived from one pass over tensors without storage, so that every network of the catalogue and of timm has them.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from striate.cost.walk.events import Observer
from striate.cost.walk.trace import trace
from striate.models.heads import AuxiliaryHead
from striate.models.weights import head_of

# A map is of another size, and its layer of another stage, from so much smaller or larger sides on.
SMALLER, LARGER = 0.75, 4 / 3
# What only holds other modules.
HOLDERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@final
@dataclass(frozen=True)
class Stage:
    """Layers that follow each other: the names of their outermost modules, and of their parameters."""

    modules: tuple[str, ...]
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        named = [each for each in self.modules if each] or ["its own parameters"]
        return named[0] if len(named) == 1 else f"{named[0]} to {named[-1]}"

    def holds(self, module: str) -> bool:
        return any(module == each or module.startswith(f"{each}.") for each in self.modules)


def stages(net: nn.Module, shape: tuple[int, int, int], anew: Iterable[str] = ()) -> tuple[Stage, ...]:
    """The stages of `net`, for one sample of `shape` (channels, height, width); the last one is its head.

    The head is the last layer, auxiliary heads, and the modules that start `anew`. Where maps have no sides, as in a
    dense layer or a transformer, layers are one stage. A network that no pass can follow is one stage and its head.
    """
    modules = dict(net.named_modules())
    heads = {head_of(net), *anew} | {name for name, each in modules.items() if _inside(modules, name, AuxiliaryHead)}
    own = {name: [f"{name}.{key}".lstrip(".") for key, _ in each.named_parameters(recurse=False)]
           for name, each in modules.items()}  # fmt: skip
    head = Stage(*(tuple(part) for part in _flat((name, own[name]) for name in own if name in heads and own[name])))
    sides = _sides(net, shape)
    units: dict[str, list[str]] = {}
    for name, parameters in own.items():
        if parameters and name not in heads:
            units.setdefault(_unit(modules, name), []).extend(parameters)
    order = sorted(units, key=lambda unit: list(sides).index(unit) if unit in sides else -1) if sides else list(units)
    found: list[Stage] = []
    side = -1.0
    for unit in order:
        now = sides.get(unit, 0)
        if found and (now == side == 0 or (side > 0 and SMALLER < now / side < LARGER)):
            found[-1] = Stage((*found[-1].modules, unit), (*found[-1].parameters, *units[unit]))
        else:
            found, side = [*found, Stage((unit,), tuple(units[unit]))], now
    return (*found, head)


def _flat(parts: Iterable[tuple[str, list[str]]]) -> tuple[list[str], list[str]]:
    """Names of modules, and those of all their parameters."""
    pairs = list(parts)
    return [name for name, _ in pairs], [each for _, names in pairs for each in names]


def _inside(modules: dict[str, nn.Module], name: str, kind: type[nn.Module]) -> bool:
    return any(isinstance(modules[each], kind) for each in _above(name))


def _above(name: str) -> Iterator[str]:
    """The module's name and those that hold it, without the network itself."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _unit(modules: dict[str, nn.Module], name: str) -> str:
    """The outermost module around `name` that does more than hold others: a block, or a layer that stands alone."""
    outer = [each for each in reversed(list(_above(name))) if not isinstance(modules[each], HOLDERS)]
    return outer[0] if outer else name


class _Order(Observer):
    """Each module in the order in which it is first entered, with the longer side of its first output's map."""

    def __init__(self) -> None:
        self.sides: dict[str, int] = {}

    def module_entered(self, name: str, call: int, inputs: Collection[Tensor]) -> None:
        self.sides.setdefault(name, 0)

    def module_left(self, name: str, call: int, outputs: tuple[Tensor, ...]) -> None:
        if not self.sides[name] and outputs and outputs[0].ndim == 4:
            self.sides[name] = max(outputs[0].shape[2:])


def _sides(net: nn.Module, shape: tuple[int, int, int]) -> dict[str, int]:
    order = _Order()
    try:
        trace(net, shape, (order,))
    except Exception:  # what a network makes of tensors without storage, no training may fail of
        return {}
    return order.sides
