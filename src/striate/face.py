"""The public calls that join floors: training, then its report.

What is asked is read before torch is imported, which takes seconds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from striate.base import durable, processes
from striate.base.errors import DataError, RunError, UsageError, near
from striate.base.paths import path_of
from striate.base.screen import Screen
from striate.base.units import parse_amount, parse_bytes, parse_seconds
from striate.data.asked import AUDITED, MEANT
from striate.data.load import Data, have_masks, read_samples
from striate.data.sources.builtin import built_in
from striate.runs.openings import STUDY
from striate.training.execution import Carried, Execution, Listener, Silent
from striate.training.recipe import Recipe, read_toml, recipe_of

if TYPE_CHECKING:
    from striate.data.audit import Audit
    from striate.data.samples import Samples
    from striate.runs.choice import Choice
    from striate.runs.compared import Compared
    from striate.runs.ensemble import Weigh
    from striate.runs.out_of_fold import OutOfFold
    from striate.runs.run import Run
    from striate.runs.study import Study


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
    many last epochs are kept, for `ensemble(run, average="weights")`.

    None in a process of a group that is not its first, for the first one writes.
    """
    board = None if tensorboard is None else path_of(tensorboard)
    called = _called(data, {"resume": resume} | recipe)
    disk = parse_bytes(canvases, "canvases") if isinstance(canvases, str) else canvases
    execution = Execution(path_of(runs), workers, memory, save_every, board, called, cache, disk, keep_epochs)
    if listener is not None and quiet:
        raise UsageError("quiet", "a listener is told in any case", "either of them")
    with _listening(quiet, listener) as told:
        return carry_out(data, resume, recipe, execution, told)


def _listening(quiet: bool, listener: Listener | None = None) -> contextlib.AbstractContextManager[Listener]:
    """Who is told: `listener`, nobody, or a screen while it lasts."""
    if listener is not None or quiet:
        return contextlib.nullcontext(listener or Silent())
    return Screen()


def carry_out(
    data: Data | None,
    resume: str | os.PathLike[str] | None,
    recipe: Mapping[str, Any],
    execution: Execution,
    listener: Listener,
) -> Run | None:
    """As `train`, with all that it is told in two values."""
    held = data if _held(data) else None
    if resume is not None and recipe:
        cause = f"a run goes on with its own recipe, not with {', '.join(recipe)}"
        hint = f"--resume {resume} alone; more epochs are a new run: striate train DATA --weights {resume}"
        raise UsageError("resume", cause, hint)
    if resume is not None and execution.runs != Path("runs"):
        raise UsageError(
            "runs", f"{execution.runs} changes nothing: a run that goes on stays where it is", "leaving it out"
        )
    asked = None if resume is not None else _asked(data, recipe)
    from striate.training.disk import Disk
    from striate.training.train import start_run

    if asked is not None:
        run = start_run(asked, execution, listener, held)
    else:
        run = _resumed(path_of(resume or ""), execution, listener, data)
    if run is not None:
        Disk(listener).insist("report.html", lambda: write_report(run, held))
    return run


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
    execution = Execution(path_of(runs), workers, memory, save_every, None, _called(data, told, "study"), cache, disk)
    carried = Carried(on, jobs, threads, execution)
    if listener is not None and quiet:
        raise UsageError("quiet", "a listener is told in any case", "either of them")
    if listener is not None or quiet:
        return carry_out_study(data, resume, asked, recipe, carried, listener or Silent())
    with Screen() as screen:
        return carry_out_study(data, resume, asked, recipe, carried, screen)


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
    if processes.together_here() > 1:
        raise UsageError("torchrun", "a study starts processes of its own", "striate study alone; --jobs, --on")
    held = data if _held(data) else None
    wanted = None if resume is not None else _asked(data, recipe)
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
    carried = Carried(on, jobs, threads, Execution(path_of(runs)))
    if listener is not None or quiet:
        return carry_out_choice(data, resume, limits, recipe, carried, listener or Silent())
    with Screen() as screen:
        return carry_out_choice(data, resume, limits, recipe, carried, screen)


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
    held = data if _held(data) else None
    asked = None if resume is not None else _asked(data, recipe)
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
    from striate.runs.choice import Limits, open_choice
    from striate.training.choosing import resume_choice, start_choice

    if asked is None:
        found = resume_choice(open_choice(resume or ""), carried, listener, held)
    else:
        memory = None if read["max_memory"] is None else int(read["max_memory"])
        wanted = Limits(read["max_latency"], read["max_params"], memory, read["time"])
        found = start_choice(asked, wanted, carried, listener, held)
    if found.run is not None:
        write_report(found.run, held)
    return found


def _held(data: Data | None) -> bool:
    """Whether these are pictures in memory."""
    return data is not None and not isinstance(data, str | os.PathLike)


def _called(data: Any, keywords: Mapping[str, Any], function: str = "train") -> str:
    """A call as it is written; what is in memory has a name."""
    given = [] if data is None else [_written(data)]
    if _held(data):
        given = ["(pictures, labels)" if isinstance(data, tuple) else "pictures"]
    return _call(function, given, keywords)


def _call(name: str, given: Sequence[str], keywords: Mapping[str, Any]) -> str:
    told = [f"{name}={_written(value)}" for name, value in keywords.items() if value is not None]
    return f"striate.{name}({', '.join([*given, *told])})"


def _written(value: Any) -> str:
    return repr(os.fspath(value) if isinstance(value, os.PathLike) else value)


def _asked(data: Data | None, values: Mapping[str, Any]) -> Recipe:
    """The recipe in a file, or of values for these data."""
    if data is None:
        hint = "`striate train digits`, a folder of class folders, a table, or --resume RUN"
        raise UsageError("data", "nothing to train on", hint)
    if not isinstance(data, str | os.PathLike):
        return recipe_of(data="arrays", **values)
    if os.fspath(data).endswith(".toml"):
        return read_toml(path_of(data), **values)
    return recipe_of(data=data, **values)


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


def write_report(run: str | os.PathLike[str] | Run, data: Data | None = None, *, force: bool = False) -> Path:
    """Write the page of a finished run, or of a study, again, from what is in its folder; where it lies.

    No test set is opened. `data` are the pictures, where the run was trained on arrays; others are a RunError.
    So is a report.html that is a link, or no page of striate's, unless `force` says to replace it.
    """
    from striate.report import collect

    if (path_of(os.fspath(run)) / STUDY).is_file():
        from striate.report.study import write
        from striate.runs.study import open_study

        return write(open_study(run), force=force)
    opened = _opened(run)
    if data is None:
        return collect.write(opened, force=force)
    meant = {name: opened.facts["recipe"][name] for name in (*MEANT, "max_pixels") if name in opened.facts["recipe"]}
    task = opened.task
    samples = read_samples(data, labelled=task.labelled, masked=task.masked, learnable=False, **meant)
    if samples.fingerprint != opened.facts["data"]["fingerprint"]:
        raise RunError(
            opened.folder, "these are not the pictures that it was trained on", "the same pictures and labels"
        )
    return collect.write(opened, samples, force=force)


def ensemble(
    *members: str | os.PathLike[str] | Run,
    weigh: Weigh = "equal",
    average: Literal["answers", "weights"] = "answers",
    keep_sealed: bool = False,
    runs: str | os.PathLike[str] = "runs",
    quiet: bool = False,
) -> Run:
    """Write a run folder of several runs that answer together, with result and report; it answers as any run does.

    `members` are runs of one task on the same pictures with the same test set, of the same split or folds of it; they
    may differ in seed, network, size and means. Probabilities, or what else is answered, are averaged: with equal
    weights, or with `weigh` "validation" by those of least log loss on the validation pictures that all share. The test
    set is opened once for all, unless what each has kept of it tells; `keep_sealed` leaves it sealed.

    `average` "weights": one network, whose weights are the mean of the last epochs of one run, which `train` keeps with
    `keep_epochs`, or of several runs that began with the same weights.
    """
    keywords = {"weigh": weigh, "average": average, "keep_sealed": keep_sealed or None}
    called = _call("ensemble", [_written(os.fspath(each)) for each in members], keywords)
    with _listening(quiet) as listener:
        return put_together(members, weigh, average, keep_sealed, path_of(runs), listener, called)


def put_together(
    members: Sequence[str | os.PathLike[str] | Run], weigh: Weigh, average: Literal["answers", "weights"],
    keep_sealed: bool, root: Path, listener: Listener, command: str,
) -> Run:  # fmt: skip
    """As `ensemble`, with who is told, and what was called or typed."""
    from striate.runs import averaged
    from striate.runs import ensemble as ensembles
    from striate.runs.joined import Asked

    if average == "weights" and weigh != "equal":
        raise UsageError("weigh", "a mean of weights has no shares", "leaving it out")
    asked = Asked(root, keep_sealed, command, listener.say, listener.progress)
    opened = [_opened(each) for each in members]
    run = averaged.averaged(opened, asked) if average == "weights" else ensembles.ensemble(opened, weigh, asked)
    write_report(run)
    return run


def compare(*runs: str | os.PathLike[str] | Run) -> Compared:
    """Finished runs beside each other, on the same pictures, by what they kept: each pair, with a paired test.

    On the test set where all of them opened it, else on validation where all left it sealed; none is opened. Of more
    than two the tests are held to 95 % together (Holm 1979). A RunError where two were not asked the same.
    """
    from striate.runs import compared

    return compared.compare([_opened(run) for run in runs])


def out_of_fold(
    *runs: str | os.PathLike[str] | Run, table: str | os.PathLike[str] | None = None, force: bool = False
) -> OutOfFold:
    """What runs that are folds of one list say together: `striate.train(..., fold="1/3")`, "2/3" and "3/3".

    The numbers of each on what it held out, their means over folds with an interval that knows how folds depend on each
    other, and the answer for each picture that is not sealed. `table`: a CSV file of the answers; an older one is
    replaced, another file with `force` alone. Folds of several repeats or seeds are averaged. A RunError where a fold
    is missing, or of other pictures.
    """
    from striate.runs import out_of_fold as pooling

    found = pooling.out_of_fold([_opened(run) for run in runs])
    if table is not None:
        found.write(path_of(table), force=force)
    return found


def _opened(run: str | os.PathLike[str] | Run) -> Run:
    from striate.runs.run import Run, open_run

    return run if isinstance(run, Run) else open_run(run)


def audit(
    data: Data,
    *,
    page: str | os.PathLike[str] | None = None,
    force: bool = False,
    quiet: bool = False,
    **reading: Any,
) -> Audit:
    """Look pictures through before training: broken files, copies and near-duplicates, leaks, conflicts, balance.

    `data` as of `train`, with labels, masks or neither; or a run folder, whose own split is looked through; or a folder
    of runs that are all folds of these data, by which labels are doubted. `page`:
    write what was found there, with small pictures; an older page is replaced, another file with `force` alone. What
    lies in a test subset is compared and counted, and never shown. `reading` are fields of `Recipe`: layout,
    max_pixels, follow_links, merge_classes, mask_map, ignore, masks, channels and depth. What is found is no error.
    """
    path = None if page is None else path_of(page)
    if quiet:
        return looked_through(data, path, force, Silent(), reading)
    with Screen(quiet=True) as screen:
        return looked_through(data, path, force, screen, reading)


def looked_through(data: Data, page: Path | None, force: bool, listener: Listener, reading: Mapping[str, Any]) -> Audit:
    """As `audit`, with who is told."""
    from striate.data import audit

    if wrong := [name for name in reading if name not in AUDITED]:
        hint = near(wrong[0], AUDITED, "", "{}, or ") + f"one of {', '.join(AUDITED)}"
        raise UsageError(wrong[0], "an audit does not take it", hint)
    if not _held(data):
        recipe_of(data=data, **reading)  # what no training takes is refused in the same words
    if page is not None:
        from striate.report import audited

        output = audited.output(page, None if _held(data) else Path(str(data)), force)
        output.check()
    folds = _folds_in(data)
    where: Data = folds[0].folder if folds else data
    samples = _to_audit(where, reading, lambda done, total: listener.progress("pictures", done, total))
    doubted = None
    if folds:
        kept = tuple(each if each == "test" else "held" for each in samples.subsets or ())
        samples = dataclasses.replace(samples, name=path_of(str(data)).name, subsets=kept)
        doubted = out_of_fold(*folds).suspects
    found = dataclasses.replace(audit.audit(samples, listener.progress), suspects=doubted)
    if page is not None:
        output.write(audited.render(found, samples, reading).encode())
    return found


def _to_audit(data: Data, reading: Mapping[str, Any], progress: Callable[[int, int], None]) -> Samples:
    """All that can be read, with labels or masks where there are any; of a run folder with the subsets of its split."""
    if not _held(data) and (folder := path_of(str(data))).joinpath("run.json").is_file():
        if reading:
            raise UsageError(next(iter(reading)), "a run's own pictures are read as in training", "leaving it out")
        return _of_run(folder, progress)
    begun = False

    def watched(done: int, total: int) -> None:
        nonlocal begun
        begun = True
        progress(done, total)

    everything = {**reading, "max_bad": 1.0, "allow_leak": True, "sketched": True, "progress": watched}
    if not isinstance(data, str | os.PathLike):
        pair = isinstance(data, tuple) and len(data) == 2
        masked = pair and len(data[1]) > 0 and np.ndim(data[1][0]) > 1
        return read_samples(data, labelled=pair, masked=masked, learnable=False, **everything)
    masked = have_masks(data) or (built_in(data) and str(data) != "digits")
    try:
        return read_samples(data, masked=masked, learnable=False, **everything)
    except DataError as error:
        if begun or masked:
            raise
        try:  # pictures alone
            samples = read_samples(data, labelled=False, **everything)
        except DataError:
            raise error from None
        return dataclasses.replace(samples, notes=(*samples.notes, f"taken without labels: {error.cause}"))


def _folds_in(data: Data) -> list[Run]:
    """The runs that hold a fold out in a folder of runs, as a study's is; else none."""
    from striate.runs.listed import folders

    root = None if _held(data) or not isinstance(data, str | os.PathLike) else path_of(data)
    inside = [] if root is None or not root.is_dir() or (root / "run.json").exists() else folders(root)
    return [run for run in map(_opened, inside) if run.recipe.get("fold") is not None]


def _of_run(folder: Path, progress: Callable[[int, int], None]) -> Samples:
    from striate.runs.own import read_own
    from striate.runs.run import open_run
    from striate.runs.subsets import read_split

    run = open_run(folder)
    task = run.task
    samples = read_own(run.folder, run.facts, labelled=task.labelled, masked=task.masked, progress=progress)
    split, samples = read_split(run.folder, run.facts, samples)
    subset_of = split.subset_of()
    subsets = tuple(subset_of[index] for index in range(len(samples)))
    return dataclasses.replace(samples, name=run.name, subsets=subsets)
