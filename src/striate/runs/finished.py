"""What a run keeps and tells of one subset: at the end of its training, or when its sealed test set is opened later."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from striate.base import durable
from striate.data.feed import Progress, unwatched, watched
from striate.data.samples import Groups, Indices, Samples
from striate.data.splits import Split
from striate.evaluate import rows
from striate.evaluate.result import beside, result
from striate.predictor import Predictor
from striate.runs.kept import Kept
from striate.tasks.measures import Measure
from striate.tasks.task import Rows, Task, Trial, of_pictures

# How the member that validation chose is called beside an ensemble.
BEST = " (best on validation)"


def kept_of(predictor: Predictor, samples: Samples, found: Rows, indices: Indices, workers: int | None) -> Kept:
    """The rows, and of a few pictures what the task asks to remember."""
    task = predictor.task
    if not of_pictures(task):
        return Kept(found, indices)
    places = task.remembered(found)
    shown = rows.shown(predictor, task, samples, indices[places], workers)
    return Kept(found, indices, dict(zip(places.tolist(), shown, strict=True)))


def rivals(
    predictor: Predictor,
    samples: Samples,
    split: Split,
    indices: Indices,
    workers: int | None,
    progress: Progress = unwatched,
) -> Sequence[Measure]:
    """The baselines on the same pictures; `progress` gets (done, all) as they are read."""
    return predictor.task.baselines(trial_of(predictor, samples, split, indices, workers, progress))


def trial_of(
    predictor: Predictor,
    samples: Samples,
    split: Split,
    indices: Indices,
    workers: int | None = None,
    progress: Progress = unwatched,
) -> Trial:
    """What rivals of a network may know, who answer the same pictures."""
    return Trial(
        samples, split.train, split.val, indices,
        lambda some: watched(rows.as_given(predictor, samples, some, workers), len(some), progress),
    )  # fmt: skip


def members_beside(
    task: Task, found: Rows, members: Sequence[tuple[str, Task, Rows]], best: str | None, subset: str,
    groups: Groups | None,
) -> list[dict[str, Any]]:  # fmt: skip
    """What stands beside an ensemble: each member's first number, by name; only the gain over `best`, the one that
    validation chose, is tested: one test, and no choice among many on the pictures that it is told of."""
    told = []
    for name, own, kept in members:
        title = f"member {name}" + (BEST if name == best else "")
        rival = dataclasses.replace(own.measures(kept)[0], name=title)
        (each,) = beside(task.measures(found)[0], [rival], subset, groups)
        told.append({key: value for key, value in each.items() if key != "paired" or name == best})
        best = None if name == best else best  # two may have one name
    return sorted(told, key=lambda each: not each["name"].endswith(BEST))


def told(
    task: Task, found: Rows, subset: str, baselines: Sequence[Mapping[str, Any]], more: Mapping[str, Any],
    groups: Groups | None,
) -> dict[str, Any]:  # fmt: skip
    """result.json; `more` is how often the test set was opened, or how many pictures of it are sealed, and where the
    weights lie; `groups` (n,) are those of the pictures, where they have some."""
    return {**result(task, found, subset, groups), "baselines": baselines, **more}


def write_predictions(folder: Path, task: Task, names: Sequence[str], kept: Kept) -> None:
    """predictions.csv, a line for each picture; `names` are those of all samples."""
    table = task.table(kept.rows)
    lines = [(names[place], *row) for place, row in zip(kept.samples, table.rows, strict=True)]
    durable.write_csv(folder / "predictions.csv", ("sample", *table.head), lines)
