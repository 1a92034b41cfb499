"""A claim: a sentence of a lecture, two arms or more as recipes, and what is read of their runs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

from striate.claims.verdict import POINTS, TIMES, Question
from striate.runs.run import Run
from striate.training.many import Ended
from striate.training.recipe import Recipe, recipe_of

Runs = Mapping[str, Ended]


@final
@dataclass(frozen=True)
class Asked:
    """The pictures, as a recipe names them, with what is said of them in it; the seeds; where the runs lie."""

    data: Mapping[str, Any]
    seeds: tuple[int, ...]
    folder: Path


@final
@dataclass(frozen=True)
class Claim:
    """`sentence` is the lecture's, `source` who says so and which paper; `protocol` says how it is put to the test and
    `lesson` what a student should take from it. `stages` are lists of trainings by name, each done before the next;
    `questions` reads them when all are done. `gate` is what the reference has to reach, in words.
    """

    name: str
    sentence: str
    source: str
    protocol: str
    gate: str
    lesson: str
    stages: Callable[[Asked], Sequence[Mapping[str, Recipe]]]
    questions: Callable[[Asked, Runs], Sequence[Question]]
    seeds: int = 5


# What every training of a claim has alike, where its arms say nothing else: nothing that acts beside what is compared.
COMMON: Mapping[str, Any] = {
    "augment": "none", "mirror": False, "label_smoothing": 0.0, "dropout": None, "optimizer": "sgd", "nesterov": False,
    "weight_decay": 0.0, "schedule": "cosine", "warmup": 0.0, "batch": 128, "split": "80/20/0", "fold": "1/5",
    "device": "cpu",
}  # fmt: skip


@final
@dataclass(frozen=True)
class Sweep:
    """Arms, each at several learning rates and with every seed. Of one seed all arms see the same split and batches."""

    arms: Mapping[str, Mapping[str, Any]]
    rates: tuple[float, ...]
    common: Mapping[str, Any] = field(default_factory=dict)

    def recipes(self, asked: Asked) -> Mapping[str, Recipe]:
        """By `name`."""
        return {
            name(arm, rate, seed): recipe_of(
                **{**COMMON, **asked.data, **self.common, **own, "rate": rate, "seed": seed, "split_seed": seed}
            )
            for arm, own in self.arms.items()
            for rate in self.rates
            for seed in asked.seeds
        }

    def best(self, asked: Asked, runs: Runs, arm: str) -> float:
        """The rate with the least validation loss, the mean over seeds of its logarithm; what failed is worst."""
        return min(
            self.rates, key=lambda rate: _mean([_validation(runs[name(arm, rate, seed)]) for seed in asked.seeds])
        )

    def of(self, asked: Asked, runs: Runs, arm: str, rate: float, measure: Callable[[Run], float]) -> tuple[float, ...]:
        """A number for each seed, NaN where a training failed."""
        found = [runs[name(arm, rate, seed)] for seed in asked.seeds]
        return tuple(math.nan if each.run is None or each.cause else measure(each.run) for each in found)

    def compared(
        self, asked: Asked, runs: Runs, one: str, other: str, of: str, measure: Callable[[Run], float],
        unit: Literal["times", "points"], claimed: Literal[1, -1], gate: Callable[[Run], str] | None = None,
    ) -> list[Question]:  # fmt: skip
        """Each at its best rate, and both at the best rate of either: `gate` says of a run of `other` what is wrong."""
        best = {arm: self.best(asked, runs, arm) for arm in (one, other)}
        pairs = {f"each at its best rate, {best[one]:g} and {best[other]:g}": (best[one], best[other])}
        pairs |= {f"both at rate {rate:g}": (rate, rate) for rate in sorted(set(best.values()))}
        if best[one] == best[other]:
            pairs = {f"both at their best rate, {best[one]:g}": (best[one], best[other])}
        return [
            Question(
                told, of, one, other, self.of(asked, runs, one, first, measure), self.of(asked, runs, other, second, measure),
                unit, claimed, TIMES if unit == "times" else POINTS,
                _failed(self, asked, runs, other, second, gate),
            )
            for told, (first, second) in pairs.items()
        ]  # fmt: skip


def name(arm: str, rate: float, seed: int) -> str:
    return f"{arm}-{rate:g}-{seed}"


def training_loss(run: Run) -> float:
    """Of the last epoch."""
    return run.epochs[-1]["train_loss"]


def held_error(run: Run) -> float:
    """In per cent, of the chosen weights on what the fold holds out, which chose nothing."""
    return 100 * (1 - float((run.result or {})["metrics"]["accuracy"]["value"]))


def trained(most: float) -> Callable[[Run], str]:
    """A gate: the training loss has to end at `most` or below."""

    def gate(run: Run) -> str:
        loss = training_loss(run)
        return "" if loss <= most else f"the reference did not train: loss {loss:.3g}"

    return gate


def _failed(sweep: Sweep, asked: Asked, runs: Runs, arm: str, rate: float, gate: Callable[[Run], str] | None) -> str:
    for seed in asked.seeds:
        each = runs[name(arm, rate, seed)]
        if each.run is None or each.cause:
            return f"the reference failed: {each.cause}"
        if gate is not None and (why := gate(each.run)):
            return f"{why} (seed {seed})"
    return ""


def _validation(each: Ended) -> float:
    return math.inf if each.run is None or each.cause else each.run.epochs[-1]["val_loss"]


def _mean(losses: Sequence[float]) -> float:
    """Of the logarithms."""
    return sum(math.log(each) if each > 0 else -50.0 for each in losses) / len(losses)
