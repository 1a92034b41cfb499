"""What the trainings of a study say of its networks on one subset, from the rows that they kept."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from striate.base import words
from striate.base.errors import RunError
from striate.evaluate.contrasts import Contrast, contrasts, known
from striate.evaluate.folds import folds_apart
from striate.evaluate.numbers import Number, as_told, is_mean
from striate.evaluate.paired import Paired
from striate.evaluate.seeds import mean_over_seeds, over_seeds
from striate.runs.compared import Answers, answers
from striate.runs.out_of_fold import mean_over_folds
from striate.runs.run import Run
from striate.runs.studied import Asked, Result, Row, Training

# Networks up to which a person is told of every pair; of more, of the first beside each other.
EVERY = 4


@final
@dataclass(frozen=True)
class Ranking:
    """`numbers` by network, the best first; the values of single folds, where there are; and each two networks."""

    numbers: Mapping[str, Number]
    folds: Mapping[str, tuple[float | None, ...]]
    pairs: tuple[Contrast, ...]


def ranked(asked: Asked, runs: Mapping[str, Run], subset: str) -> Ranking:
    """Of all trainings in `runs` by name: over the seeds that both networks of a pair have, or over their folds."""
    kept = {each: answers(runs[each.name], subset) for each in asked.trainings if each.name in runs}
    pictures = {run.facts["split"][subset]["digest"] for run in runs.values()}
    if subset != "held":
        if len(pictures) > 1:
            raise RunError(next(iter(runs.values())).folder, "it was asked other pictures", "a fresh study")
        return _over_seeds(asked, kept, subset)
    split = [run.facts["split"] for run in runs.values()]
    tested, trained = (float(np.mean([each[name]["n"] for each in split])) for name in ("held", "train"))
    return _over_folds(asked, kept, tested, trained)


def _over_seeds(asked: Asked, kept: Mapping[Training, Answers], subset: str) -> Ranking:
    """Folds of a network that answered the same pictures are as other seeds."""
    own = {
        model: {(each.seed, each.fold): found for each, found in kept.items() if each.model == model}
        for model in asked.models
    }
    own = {model: found for model, found in own.items() if found}
    groups = next(iter(kept.values())).groups
    numbers = {
        model: mean_over_seeds([each.measure for each in found.values()], subset, groups)
        for model, found in own.items()
    }
    order = _order(numbers)
    mean = is_mean(numbers[order[0]].method)

    def between(one: str, other: str) -> tuple[tuple[float, float], Paired | None, int]:
        shared = [place for place in own[one] if place in own[other]]
        firsts, seconds = ([own[model][place].measure for place in shared] for model in (one, other))
        if not shared:
            return (math.nan, math.nan), None, 0
        first, second = (mean_over_seeds(each, subset, groups).or_nan for each in (firsts, seconds))
        return (first, second), over_seeds(firsts, seconds, groups), len(shared)

    return Ranking({model: numbers[model] for model in order}, {}, tuple(contrasts(order, between, subset, mean)))


def _over_folds(asked: Asked, kept: Mapping[Training, Answers], tested: float, trained: float) -> Ranking:
    """Each fold's value, the mean over seeds of it, and Nadeau and Bengio's interval of the mean over folds."""
    values: dict[str, dict[str, float]] = {}
    numbers = {}
    for model in asked.models:
        own = [(str(each.fold), found.number("held")) for each, found in kept.items() if each.model == model]
        if own:
            numbers[model] = mean_over_folds(own, tested, trained)
            by_fold = {fold: [each.or_nan for place, each in own if place == fold] for fold, _ in own}
            values[model] = {fold: float(np.mean(several)) for fold, several in by_fold.items()}
    mean = is_mean(next(iter(kept.values())).number("held").method)
    order = _order(numbers)

    def between(first: str, second: str) -> tuple[tuple[float, float], Paired | None, int]:
        shared = [fold for fold in values[first] if fold in values[second]]
        ours, theirs = (np.array([values[model][fold] for fold in shared]) for model in (first, second))
        if not shared:
            return (math.nan, math.nan), None, 0
        return (float(ours.mean()), float(theirs.mean())), folds_apart(ours, theirs, tested, trained), 1

    folds = {model: tuple(None if math.isnan(each) else each for each in values[model].values()) for model in order}
    return Ranking({model: numbers[model] for model in order}, folds, tuple(contrasts(order, between, "held", mean)))


def _order(numbers: Mapping[str, Number]) -> list[str]:
    """The best first, what is undefined last; equal ones as they were named."""
    return sorted(numbers, key=lambda model: (numbers[model].value is None, -(numbers[model].value or 0.0)))


def shown(pairs: Sequence[Contrast], models: Sequence[str]) -> list[Contrast]:
    """Those a person is told of: all, or of many networks the first beside each other one."""
    if len(models) <= EVERY:
        return list(pairs)
    first = models[0]  # of the test it may be another one's second
    return [each if each.one == first else each.turned() for each in pairs if first in (each.one, each.other)]


def of_fold(row: Row, value: float | None) -> str:
    """The value of one fold, as it is told."""
    return "undefined" if value is None else as_told(value, row.number.n, is_mean(row.number.method))


def sentences(result: Result) -> list[str]:
    """What is told of a study beside its table."""
    models = [row.model for row in result.models]
    said = [
        f"{row.model} fold by fold: {', '.join(of_fold(row, each) for each in row.folds)}."
        for row in result.models if row.folds
    ]  # fmt: skip
    pairs = shown([known(each) for each in result.pairs], models)
    said += [f"{each}." for each in pairs]
    if result.pairs and len(pairs) < len(result.pairs):
        said.append(f"The page has all: {words.many(len(result.pairs), 'pair')}.")
    if result.subset == "val":
        said.append("Decided on validation pictures, which also chose each epoch: their numbers flatter all alike.")
    if result.openings is not None:
        said.append(
            f"The test set was opened at the end, for all trainings at once; {words.often(result.openings)} so far."
        )
        said += [f"There, {each}." for each in shown([known(each) for each in result.test_pairs], models)]
    elif result.sealed:
        said.append(f"The test set of {result.sealed:,} pictures stays sealed.")
    said += [f"Failed, and not compared: {name}: {cause}" for name, cause in result.failed.items()]
    return said
