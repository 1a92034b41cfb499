"""Many trainings, one answer: studies, and a network for a budget."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from striate.base import processes
from striate.base.errors import UsageError
from striate.base.paths import path_of
from striate.base.units import parse_amount, parse_bytes, parse_seconds
from striate.data.load import Data
from striate.face.asked import called, in_memory, listening, recipe_for
from striate.face.finished import write_report
from striate.training.execution import Carried, Execution, Listener

if TYPE_CHECKING:
    from striate.runs.choice import Choice
    from striate.runs.study import Study


def study(
    data: Data | None = None,
    *,
    models: Sequence[str] = (),
    seeds: int = 1,
    folds: int | None = None,
    repeats: int = 1,
    resume: str | os.PathLike[str] | None = None,
    runs: str | os.PathLike[str] = "runs",
    on: str = "",
    jobs: int | None = None,
    threads: int | None = None,
    workers: int | None = None,
    memory: Literal["auto", "resident", "streamed"] = "auto",
    save_every: float = 30.0,
    cache: bool = True,
    canvases: str | int | None = None,
    listener: Listener | None = None,
    quiet: bool = False,
    **recipe: Any,
) -> Study:
    """Train one recipe for each network, seed and fold, and tell with intervals and paired tests what they answer.

    `data` and the keywords of a recipe as for `train`. `models` are names of the catalogue; `seeds` so many from
    `seed` on; `folds`: each picture but the sealed ones is held out once, `repeats` times over. `on`: "" is this
    machine, "dask:tcp://HOST:PORT" a cluster; `jobs` at the same time, of so many `threads` each. It is decided on
    validation, or on what folds hold out; then the test set is opened once for all, unless `keep_sealed`. `resume`
    names the folder of a study to go on with, and takes no recipe; `data` are then its own, where they were in memory.
    """
    asked = {"models": tuple(models), "seeds": seeds, "folds": folds, "repeats": repeats}
    told = {"resume": resume, **{key: value for key, value in asked.items() if value not in ((), 1, None)}, **recipe}
    disk = parse_bytes(canvases, "canvases") if isinstance(canvases, str) else canvases
    execution = Execution(path_of(runs), workers, memory, save_every, None, called(data, told, "study"), cache, disk)
    carried = Carried(on, jobs, threads, execution)
    with listening(quiet, listener) as who:
        return carry_out_study(data, resume, asked, recipe, carried, who)


def carry_out_study(
    data: Data | None,
    resume: str | os.PathLike[str] | None,
    asked: Mapping[str, Any],
    recipe: Mapping[str, Any],
    carried: Carried,
    listener: Listener,
) -> Study:
    """As `study`, with what it is told in a few values; `asked` are models, seeds, folds and repeats."""
    given = [key for key, value in asked.items() if value not in ((), 1, None)]
    if resume is not None and (recipe or given):
        cause = f"a study goes on with what it was asked, not with {', '.join([*given, *recipe])}"
        raise UsageError("resume", cause, f"--resume {resume} alone")
    refuse_together("study")
    held = data if in_memory(data) else None
    wanted = None if resume is not None else recipe_for(data, recipe)
    from striate.report.study import write
    from striate.runs.study import open_study
    from striate.training.study import resume_study, start_study

    if wanted is not None:
        found = start_study(wanted, **asked, carried=carried, listener=listener, data=held)
    else:
        found = open_study(resume or "")
        if found.result is None or found.result.failed or (found.folder / "report.html").exists():
            found = resume_study(found, carried, listener, held)
    write(found)
    return found


def choose(
    data: Data | None = None,
    *,
    max_latency: str | float | None = None,
    max_params: str | float | None = None,
    max_memory: str | int | None = None,
    time: str | float | None = None,
    resume: str | os.PathLike[str] | None = None,
    runs: str | os.PathLike[str] = "runs",
    on: str = "",
    jobs: int | None = None,
    threads: int | None = None,
    listener: Listener | None = None,
    quiet: bool = False,
    **recipe: Any,
) -> Choice:
    """Choose the network that suits these data within limits, by whole trainings of rising length.

    `data` and the keywords of a recipe as for `train`, without a model. `max_latency`: seconds of one picture here, or
    text such as "20ms"; `max_params`: parameters, or "5M"; `max_memory`: bytes of a training step, or "4GiB"; `time`:
    seconds that all may take, or "2h". Networks go only where a paired test on validation pictures says that they are
    worse. The fastest of those that cannot be told from the best is taken, and its test set opened once, unless
    `keep_sealed`. `resume` names the folder of a choice to go on with; `on`, `jobs` and `threads` as for `study`.
    """
    limits = {"max_latency": max_latency, "max_params": max_params, "max_memory": max_memory, "time": time}
    told = {"resume": resume, **limits, **recipe}
    carried = Carried(on, jobs, threads, Execution(path_of(runs), command=called(data, told, "choose")))
    with listening(quiet, listener) as who:
        return carry_out_choice(data, resume, limits, recipe, carried, who)


def carry_out_choice(
    data: Data | None,
    resume: str | os.PathLike[str] | None,
    limits: Mapping[str, str | float | None],
    recipe: Mapping[str, Any],
    carried: Carried,
    listener: Listener,
) -> Choice:
    """As `choose`, with what it is told in a few values."""
    if resume is not None and (given := [*recipe, *(key for key, value in limits.items() if value is not None)]):
        cause = f"a choice goes on with what it was asked, not with {', '.join(given)}"
        raise UsageError("resume", cause, f"--resume {resume} alone")
    if recipe.get("model") is not None:
        raise UsageError("model", "it is what is to be chosen", f"striate train DATA --model {recipe['model']}")
    refuse_together("choose")
    held = data if in_memory(data) else None
    asked = None if resume is not None else recipe_for(data, recipe)
    readers = {
        "max_latency": parse_seconds,
        "max_params": parse_amount,
        "max_memory": parse_bytes,
        "time": parse_seconds,
    }
    read = {key: readers[key](value, key) if isinstance(value, str) else value for key, value in limits.items()}
    for key, value in read.items():
        if value is not None and not 0 < value < math.inf:
            raise UsageError(key, f"{value} is no limit", "a number above 0")
    from striate.report.choice import write
    from striate.runs.choice import open_choice
    from striate.runs.chosen import Limits
    from striate.training.choosing import resume_choice, start_choice

    if asked is None:
        found = resume_choice(open_choice(resume or ""), carried, listener, held)
    else:
        memory = None if read["max_memory"] is None else int(read["max_memory"])
        wanted = Limits(read["max_latency"], read["max_params"], memory, read["time"])
        found = start_choice(asked, wanted, carried, listener, held)
    if found.run is not None:
        write_report(found.run, held)
    write(found)
    return found


def refuse_together(verb: str) -> None:
    """A UsageError under `torchrun`."""
    if processes.together_here() > 1:
        raise UsageError(
            "torchrun", "these trainings get processes of their own", f"striate {verb} alone; --jobs, --on"
        )
