"""The end of a training: the chosen weights, the test set opened once, the rows kept, result.json."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from striate.base import durable
from striate.base.errors import RunError
from striate.data.samples import Indices
from striate.evaluate import rows
from striate.evaluate.result import beside, result
from striate.predictor import Predictor
from striate.runs import checkpoint, run, subsets
from striate.runs.kept import Kept, read_kept, write_kept
from striate.runs.openings import opening_of, record_opening, times_opened
from striate.runs.run import Run
from striate.tasks import registry
from striate.tasks.task import Rows, Trial, of_pictures
from striate.training.loop import Trainer
from striate.training.machine import Clock
from striate.training.plan import Job, Listener


def finish(trainer: Trainer, folder: Path, facts: Mapping[str, Any], clock: Clock, listener: Listener) -> Run:
    """What a training leaves behind, in an order that a kill cannot confuse: result.json comes after its rows."""
    job, progress, disk, best = trainer.job, trainer.progress, trainer.disk, trainer.best or {}
    disk.insist("best", lambda: checkpoint.save_best(job.checkpoints, best))
    weights = checkpoint.digest(best)
    predictor = run.open_run(folder).predictor.on(job.machine.device)
    subset, indices = ("test", job.split.test) if len(job.split.test) else ("val", job.split.val)
    saved = _before(folder, facts, weights)
    if not saved:
        if subset == "test":
            answers = (facts["id"], weights)
            opening = opening_of(folder, answers, facts["split"]["test"], again=False)
            disk.insist("opening", lambda: _say(listener, record_opening(folder, opening)[1]))
        saved = _answered(predictor, job, subset, indices)
        disk.insist("kept", lambda: write_kept(folder, saved, weights))
    predictor = predictor.learned(predictor.task.settled(saved["val"].rows))
    found = saved[subset].rows
    clock.mark("test")
    rivals = predictor.task.baselines(Trial(
        job.samples, job.split.train, job.split.val, indices,
        lambda some: rows.as_given(predictor, job.samples, some, job.workers),
    ))  # fmt: skip
    clock.mark("baselines")
    names = [job.samples.names[index] for index in indices]
    table = predictor.task.table(found)
    lines = [(name, *row) for name, row in zip(names, table.rows, strict=True)]
    written = folder / "predictions.csv"
    disk.insist(written.name, lambda: durable.write_csv(written, ("sample", *table.head), lines))
    told = {
        **result(predictor.task, found, subset),
        **({"openings": max(1, times_opened(folder, facts["split"]["test"]["digest"]))} if subset == "test" else {}),
        "baselines": beside(predictor.task.measures(found)[0], rivals, subset),
        "weights": "checkpoints/best",
        "best_epoch": (progress.best_epoch or 0) + 1,
    }
    disk.insist("result.json", lambda: durable.write_json(folder / "result.json", told))
    ended = {"status": "done", "task": registry.as_dict(predictor.task), **clock.told()}
    disk.insist("run.json", lambda: run.write_facts(folder, {**facts, **ended}))
    return run.open_run(folder)


def _before(folder: Path, facts: Mapping[str, Any], weights: str) -> dict[str, Kept]:
    """What these weights have answered before a kill: no test set is opened twice for one result."""
    try:
        return read_kept(folder, facts, subsets.lines(folder, facts), weights)
    except RunError:
        return {}


def _say(listener: Listener, notes: Sequence[str]) -> None:
    for note in notes:
        listener.say(note)


def _answered(predictor: Predictor, job: Job, subset: str, indices: Indices) -> dict[str, Kept]:
    """Validation, and the test set."""
    if of_pictures(predictor.task):
        val = rows.rows_anew(predictor, job.samples, job.split.val, job.workers)
    else:
        val = rows.rows(predictor, job.units, job.units.within(job.split.val), [job.val]).cpu().numpy()
    found = val if subset == "val" else rows.rows_anew(predictor, job.samples, indices, job.workers)
    return {"val": Kept(val, job.split.val), subset: _with_shown(predictor, job, found, indices)}


def _with_shown(predictor: Predictor, job: Job, found: Rows, indices: Indices) -> Kept:
    """The rows, and of a few pictures what the task asks to remember."""
    task = predictor.task
    if not of_pictures(task):
        return Kept(found, indices)
    places = task.remembered(found)
    shown = rows.shown(predictor, task, job.samples, indices[places], job.workers)
    return Kept(found, indices, dict(zip(places.tolist(), shown, strict=True)))
