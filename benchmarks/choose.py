"""Does `striate choose` answer with a set that holds the best network? Every candidate is trained whole beside it.

    python benchmarks/choose.py benchmarks/results/choose-DATE.md

The candidates are those that `choose` itself had, each trained with the whole schedule and as many seeds as asked for,
where `choose` has not done so already; the best is that of the highest mean validation accuracy. The exit code says
whether the answer holds it. No test set is opened. It takes 4 minutes on two cores, and 21
with `--max-params 1M --time 10min`.
"""

import argparse
import dataclasses
import json
import shlex
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import striate
from digits import machine
from striate.base.screen import Screen
from striate.base.words import duration
from striate.evaluate.contrasts import Contrast, p_of
from striate.evaluate.numbers import is_mean
from striate.evaluate.seeds import mean_over_seeds, over_seeds
from striate.runs.choice import Choice
from striate.runs.chosen import brief, in_files, name_of
from striate.runs.compared import Answers, answers
from striate.runs.run import Run, open_run
from striate.training.execution import Carried
from striate.training.many import RECORD, train_many
from striate.training.recipe import recipe_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--max-params", default="700K")
    parser.add_argument("--time", default="15min")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("result", type=Path)
    given, here = parser.parse_args(), machine()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        chosen = striate.choose(
            given.data, max_params=given.max_params, time=given.time, epochs=given.epochs, keep_sealed=True, runs=folder
        )
        seconds = time.monotonic() - began
        found = {
            model: [answers(run, "val") for run in runs] for model, runs in whole(chosen, given.seeds).items() if runs
        }
        told, held = verdict(chosen, found)
        rungs = ", ".join(f"{rung.epochs} epochs in {duration(rung.took)}" for rung in chosen.asked.rungs)
        given.result.write_text(
            f"# A choice, and all of its candidates trained whole\n\n{datetime.now(UTC):%Y-%m-%d}, "
            f"{here}, `python {shlex.join(sys.argv)}`\n\n"
            f"The choice took {duration(seconds)}, its rungs of {rungs}; all together "
            f"{duration(time.monotonic() - began)}. {told}\n\n{table(chosen, found)}\n\n"
            + "".join(f"- {note}\n" for note in chosen.table().notes)
        )
    print(given.result.read_text())
    sys.exit(0 if held else 1)


def whole(chosen: Choice, seeds: int) -> dict[str, list[Run]]:
    """Of each candidate its whole trainings, by seed: those of the last rung and of the one taken, and the others."""
    asked, recipe = chosen.asked, recipe_of(**chosen.asked.recipe)
    places: dict[tuple[str, int], Path] = {}
    for seed in range(recipe.seed, recipe.seed + seeds):
        for model in (each.model for each in asked.candidates):
            own = name_of(model, len(asked.rungs)) if seed == recipe.seed else f"{in_files(model)}-seed-{seed}"
            done = (chosen.folder / own / "result.json").exists()
            places[model, seed] = (
                chosen.folder / own if done else chosen.folder.parent / "whole" / f"{in_files(model)}-seed-{seed}"
            )
    recipes = {
        place.name: dataclasses.replace(recipe, model=model, seed=seed, keep_sealed=True)
        for (model, seed), place in places.items()
        if place.parent != chosen.folder
    }
    threads = json.loads((chosen.folder / RECORD).read_text())["threads"]
    with Screen() as screen:
        ended = train_many(recipes, chosen.folder.parent / "whole", Carried(threads=threads), screen) if recipes else {}
    failed = {name for name, each in ended.items() if each.cause}
    found: dict[str, list[Run]] = {}
    for (model, _), place in places.items():
        found.setdefault(model, []).extend([] if place.name in failed else [open_run(place)])
    return found


def verdict(chosen: Choice, found: dict[str, list[Answers]]) -> tuple[str, bool]:
    """Whether the answer holds the best of all, in words; and what lies between it and the best of the answer."""
    means = {
        model: mean_over_seeds([each.measure for each in own], "val", own[0].groups) for model, own in found.items()
    }
    best = max(means, key=lambda model: means[model].or_nan)
    answer = max(chosen.asked.answer, key=lambda model: means[model].or_nan)
    said = (
        f"It answered: {', '.join(chosen.asked.answer)}. The best of all candidates, trained whole, is {best}, which "
    )
    if best == answer:
        return f"{said}the answer **holds**.", True
    one, other = found[best], found[answer]
    between = over_seeds([each.measure for each in one], [each.measure for each in other], one[0].groups)
    p = 1.0 if between is None else p_of(between)
    values = (means[best].or_nan, means[answer].or_nan)
    pair = Contrast(best, answer, values, between, p, 1, is_mean(means[best].method), "val", len(one))
    return f"{said}the answer **does not hold**. {pair}.", False


def table(chosen: Choice, found: dict[str, list[Answers]]) -> str:
    """Each candidate, trained whole, and what became of it in the choice."""
    went = {model: why for rung in chosen.asked.rungs for model, why in rung.went.items()}
    rows = [
        f"| {each.model} | {each.told} | {len(found.get(each.model, ()))} | "
        f"{_mean(found[each.model]) if each.model in found else 'failed'} | "
        f"{'in the answer' if each.model in chosen.asked.answer else went.get(each.model, '')} |"
        for each in chosen.asked.candidates
    ]
    head = ["| network | latency | trainings | mean over seeds | in the choice |", "| --- | ---: | ---: | --- | --- |"]
    return "\n".join([*head, *rows])


def _mean(own: list[Answers]) -> str:
    return brief(mean_over_seeds([each.measure for each in own], "val", own[0].groups))


if __name__ == "__main__":
    main()
