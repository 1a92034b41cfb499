"""What the public calls are asked: data in memory or by name, who is told, and how a call is written down."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from striate.base.errors import UsageError
from striate.base.paths import path_of
from striate.base.screen import Screen
from striate.data.load import Data
from striate.training.execution import Listener, Silent
from striate.training.recipe import Recipe, read_toml, recipe_of

if TYPE_CHECKING:
    from striate.runs.run import Run


def listening(quiet: bool, listener: Listener | None = None) -> contextlib.AbstractContextManager[Listener]:
    """Who is told: `listener`, nobody, or a screen while it lasts; a UsageError for the first two at once."""
    if listener is not None and quiet:
        raise UsageError("quiet", "a listener is told in any case", "either of them")
    if listener is not None or quiet:
        return contextlib.nullcontext(listener or Silent())
    return Screen()


def in_memory(data: Data | None) -> bool:
    """Whether these are pictures in memory."""
    return data is not None and not isinstance(data, str | os.PathLike)


def called(data: Any, keywords: Mapping[str, Any], function: str = "train") -> str:
    """A call as it is written; what is in memory has a name."""
    given = [] if data is None else [written(data)]
    if in_memory(data):
        given = ["(pictures, labels)" if isinstance(data, tuple) else "pictures"]
    return call(function, given, keywords)


def kept_as(keep: bool | str, called: str) -> str | None:
    """What is written down beside pictures that are kept: what was typed, or the call; None where none are."""
    return keep if isinstance(keep, str) else called if keep else None


def call(name: str, given: Sequence[str], keywords: Mapping[str, Any]) -> str:
    told = [f"{name}={written(value)}" for name, value in keywords.items() if value is not None]
    return f"striate.{name}({', '.join([*given, *told])})"


def written(value: Any) -> str:
    return repr(os.fspath(value) if isinstance(value, os.PathLike) else value)


def recipe_for(data: Data | None, values: Mapping[str, Any]) -> Recipe:
    """The recipe in a file, or of values for these data."""
    if data is None:
        hint = "`striate train digits`, a folder of class folders, a table, or --resume RUN"
        raise UsageError("data", "nothing to train on", hint)
    if not isinstance(data, str | os.PathLike):
        return recipe_of(data="arrays", **values)
    if os.fspath(data).endswith(".toml"):
        return read_toml(path_of(data), **values)
    return recipe_of(data=data, **values)


def opened_run(run: str | os.PathLike[str] | Run) -> Run:
    from striate.runs.run import Run, open_run

    return run if isinstance(run, Run) else open_run(run)
