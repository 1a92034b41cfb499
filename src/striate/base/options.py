"""Options as values or as the words of a command line: read once, by what a function or a class declares."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import UnionType
from typing import Annotated, Any, Literal, Union, final, get_args, get_origin

from striate.base.errors import Option, UsageError, nearest

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


def read(name: str, declared: Any, value: Any, table: str = "model_options") -> Any:
    """`value` as `declared` says: true or false, a number in its `Range`, a word of a `Literal`, or None.

    `Annotated` with a mapping of words declares what these words stand for, and takes such things themselves, which are
    called. Words may be in letters of any case. Anything else is a `UsageError` that says what to try, as an option of
    `table`; but of what is declared without a range or words, any value is taken as it is.
    """
    kind, *marks = get_args(declared) if get_origin(declared) is Annotated else (declared,)
    kind, optional = besides_none(kind)
    if optional:
        if value is None or str(value).lower() == "none":
            return None
        return read(name, Annotated[kind, *marks] if marks else kind, value, table)
    if marks and isinstance(marks[0], Mapping):
        return _named(Option(name, value, table), marks[0])
    if get_origin(kind) is Literal:
        return _word(Option(name, value, table), get_args(kind))
    if kind is bool:
        return _truth(Option(name, value, table))
    if kind is str and type(value) is int:  # TOML's good = 0 is the class that is called so
        return str(value)
    return _number(Option(name, value, table), kind, marks[0]) if marks else value


def besides_none(declared: Any) -> tuple[Any, bool]:
    """What is declared besides None, and whether None is."""
    kinds = get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,)
    return next(each for each in kinds if each is not type(None)), type(None) in kinds


def _word(given: Option, words: Iterable[str]) -> str:
    """One of `words`, in letters of any case; a number may be written like one (TOML's stem = 32)."""
    allowed = list(words)
    meant = [word for word in allowed if word.lower() == str(given.value).lower()]
    if not meant:
        such = nearest(str(given.value), allowed)
        cause = f"{given.value!r} is not one of {', '.join(allowed)}"
        raise UsageError(given.name, cause, (replace(given, value=such[0]),) if such else "one of them")
    return meant[0]


def _named(given: Option, words: Mapping[str, Any]) -> Any:
    """What is called to make each of many, such as the class of a module: one made already would be shared."""
    value = given.value
    if not callable(value):
        return words[_word(given, words)]
    if not isinstance(value, type) and hasattr(value, "state_dict"):
        cause = f"{value} is one module, and each place needs its own"
        raise UsageError(given.name, cause, f"its class, {type(value).__name__}")
    return value


def _truth(given: Option) -> bool:
    said = str(given.value).lower()
    if said not in TRUTHS:
        value = TRUTHS[next(iter(nearest(said, TRUTHS)), "true")]
        raise UsageError(given.name, f"{given.value!r} is not one of true, false", (replace(given, value=value),))
    return TRUTHS[said]


def _number(given: Option, kind: type[int] | type[float], within: Range) -> int | float:
    """Written as a number, and in the range; true and false are none, and 2.0 and 1e1 are not written as whole ones."""
    text = str(given.value)
    whole = text.isascii() and text.removeprefix("-").isdigit()
    try:
        number = math.nan if isinstance(given.value, bool) or (kind is int and not whole) else kind(text)
    except (ValueError, OverflowError):
        number = math.nan
    if number not in within:
        cause = f"{given.value!r} is not a {'whole ' if kind is int else ''}number {within}"
        raise UsageError(given.name, cause, (replace(given, value=within.such),))
    return number
