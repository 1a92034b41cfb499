"""The public calls that join floors: training, then its report."""

import os
from pathlib import Path
from typing import Any, Literal, final

from striate.base.errors import UsageError
from striate.report.collect import write as write_report
from striate.runs.run import Run
from striate.training.loop import Listener
from striate.training.recipe import make, read_toml
from striate.training.train import Execution, Trained, resume
from striate.training.train import train as train_recipe


@final
class Silent:
    """Tells nobody."""

    def say(self, text: str) -> None:
        pass

    def progress(self, name: str, done: int, total: int) -> None:
        pass


def train(
    data: str | os.PathLike[str] | None = None,
    *,
    resume: str | os.PathLike[str] | None = None,
    runs: str | os.PathLike[str] = "runs",
    workers: int | None = None,
    memory: Literal["auto", "resident", "streamed"] = "auto",
    save_every: float = 30.0,
    listener: Listener | None = None,
    **recipe: Any,
) -> Run:
    """Train a network on pictures and write its run folder, with result and report.

    `data` is a built-in set, a folder of class folders, or a recipe in TOML; each keyword more is a field
    of `Recipe`. `resume` names the folder of a run to go on with, and takes no recipe.
    """
    execution = Execution(Path(runs), workers, memory, save_every)
    trained = _train(data, resume, execution, listener or Silent(), recipe)
    if trained is None:  # one of several processes, and not the one that writes
        return Run(Path(runs), {"status": "done"})
    write_report(trained)
    return trained.run


def _train(
    data: str | os.PathLike[str] | None, folder: Any, execution: Execution, listener: Listener, recipe: dict[str, Any]
) -> Trained | None:
    if folder is not None:
        if data is not None or recipe:
            given = ", ".join([*([str(data)] if data is not None else []), *recipe])
            raise UsageError("resume", f"a run goes on with its own recipe, not with {given}", "--resume RUN alone")
        return resume(Path(folder), execution, listener)
    if data is None:
        raise UsageError(
            "data", "nothing to train on", "`striate train digits`, a folder of class folders, or --resume RUN"
        )
    if os.fspath(data).endswith(".toml"):
        return train_recipe(read_toml(Path(data), **recipe), execution, listener)
    return train_recipe(make(data=os.fspath(data), **recipe), execution, listener)
