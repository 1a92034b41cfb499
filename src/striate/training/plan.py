"""What is known before step one: a recipe with everything filled in, samples, their split, a machine, a network.

A `Job` has the network, the pictures and the preprocessing besides, ready for its first step.
"""

import dataclasses
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from striate.base import durable, processes
from striate.base.errors import DataError, MachineError, Option, UsageError
from striate.base.paths import path_of
from striate.base.randomness import key
from striate.data import groups, splits
from striate.data.asked import READING
from striate.data.augment import Augmenter, canvas_for
from striate.data.feed import Feed, cut_batches, open_feed
from striate.data.kept import Shelf
from striate.data.load import Data, have_masks, read_samples, reading_workers
from striate.data.near import clusters
from striate.data.picture.levels import WHITE
from striate.data.preprocess import TWO_PASSES, VERSION, Preprocess
from striate.data.samples import Samples
from striate.data.scan import sized
from striate.data.sources.address import in_full
from striate.data.units import Units, units_of
from striate.runs import run, subsets
from striate.runs.own import read_own
from striate.runs.run import Run
from striate.runs.starts import Start, start_of
from striate.tasks import registry
from striate.tasks.task import Task, of_pictures
from striate.training import canvases, colours, defaults, effects, finetune, sharing
from striate.training import machine as machines
from striate.training.defaults import Choice
from striate.training.dividing import divided
from striate.training.execution import Execution as Execution
from striate.training.execution import Listener as Listener
from striate.training.finetune import Tuning
from striate.training.fitted import Fitted, asked_of, augment_of, fitted_of, task_of
from striate.training.fitted import fitting as fitting
from striate.training.initial import Beginning
from striate.training.machine import Machine
from striate.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`data` names the samples from any folder; `network` is what run.json says of it: its name and its options.

    `blank` is how pictures become canvases, without the means that are still to be measured; `units` are these.
    `chosen` are the keys of the recipe that were filled in by looking at the pictures, with their reasons.
    `grouped` says how groups of samples came about, "" where there are none. `start` is the run whose weights it starts
    from, `before` the run that goes on.
    """

    recipe: Recipe
    data: str
    task: Task
    samples: Samples
    split: splits.Split
    blank: Preprocess
    units: Units
    machine: Machine
    network: Mapping[str, Any]
    chosen: Mapping[str, str]
    grouped: str
    start: Start | None
    before: Run | None

    @property
    def batch(self) -> int:
        """Pictures per step over all processes."""
        return self.recipe.batch or 1


@dataclass(frozen=True, kw_only=True)
class Job(Plan):
    """All that stays the same during a training; `workers` processes read pictures, beside this one.

    `partner` is trained beside the network and never shipped. `anew` are the modules of the network that start anew
    beside trained weights; `tuning` says what of it learns, where not all does alike.
    """

    net: nn.Module
    anew: tuple[str, ...]
    tuning: Tuning | None
    preprocess: Preprocess
    augmenter: Augmenter
    train: Feed
    val: Feed
    checkpoints: Path
    save_every: float
    keep_epochs: int
    watch: bool | int
    workers: int
    partner: nn.Module | None


def plan_of(
    recipe: Recipe, execution: Execution, listener: Listener, data: Data | None = None, before: Run | None = None
) -> Plan:
    """Fill in a recipe, read its samples and split them; `data` are the samples where the recipe cannot name them.

    `before` is a run that goes on: its split.csv says which sample is where, and nothing is split anew; a DataError
    where its data have changed. A UsageError for options that cannot be meant is raised before any picture is read.
    """
    source: Data = recipe.data if data is None else data
    start = start_of(recipe.weights) if before is None else None
    if start is not None:
        recipe = dataclasses.replace(recipe, **start.suits(vars(recipe)))
    given, recipe = recipe, recipe if before is not None else finetune.chosen(recipe)
    asked = asked_of(recipe, before is None and have_masks(source))
    fitted = fitted_of(asked)  # a wrong option is told before any picture is read
    if before is None and asked.model is not None:
        effects.refuse_idle(asked, fitted.recipe, fitted.lost)
    task, machine = task_of(fitted.recipe, ("one", "two")), machines.choose(recipe.device, recipe.precision)
    reading: dict[str, Any] = {
        "workers": execution.workers, "labelled": task.labelled, "masked": task.masked, "cache": execution.cache,
        "say": listener.say, "progress": partial(listener.progress, "scanning pictures"),
    }  # fmt: skip
    if before is None:
        reading |= {"learnable": not task.one_class, **{name: getattr(fitted.recipe, name) for name in READING}}
        samples = read_samples(source, **reading)
        effects.refuse_unread(asked, samples, task.masked)
        near = partial(clusters, progress=partial(listener.progress, "comparing pictures"))
        samples, by = groups.grouped(samples, asked.groups, near)
        fitted, samples, split, chosen = _cut(asked, samples, fitted, machine)
        white, version = samples.white(split.train), VERSION
    else:
        samples = read_own(before.folder, before.facts, source, **reading)
        if samples.order != before.facts["data"].get("order", ""):
            cause = f"the pictures of {before.folder.name} in other shards: in their order it cannot go on"
            raise DataError(samples.name, cause, "the shards that it began with")
        split, samples = subsets.read_split(before.folder, before.facts, samples)
        chosen, by = before.facts.get("chosen", {}), before.facts.get("groups", {}).get("by", "")
        white, version = before.preprocess.white, max(before.preprocess.version, TWO_PASSES)
    recipe, entry, options = fitted.recipe, fitted.entry, fitted.options
    task = task_of(recipe, samples.targets.classes)
    samples = _with_white(samples, split, white)
    blank = canvases.blank(recipe, entry, options, task, samples, fitted.lost)
    blank = dataclasses.replace(blank, white=white, version=version)
    plan = Plan(
        recipe=dataclasses.replace(recipe, size=blank.size, context=blank.context or None),
        data=samples.name if samples.source in ("builtin", "arrays", "hub") else in_full(recipe.data),
        task=task,
        samples=samples,
        split=split,
        blank=blank,
        units=units_of(samples, blank),
        machine=machine,
        network={"name": entry.name, "options": options},
        chosen={**(finetune.reasons(given, asked, recipe, fitted.net) if before is None else {}), **chosen},
        grouped=by,
        start=start,
        before=before,
    )
    _refuse_small_batches(plan, fitted.net)
    return plan


def _cut(
    asked: Recipe, samples: Samples, fitted: Fitted, machine: Machine
) -> tuple[Fitted, Samples, splits.Split, Mapping[str, str]]:
    """The samples split, and what suits the training pictures, with the reason of each choice."""
    task = task_of(fitted.recipe, samples.targets.classes)
    asked, samples, split = divided(asked, samples, task)
    if samples.split_by == "name" and (of_pictures(task) or fitted.recipe.resize == "tiles"):
        who = f"the task {task.name} needs" if of_pictures(task) else "tiles need"
        raise UsageError("check", f"names: {who} the size of each picture", (Option("check", "headers"),))
    samples = sized(samples, split.train)
    choices: Sequence[Choice] = ()
    if not of_pictures(task) and samples.source != "builtin":
        choices = defaults.chosen(asked, samples, split.train, machine.device.type != "cpu")
    fitted = fitted_of(asked, choices)
    effects.refuse_idle(asked, fitted.recipe, fitted.lost)
    return fitted, samples, split, {each.key: each.why for each in choices}


def _with_white(samples: Samples, split: splits.Split, white: int) -> Samples:
    """The samples, noting what becomes of files of 16 bits of which training pictures use fewer."""
    if white == WHITE or samples.tops is None:
        return samples
    top, beyond = samples.tops[split.train].max(), int((samples.tops > white).sum())
    note = f"16-bit pictures reach {top:,} in training: levels 0 to {white:,} become 0 to 255 (--depth 16 keeps all)"
    note += f"; {beyond:,} of validation and test reach further, and are white there" if beyond else ""
    return dataclasses.replace(samples, notes=(*samples.notes, note))


def new_folder(plan: Plan, execution: Execution, named: Path | None = None) -> Path:
    """Made by the first process; the others are told its name, unless it has one already."""
    root = path_of(execution.runs) if named is None else named.parent
    refuse_inside(plan, "runs", root)
    if named is not None:
        durable.make_folder(named)
        return named
    model = str(plan.recipe.model)
    return Path(processes.from_first(str(run.create(root, plan.samples.name, model)) if plan.machine.first else ""))


def refuse_inside(plan: Plan, option: str, place: Path) -> None:
    """A UsageError where a folder that is written to would be taken for pictures by the next training."""
    data = plan.samples.root
    if data is not None and plan.samples.source == "folder" and place.resolve().is_relative_to(data.resolve()):
        raise UsageError(place, "lies inside the pictures", f"--{option} with a folder elsewhere")


def job_of(plan: Plan, folder: Path, execution: Execution, listener: Listener) -> Job:
    """Network, pictures and preprocessing, ready for the first step."""
    recipe, samples, split, device = plan.recipe, plan.samples, plan.split, plan.machine.device
    blank, units, learning = plan.blank, plan.units, plan.units.within(split.train)
    beginning = Beginning(recipe, plan.network, plan.task, blank, plan.start, plan.before)
    net, anew = beginning.network(listener.say)
    tuning, expected = beginning.tuning(net, anew), beginning.expected(listener.say)
    net = machines.channels_last(net, plan.machine)
    torch.manual_seed(key(recipe.seed, "partner"))
    partner = plan.task.partner(blank.channels)
    _refuse_small_disk(net, folder)
    changes = augment_of(recipe)
    larger = canvas_for(changes, blank)
    weighed = dataclasses.replace(samples, targets=plan.task.weighed(samples.targets))
    workers = reading_workers(samples) if execution.workers is None else execution.workers
    say = cache(listener.say)  # what both feeds have to tell is told once
    read = partial(listener.progress, "reading pictures")
    shelf = None if execution.canvases is None else Shelf(execution.kept_in, execution.canvases, say)
    train, val = (
        open_feed(of, indices, each, device, memory=execution.memory, workers=workers, shelf=shelf, say=say)
        for of, indices, each in (
            (dataclasses.replace(units, samples=weighed), learning, larger),
            (units, units.within(split.val), blank),
        )
    )
    groups = cut_batches(learning, max(1, 2**22 // math.prod(larger.sides)))
    measured = colours.colours(units, learning, larger, train, execution.kept_in, listener.say, read)
    samples = dataclasses.replace(samples, notes=(*samples.notes, *colours.note(units, learning)))
    norm = expected or measured
    return Job(
        **{**vars(plan), "samples": samples, "task": plan.task.measured(train.batches(groups))},
        net=net,
        anew=anew,
        tuning=tuning,
        preprocess=dataclasses.replace(blank, mean=norm.mean, deviation=norm.deviation),
        augmenter=Augmenter(changes, blank.size, measured, recipe.seed, weighed.targets.kinds),
        train=train,
        val=val,
        checkpoints=folder / "checkpoints",
        save_every=execution.save_every,
        keep_epochs=execution.keep_epochs,
        watch=execution.watch,
        workers=workers,
        partner=None if partner is None else machines.channels_last(partner, plan.machine),
    )


def facts_of(job: Job) -> dict[str, Any]:
    """What run.json holds besides the status."""
    samples, split = job.samples, job.split
    return {
        "recipe": dataclasses.asdict(job.recipe),
        "task": registry.as_dict(job.task),
        "classes": samples.targets.classes,
        "preprocess": job.preprocess.as_dict(),
        "network": {**job.network, "parameters": sum(parameter.numel() for parameter in job.net.parameters())},
        "chosen": dict(job.chosen),
        **(
            {} if job.tuning is None else {"finetune": {"anew": job.anew, "told": job.tuning.told(job.net, job.recipe)}}
        ),
        "augment": dataclasses.asdict(job.augmenter.augment),
        "measured": dataclasses.asdict(job.augmenter.measured),
        "data": {
            "name": samples.name,
            "source": samples.source,
            "path": job.data,
            "root": None if samples.root is None else str(samples.root.resolve()),
            "pictures": len(samples),
            "fingerprint": samples.fingerprint,
            "order": samples.order,
            "skipped": [(skip.name, skip.cause) for skip in samples.skipped],
            "notes": samples.notes,
            **({"split_by": "name"} if samples.split_by == "name" else {}),
        },
        **({"groups": subsets.grouped(samples, split, job.grouped)} if job.grouped else {}),
        "split": {
            name: {"n": len(indices), "digest": splits.digest(samples, indices)}
            for name, indices in split.named.items()
        },
        "versions": machines.versions(job.machine),
    }


def _refuse_small_batches(plan: Plan, net: nn.Module) -> None:
    """Every process needs a picture of a batch, and batch normalisation two of all that it sees at once."""
    recipe, batch, world = plan.recipe, plan.batch, plan.machine.world
    if batch < world:
        raise UsageError("batch", f"{batch} leaves one of {world} processes without a picture", "a larger batch")
    if recipe.sync_norms and recipe.compile and world > 1:
        raise UsageError("sync_norms", "the compiler knows no batch of several processes", "either of them")
    least = min(map(len, cut_batches(plan.units.within(plan.split.train), batch))) // recipe.accumulate
    if sharing.normalised(net) and (least if recipe.sync_norms else least // world) < 2:
        cause = f"{batch} in {world} x {recipe.accumulate} parts leaves single pictures to batch normalisation"
        together = "--sync-norms, " if world > 1 and least > 1 and not recipe.sync_norms else ""
        raise UsageError("batch", cause, f"{together}a larger batch, fewer parts, or --model-options.norm none")


def _refuse_small_disk(net: nn.Module, folder: Path) -> None:
    """Two generations and one being written, each with weights, two moments, an average and the best."""
    generation = 5 * sum(tensor.numel() * tensor.element_size() for tensor in net.state_dict().values())
    free = shutil.disk_usage(folder).free
    if free < 3 * generation:
        cause = f"{free:,} bytes are free, checkpoints may need {3 * generation:,}"
        raise MachineError(folder, cause, "--runs on a larger disk")
