"""How long the trainings of a choice will take: by steps that are tried, and by shorter trainings that were."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from striate.base.errors import RunError
from striate.data.load import Data
from striate.runs import lock
from striate.runs.listed import look
from striate.runs.run import Run
from striate.training.abreast import abreast, tried
from striate.training.apart import Asked
from striate.training.execution import Carried, Listener
from striate.training.recipe import Recipe


def by_steps(
    recipes: Mapping[str, Recipe], folder: Path, carried: Carried, listener: Listener, data: Data | None
) -> tuple[dict[str, float], Carried]:
    """Seconds of each training, by steps tried on this machine; 0 of one that failed. And how they are carried out."""
    listener.progress("trying steps of each network", 0, 1)
    asked = [
        Asked(recipe, folder / name, carried.threads or 1, carried.execution, Path.cwd())
        for name, recipe in recipes.items()
    ]
    with lock.alone(folder, listener.say):
        found = tried(asked, data)
    jobs, threads, _ = abreast(found)
    threads = carried.threads or threads
    seconds = [0.0 if taken is None else taken.whole(threads) for taken in found]
    if not carried.on:
        carried = dataclasses.replace(carried, jobs=carried.jobs or jobs, threads=threads)
    return dict(zip(recipes, seconds, strict=True)), carried


def longer(run: Run, epochs: int) -> float:
    """Seconds of a training like this one of so many epochs: what is no epoch takes as long again."""
    of_epochs = sum(row.get("seconds", 0.0) for row in run.epochs)
    others = max(0.0, (run.facts.get("seconds") or 0.0) - of_epochs)
    return others + of_epochs * epochs / max(1, len(run.epochs))


def together(seconds: Sequence[float], jobs: int) -> float:
    """Seconds of a list of which so many go at once."""
    return max([sum(seconds) / jobs, *seconds])


def had(folder: Path) -> float:
    """Seconds that the training in `folder` has had so far, if it began."""
    with contextlib.suppress(RunError):
        return look(folder).seconds or 0.0 if folder.exists() else 0.0
    return 0.0
