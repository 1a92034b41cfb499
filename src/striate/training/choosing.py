"""A network for a budget: candidates are halved by trainings of rising length, each with its own whole schedule.

A short part of a long schedule would measure the warm-up and not the network. One goes only where a paired test on
validation pictures says that it is worse than the best; the test set is opened once, for the one that is taken.
"""

import dataclasses
import math
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from striate.base import durable
from striate.base.errors import RunError, UsageError
from striate.base.words import duration, many
from striate.data.load import Data
from striate.runs import run as runs
from striate.runs.choice import Choice, open_choice
from striate.runs.chosen import Asked, Limits, Rung, fastest_first, name_of
from striate.runs.compared import Answers, answers, contrast
from striate.runs.openings import CHOICE
from striate.runs.run import Run
from striate.training.candidates import candidates
from striate.training.execution import Carried, Listener
from striate.training.foreseen import by_steps, had, longer, together
from striate.training.machine import Clock
from striate.training.many import jobs_of, train_many
from striate.training.plan import plan_of, refuse_inside
from striate.training.recipe import Recipe, recipe_of
from striate.training.taken import linear_beside, opened, with_more_seeds

# Of the epochs of the last rung, those of each, and the least: after fewer the order says little of the networks.
LENGTHS, LEAST = (1 / 9, 1 / 3, 1.0), 4
# Of the time that is left, what the last rung but two may take, the last but one and the last.
SHARES = (1 / 5, 1 / 3, 1.0)


def start_choice(
    recipe: Recipe, limits: Limits, carried: Carried, listener: Listener, data: Data | None = None
) -> Choice:
    """Choose a network for the data of `recipe`, which names none, in a new folder."""
    clock, began = Clock(), time.monotonic()
    plan = plan_of(recipe, carried.execution, listener, data)
    refuse_inside(plan, "runs", carried.execution.runs)
    if plan.task.one_class:
        cause = f"validation of {plan.task.name} holds good pictures alone, which tell no network from another"
        raise UsageError("task", cause, "striate study DATA --models, or striate train DATA --model")
    found, removed = candidates(recipe, plan, limits, listener)
    for model, why in removed.items():
        listener.say(f"not tried: {model}: {why}")
    if not found:
        raise RunError("choose", "no network keeps within these limits", "wider ones; what each takes stands above")
    folder = runs.create(carried.execution.runs, plan.samples.name, "choice")
    same = dataclasses.replace(recipe, data=plan.data, task=plan.recipe.task, epochs=plan.recipe.epochs)
    asked = Asked(
        format=1,
        id=secrets.token_hex(16),
        recipe=durable.as_read(dataclasses.asdict(same)),
        limits=limits,
        candidates=tuple(found),
        removed=removed,
        spent=time.monotonic() - began,
        data=plan.samples.name,
        task=plan.task.name,
        began=clock.began,
        command=carried.execution.command,
    )
    _write(folder, asked)
    listener.say(f"{folder}: {many(len(found), 'network')} to choose from: {', '.join(each.model for each in found)}")
    return resume_choice(Choice(folder, asked), carried, listener, data)


def resume_choice(choice: Choice, carried: Carried, listener: Listener, data: Data | None = None) -> Choice:
    """Go on until one is taken; what is done is not done again."""
    asked, folder = choice.asked, choice.folder
    if asked.told:
        raise RunError(folder, "one was taken already", "a new choice")
    recipe = recipe_of(**asked.recipe)
    whole = recipe.epochs or 1
    lengths = sorted({max(min(LEAST, whole), round(length * whole)) for length in LENGTHS})
    for place, epochs in enumerate(lengths, start=1):
        if len(asked.rungs) < place or not asked.rungs[place - 1].ended:
            asked = _climbed(Choice(folder, asked), recipe, epochs, len(lengths) - place, carried, listener, data)
            _write(folder, asked)
    ordered = fastest_first(each for each in asked.candidates if each.model in asked.rungs[-1].kept)
    asked = dataclasses.replace(asked, answer=tuple(each.model for each in ordered))
    if asked.linear is None:
        trained = {model: Choice(folder, asked).of(model) for model in asked.rungs[-1].kept}
        asked = dataclasses.replace(asked, linear=linear_beside(trained, listener, data))
        _write(folder, asked)
    if asked.seeds is None:
        again = _shortened(recipe, asked.answer[0], whole)
        seeds, took = with_more_seeds(Choice(folder, asked), again, carried, listener, data)
        asked = dataclasses.replace(asked, seeds=seeds, spent=asked.spent + took)
        _write(folder, asked)
    told = opened(Choice(folder, asked), recipe.keep_sealed, listener, data)
    _write(folder, dataclasses.replace(asked, told=(told,)))
    return open_choice(folder)


def _climbed(
    choice: Choice, recipe: Recipe, epochs: int, more: int, carried: Carried, listener: Listener, data: Data | None
) -> Asked:
    """After the next rung, which is the one that was begun, if any; `more` follow."""
    asked, began = choice.asked, time.monotonic()
    if not asked.rungs or asked.rungs[-1].ended:
        seconds, carried = _foreseen(choice, recipe, epochs, carried, listener, data)
        jobs = carried.jobs or (jobs_of(choice.folder) if asked.rungs else 1)
        rung = _next(asked, seconds, epochs, more, jobs)
        asked = dataclasses.replace(asked, rungs=(*asked.rungs, rung), spent=asked.spent + time.monotonic() - began)
        _write(choice.folder, asked)
    rung, place, began = asked.rungs[-1], len(asked.rungs), time.monotonic()
    before = sum(had(choice.folder / name_of(model, place)) for model in rung.models)  # of trainings before a kill
    for model, why in rung.late.items():
        listener.say(f"{model} goes no further: {why}")
    listener.say(f"rung {place}: {many(len(rung.models), 'network')}, {many(epochs, 'epoch')} each")
    ended = train_many(
        {name_of(model, place): _shortened(recipe, model, epochs) for model in rung.models},
        choice.folder, carried, listener, data,
    )  # fmt: skip
    failed = {model: cause for model in rung.models if (cause := ended[name_of(model, place)].cause)}
    rung = dataclasses.replace(rung, failed=failed)
    if not rung.done:
        raise RunError(choice.folder, f"no training ended: {next(iter(failed.values()))}", "another recipe")
    trained = {model: runs.open_run(choice.folder / name_of(model, place)) for model in rung.done}
    left = worse({model: answers(run, "val") for model, run in trained.items()}, _chance(trained) if more else None)
    took = before / jobs_of(choice.folder) + time.monotonic() - began
    rung = dataclasses.replace(rung, left=left, ended=True, took=took)
    for model in [*failed, *left]:
        listener.say(f"{rung.went[model]}: it goes no further")
    if rung.foreseen is not None:
        listener.say(f"rung {place} took {duration(took)}, and {duration(rung.foreseen)} were foreseen")
    return dataclasses.replace(asked, rungs=(*asked.rungs[:-1], rung), spent=asked.spent + took)


def _foreseen(
    choice: Choice, recipe: Recipe, epochs: int, carried: Carried, listener: Listener, data: Data | None
) -> tuple[dict[str, float], Carried]:
    """Seconds of each training of the next rung, by network, in the order in which they are to be trained: the best
    first, and at first, where nobody asked for an order, the fastest first. And how they are carried out."""
    asked = choice.asked
    if asked.rungs:
        kept = {model: choice.of(model) for model in asked.rungs[-1].kept}
        values = {model: answers(run, "val").value for model, run in kept.items()}
        return {model: longer(kept[model], epochs) for model in sorted(kept, key=lambda each: -values[each])}, carried
    models = [each.model for each in asked.candidates]
    if asked.limits.time is None:
        return dict.fromkeys(models, 0.0), carried
    recipes = {name_of(model, 1): _shortened(recipe, model, epochs) for model in models}
    seconds, carried = by_steps(recipes, choice.folder, carried, listener, data)
    return dict(zip(models, seconds.values(), strict=True)), carried


def _next(asked: Asked, seconds: Mapping[str, float], epochs: int, more: int, jobs: int) -> Rung:
    """Who is trained next: the first of `seconds`, as many as there is time for; `more` rungs follow."""
    limit = asked.limits.time
    left = math.inf if limit is None else (limit - asked.spent) * SHARES[-1 - more]
    models, late = list[str](), dict[str, str]()
    for model, each in seconds.items():
        if not models or together([*(seconds[other] for other in models), each], jobs) <= left:
            models.append(model)
        else:
            late[model] = f"{many(epochs, 'epoch')} take about {duration(each)}, and there is no time for it"
    foreseen = together([seconds[model] for model in models], jobs) or None
    return Rung(epochs, tuple(models), late, foreseen=foreseen)


def _shortened(recipe: Recipe, model: str, epochs: int) -> Recipe:
    """The same recipe with a schedule that is whole after so many epochs."""
    part = epochs / (recipe.epochs or epochs)
    warmup = None if recipe.warmup is None else recipe.warmup * part
    steps = tuple(each * part for each in recipe.step_epochs)
    return dataclasses.replace(recipe, model=model, epochs=epochs, keep_sealed=True, warmup=warmup, step_epochs=steps)


def worse(found: Mapping[str, Answers], chance: float | None = None) -> dict[str, str]:
    """Those that are worse than the best of them on the same pictures, by a test at 5 % divided by their number, and
    how much; but none whose interval holds `chance`: it may have left it only later."""
    best, told = max(found, key=lambda model: found[model].value), {}
    for model, each in found.items():
        low = each.number("val").low
        if model == best or (chance is not None and low is not None and low <= chance):
            continue
        pair = contrast((model, best), each, found[best], "val", len(found))
        if pair.verdict == "is beaten by":
            told[model] = str(pair)
    return told


def _chance(trained: Mapping[str, Run]) -> float | None:
    """What answering without looking comes to, where the task knows it."""
    result = next(iter(trained.values())).result or {}
    return next((each["value"] for each in result["baselines"] if each["name"] == "majority class"), None)


def _write(folder: Path, asked: Asked) -> None:
    durable.write_json(folder / CHOICE, dataclasses.asdict(asked))
