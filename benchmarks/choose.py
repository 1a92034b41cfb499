"""Does `striate choose` answer with a set that holds the best network? Every candidate is trained whole beside it.

    python benchmarks/choose.py --max-params 300K --epochs 8 --time 15min --seeds 3 RESULT.md

The candidates are those that `choose` itself had, each trained with the whole schedule and as many seeds as asked for;
the best is that of the highest mean validation accuracy. No test set is opened.
"""

import argparse
import platform
import shlex
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import striate
from striate.base.screen import Screen
from striate.evaluate.seeds import mean_over_seeds
from striate.runs.chosen import brief
from striate.runs.compared import answers
from striate.training.execution import Carried
from striate.training.many import train_many
from striate.training.recipe import recipe_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--max-params", default="300K")
    parser.add_argument("--time", default="15min")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("result", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        chosen = striate.choose(
            given.data, max_params=given.max_params, time=given.time, epochs=given.epochs, keep_sealed=True, runs=folder
        )
        seconds = time.monotonic() - began
        models = [each.model for each in chosen.asked.candidates]
        recipes = {
            f"{model}-seed-{seed}": recipe_of(
                data=given.data, model=model, epochs=given.epochs, seed=seed, keep_sealed=True
            )
            for seed in range(given.seeds) for model in models
        }  # fmt: skip
        with Screen() as screen:
            ended = train_many(recipes, Path(folder) / "whole", Carried(), screen)
        numbers = {}
        for model in models:
            runs = [ended[f"{model}-seed-{seed}"].run for seed in range(given.seeds)]
            own = [answers(run, "val") for run in runs if run is not None]
            numbers[model] = mean_over_seeds([each.measure for each in own], "val", own[0].groups)
        best = max(models, key=lambda model: numbers[model].value or 0.0)
        held = best in chosen.asked.answer
        latency = {each.model: each.latency for each in chosen.asked.candidates}
        went = {model: why for rung in chosen.asked.rungs for model, why in [*rung.late.items(), *rung.left.items()]}
        rows = [
            f"| {model} | {1e3 * latency[model]:.3g} ms | {brief(numbers[model])} | "
            f"{'in the answer' if model in chosen.asked.answer else went.get(model, '')} |"
            for model in models
        ]
    lengths = ", ".join(str(rung.epochs) for rung in chosen.asked.rungs)
    given.result.write_text(
        f"# A choice, and all of its candidates trained whole\n\n{datetime.now(UTC):%Y-%m-%d}, {platform.processor()} "
        f"{platform.machine()}, `python {shlex.join(sys.argv)}`\n\nThe choice took {seconds:.0f} s, with rungs of "
        f"{lengths} epochs, and answered: {', '.join(chosen.asked.answer)}. The best of all candidates, trained whole "
        f"with {given.seeds} seeds, is {best}, which the answer {'holds' if held else 'does not hold'}.\n\n"
        "| network | latency | mean over seeds | in the choice |\n| --- | ---: | --- | --- |\n" + "\n".join(rows) + "\n"
    )
    print(given.result.read_text())
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
