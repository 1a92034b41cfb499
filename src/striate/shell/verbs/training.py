"""striate train: its options are where and how, then every field of the recipe."""

import dataclasses
import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from striate.base.errors import UsageError
from striate.base.units import parse_bytes
from striate.shell.output import print_json, print_result, tell
from striate.training.recipe import CHOSEN, FOR_CELLS, FOR_DIGITS, FOR_PICTURES, OPTIONS, Recipe


def _train(
    data: str | None = None,
    /,
    *,
    resume: Path | None = None,
    moved: Path | None = None,
    runs: Path = Path("runs"),
    workers: int | None = None,
    memory: Literal["auto", "resident", "streamed"] = "auto",
    save_every: float = 30.0,
    no_cache: bool = False,
    tensorboard: Path | None = None,
    canvases: str | None = None,
    keep_epochs: int = 0,
    json: bool = False,
    command: str = "",
    **recipe: Any,
) -> None:
    from striate.base.screen import Screen
    from striate.face.training import carry_out
    from striate.training.execution import Execution

    if resume is not None and data is not None:
        raise UsageError("resume", f"a run goes on with its own data, not with {data}", "--data where they have moved")
    if resume is None and moved is not None:
        raise UsageError("--data", "it says where the data of a run that goes on lie now", f"striate train {moved}")
    with Screen(quiet=json) as screen:
        disk = None if canvases is None else parse_bytes(canvases, "--canvases")
        execution = Execution(runs, workers, memory, save_every, tensorboard, command, not no_cache, disk, keep_epochs)
        run = carry_out(data if moved is None else moved, resume, recipe, execution, screen)
    if run is None:  # not the first of several processes
        return
    if json:
        print_json({"run": str(run.folder), "report": str(run.folder / "report.html"), "result": run.result})
        return
    print_result(run.result or {}, run.folder)
    tell(f"run     {run.folder}")
    tell(f"report  {run.folder / 'report.html'}")


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


def _options_of_train() -> inspect.Signature:
    """Train's parameters: where and how, then every field of the recipe."""
    return options_of(_train, {
        **HELPS,
        "data": "A built-in set (digits, cells), a folder of class folders or of images/ and masks/, a table of paths "
        "and labels or masks, or a recipe.",
        "resume": "Go on with this run folder; one that is done and has no report is given it.",
        "runs": "Where run folders are made.",
        "tensorboard": "Write each epoch for TensorBoard into a folder of the run's name in this one.",
        "keep_epochs": "Keep the weights of so many last epochs, for striate ensemble --average weights.",
    })  # fmt: skip


def options_of(verb: Callable[..., None], helps: Mapping[str, str], besides: Collection[str] = ()) -> inspect.Signature:
    """The parameters of a verb that trains, then every field of the recipe but those that it says in its own way."""
    *own, command, _ = inspect.signature(verb).parameters.values()
    groups = [Group(name, sort_key=place) for place, name in enumerate(_recipe_groups(), start=1)]
    where = Group("Where and how", sort_key=80)
    parameters = [
        each.replace(
            annotation=Annotated[
                each.annotation,
                Parameter(
                    name="--data" if each.name == "moved" else None,
                    help=helps[each.name],
                    group=where,
                    negative="",
                    consume_multiple=each.name == "models",
                ),
            ]
        )
        if each.kind is each.KEYWORD_ONLY
        else each.replace(annotation=Annotated[each.annotation, Parameter(help=helps[each.name])])
        for each in own
    ]
    for key in dataclasses.fields(Recipe):
        if key.name in ("data", *besides):
            continue
        group = next(group for group in groups if group.name == key.metadata["group"])
        note = "" if key.default in (None, (), dataclasses.MISSING) else f" [default: {str(key.default).lower()}]"
        if key.name in (*FOR_PICTURES, *CHOSEN):
            suited = {
                "pictures": {**FOR_PICTURES, **dict.fromkeys(CHOSEN, "chosen")},
                "digits": FOR_DIGITS, "cells": FOR_CELLS,
            }  # fmt: skip
            said = [f"{data}: {suits[key.name]}" for data, suits in suited.items() if key.name in suits]
            note = f" [{', '.join(said)}]"
        # a mapping's values stay words here; the network's builder and the task know what they mean
        kind = dict[str, str] if key.name in OPTIONS else str | None if key.name == "size" else key.type
        several = key.name == "step_epochs"
        parameter = Parameter(
            help=key.metadata["help"] + note, group=group, show_default=False,
            consume_multiple=several, negative="" if several else None,
        )  # fmt: skip
        parameters.append(
            inspect.Parameter(
                key.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, parameter]
            )
        )
    return inspect.Signature([*parameters, command.replace(annotation=Annotated[str, Parameter(parse=False)])])


def _recipe_groups() -> list[str]:
    return list(dict.fromkeys(key.metadata["group"] for key in dataclasses.fields(Recipe)))


def train(*arguments: Any, **options: Any) -> None:
    """Train a network and open the sealed test set once; with --keep-sealed, leave it closed.

    Example: striate train digits

    Example: striate train digits --model resnet20 --epochs 2 --keep-epochs 2

    Example: striate train photos/ --model resnet18 --epochs 30 --augment strong --keep-sealed

    Example: striate train digits --task reconstruct
    """
    _train(*arguments, **options)


train.__signature__ = _options_of_train()  # type: ignore[attr-defined]
