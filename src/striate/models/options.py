"""Options of the builders, as values or as the words of a command line: read and checked in one place."""

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from torch import nn

from striate.base.errors import UsageError, nearest
from striate.layers import Activation, Norm

ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
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
NORMS: Mapping[str, Norm | None] = MappingProxyType(
    {"batch": nn.BatchNorm2d, "group": _group, "layer": _layer, "instance": _instance, "none": None}
)
INITIALISATIONS = ("paper", "he", "xavier")


def activation(value: str | Activation) -> Activation:
    """A module class, or the one that this word names."""
    if isinstance(value, nn.Module):
        cause = f"{value} is one module, and each place needs its own"
        raise UsageError("activation", cause, f"its class, {type(value).__name__}")
    return value if callable(value) else ACTIVATIONS[one_of("activation", value, ACTIVATIONS)]


def norm(value: str | Norm | None) -> Norm | None:
    """A module class that takes the number of channels, the one that this word names, or None for no norm."""
    return value if value is None or callable(value) else NORMS[one_of("norm", value, NORMS)]


def one_of(option: str, value: object, words: Iterable[str]) -> str:
    """`value` as one of `words`, in letters of any case; a number may be written like one (TOML's stem = 32)."""
    allowed = list(words)
    meant = [word for word in allowed if word.lower() == str(value).lower()]
    if not meant:
        cause = f"{value!r} is not one of {', '.join(allowed)}"
        raise UsageError(option, cause, f"{option}={nearest(str(value), allowed)[0]}")
    return meant[0]


def count(option: str, value: int | str) -> int:
    """A whole number of at least 1."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise UsageError(option, f"{value!r} is not a whole number of at least 1", f"{option}=3")
    return int(text)


def fraction(option: str, value: float | str) -> float:
    """A number from 0 up to, not including, 1."""
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 <= number < 1:
        raise UsageError(option, f"{value!r} is not a number from 0 to below 1", f"{option}=0.5")
    return number


def flag(option: str, value: bool | str) -> bool:
    """True or false."""
    return one_of(option, str(value).lower(), ("true", "false")) == "true"


def ratio(option: str, value: int | str | None) -> int | None:
    """A reduction ratio of at least 1, or None (the word "none") for no such part."""
    return None if value is None or str(value).lower() == "none" else count(option, value)


def initialisation(value: str) -> str:
    """One of the words that `layers.initialise` knows."""
    return one_of("init", value, INITIALISATIONS)
