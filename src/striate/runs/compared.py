"""Runs beside each other on the same pictures, by the rows that they kept: no picture is read, no test set opened."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from striate.base.errors import Option, RunError, UsageError, escaped
from striate.base.tables import Table, html_table
from striate.base.words import subset as called
from striate.data.samples import Groups, Indices
from striate.evaluate.contrasts import Contrast, contrasts, p_of
from striate.evaluate.numbers import Number, is_mean, number
from striate.evaluate.paired import Paired, paired
from striate.runs import subsets
from striate.runs.kept import Kept
from striate.runs.openings import sealed_set
from striate.runs.run import Run
from striate.tasks.measures import Measure

# Fields of tasks that decide what is asked of a picture, beside classes; others decide how it is learned.
ASKED = ("good", "noise_kind", "strength", "holes", "hidden")


@final
@dataclass(frozen=True)
class Compared:
    """`numbers` of each run by its folder, and each pair of them, on the same pictures of `subset`."""

    subset: str
    numbers: dict[str, Number]
    pairs: tuple[Contrast, ...]
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> Paired | None:
        """What lies between the first two."""
        return self.pairs[0].found

    def as_dict(self) -> dict[str, Any]:
        numbers = {name: each.as_dict() for name, each in self.numbers.items()}
        return dataclasses.asdict(self) | {"numbers": numbers, "pairs": [each.as_dict() for each in self.pairs]}

    def __str__(self) -> str:
        return "\n".join([*(f"{each}." for each in self.pairs), *self.notes])

    def __repr__(self) -> str:
        return escaped(f"Compared({'; '.join(map(str, self.pairs))})")

    def _repr_html_(self) -> str:
        return html_table(Table(("95 % intervals",), [(str(each),) for each in self.pairs], notes=self.notes))


@final
@dataclass(frozen=True, eq=False)
class Answers:
    """A run's first measure on a subset, its pictures in the order of their contents; groups (n,), where there are."""

    measure: Measure
    groups: Groups | None

    def number(self, subset: str) -> Number:
        return number(self.measure, subset, self.groups)

    @property
    def value(self) -> float:
        """What is compared; minus infinity where it is undefined."""
        told = self.number("").value
        return -math.inf if told is None else told


def answers(run: Run, subset: str) -> Answers:
    """A RunError where nothing was kept of that subset."""
    kept, lines, order = _ordered(run, subset)
    groups = subsets.groups_of(lines, kept.samples[order])
    return Answers(run.task.measures(kept.rows[order])[0], groups)


def contrast(names: tuple[str, str], one: Answers, other: Answers, subset: str, pairs: int) -> Contrast:
    """What lies between two, by a test at 5 % divided by `pairs`."""
    found, numbers = paired(one.measure, other.measure, one.groups), [each.number(subset) for each in (one, other)]
    p = 1.0 if found is None else min(1.0, pairs * p_of(found))
    values = (numbers[0].or_nan, numbers[1].or_nan)
    return Contrast(*names, values, found, p, pairs, is_mean(numbers[0].method), subset)


def places(run: Run, subset: str) -> Indices:
    """Of the pictures that `answers` is of, in their order, the places among the samples."""
    kept, _, order = _ordered(run, subset)
    return kept.samples[order]


def _ordered(run: Run, subset: str) -> tuple[Kept, list[subsets.Line], list[int]]:
    kept, lines = run.kept.get(subset), run.lines
    if kept is None:
        raise RunError(run.folder, f"nothing was kept of its {called(subset)} pictures", "a fresh run")
    return kept, lines, sorted(range(len(kept.samples)), key=lambda row: lines[kept.samples[row]].content)


def compare(runs: Sequence[Run]) -> Compared:
    """Each pair of finished runs that answered the same pictures of one subset: of the test set where all opened it.

    A RunError where they did not: other pictures, other tasks or classes, not done, or one opened and one sealed.
    """
    if len(runs) < 2:
        raise UsageError("compare", "one run has nothing beside it", "striate compare RUN RUN")
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise UsageError("compare", "a run is named twice", "each once")
    subset = _shared(runs)
    names = [run.name for run in runs]
    names = names if len(set(names)) == len(names) else [str(run.folder) for run in runs]
    found = {name: answers(run, subset) for name, run in zip(names, runs, strict=True)}
    numbers = {name: each.number(subset) for name, each in found.items()}

    def between(one: str, other: str) -> tuple[tuple[float, float], Paired | None, int]:
        values = (numbers[one].or_nan, numbers[other].or_nan)
        return values, paired(found[one].measure, found[other].measure, found[one].groups), 1

    pairs = contrasts(names, between, subset, is_mean(next(iter(numbers.values())).method))
    return Compared(subset, numbers, tuple(pairs), _notes(runs, subset))


def _shared(runs: Sequence[Run]) -> str:
    """The subset that all of them answered."""
    for run in runs:
        if run.status != "done" or run.result is None:
            raise RunError(run.folder, f"this training is {run.status}: it has no result", "resuming it")
    first, *others = runs
    subset = str((first.result or {})["subset"])
    for other in others:
        where, then = other.folder, str((other.result or {})["subset"])
        if asked_of(first) != asked_of(other):
            raise RunError(where, f"it learned another task, or other classes, than {first.name}", "runs of one task")
        if subset != then:
            hint: Any = "runs that answered the same pictures"
            sealed = next((run for run in (first, other) if (run.result or {}).get("sealed")), None)
            if sealed is not None:
                hint = (f"run {sealed.name} with ", Option("open_test", True), ", which is counted")
            raise RunError(
                where, f"its result is on {called(then)} pictures, and that of {first.name} on {called(subset)}", hint
            )
        if _pictures(first, subset) != _pictures(other, subset):
            cause = f"it was asked other {called(subset)} pictures than {first.name}"
            raise RunError(where, cause, ("runs of the same data, with the same split and ", Option("split_seed", 0)))
    return subset


def _pictures(run: Run, subset: str) -> tuple[str, str]:
    """Which pictures a subset holds, by content, and how they are told apart in split.csv."""
    told = sealed_set(run.facts) if subset == "test" else run.facts["split"][subset]
    return str(told["digest"]), str(run.facts["data"].get("split_by", "content"))


def asked_of(run: Run) -> tuple[Any, ...]:
    """What is learned, as far as it decides what a picture is measured by."""
    task = run.task
    return task.name, task.classes, *(getattr(task, name, None) for name in ASKED)


def _notes(runs: Sequence[Run], subset: str) -> tuple[str, ...]:
    if subset != "val":
        return ()
    whose = (
        "their test set is sealed"
        if all((run.result or {}).get("sealed") for run in runs)
        else "they have none for the test"
    )
    return (f"These are validation pictures, which also chose each epoch ({whose}): the numbers flatter all alike.",)
