"""Options of a network from outside, typed as words: read by what its function declares and by its defaults."""

from __future__ import annotations

import enum
import inspect
import json
import typing
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from striate.base.errors import Option, UsageError, nearest
from striate.base.options import read

# Under these names a builder fetches or opens weights, of which a count needs none.
WEIGHTS = """
    weights weights_backbone backbone_weights pretrained pretrained_backbone backbone_pretrained use_pretrained
    use_pretrained_backbone pretrained_weights pretrained_path pretrained_cfg checkpoint checkpoint_path ckpt ckpt_path
"""
ROWS = (list, tuple, set, frozenset)
NONE = ("none", "null")
TABLE = "model_options"


def options_of(function: Callable[..., Any], place: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords for `function`: `words` as it declares them, and no weights where it would fetch some by itself.

    An unknown name, a value that cannot be meant and weights are each a `UsageError`. Values that are no text stay.
    """
    declared = _declared(function)
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in declared.values())
    known = {
        name: each for name, each in declared.items()
        if each.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    }  # fmt: skip
    options = {}
    for name, value in words.items():
        if _is_weights(name, known.get(name)):
            if str(value).lower() not in (*NONE, "false"):
                raise UsageError(f"--model-options.{name}", "counting needs no weights", "leaving it out")
        elif name in known:
            options[name] = _read(name, known[name].annotation, known[name].default, value)
        elif takes_any:
            options[name] = _json(value) if isinstance(value, str) else value
        else:
            near = nearest(name, known)
            hint = (Option(near[0], value, TABLE),) if near else "leaving it out"
            raise UsageError(name, f"{place} has no such option", hint)
    for name, each in known.items():
        if name not in options and _is_weights(name, each) and each.default not in (None, False, "", each.empty):
            options[name] = False if isinstance(each.default, bool) else None
    return options


def _is_weights(name: str, parameter: inspect.Parameter | None) -> bool:
    """A checkpoint that is true or false is one of gradients."""
    switch = parameter is not None and isinstance(parameter.default, bool)
    return name in WEIGHTS.split() and not (switch and name.startswith(("checkpoint", "ckpt")))


def _declared(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters, with annotations that are texts looked up where that is possible."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of what is written in C
        return {"options": inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD)}
    told = inspect.unwrap(function.__init__ if isinstance(function, type) else function)  # type: ignore[misc]
    world = getattr(told, "__globals__", {})
    found = {}
    for name, each in signature.parameters.items():
        annotation = each.annotation
        if isinstance(annotation, str):
            try:
                hints = typing.get_type_hints(_Bare({name: annotation}), globalns=world, include_extras=True)
                annotation = hints[name]
            except Exception:  # a name that only a type checker sees
                annotation = each.empty
        found[name] = each.replace(annotation=annotation)
    return found


class _Bare:
    """What `get_type_hints` asks for annotations."""

    def __init__(self, annotations: dict[str, Any]) -> None:
        self.__annotations__ = annotations


def _read(name: str, declared: Any, default: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if declared in (inspect.Parameter.empty, Any, object):
        plain = isinstance(default, (bool, int, float, str, *ROWS, dict))
        return _as(name, type(default), value) if plain else _json(value)
    return _as(name, declared, value)


def _as(name: str, declared: Any, value: str) -> Any:
    """`value` as one of the kinds that are declared, None before numbers before texts."""
    marks = get_args(declared)[1:] if get_origin(declared) is Annotated else ()
    kind = get_args(declared)[0] if marks else declared
    if get_origin(kind) in (Union, UnionType):
        return _one_of(name, get_args(kind), value)
    if kind in (None, type(None)):
        if value.lower() not in NONE:
            raise UsageError(name, f"{value!r} is not none", (Option(name, "none", TABLE),))
        return None
    if get_origin(kind) is Literal:
        words = {str(each): each for each in get_args(kind)}
        return words[read(name, Literal[tuple(words)], value)]
    if kind is bool:
        return read(name, bool, value)
    if kind in (int, float):
        return _number(name, kind, value)
    if kind is str:
        return value
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        names = {each.name: each for each in kind}
        return names[read(name, Literal[tuple(names)], value)]
    row = get_origin(kind) or kind
    if isinstance(row, type) and issubclass(row, (*ROWS, dict, Sequence, Mapping)):
        return _row(name, row, value)
    if row in (type, Callable):
        cause = f"it is declared as {_told(kind)}, and {value!r} is a text"
        raise UsageError(name, cause, "a function of your own that sets it")
    return _json(value)


def _one_of(name: str, kinds: tuple[Any, ...], value: str) -> Any:
    order = (type(None), bool, int, float)
    ranked = sorted(kinds, key=lambda kind: order.index(kind) if kind in order else 5 + (kind is str))
    refused: list[UsageError] = []
    for kind in ranked:
        try:
            return _as(name, kind, value)
        except UsageError as error:
            refused.append(error)
    raise refused[-1]


def _number(name: str, kind: type, value: str) -> Any:
    text = value.strip()
    whole = text.isascii() and text.removeprefix("-").isdigit()
    try:
        if kind is int and not whole:
            raise ValueError
        return kind(text)
    except ValueError as error:
        said = "whole number" if kind is int else "number"
        raise UsageError(
            name, f"{value!r} is not a {said}", (Option(name, 3 if kind is int else 0.5, TABLE),)
        ) from error


def _row(name: str, kind: type, value: str) -> Any:
    """A list or a mapping, typed as JSON; a tuple and a set where one is declared."""
    mapping = issubclass(kind, Mapping)
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict if mapping else list):
        said, such = ("mapping", "'{\"a\": 1}'") if mapping else ("list", "'[1, 2]'")
        raise UsageError(name, f"{value!r} is no {said} in JSON", (Option(name, such, TABLE),))
    return kind(found) if issubclass(kind, ROWS) else found


def _json(value: str) -> Any:
    """The number, truth value or list that a word spells; else the word."""
    try:
        return json.loads(value)
    except ValueError:
        return {"true": True, "false": False, "none": None}.get(value.lower(), value)


def _told(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))
