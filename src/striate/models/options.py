"""The options of the builders: what kinds there are, and the one door at which they are read."""

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_type_hints

from torch import nn

from striate import layers
from striate.base.errors import UsageError
from striate.base.options import read

ACTIVATIONS: Mapping[str, layers.Activation] = MappingProxyType(
    {
        "relu": nn.ReLU,
        "leaky_relu": nn.LeakyReLU,
        "elu": nn.ELU,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
    }
)


def _group(channels: int) -> nn.Module:
    return nn.GroupNorm(math.gcd(32, channels), channels)


def _layer(channels: int) -> nn.Module:
    return nn.GroupNorm(1, channels)


def _instance(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True)


# The norms that Wu and He 2018, "Group Normalization", compare (Figs. 2 and 4): 32 groups where they divide.
NORMS: Mapping[str, layers.Norm | None] = MappingProxyType(
    {"batch": nn.BatchNorm2d, "group": _group, "layer": _layer, "instance": _instance, "none": None}
)

Activation = Annotated[layers.Activation, ACTIVATIONS]
Norm = Annotated[layers.Norm | None, NORMS]
Init = Literal["paper", "he", "xavier"]
Stem = Literal["224", "32"]  # the side in pixels that it is made for


def check_depth(depth: int, known: Iterable[int], where: str) -> None:
    """A `UsageError` when `depth` is not one of those that the table called `where` lists."""
    if depth not in known:
        hint = f"one of {', '.join(map(str, known))}"
        raise UsageError("depth", f"{where} has no network of {depth} layers", hint)


def parameters(builder: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """Each option of a builder: what it is declared to be, and its default; those of a dataclass stand in its place."""
    hints = get_type_hints(builder, include_extras=True)
    found: dict[str, tuple[Any, Any]] = {}
    for name, parameter in inspect.signature(builder).parameters.items():
        if dataclasses.is_dataclass(hints[name]):
            fields = get_type_hints(hints[name], include_extras=True)
            found |= {key: (kind, getattr(parameter.default, key)) for key, kind in fields.items()}
        elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            found[name] = (hints[name], parameter.default)  # also in place of a dataclass's of this name
    return found


def call(builder: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """What the builder makes of these options, read as it declares them; `UsageError` for a value that cannot be meant.

    One that it does not declare is handed over as it is.
    """
    known, own = parameters(builder), inspect.signature(builder).parameters
    values = {key: read(key, known[key][0], value) if key in known else value for key, value in options.items()}
    for name, parameter in own.items():
        if dataclasses.is_dataclass(default := parameter.default) and not isinstance(default, type):
            fields = {each.name for each in dataclasses.fields(default)} - own.keys() & values.keys()
            values[name] = dataclasses.replace(default, **{key: values.pop(key) for key in fields})
    return builder(**values)
