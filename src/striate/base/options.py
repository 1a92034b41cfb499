"""Options as values or as the words of a command line: read once, by what a function or a class declares."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, final, get_args, get_origin

from striate.base.errors import UsageError, nearest

TRUTHS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}


@final
@dataclass(frozen=True)
class Range:
    """Numbers from `least` to `most`; `open` says which end does not belong to it. `such` is one of them."""

    such: float
    least: float
    most: float = math.inf
    open: Literal["", "least", "most"] = ""

    def __contains__(self, number: float) -> bool:
        outside = {"": math.inf, "least": self.least, "most": self.most}[self.open]
        return self.least <= number <= self.most and number != outside

    def __str__(self) -> str:
        if self.most == math.inf:
            return f"of at least {self.least:g}"
        low, high = "above" if self.open == "least" else "from", "to below" if self.open == "most" else "to"
        return f"{low} {self.least:g} {high} {self.most:g}"


Whole = Annotated[int, Range(3, least=1)]
Rate = Annotated[float, Range(0.5, least=0, most=1, open="most")]  # of dropout


def read(option: str, declared: Any, value: Any) -> Any:
    """`value` as `declared` says: true or false, a number in its `Range`, a word of a `Literal`, or None.

    `Annotated` with a mapping of words declares what these words stand for, and takes such things themselves, which are
    called. Words may be in letters of any case. Anything else is a `UsageError` that says what to try; but of what is
    declared without a range or words, any value is taken as it is.
    """
    kind, *marks = get_args(declared) if get_origin(declared) is Annotated else (declared,)
    if get_origin(kind) in (Union, UnionType):
        kinds = get_args(kind)
        if type(None) in kinds and (value is None or str(value).lower() == "none"):
            return None
        kind = next(each for each in kinds if each is not type(None))
        return read(option, Annotated[kind, *marks] if marks else kind, value)
    if marks and isinstance(marks[0], Mapping):
        return _named(option, marks[0], value)
    if get_origin(kind) is Literal:
        return one_of(option, value, get_args(kind))
    if kind is bool:
        return TRUTHS[one_of(option, value, TRUTHS, shown=("true", "false"))]
    return _number(option, kind, marks[0], value) if marks else value


def one_of(option: str, value: object, words: Iterable[str], shown: Iterable[str] = ()) -> str:
    """`value` as one of `words`, in letters of any case; a number may be written like one (TOML's stem = 32)."""
    allowed = list(words)
    meant = [word for word in allowed if word.lower() == str(value).lower()]
    if not meant:
        told = list(shown) or allowed
        cause = f"{value!r} is not one of {', '.join(told)}"
        raise UsageError(option, cause, f"{option}={nearest(str(value), told)[0]}")
    return meant[0]


def _named(option: str, words: Mapping[str, Any], value: Any) -> Any:
    """What is called to make each of many, such as the class of a module: one made already would be shared."""
    if not callable(value):
        return words[one_of(option, value, words)]
    if not isinstance(value, type) and hasattr(value, "state_dict"):
        cause = f"{value} is one module, and each place needs its own"
        raise UsageError(option, cause, f"its class, {type(value).__name__}")
    return value


def _number(option: str, kind: type[int] | type[float], within: Range, value: Any) -> int | float:
    """Written as a number, and in the range; true and false are none, and 2.5 is no whole one."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if number not in within or (kind is int and not number.is_integer()):
        cause = f"{value!r} is not a {'whole ' if kind is int else ''}number {within}"
        raise UsageError(option, cause, f"{option}={within.such:g}")
    return kind(number)
