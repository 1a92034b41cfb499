"""Plain values, as JSON gives them, read as types declare them: a schema is a dataclass, and nothing else says it."""

import dataclasses
import math
import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from striate.base.errors import RunError
from striate.base.options import Range
from striate.base.reading import DAMAGED
from striate.base.words import many

OPEN = "other keys"  # a mark: keys that the dataclass does not declare are let be
Digest = Annotated[str, re.compile(r"[0-9a-f]{64}")]
Count = Annotated[int, Range(1, least=0)]
Text = Annotated[str, re.compile(r"[^\0]*")]
_CALLED = {
    int: "a whole number", float: "a number", str: "a text", bool: "true or false", tuple: "a list", Mapping: "a table",
}  # fmt: skip


def read(declared: Any, value: Any, where: str | Path, key: str = "") -> Any:
    """`value` as what `declared` says; a RunError names the file `where` and the key that cannot be meant.

    Known are dataclasses, whose fields are keys, None, bool, int, finite float, str, `Literal`, unions, `Mapping` and
    `tuple` and `list`; `Annotated` adds a `Range` of numbers, a pattern of texts, or `OPEN`.
    """
    try:
        return _read(declared, value, key)
    except ValueError as error:
        raise RunError(where, str(error), DAMAGED) from None


def _read(declared: Any, value: Any, key: str) -> Any:
    kind, *marks = get_args(declared) if get_origin(declared) is Annotated else (declared,)
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _either(parts, marks, value, key)
    if origin is Literal:
        if not any(type(value) is type(word) and value == word for word in parts):
            raise _unfit(key, value, f"one of {', '.join(map(str, parts))}")
        return value
    if dataclasses.is_dataclass(kind):
        return _fields(kind, value, key, OPEN in marks)
    if origin is Mapping:
        if not isinstance(value, dict):
            raise _unfit(key, value, _CALLED[Mapping])
        return {name: _read(parts[1], each, _below(key, name)) for name, each in value.items()}
    if origin is tuple:
        return _items(parts, value, key)
    if origin is list:
        return list(_items((*parts, ...), value, key))
    return _single(kind, marks, value, key)


def _either(kinds: tuple[Any, ...], marks: list[Any], value: Any, key: str) -> Any:
    """The first kind that fits; else what is wrong with the last."""
    if value is None and type(None) in kinds:
        return None
    *others, last = [each for each in kinds if each is not type(None)]
    for each in others:
        try:
            return _read(Annotated[(each, *marks)] if marks else each, value, key)
        except ValueError:
            continue
    return _read(Annotated[(last, *marks)] if marks else last, value, key)


def _fields(kind: Any, value: Any, key: str, open_: bool) -> Any:
    if not isinstance(value, dict):
        raise _unfit(key, value, _CALLED[Mapping])
    hints = get_type_hints(kind, include_extras=True)
    found = {}
    for each in dataclasses.fields(kind):
        if each.name in value:
            found[each.name] = _read(hints[each.name], value[each.name], _below(key, each.name))
        elif each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
            raise ValueError(f"{_below(key, each.name)} is missing")
    if not open_ and (others := value.keys() - hints.keys()):
        raise ValueError(f"{_below(key, min(others))} is no key that is known here")
    return kind(**found)


def _items(parts: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _unfit(key, value, _CALLED[tuple])
    kinds = [parts[0]] * len(value) if parts[1:] == (...,) else list(parts)
    if len(kinds) != len(value):
        raise ValueError(f"{key} has {many(len(value), 'part')}, and not {len(kinds)}")
    return tuple(
        _read(each, part, f"{key}[{place}]") for place, (each, part) in enumerate(zip(kinds, value, strict=True))
    )


def _single(kind: Any, marks: list[Any], value: Any, key: str) -> Any:
    fits = type(value) is kind or (kind is float and type(value) is int)
    if not fits or (kind is float and not math.isfinite(value)):
        raise _unfit(key, value, _CALLED[kind])
    for mark in marks:
        if isinstance(mark, Range) and value not in mark:
            raise _unfit(key, value, f"{_CALLED[kind]} {mark}")
        if isinstance(mark, re.Pattern) and not mark.fullmatch(value):
            raise _unfit(key, value, f"a text of the form {mark.pattern}")
    return value


def _unfit(key: str, value: Any, wanted: str) -> ValueError:
    told = "a table" if isinstance(value, dict) else "a list" if isinstance(value, list | tuple) else repr(value)[:80]
    return ValueError(f"{key or 'all of it'} is {told}, and not {wanted}")


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
