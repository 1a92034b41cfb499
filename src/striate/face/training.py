"""One training, then its report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from striate.base import durable, processes
from striate.base.errors import RunError, UsageError
from striate.base.paths import path_of
from striate.base.units import parse_bytes
from striate.data.load import Data
from striate.face.asked import called, in_memory, listening, recipe_for
from striate.face.finished import write_report
from striate.training.execution import Execution, Listener

if TYPE_CHECKING:
    from striate.runs.run import Run


def train(
    data: Data | None = None,
    *,
    resume: str | os.PathLike[str] | None = None,
    runs: str | os.PathLike[str] = "runs",
    workers: int | None = None,
    memory: Literal["auto", "resident", "streamed"] = "auto",
    save_every: float = 30.0,
    tensorboard: str | os.PathLike[str] | None = None,
    cache: bool = True,
    canvases: str | int | None = None,
    keep_epochs: int = 0,
    watch: bool | int = False,
    listener: Listener | None = None,
    quiet: bool = False,
    **recipe: Any,
) -> Run | None:
    """Train a network on pictures and write its run folder, with result and report.

    `data` is a built-in set, a folder of class folders or of images/ and masks/, a table of paths and labels or masks
    (CSV or TSV), pictures in memory as (pictures, labels or masks), or a recipe in TOML; each keyword more is a field
    of `Recipe`. `resume` names the folder of a run to go on with, and takes no recipe; one that is done and has no
    report is given it. `data` are then the run's own: those that were in memory, or where they lie now, when they have
    moved; others are a DataError. Progress is shown: by a bar in a terminal, elsewhere by a line an epoch; a `listener`
    is told instead, and with `quiet` nobody. `cache` False: every file is looked at anew, and nothing is kept of it in
    the user's cache folder. `canvases`: bytes of disk, or text such as "20GiB", for decoded pictures, where not all fit
    into memory: from the second epoch on, and in later trainings, they are read there. `keep_epochs`: the weights of so
    many last epochs are kept, for `ensemble(run, average="weights")`. `watch`: what each layer does is recorded every
    so many steps; True: in as many as cost little. A run that was watched goes on so.

    None in a process of a group that is not its first, for the first one writes.
    """
    board = None if tensorboard is None else path_of(tensorboard)
    written = called(data, {"resume": resume} | recipe)
    disk = parse_bytes(canvases, "canvases") if isinstance(canvases, str) else canvases
    execution = Execution(path_of(runs), workers, memory, save_every, board, written, cache, disk, keep_epochs, watch)
    with listening(quiet, listener) as told:
        return carry_out(data, resume, recipe, execution, told)


def carry_out(
    data: Data | None,
    resume: str | os.PathLike[str] | None,
    recipe: Mapping[str, Any],
    execution: Execution,
    listener: Listener,
) -> Run | None:
    """As `train`, with all that it is told in two values."""
    held = data if in_memory(data) else None
    if resume is not None and recipe:
        cause = f"a run goes on with its own recipe, not with {', '.join(recipe)}"
        hint = f"--resume {resume} alone; more epochs are a new run: striate train DATA --weights {resume}"
        raise UsageError("resume", cause, hint)
    if resume is not None and execution.runs != Path("runs"):
        raise UsageError(
            "runs", f"{execution.runs} changes nothing: a run that goes on stays where it is", "leaving it out"
        )
    asked = None if resume is not None else recipe_for(data, recipe)
    from striate.training.disk import Disk
    from striate.training.train import start_run

    if asked is not None:
        run = start_run(asked, execution, listener, held)
    else:
        run = _resumed(path_of(resume or ""), execution, listener, data)
    if run is not None:
        Disk(listener).insist("report.html", lambda: write_report(run, held))
    return run


def _resumed(folder: Path, execution: Execution, listener: Listener, data: Data | None) -> Run | None:
    """A run that goes on; or, where all but its report is done, as it is."""
    from striate.runs.run import open_run
    from striate.training.train import WRITTEN, resume_run

    before = open_run(folder)
    if before.status == "done" and before.result is not None and not (folder / "report.html").exists():
        if processes.speaks():
            durable.sweep(folder, WRITTEN)
        return before if processes.speaks() else None
    try:
        return resume_run(folder, execution, listener, data)
    except UsageError as error:  # what its own training would have refused
        raise RunError(folder / "run.json", f"{error.where}: {error.cause}", error.hint) from error
