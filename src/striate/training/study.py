"""One recipe for networks, seeds and folds: trained, decided without the test set, which is then opened once."""

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from striate.base import durable, processes
from striate.base.errors import RunError, StriateError, UsageError
from striate.base.words import some
from striate.cost import machine as measured
from striate.cost.count import count
from striate.data.load import Data
from striate.data.splits import MOST_FOLDS
from striate.models.catalog import find
from striate.runs import evaluation, lock, run, studied
from striate.runs.kept import answered_by
from striate.runs.openings import STUDY, opening_of, record_opening, sealed_set, times_opened
from striate.runs.out_of_fold import out_of_fold
from striate.runs.ranking import Ranking, ranked
from striate.runs.run import Run
from striate.runs.studied import Asked, Result, Row
from striate.runs.study import Study, open_study
from striate.training import machine as machines
from striate.training.execution import Carried, Listener
from striate.training.machine import Clock
from striate.training.many import train_many
from striate.training.plan import Plan, plan_of, refuse_inside
from striate.training.recipe import Recipe, recipe_of


def start_study(
    recipe: Recipe, models: Sequence[str], seeds: int, folds: int | None, repeats: int, carried: Carried,
    listener: Listener, data: Data | None = None,
) -> Study:  # fmt: skip
    """Train `recipe` for each network of `models`, from its seed on so many, and for each fold, in a new study folder.

    Without `models` it is the recipe's own network. `data` are pictures in memory, where the recipe cannot name them.
    What no training of it would take is refused before a folder is made.
    """
    named = tuple(models) or ((recipe.model,) if recipe.model else ())
    _refuse(recipe, named, seeds, folds, repeats)
    execution, clock = carried.execution, Clock()
    with processes.group(recipe.device):
        plans = [
            plan_of(
                dataclasses.replace(recipe, model=model, fold=None if folds is None else f"1/{folds}"),
                execution,
                listener,
                data,
            )
            for model in named or (None,)
        ]
    _refuse_apart(plans)
    first = plans[0]
    refuse_inside(first, "runs", execution.runs)
    asked = Asked(
        id=secrets.token_hex(16),
        models=named or (str(first.recipe.model),),
        seeds=tuple(range(recipe.seed, recipe.seed + seeds)),
        folds=folds,
        repeats=repeats,
        keep_sealed=recipe.keep_sealed,
        recipe=durable.as_read(dataclasses.asdict(dataclasses.replace(recipe, data=first.data, keep_sealed=True))),
        data=first.samples.name,
        task=first.task.name,
        began=clock.began,
        command=execution.command,
    )
    folder = run.create(execution.runs, first.samples.name, "study")
    durable.write_json(folder / STUDY, {"format": studied.FORMAT, **dataclasses.asdict(asked)})
    listener.say(f"{folder}: {len(asked.trainings)} trainings")
    return resume_study(Study(folder, asked), carried, listener, data)


def resume_study(study: Study, carried: Carried, listener: Listener, data: Data | None = None) -> Study:
    """Train what is not done yet, decide, and open the test set for all at once, unless it is to stay sealed.

    A RunError where all of it is done, or no training ends.
    """
    before = studied.read_result(study.folder)
    if before is not None and not before.failed:
        raise RunError(study.folder, "this study is finished", f"`striate report {study.folder}`, or a new one")
    ended = train_many(recipes_of(study.asked), study.folder, carried, listener, data)
    runs = {name: each.run for name, each in ended.items() if each.run is not None and not each.cause}
    failed = {name: each.cause for name, each in ended.items() if name not in runs}
    if not runs:
        raise RunError(study.folder, f"no training ended: {next(iter(failed.values()))}", "another recipe")
    with lock.alone(study.folder, listener.say):
        decide(study, runs, failed, listener, data)
    return open_study(study.folder)


def recipes_of(asked: Asked) -> Mapping[str, Recipe]:
    """By the name of each training."""
    whole = recipe_of(**asked.recipe)
    return {
        each.name: dataclasses.replace(whole, model=each.model, seed=each.seed, fold=each.fold)
        for each in asked.trainings
    }


def decide(
    study: Study, runs: Mapping[str, Run], failed: Mapping[str, str], listener: Listener, data: Data | None = None
) -> Result:
    """result.json: who is best of those that were trained, by pictures that are not the test set's; then that, once."""
    subset = "val" if study.asked.folds is None else "held"
    ranking, tested, more = ranked(study.asked, runs, subset), None, dict[str, Any]()
    sealed = next(iter(runs.values())).facts["split"]["test"]
    if sealed["n"] and study.asked.keep_sealed:
        more = {"sealed": sealed["n"]}
    elif sealed["n"]:
        _open(study, runs, listener, data)
        opened = {name: run.open_run(each.folder) for name, each in runs.items()}
        tested = ranked(study.asked, opened, "test")
        more = {"openings": max(1, times_opened(study.folder, sealed_set(next(iter(opened.values())).facts)["digest"]))}
    if study.asked.folds is not None:
        _pool(study, runs, listener)
    first = next(iter(runs.values()))
    result = Result(
        subset=subset,  # type: ignore[arg-type]
        models=tuple(_rows(study.asked, runs, ranking, tested, listener)),
        pairs=tuple(each.as_dict() for each in ranking.pairs),
        test_pairs=() if tested is None else tuple(each.as_dict() for each in tested.pairs),
        failed=dict(failed),
        machine=str(first.facts["versions"].get("machine", "")),
        threads=torch.get_num_threads(),
        **more,
    )
    durable.write_json(study.folder / studied.RESULT, dataclasses.asdict(result))
    return result


def _pool(study: Study, runs: Mapping[str, Run], listener: Listener) -> None:
    """A table of each network's answers for what its folds held out, where all of these ended."""
    for model in study.asked.models:
        own = [runs[each.name] for each in study.asked.trainings if each.model == model and each.name in runs]
        name = f"out-of-fold-{studied.in_files(model)}.csv"
        try:
            out_of_fold(own).write(study.folder / name)
        except StriateError as error:
            listener.say(f"no {name}: {error.cause}")


def _open(study: Study, runs: Mapping[str, Run], listener: Listener, data: Data | None) -> None:
    """One opening for all trainings; after a kill it is the same one, and who has answered is not asked again."""
    answers = sorted(str(answered_by(each.folder)) for each in runs.values())
    first = next(iter(runs.values()))
    opening = opening_of(study.folder, [study.asked.id, *answers], sealed_set(first.facts), again=False)
    for note in record_opening(study.folder, opening)[1]:
        listener.say(note)
    joint = evaluation.Joint(opening)
    for done, (name, each) in enumerate(runs.items(), start=1):
        if (each.result or {})["subset"] != "test":
            device = machines.choose(each.recipe["device"], each.recipe["precision"]).device
            own = (each.folder, each.facts)
            found = evaluation.on_own(
                each.predictor.on(device), own, None, data, open_test=True, before=each.result, joint=joint
            )
            for note in found.notes:
                listener.say(f"{name}: {note}")
        listener.progress("answering test pictures", done, len(runs))


def _rows(
    asked: Asked, runs: Mapping[str, Run], ranking: Ranking, tested: Ranking | None, listener: Listener
) -> list[Row]:
    """By network, the best first: its numbers, and what it costs."""
    rows: list[Row] = []
    for done, (model, number) in enumerate(ranking.numbers.items(), start=1):
        own = [runs[each.name] for each in asked.trainings if each.model == model and each.name in runs]
        adds, latency = _cost(own[0])
        rows.append(
            Row(
                model=model,
                trainings=len(own),
                number=number,
                test=tested and tested.numbers.get(model),
                folds=ranking.folds.get(model, ()),
                parameters=own[0].facts["network"].get("parameters", 0),
                multiply_adds=adds,
                seconds=sum(each.facts.get("seconds") or 0.0 for each in own) / len(own),
                latency=latency,
                front=False,
            )
        )
        listener.progress("measuring networks", done, len(ranking.numbers))
    return [dataclasses.replace(row, front=_is_front(row, rows)) for row in rows]


def _cost(trained: Run) -> tuple[int | None, float | None]:
    """Multiply-adds of one pass over one canvas, and its seconds here; None where the network cannot be counted."""
    way, net = trained.preprocess, trained.network
    shape = (trained.task.channels(way.channels)[0], *way.sides)
    seconds = measured.seconds(net, [torch.zeros(1, *shape)], [])[""]
    try:
        return count(net, shape).macs, seconds
    except StriateError:
        return None, seconds


def _is_front(row: Row, rows: Sequence[Row]) -> bool:
    """Whether no other network has as good a number for fewer multiply-adds, or a better one for as few."""

    def beside(other: Row) -> bool:
        ours, theirs = (each.number.value for each in (row, other))
        if None in (ours, theirs, row.multiply_adds, other.multiply_adds):
            return False
        cost = other.multiply_adds <= row.multiply_adds  # type: ignore[operator]
        return bool(cost and theirs >= ours and (theirs, other.multiply_adds) != (ours, row.multiply_adds))  # type: ignore[operator]

    return row.number.value is not None and row.multiply_adds is not None and not any(map(beside, rows))


def _refuse(recipe: Recipe, models: Sequence[str], seeds: int, folds: int | None, repeats: int) -> None:
    """What cannot be meant."""
    if twice := [model for model in models if list(models).count(model) > 1]:
        raise UsageError("models", f"{twice[0]} is named twice", "each once")
    for name, value, least, most in (
        ("seeds", seeds, 1, 1000),
        ("folds", folds, 2, MOST_FOLDS),
        ("repeats", repeats, 1, MOST_FOLDS),
    ):
        if value is not None and not least <= value <= most:
            raise UsageError(name, f"{value} is out of range", f"a number from {least} to {most}")
    if repeats > 1 and folds is None:
        raise UsageError("repeats", "there are no folds to repeat", "--folds 5 as well")
    if recipe.fold is not None:
        raise UsageError("fold", "a study trains every fold", "--folds with how many")
    if len({find(model).task for model in models}) > 1:
        told = some((f"{model} is to {find(model).task}" for model in models), 4)
        if recipe.task is None:
            raise UsageError("models", f"they learn different tasks: {told}", "networks of one task, or --task")


def _refuse_apart(plans: Sequence[Plan]) -> None:
    """A UsageError where networks would be asked other pictures."""
    first, *others = plans
    for other in others:
        if first.task.name != other.task.name:
            names = f"{first.recipe.model} learns to {first.task.name}, and {other.recipe.model} to {other.task.name}"
            raise UsageError("models", names, "networks of one task, or --task")
