"""Runs that are the folds of one list, together: each picture that is not sealed, answered by who never learned it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np

from striate.base import durable
from striate.base.errors import RunError, UsageError, escaped
from striate.base.outputs import Output, known_by
from striate.base.tables import Table, html_table
from striate.base.words import many, some
from striate.data.samples import Indices
from striate.data.splits import fold_of
from striate.data.suspects import Suspect, suspects
from striate.evaluate.folds import METHOD, over_folds
from striate.evaluate.numbers import OF_FOLDS, Number, is_mean, number
from striate.runs import subsets
from striate.runs.compared import asked_of
from striate.runs.openings import sealed_set
from striate.runs.run import Run
from striate.tasks.task import Rows, Task

FILE = "out-of-fold.csv"
HINT = "the runs of one list of folds: `striate train DATA --fold 1/3`, 2/3 and 3/3"


@final
@dataclass(frozen=True, eq=False)
class OutOfFold:
    """`rows` (n, k) of the pictures at `samples` (n,), their places in split.csv, rising.

    Where a picture was held out several times, by repeats, seeds or networks, its row is their average. `folds`: the
    number of the fold that it was in, of each repeat. `by_run`: the numbers of each run on what it held out, by its
    name. `numbers`: their means over the folds; none where there are several networks.
    """

    task: Task
    names: tuple[str, ...]
    rows: Rows
    samples: Indices
    folds: tuple[str, ...]
    by_run: Mapping[str, tuple[Number, ...]]
    numbers: tuple[Number, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.numbers)) or f"{many(len(self.rows), 'picture')} held out by several networks"

    def __repr__(self) -> str:
        return escaped(f"OutOfFold({'; '.join(each.brief for each in self.numbers)})")

    def _repr_html_(self) -> str:
        return html_table(Table(("95 % interval in brackets",), [(each.brief,) for each in self.numbers]))

    @property
    def table(self) -> Table:
        """A line for each picture, as in predictions.csv, with the fold that held it out."""
        table = self.task.table(self.rows)
        lines = zip(self.names, self.folds, table.rows, strict=True)
        return Table(("sample", "fold", *table.head), [(name, fold, *row) for name, fold, row in lines])

    def write(self, path: Path, *, force: bool = False) -> None:
        """The table as a CSV file; one like it is replaced, another file with `force` alone."""
        table = self.table
        own = known_by(",".join(table.head))
        Output(str(path), path, own, force=force).write(durable.to_csv(table.head, table.rows).encode())

    @property
    def suspects(self) -> tuple[Suspect, ...] | None:
        """Labels that are doubted, by place in split.csv, the most doubted first; None where no classes are told."""
        believed = self.task.believed(self.rows)
        if believed is None:
            return None
        found = suspects(*believed, self.task.classes)
        return tuple(replace(each, place=int(self.samples[each.place])) for each in found)


def out_of_fold(runs: Sequence[Run]) -> OutOfFold:
    """What finished runs say together of the pictures that they held out: all folds of one or more lists.

    A list is every fold of one network, one seed and one repeat. A RunError names the run that does not fit: other
    pictures, another test set, another task; a fold that is missing, there twice, or dealt otherwise.
    """
    if not runs:
        raise UsageError("runs", "none are given", HINT)
    lists, lines, task = _lists(runs), runs[0].lines, runs[0].task
    samples = np.flatnonzero(np.array([line.subset != "test" for line in lines])).astype(np.int64)
    dealt = dict[int, Indices]()
    for (*_, repeat), dealing in lists.items():
        numbers = np.zeros(len(lines), np.int64)
        for place, run in dealing.items():
            numbers[run.kept["held"].samples] += place
        if not np.array_equal(dealt.setdefault(repeat, numbers), numbers):
            cause = f"the folds of {dealing[1].name} are dealt otherwise than those of {runs[0].name}"
            raise RunError(dealing[1].folder, cause, "folds of one --split-seed")
    each = [_together(list(dealing.values()), task, len(lines))[samples] for dealing in lists.values()]
    tasks = [task] * len(each)
    found = task.joined_rows(each, [1 / len(each)] * len(each), tasks)
    return OutOfFold(
        task=task,
        names=tuple(lines[place].name for place in samples),
        rows=np.mean(each, 0) if found is None else found,
        samples=samples,
        folds=tuple(" ".join(str(dealt[repeat][place]) for repeat in sorted(dealt)) for place in samples),
        by_run={run.name: _numbers(run) for run in runs},
        numbers=_means(runs) if len({network for network, *_ in lists}) == 1 else (),
    )


def _lists(runs: Sequence[Run]) -> dict[tuple[str, int, int], dict[int, Run]]:
    """By network, seed and repeat the run of each fold; a RunError where one does not fit to the others."""
    lead, lists = runs[0], dict[tuple[str, int, int], dict[int, Run]]()
    whole = lead.facts["data"]["fingerprint"], sealed_set(lead.facts)["digest"]
    for run in runs:
        if run.recipe.get("fold") is None:
            raise RunError(run.folder, "it holds no fold out", HINT)
        if run.status != "done" or "held" not in run.kept:
            raise RunError(
                run.folder, f"this training is {run.status}: what it held out is not answered", "resuming it"
            )
        fold, first = fold_of(run.recipe["fold"]), fold_of(lead.recipe["fold"])
        if (run.facts["data"]["fingerprint"], sealed_set(run.facts)["digest"]) != whole:
            raise RunError(run.folder, f"other pictures, or another test set, than {lead.name}", HINT)
        if asked_of(run) != asked_of(lead):
            raise RunError(run.folder, f"it learned another task, or other classes, than {lead.name}", HINT)
        if fold.of != first.of:
            raise RunError(run.folder, f"{fold}, and {lead.name} is {first}", HINT)
        network = json.dumps([run.facts["network"]["name"], run.facts["network"]["options"]], sort_keys=True)
        own = lists.setdefault((network, run.recipe["seed"], fold.repeat), {})
        if fold.number in own:
            raise RunError(run.folder, f"{fold}, as {own[fold.number].name} is", "each fold once")
        own[fold.number] = run
    for (*_, repeat), dealing in lists.items():
        one = next(iter(dealing.values()))
        of = fold_of(one.recipe["fold"]).of
        if missing := [f"{number}/{of}" + f"/{repeat}" * bool(repeat) for number in range(1, of + 1)
                       if number not in dealing]:  # fmt: skip
            raise RunError(one.folder, f"beside it {some(missing)} of its list is missing", "all folds of the list")
    return lists


def _together(dealing: Sequence[Run], task: Task, count: int) -> Rows:
    """Rows (count, k) by place in split.csv, of all folds of a list, each as `task` reads it; NaN of the test set."""
    rows = np.full((count, dealing[0].kept["held"].rows.shape[1]), np.nan)
    for run in dealing:
        kept = run.kept["held"]
        # the one without weight says by which temperature the answers are to be read
        own = task.joined_rows([kept.rows, kept.rows], (0.0, 1.0), (task, run.task))
        rows[kept.samples] = kept.rows if own is None else own
    return rows


def _numbers(run: Run) -> tuple[Number, ...]:
    kept = run.kept["held"]
    groups = subsets.groups_of(run.lines, kept.samples)
    return tuple(number(each, "held", groups) for each in run.task.measures(kept.rows))


def _means(runs: Sequence[Run]) -> tuple[Number, ...]:
    """Of each number its mean over the folds, several seeds of one fold being averaged first."""
    found = [(run.recipe["fold"], _numbers(run)) for run in runs]
    tested, trained = (float(np.mean([run.facts["split"][name]["n"] for run in runs])) for name in ("held", "train"))
    return tuple(
        mean_over_folds([(fold, numbers[place]) for fold, numbers in found], tested, trained)
        for place in range(len(found[0][1]))
    )


def mean_over_folds(numbers: Sequence[tuple[str, Number]], tested: float, trained: float) -> Number:
    """The mean of one number by fold, with the interval of Nadeau and Bengio 2003, section 3; n counts answers.

    `tested` and `trained`: pictures that a fold holds out, and those that its network learns from, on average.
    """
    by_fold: dict[str, list[float]] = {}
    for fold, each in numbers:
        by_fold.setdefault(fold, []).append(each.or_nan)
    one, n = numbers[0][1], sum(each.n for _, each in numbers)
    value, low, high = over_folds(np.array([np.mean(values) for values in by_fold.values()]), tested, trained)
    if math.isnan(value) or math.isnan(low):
        return Number(one.name, None, n, "held", None, None, METHOD)
    if is_mean(one.method):
        return Number(one.name, value, n, "held", low, high, OF_FOLDS)
    return Number(one.name, value, n, "held", max(0.0, low), min(1.0, high), METHOD)
