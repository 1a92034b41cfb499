"""The end of a training: the chosen weights, the test set opened once if at all, the rows kept, result.json."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from striate.base import durable, words
from striate.base.errors import RunError
from striate.data import splits
from striate.data.feed import Progress
from striate.data.packed import Digests
from striate.data.samples import Indices, digest_of
from striate.evaluate import rows
from striate.evaluate.result import beside
from striate.predictor import Predictor
from striate.runs import checkpoint, finished, run, subsets
from striate.runs.kept import Kept, read_kept, write_kept
from striate.runs.openings import opening_of, record_opening, sealed_set, times_opened
from striate.runs.run import Run
from striate.tasks import registry
from striate.tasks.task import Rows, of_pictures
from striate.training.disk import Disk
from striate.training.loop import Trainer
from striate.training.machine import Clock
from striate.training.plan import Job, Listener


def finish(trainer: Trainer, folder: Path, facts: Mapping[str, Any], clock: Clock, listener: Listener) -> Run:
    """What a training leaves behind, in an order that a kill cannot confuse: result.json comes after its rows."""
    job, progress, disk, best = trainer.job, trainer.progress, trainer.disk, trainer.best or {}
    disk.insist("best", lambda: checkpoint.save_best(job.checkpoints, best))
    weights = checkpoint.digest(best)
    predictor = run.open_run(folder).predictor.on(job.machine.device)
    split, subset = job.split, _answering(job)
    indices, sealed = split.named[subset], len(split.test) if subset != "test" else 0
    if job.samples.split_by == "name":
        facts = _known_by_content(job, folder, facts, disk, partial(listener.progress, "reading test pictures"))
    saved = _before(folder, facts, weights)
    if not saved:
        if subset == "test":
            answers = (facts["id"], weights)
            opening = opening_of(folder, answers, sealed_set(facts), again=False)
            disk.insist("opening", lambda: _say(listener, record_opening(folder, opening)[1]))
        saved = _answered(predictor, job, subset, indices, listener)
        disk.insist("kept", lambda: write_kept(folder, saved, weights))
    predictor = predictor.learned(predictor.task.settled(saved["val"].rows))
    found = saved[subset]
    clock.mark("test")
    watching = partial(listener.progress, "trying what stands beside the network")
    rivals = finished.rivals(predictor, job.samples, split, indices, job.workers, watching)
    clock.mark("baselines")
    disk.insist("predictions.csv", lambda: finished.write_predictions(folder, predictor.task, job.samples.names, found))
    more: dict[str, Any] = {"weights": "checkpoints/best", "best_epoch": (progress.best_epoch or 0) + 1}
    if sealed:
        more["sealed"] = sealed
    if subset == "test":
        more["openings"] = max(1, times_opened(folder, sealed_set(facts)["digest"]))
    if job.samples.split_by == "name":
        more["split_by"] = "name"
    groups = job.samples.groups_of(indices)
    baselines = beside(predictor.task.measures(found.rows)[0], rivals, subset, groups)
    told = finished.told(predictor.task, found.rows, subset, baselines, more, groups)
    disk.insist("result.json", lambda: durable.write_json(folder / "result.json", told))
    ended = {"status": "done", "task": registry.as_dict(predictor.task), **clock.told()}
    disk.insist("run.json", lambda: run.write_facts(folder, {**facts, **ended}))
    return run.open_run(folder)


def _answering(job: Job) -> str:
    """The subset that the result is of: what a fold holds out, or else the test set unless it stays sealed."""
    if len(job.split.held):
        return "held"
    return "test" if len(job.split.test) and not job.recipe.keep_sealed else "val"


def _known_by_content(
    job: Job, folder: Path, facts: Mapping[str, Any], disk: Disk, progress: Progress
) -> Mapping[str, Any]:
    """The facts with the digest of a test set of which names alone were known; its bytes are read, and not looked at.

    It is written down before the first opening, so that openings are counted by content, whatever the files are called.
    """
    samples, test = job.samples, job.split.test

    def read() -> Iterator[bytes]:
        for done, place in enumerate(test.tolist(), start=1):
            yield bytes.fromhex(digest_of(samples.read(place)))
            progress(done, len(test))

    digests = Digests.joined(read())
    contents = {**facts["split"]["test"], "contents": splits.digest(samples, test, digests)}
    facts = {**facts, "split": {**facts["split"], "test": contents}}
    disk.insist("sealed.csv", lambda: subsets.write_sealed(folder, digests))
    disk.insist("run.json", lambda: run.write_facts(folder, {**facts, "status": "running"}))
    return facts


def _before(folder: Path, facts: Mapping[str, Any], weights: str) -> dict[str, Kept]:
    """What these weights have answered before a kill: no test set is opened twice for one result."""
    try:
        return read_kept(folder, facts, subsets.lines(folder, facts), weights)
    except RunError:
        return {}


def _say(listener: Listener, notes: Sequence[str]) -> None:
    for note in notes:
        listener.say(note)


def _answered(predictor: Predictor, job: Job, subset: str, indices: Indices, listener: Listener) -> dict[str, Kept]:
    """Validation, and what the result is of."""

    def anew(name: str, some: Indices) -> Rows:
        told = partial(listener.progress, f"answering {words.subset(name)} pictures")
        return rows.rows_anew(predictor, job.samples, some, job.workers, told)

    if of_pictures(predictor.task):
        val = anew("val", job.split.val)
    else:
        val = rows.rows(predictor, job.units, job.units.within(job.split.val), [job.val]).cpu().numpy()
    found = val if subset == "val" else anew(subset, indices)
    kept = finished.kept_of(predictor, job.samples, found, indices, job.workers)
    return {"val": Kept(val, job.split.val), subset: kept}
