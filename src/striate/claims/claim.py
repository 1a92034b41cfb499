"""A claim: a sentence of a lecture, two arms or more as recipes, and what is read of their runs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

from striate.base.tables import Table
from striate.base.units import Size, sides, size_of
from striate.claims.verdict import POINTS, TIMES, Question
from striate.runs.run import Run
from striate.training.many import Ended
from striate.training.recipe import Recipe, recipe_of

Runs = Mapping[str, Ended]
Measure = Callable[[Run], float]


@final
@dataclass(frozen=True)
class Asked:
    """The pictures, as a recipe names them, with what is said of them in it; the seeds; where the runs lie."""

    data: Mapping[str, Any]
    seeds: tuple[int, ...]
    folder: Path


Arm = Mapping[str, Any] | Callable[[Asked, int], Mapping[str, Any]]

# What every training of a claim has alike, where its arms say nothing else: nothing that acts beside what is compared.
COMMON: Mapping[str, Any] = {
    "augment": "none", "mirror": False, "label_smoothing": 0.0, "dropout": None, "optimizer": "sgd", "nesterov": False,
    "weight_decay": 0.0, "schedule": "cosine", "warmup": 0.0, "batch": 128, "split": "80/20/0", "fold": "1/5",
    "device": "cpu",
}  # fmt: skip


def least_validation_loss(run: Run) -> float:
    """Of all epochs."""
    return min(epoch["val_loss"] for epoch in run.epochs)


@final
@dataclass(frozen=True)
class Sweep:
    """Arms, each at several learning rates and with every seed. Of one seed all arms see the same split and batches.

    An arm is what it sets in a recipe, or a function of what is asked and the seed that tells it: so it can begin from
    a run of a sweep before it. `chosen` is what the best rate has least of, on validation.
    """

    arms: Mapping[str, Arm]
    rates: tuple[float, ...]
    common: Mapping[str, Any] = field(default_factory=dict)
    chosen: Measure = least_validation_loss

    def recipes(self, asked: Asked) -> Mapping[str, Recipe]:
        """By `name`."""
        return {
            name(arm, rate, seed): recipe_of(
                **{**COMMON, **asked.data, "rate": rate, "seed": seed, "split_seed": seed, **self.common}
                | dict(own(asked, seed) if callable(own) else own)
            )
            for arm, own in self.arms.items()
            for rate in self.rates
            for seed in asked.seeds
        }

    def middle(self, asked: Asked, runs: Runs, arm: str, rate: float) -> float:
        """The geometric mean over seeds of what rates are chosen by; infinite where a training failed."""
        found = self.of(asked, runs, arm, rate, self.chosen)
        if not all(math.isfinite(each) for each in found):
            return math.inf
        return math.exp(sum(math.log(max(each, 1e-30)) for each in found) / len(found))

    def best(self, asked: Asked, runs: Runs, arm: str) -> float:
        """The rate that validation chooses."""
        return min(self.rates, key=lambda rate: self.middle(asked, runs, arm, rate))

    def of(self, asked: Asked, runs: Runs, arm: str, rate: float, measure: Measure) -> tuple[float, ...]:
        """A number for each seed, NaN where a training failed."""
        return tuple(measured(runs[name(arm, rate, seed)], measure) for seed in asked.seeds)

    def abreast(self, asked: Asked, runs: Runs, *arms: str) -> Mapping[str, tuple[float, ...]]:
        """In words, rates at which the arms are compared: each at its best, and all at each of these."""
        best = tuple(self.best(asked, runs, arm) for arm in arms)
        all_at = f"{'both' if len(arms) == 2 else 'all'} at rate"
        if len(set(best)) == 1:
            return {f"{all_at} {best[0]:g}{', the best of either' * (len(self.rates) > 1)}": best}
        told = f"each at its best rate, {', '.join(f'{rate:g}' for rate in best[:-1])} and {best[-1]:g}"
        return {told: best, **{f"{all_at} {rate:g}": (rate,) * len(arms) for rate in sorted(set(best))}}

    def compared(
        self, asked: Asked, runs: Runs, one: str, other: str, of: str, measure: Measure,
        unit: Literal["times", "points"], claimed: Literal[1, -1], gate: Callable[[Run], str] | None = None,
    ) -> list[Question]:  # fmt: skip
        """Each at its best rate, and both at the best rate of either; `gate` says what is wrong with `other`."""
        return [
            Question(
                told, of, one, other,
                self.of(asked, runs, one, first, measure), self.of(asked, runs, other, second, measure),
                unit, claimed, TIMES if unit == "times" else POINTS, self.failed(asked, runs, other, second, gate),
            )
            for told, (first, second) in self.abreast(asked, runs, one, other).items()
        ]  # fmt: skip

    def failed(
        self, asked: Asked, runs: Runs, arm: str, rate: float, gate: Callable[[Run], str] | None = None
    ) -> str:  # fmt: skip
        """Why this arm is no reference: a training failed, or did not pass the gate; "" where it is one."""
        for seed in asked.seeds:
            each = runs[name(arm, rate, seed)]
            if each.run is None or each.cause:
                return f"the reference failed: {each.cause}"
            if gate is not None and (why := gate(each.run)):
                return f"{why} (seed {seed})"
        return ""


@final
@dataclass(frozen=True)
class Claim:
    """`sentence` is the lecture's, `source` who says so and which paper; `protocol` says how it is put to the test and
    `lesson` what a student should take from it. `sweeps` are trained one after another; `questions` reads them when all
    are done. `gate` is what the reference has to reach, in words. Of each training the weights after `keep_epochs` last
    epochs are kept for them. `pictures` names what it learns from in place of the digits; `beside` measures more than
    the verdicts need, of which nothing is claimed.
    """

    name: str
    sentence: str
    source: str
    protocol: str
    gate: str
    lesson: str
    questions: Callable[[Asked, Runs], Sequence[Question]]
    sweeps: tuple[Sweep, ...] = ()
    seeds: int = 5
    keep_epochs: int = 0
    pictures: str = ""
    beside: Callable[[Asked, Runs, Sequence[Question]], Sequence[Table]] = lambda asked, runs, questions: ()


def sides_of(asked: Asked, least: int) -> Size:
    """The sides that are asked for, `least` pixels where they are smaller or not told."""
    height, width = sides(size_of(asked.data.get("size") or least))
    return size_of((max(height, least), max(width, least)))


def name(arm: str, rate: float, seed: int) -> str:
    """Of a training in its list."""
    return f"{arm}-{rate:g}-{seed}"


def measured(ended: Ended, measure: Measure) -> float:
    """NaN where the training failed."""
    return math.nan if ended.run is None or ended.cause else measure(ended.run)
