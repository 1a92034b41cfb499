"""One training from a recipe to a run folder with its result."""

import dataclasses
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from striate.base import durable
from striate.base.errors import MachineError, RunError, StriateError, UsageError
from striate.base.randomness import key
from striate.data import splits
from striate.data.augment import Augment, Augmenter, canvas_size, preset
from striate.data.batches import Memory, cut, open_pictures
from striate.data.load import BUILT_IN, READING, load, reading_workers
from striate.data.preprocess import Preprocess, measure
from striate.data.sources.folder import Samples
from striate.evaluate.baselines import baselines
from striate.models.catalog import build, check_size, find, usual_size
from striate.runs import checkpoint, run
from striate.runs.run import Evaluation, Run
from striate.tasks.classify import Classify
from striate.training import machine as machines
from striate.training.loop import Job, Listener, Trainer, fit
from striate.training.machine import Machine
from striate.training.recipe import FOR_DIGITS, FOR_PHOTOGRAPHS, Recipe, as_dict, make, resolve
from striate.training.signals import listening

# Skipped files that are named one by one on the screen.
SHOWN = 20
MOST_WORKERS = 256


@dataclass(frozen=True)
class Execution:
    """How a recipe is carried out; nothing here changes a bit of the result."""

    runs: Path = Path("runs")
    workers: int | None = None
    """Worker processes; None means none for resident pictures, else one a core."""
    memory: Memory = "auto"
    save_every: float = 30.0
    """Seconds between generations."""

    def __post_init__(self) -> None:
        if self.workers is not None and not 0 <= self.workers <= MOST_WORKERS:
            raise UsageError("workers", f"{self.workers} is out of range", f"a number from 0 to {MOST_WORKERS}")
        if not self.save_every >= 0:
            raise UsageError("save-every", f"{self.save_every} is out of range", "a number of seconds, 0 or more")


@dataclass(frozen=True)
class Trained:
    """A finished training with all that its report shows; `evaluation` is that of result.json."""

    run: Run
    samples: Samples
    split: splits.Split
    augmenter: Augmenter
    evaluation: Evaluation
    timings: Mapping[str, float]


@dataclass(frozen=True)
class _Plan:
    """What is known before step one."""

    recipe: Recipe
    samples: Samples
    split: splits.Split
    machine: Machine
    network: Mapping[str, Any]


def train(recipe: Recipe, execution: Execution, listener: Listener) -> Trained | None:
    """Train `recipe` in a new run folder; None in a process that is not the first of its group."""
    with machines.process_group(recipe.device):
        clock = _Clock()
        plan = _plan(recipe, execution, listener)
        clock.mark("scan and split")
        folder = _new_folder(plan, execution)
        try:
            return _train(plan, folder, execution, listener, clock)
        finally:
            if plan.machine.first and not (folder / "run.json").exists():  # it never came to a first step
                shutil.rmtree(folder)


def resume(folder: Path, execution: Execution, listener: Listener) -> Trained | None:
    """Go on with a run where its newest whole generation stands; the same bits as never having stopped."""
    before = run.open_run(folder)
    if before.status == "done":
        raise RunError(folder, "this training is finished", f"`striate evaluate {folder}`, or a fresh run")
    recipe = make(**before.recipe)
    with machines.process_group(recipe.device):
        clock = _Clock()
        plan = _plan(dataclasses.replace(recipe, data=before.facts["data"]["path"]), execution, listener)
        plan = dataclasses.replace(plan, recipe=recipe)
        if plan.samples.fingerprint != before.facts["data"]["fingerprint"]:
            raise RunError(folder, _difference(plan, before), "the data as they were, or a fresh run")
        changed = _versions_changed(before, plan.machine)
        if changed and plan.machine.first:
            listener.say(f"not bit-exact with the earlier part: {changed}")
        clock.mark("scan and split")
        return _train(plan, folder, execution, listener, clock)


def _train(plan: _Plan, folder: Path, execution: Execution, listener: Listener, clock: "_Clock") -> Trained | None:
    lock = FileLock(folder / run.LOCK, timeout=0)
    try:
        if plan.machine.first:
            lock.acquire()
    except Timeout:
        raise RunError(folder, "another process is training this run", "waiting for it, or a fresh run") from None
    facts: dict[str, Any] = {}
    try:
        with machines.repeatable(plan.machine.device):
            job = _job(plan, folder, execution)
            facts = _facts(plan, job)
            _record(folder, facts, "running", job)
            clock.mark("read pictures")
            if plan.machine.first:
                _introduce(job, folder, listener)
            with listening() as stop:
                trainer = fit(job, listener, stop)
            clock.mark("training")
        machines.leave_group()
        if not plan.machine.first:
            return None
        return _finish(trainer, folder, facts, clock)
    except StriateError as error:
        if facts and plan.machine.first:
            status = "stopped" if error.exit_code > 100 else "failed"
            run.record(folder, facts | {"status": status, "cause": str(error)})
        raise
    finally:
        lock.release()


def _plan(recipe: Recipe, execution: Execution, listener: Listener) -> _Plan:
    suggested = FOR_DIGITS if recipe.data in BUILT_IN else FOR_PHOTOGRAPHS
    entry = find(recipe.model or suggested["model"])
    recipe = resolve(recipe, {**suggested, **entry.recipe})
    if entry.task != "classify":
        raise UsageError(
            "model", f"{entry.name} is a network to {entry.task}, and only classifiers are trained yet", "resnet18"
        )
    options: dict[str, Any] = dict(recipe.model_options)
    options |= {} if recipe.dropout is None else {"dropout": recipe.dropout}
    size = recipe.size or usual_size(entry, **options)
    channels = recipe.channels or (3 if entry.input[0] == 3 else 1)
    check_size(entry, size, size, **options)
    for name in {"classes", "channels", "weights"} & set(options):
        raise UsageError("model_options", f"{name} is not an option here", "the class folders, or --channels")
    with torch.device("meta"):  # a wrong option is told before any picture is read
        net = build(entry.name, classes=2, channels=channels, **options)
    machine = machines.choose(recipe.device, recipe.precision)
    samples = load(
        recipe.data, workers=execution.workers, **{name: getattr(recipe, name) for name in READING},
        progress=lambda done, total: listener.progress("scanning pictures", done, total),
    )  # fmt: skip
    split = splits.cut(samples, splits.shares(recipe.split), recipe.split_seed)
    _refuse_small_batches(net, split, recipe, machine)
    recipe = dataclasses.replace(recipe, size=size, channels=1 if channels == 1 else 3)
    return _Plan(recipe, samples, split, machine, {"name": entry.name, "options": options})


def _new_folder(plan: _Plan, execution: Execution) -> Path:
    """Made by the first process; the others are told its name."""
    root, data = execution.runs.expanduser(), plan.samples.root
    if data is not None and root.resolve().is_relative_to(data.resolve()):
        raise UsageError(root, "lies inside the pictures", "--runs with a folder elsewhere")
    model = str(plan.recipe.model).replace(":", "-")  # timm:NAME; some file systems know no colon in names
    name = f"{plan.samples.name}-{model}"
    names = [str(run.create(root, name)) if plan.machine.first else ""]
    if plan.machine.world > 1:
        torch.distributed.broadcast_object_list(names)
    return Path(names[0])


def _job(plan: _Plan, folder: Path, execution: Execution) -> Job:
    """Network, pictures and preprocessing, ready for the first step."""
    recipe, samples, split, machine = plan.recipe, plan.samples, plan.split, plan.machine
    torch.manual_seed(key(recipe.seed, "weights"))
    net = build(plan.network["name"], classes=len(samples.classes), channels=recipe.channels, **plan.network["options"])
    net = machines.channels_last(net, machine)
    _refuse_small_disk(net, folder)
    changes = _augment(recipe)
    size = recipe.size or 0
    blank = Preprocess(size, recipe.channels or 3, recipe.resize)
    side = canvas_size(changes, size)
    workers = execution.workers
    if workers is None:
        workers = reading_workers(samples)
    train_pictures, val_pictures = (
        open_pictures(samples, indices, blank, each, machine.device, memory=execution.memory, workers=workers)
        for indices, each in ((split.train, side), (split.val, size))
    )
    measured = measure(train_pictures.batches(cut(split.train, max(1, 2**22 // side**2))))
    preprocess = dataclasses.replace(blank, mean=measured.mean, deviation=measured.deviation)
    return Job(
        recipe=recipe,
        net=net,
        task=Classify(samples.classes, recipe.label_smoothing or 0.0),
        samples=samples,
        split=split,
        preprocess=preprocess,
        augmenter=Augmenter(changes, preprocess, measured, recipe.seed),
        train=train_pictures,
        val=val_pictures,
        machine=machine,
        checkpoints=folder / "checkpoints",
        save_every=execution.save_every,
    )


def _augment(recipe: Recipe) -> Augment:
    """The preset with the recipe's own values over it."""
    names = {each.name for each in dataclasses.fields(Augment)}
    return preset(str(recipe.augment), **{name: getattr(recipe, name) for name in names})


def _facts(plan: _Plan, job: Job) -> dict[str, Any]:
    """What run.json holds besides the status."""
    samples, split = plan.samples, plan.split
    parameters = sum(parameter.numel() for parameter in job.net.parameters())
    return {
        "recipe": as_dict(plan.recipe),
        "classes": list(samples.classes),
        "preprocess": job.preprocess.as_dict(),
        "network": {**plan.network, "parameters": parameters},
        "augment": dataclasses.asdict(job.augmenter.augment),
        "data": {
            "name": samples.name,
            "path": samples.name if samples.root is None else str(samples.root.resolve()),
            "pictures": len(samples),
            "fingerprint": samples.fingerprint,
            "skipped": [[skip.name, skip.cause] for skip in samples.skipped],
            "notes": list(samples.notes),
        },
        "split": {
            name: {"n": len(indices), "digest": splits.digest(samples, indices)}
            for name, indices in (("train", split.train), ("val", split.val), ("test", split.test))
        },
        "versions": machines.versions(plan.machine),
    }


def _record(folder: Path, facts: Mapping[str, Any], status: str, job: Job) -> None:
    """run.json and split.csv, by the first process."""
    if not job.machine.first:
        return
    run.record(folder, {**facts, "status": status})
    samples, subset = job.samples, job.split.subset_of()
    rows = (
        (samples.names[i], samples.digests[i], samples.classes[samples.labels[i]], "", subset[i])
        for i in sorted(subset)
    )
    durable.write_csv(folder / "split.csv", ("sample", "sha256", "class", "group", "subset"), rows)


def _introduce(job: Job, folder: Path, listener: Listener) -> None:
    recipe, split = job.recipe, job.split
    test = f"{len(split.test)} sealed for the test" if len(split.test) else "no test set"
    listener.say(f"{folder}: {recipe.model} on {job.machine}")
    listener.say(
        f"{len(job.samples)} pictures of {len(job.samples.classes)} classes: {len(split.train)} train, "
        f"{len(split.val)} validation, {test}"
    )
    if recipe.channels == 1 and not job.samples.grey:
        listener.say(f"{recipe.model} sees one channel: colours are turned to grey (--channels 3 keeps them)")
    skipped = job.samples.skipped
    for skip in skipped[:SHOWN]:
        listener.say(f"skipped {skip.name}: {skip.cause}")
    if len(skipped) > SHOWN:
        listener.say(f"and {len(skipped) - SHOWN} more skipped; run.json and the report name them all")
    for note in job.samples.notes:
        listener.say(note)


def _finish(trainer: Trainer, folder: Path, facts: Mapping[str, Any], clock: "_Clock") -> Trained:
    """Keep the chosen weights, open the test set once, write result.json and predictions.csv."""
    job, progress = trainer.job, trainer.progress
    checkpoint.save_best(job.checkpoints, trainer.best or {})
    finished = run.open_run(folder)
    evaluation = finished.open_test_set(job.samples, job.split, device=str(job.machine.device))
    clock.mark("test")
    tested = job.split.test if len(job.split.test) else job.split.val
    subset = str(evaluation.numbers["subset"])
    beside = baselines(job.samples, job.split.train, tested, job.preprocess, subset)
    clock.mark("baselines")
    result = {
        **evaluation.numbers,
        "baselines": [each.as_dict() for each in beside],
        "weights": "checkpoints/best",
        "best_epoch": (progress.best_epoch or 0) + 1,
    }
    _write_predictions(folder, job, tested, evaluation)
    durable.write_json(folder / "result.json", result)
    finished = run.record(folder, {**facts, "status": "done"})
    evaluation = dataclasses.replace(evaluation, numbers=result)
    return Trained(finished, job.samples, job.split, job.augmenter, evaluation, clock.seconds)


def _write_predictions(folder: Path, job: Job, indices: splits.Indices, evaluation: Evaluation) -> None:
    """predictions.csv, one row per picture."""
    samples, classes = job.samples, job.samples.classes
    rows = []
    for index, row, target in zip(indices, evaluation.probabilities, evaluation.targets, strict=True):
        answer = int(row.argmax())
        rows.append((samples.names[index], classes[target], classes[answer], float(row[answer]), float(row[target])))
    head = ("sample", "truth", "answer", "probability", "truth_probability")
    durable.write_csv(folder / "predictions.csv", head, rows)


def _refuse_small_batches(net: nn.Module, split: splits.Split, recipe: Recipe, machine: Machine) -> None:
    """Every process needs a picture of every batch, and batch normalisation two in every part."""
    batch = recipe.batch or 1
    share = min(map(len, cut(split.train, batch))) // machine.world
    if share < 1:
        raise UsageError(
            "batch", f"{batch} leaves one of {machine.world} processes without a picture", "a larger batch"
        )
    smallest = share // recipe.accumulate
    normalised = any(isinstance(each, nn.modules.batchnorm._BatchNorm) for each in net.modules())
    if normalised and smallest < 2:
        raise UsageError(
            "batch",
            f"{batch} in {machine.world} x {recipe.accumulate} parts leaves single pictures to batch normalisation",
            "a larger batch, fewer parts, or --model-options.norm none",
        )  # fmt: skip


def _refuse_small_disk(net: nn.Module, folder: Path) -> None:
    """Two generations and one being written, each with weights, two moments, an average and the best."""
    generation = 5 * sum(tensor.numel() * tensor.element_size() for tensor in net.state_dict().values())
    free = shutil.disk_usage(folder).free
    if free < 3 * generation:
        raise MachineError(
            folder, f"{free:,} bytes are free, checkpoints may need {3 * generation:,}", "--runs on a larger disk"
        )


def _difference(plan: _Plan, before: Run) -> str:
    """What changed in the data since the run began, in one sentence."""
    was = run.known_digests(before.folder)
    now = set(plan.samples.digests)
    added, gone = len(now - set(was)), len(set(was) - now)
    return f"the data changed since it began: {added} new or edited pictures, {gone} gone, or moved between folders"


def _versions_changed(before: Run, machine: Machine) -> str:
    now = machines.versions(machine)
    return ", ".join(
        f"{name} was {was}, is {now.get(name)}"
        for name, was in before.facts["versions"].items()
        if was != now.get(name)
    )


class _Clock:
    """Seconds by stage, from a clock that never goes back."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self.seconds: dict[str, float] = {}

    def mark(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._at
        self._at = now
