"""What is made of runs that are done: pages, ensembles, comparisons, folds together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from striate.base.errors import RunError, UsageError
from striate.base.paths import path_of
from striate.data.asked import MEANT
from striate.data.load import Data, read_samples
from striate.face.asked import call, listening, opened_run, written
from striate.runs.openings import CHOICE, STUDY
from striate.training.execution import Listener

if TYPE_CHECKING:
    from striate.runs.compared import Compared
    from striate.runs.ensemble import Weigh
    from striate.runs.out_of_fold import OutOfFold
    from striate.runs.run import Run


def write_report(run: str | os.PathLike[str] | Run, data: Data | None = None, *, force: bool = False) -> Path:
    """Write the page of a finished run, a study or a choice again, from what is in its folder; where it lies.

    No test set is opened. `data` are the pictures, where the run was trained on arrays; others are a RunError.
    So is a report.html that is a link, or no page of striate's, unless `force` says to replace it.
    """
    from striate.report import collect

    if (path_of(os.fspath(run)) / STUDY).is_file():
        from striate.report.study import write
        from striate.runs.study import open_study

        return write(open_study(run), force=force)
    if (path_of(os.fspath(run)) / CHOICE).is_file():
        from striate.report import choice as page
        from striate.runs.choice import open_choice

        return page.write(open_choice(run), force=force)
    opened = opened_run(run)
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
    called = call("ensemble", [written(os.fspath(each)) for each in members], keywords)
    with listening(quiet) as listener:
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
    opened = [opened_run(each) for each in members]
    run = averaged.averaged(opened, asked) if average == "weights" else ensembles.ensemble(opened, weigh, asked)
    write_report(run)
    return run


def compare(*runs: str | os.PathLike[str] | Run) -> Compared:
    """Finished runs beside each other, on the same pictures, by what they kept: each pair, with a paired test.

    On the test set where all of them opened it, else on validation where all left it sealed; none is opened. Of more
    than two the tests are held to 95 % together (Holm 1979). A RunError where two were not asked the same.
    """
    from striate.runs import compared

    return compared.compare([opened_run(run) for run in runs])


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

    found = pooling.out_of_fold([opened_run(run) for run in runs])
    if table is not None:
        found.write(path_of(table), force=force)
    return found
