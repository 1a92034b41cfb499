"""What a recipe comes to before any picture is read: its task, its network with its options, and what suits them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn

from striate.base.errors import Option, UsageError
from striate.base.units import sides
from striate.data.augment import Augment, preset
from striate.models.catalog import check_size, find, options_of, usual_size
from striate.models.entry import Entry
from striate.network import network_for
from striate.tasks import registry
from striate.tasks.task import Task
from striate.training import canvases, finetune
from striate.training.defaults import Choice
from striate.training.recipe import OF_TASKS, Recipe, resolve, suiting


@final
@dataclass(frozen=True)
class Fitted:
    """A recipe with everything filled in, the network that it names, on tensors without storage, and its options.

    `lost`: pixels at each border of a canvas that the network has no answer for.
    """

    recipe: Recipe
    entry: Entry
    options: dict[str, Any]
    net: nn.Module
    lost: int


def fitting(recipe: Recipe, classes: tuple[str, ...]) -> Fitted:
    """What a recipe comes to for pictures of these classes, before any is read; a UsageError for what cannot be."""
    return fitted_of(asked_of(recipe, False), classes=classes)


def asked_of(recipe: Recipe, masks: bool) -> Recipe:
    """The recipe with its task; `masks`: that is what the data say of their pictures."""
    suggested = suiting(recipe.data)
    named = recipe.task or (
        registry.of_masks()
        if masks and recipe.model is None
        else registry.learning(find(recipe.model or suggested["model"]).task)
    )
    kind, _ = registry.found(named)
    if masks and kind.labelled and not kind.masked:
        cause = f"{recipe.data} has pictures and masks, and no classes to {named}"
        raise UsageError("task", cause, (Option("task", registry.of_masks()), ", or a network that was made for it"))
    reads = {each.name for each in dataclasses.fields(kind)}
    for name in OF_TASKS:
        if name not in reads and getattr(recipe, name) is not None:
            raise UsageError(name, f"it means nothing to the task {named}", "leaving it out")
    return dataclasses.replace(recipe, task=named)


def _filled(asked: Recipe, choices: Sequence[Choice]) -> tuple[Recipe, Entry]:
    """The recipe with what suits the data, the task and the network; and that network."""
    named = str(asked.task)
    kind, suits, suggested = registry.found(named)[0], registry.suiting(named), suiting(asked.data)
    values = {**suggested, **{each.key: each.value for each in choices}, **suits}
    entry = find(asked.model or values["model"])
    if entry.task not in kind.networks:
        cause = f"{entry.name} is a network to {entry.task}, and the task is to {named}"
        other = "" if values["model"] == entry.name else f"{values['model']}, or "
        raise UsageError("model", cause, f"{other}--task {entry.task}")
    reads = {each.name for each in dataclasses.fields(kind)}
    values |= {**entry.recipe, "model": entry.name}
    values.pop("model_options", None)
    # options that suit a network suit those of its kind, as far as they have them
    sources = (
        each for each in (suits, suggested) if "model_options" in each and find(each["model"]).task == entry.task
    )
    fitting = {
        key: value for key, value in next(sources, {}).get("model_options", {}).items() if key in options_of(entry)
    }
    recipe = dataclasses.replace(asked, model_options={**fitting, **asked.model_options})
    recipe = resolve(recipe, {key: value for key, value in values.items() if key not in OF_TASKS or key in reads})
    if not kind.mixes and augment_of(recipe).mixes:
        raise UsageError("mixup", f"pictures are not mixed in the task {named}", "--mixup 0 --cutmix 0")
    return dataclasses.replace(recipe, channels=recipe.channels or (3 if entry.input[0] == 3 else 1)), entry


def fitted_of(asked: Recipe, choices: Sequence[Choice] = (), classes: tuple[str, ...] = ("one", "two")) -> Fitted:
    """A UsageError for options that cannot be meant."""
    recipe, entry = _filled(asked, choices)
    dropout = {} if recipe.dropout is None else {"dropout": recipe.dropout}
    options, channels = {**recipe.model_options, **dropout}, recipe.channels or 3
    size = recipe.size or usual_size(entry, **options)
    check_size(entry, *sides(size), **options)
    task = task_of(recipe, classes)
    with torch.device("meta"):
        net = network_for(entry.name, task, channels, options)
        lost = canvases.lost(net, task, entry, channels, size)
    canvases.refuse_other_ways(recipe, task)
    canvases.refuse_layers(recipe, task)
    return Fitted(finetune.fitted(asked, recipe, net), entry, options, net, lost)


def task_of(recipe: Recipe, classes: tuple[str, ...]) -> Task:
    """The task of a recipe that names one, for these classes."""
    values = {name: getattr(recipe, name) for name in OF_TASKS}
    return registry.task_named(str(recipe.task), classes, recipe.task_options, values)


def augment_of(recipe: Recipe) -> Augment:
    """The preset with the recipe's own values over it."""
    names = {each.name for each in dataclasses.fields(Augment)}
    return preset(str(recipe.augment), **{name: getattr(recipe, name) for name in names})
