"""What a run keeps and tells of one subset: at the end of its training, or when its sealed test set is opened later."""

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
    return predictor.task.baselines(Trial(
        samples, split.train, split.val, indices,
        lambda some: watched(rows.as_given(predictor, samples, some, workers), len(some), progress),
    ))  # fmt: skip


def told(
    task: Task, found: Rows, subset: str, rivals: Sequence[Measure], more: Mapping[str, int], best_epoch: int,
    groups: Groups | None,
) -> dict[str, Any]:  # fmt: skip
    """result.json; `more` is how often the test set was opened, or how many pictures of it are sealed; `groups` (n,)
    are those of the pictures, where they have some."""
    return {
        **result(task, found, subset, groups),
        **more,
        "baselines": beside(task.measures(found)[0], rivals, subset, groups),
        "weights": "checkpoints/best",
        "best_epoch": best_epoch,
    }


def write_predictions(folder: Path, task: Task, samples: Samples, kept: Kept) -> None:
    """predictions.csv, a line for each picture."""
    table = task.table(kept.rows)
    lines = [(samples.names[place], *row) for place, row in zip(kept.samples, table.rows, strict=True)]
    durable.write_csv(folder / "predictions.csv", ("sample", *table.head), lines)
