"""The tasks by name. A file of this folder that has TASKS is one: names, each with the options it stands for."""

import dataclasses
import importlib
import pkgutil
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import striate.tasks
from striate.base.declared import read as read_declared
from striate.base.errors import RunError, UsageError, near
from striate.base.options import read
from striate.base.reading import DAMAGED
from striate.tasks.task import Task


def tasks() -> Mapping[str, tuple[type[Any], Mapping[str, Any]]]:
    """Name -> the task's class and the fields that the name stands for."""
    found: dict[str, tuple[type[Any], Mapping[str, Any]]] = {}
    for each in sorted(pkgutil.iter_modules(striate.tasks.__path__), key=lambda each: each.name):
        module = importlib.import_module(f"{striate.tasks.__name__}.{each.name}")
        found |= {name: (module.TASK, fields) for name, fields in getattr(module, "TASKS", {}).items()}
    return types.MappingProxyType(found)


def found(name: str) -> tuple[type[Any], Mapping[str, Any]]:
    """The class of the task called `name`, and the fields; a UsageError where there is none."""
    known = tasks()
    if name not in known:
        raise UsageError("task", f"{name!r} is not one of {', '.join(known)}", near(name, known, "one of them"))
    return known[name]


def suiting(name: str) -> Mapping[str, Any]:
    """What suits the task called `name` where a recipe is silent: its file may have RECIPES for single names."""
    kind, _ = found(name)
    return {**kind.recipe, **getattr(importlib.import_module(kind.__module__), "RECIPES", {}).get(name, {})}


def learning(kind: str) -> str:
    """The name of the task that networks of this kind were made for."""
    known = tasks()
    if kind in known:
        return kind
    names = ", ".join(known)
    raise UsageError("model", f"a network to {kind}, and only {names} are learned yet", "a network of another task")


def of_masks() -> str:
    """The name of the first task that is learned from masks."""
    return next(name for name, (kind, _) in tasks().items() if kind.masked)


def task_named(name: str, classes: tuple[str, ...], options: Mapping[str, Any], recipe: Mapping[str, Any]) -> Task:
    """The task called `name` with the options given to it, as values or as the words of a command line.

    Keys of a recipe that are fields of the task are taken from there.
    """
    kind, fields = found(name)
    known = {each.name: each.type for each in dataclasses.fields(kind)}
    free = [option for option, _, _ in options_of(name)]
    values = {"name": name, **fields}
    for key, value in options.items():
        if key not in free:
            one_of = f"one of {', '.join(free)}" if free else "leaving it out"
            raise UsageError(f"task_options.{key}", f"{name} has no such option", one_of)
        values[key] = read(key, known[key], value, "task_options")
    values |= {key: value for key, value in recipe.items() if key in known and value is not None}
    task: Task = kind(**values, **({"classes": classes} if kind.labelled else {}))
    return task


def as_dict(task: Task) -> dict[str, Any]:
    """Every field as a plain value, for run.json."""
    return dataclasses.asdict(task)  # type: ignore[call-overload,no-any-return]


def from_dict(values: Mapping[str, Any], where: str | Path) -> Task:
    """The task saved in the file `where`; a RunError when it is none that is known."""
    name = values.get("name")
    if not isinstance(name, str) or name not in (known := tasks()):
        raise RunError(where, f"task.name is {name!r}, and no task", "the version of striate that trained this run")
    kind, fixed = known[name]
    for key, value in fixed.items():
        if values.get(key, value) != value:
            raise RunError(where, f"task.{key} is {values[key]!r}, and {name} stands for {value!r}", DAMAGED)
    free = {key: value for key, value in values.items() if key not in fixed}
    task: Task = dataclasses.replace(read_declared(kind, free, where, "task"), **fixed)
    return task


def options_of(name: str) -> list[tuple[str, Any, str]]:
    """Each option of a task with what it is otherwise and what it does."""
    kind, fields = found(name)
    return [
        (each.name, each.default, str(each.metadata["help"]))
        for each in dataclasses.fields(kind)
        if "help" in each.metadata and each.name not in fields
    ]
