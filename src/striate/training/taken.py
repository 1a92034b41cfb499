"""What is said of the network that is taken: whether a linear classifier is as good, other seeds, its test set."""

import dataclasses
import time
from collections.abc import Mapping
from functools import partial

from striate.base.words import duration, often
from striate.data.load import Data
from striate.evaluate.numbers import Number
from striate.evaluate.seeds import mean_over_seeds
from striate.runs import run as runs
from striate.runs.choice import Choice
from striate.runs.chosen import Linear, Seeds, brief
from striate.runs.compared import Answers, answers, contrast, places
from striate.runs.finished import trial_of
from striate.runs.openings import sealed_set, times_opened
from striate.runs.own import read_own
from striate.runs.run import Run
from striate.runs.studied import in_files
from striate.runs.subsets import read_split
from striate.training.execution import Carried, Listener
from striate.training.foreseen import had, longer, together
from striate.training.many import jobs_of, train_many
from striate.training.recipe import Recipe

SEEDS = 2  # that the one that is taken is trained with besides: the number of one flatters


def best_of(trained: Mapping[str, Run]) -> str:
    """The network of the highest number on validation."""
    return max(trained, key=lambda model: answers(trained[model], "val").value)


def with_more_seeds(
    choice: Choice, recipe: Recipe, carried: Carried, listener: Listener, data: Data | None
) -> tuple[Seeds, float]:
    """The network that is taken, whose recipe this is, with other seeds where there is time; and seconds of these."""
    asked, folder, first, began = choice.asked, choice.folder, choice.of(choice.asked.answer[0]), time.monotonic()
    model, own, jobs = choice.asked.answer[0], answers(first, "val"), carried.jobs or jobs_of(folder)
    recipes = {
        f"{in_files(model)}-seed-{seed}": dataclasses.replace(recipe, seed=seed)
        for seed in range(recipe.seed + 1, recipe.seed + 1 + SEEDS)
    }
    before = sum(had(folder / name) for name in recipes) / jobs
    takes = together([longer(first, len(first.epochs))] * SEEDS, jobs) - before
    if asked.limits.time is not None and takes > asked.limits.time - asked.spent - before:
        why = f"{SEEDS} more trainings take about {duration(takes)}, and there is no time for them"
        return Seeds(model, (own.number("val"),), own.number("val"), why), 0.0
    listener.say(f"{model} again, with {SEEDS} other seeds")
    ended = train_many(recipes, folder, carried, listener, data)
    found = [own, *(answers(each.run, "val") for each in ended.values() if each.run is not None and not each.cause)]
    alone = "" if len(found) > 1 else f"the others failed: {next(iter(ended.values())).cause}"
    mean = mean_over_seeds([each.measure for each in found], "val", own.groups)
    return Seeds(model, tuple(each.number("val") for each in found), mean, alone), before + time.monotonic() - began


def linear_beside(trained: Mapping[str, Run], listener: Listener, data: Data | None) -> Linear | None:
    """A linear classifier and the best of these, on the same validation pictures; None where the task has none."""
    best = best_of(trained)
    run = trained[best]
    task, asked = run.task, places(run, "val")
    samples = read_own(run.folder, run.facts, data, labelled=task.labelled, masked=task.masked)
    split, samples = read_split(run.folder, run.facts, samples)
    watching = partial(listener.progress, "trying a linear classifier")
    measure = task.linear(trial_of(run.predictor, samples, split, asked, progress=watching))
    if measure is None:
        return None
    own = answers(run, "val")
    rival = Answers(measure, own.groups)
    pair = contrast((best, measure.name), own, rival, "val", len(trained))
    told = dataclasses.replace(rival.number("val"), name=own.measure.name)
    return Linear(measure.name, told, pair.as_dict())


def opened(choice: Choice, keep_sealed: bool, listener: Listener, data: Data | None) -> str:
    """What is said of the one that is taken; its test set is opened, unless it is to stay sealed."""
    model, run = choice.asked.answer[0], choice.run
    others = len(choice.asked.answer) - 1
    said = f"{model} is taken: the fastest of {others + 1} that cannot be told apart" if others else f"{model} is taken"
    sealed = 0 if run is None else run.facts["split"]["test"]["n"]
    if run is None or not sealed:
        return f"{said}; there is no test set"
    if keep_sealed:
        return f"{said}; its {sealed:,} test pictures stay sealed"
    if (run.result or {})["subset"] != "test":
        for note in run.evaluate(open_test=True, moved=data).notes:
            listener.say(note)
    told = (runs.open_run(run.folder).result or {})["numbers"][0]
    times = times_opened(run.folder, sealed_set(run.facts)["digest"])
    return f"{said}; on the test set, opened {often(times)}: {brief(Number(**told))}"
