"""One training from a recipe to a run folder with its result."""

import contextlib
import dataclasses
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from striate.base import durable, processes
from striate.base.errors import MachineError, RunError, StriateError
from striate.base.paths import path_of
from striate.base.units import by
from striate.base.words import many
from striate.data import splits
from striate.data.load import Data
from striate.data.sources.address import in_full
from striate.runs import checkpoint, lock, run, subsets
from striate.runs.run import Run
from striate.training import board
from striate.training import machine as machines
from striate.training.board import Board
from striate.training.disk import Disk
from striate.training.finish import finish
from striate.training.loop import fit
from striate.training.machine import Clock
from striate.training.plan import Execution, Job, Listener, Plan, facts_of, job_of, new_folder, plan_of, refuse_inside
from striate.training.ranged import with_rate
from striate.training.recipe import Recipe, recipe_of
from striate.training.signals import listening

# Skipped files that are named one by one on the screen.
SHOWN = 20
# What is written into a run folder, beside its checkpoints.
WRITTEN = r"kept|(run|result)\.json|(split|seen|sealed|rates|epochs|watch|predictions)\.csv|report\.html"


def start_run(
    recipe: Recipe, execution: Execution, listener: Listener, data: Data | None = None, folder: Path | None = None
) -> Run | None:
    """Train `recipe` in a new run folder; None in a process that is not the first of its group.

    `data` are pictures in memory, where the recipe cannot name them. `folder` is where, if it has a name already.
    """
    board.check(execution.tensorboard)
    with processes.group(recipe.device) as leave:
        clock = Clock()
        plan = plan_of(recipe, execution, listener, data)
        clock.mark("scan and split")
        folder = new_folder(plan, execution, folder)
        if not folder.is_dir():  # the first process has made it
            raise MachineError(folder, "one of the machines does not see it", "--runs on a disk that all of them share")
        try:
            kept: dict[str, Any] = {
                "id": secrets.token_hex(16),
                "began": clock.began,
                "command": execution.command,
                "earlier": [],
            }
            if plan.start is not None:
                kept |= {"earlier": plan.start.leaks(plan.samples, plan.split), "weights": plan.start.facts}
            return _carry_out(plan, folder, execution, listener, clock, kept, leave)
        finally:
            if plan.machine.first and not (folder / "run.json").exists():  # it never came to a first step
                shutil.rmtree(folder, ignore_errors=True)


def resume_run(folder: Path, execution: Execution, listener: Listener, data: Data | None = None) -> Run | None:
    """Go on with a run where its newest whole generation stands; the same bits as never having stopped.

    `data` are its pictures, where they were in memory; or where they lie now, when they have moved.
    """
    board.check(execution.tensorboard)
    before = run.open_run(folder)
    if before.status == "done":
        hint = f"`striate evaluate {folder}`; more epochs are a new run: `striate train DATA --weights {folder}`"
        raise RunError(folder, "this training is finished", hint)
    recipe = recipe_of(**before.recipe)
    if before.facts["data"].get("source") == "arrays" and (data is None or isinstance(data, str | os.PathLike)):
        hint = "striate.train((pictures, labels), resume=...) from Python"
        raise RunError(folder, "its pictures were in memory and are nowhere on disk", hint)
    with processes.group(recipe.device) as leave:
        clock = Clock()
        moved = in_full(data) if isinstance(data, str | os.PathLike) else None
        named = dataclasses.replace(recipe, data=moved or before.facts["data"]["path"])
        held = None if moved else data
        plan = dataclasses.replace(plan_of(named, execution, listener, held, before), recipe=recipe)
        changed = _versions_changed(before, plan)
        earlier = list(before.facts.get("earlier", []))
        if changed:
            earlier.append(f"not bit-exact with the earlier part: {changed}")
            if plan.machine.first:
                listener.say(earlier[-1])
        clock.mark("scan and split")
        kept = {key: before.facts[key] for key in ("began", "command", "weights") if key in before.facts}
        kept |= {"id": before.facts.get("id") or secrets.token_hex(16), "earlier": earlier}  # a run of before has none
        return _carry_out(plan, folder, execution, listener, clock, kept, leave)


def _carry_out(
    plan: Plan,
    folder: Path,
    execution: Execution,
    listener: Listener,
    clock: Clock,
    kept: Mapping[str, Any],
    leave: Callable[[], None],
) -> Run | None:
    """`kept` is for run.json: "id" tells this run from all others, "earlier" how what was before this part differs,
    "weights" which run it started from. After `leave` the first process is alone."""
    first, held, shown = plan.machine.first, contextlib.ExitStack(), None
    if first and execution.tensorboard is not None:
        place = path_of(execution.tensorboard)
        refuse_inside(plan, "tensorboard", place)
        shown = Board(listener, place, folder.name, str(kept["id"]), dataclasses.asdict(plan.recipe))
        listener = held.enter_context(contextlib.closing(shown))
    if first:
        held.enter_context(lock.alone(folder, listener.say))
        durable.sweep(folder, WRITTEN)
        checkpoint.sweep(folder / "checkpoints")
    facts: dict[str, Any] = {}
    disk = Disk(listener)
    try:
        with machines.repeatable(plan.machine.device):
            job = with_rate(job_of(plan, folder, execution, listener), folder, listener)
            facts = {**facts_of(job), **kept}
            if first:
                # run.json comes last: what has one can be resumed
                if plan.start is not None:
                    seen = plan.start.seen
                    disk.write("seen.csv", lambda: subsets.write_seen(folder, seen))
                disk.write("split.csv", lambda: subsets.write_split(folder, plan.samples, plan.split))
                disk.write("run.json", lambda: run.write_facts(folder, {**facts, "status": "running"}))
            clock.mark("read pictures")
            if first:
                _introduce(job, folder, listener)
            with listening() as stop:
                trainer = fit(job, listener, stop, disk, clock)
            clock.mark("training")
        leave()
        if not first:
            return None
        done = finish(trainer, folder, facts, clock, listener)
        if shown is not None:
            shown.end(done.result or {}, trainer.progress.epoch)
        return done
    except StriateError as caught:
        error = caught
        if isinstance(caught, processes.Parted) and facts:
            error = processes.Parted(folder, caught.cause, f"striate train --resume {folder}")
        if facts and first:
            status = "stopped" if error.exit_code > 100 else "failed"
            with contextlib.suppress(MachineError):  # the first error is the one to tell
                run.write_facts(folder, facts | {"status": status, "cause": str(error), **clock.told()})
        raise error from caught.__cause__
    finally:
        held.close()


def _introduce(job: Job, folder: Path, listener: Listener) -> None:
    recipe, split = job.recipe, job.split
    test = f"{len(split.test):,} sealed for the test" if len(split.test) else "no test set"
    listener.say(f"{folder}: {recipe.model} on {job.machine}")
    classes = len(job.samples.targets.classes)
    told = many(len(job.samples), "picture") + (f" of {many(classes, 'class')}" if classes else "")
    held = f"{len(split.held):,} held out ({splits.fold_of(str(recipe.fold))}), " if len(split.held) else ""
    listener.say(f"{told}: {len(split.train):,} train, {len(split.val):,} validation, {held}{test}")
    if job.grouped:
        listener.say(
            f"{subsets.groups_told(subsets.grouped(job.samples, split, job.grouped))}; intervals and tests draw groups"
        )
    for key, why in job.chosen.items():
        listener.say(f"{key} {str(getattr(recipe, key)).lower()}: {why}")
    if len(job.units) > len(job.samples):
        learned, size = len(job.units.within(split.train)), by(job.preprocess.sides)
        listener.say(f"they are looked at in tiles of {size} pixels, {learned} of them in training")
    if recipe.channels == 1 and not job.samples.grey:
        listener.say(f"{recipe.model} sees one channel: colours are turned to grey (--channels 3 keeps them)")
    for note in job.start.leaks(job.samples, job.split) if job.start else ():
        listener.say(note)
    skipped = job.samples.skipped
    for skip in skipped[:SHOWN]:
        listener.say(f"skipped {skip.name}: {skip.cause}")
    if len(skipped) > SHOWN:
        listener.say(f"and {len(skipped) - SHOWN} more skipped; run.json and the report name them all")
    for note in job.samples.notes:
        listener.say(note)


def _versions_changed(before: Run, plan: Plan) -> str:
    now = {**machines.versions(plan.machine), "resizing": plan.blank.version}
    then = {**before.facts["versions"], "resizing": before.preprocess.version}
    return ", ".join(f"{name} was {was}, is {now.get(name)}" for name, was in then.items() if was != now.get(name))
