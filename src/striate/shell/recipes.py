"""Verbs that take a recipe: their own parameters, then its fields, as their help shows them."""

import dataclasses
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Group, Parameter

from striate.training.recipe import CHOSEN, FOR_CELLS, FOR_DIGITS, FOR_PICTURES, OPTIONS, Recipe

Verb = Callable[..., None]
WHERE = Group("Where and how", sort_key=80)
HELPS = {
    "moved": "With --resume: where the data lie now.",
    "on": "A Dask cluster: dask:tcp://HOST:PORT; this machine as a rule.",
    "jobs": "Trainings at the same time; as a rule as many as fit.",
    "threads": "Of each training; measured and chosen as a rule.",
    "workers": "Processes that read pictures.",
    "memory": "Keep all pictures in memory, or read them anew each time.",
    "save_every": "Seconds between saves; each is complete.",
    "no_cache": "Look at every file anew; else what was found out of one that is the same is known from before.",
    "canvases": "Disk for decoded pictures, such as 20GiB: those that do not fit into memory are decoded once.",
    "json": "The last line of output is one JSON object.",
}


def with_recipe(helps: Mapping[str, str], besides: Collection[str] = ()) -> Callable[[Verb], Verb]:
    """A verb that trains takes every field of the recipe but `besides`, which it says in its own way."""
    told = {**HELPS, **helps}
    keys = [key for key in dataclasses.fields(Recipe) if key.name not in ("data", *besides)]
    names = dict.fromkeys(key.metadata["group"] for key in dataclasses.fields(Recipe))
    groups = {name: Group(name, sort_key=place) for place, name in enumerate(names, start=1)}

    def with_fields(verb: Verb) -> Verb:
        *own, command, _ = inspect.signature(verb).parameters.values()
        return taking(verb, [
            *(_own(each, told[each.name]) for each in own),
            *(_field(key, groups[key.metadata["group"]]) for key in keys),
            command.replace(annotation=Annotated[str, Parameter(parse=False)]),
        ])  # fmt: skip

    return with_fields


def taking(verb: Verb, parameters: Sequence[inspect.Parameter]) -> Verb:
    """The verb with these parameters in the eyes of the parser, which looks at annotations first."""
    verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    verb.__annotations__ = {each.name: each.annotation for each in parameters}
    return verb


def _own(each: inspect.Parameter, help: str) -> inspect.Parameter:
    parameter = Parameter(help=help)
    if each.kind is each.KEYWORD_ONLY:
        name, several = "--data" if each.name == "moved" else None, each.name == "models"
        parameter = Parameter(name=name, help=help, group=WHERE, negative="", consume_multiple=several)
    return each.replace(annotation=Annotated[each.annotation, parameter])


def _field(key: "dataclasses.Field[Any]", group: Group) -> inspect.Parameter:
    # a mapping's values stay words here; the network's builder and the task know what they mean
    kind = dict[str, str] if key.name in OPTIONS else str | None if key.name == "size" else key.type
    several = key.name == "step_epochs"
    parameter = Parameter(
        help=key.metadata["help"] + _otherwise(key), group=group, show_default=False,
        consume_multiple=several, negative="" if several else None,
    )  # fmt: skip
    return inspect.Parameter(
        key.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, parameter]
    )


def _otherwise(key: "dataclasses.Field[Any]") -> str:
    """What it is where nothing is said."""
    if key.name in (*FOR_PICTURES, *CHOSEN):
        pictures = {**FOR_PICTURES, **dict.fromkeys(CHOSEN, "chosen")}
        suited = {"pictures": pictures, "digits": FOR_DIGITS, "cells": FOR_CELLS}
        said = [f"{data}: {suits[key.name]}" for data, suits in suited.items() if key.name in suits]
        return f" [{', '.join(said)}]"
    return "" if key.default in (None, (), dataclasses.MISSING) else f" [default: {str(key.default).lower()}]"
