"""The network as a training begins with it: its initial weights, what pictures these expect, what of it learns."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, final

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from striate.base.declared import OPEN, read
from striate.base.errors import MachineError, RunError
from striate.base.options import Range
from striate.base.paths import path_of
from striate.base.randomness import key
from striate.base.words import many
from striate.data.preprocess import Preprocess, Share
from striate.models import weights
from striate.models.catalog import find
from striate.models.entry import Entry
from striate.models.published import published
from striate.network import network_for
from striate.runs.run import Run
from striate.runs.starts import Start
from striate.tasks.task import Task
from striate.training.finetune import KINDS, Tuning
from striate.training.recipe import Recipe
from striate.training.stages import stages

Say = Callable[[str], None]
MEASURED = "mean and deviation are those of the training pictures"


@final
@dataclass(frozen=True)
class Expected:
    """Mean and deviation of the pictures that weights expect, per channel in 0..1, and `who` says so."""

    mean: tuple[Share, ...]
    deviation: tuple[Annotated[float, Range(0.25, least=0, most=1, open="least")], ...]
    who: str = ""


@final
@dataclass(frozen=True)
class Beginning:
    """What a network begins as: `named` is its name and options, `before` the run that goes on, `start` another one."""

    recipe: Recipe
    named: Mapping[str, Any]
    task: Task
    blank: Preprocess
    start: Start | None
    before: Run | None

    def network(self, say: Say) -> tuple[nn.Module, tuple[str, ...]]:
        """The network with its initial weights, and the modules that start anew beside trained weights."""
        recipe, options, entry = self.recipe, self.named["options"], find(self.named["name"])
        torch.manual_seed(key(recipe.seed, "weights"))
        net = network_for(entry.name, self.task, self.blank.channels, options)
        if self.before is not None:  # it has its own weights
            known = self.before.facts.get("finetune")
            return net, tuple(known["anew"]) if known else ()
        if recipe.weights is None:
            return net, ()
        if self.start is None:
            found = weights.fill(net, entry, recipe.weights, options, recipe.part)
        else:
            found = self.start.fill(net, entry, self.task.classes, recipe.part)
        for sentence in found.said:
            say(sentence)
        return net, found.anew

    def tuning(self, net: nn.Module, anew: tuple[str, ...]) -> Tuning | None:
        """Which stages of the network learn; None where all do alike."""
        recipe = self.recipe
        if recipe.finetune is None or recipe.finetune == "none":
            return None
        found = stages(net, (self.task.channels(self.blank.channels)[0], *self.blank.sides), anew)
        return Tuning(recipe.finetune, found, recipe.layer_decay or 1.0, recipe.frozen_norms or "kept")

    def expected(self, say: Say) -> Expected | None:
        """What pictures are to be normalised with; None: with what is measured of the training pictures."""
        recipe = self.recipe
        if self.before is not None:
            return Expected(self.before.preprocess.mean, self.before.preprocess.deviation)
        if recipe.weights is None or recipe.finetune not in KINDS:
            return None
        if self.start is None:
            found = expected_by(find(self.named["name"]), recipe.weights)
        else:
            own, run = self.start.run.preprocess, self.start.run.name
            found = Expected(own.mean, own.deviation, run) if own.depth == self.blank.depth else None
        channels = self.blank.channels
        if found is None:
            say(f"{recipe.weights} does not say what pictures its weights expect: {MEASURED}")
        elif not len(found.mean) == len(found.deviation) == channels:
            say(f"{found.who} is for {many(len(found.mean), 'channel')}, and there are {channels}: {MEASURED}")
        else:
            mean, deviation = (", ".join(f"{each:.3g}" for each in part) for part in (found.mean, found.deviation))
            say(f"pictures are normalised as {found.who} expects: mean {mean}, deviation {deviation}")
            return found
        return None


def expected_by(entry: Entry, named: str) -> Expected | None:
    """What is known of published weights, and of a file: from its own metadata, or from a publisher's name."""
    is_file, path = weights.is_path(named), path_of(named)
    if is_file and (found := _in_file(path)) is not None:
        return found
    if is_file and (entry.weights is None or not path.name.startswith(f"{entry.weights.name}-")):
        return None
    try:
        known = published(entry, "imagenet" if is_file else named)
    except MachineError:  # a file needs no extra
        if is_file:
            return None
        raise
    return Expected(known.mean, known.deviation, known.source)


def _in_file(path: Path) -> Expected | None:
    """From the metadata "preprocess" of a safetensors file."""
    try:
        with safe_open(path, "pt") as file:
            told: Any = (file.metadata() or {}).get("preprocess")
        values = None if told is None else json.loads(told)
    except (OSError, SafetensorError):  # another kind of file
        return None
    except ValueError as error:
        raise RunError(path, f"its metadata preprocess is no JSON ({error})", "the file as it was written") from None
    if values is None:
        return None
    found: Expected = read(Annotated[Expected, OPEN], values, path, "preprocess")
    return Expected(found.mean, found.deviation, path.name)
