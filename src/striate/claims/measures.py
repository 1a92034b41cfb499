"""What claims read of a run."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch

from striate.claims.claim import Asked, Measure, Runs, Sweep
from striate.claims.verdict import Question
from striate.data.samples import Samples
from striate.data.splits import Split
from striate.evaluate.rows import rows_anew
from striate.runs.own import own_subsets
from striate.runs.run import Run

# What verdicts call the two that most claims compare.
TRAINING_LOSS = "training loss of the last epoch"
HELD_ERROR = "error on what the fold holds out"
# The training loss to which the reference has to come, where errors are compared.
TRAINED = 0.2


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


def own_pictures(run: Run) -> tuple[Split, Samples]:
    """Its subsets, and its samples."""
    return own_subsets(run.folder, run.facts, run.task, None, "a claim on pictures that lie on disk")


def learned(run: Run) -> Mapping[str, float]:
    """Loss and accuracy of the same weights on the training pictures: unchanged, and with nothing dropped."""
    split, samples = own_pictures(run)
    return run.task.summary(torch.from_numpy(rows_anew(run.predictor, samples, split.train, 0)))


def gap_in_loss(run: Run) -> float:
    """By how much the loss of what is held out is above that of the training pictures, in nats."""
    return held_loss(run) - learned(run)["loss"]


def gap_in_error(run: Run) -> float:
    """The same of errors, in points."""
    return held_error(run) - 100 * (1 - learned(run)["accuracy"])


def steps_to(error: float) -> Measure:
    """Steps until the validation error first is at most `error` per cent; NaN where it never is."""

    def steps(run: Run) -> float:
        reached = (each["steps"] for each in run.epochs if 100 * (1 - each["val_accuracy"]) <= error)
        return next(reached, math.nan)

    return steps


def steps_within(error: float) -> Measure:
    """The same; where it never is, all steps of the training, for it takes more than those."""

    def steps(run: Run) -> float:
        found = steps_to(error)(run)
        return run.epochs[-1]["steps"] if math.isnan(found) else found

    return steps


def reaches(error: float) -> Callable[[Run], str]:
    """A gate: the validation error has to come to `error` per cent or below."""

    def gate(run: Run) -> str:
        return f"the reference never reached {error:g} %" if math.isnan(steps_to(error)(run)) else ""

    return gate


def trained(most: float) -> Callable[[Run], str]:
    """A gate: the training loss has to end at `most` or below."""

    def gate(run: Run) -> str:
        loss = training_loss(run)
        return "" if loss <= most else f"the reference did not train: loss {loss:.3g}"

    return gate


def fewer_errors(sweep: Sweep, one: str, other: str, asked: Asked, runs: Runs) -> Sequence[Question]:
    """Whether `one` errs less on what is held out than `other`, which has to have learned."""
    return sweep.compared(asked, runs, one, other, HELD_ERROR, held_error, "points", -1, trained(TRAINED))
