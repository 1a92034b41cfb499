"""What claims read of a run."""

import math
from collections.abc import Callable

from striate.claims.claim import Measure
from striate.runs.run import Run


def training_loss(run: Run) -> float:
    """Of the last epoch."""
    return run.epochs[-1]["train_loss"]


def held(run: Run, number: str) -> float:
    """A number of the chosen weights on what the fold holds out, which chose nothing; NaN where it is undefined."""
    found = next(each["value"] for each in (run.result or {})["numbers"] if each["name"] == number)
    return math.nan if found is None else float(found)


def held_error(run: Run) -> float:
    """In per cent."""
    return 100 * (1 - held(run, "accuracy"))


def held_loss(run: Run) -> float:
    return held(run, "log loss")


def steps_to(error: float) -> Measure:
    """Steps until the validation error first is at most `error` per cent; NaN where it never is."""

    def steps(run: Run) -> float:
        reached = (each["steps"] for each in run.epochs if 100 * (1 - each["val_accuracy"]) <= error)
        return next(reached, math.nan)

    return steps


def trained(most: float) -> Callable[[Run], str]:
    """A gate: the training loss has to end at `most` or below."""

    def gate(run: Run) -> str:
        loss = training_loss(run)
        return "" if loss <= most else f"the reference did not train: loss {loss:.3g}"

    return gate
